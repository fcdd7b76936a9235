//! `POST /api/v1/auth/login`: an identifier and a password for a session.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{SignInResponse, known_device, signed_in};
use super::password::{Attempt, sign_in};
use crate::accounts::DeviceName;
use crate::app::App;
use crate::audit::Origin;
use crate::http::{CookieName, Cookies};
use crate::second_factor::Sender;
use crate::sessions::{Device, FIRST_PARTY, Wanted};

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[schema(as = LoginRequest, example = json!({ "identifier": "ada@example.com", "password": "correct horse battery staple" }))]
pub(super) struct Request {
    /// The address or the username, in any letter case.
    identifier: String,
    /// The password, as it was typed.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// What you call this device, at most 64 characters; shown in the list of your sessions.
    #[serde(default)]
    device_name: Option<String>,
    /// `token`, the default, answers tokens. `browser` sets a session cookie instead.
    #[serde(default)]
    session: SessionChoice,
    /// For a browser session: whether the browser keeps it when it closes.
    #[serde(default)]
    remember: bool,
}

/// What the client wants to hold.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionChoice {
    /// An access token and a refresh token.
    #[default]
    Token,
    /// A session cookie.
    Browser,
}

impl Request {
    fn wanted(&self) -> Wanted {
        match (self.session, self.remember) {
            (SessionChoice::Token, _) => Wanted::Tokens,
            (SessionChoice::Browser, false) => Wanted::Browser,
            (SessionChoice::Browser, true) => Wanted::RememberedBrowser,
        }
    }
}

/// Sign in
///
/// With `"session": "browser"` the answer sets a session cookie and holds no token. Only this server's own pages may ask
/// for that.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    operation_id = "auth_login",
    tag = "sign-in",
    request_body = Request,
    responses(
        (status = 200, body = SignInResponse),
        (status = 401, body = Problem, description = "`invalid_credentials`: unknown, wrong or not allowed, all the same; `mfa_required`, with `challenge` and `methods`: go on with the second step"),
        (status = 403, body = Problem, description = "`csrf_rejected`: another site asks for a browser session. After the right password: `email_not_verified`, `awaiting_approval`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 429, body = Problem, description = "`too_many_attempts` or `rate_limited`: wait for `Retry-After` seconds"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    cookies: Cookies,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> ApiResult<impl IntoResponse> {
    let wanted = request.wanted();
    if wanted.is_browser() {
        app.csrf.check_sign_in(&headers)?;
    }
    let mut check = Check::new();
    let device = check.optional("/device_name", request.device_name.as_deref().map(DeviceName::parse));
    let (device,) = check.values((device,))?;
    let attempt = Attempt {
        identifier: request.identifier,
        password: request.password,
        device: Device { name: device.map(|name| name.as_str().to_owned()), wanted },
        device_cookie: cookies.get(CookieName::Device),
        client_id: FIRST_PARTY,
        sender: Sender::from_headers(&headers, &app.cookies),
    };
    let done = sign_in(&app, origin, attempt).await?;
    let answer = signed_in(&app, &done.grant, &done.user)?;
    Ok((AppendHeaders([known_device(&app, &done.device_cookie)]), answer))
}
