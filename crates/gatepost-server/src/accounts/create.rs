//! How an account comes to be, whoever makes it.

use gatepost_db::{DbError, WriteTx};

use super::identifiers::Email;
use super::model::User;
use super::profile::ProfileChange;
use super::{Error, sql, who_holds};
use crate::audit::{self, Act, Event};
use crate::ids::UserId;

/// What [`create`] needs.
#[derive(Clone)]
pub struct NewUser {
    /// Drawn by the caller.
    pub id: UserId,
    /// The address.
    pub email: Email,
    /// Whether the maker vouches for the address.
    pub verified: bool,
    /// Whether an administrator must let its owner in first.
    pub awaiting_approval: bool,
    /// The other fields.
    pub profile: ProfileChange,
    /// How it came about, for the audit row: `register`, `invitation`, `setup`, `command_line` or
    /// `administrator`.
    pub by: &'static str,
}

/// Makes an account.
///
/// # Errors
/// [`Error::EmailTaken`], [`Error::UsernameTaken`] or [`Error::PhoneTaken`], whichever index refused.
pub fn create(tx: &mut WriteTx<'_>, act: &Act, new: NewUser) -> Result<User, Error> {
    let NewUser { id, email, verified, awaiting_approval, profile, by } = new;
    let mut user = User { email_verified: verified, awaiting_approval, ..User::new(id, &email, act.at) };
    profile.apply(&mut user);
    match sql::insert(tx, &user, &email)? {
        Some(user) => {
            audit::record(tx, act, &Event::UserRegistered { user: user.id, by })?;
            Ok(user)
        }
        None => {
            who_holds(tx, &user, Some(&email))?;
            // An index refused a row that this snapshot cannot see: only a rerun can tell.
            Err(Error::Db(DbError::Conflict))
        }
    }
}

/// Writes accounts that another system had, all or none. Whose names are free was found out in this transaction. The caller
/// records where they came from.
///
/// # Errors
/// [`DbError::Conflict`] when an index refused one after all, or what the database says.
pub fn bring(tx: &mut WriteTx<'_>, users: &[(User, Email)]) -> Result<(), DbError> {
    if sql::insert_many(tx, users)? == users.len() { Ok(()) } else { Err(DbError::Conflict) }
}
