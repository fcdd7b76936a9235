//! `POST /api/v1/auth/refresh`: a refresh token for the next one and a new access token.

use axum::extract::State;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::AuthResponse;
use crate::app::App;
use crate::audit::Origin;
use crate::http::storage_problem;
use crate::limits;
use crate::sessions::{ExchangeError, FIRST_PARTY, exchange};

/// The token to exchange.
#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshRequest, example = json!({ "refresh_token": "rt1_AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }))]
pub(super) struct Request {
    /// The newest refresh token of the session.
    #[schema(value_type = String, format = Password)]
    refresh_token: Secret<String>,
}

/// Refresh the session
///
/// The old refresh token is used up. Repeating the exchange within ten seconds, because the answer was lost, gives the
/// same new refresh token again; presenting it later ends the session, because then somebody else has it.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "auth_refresh",
    tag = "sign-in",
    request_body = Request,
    responses(
        (status = 200, body = AuthResponse),
        (status = 401, body = Problem, description = "`invalid_refresh_token`: unknown, expired, ended or used before"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 503, body = Problem, description = "`busy`: keep the token and try again"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Json<AuthResponse>> {
    let exchanged = exchange(&app, request.refresh_token.expose(), FIRST_PARTY, origin).await;
    let (grant, identity) = exchanged.map_err(problem)?;
    AuthResponse::of(&app.mint, &grant, &identity.user).map(Json)
}

fn problem(error: ExchangeError) -> Problem {
    match error {
        ExchangeError::Db(error) => storage_problem(error),
        ExchangeError::Limited(standing) => limits::refusal(&standing),
        refused @ ExchangeError::Refused(_) => Problem::new(ProblemType::InvalidRefreshToken).cause(refused),
    }
}
