//! `DELETE /api/v1/users/me`: leaving.
//!
//! It stands here and not among the accounts because the last administrator may not leave.

use axum::extract::State;
use gatepost_problem::{ApiResult, Problem};
use http::StatusCode;

use super::Error;
use crate::app::App;
use crate::audit::Origin;
use crate::http::{Caller, Denied};

/// Delete your own account
///
/// Needs a sign-in that is at most ten minutes old. The names are free at once, all sessions end, and after seven days
/// the rest of the account is forgotten.
#[utoipa::path(
    delete,
    path = "/api/v1/users/me",
    operation_id = "users_me_delete",
    tag = "account",
    responses(
        (status = 204, description = "The account is deleted and all its sessions have ended"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: sign in again first"),
        (status = 409, body = Problem, description = "`last_admin`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(State(app): State<App>, caller: Caller, origin: Origin) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let user = caller.user.id;
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(Error::Denied(Denied::Ended));
            }
            identities.forget_after_commit(tx, user);
            super::delete(tx, &act, user)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
