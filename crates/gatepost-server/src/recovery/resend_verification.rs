//! `POST /api/v1/auth/resend-verification`: the mail of the sign-up was lost, or too old.

use axum::extract::State;
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;

use super::request::{Accepted, Request, RequestKind, note};
use crate::app::App;
use crate::audit::Origin;
use crate::http::OwnSite;

/// Ask for another verification mail
///
/// If an account has the address and has yet to verify it, a mail with a link that works for 24 hours goes to it. The answer
/// is the same for every address.
#[utoipa::path(
    post,
    path = "/api/v1/auth/resend-verification",
    operation_id = "auth_resend_verification",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 202, body = Accepted),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<Accepted>)> {
    let accepted = note(&app, origin, RequestKind::VerifyEmail, request).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
