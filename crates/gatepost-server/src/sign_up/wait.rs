//! Registration where nobody is signed in at once: the account waits, and a stranger learns nothing from the answer.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_problem::ApiResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::enroll::{Enrolment, enroll};
use crate::accounts::{self, Email, LoginIdentifier, User};
use crate::app::App;
use crate::attempts::{self, Attempts};
use crate::audit::{self, Act, Event, Origin};
use crate::outbox::{Kind, Letter, Mail, Outbox};
use crate::recovery::{Desk, DrawnLink};

/// Within this time, a registration of an address that was just registered is the same button pressed twice.
const AGAIN: Duration = Duration::from_secs(60);

/// What everybody hears who registers where accounts wait.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrationNoted)]
pub(super) struct Waiting {
    /// `check_email`: verify the address. `awaiting_approval`: that, and an administrator lets you in.
    #[schema(example = "check_email")]
    pub(super) status: &'static str,
}

/// What a registration needs of the application inside its transaction.
#[derive(Clone)]
struct Counter {
    desk: Desk,
    outbox: Outbox,
    attempts: Attempts,
    sign_in: String,
}

/// Makes an account that waits. When the address has one, its owner is told instead, in their mailbox. Both are one
/// transaction that writes, after the same hashing: the client cannot tell which it was.
///
/// # Errors
/// When the database fails. Never because something is taken.
pub(super) async fn enroll_and_wait(app: &App, origin: Origin, enrolment: Enrolment) -> ApiResult<()> {
    let counter = Counter {
        desk: Desk::of(app),
        outbox: app.outbox.clone(),
        attempts: app.attempts.clone(),
        sign_in: app.sign_in_url(),
    };
    let (act, link) = (origin.act(app.clock.now()), DrawnLink::draw(&app.random));
    app.db.write(move |tx| counter.serve(tx, &act, &enrolment, &link)).await?;
    Ok(())
}

impl Counter {
    fn serve(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        enrolment: &Enrolment,
        link: &DrawnLink,
    ) -> Result<(), accounts::Error> {
        match enroll_with_what_is_free(tx, act, enrolment.clone()) {
            Ok(user) => {
                // What was counted against the name while nobody had it is not its owner's.
                attempts::reopen(tx, &self.attempts.of_user(&user, None, act.at))?;
                greet(tx, act, &self.desk, &user, link)?;
            }
            Err(accounts::Error::EmailTaken) => self.tell_owner(tx, act, enrolment.email())?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells whoever has the address that somebody tried to register it: at most once a day, and not in the minute after
    /// the link of the registration itself, because people press buttons twice.
    fn tell_owner(&self, tx: &mut WriteTx<'_>, act: &Act, email: &Email) -> Result<(), DbError> {
        let identifier = LoginIdentifier::Email(email.clone());
        let Some(user) = accounts::by_identifier(tx, &identifier)? else { return Ok(()) };
        audit::record(tx, act, &Event::RegistrationRepeated { user: user.id })?;
        let to = user.mailbox();
        let was_told = self.outbox.recent(tx, &to, Kind::AccountExists, act.at)?.last.is_some();
        let welcomed = self.outbox.recent(tx, &to, Kind::VerifyAddress, act.at)?.last;
        let pressed_twice = welcomed.is_some_and(|at| act.at.since(at) < AGAIN);
        if was_told || pressed_twice || !user.is_active {
            return Ok(());
        }
        let letter = Letter::AccountExists { sign_in: self.sign_in.clone() };
        self.outbox.owe(tx, act.at, &Mail { user: Some(user.id), to, letter, not_after: None })
    }
}

/// Makes the account without a username or a phone number that somebody else has: to refuse them would tell that they
/// do, before the address is known to be anybody's.
fn enroll_with_what_is_free(
    tx: &mut WriteTx<'_>,
    act: &Act,
    mut enrolment: Enrolment,
) -> Result<User, accounts::Error> {
    loop {
        match enroll(tx, act, enrolment.clone()) {
            Err(accounts::Error::UsernameTaken) => enrolment = enrolment.without_username(),
            Err(accounts::Error::PhoneTaken) => enrolment = enrolment.without_phone_number(),
            done => return done,
        }
    }
}

/// Sends the link that verifies the address of a new account, within what a mailbox may get: an address can be registered
/// and given up over and over.
///
/// # Errors
/// What the database says.
pub(super) fn greet(
    tx: &mut WriteTx<'_>,
    act: &Act,
    desk: &Desk,
    user: &User,
    link: &DrawnLink,
) -> Result<(), DbError> {
    if desk.may_send(tx, act, user, Kind::VerifyAddress)? {
        desk.send_verification(tx, act, user, link)?;
    }
    Ok(())
}
