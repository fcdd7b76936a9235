//! Links: what they are for, how long they work, how they are made and consumed.

use std::time::Duration;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_kernel::{OpaqueToken, Purpose, Random, Secret, Timestamp, TokenHash};
use gatepost_problem::{Problem, ProblemType};

use super::sql;
use crate::accounts::{self, Email, User};
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::http::storage_problem;
use crate::ids::UserId;
use crate::outbox::{Kind, Letter, Mail, Outbox};

const PREFIX: &str = "gpl";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The least time between two mails of one kind to one address.
const BETWEEN: Duration = MINUTE;
/// How many mails of one kind an address gets within 24 hours.
const DAILY: u32 = 5;

/// How long an expired link stays in the database: a clock that ran ahead deletes nothing for good.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

macro_rules! purposes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $page:literal $life:expr;)+) => {
        /// What a link in a mail is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LinkPurpose { $($(#[$doc])* $variant),+ }

        impl LinkPurpose {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the database and in the audit trail.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The path of the page that the link opens.
            pub const fn page(self) -> &'static str {
                match self { $(Self::$variant => $page),+ }
            }

            /// How long it works.
            pub const fn lifetime(self) -> Duration {
                match self { $(Self::$variant => $life),+ }
            }

            /// What is hashed with its token.
            const fn hashed_with(self) -> Purpose {
                match self { $(Self::$variant => Purpose::new(concat!("link ", $name))),+ }
            }
        }
    };
}

purposes! {
    /// The address of an account is its owner's.
    VerifyEmail "verify_email" "/verify-email" HOUR.saturating_mul(24);
    /// A new password.
    ResetPassword "reset_password" "/reset-password" MINUTE.saturating_mul(30);
    /// The address that an account is to have is its owner's.
    ConfirmEmail "confirm_email" "/confirm-email" HOUR.saturating_mul(24);
    /// The address that an account had is to be its address again.
    UndoEmail "undo_email" "/undo-email" HOUR.saturating_mul(24 * 7);
    /// Whoever failed to sign in, or did, was not the owner.
    SecureAccount "secure_account" "/secure-account" HOUR.saturating_mul(24);
}

impl LinkPurpose {
    /// Whether it dies with the credentials that were good when it was made. Those that take something back from an
    /// intruder must not: an intruder changes the password first.
    const fn is_bound_to_epoch(self) -> bool {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::ConfirmEmail => true,
            Self::UndoEmail | Self::SecureAccount => false,
        }
    }

    /// Whether it is about the address that the account has: then it dies when that changes.
    const fn is_about_present_address(self) -> bool {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::SecureAccount => true,
            Self::ConfirmEmail | Self::UndoEmail => false,
        }
    }

    /// Whether an account has one for each address, and not only the newest. Otherwise whoever changes an address twice
    /// takes the first mailbox its way back.
    const fn is_one_per_address(self) -> bool {
        match self {
            Self::UndoEmail => true,
            Self::VerifyEmail | Self::ResetPassword | Self::ConfirmEmail | Self::SecureAccount => false,
        }
    }

    /// Whether the audit trail says that it was sent. What a request to change an address sends must not show there: it
    /// would tell the user who asked whether the new address is free.
    const fn is_recorded(self) -> bool {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::SecureAccount => true,
            Self::ConfirmEmail | Self::UndoEmail => false,
        }
    }
}

/// The random part of a link, drawn before the transaction that makes it.
#[derive(Clone)]
pub struct DrawnLink(OpaqueToken);

impl DrawnLink {
    /// Draws one.
    pub fn draw(random: &Random) -> Self {
        Self(OpaqueToken::generate(PREFIX, random))
    }
}

/// A token that somebody presents. It has the shape of one: garbage costs no query.
#[derive(Clone)]
pub(super) struct Presented(Secret<String>);

impl Presented {
    /// # Errors
    /// [`Refusal::InvalidLink`] for what was never a token.
    pub(super) fn parse(token: Secret<String>) -> Result<Self, Refusal> {
        if OpaqueToken::has_shape(PREFIX, token.expose()) {
            Ok(Self(token))
        } else {
            Err(Refusal::InvalidLink)
        }
    }

    fn hash(&self, purpose: LinkPurpose) -> TokenHash {
        TokenHash::of(purpose.hashed_with(), self.0.expose())
    }
}

/// A link, as its row says.
pub(super) struct Link {
    /// Whose account it is about; an invitation has none yet.
    pub(super) user: Option<UserId>,
    /// The epoch of the account that it dies with, if it does.
    pub(super) epoch: Option<i64>,
    /// The address that it is about, in canonical form.
    pub(super) address: String,
    /// The same as its owner typed it.
    pub(super) typed: Option<String>,
    /// What an invited person becomes besides a user.
    pub(super) role: Option<String>,
    /// When it was made.
    pub(super) made_at: Timestamp,
}

impl Link {
    /// The address that it is about.
    pub(super) fn email(&self) -> Result<Email, Refusal> {
        let text = self.typed.as_ref().unwrap_or(&self.address);
        // It was believed when it was written.
        Email::parse(text).map_err(|_| Refusal::InvalidLink)
    }
}

/// Why a link did not do what it is for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Unknown, used, expired, outlived by a newer one or by the account: the client must not learn which.
    #[error("the link is not valid")]
    InvalidLink,
    /// The account cannot take it.
    #[error(transparent)]
    Account(#[from] accounts::Error),
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidLink => Self::new(ProblemType::InvalidLink),
            Refusal::Account(accounts::Error::Db(error)) => storage_problem(error),
            Refusal::Account(error) => error.into(),
        }
    }
}

/// Who a link is about, by the word of this transaction. Nothing is consumed.
///
/// # Errors
/// [`Refusal::InvalidLink`] when it would not work, or what the database says.
pub(super) fn look_at(
    tx: &mut ReadTx<'_>,
    purpose: LinkPurpose,
    token: &Presented,
    now: Timestamp,
) -> Result<(Link, User), Refusal> {
    let link = sql::link(tx, purpose, &token.hash(purpose), now)?;
    bound(tx, purpose, link)
}

/// Uses a link up, and says who it is about.
///
/// # Errors
/// As [`look_at`]; the caller passes it on, so that nothing is consumed.
pub(super) fn consume(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    token: &Presented,
    now: Timestamp,
) -> Result<(Link, User), Refusal> {
    let link = sql::consume(tx, purpose, &token.hash(purpose), now)?;
    bound(tx, purpose, link)
}

/// Holds a link against its account as it is now.
fn bound(tx: &mut ReadTx<'_>, purpose: LinkPurpose, link: Option<Link>) -> Result<(Link, User), Refusal> {
    let link = link.ok_or(Refusal::InvalidLink)?;
    let user = match link.user {
        Some(user) => accounts::by_id(tx, user)?,
        None => None,
    };
    let user = user.filter(|user| user.is_active && user.deleted_at.is_none()).ok_or(Refusal::InvalidLink)?;
    if link.epoch.is_some_and(|epoch| epoch != user.auth_epoch) {
        return Err(Refusal::InvalidLink);
    }
    if purpose.is_about_present_address() && link.address != user.email_canonical() {
        return Err(Refusal::InvalidLink);
    }
    Ok((link, user))
}

/// Where links are made and put into mails. The address in front of each is the configured one, whatever a request says.
#[derive(Clone)]
pub struct Desk {
    issuer: String,
    sign_in: String,
    pub(super) outbox: Outbox,
}

/// A link that was just made.
pub(super) struct Made {
    pub(super) url: Secret<String>,
    pub(super) expires: Timestamp,
}

impl Desk {
    /// The desk of this application.
    pub fn of(app: &App) -> Self {
        Self { issuer: app.issuer.clone(), sign_in: app.sign_in_url(), outbox: app.outbox.clone() }
    }

    /// Sends a link that verifies the address of an account, and ends the one before.
    ///
    /// # Errors
    /// What the database says.
    pub fn send_verification(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        user: &User,
        drawn: &DrawnLink,
    ) -> Result<(), DbError> {
        let Made { url: link, expires } = self.make(tx, act, LinkPurpose::VerifyEmail, (user, drawn))?;
        self.owe(tx, act, user, (Letter::VerifyAddress { link, expires }, Some(expires)))
    }

    /// Sends a link that sets a new password, and ends the one before.
    ///
    /// # Errors
    /// What the database says.
    pub fn send_reset(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        user: &User,
        drawn: &DrawnLink,
    ) -> Result<(), DbError> {
        let Made { url: link, expires } = self.make(tx, act, LinkPurpose::ResetPassword, (user, drawn))?;
        self.owe(tx, act, user, (Letter::ResetPassword { link, expires }, Some(expires)))
    }

    /// Tells somebody that the address was asked for which their account has, at most once a day.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn send_account_exists(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        holder: &User,
    ) -> Result<(), DbError> {
        let was_told = self.outbox.recent(tx, &holder.mailbox(), Kind::AccountExists, act.at)?.last.is_some();
        if was_told || !holder.is_active {
            return Ok(());
        }
        self.owe(tx, act, holder, (Letter::AccountExists { sign_in: self.sign_in.clone() }, None))
    }

    /// Tells a mailbox that the address of its account was changed: the one that it has, or the one that it had.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn tell_of_change(&self, tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<(), DbError> {
        self.owe(tx, act, user, (Letter::AddressChanged, None))
    }

    /// Whether the address of an account may get one more mail of this kind that somebody asked for: nobody fills the
    /// mailbox of others.
    ///
    /// # Errors
    /// What the database says.
    pub fn may_send(&self, tx: &mut ReadTx<'_>, act: &Act, user: &User, kind: Kind) -> Result<bool, DbError> {
        self.may_send_to(tx, act, &user.mailbox(), kind)
    }

    /// The same for a mailbox that may be nobody's.
    ///
    /// # Errors
    /// What the database says.
    pub fn may_send_to(
        &self,
        tx: &mut ReadTx<'_>,
        act: &Act,
        mailbox: &str,
        kind: Kind,
    ) -> Result<bool, DbError> {
        let recent = self.outbox.recent(tx, mailbox, kind, act.at)?;
        let is_soon = recent.last.is_some_and(|last| act.at.since(last) < BETWEEN);
        Ok(!is_soon && recent.within_day < DAILY)
    }

    /// Makes a link about the address that the account has, in place of the one before.
    pub(super) fn make(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        purpose: LinkPurpose,
        (user, drawn): (&User, &DrawnLink),
    ) -> Result<Made, DbError> {
        let about = (user.email_canonical(), user.email.clone());
        self.make_about(tx, act, purpose, (user, drawn, about))
    }

    /// Makes a link about another address, canonical and as typed, in place of the one before.
    pub(super) fn make_about(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        purpose: LinkPurpose,
        (user, drawn, (address, typed)): (&User, &DrawnLink, (String, String)),
    ) -> Result<Made, DbError> {
        if purpose.is_one_per_address() {
            sql::forget_of_address(tx, purpose, user.id, &address)?;
        } else {
            sql::forget_of_purpose(tx, purpose, user.id)?;
        }
        let epoch = purpose.is_bound_to_epoch().then_some(user.auth_epoch);
        let link =
            Link { user: Some(user.id), epoch, address, typed: Some(typed), role: None, made_at: act.at };
        self.put(tx, act, (purpose, &link), drawn)
    }

    fn put(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        (purpose, link): (LinkPurpose, &Link),
        DrawnLink(token): &DrawnLink,
    ) -> Result<Made, DbError> {
        let expires = link.made_at.plus(purpose.lifetime());
        if let Some(user) = link.user.filter(|_| purpose.is_recorded()) {
            audit::record(tx, act, &Event::LinkSent { user, purpose: purpose.name() })?;
        }
        sql::insert(tx, purpose, &TokenHash::of(purpose.hashed_with(), token.expose()), link, expires)?;
        // In the fragment, which browsers send to no server and write to no log.
        let url = Secret::new(format!("{}{}#token={}", self.issuer, purpose.page(), token.expose()));
        Ok(Made { url, expires })
    }

    /// Owes a mail to the address that the account has, which is never the one that a request names.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn owe(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        user: &User,
        (letter, not_after): (Letter, Option<Timestamp>),
    ) -> Result<(), DbError> {
        self.outbox.owe(tx, act.at, &Mail { user: Some(user.id), to: user.mailbox(), letter, not_after })
    }
}

/// Forgets links that expired more than a day ago, up to a thousand at a time, and returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now.minus(GRACE))
}

/// Forgets every link of an account.
///
/// # Errors
/// What the database says.
pub(super) fn forget_all(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    sql::forget_of_user(tx, user)
}

/// Ends the links of an account that have this purpose. That there were some is remembered: it still counts for how often
/// the account may ask.
///
/// # Errors
/// What the database says.
pub(super) fn end(tx: &mut WriteTx<'_>, purpose: LinkPurpose, user: UserId) -> Result<(), DbError> {
    sql::end_of_purpose(tx, purpose, user)
}

/// Forgets the links of an account that have this purpose and were made then or later.
///
/// # Errors
/// What the database says.
pub(super) fn forget_since(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
    since: Timestamp,
) -> Result<(), DbError> {
    sql::forget_since(tx, purpose, user, since)
}

/// Forgets the links of an account but those that give an address back. An intruder who has the mailbox of today must not
/// be able to take the owner their way back.
///
/// # Errors
/// What the database says.
pub(super) fn forget_pending(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    sql::forget_but(tx, user, LinkPurpose::UndoEmail)
}

/// Whether an account may soon take this address back, which is nobody else's until then (`docs/adr/0023`). The account
/// `but` itself is not meant.
///
/// # Errors
/// What the database says.
pub fn is_reserved(
    tx: &mut ReadTx<'_>,
    email: &Email,
    but: Option<UserId>,
    now: Timestamp,
) -> Result<bool, DbError> {
    for user in sql::users_with_link(tx, LinkPurpose::UndoEmail, email.canonical(), now)? {
        let lives = accounts::by_id(tx, user)?.is_some_and(|user| user.deleted_at.is_none());
        if lives && but != Some(user) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which of these addresses, in canonical form, an account may soon take back.
///
/// # Errors
/// What the database says.
pub fn reserved_among(
    tx: &mut ReadTx<'_>,
    canonical: &[&str],
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    sql::addresses_with_link(tx, LinkPurpose::UndoEmail, canonical, now)
}
