//! `POST /api/v1/auth/logout`: the end of a session.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepost_db::DbError;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, BearerToken, OptionalJson, Problem};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit::Origin;
use crate::http::{CookieName, NotByApiKey, forget_session, storage_problem};
use crate::sessions::{self, CookieKey, RefreshToken};

/// What the browser is to forget of this server (W3C Clear Site Data).
const CLEAR: [(HeaderName, &str); 1] =
    [(HeaderName::from_static("clear-site-data"), "\"cookies\", \"storage\"")];

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
/// Ends the session of the access token, or of the refresh token in the body when the access token has expired, or of
/// the session cookie when there is neither. Whatever the session had handed out stops working. Signing out twice is no
/// error.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    operation_id = "auth_logout",
    tag = "sign-in",
    request_body(content = Option<Request>),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, body = Problem, description = "`invalid_token`: neither token can be used"),
        (status = 403, body = Problem, description = "`csrf_rejected`: the cookie came from another site"),
        (status = 503, body = Problem, description = "`busy`: the session may not have ended, try again"),
    ),
    security(("bearer" = []), ("password" = []), ()),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    _: NotByApiKey,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<Request>,
) -> ApiResult<Response> {
    let act = origin.act(app.clock.now());
    let identities = app.identities.clone();
    let refresh = request.and_then(|request| request.refresh_token);
    let named = match BearerToken::from_headers(&headers)? {
        // A valid token of a session that has ended already is good enough to end it once more.
        Some(token) => app.identities.named_by(token.expose(), act.at).await.map_err(Problem::from),
        None => Err(Problem::unauthenticated()),
    };
    if let (None, None) = (headers.get(AUTHORIZATION), &refresh)
        && let Some(cookie) = app.cookies.get(&headers, CookieName::Session)
    {
        // What was never a cookie of ours has nothing to end; the browser may forget it all the same.
        if let Some(cookie) = CookieKey::hash_of(cookie.expose()) {
            app.csrf.check(&Method::POST, &headers, app.cookies, &cookie)?;
            if let Some((user, session)) =
                sessions::named_by_cookie(&app, &cookie).await.map_err(storage_problem)?
            {
                let ended = app.db.write(move |tx| sessions::end(tx, &identities, &act, user, session)).await;
                ended.map_err(storage_problem)?;
            }
        }
        return Ok((StatusCode::NO_CONTENT, CLEAR, forget_session(&app)).into_response());
    }
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
    Ok((StatusCode::NO_CONTENT, CLEAR).into_response())
}
