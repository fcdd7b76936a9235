//! `POST /oauth/token` (RFC 6749 section 3.2): the password grant of first-party form logins, and the refresh grant.

use axum::extract::State;
use axum::response::AppendHeaders;
use gatepost_kernel::Secret;
use gatepost_problem::{Form, OAuthCode, OAuthError, OAuthResult};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{known_device, shown_once};
use super::client::{FormClient, identify};
use super::password::{Attempt, sign_in};
use crate::app::App;
use crate::audit::Origin;
use crate::http::{ClientAddress, CookieName, Site, is_named, storage_oauth_error};
use crate::limits::{self, Limit};
use crate::second_factor::Sender;
use crate::sessions::{Device, ExchangeError, Grant, exchange};

/// The longest `scope` that is looked at.
const SCOPE_LENGTH: usize = 1_024;

/// A token request. Which fields it needs depends on `grant_type`.
#[derive(Deserialize, ToSchema)]
#[schema(as = TokenRequest, example = json!({
    "grant_type": "password", "username": "ada@example.com", "password": "correct horse battery staple"
}))]
pub(crate) struct Request {
    /// `password` or `refresh_token`.
    #[serde(default)]
    grant_type: Option<String>,
    /// For `password`: the address or the username.
    #[serde(default)]
    username: Option<String>,
    /// For `password`: the password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret<String>>,
    /// For `refresh_token`: the newest refresh token of the session.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    refresh_token: Option<Secret<String>>,
    /// Our own applications are `gatepost` and need not say so.
    #[serde(default)]
    client_id: Option<String>,
    /// Our own applications have none.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret<String>>,
    /// Ignored: our own applications have no scopes.
    #[serde(default)]
    scope: Option<String>,
}

/// A token answer (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    /// An RFC 9068 JWT.
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
    /// What was granted: nothing but the account itself.
    #[schema(example = "")]
    scope: &'static str,
}

/// Get tokens (OAuth 2)
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "oauth_token",
    tag = "sign-in",
    request_body(content = Request, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenResponse),
        (status = 400, body = OAuthError, description = "`invalid_request`, `invalid_grant`, `invalid_scope`, `unsupported_grant_type`, or `mfa_required` with `challenge` and `methods`"),
        (status = 401, body = OAuthError, description = "`invalid_client`"),
        (status = 429, body = OAuthError, description = "`temporarily_unavailable`: too many attempts or too many requests, wait for `Retry-After` seconds"),
        (status = 503, body = OAuthError, description = "`temporarily_unavailable`"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    ClientAddress(client): ClientAddress,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> OAuthResult<impl axum::response::IntoResponse> {
    let form = FormClient {
        id: request.client_id.as_deref(),
        secret: request.client_secret.as_ref().map(|secret| secret.expose().as_str()),
    };
    let keeps_cookies = keeps_cookies(&app, &headers)?;
    let client_id = identify(&headers, &form)?;
    if request.scope.as_ref().is_some_and(|scope| scope.len() > SCOPE_LENGTH) {
        return Err(OAuthError::new(OAuthCode::InvalidScope).description("The scope is too long."));
    }
    let mut known = Vec::new();
    let grant = match request.grant_type.as_deref() {
        Some("password") if app.config.tokens.password_grant => {
            let attempt = Attempt {
                identifier: required(request.username, "username")?,
                password: required(request.password, "password")?,
                device: Device::default(),
                device_cookie: app.cookies.get(&headers, CookieName::Device),
                client_id,
                sender: Sender::PROGRAM,
            };
            // The same count as that of `/api/v1/auth/login`: two doors must not mean twice as many guesses.
            let standing = app.limits.admit(Limit::Login, client, app.clock.now()).await;
            if let Some(standing) = standing.filter(|standing| !standing.is_allowed()) {
                return Err(limits::oauth_refusal(&standing));
            }
            let signed_in = sign_in(&app, origin, attempt).await?;
            if keeps_cookies {
                known.push(known_device(&app, &signed_in.device_cookie));
            }
            signed_in.grant
        }
        Some("refresh_token") => {
            let token = required(request.refresh_token, "refresh_token")?;
            let exchanged = exchange(&app, token.expose(), client_id, origin).await;
            exchanged.map_err(refresh_error)?.0
        }
        Some(_) => return Err(OAuthError::new(OAuthCode::UnsupportedGrantType)),
        None => return Err(missing("grant_type")),
    };
    let no_store = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    Ok((no_store, AppendHeaders(known), gatepost_problem::Json(response(&app, &grant)?)))
}

/// Whether the answer may set the cookie by which a browser is known again: only a page of ours may ask for that. A form
/// needs no permission to be sent from another site (a CORS "simple request"), and would sign the visitor's browser in as
/// somebody else, and take from it the cookie that keeps strangers from locking its user out.
///
/// Pages that the operator named may have tokens. Those of everybody else could not read the answer, and get none.
fn keeps_cookies(app: &App, headers: &HeaderMap) -> OAuthResult<bool> {
    match app.csrf.site(headers) {
        Site::Ours => Ok(true),
        Site::Unsaid => Ok(false),
        Site::Foreign if is_named(headers, &app.config.cors.allowed_origins) => Ok(false),
        Site::Foreign => Err(OAuthError::new(OAuthCode::InvalidRequest)
            .description("A page of another origin sent it, which is not in cors.allowed_origins.")),
    }
}

fn response(app: &App, grant: &Grant) -> OAuthResult<TokenResponse> {
    let tokens = app.mint.tokens(grant).map_err(OAuthError::internal)?;
    Ok(TokenResponse {
        access_token: tokens.access_token,
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: tokens.refresh_token,
        scope: "",
    })
}

fn required<T>(value: Option<T>, name: &'static str) -> OAuthResult<T> {
    value.ok_or_else(|| missing(name))
}

fn missing(name: &'static str) -> OAuthError {
    OAuthError::new(OAuthCode::InvalidRequest).description(format!("The parameter {name} is missing."))
}

fn refresh_error(error: ExchangeError) -> OAuthError {
    match error {
        ExchangeError::Db(error) => storage_oauth_error(error),
        ExchangeError::Limited(standing) => limits::oauth_refusal(&standing),
        refused @ ExchangeError::Refused(_) => OAuthError::new(OAuthCode::InvalidGrant)
            .description("The refresh token is invalid.")
            .cause(refused),
    }
}
