//! `GET /api/v1/admin/users/{id}`: one account.

use axum::extract::State;
use axum::response::Response;
use gatepost_problem::{ApiResult, Path, Problem};

use crate::access;
use crate::accounts::{self, UserBody, UsersRead};
use crate::app::App;
use crate::http::{Preconditions, Require};
use crate::ids::UserId;

/// Read an account
///
/// Needs the permission `users:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users/{id}",
    operation_id = "admin_users_get",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The version of the account"))),
        (status = 304, description = "`If-None-Match` names the current version"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`: also for a deleted account"),
    ),
    security(("bearer" = ["users:read"]), ("password" = []), ("api_key" = ["users:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _caller: Require<UsersRead>,
    preconditions: Preconditions,
    Path(user): Path<UserId>,
) -> ApiResult<Response> {
    let rules = app.access.clone();
    let found = app.db.read(move |tx| {
        let user = accounts::living(tx, user, None)?;
        let rights = access::rights_of(tx, &rules, user.id)?;
        Ok::<_, accounts::Error>((user, rights))
    });
    let (user, rights) = found.await?;
    Ok(preconditions.answer(user.version, || UserBody::new(&user, &rights)))
}
