//! `GET /api/v1/users/me/login-attempts` and `GET /api/v1/admin/login-attempts`: who tried to get in.

use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::State;
use gatepost_kernel::{Id, Timestamp};
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{AttemptId, AttemptKind};
use super::{network, sql};
use crate::app::App;
use crate::audit::AuditRead;
use crate::http::{Caller, Page, Paging, Require, storage_problem};
use crate::ids::UserId;

/// Attempts that were alike, within one hour.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginAttempt)]
pub(super) struct AttemptBody {
    /// Of this entry.
    id: AttemptId,
    /// Whose account was tried; `null` for names that nobody has, which are not kept.
    user_id: Option<UserId>,
    /// Whether somebody was signed in.
    success: bool,
    /// `success`, `invalid_credentials`, `unknown_account`, `locked`, `disabled`, `second_factor_required`, `invalid_code`,
    /// `email_not_verified` or `awaiting_approval`.
    #[schema(example = "invalid_credentials")]
    reason: String,
    /// The address of the last of them. IPv6 addresses of one /64 are counted together.
    address: Option<String>,
    /// What the client called itself.
    user_agent: Option<String>,
    /// How many there were.
    count: i64,
    /// When the first one was.
    first_at: Timestamp,
    /// When the last one was.
    last_at: Timestamp,
}

impl From<sql::AttemptRow> for AttemptBody {
    fn from(row: sql::AttemptRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user,
            success: row.reason == "success",
            reason: row.reason,
            address: row.address,
            user_agent: row.user_agent,
            count: row.attempts,
            first_at: row.first_at,
            last_at: row.last_at,
        }
    }
}

/// After every id.
const NEWEST: AttemptId = Id::from_bytes([0xff; 16]);

fn page(paging: &Paging<AttemptKind>, rows: Vec<sql::AttemptRow>) -> Json<Page<AttemptBody>> {
    Json(paging.page(rows, |row| row.id, AttemptBody::from))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Read who tried to sign in to your account
///
/// Newest first. Attempts that are alike within one hour are one entry. Entries are kept for 30 days.
#[utoipa::path(
    get,
    path = "/api/v1/users/me/login-attempts",
    operation_id = "users_me_login_attempts",
    tag = "account",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Page<AttemptBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn mine(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<AttemptBody>>> {
    let mut check = Check::new();
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (user, before, rows) = (caller.user.id, paging.after().unwrap_or(NEWEST), paging.rows());
    let found = app.db.read(move |tx| sql::of_user(tx, user, before, rows)).await;
    Ok(page(&paging, found.map_err(storage_problem)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedOfAll {
    user_id: Option<UserId>,
    ip: Option<String>,
    success: Option<bool>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl WantedOfAll {
    /// Believes the filters, and notes what is wrong with them.
    fn filter(&self, check: &mut Check) -> sql::Filter {
        let ip =
            believed::<IpAddr>(check, ("/ip", "invalid_ip", "This is not an address."), self.ip.as_deref());
        let time = "Write a time as in RFC 3339: 2026-11-21T09:30:00Z.";
        let from = believed::<Timestamp>(check, ("/from", "invalid_time", time), self.from.as_deref());
        let to = believed::<Timestamp>(check, ("/to", "invalid_time", time), self.to.as_deref());
        sql::Filter {
            user: self.user_id,
            network: ip.map(network::of_customer),
            success: self.success,
            from: from.unwrap_or(Timestamp::from_micros(0)),
            to: to.unwrap_or(Timestamp::from_micros(i64::MAX)),
        }
    }
}

fn believed<T: FromStr>(
    check: &mut Check,
    (pointer, code, expected): (&str, &'static str, &'static str),
    text: Option<&str>,
) -> Option<T> {
    let value = text?.parse().ok();
    check.require(value.is_some(), pointer, code, expected);
    value
}

/// Read who tried to sign in to any account
///
/// Newest first; all filters that are given must hold. Names that belong to no account are not kept: people type passwords
/// into the wrong field. Needs the permission `audit:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/login-attempts",
    operation_id = "admin_login_attempts",
    tag = "admin",
    params(
        ("user_id" = Option<UserId>, Query, description = "Whose account was tried"),
        ("ip" = Option<String>, Query, description = "From which address; of an IPv6 address, its /64 counts"),
        ("success" = Option<bool>, Query, description = "Whether somebody was signed in"),
        ("from" = Option<Timestamp>, Query, description = "Not before"),
        ("to" = Option<Timestamp>, Query, description = "Before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Page<AttemptBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = ["audit:read"]), ("password" = []), ("api_key" = ["audit:read"])),
)]
pub(super) async fn of_all(
    State(app): State<App>,
    _caller: Require<AuditRead>,
    Query(wanted): Query<WantedOfAll>,
) -> ApiResult<Json<Page<AttemptBody>>> {
    let mut check = Check::new();
    let filter = wanted.filter(&mut check);
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (before, rows) = (paging.after().unwrap_or(NEWEST), paging.rows());
    let found = app.db.read(move |tx| sql::of_all(tx, &filter, before, rows)).await;
    Ok(page(&paging, found.map_err(storage_problem)?))
}
