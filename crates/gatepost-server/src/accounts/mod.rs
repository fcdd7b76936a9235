//! Accounts: who somebody is.
//!
//! Invariants:
//! * An address, a username and a phone number belong to at most one living account. A unique index on the canonical
//!   form decides, never a look beforehand; the original spelling is kept for display and for sending.
//! * The id is what everything else refers to. An address that is freed and registered again belongs to a new id.
//! * `auth_epoch` counts up with every event after which no earlier sign-in may work, `standing_epoch` with those after
//!   which nothing may work that the account handed out. This feature knows no session and no key: later features compare
//!   epochs.
//! * A deleted account is a tombstone for seven days: without canonical names and unusable, whatever `is_active` says. It
//!   can be restored until it is purged.

mod create;
mod identifiers;
mod me;
mod model;
mod profile;
mod public;
mod sql;
mod standing;

use gatepost_db::{DbError, ReadTx};
use gatepost_problem::{Problem, ProblemType};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::storage_problem;
use crate::ids::UserId;

pub use create::{NewUser, bring, create};
pub use identifiers::{
    AvatarUrl, Bio, Country, DeviceName, Email, IdentifierError, LoginIdentifier, PersonName, PhoneNumber,
    Username, one_line, several_lines,
};
pub use me::{UserBody, change_profile};
pub use model::User;
pub use profile::{Patch, ProfileChange, ProfileInput};
pub(crate) use sql::user_columns;
pub use sql::{STATEMENTS, USER_COLUMNS, user_from_row};
pub use standing::{
    approve, bump_epoch, change_email, delete, mark_email_verified, mark_signed_in, purge, restore,
    set_active, set_two_factor, touch, unverify_email,
};

crate::permissions! {
    UsersRead = "users:read", "Read every account.";
    UsersWrite = "users:write", "Make and change accounts, end their sessions, and help their owners back in.";
    UsersDelete = "users:delete", "Delete accounts, and take that back.";
}

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(me::get, me::patch)).routes(routes!(public::get))
}

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another account has this address.
    #[error("the address is taken")]
    EmailTaken,
    /// Another account has this username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Another account has this phone number.
    #[error("the phone number is taken")]
    PhoneTaken,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// The caller's session has ended since the request began.
    #[error("the caller's session has ended")]
    SessionEnded,
    /// The account has changed since the client read it.
    #[error("the account has another version")]
    VersionMismatch,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::EmailTaken => Self::new(ProblemType::EmailTaken),
            Error::UsernameTaken => Self::new(ProblemType::UsernameTaken),
            Error::PhoneTaken => Self::new(ProblemType::PhoneTaken),
            Error::NotFound => Self::not_found(),
            Error::SessionEnded => Self::invalid_bearer().cause(error),
            Error::VersionMismatch => Self::new(ProblemType::VersionMismatch),
            Error::Db(error) => storage_problem(error),
        }
    }
}

/// The account with this id, tombstones included.
///
/// # Errors
/// What the database says.
pub fn by_id(tx: &mut ReadTx<'_>, id: UserId) -> Result<Option<User>, DbError> {
    sql::user_by_id(tx, id)
}

/// The living account that somebody signs in to with this address or username.
///
/// # Errors
/// What the database says.
pub fn by_identifier(tx: &mut ReadTx<'_>, identifier: &LoginIdentifier) -> Result<Option<User>, DbError> {
    match identifier {
        LoginIdentifier::Email(email) => sql::user_by_email(tx, email),
        LoginIdentifier::Username(name) => sql::user_by_username(tx, name.canonical()),
    }
}

/// The living accounts with these addresses in canonical form, in no order.
///
/// # Errors
/// What the database says.
pub fn by_addresses(tx: &mut ReadTx<'_>, canonical: &[&str]) -> Result<Vec<User>, DbError> {
    sql::users_by_emails(tx, canonical)
}

/// Which of these usernames (in canonical form) belong to whom.
///
/// # Errors
/// What the database says.
pub fn who_has_usernames(
    tx: &mut ReadTx<'_>,
    canonical: &[String],
) -> Result<Vec<(String, UserId)>, DbError> {
    sql::who_has_usernames(tx, canonical)
}

/// Which of these phone numbers belong to whom.
///
/// # Errors
/// What the database says.
pub fn who_has_phones(tx: &mut ReadTx<'_>, numbers: &[&str]) -> Result<Vec<(String, UserId)>, DbError> {
    sql::who_has_phones(tx, numbers)
}

/// Living accounts in the order of their ids, after this one.
///
/// # Errors
/// What the database says.
pub fn page(tx: &mut ReadTx<'_>, after: Option<UserId>, limit: i64) -> Result<Vec<User>, DbError> {
    sql::users_after(tx, after, limit)
}

/// Says which name of `wanted` another living account has. In a serializable transaction the answer still holds at the
/// commit; the unique indexes stand behind it.
fn who_holds(tx: &mut ReadTx<'_>, wanted: &User, email: Option<&Email>) -> Result<(), Error> {
    let is_other = |found: Option<User>| found.is_some_and(|found| found.id != wanted.id);
    if let Some(email) = email
        && is_other(sql::user_by_email(tx, email)?)
    {
        return Err(Error::EmailTaken);
    }
    if let Some(name) = wanted.username_canonical()
        && is_other(sql::user_by_username(tx, &name)?)
    {
        return Err(Error::UsernameTaken);
    }
    if let Some(number) = &wanted.phone_number
        && is_other(sql::user_by_phone(tx, number)?)
    {
        return Err(Error::PhoneTaken);
    }
    Ok(())
}

/// The living account with this id, if it has the version that the client expects.
///
/// # Errors
/// [`Error::NotFound`], [`Error::VersionMismatch`], or what the database says.
pub fn living(tx: &mut ReadTx<'_>, id: UserId, expected: Option<i64>) -> Result<User, Error> {
    let user = alive(sql::user_by_id(tx, id)?)?;
    match expected {
        Some(version) if version != user.version => Err(Error::VersionMismatch),
        Some(_) | None => Ok(user),
    }
}

fn alive(found: Option<User>) -> Result<User, Error> {
    found.filter(|user| user.deleted_at.is_none()).ok_or(Error::NotFound)
}
