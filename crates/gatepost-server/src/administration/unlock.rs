//! `POST /api/v1/admin/users/{id}/unlock`: the end of a lock-out.

use axum::extract::State;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::Error;
use super::reach::Reach;
use crate::accounts::UsersWrite;
use crate::app::App;
use crate::attempts;
use crate::audit::Origin;
use crate::http::{Caller, Require};
use crate::ids::UserId;

/// Lift the lock-out of an account
///
/// Unknown devices may try passwords again at once, whoever they belong to: an API key does not reach it. Needs the permission
/// `users:write`, and reaches no account that may do more than you.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{id}/unlock",
    operation_id = "admin_users_unlock",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 204, description = "The account is not locked"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = ["users:write"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersWrite, Caller>,
    origin: Origin,
    Path(user): Path<UserId>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    let (reach, attempts) = (Reach::of(&app), app.attempts.clone());
    app.db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, None))?;
            let target = attempts.of_user(&user, None, act.at);
            attempts::unlock(tx, &act, user.id, &target)?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
