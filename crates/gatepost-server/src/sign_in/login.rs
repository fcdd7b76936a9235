//! `POST /api/v1/auth/login`: an identifier and a password for a session.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{AuthResponse, known_device};
use super::password::{Attempt, sign_in};
use crate::accounts::DeviceName;
use crate::app::App;
use crate::audit::Origin;
use crate::http::{CookieName, Cookies};
use crate::sessions::{Device, FIRST_PARTY};

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
}

/// Sign in
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    operation_id = "auth_login",
    tag = "sign-in",
    request_body = Request,
    responses(
        (status = 200, body = AuthResponse),
        (status = 401, body = Problem, description = "`invalid_credentials`: unknown, wrong or not allowed, all the same"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 429, body = Problem, description = "`too_many_attempts` or `rate_limited`: wait for `Retry-After` seconds"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    cookies: Cookies,
    Json(request): Json<Request>,
) -> ApiResult<impl IntoResponse> {
    let mut check = Check::new();
    let device = check.optional("/device_name", request.device_name.as_deref().map(DeviceName::parse));
    let (device,) = check.values((device,))?;
    let attempt = Attempt {
        identifier: request.identifier,
        password: request.password,
        device: Device { name: device.map(|name| name.as_str().to_owned()) },
        device_cookie: cookies.get(CookieName::Device),
        client_id: FIRST_PARTY,
    };
    let signed_in = sign_in(&app, origin, attempt).await?;
    let body = AuthResponse::of(&app.mint, &signed_in.grant, &signed_in.user)?;
    Ok((AppendHeaders([known_device(&app, &signed_in.device_cookie)]), Json(body)))
}
