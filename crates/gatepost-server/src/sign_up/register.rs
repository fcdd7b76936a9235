//! `POST /api/v1/auth/register`: a stranger makes an account.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::enroll::{Enrolment, NewAccount, Terms, enroll};
use super::setup_link::admit;
use super::wait::{Waiting, enroll_and_wait, greet};
use crate::accounts::{self, Email, Patch, ProfileInput};
use crate::app::App;
use crate::attempts;
use crate::audit::Origin;
use crate::config::SignUpMode;
use crate::recovery::{Desk, DrawnLink};
use crate::sessions::{Device, Proof};
use crate::sign_in::AuthResponse;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[schema(as = RegisterRequest, example = json!({
    "email": "ada@example.com", "password": "correct horse battery staple", "username": "ada", "first_name": "Ada"
}))]
pub(crate) struct Request {
    /// Where mail arrives; also a name to sign in with, in any letter case.
    email: String,
    /// At least 12 characters, and hard to guess.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// 3 to 32 letters, digits, `.`, `_` or `-`; another name to sign in with.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Patch<String>,
    /// E.164, such as `+441632960961`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone_number: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Patch<String>,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    bio: Patch<String>,
    /// An https address of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    avatar_url: Patch<String>,
    /// ISO 3166-1 alpha-2, such as `GB`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    country: Patch<String>,
}

/// Create an account
///
/// What follows depends on the server. It answers 201 and tokens at once; or 202 and the account waits until its address is
/// verified, or until an administrator lets its owner in as well; or 403 when nobody may register. The 202 is the same
/// whether or not the address has an account: its mailbox learns which.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    operation_id = "auth_register",
    tag = "sign-up",
    request_body = Request,
    responses(
        (status = 201, body = AuthResponse, description = "The user is signed in"),
        (status = 202, body = Waiting, description = "The account waits, or the address has one already"),
        (status = 403, body = Problem, description = "`signup_disabled`: nobody may register, or nobody with an address of this domain"),
        (status = 409, body = Problem, description = "`email_taken`, `username_taken`, `phone_taken`: only where the user is signed in at once"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let (terms, waiting) = match app.config.sign_up.mode {
        SignUpMode::Immediate => (Terms::stranger(false), None),
        SignUpMode::VerifyFirst => (Terms::stranger(false), Some(Waiting { status: "check_email" })),
        SignUpMode::AdminApproval => (Terms::stranger(true), Some(Waiting { status: "awaiting_approval" })),
        SignUpMode::Closed => return Err(Problem::new(ProblemType::SignupDisabled)),
    };
    // Before anything costs work. What is no address is named below, with all else that is wrong.
    if Email::parse(&request.email).is_ok_and(|email| !app.config.sign_up.allows(&email)) {
        return Err(Problem::new(ProblemType::SignupDisabled));
    }
    let profile = ProfileInput {
        username: request.username,
        phone_number: request.phone_number,
        first_name: request.first_name,
        last_name: request.last_name,
        bio: request.bio,
        avatar_url: request.avatar_url,
        country: request.country,
    };
    let account = NewAccount { email: request.email, password: request.password, profile };
    let (enrolment, password) = Enrolment::prepare_with_password(&app, account, terms).await?;
    let Some(waiting) = waiting else { return sign_in_at_once(&app, origin, enrolment).await };
    enroll_and_wait(&app, origin, (enrolment, password)).await?;
    Ok((StatusCode::ACCEPTED, Json(waiting)).into_response())
}

async fn sign_in_at_once(app: &App, origin: Origin, enrolment: Enrolment) -> ApiResult<Response> {
    let act = origin.act(app.clock.now());
    let (mint, drawn) = (app.mint.clone(), app.mint.draw(Device::default()));
    let (desk, link) = (Desk::of(app), DrawnLink::draw(&app.random));
    let (known, outbox) = (app.attempts.clone(), app.outbox.clone());
    let signed_in = app
        .db
        .write(move |tx| {
            let user = enroll(tx, &act, enrolment.clone())?;
            greet(tx, &act, &desk, &user, &link)?;
            let admitted = admit(tx, &mint, &act, (&user, Proof::NewAccount), &drawn)?;
            attempts::welcome(tx, (&known, &mint, &outbox), &act, &user)?;
            Ok::<_, accounts::Error>(admitted)
        })
        .await?;
    let (grant, user) = signed_in;
    Ok((StatusCode::CREATED, Json(AuthResponse::of(&app.mint, &grant, &user)?)).into_response())
}
