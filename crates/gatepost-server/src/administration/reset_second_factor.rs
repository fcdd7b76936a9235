//! `POST /api/v1/admin/users/{id}/reset-2fa`: for somebody who has lost their second factor.

use axum::extract::State;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::Error;
use super::reach::Reach;
use crate::accounts::UsersWrite;
use crate::app::App;
use crate::audit::Origin;
use crate::http::{Caller, Require};
use crate::ids::UserId;
use crate::second_factor;

/// Take the second factor of an account away
///
/// For somebody who has lost it: be sure who asks. A password is enough from then on, every session ends, and a mail says so.
/// Takes the permission `users:write` and a sign-in that is at most ten minutes old, and reaches no account that may do more
/// than you.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{id}/reset-2fa",
    operation_id = "admin_users_reset_2fa",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 204, description = "The account has no second factor"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`conflict`: there is none"),
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
    caller.require_fresh(act.at)?;
    let (reach, factors) = (Reach::of(&app), app.second_factor.clone());
    app.db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, None))?;
            if second_factor::forget_and_tell(tx, &act, &factors, (&user, "administrator"))? {
                return Ok(());
            }
            Err(Error::Conflict("There is no second factor."))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
