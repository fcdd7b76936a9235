//! `POST /api/v1/auth/forgot-password`: somebody cannot sign in any more.

use axum::extract::State;
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;

use super::request::{Accepted, Request, RequestKind, note};
use crate::app::App;
use crate::audit::Origin;
use crate::http::OwnSite;

/// Ask for a new password
///
/// If an account has the address, a mail with a link that works for 30 minutes goes to it. The answer is the same whether or
/// not there is one: what becomes of the request is decided later, where nobody can measure it.
#[utoipa::path(
    post,
    path = "/api/v1/auth/forgot-password",
    operation_id = "auth_forgot_password",
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
    let accepted = note(&app, origin, RequestKind::ResetPassword, request).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
