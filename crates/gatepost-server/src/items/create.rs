//! `POST /api/v1/items` and `POST /api/v1/users/{id}/items`: a new item.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Id;
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, Item};
use super::{ItemsWrite, may_own, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Refused, Require, created};
use crate::ids::UserId;

/// What the item is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = ItemRequest, example = json!({ "title": "A brass lantern", "description": "Dented." }))]
pub(super) struct Request {
    /// 1 to 200 characters on one line.
    title: String,
    /// 1 to 4,000 characters.
    #[serde(default)]
    description: Option<String>,
}

/// Make an item
///
/// It belongs to you. An API key needs `items:write` among its scopes.
#[utoipa::path(
    post,
    path = "/api/v1/items",
    operation_id = "items_create",
    tag = "items",
    request_body = Request,
    responses(
        (status = 201, body = Item, headers(("ETag" = String, description = "The version of the item"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`: `too_long`, `invalid_characters`, …"),
    ),
    security(("bearer" = ["items:write"]), ("password" = []), ("api_key" = ["items:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<ItemsWrite>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let owner = caller.user().id;
    make(app, caller, origin, owner, request).await
}

/// Make an item of this user
///
/// The user has to be you: it is the same as `POST /api/v1/items`, for clients that name users in their paths.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/items",
    operation_id = "users_items_create",
    tag = "items",
    params(("id" = UserId, Path, description = "The user's id")),
    request_body = Request,
    responses(
        (status = 201, body = Item, headers(("ETag" = String, description = "The version of the item"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`: this is somebody else; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`: there is no such user"),
        (status = 422, body = Problem, description = "`validation_failed`: `too_long`, `invalid_characters`, …"),
    ),
    security(("bearer" = ["items:write"]), ("password" = []), ("api_key" = ["items:write"])),
)]
pub(super) async fn for_user(
    State(app): State<App>,
    caller: Require<ItemsWrite>,
    origin: Origin,
    Path(owner): Path<UserId>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    make(app, caller, origin, owner, request).await
}

async fn make(
    app: App,
    caller: Require<ItemsWrite>,
    origin: Origin,
    owner_id: UserId,
    request: Request,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    let mut check = Check::new();
    let title = check.field("/title", model::title(&request.title));
    let description = check.optional("/description", request.description.as_deref().map(model::description));
    let (title, description) = check.values((title, description))?;
    let item = Item {
        id: Id::generate(act.at, &app.random),
        owner_id,
        title,
        description,
        created_at: act.at,
        updated_at: act.at,
        version: 1,
    };
    let made = item.clone();
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            may_own(tx, owner_id, user)?;
            create(tx, &act, &item)?;
            Ok::<_, Refused>(())
        })
        .await?;
    Ok(created(made.version, made))
}

/// Writes an item that was put together.
///
/// # Errors
/// What the database says; [`DbError::Constraint`] for an owner that does not exist.
pub fn create(tx: &mut WriteTx<'_>, act: &Act, item: &Item) -> Result<(), DbError> {
    sql::insert(tx, item)?;
    let (owner, id) = (item.owner_id, item.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "item_created", owner, id, fields: Vec::new() })
}
