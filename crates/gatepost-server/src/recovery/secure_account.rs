//! `POST /api/v1/auth/secure-account`: the owner of an account says that somebody else tried to get in.

use axum::extract::State;
use gatepost_db::{DbError, WriteTx};
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;

use super::link::{self, Desk, DrawnLink, LinkPurpose, Made, Presented, Refusal};
use super::verify_email::Request;
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::OwnSite;
use crate::ids::UserId;
use crate::outbox::Letter;
use crate::{api_keys, passwords};

/// Say that it was not you
///
/// The link stands in the mail about many failed sign-ins. Every session ends, every API key is revoked, the present password works
/// no more, a change of address that waits is dropped, and a link to set a new password goes to the address of the account. It
/// signs nobody in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/secure-account",
    operation_id = "auth_secure_account",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 204, description = "Every session ended; a link to set a password is in the mail"),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired, or the address was changed"),
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
    let (act, desk, drawn) = (origin.act(app.clock.now()), Desk::of(&app), DrawnLink::draw(&app.random));
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            let user = secure(tx, &act, &desk, (&token, &drawn))?;
            identities.forget_after_commit(tx, user);
            Ok::<_, Refusal>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn secure(
    tx: &mut WriteTx<'_>,
    act: &Act,
    desk: &Desk,
    (token, drawn): (&Presented, &DrawnLink),
) -> Result<UserId, Refusal> {
    let (_, user) = link::consume(tx, LinkPurpose::SecureAccount, token, act.at)?;
    // Whoever has guessed the password would be back at once.
    passwords::withdraw(tx, user.id)?;
    api_keys::forget(tx, act, user.id)?;
    let user = accounts::bump_epoch(tx, user.id, act.at)?;
    link::forget_pending(tx, user.id)?;
    audit::record(tx, act, &Event::AccountSecured { user: user.id })?;
    desk.send_reset(tx, act, &user, drawn)?;
    Ok(user.id)
}

impl Desk {
    /// Tells the owner of an account that somebody tries to get in, with a link that ends every session.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn send_alert(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        user: &User,
        drawn: &DrawnLink,
    ) -> Result<(), DbError> {
        let Made { url: secure, expires } = self.make(tx, act, LinkPurpose::SecureAccount, (user, drawn))?;
        self.owe(tx, act, user, (Letter::TooManyFailures { secure }, Some(expires)))
    }
}
