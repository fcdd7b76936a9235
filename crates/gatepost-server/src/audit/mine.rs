//! `GET /api/v1/users/me/audit-log`: what happened to one's own account, and what one did oneself.

use axum::extract::State;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::Deserialize;

use super::entry::{EntryBody, NEWEST};
use super::{Entry, sql};
use crate::app::App;
use crate::http::{Caller, Page, Paging, storage_problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Read the audit log of your own account
///
/// Entries about your account or by you, newest first. Address, user agent and request are shown of what you did yourself
/// and of sign-ins to your account; where others acted on it, they are `null`.
#[utoipa::path(
    get,
    path = "/api/v1/users/me/audit-log",
    operation_id = "users_me_audit_log",
    tag = "account",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Page<EntryBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<EntryBody>>> {
    let mut check = Check::new();
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (user, before, rows) = (caller.user.id, paging.after().unwrap_or(NEWEST), paging.rows());
    let found = app.db.read(move |tx| sql::about_or_by(tx, user, before, rows)).await;
    let entries: Vec<Entry> = found.map_err(storage_problem)?;
    Ok(Json(paging.page(
        entries,
        |entry| entry.id,
        |mut entry| {
            if !entry.shows_origin_to(user) {
                (entry.address, entry.user_agent, entry.request_id) = (None, None, None);
            }
            entry.into()
        },
    )))
}
