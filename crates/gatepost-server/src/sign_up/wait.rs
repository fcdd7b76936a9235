//! Registration where nobody is signed in at once: the account waits, and a stranger learns nothing from the answer.

use std::time::Duration;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_problem::ApiResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::enroll::{Enrolment, enroll};
use crate::accounts::{self, Email, LoginIdentifier, User};
use crate::app::App;
use crate::attempts::{self, Attempts};
use crate::audit::{self, Act, Event, Origin};
use crate::http::storage_problem;
use crate::outbox::{Kind, Letter, Mail, Outbox};
use crate::passwords::{self, Password, PasswordHash};
use crate::recovery::{Desk, DrawnLink};
use crate::sessions::{self, Identities};
use crate::sign_in::hash_problem;
use crate::{api_keys, second_factor};

/// Within this time, a registration of an address that was just registered is the same button pressed twice.
const AGAIN: Duration = Duration::from_secs(60);

/// How often the password is held against another one because the account came to be, or changed, meanwhile.
const TRIES: u8 = 3;

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
    identities: Identities,
    sign_in: String,
}

/// What the typed password is to the account that has the address, if there is one whose address is not verified.
#[derive(Clone)]
struct Compared {
    /// What it was held against. Without one the hasher does the same work for nothing.
    with: Option<PasswordHash>,
    is_same: bool,
}

impl Compared {
    async fn on(app: &App, email: &Email, password: Password) -> ApiResult<Self> {
        let identifier = LoginIdentifier::Email(email.clone());
        let with =
            app.db.read(move |tx| unproven_password(tx, &identifier)).await.map_err(storage_problem)?;
        let verdict = app.hasher.verify(password, with.clone()).await.map_err(hash_problem)?;
        Ok(Self { with, is_same: verdict.matched })
    }
}

/// The password of an account whose address nobody has shown to be theirs.
fn unproven_password(
    tx: &mut ReadTx<'_>,
    identifier: &LoginIdentifier,
) -> Result<Option<PasswordHash>, DbError> {
    match accounts::by_identifier(tx, identifier)?.filter(|user| !user.email_verified) {
        Some(user) => passwords::hash_of(tx, user.id),
        None => Ok(None),
    }
}

/// Whether a registration is dealt with.
enum Served {
    Done,
    /// The password was held against one that the account does not have any more, or did not have yet.
    Overtaken,
}

/// Makes an account that waits. When the address has one, its owner is told instead, in their mailbox. Both are one
/// transaction that writes, after the same hashing: the client cannot tell which it was.
///
/// As long as nobody has verified the address, nobody knows whose password the account should have. When the second who
/// registers it types another one, neither counts: otherwise somebody could register the address of another, wait until
/// they register, too, and let them verify the account with the wrong password (*pre-hijacking*; `REG-06`).
///
/// # Errors
/// When the database fails. Never because something is taken.
pub(super) async fn enroll_and_wait(
    app: &App,
    origin: Origin,
    (enrolment, password): (Enrolment, Password),
) -> ApiResult<()> {
    let counter = Counter {
        desk: Desk::of(app),
        outbox: app.outbox.clone(),
        attempts: app.attempts.clone(),
        identities: app.identities.clone(),
        sign_in: app.sign_in_url(),
    };
    let (act, link) = (origin.act(app.clock.now()), DrawnLink::draw(&app.random));
    for _ in 0..TRIES {
        let compared = Compared::on(app, enrolment.email(), password.clone()).await?;
        let (counter, act, enrolment, link) = (counter.clone(), act.clone(), enrolment.clone(), link.clone());
        let served = app.db.write(move |tx| counter.serve(tx, &act, (&enrolment, &compared), &link)).await?;
        if let Served::Done = served {
            return Ok(());
        }
    }
    Err(storage_problem(DbError::Conflict))
}

impl Counter {
    fn serve(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        (enrolment, compared): (&Enrolment, &Compared),
        link: &DrawnLink,
    ) -> Result<Served, accounts::Error> {
        match enroll_with_what_is_free(tx, act, enrolment.clone()) {
            Ok(user) => {
                // What was counted against the name while nobody had it is not its owner's.
                attempts::reopen(tx, &self.attempts.of_user(&user, None, act.at))?;
                greet(tx, act, &self.desk, &user, link)?;
            }
            Err(accounts::Error::EmailTaken) => {
                let identifier = LoginIdentifier::Email(enrolment.email().clone());
                let Some(user) = accounts::by_identifier(tx, &identifier)? else { return Ok(Served::Done) };
                if !user.email_verified {
                    if !passwords::is_still(tx, user.id, compared.with.as_ref())? {
                        return Ok(Served::Overtaken);
                    }
                    if compared.with.is_some() && !compared.is_same {
                        self.withdraw(tx, act, &user)?;
                    }
                }
                self.tell_owner(tx, act, &user)?;
            }
            Err(error) => return Err(error),
        }
        Ok(Served::Done)
    }

    /// Takes away whatever opens an account that two have registered. The links in its mailbox stay: whoever reads that
    /// one verifies the address and sets a password by mail.
    fn withdraw(&self, tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<(), DbError> {
        audit::record(tx, act, &Event::PasswordWithdrawn { user: user.id })?;
        passwords::forget(tx, user.id)?;
        // From a time when accounts did not wait here.
        api_keys::forget(tx, act, user.id)?;
        second_factor::forget(tx, act, user.id, "registration")?;
        sessions::revoke_all(tx, &self.identities, act, user.id, None).map(|_| ())
    }

    /// Tells whoever has the address that somebody tried to register it: at most once a day, and not in the minute after
    /// the link of the registration itself, because people press buttons twice.
    fn tell_owner(&self, tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<(), DbError> {
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
