//! `POST /api/v1/auth/confirm-email`: the mailbox of a new address agrees, and the account has it.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;

use super::link::{self, Desk, LinkPurpose, Presented, Refusal};
use super::verify_email::Request;
use crate::accounts;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::OwnSite;
use crate::ids::UserId;

/// Confirm a new address
///
/// The account has the address from now on, verified. Sessions go on. It signs nobody in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/confirm-email",
    operation_id = "auth_confirm_email",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 204, description = "The account has the address"),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired, replaced by a newer one, or the password was changed"),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
        (status = 409, body = Problem, description = "`email_taken`: somebody was faster"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<StatusCode> {
    let token = Presented::parse(request.token)?;
    let (act, desk, identities) = (origin.act(app.clock.now()), Desk::of(&app), app.identities.clone());
    app.db
        .write(move |tx| {
            let user = confirm(tx, &act, &desk, &token)?;
            identities.forget_after_commit(tx, user);
            Ok::<_, Refusal>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn confirm(tx: &mut WriteTx<'_>, act: &Act, desk: &Desk, token: &Presented) -> Result<UserId, Refusal> {
    let (link, former) = link::consume(tx, LinkPurpose::ConfirmEmail, token, act.at)?;
    let email = link.email()?;
    if link::is_reserved(tx, &email, Some(former.id), act.at)? {
        return Err(accounts::Error::EmailTaken.into());
    }
    let user = accounts::change_email(tx, act, former.id, &email)?;
    link::forget_pending(tx, user.id)?;
    audit::record(tx, act, &Event::EmailChanged { user: user.id })?;
    desk.tell_of_change(tx, act, &user)?;
    if former.email_verified && former.email_canonical() != user.email_canonical() {
        desk.tell_of_change(tx, act, &former)?;
    }
    Ok(user.id)
}
