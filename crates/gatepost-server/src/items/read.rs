//! `GET /api/v1/items/{id}`: one's own item.

use axum::extract::State;
use axum::response::Response;
use gatepost_problem::{ApiResult, Path, Problem};

use super::model::{Item, ItemId};
use super::{ItemsRead, owned};
use crate::app::App;
use crate::http::{Preconditions, Require};

/// Read an item of yours
#[utoipa::path(
    get,
    path = "/api/v1/items/{id}",
    operation_id = "items_get",
    tag = "items",
    params(("id" = ItemId, Path, description = "The item's id")),
    responses(
        (status = 200, body = Item, headers(("ETag" = String, description = "The version of the item"))),
        (status = 304, description = "`If-None-Match` names the current version"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = ["items:read"]), ("password" = []), ("api_key" = ["items:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<ItemsRead>,
    preconditions: Preconditions,
    Path(id): Path<ItemId>,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let item = app.db.read(move |tx| owned(tx, id, user)).await?;
    Ok(preconditions.answer(item.version, || item))
}
