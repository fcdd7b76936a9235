//! `POST /api/v1/admin/users/{id}/revoke-sessions`: everybody who is signed in to an account is signed out.

use axum::extract::State;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::Error;
use super::reach::Reach;
use crate::accounts::UsersWrite;
use crate::app::App;
use crate::audit::Origin;
use crate::http::Require;
use crate::ids::UserId;
use crate::sessions;

/// End all sessions of an account
///
/// On every device, at once. Its API keys stay. Needs the permission `users:write`, and reaches no account that may do more
/// than you.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{id}/revoke-sessions",
    operation_id = "admin_users_revoke_sessions",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 204, description = "They have ended"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you; `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = ["users:write"]), ("password" = []), ("api_key" = ["users:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersWrite>,
    origin: Origin,
    Path(user): Path<UserId>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user().id);
    let reach = Reach::of(&app);
    app.db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, None))?;
            sessions::revoke_all(tx, &reach.identities, &act, user.id, None)?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
