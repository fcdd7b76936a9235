//! `POST /api/v1/users/me/email`: another address, once its mailbox agrees.

use std::time::Duration;

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::link::{self, Desk, DrawnLink, LinkPurpose, Made};
use super::sql;
use crate::accounts::{self, Email, LoginIdentifier, User};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::Caller;
use crate::outbox::{Kind, Letter, Mail};

/// The least time between two requests of one account.
const BETWEEN: Duration = Duration::from_secs(60);

/// The address that the account is to have.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeEmailRequest, example = json!({ "new_email": "ada@lovelace.example" }))]
pub(super) struct Request {
    /// Where mail arrives.
    new_email: String,
}

/// What everybody hears who asks for another address.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckEmail {
    /// Always `check_email`: whether the address is free is for its reader alone to know.
    #[schema(example = "check_email")]
    status: &'static str,
}

/// Change your address
///
/// The session must be fresh. A link that works for 24 hours goes to the new address, and the account has it once somebody has
/// used that. If the present address is verified, it gets a link that takes the change back, for seven days. The answer is the
/// same when another account has the address, or when more was asked for than one mail a minute and five a day.
#[utoipa::path(
    post,
    path = "/api/v1/users/me/email",
    operation_id = "users_me_change_email",
    tag = "account",
    request_body = Request,
    responses(
        (status = 202, body = CheckEmail),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<CheckEmail>)> {
    let now = app.clock.now();
    caller.require_fresh(now)?;
    let mut check = Check::new();
    let email = check.field("/new_email", Email::parse(&request.new_email));
    let (email,) = check.values((email,))?;
    let change = Change {
        act: origin.act(now).by(caller.user.id),
        caller,
        desk: Desk::of(&app),
        email,
        confirm: DrawnLink::draw(&app.random),
        undo: DrawnLink::draw(&app.random),
    };
    app.db.write(move |tx| change.request(tx)).await?;
    Ok((StatusCode::ACCEPTED, Json(CheckEmail { status: "check_email" })))
}

struct Change {
    act: Act,
    caller: Caller,
    desk: Desk,
    email: Email,
    confirm: DrawnLink,
    undo: DrawnLink,
}

impl Change {
    /// One transaction: both links, both mails, audit.
    ///
    /// Nothing that the caller can see depends on whether the new address is free: not the answer, not the mail to the
    /// present address, not the audit trail.
    fn request(&self, tx: &mut WriteTx<'_>) -> Result<(), accounts::Error> {
        let Self { act, desk, .. } = self;
        if !self.caller.confirm(tx)? {
            return Err(accounts::Error::SessionEnded);
        }
        let user = accounts::by_id(tx, self.caller.user.id)?.ok_or(accounts::Error::NotFound)?;
        if !self.may_ask(tx, &user)? {
            return Ok(());
        }
        audit::record(tx, act, &Event::EmailChangeRequested { user: user.id })?;
        // An unverified address may be a stranger's, who must not be handed the account.
        if user.email_verified {
            let Made { url: undo, expires } =
                desk.make(tx, act, LinkPurpose::UndoEmail, (&user, &self.undo))?;
            desk.owe(tx, act, &user, (Letter::AddressChanging { undo, expires }, Some(expires)))?;
        }
        self.ask_new_mailbox(tx, &user)
    }

    /// Whether this account may have mails sent once more. Otherwise nothing happens: no mail leaves, and an earlier link
    /// stays as it is. Whose the new address is makes no difference.
    fn may_ask(&self, tx: &mut WriteTx<'_>, user: &User) -> Result<bool, accounts::Error> {
        let last = sql::made_at(tx, LinkPurpose::ConfirmEmail, user.id)?;
        if last.is_some_and(|last| self.act.at.since(last) < BETWEEN) {
            return Ok(false);
        }
        Ok(self.desk.may_send(tx, &self.act, user, Kind::AddressChanging)?)
    }

    fn ask_new_mailbox(&self, tx: &mut WriteTx<'_>, user: &User) -> Result<(), accounts::Error> {
        let Self { act, desk, email, .. } = self;
        let about = (email.canonical().to_owned(), email.as_typed().to_owned());
        // Also when it will never be mailed: the same work.
        let Made { url: link, expires } =
            desk.make_about(tx, act, LinkPurpose::ConfirmEmail, (user, &self.confirm, about))?;
        let holder = accounts::by_identifier(tx, &LoginIdentifier::Email(email.clone()))?;
        if let Some(holder) = holder.filter(|holder| holder.id != user.id) {
            return Ok(desk.send_account_exists(tx, act, &holder)?);
        }
        if link::is_reserved(tx, email, Some(user.id), act.at)? {
            return Ok(());
        }
        let to = email.mailbox();
        // What others had sent there must not show either: the caller sees the same as for a taken address.
        if desk.may_send_to(tx, act, &to, Kind::ConfirmAddress)? {
            let letter = Letter::ConfirmAddress { link, expires };
            let mail = Mail { user: Some(user.id), to, letter, not_after: Some(expires) };
            desk.outbox.owe(tx, act.at, &mail)?;
        }
        Ok(())
    }
}
