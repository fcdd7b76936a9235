//! `GET /api/v1/items`: one's own items.

use axum::extract::State;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::Deserialize;

use super::model::{self, Item};
use super::{ItemsRead, sql};
use crate::app::App;
use crate::http::{Page, Paging, Require, storage_problem};

/// Which page of which items.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A part of the title, in any letter case.
    q: Option<String>,
    /// How many entries, 1 to 100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List your items
///
/// Newest first. With `q`, a page looks at your next thousand items: it may have few entries or none and still a
/// `next_cursor`. The list ends where that is `null`.
#[utoipa::path(
    get,
    path = "/api/v1/items",
    operation_id = "items_list",
    tag = "items",
    params(Wanted),
    responses(
        (status = 200, body = Page<Item>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`: `out_of_range`, `invalid_cursor`, …"),
    ),
    security(("bearer" = ["items:read"]), ("password" = []), ("api_key" = ["items:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<ItemsRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<Item>>> {
    let mut check = Check::new();
    let text = check.optional("/q", wanted.q.as_deref().map(model::title));
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (text, paging) = check.values((text, paging))?;
    let text = text.as_deref().map(model::folded);
    let (owner, before, rows) = (caller.user().id, paging.after(), paging.rows());
    let found = app.db.read(move |tx| sql::items_before(tx, owner, before, text.as_deref(), rows)).await;
    let (items, end) = found.map_err(storage_problem)?;
    Ok(Json(paging.page_of_window(items, end, |item| item.id, |item| item)))
}
