//! `PATCH /api/v1/items/{id}`: what is different about an item.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, Change, Item, ItemId};
use super::{ItemsWrite, owned, sql};
use crate::accounts::Patch;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Preconditions, Refused, Require};

/// A change of an item: absent leaves a field, `null` clears it.
#[derive(Deserialize, ToSchema)]
#[schema(as = ItemPatch, example = json!({ "title": "A brass lantern", "description": null }))]
pub(super) struct Request {
    /// 1 to 200 characters on one line.
    #[serde(default)]
    #[schema(value_type = String, required = false)]
    title: Patch<String>,
    /// 1 to 4,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Patch<String>,
}

impl Request {
    fn check(self, check: &mut Check) -> Option<Change> {
        let title = self.title.kept(check, "/title").map(|text| model::title(&text));
        let title = check.optional("/title", title);
        let description =
            check.field("/description", self.description.try_map(|text| model::description(&text)));
        Some(Change { title: title?, description: description? })
    }
}

/// Change an item of yours
#[utoipa::path(
    patch,
    path = "/api/v1/items/{id}",
    operation_id = "items_update",
    tag = "items",
    params(("id" = ItemId, Path, description = "The item's id")),
    request_body = Request,
    responses(
        (status = 200, body = Item, headers(("ETag" = String, description = "The new version of the item"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`: `too_long`, `invalid_characters`, …"),
    ),
    security(("bearer" = ["items:write"]), ("password" = []), ("api_key" = ["items:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<ItemsWrite>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<ItemId>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    let mut check = Check::new();
    let change = request.check(&mut check);
    let (change,) = check.values((change,))?;
    let item = app
        .db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let item = owned(tx, id, user)?;
            preconditions.require(item.version)?;
            apply(tx, &act, item, change.clone())
        })
        .await?;
    Ok(preconditions.changed(item.version, item))
}

fn apply(tx: &mut WriteTx<'_>, act: &Act, mut item: Item, change: Change) -> Result<Item, Refused> {
    let fields = change.apply(&mut item);
    if fields.is_empty() {
        return Ok(item);
    }
    item.version += 1;
    item.updated_at = act.at;
    sql::save(tx, &item)?;
    let (owner, id) = (item.owner_id, item.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "item_changed", owner, id, fields })?;
    Ok(item)
}
