//! `DELETE /api/v1/items/{id}` and `DELETE /api/v1/admin/items/{id}`: the end of an item.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::model::{Item, ItemId};
use super::{ItemsDeleteAny, ItemsWrite, owned, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Preconditions, Refused, Require};

/// Delete an item of yours
#[utoipa::path(
    delete,
    path = "/api/v1/items/{id}",
    operation_id = "items_delete",
    tag = "items",
    params(("id" = ItemId, Path, description = "The item's id")),
    responses(
        (status = 204, description = "The item is gone"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
    ),
    security(("bearer" = ["items:write"]), ("password" = []), ("api_key" = ["items:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<ItemsWrite>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<ItemId>,
) -> ApiResult<StatusCode> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let item = owned(tx, id, user)?;
            preconditions.require(item.version)?;
            delete(tx, &act, &item)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete an item of anybody
///
/// Takes the permission `items:delete_any`. The audit log says who did it, and to whom.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/items/{id}",
    operation_id = "admin_items_delete",
    tag = "admin",
    params(("id" = ItemId, Path, description = "The item's id")),
    responses(
        (status = 204, description = "The item is gone"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
    ),
    security(("bearer" = ["items:delete_any"]), ("password" = []), ("api_key" = ["items:delete_any"])),
)]
pub(super) async fn any(
    State(app): State<App>,
    caller: Require<ItemsDeleteAny>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<ItemId>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user().id);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let item = sql::item_by_id(tx, id)?.ok_or(Refused::NotFound)?;
            preconditions.require(item.version)?;
            delete(tx, &act, &item)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn delete(tx: &mut WriteTx<'_>, act: &Act, item: &Item) -> Result<(), Refused> {
    sql::delete(tx, item.id)?;
    let (owner, id) = (item.owner_id, item.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "item_deleted", owner, id, fields: Vec::new() })?;
    Ok(())
}
