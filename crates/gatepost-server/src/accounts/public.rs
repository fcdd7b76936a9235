//! `GET /api/v1/users/{id}`: what one user may see of another.

use axum::extract::State;
use gatepost_problem::{ApiResult, Json, Path, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::User;
use crate::app::App;
use crate::http::{Principal, storage_problem};
use crate::ids::UserId;

/// An account as other users see it: no address, no phone number, no roles, no times.
#[derive(Serialize, ToSchema)]
#[schema(as = PublicUser)]
pub(super) struct PublicUser {
    id: UserId,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    bio: Option<String>,
    avatar_url: Option<String>,
}

impl From<User> for PublicUser {
    fn from(user: User) -> Self {
        let User { id, username, first_name, last_name, bio, avatar_url, .. } = user;
        Self { id, username, first_name, last_name, bio, avatar_url }
    }
}

/// Read another user's public profile
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    operation_id = "users_get",
    tag = "account",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 200, body = PublicUser),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = []), ("password" = []), ("api_key" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    _caller: Principal,
    Path(id): Path<UserId>,
) -> ApiResult<Json<PublicUser>> {
    let found = app.db.read(move |tx| super::by_id(tx, id)).await.map_err(storage_problem)?;
    // A switched-off account is as invisible as one that never was.
    found.filter(User::is_usable).map(|user| Json(user.into())).ok_or_else(Problem::not_found)
}
