//! What may be done with an account, and the end of it.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::model::User;
use super::{Email, Error, living, sql, who_holds};
use crate::audit::{self, Act, Event};
use crate::ids::UserId;

/// How long the row of a deleted account remains, so that a mistake can be undone.
const TOMBSTONE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Notes a sign-in and returns the account as it is then.
///
/// # Errors
/// What the database says.
pub fn mark_signed_in(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<User, DbError> {
    sql::mark_signed_in(tx, id, now)
}

/// Ends every credential that the account has handed out, and returns the account as it is then.
///
/// # Errors
/// What the database says.
pub fn bump_epoch(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<User, DbError> {
    sql::bump_epoch(tx, id, now)
}

/// Counts the version up because something that the account shows has changed elsewhere.
///
/// # Errors
/// What the database says.
pub fn touch(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<(), DbError> {
    sql::touch(tx, id, now)
}

/// Switches an account off, ending all its credentials, or on again.
///
/// # Errors
/// [`Error::NotFound`], or what the database says.
pub fn set_active(tx: &mut WriteTx<'_>, act: &Act, id: UserId, active: bool) -> Result<(), Error> {
    let user = living(tx, id, None)?.id;
    if sql::set_active(tx, id, active, act.at)? {
        let event = if active { Event::UserEnabled { user } } else { Event::UserDisabled { user } };
        audit::record(tx, act, &event)?;
    }
    Ok(())
}

/// Notes whether sign-ins need a second factor from now on. Switching it on ends every session, because all of them began
/// without one; whoever switches it off says which sessions end. Returns the account as it is then.
///
/// # Errors
/// What the database says.
pub fn set_two_factor(
    tx: &mut WriteTx<'_>,
    id: UserId,
    enabled: bool,
    now: Timestamp,
) -> Result<User, DbError> {
    sql::set_two_factor(tx, id, enabled, now)
}

/// Notes that mail to the address arrives at the account's owner, and returns the account as it is then.
///
/// # Errors
/// [`Error::NotFound`], or what the database says.
pub fn mark_email_verified(tx: &mut WriteTx<'_>, act: &Act, id: UserId) -> Result<User, Error> {
    let user = sql::mark_email_verified(tx, id, act.at)?.ok_or(Error::NotFound)?;
    audit::record(tx, act, &Event::EmailVerified { user: id })?;
    Ok(user)
}

/// Gives an account another address, to which its mailbox has agreed, and returns the account as it is then. The caller
/// records why.
///
/// # Errors
/// [`Error::EmailTaken`], [`Error::NotFound`], or what the database says.
pub fn change_email(tx: &mut WriteTx<'_>, act: &Act, id: UserId, email: &Email) -> Result<User, Error> {
    let user = living(tx, id, None)?;
    who_holds(tx, &user, Some(email))?;
    sql::change_email(tx, id, email, act.at)?.ok_or(Error::NotFound)
}

/// Lets somebody in who has waited for an administrator. Whether they were waiting.
///
/// # Errors
/// What the database says.
pub fn approve(tx: &mut WriteTx<'_>, act: &Act, id: UserId) -> Result<bool, DbError> {
    let waited = sql::approve(tx, id, act.at)?;
    if waited {
        audit::record(tx, act, &Event::UserApproved { user: id })?;
    }
    Ok(waited)
}

/// Deletes an account: its names are free at once, its row remains for seven days.
///
/// # Errors
/// [`Error::NotFound`], or what the database says.
pub fn delete(tx: &mut WriteTx<'_>, act: &Act, id: UserId) -> Result<(), Error> {
    if !sql::bury(tx, id, act.at)? {
        return Err(Error::NotFound);
    }
    audit::record(tx, act, &Event::UserDeleted { user: id })?;
    Ok(())
}

/// Brings a deleted account back within seven days, with the names that it had. What it had handed out stays dead: the epochs
/// have moved on.
///
/// # Errors
/// [`Error::NotFound`] when it was not deleted or is forgotten, or which of its names is taken.
pub fn restore(tx: &mut WriteTx<'_>, act: &Act, id: UserId) -> Result<User, Error> {
    let user = sql::user_by_id(tx, id)?.ok_or(Error::NotFound)?;
    // It was believed when it was written.
    let email = Email::parse(&user.email).map_err(|_| Error::NotFound)?;
    who_holds(tx, &user, Some(&email))?;
    let times = (act.at, act.at.minus(TOMBSTONE));
    let user = sql::restore(tx, &user, &email, times)?.ok_or(Error::NotFound)?;
    audit::record(tx, act, &Event::UserRestored { user: id })?;
    Ok(user)
}

/// Takes back that the address is known to be the owner's. Every session ends: where an address must be verified, nobody
/// stays in without. Returns the account as it is then.
///
/// # Errors
/// [`Error::NotFound`], or what the database says.
pub fn unverify_email(tx: &mut WriteTx<'_>, act: &Act, id: UserId) -> Result<User, Error> {
    let user = sql::unverify_email(tx, id, act.at)?.ok_or(Error::NotFound)?;
    audit::record(tx, act, &Event::EmailUnverified { user: id })?;
    Ok(user)
}

/// Forgets tombstones whose time is over, and returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now.minus(TOMBSTONE))
}
