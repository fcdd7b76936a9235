//! `GET /api/v1/access/explain`: why somebody may do something, and who may.

use std::collections::BTreeMap;

use axum::extract::State;
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Check, FieldError, Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{AccessRules, Grant};
use super::{ADMIN, RolesRead, sql};
use crate::accounts::{self, User, UsersRead};
use crate::app::App;
use crate::http::{Page, Paging, Permission as _, Require, storage_problem};
use crate::ids::{UserId, UserKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    permission: String,
    user_id: Option<UserId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Who may do something, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(super) struct Explanation {
    /// What it is about, as `resource:action`.
    #[schema(example = "users:read")]
    permission: String,
    /// The roles that bring it, by name.
    roles: Vec<String>,
    #[serde(flatten)]
    users: Page<Answer>,
}

/// One account, and why it may or may not.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedUser)]
pub(super) struct Answer {
    user_id: UserId,
    /// Where the caller may read accounts; else `null`.
    email: Option<String>,
    username: Option<String>,
    /// Whether it may do it now, in a session that shows what its reasons need.
    allowed: bool,
    /// Why the account may do nothing at all: `disabled`, `awaiting_approval`, `deleted`.
    obstacle: Option<&'static str>,
    /// Every role of the account that brings the permission.
    reasons: Vec<Reason>,
}

/// A role that brings the permission.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessReason)]
pub(super) struct Reason {
    role: String,
    /// Who gave the account the role; `null` for the operator at the command line and for a registration.
    role_given_by: Option<UserId>,
    role_given_at: Timestamp,
    /// Who gave the role the permission; `null` for the operator, and where it is in the role's nature.
    permission_given_by: Option<UserId>,
    /// When; `null` where it is in the role's nature.
    permission_given_at: Option<Timestamp>,
    /// Whether the role counts only in a session that showed a second factor.
    needs_second_factor: bool,
}

/// Explain who may do something, and why
///
/// With `user_id`, about that account: the roles that bring the permission, who gave them, and when. Without, every usable
/// account that may, newest first. Needs the permission `roles:read`; addresses, and accounts that are deleted, are shown to those
/// with `users:read`.
#[utoipa::path(
    get,
    path = "/api/v1/access/explain",
    operation_id = "access_explain",
    tag = "admin",
    params(
        ("permission" = String, Query, description = "What it is about, as `resource:action`", example = "users:read"),
        ("user_id" = Option<UserId>, Query, description = "About this account only"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Accounts a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Explanation),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`: there is no such account"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_permission`, `required`, …"),
    ),
    security(("bearer" = ["roles:read"]), ("password" = []), ("api_key" = ["roles:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Explanation>> {
    let Wanted { permission, user_id, limit, cursor } = wanted;
    let mut check = Check::new();
    let paging = Paging::<UserKind>::check(&mut check, limit, cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let reads_accounts = caller.rights().may(UsersRead::NAME);
    let (rules, name) = (app.access.clone(), permission.clone());
    let (before, rows) = (paging.after(), paging.rows());
    let found = app.db.read(move |tx| {
        let Some(roles) = roles_with(tx, &rules, &name)? else { return Ok(Err(unknown_permission())) };
        let users = match user_id {
            Some(user) => {
                let found = accounts::by_id(tx, user)?;
                found.filter(|user| reads_accounts || user.deleted_at.is_none()).into_iter().collect()
            }
            None => who_can(tx, &roles, before, rows)?,
        };
        let answers = users.into_iter().map(|user| answer(tx, &rules, user, &name));
        Ok::<_, DbError>(Ok((roles, answers.collect::<Result<Vec<_>, _>>()?)))
    });
    let (roles, answers) = found.await.map_err(storage_problem)??;
    if user_id.is_some() && answers.is_empty() {
        return Err(Problem::not_found());
    }
    let shown = |answer: Answer| Answer { email: answer.email.filter(|_| reads_accounts), ..answer };
    let users = paging.page(answers, |answer| answer.user_id, shown);
    Ok(Json(Explanation { permission, roles, users }))
}

fn unknown_permission() -> Problem {
    let detail = "There is no such permission: GET /api/v1/admin/permissions lists them.";
    Problem::validation(vec![FieldError::new("/permission", "unknown_permission", detail)])
}

/// The roles that bring a permission, by name; `None` when there is no such permission.
fn roles_with(
    tx: &mut ReadTx<'_>,
    rules: &AccessRules,
    permission: &str,
) -> Result<Option<Vec<String>>, DbError> {
    let is_built_in = rules.is_built_in(permission);
    if !is_built_in && !sql::own_permission_exists(tx, permission)? {
        return Ok(None);
    }
    let mut roles = sql::roles_with(tx, permission)?;
    if is_built_in {
        roles.push(ADMIN.to_owned());
    }
    roles.sort();
    roles.dedup();
    Ok(Some(roles))
}

/// The newest accounts that have one of these roles. Each role's holders are read by its index, no more than a page of them,
/// and merged here: one statement for all roles would have to sort every holder.
fn who_can(
    tx: &mut ReadTx<'_>,
    roles: &[String],
    before: Option<UserId>,
    rows: i64,
) -> Result<Vec<User>, DbError> {
    let mut found = BTreeMap::new();
    for role in roles {
        let holders = sql::holders(tx, role, before, rows)?;
        found.extend(holders.into_iter().map(|user| (user.id, user)));
    }
    let most = usize::try_from(rows).unwrap_or(usize::MAX);
    Ok(found.into_values().rev().take(most).collect())
}

fn answer(tx: &mut ReadTx<'_>, rules: &AccessRules, user: User, permission: &str) -> Result<Answer, DbError> {
    let with_all = rules.is_built_in(permission).then_some(ADMIN);
    let reasons: Vec<_> = sql::why(tx, user.id, permission, with_all)?
        .into_iter()
        .map(|row| {
            let needs_second_factor = rules.needs_second_factor(&row.role);
            let Grant { by: role_given_by, at: role_given_at } = row.given;
            let permission = row.permission_given;
            Reason {
                role: row.role,
                role_given_by,
                role_given_at,
                permission_given_by: permission.as_ref().and_then(|grant| grant.by),
                permission_given_at: permission.map(|grant| grant.at),
                needs_second_factor,
            }
        })
        .collect();
    let obstacle = obstacle(&user);
    // A role that needs a second factor is worth something only to an account that has one.
    let counts = |reason: &Reason| !reason.needs_second_factor || user.two_factor_enabled;
    let allowed = obstacle.is_none() && reasons.iter().any(counts);
    Ok(Answer {
        user_id: user.id,
        email: Some(user.email),
        username: user.username,
        allowed,
        obstacle,
        reasons,
    })
}

const fn obstacle(user: &User) -> Option<&'static str> {
    match user {
        User { deleted_at: Some(_), .. } => Some("deleted"),
        User { is_active: false, .. } => Some("disabled"),
        User { awaiting_approval: true, .. } => Some("awaiting_approval"),
        _ => None,
    }
}
