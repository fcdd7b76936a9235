//! `POST /api/v1/setup`: the one-time link makes the first owner.

use axum::extract::State;
use gatepost_db::DbError;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::enroll::{Enrolment, NewAccount, Terms, enroll};
use super::setup_link::{admit, consume, has_owner, hash_of, is_live};
use crate::access;
use crate::accounts::{self, Patch, ProfileInput};
use crate::app::App;
use crate::attempts;
use crate::audit::Origin;
use crate::http::storage_problem;
use crate::sessions::{Device, Proof};
use crate::sign_in::AuthResponse;

/// The first owner.
#[derive(Deserialize, ToSchema)]
#[schema(as = SetupRequest, example = json!({
    "token": "gps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "email": "owner@example.com",
    "password": "correct horse battery staple"
}))]
pub(super) struct Request {
    /// The token behind the `#` of the link.
    #[schema(value_type = String, format = Password)]
    token: Secret<String>,
    /// The owner's address.
    email: String,
    /// At least 12 characters, and hard to guess.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// 3 to 32 letters, digits, `.`, `_` or `-`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Patch<String>,
}

/// Create the first owner
#[utoipa::path(
    post,
    path = "/api/v1/setup",
    operation_id = "setup",
    tag = "sign-up",
    request_body = Request,
    responses(
        (status = 201, body = AuthResponse),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used or expired; `gatepost setup-link` makes a new one"),
        (status = 404, body = Problem, description = "`not_found`: there is an owner already"),
        (status = 409, body = Problem, description = "`email_taken`, `username_taken`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<AuthResponse>)> {
    // Before anything costs work: strangers must not make us hash.
    let hash = hash_of(request.token.expose());
    let now = app.clock.now();
    let (owned, live) = app
        .db
        .read(move |tx| {
            let live = match &hash {
                Some(hash) => is_live(tx, hash, now)?,
                None => false,
            };
            Ok::<_, DbError>((has_owner(tx)?, live))
        })
        .await
        .map_err(storage_problem)?;
    let hash = match hash {
        _ if owned => return Err(Problem::not_found()),
        Some(hash) if live => hash,
        Some(_) | None => return Err(Problem::new(ProblemType::InvalidLink)),
    };

    let profile = ProfileInput {
        username: request.username,
        first_name: request.first_name,
        last_name: request.last_name,
        ..ProfileInput::default()
    };
    let account = NewAccount { email: request.email, password: request.password, profile };
    let enrolment = Enrolment::prepare(&app, account, Terms::owner("setup")).await?;

    let act = origin.act(app.clock.now());
    let (mint, drawn) = (app.mint.clone(), app.mint.draw(Device::default()));
    let (known, outbox) = (app.attempts.clone(), app.outbox.clone());
    let (grant, user) = app
        .db
        .write(move |tx| {
            if has_owner(tx)? {
                return Err(Error::Owned);
            }
            if !consume(tx, &hash, act.at)? {
                return Err(Error::LinkSpent);
            }
            let user = enroll(tx, &act, enrolment.clone())?;
            let admitted = admit(tx, &mint, &act, (&user, Proof::SetupLink), &drawn)?;
            attempts::welcome(tx, (&known, &mint, &outbox), &act, &user)?;
            Ok::<_, Error>(admitted)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(AuthResponse::of(&app.mint, &grant, &user)?)))
}

/// Why a link made no account.
pub(super) enum Error {
    /// There is an owner already.
    Owned,
    /// The link works no more.
    LinkSpent,
    /// A name is taken, or the database failed.
    Account(accounts::Error),
    /// A role cannot be given.
    Access(access::Error),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

impl From<access::Error> for Error {
    fn from(error: access::Error) -> Self {
        Self::Access(error)
    }
}

impl From<accounts::Error> for Error {
    fn from(error: accounts::Error) -> Self {
        Self::Account(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Owned => Self::not_found(),
            Error::LinkSpent => Self::new(ProblemType::InvalidLink),
            Error::Account(error) => error.into(),
            Error::Access(error) => error.into(),
        }
    }
}
