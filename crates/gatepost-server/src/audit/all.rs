//! `GET /api/v1/admin/audit-log`: the log of everybody, for those with `audit:read`.

use std::net::IpAddr;

use axum::extract::State;
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::Deserialize;

use super::entry::{EntryBody, is_action, list};
use super::{AuditRead, Filter};
use crate::app::App;
use crate::http::{Page, Paging, Require, storage_problem};
use crate::ids::UserId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    user_id: Option<UserId>,
    actor_id: Option<UserId>,
    action: Option<String>,
    from: Option<String>,
    to: Option<String>,
    ip: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Wanted {
    /// Believes the filters, and notes what is wrong with them: a filter that was ignored would show too much and be
    /// believed.
    fn filter(&self, check: &mut Check) -> Filter {
        if let Some(action) = &self.action {
            check.require(
                is_action(action),
                "/action",
                "invalid_action",
                "Actions are words such as `signed_in`.",
            );
        }
        Filter {
            user: self.user_id,
            actor: self.actor_id,
            action: self.action.clone(),
            address: parsed::<IpAddr>(
                check,
                "/ip",
                "invalid_ip",
                "This is not an address.",
                self.ip.as_ref(),
            ),
            from: time(check, "/from", self.from.as_ref()),
            to: time(check, "/to", self.to.as_ref()),
        }
    }
}

fn time(check: &mut Check, pointer: &str, text: Option<&String>) -> Option<Timestamp> {
    let expected = "Write a time as in RFC 3339: 2026-11-21T09:30:00Z.";
    parsed(check, pointer, "invalid_time", expected, text)
}

fn parsed<T: std::str::FromStr>(
    check: &mut Check,
    pointer: &str,
    code: &'static str,
    expected: &'static str,
    text: Option<&String>,
) -> Option<T> {
    let value = text?.parse().ok();
    check.require(value.is_some(), pointer, code, expected);
    value
}

/// Read the audit log of everybody
///
/// Newest first; all filters that are given must hold. Needs the permission `audit:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit-log",
    operation_id = "admin_audit_log",
    tag = "admin",
    params(
        ("user_id" = Option<UserId>, Query, description = "Whose account it concerns"),
        ("actor_id" = Option<UserId>, Query, description = "Who did it"),
        ("action" = Option<String>, Query, description = "What happened, such as `signed_in`"),
        ("from" = Option<Timestamp>, Query, description = "Not before"),
        ("to" = Option<Timestamp>, Query, description = "Before"),
        ("ip" = Option<String>, Query, description = "From which address"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Page<EntryBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = ["audit:read"]), ("password" = []), ("api_key" = ["audit:read"])),
)]
pub(super) async fn get(
    State(app): State<App>,
    _caller: Require<AuditRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<EntryBody>>> {
    let mut check = Check::new();
    let filter = wanted.filter(&mut check);
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (before, rows) = (paging.after(), paging.rows());
    let found = app.db.read(move |tx| list(tx, &filter, before, rows)).await.map_err(storage_problem)?;
    Ok(Json(paging.page(found, |entry| entry.id, EntryBody::from)))
}
