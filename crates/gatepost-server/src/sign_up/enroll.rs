//! Making an account with its password and roles, whoever asks for it.

use gatepost_db::WriteTx;
use gatepost_kernel::{Id, Secret};
use gatepost_problem::{Check, Problem};

use crate::access::{self, ADMIN, USER};
use crate::accounts::{self, Email, NewUser, ProfileInput, User};
use crate::app::App;
use crate::audit::Act;
use crate::passwords::{self, HashError, Password, PasswordHash};
use crate::recovery;
use crate::sign_in::{PasswordField, believe_new_password};

/// What somebody wants an account with.
pub struct NewAccount {
    /// As typed.
    pub email: String,
    /// As typed.
    pub password: Secret<String>,
    /// The other fields.
    pub profile: ProfileInput,
}

/// What a new account is, besides what its owner typed.
#[derive(Clone)]
pub struct Terms {
    /// Whether its address is known to be its owner's.
    pub verified: bool,
    /// Whether an administrator must let its owner in first.
    pub awaiting_approval: bool,
    /// A role besides `user`.
    pub role: Option<String>,
    /// How it came about, for the audit trail.
    pub by: &'static str,
}

impl Terms {
    /// Of a stranger who registers.
    pub const fn stranger(awaiting_approval: bool) -> Self {
        Self { verified: false, awaiting_approval, role: None, by: "register" }
    }

    /// Of somebody whom an administrator vouches for.
    pub const fn made_by_administrator() -> Self {
        Self { verified: true, awaiting_approval: false, role: None, by: "administrator" }
    }

    /// Of an administrator, whose address is taken to be theirs.
    pub fn owner(by: &'static str) -> Self {
        Self { verified: true, awaiting_approval: false, role: Some(ADMIN.to_owned()), by }
    }
}

/// An account that was believed and whose password is hashed: all that is left is to write it.
#[derive(Clone)]
pub struct Enrolment {
    new: NewUser,
    hash: PasswordHash,
    history: u8,
    role: Option<String>,
}

/// Why an account could not be prepared.
pub enum EnrolmentError {
    /// Fields are wrong.
    Invalid(Problem),
    /// The password could not be hashed now.
    Hash(HashError),
}

impl From<EnrolmentError> for Problem {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::Invalid(problem) => problem,
            EnrolmentError::Hash(error) => crate::sign_in::hash_problem(error),
        }
    }
}

impl Enrolment {
    /// Checks everything, notes all that is wrong at once, and hashes the password.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub async fn prepare(app: &App, account: NewAccount, terms: Terms) -> Result<Self, EnrolmentError> {
        Self::prepare_with_password(app, account, terms).await.map(|(enrolment, _)| enrolment)
    }

    /// The same for whoever has yet to hold the password against another one.
    pub(super) async fn prepare_with_password(
        app: &App,
        account: NewAccount,
        terms: Terms,
    ) -> Result<(Self, Password), EnrolmentError> {
        let NewAccount { email, password, profile } = account;
        let mut check = Check::new();
        let email = check.field("/email", Email::parse(&email));
        let profile = profile.check(&mut check);
        let field = PasswordField {
            pointer: "/password",
            email: email.as_ref().map(|email| email.as_typed().to_owned()),
            username: profile.as_ref().and_then(|profile| profile.username().map(str::to_owned)),
        };
        let password =
            believe_new_password(app, &mut check, password, field).await.map_err(EnrolmentError::Hash)?;
        let (email, profile, password) =
            check.values((email, profile, password)).map_err(EnrolmentError::Invalid)?;
        let hash = app.hasher.hash(password.clone()).await.map_err(EnrolmentError::Hash)?;
        let id = Id::generate(app.clock.now(), &app.random);
        let Terms { verified, awaiting_approval, role, by } = terms;
        let new = NewUser { id, email, verified, awaiting_approval, profile, by };
        Ok((Self { new, hash, history: app.config.passwords.history, role }, password))
    }

    /// The address.
    pub const fn email(&self) -> &Email {
        &self.new.email
    }

    /// The same without a username.
    pub(super) fn without_username(mut self) -> Self {
        self.new.profile = self.new.profile.without_username();
        self
    }

    /// The same without a phone number.
    pub(super) fn without_phone_number(mut self) -> Self {
        self.new.profile = self.new.profile.without_phone_number();
        self
    }
}

/// Writes the account, its password and its roles.
///
/// # Errors
/// Which of its names is taken, or what the database says.
pub fn enroll(tx: &mut WriteTx<'_>, act: &Act, enrolment: Enrolment) -> Result<User, accounts::Error> {
    let Enrolment { new, hash, history, role } = enrolment;
    if recovery::is_reserved(tx, &new.email, None, act.at)? {
        return Err(accounts::Error::EmailTaken);
    }
    let user = accounts::create(tx, act, new)?;
    passwords::set(tx, act, user.id, &hash, history)?;
    access::grant(tx, act, user.id, USER)?;
    if let Some(role) = role {
        access::grant(tx, act, user.id, &role)?;
    }
    // The roles have counted the version up.
    accounts::by_id(tx, user.id)?.ok_or(accounts::Error::NotFound)
}
