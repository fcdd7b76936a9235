//! `DELETE /api/v1/admin/users/{id}`: the end of an account, with what it owns or without.

use std::sync::Arc;

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem, Query};
use http::StatusCode;
use serde::Deserialize;

use super::Error;
use super::reach::Reach;
use crate::access::{self, ADMIN};
use crate::accounts::{self, UsersDelete};
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::extension::OwnedResource;
use crate::http::{Caller, Require};
use crate::ids::UserId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    transfer_to: Option<UserId>,
}

/// Delete an account
///
/// Its names are free at once, and its sessions and API keys end. For seven days it can be restored; then it goes with all that
/// it owns, unless `transfer_to` names another account that owns it from now on. Takes the permission `users:delete` and a
/// sign-in that is at most ten minutes old, and reaches no account that may do more than you. The last administrator stays.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/users/{id}",
    operation_id = "admin_users_delete",
    tag = "admin",
    params(
        ("id" = UserId, Path, description = "The user's id"),
        ("transfer_to" = Option<UserId>, Query, description = "Who owns from now on what the account owns"),
    ),
    responses(
        (status = 204, description = "The account is deleted"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`last_admin`"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_user`"),
    ),
    security(("bearer" = ["users:delete"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersDelete, Caller>,
    origin: Origin,
    Path(user): Path<UserId>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let (reach, resources) = (Reach::of(&app), app.owned_resources());
    app.db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, None))?;
            // Deleting and restoring must be no way to read what somebody has.
            if wanted.transfer_to == act.actor && !caller.rights.has_role(ADMIN) {
                return Err(access::Error::BeyondOwnRights.into());
            }
            delete(tx, &act, &resources, (user.id, wanted.transfer_to))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an account and hands what it owns to another one, if one is named.
///
/// # Errors
/// [`access::Error::LastAdmin`], [`Error::NoRecipient`], or there is no such account.
pub fn delete(
    tx: &mut WriteTx<'_>,
    act: &Act,
    resources: &[Arc<dyn OwnedResource>],
    (user, transfer_to): (UserId, Option<UserId>),
) -> Result<(), Error> {
    if let Some(to) = transfer_to {
        let recipient = accounts::by_id(tx, to)?.filter(|to| to.id != user && to.is_usable());
        let to = recipient.ok_or(Error::NoRecipient)?.id;
        for resource in resources {
            // It writes down how many.
            resource.transfer(tx, act, user, to)?;
        }
    }
    Ok(access::delete(tx, act, user)?)
}
