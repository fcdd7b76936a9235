//! `POST /api/v1/auth/logout`: the end of a session.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepost_db::DbError;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, BearerToken, OptionalJson, Problem};
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit::Origin;
use crate::http::{NotByApiKey, storage_problem};
use crate::sessions::{self, RefreshToken};

/// What to sign out with when there is no access token, or it has expired.
#[derive(Deserialize, ToSchema)]
#[schema(as = LogoutRequest, example = json!({}))]
pub(super) struct Request {
    /// Any refresh token of the session.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    refresh_token: Option<Secret<String>>,
}

/// Sign out
///
/// Ends the session of the access token, or of the refresh token in the body when the access token has expired. All
/// tokens of the session stop working. Signing out twice is no error.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    operation_id = "auth_logout",
    tag = "sign-in",
    request_body(content = Option<Request>),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, body = Problem, description = "`invalid_token`: neither token can be used"),
        (status = 503, body = Problem, description = "`busy`: the session may not have ended, try again"),
    ),
    security(("bearer" = []), ("password" = []), ()),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    _: NotByApiKey,
    bearer: Option<BearerToken>,
    OptionalJson(request): OptionalJson<Request>,
) -> ApiResult<Response> {
    let act = origin.act(app.clock.now());
    let identities = app.identities.clone();
    let refresh = request.and_then(|request| request.refresh_token);
    let named = match &bearer {
        // A valid token of a session that has ended already is good enough to end it once more.
        Some(token) => app.identities.named_by(token.expose(), act.at).await.map_err(Problem::from),
        None => Err(Problem::unauthenticated()),
    };
    match (named, refresh) {
        (Ok((user, session)), _) => {
            app.db.write(move |tx| sessions::end(tx, &identities, &act, user, session)).await
        }
        (Err(_), Some(refresh)) => match RefreshToken::parse(refresh.expose()) {
            Some(token) => {
                app.db.write(move |tx| sessions::end_by_refresh_token(tx, &identities, &act, &token)).await
            }
            // What was never a token has nothing to end.
            None => Ok::<_, DbError>(()),
        },
        (Err(refused), None) => return Err(refused),
    }
    .map_err(storage_problem)?;
    let clear = [(HeaderName::from_static("clear-site-data"), "\"cookies\", \"storage\"")];
    Ok((StatusCode::NO_CONTENT, clear).into_response())
}
