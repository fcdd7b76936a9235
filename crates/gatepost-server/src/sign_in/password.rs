//! Signing in with a password, whichever dialect asked; and what a new password must be.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, OAuthCode, OAuthError, Problem, ProblemType};
use http::header::SET_COOKIE;

use crate::accounts::{self, LoginIdentifier, User};
use crate::app::App;
use crate::attempts::{self, Locked, Reason, Reservation};
use crate::audit::{Act, Origin};
use crate::http::{CookieJar, storage_oauth_error, storage_problem};
use crate::outbox::{Gone, Letter, Mail};
use crate::passwords::{self, Context, HashError, Password, PasswordHash};
use crate::second_factor::{self, Challenge, DrawnChallenge, FirstStep, Sender};
use crate::sessions::{self, Assurance, Device, Grant, NotAssured, Proof, SignIn};

/// What a password sign-in needs.
pub(super) struct Attempt {
    /// As typed.
    pub(super) identifier: String,
    /// As typed.
    pub(super) password: Secret<String>,
    /// What the user calls this device.
    pub(super) device: Device,
    /// The browser's proof that it has signed in before, unbelieved.
    pub(super) device_cookie: Option<Secret<String>>,
    /// Which application mediates.
    pub(super) client_id: &'static str,
    /// Who sent the request: a second step must come from there, too.
    pub(super) sender: Sender,
}

/// A session that was just opened, and for whom.
pub(super) struct SignedIn {
    pub(super) grant: Grant,
    pub(super) user: User,
    /// For the browser, so that it is known the next time.
    pub(super) device_cookie: Secret<String>,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No such account, another password, no password, disabled: the client must not learn which.
    #[error("the credentials are wrong or the account may not be used")]
    InvalidCredentials,
    /// The password is right, and the address has yet to be verified.
    #[error("the address is not verified")]
    EmailNotVerified,
    /// The password is right, and an administrator has yet to let its owner in.
    #[error("the account waits for an administrator")]
    AwaitingApproval,
    /// Longer than any password may be. Refused before any work, whoever it is for.
    #[error("the password is too long")]
    PasswordTooLong,
    /// Too many attempts have failed, whoever made them.
    #[error("too many failed attempts")]
    TooManyAttempts(Locked),
    /// The password is right, and the account has a second factor.
    #[error("a second factor is needed")]
    SecondFactor(Challenge, CookieJar),
    /// No hash could be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Checks the password and opens a session.
pub(super) async fn sign_in(app: &App, origin: Origin, attempt: Attempt) -> Result<SignedIn, Refusal> {
    let Attempt { identifier, password, device, device_cookie, client_id, sender } = attempt;
    let password = Password::parse(password).map_err(|_| Refusal::PasswordTooLong)?;
    let found = match LoginIdentifier::parse(&identifier) {
        Ok(name) => {
            app.db
                .read(move |tx| {
                    let Some(user) = accounts::by_identifier(tx, &name)? else { return Ok(None) };
                    let hash = passwords::hash_of(tx, user.id)?;
                    Ok::<_, DbError>(Some((user, hash)))
                })
                .await?
        }
        // What cannot be a name is answered like a name that nobody has.
        Err(_) => None,
    };
    let (user, stored) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let target = match &user {
        Some(user) => app.attempts.of_user(user, device_cookie.as_ref(), app.clock.now()),
        None => app.attempts.of_nobody(&identifier),
    };
    let reservation = attempts::reserve(app, &origin, target).await?;
    // The hasher does the same work whether or not there is anything to compare with.
    let verdict = match app.hasher.verify(password, stored.clone()).await {
        Ok(verdict) => verdict,
        Err(error) => {
            reservation.give_back(app).await;
            return Err(error.into());
        }
    };
    let (true, Some(user), Some(stored)) = (verdict.matched, user, stored) else {
        reservation.failed(app).await?;
        return Err(Refusal::InvalidCredentials);
    };

    let (user, epoch) = (user.id, user.auth_epoch);
    let act = origin.act(app.clock.now());
    let second_step = DrawnChallenge::draw(&sender, &app.random);
    let drawn = app.mint.draw(device.clone());
    let device_cookie = app.attempts.device_cookie(user, act.at);
    let (mint, identities, outbox) = (app.mint.clone(), app.identities.clone(), app.outbox.clone());
    let jar = app.cookies;
    let reservation = Arc::new(reservation);
    let settled = Arc::clone(&reservation);
    let written = app
        .db
        .write(move |tx| {
            // The account as it is now: it may have changed while the hash was computed.
            let current = accounts::by_id(tx, user)?.ok_or(Refusal::InvalidCredentials)?;
            let evidence = Proof::Password { epoch }.into();
            let assurance = match Assurance::establish(&current, evidence, mint.policy()) {
                Ok(assurance) => assurance,
                Err(reason) => {
                    settle_refused(tx, &act, &settled, reason)?;
                    if reason != NotAssured::SecondFactorRequired {
                        return Ok(Err(Refusal::from(reason)));
                    }
                    let first = FirstStep { user: &current, client_id, device: &device };
                    let challenge = second_factor::begin(tx, &second_step, &first, act.at)?;
                    return Ok(Err(Refusal::SecondFactor(challenge, jar)));
                }
            };
            settled.succeeded(tx)?;
            attempts::arrived(tx, (&mint, &outbox), &act, &current, settled.target())?;
            if let Some(better) = &verdict.rehash {
                passwords::upgrade(tx, &act, user, &stored, better)?;
            }
            let sign_in = SignIn { assurance, client_id, drawn: &drawn };
            let grant = sessions::open(tx, &mint, &act, &sign_in)?;
            identities.forget_after_commit(tx, user);
            let user = accounts::mark_signed_in(tx, user, act.at)?;
            Ok::<_, Refusal>(Ok((grant, user)))
        })
        .await;
    if let Err(Refusal::Db(_)) = &written {
        // The password was right; that nothing could be written is no fault of whoever knows it.
        reservation.give_back(app).await;
    }
    written?.map(|(grant, user)| SignedIn { grant, user, device_cookie })
}

/// Settles the attempt of somebody whose password was right when that was not enough.
fn settle_refused(
    tx: &mut WriteTx<'_>,
    act: &Act,
    reservation: &Reservation,
    reason: NotAssured,
) -> Result<(), DbError> {
    let noted = match reason {
        // It is answered like a wrong password, so it counts like one.
        NotAssured::Refused => Reason::Disabled,
        NotAssured::AwaitingApproval => Reason::AwaitingApproval,
        NotAssured::EmailNotVerified => Reason::EmailNotVerified,
        NotAssured::SecondFactorRequired => Reason::SecondFactorRequired,
    };
    if noted != Reason::Disabled {
        reservation.succeeded(tx)?;
    }
    attempts::note_in(tx, act, reservation.target().user(), noted)
}

impl From<attempts::Refused> for Refusal {
    fn from(refused: attempts::Refused) -> Self {
        match refused {
            attempts::Refused::Locked(locked) => Self::TooManyAttempts(locked),
            attempts::Refused::Db(error) => Self::Db(error),
        }
    }
}

impl From<NotAssured> for Refusal {
    fn from(reason: NotAssured) -> Self {
        match reason {
            NotAssured::AwaitingApproval => Self::AwaitingApproval,
            NotAssured::EmailNotVerified => Self::EmailNotVerified,
            NotAssured::Refused | NotAssured::SecondFactorRequired => Self::InvalidCredentials,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidCredentials => Self::new(ProblemType::InvalidCredentials),
            Refusal::EmailNotVerified => Self::new(ProblemType::EmailNotVerified),
            Refusal::AwaitingApproval => Self::new(ProblemType::AwaitingApproval),
            Refusal::TooManyAttempts(locked) => locked.into(),
            Refusal::PasswordTooLong => too_long("/password"),
            Refusal::SecondFactor(challenge, jar) => {
                let problem = Self::new(ProblemType::MfaRequired)
                    .with("challenge", challenge.token())
                    .with("methods", methods(&challenge));
                match challenge.set_cookie(&jar) {
                    Some(cookie) => problem.header(SET_COOKIE, cookie),
                    None => problem,
                }
            }
            Refusal::Hash(error) => hash_problem(error),
            Refusal::Db(error) => storage_problem(error),
        }
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidCredentials => {
                Self::new(OAuthCode::InvalidGrant).description("The credentials are invalid.")
            }
            Refusal::EmailNotVerified => {
                Self::new(OAuthCode::InvalidGrant).description("The address is not verified.")
            }
            Refusal::AwaitingApproval => Self::new(OAuthCode::InvalidGrant)
                .description("An administrator has yet to approve the account."),
            Refusal::TooManyAttempts(locked) => Self::too_many_attempts(locked.retry_after),
            Refusal::PasswordTooLong => {
                Self::new(OAuthCode::InvalidRequest).description("A password has at most 1,024 bytes.")
            }
            Refusal::SecondFactor(challenge, _) => Self::new(OAuthCode::MfaRequired)
                .description(
                    "The password is right. Show a second factor at /api/v1/auth/login/second-factor.",
                )
                .with("challenge", challenge.token())
                .with("methods", methods(&challenge)),
            Refusal::Hash(HashError::Busy) => {
                Self::new(OAuthCode::TemporarilyUnavailable).retry_after(BUSY_SECONDS).cause(HashError::Busy)
            }
            Refusal::Hash(error) => Self::internal(error),
            Refusal::Db(error) => storage_oauth_error(error),
        }
    }
}

/// The names of the factors that can answer a challenge.
fn methods(challenge: &Challenge) -> Vec<&'static str> {
    challenge.methods.iter().map(|method| method.name()).collect()
}

/// When the hashing queue is full: long enough for it to empty.
const BUSY_SECONDS: u32 = 2;

pub(crate) fn hash_problem(error: HashError) -> Problem {
    match error {
        HashError::Busy => Problem::new(ProblemType::Busy).retry_after(BUSY_SECONDS).cause(error),
        HashError::UnknownPepper(_) | HashError::Failed => Problem::internal(error),
    }
}

fn too_long(pointer: &str) -> Problem {
    let mut check = Check::new();
    let detail = "A password has at most 1,024 bytes.";
    check.refuse(pointer, "password_too_long", detail);
    check.finish().err().unwrap_or_else(|| Problem::internal(detail))
}

/// The notice to whoever reads the mailbox of an account whose password was changed, and of what went with the old one.
pub(crate) fn password_changed(user: &User, act: &Act, gone: Gone) -> Mail {
    let letter = Letter::PasswordChanged { at: act.at, device: None, gone };
    Mail { user: Some(user.id), to: user.mailbox(), letter, not_after: None }
}

/// Refuses a new password that is one of the former ones.
pub(crate) async fn refuse_former(app: &App, new: Password, former: Vec<PasswordHash>) -> ApiResult<()> {
    let mut check = Check::new();
    if app.hasher.verify_any(new, former).await.map_err(hash_problem)? {
        let history = app.config.passwords.history;
        let detail = format!("The last {history} passwords cannot be used again.");
        check.refuse("/new_password", "password_reused", detail);
    }
    check.finish()
}

/// Whose password it is to be, so that their own names are not accepted. The names are believed ones: judging takes
/// longer the longer they are.
pub struct PasswordField {
    /// The JSON pointer of the field.
    pub pointer: &'static str,
    /// The address of the account.
    pub email: Option<String>,
    /// The username of the account.
    pub username: Option<String>,
}

/// Judges a new password and notes all that is wrong with it.
///
/// # Errors
/// [`HashError::Busy`] under load: judging is work, too.
pub async fn believe_new_password(
    app: &App,
    check: &mut Check,
    typed: Secret<String>,
    of: PasswordField,
) -> Result<Option<Password>, HashError> {
    let Ok(password) = Password::parse(typed) else {
        check.refuse(of.pointer, "password_too_long", "A password has at most 1,024 bytes.");
        return Ok(None);
    };
    let PasswordField { pointer, email, username } = of;
    let public_host = app.config.server.public_url.as_ref().map(|url| url.host().to_owned());
    let policy = app.config.passwords.policy;
    let judging = app.hasher.turn(move || {
        let context = Context {
            app_name: None,
            public_host: public_host.as_deref(),
            email: email.as_deref(),
            username: username.as_deref(),
            second_factor: false,
        };
        let judged = policy.check(&password, &context);
        (password, judged)
    });
    let (password, judged) = judging.await?;
    match judged {
        Ok(()) => Ok(Some(password)),
        Err(weaknesses) => {
            for weakness in weaknesses {
                check.refuse(pointer, weakness.code(), weakness.detail());
            }
            Ok(None)
        }
    }
}
