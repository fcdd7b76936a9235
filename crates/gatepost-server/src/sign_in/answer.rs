//! What every successful sign-in answers.

use axum::response::{IntoResponse, Response};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem};
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::accounts::{User, UserBody};
use crate::app::App;
use crate::attempts::DEVICE_LIFETIME;
use crate::http::{CookieName, SetCookies, session_cookies};
use crate::sessions::{Grant, Mint};

/// Tokens and whose they are.
#[derive(Serialize, ToSchema)]
pub struct AuthResponse {
    /// An RFC 9068 JWT, to be sent as `Authorization: Bearer …`.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    access_token: Secret<String>,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: u64,
    /// Opaque; good for one exchange.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
    /// Seconds until the refresh token expires if it is not used.
    #[schema(example = 604_800)]
    refresh_expires_in: u64,
    /// Who is signed in.
    user: UserBody,
}

impl AuthResponse {
    /// Has the mint make the tokens of a grant.
    ///
    /// # Errors
    /// 500 when they cannot be signed.
    pub fn of(mint: &Mint, grant: &Grant, user: &User) -> ApiResult<Self> {
        let tokens = mint.tokens(grant).map_err(Problem::internal)?;
        Ok(Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in,
            user: UserBody::new(user, grant.rights()),
        })
    }
}

/// The cookie by which this server knows the browser again, so that strangers who guess passwords cannot lock it out.
pub(super) fn known_device(app: &App, cookie: &Secret<String>) -> (HeaderName, HeaderValue) {
    (SET_COOKIE, app.cookies.set(CookieName::Device, cookie.expose(), Some(DEVICE_LIFETIME)))
}

/// Who is signed in, for a browser that holds a cookie.
#[derive(Serialize, ToSchema)]
pub struct BrowserResponse {
    /// Who is signed in.
    user: UserBody,
    /// Seconds until the session ends if it is not used.
    #[schema(example = 43_200)]
    expires_in: u64,
}

/// Tokens, or the word that the cookie is set.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum SignInResponse {
    /// Of a session with tokens.
    Tokens(AuthResponse),
    /// Of a browser session.
    Browser(BrowserResponse),
}

/// Answers a sign-in with what its grant gives a right to: tokens in the body, or cookies in the head.
///
/// # Errors
/// 500 when tokens cannot be signed.
pub fn signed_in(app: &App, grant: &Grant, user: &User) -> ApiResult<Response> {
    let (cookies, body) = parts(app, grant, user)?;
    Ok((cookies, Json(body)).into_response())
}

/// The cookies and the body of an answer that holds more besides.
///
/// # Errors
/// 500 when tokens cannot be signed.
pub(super) fn parts(
    app: &App,
    grant: &Grant,
    user: &User,
) -> ApiResult<(Option<SetCookies>, SignInResponse)> {
    Ok(match app.mint.cookie(grant) {
        None => (None, SignInResponse::Tokens(AuthResponse::of(&app.mint, grant, user)?)),
        Some(cookie) => {
            let user = UserBody::new(user, grant.rights());
            let body = BrowserResponse { user, expires_in: cookie.expires_in };
            (Some(session_cookies(app, &cookie)), SignInResponse::Browser(body))
        }
    })
}

/// This body is the one place where a token is meant to be seen.
pub(super) fn shown_once<S: Serializer>(token: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}
