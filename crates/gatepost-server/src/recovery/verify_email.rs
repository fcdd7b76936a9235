//! `POST /api/v1/auth/verify-email`: a link shows that mail to an address arrives at the account's owner.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::link::{self, LinkPurpose, Presented, Refusal};
use crate::accounts;
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::http::OwnSite;
use crate::ids::UserId;

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[schema(as = LinkToken, example = json!({ "token": "gpl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }))]
pub(super) struct Request {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String, format = Password)]
    pub(super) token: Secret<String>,
}

/// Verify an address
///
/// It signs nobody in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/verify-email",
    operation_id = "auth_verify_email",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 204, description = "The address is verified"),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired or replaced by a newer one"),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<StatusCode> {
    let token = Presented::parse(request.token)?;
    let act = origin.act(app.clock.now());
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            let user = verify(tx, &act, &token)?;
            identities.forget_after_commit(tx, user);
            Ok::<_, Refusal>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn verify(tx: &mut WriteTx<'_>, act: &Act, token: &Presented) -> Result<UserId, Refusal> {
    let (_, user) = link::consume(tx, LinkPurpose::VerifyEmail, token, act.at)?;
    // A change that was asked for before left the address no way back: nobody had shown that it is theirs.
    link::end(tx, LinkPurpose::ConfirmEmail, user.id)?;
    Ok(accounts::mark_email_verified(tx, act, user.id)?.id)
}
