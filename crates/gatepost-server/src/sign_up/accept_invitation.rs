//! `POST /api/v1/auth/accept-invitation`: an invited person makes their account.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_kernel::{Secret, TokenHash};
use gatepost_problem::{ApiResult, Check, Json, Problem, ProblemType};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::enroll::{Enrolment, NewAccount, Terms, enroll};
use super::invitation::{Invitation, give_roles, hash_of};
use super::setup::Error;
use super::setup_link::admit;
use super::sql;
use crate::access::AccessRules;
use crate::accounts::{self, Email, Patch, ProfileInput, User};
use crate::app::App;
use crate::attempts;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{OwnSite, storage_problem};
use crate::sessions::{Device, Proof};
use crate::sign_in::AuthResponse;

/// The token of an invitation, and what the account is made with.
#[derive(Deserialize, ToSchema)]
#[schema(as = AcceptInvitationRequest, example = json!({
    "token": "gpi_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "password": "correct horse battery staple"
}))]
pub(super) struct Request {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String, format = Password)]
    token: Secret<String>,
    /// At least 12 characters, and hard to guess.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// The invited address, which need not be said: another one is refused.
    #[serde(default)]
    email: Option<String>,
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

/// Accept an invitation
///
/// It makes the account, whatever the mode of sign-up, and signs its owner in. The address counts as verified: the link was
/// in its mailbox. A refusal does not use the invitation up.
#[utoipa::path(
    post,
    path = "/api/v1/auth/accept-invitation",
    operation_id = "auth_accept_invitation",
    tag = "sign-up",
    request_body = Request,
    responses(
        (status = 201, body = AuthResponse),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired, replaced by a newer one, or for another address"),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
        (status = 409, body = Problem, description = "`username_taken`; `email_taken`: the address has got an account meanwhile"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<AuthResponse>)> {
    let hash = hash_of(request.token.expose()).ok_or(ProblemType::InvalidLink)?;
    let mut check = Check::new();
    let named = check.optional("/email", request.email.as_deref().map(Email::parse));
    let (named,) = check.values((named,))?;
    // Before anything costs work: strangers must not make us hash.
    let now = app.clock.now();
    let found = app.db.read(move |tx| sql::invitation(tx, &hash, now)).await.map_err(storage_problem)?;
    let Invitation { email, .. } = found.ok_or(ProblemType::InvalidLink)?;
    let is_other = |named: Email| {
        // It was believed when the invitation was written.
        Email::parse(&email).map_or(true, |invited| invited.canonical() != named.canonical())
    };
    if named.is_some_and(is_other) {
        return Err(Problem::new(ProblemType::InvalidLink));
    }
    let profile = ProfileInput {
        username: request.username,
        first_name: request.first_name,
        last_name: request.last_name,
        ..ProfileInput::default()
    };
    let account = NewAccount { email, password: request.password, profile };
    let terms = Terms { verified: true, awaiting_approval: false, role: None, by: "invitation" };
    let enrolment = Enrolment::prepare(&app, account, terms).await?;

    let act = origin.act(app.clock.now());
    let (mint, drawn) = (app.mint.clone(), app.mint.draw(Device::default()));
    let (known, outbox, rules) = (app.attempts.clone(), app.outbox.clone(), app.access.clone());
    let (grant, user) = app
        .db
        .write(move |tx| {
            let user = accept(tx, &act, &rules, (&hash, enrolment.clone()))?;
            let admitted = admit(tx, &mint, &act, (&user, Proof::NewAccount), &drawn)?;
            attempts::welcome(tx, (&known, &mint, &outbox), &act, &user)?;
            Ok::<_, Error>(admitted)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(AuthResponse::of(&app.mint, &grant, &user)?)))
}

/// Uses the invitation up and makes the account. Of any number at once one gets the row.
fn accept(
    tx: &mut WriteTx<'_>,
    act: &Act,
    rules: &AccessRules,
    (hash, enrolment): (&TokenHash, Enrolment),
) -> Result<User, Error> {
    let invitation = sql::accept_invitation(tx, hash, act.at)?.ok_or(Error::LinkSpent)?;
    let user = enroll(tx, act, enrolment)?.id;
    give_roles(tx, act, rules, (user, &invitation))?;
    let invitation = invitation.id.to_string();
    audit::record(tx, act, &Event::InvitationAccepted { user, invitation })?;
    Ok(accounts::living(tx, user, None)?)
}
