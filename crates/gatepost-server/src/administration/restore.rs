//! `POST /api/v1/admin/users/{id}/restore`: a deleted account comes back.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem};

use super::Error;
use super::reach::Reach;
use crate::access::{self, Authority};
use crate::accounts::{self, Email, User, UserBody, UsersDelete};
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::http::{Caller, Preconditions, Require};
use crate::ids::UserId;
use crate::recovery;

/// Restore a deleted account
///
/// Within seven days, with its names, its roles, its password and what it owns. Sessions, API keys and links stay dead. Takes the
/// permission `users:delete` and a sign-in that is at most ten minutes old, and reaches no account that may do more than you.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{id}/restore",
    operation_id = "admin_users_restore",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The version of the account"))),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you"),
        (status = 404, body = Problem, description = "`not_found`: also for an account that is not deleted, or was more than seven days ago"),
        (status = 409, body = Problem, description = "`email_taken`, `username_taken`, `phone_taken`: somebody else has the name meanwhile"),
    ),
    security(("bearer" = ["users:delete"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersDelete, Caller>,
    origin: Origin,
    preconditions: Preconditions,
    Path(user): Path<UserId>,
) -> ApiResult<Response> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let Reach { rules, identities } = Reach::of(&app);
    let (user, rights) = app
        .db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            access::may_act_on(tx, &rules, &authority, user)?;
            identities.forget_after_commit(tx, user);
            let user = restore(tx, &act, user)?;
            let rights = access::rights_of(tx, &rules, user.id)?;
            Ok::<_, Error>((user, rights))
        })
        .await?;
    Ok(preconditions.changed(user.version, UserBody::new(&user, &rights)))
}

/// Brings a deleted account back.
///
/// # Errors
/// `NotFound` when it is not deleted or is forgotten, or which of its names is taken. An address that somebody may soon take
/// back is theirs (`docs/adr/0023`).
pub fn restore(tx: &mut WriteTx<'_>, act: &Act, user: UserId) -> Result<User, Error> {
    let deleted = accounts::by_id(tx, user)?.filter(|user| user.deleted_at.is_some());
    let deleted = deleted.ok_or(accounts::Error::NotFound)?;
    // It was believed when it was written.
    let email = Email::parse(&deleted.email).map_err(|_| accounts::Error::NotFound)?;
    if recovery::is_reserved(tx, &email, Some(user), act.at)? {
        return Err(accounts::Error::EmailTaken.into());
    }
    Ok(accounts::restore(tx, act, user)?)
}
