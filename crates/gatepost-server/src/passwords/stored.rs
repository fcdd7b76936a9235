//! The password of an account, and the ones before it.

use gatepost_db::{DbError, ReadTx, WriteTx};

use super::{HashFormatError, PasswordHash, sql};
use crate::audit::Act;
use crate::ids::UserId;

/// A stored hash cannot be read: it was written by something else.
fn unreadable(_: HashFormatError) -> DbError {
    DbError::Decode { statement: "BY_USER", column: 0, problem: "not a password hash of a known format" }
}

/// The hash of an account's password, if it has one.
///
/// # Errors
/// What the database says; [`DbError::Decode`] for a hash of no known format.
pub fn hash_of(tx: &mut ReadTx<'_>, user: UserId) -> Result<Option<PasswordHash>, DbError> {
    sql::hash_by_user(tx, user)?.map(|text| PasswordHash::parse(&text).map_err(unreadable)).transpose()
}

/// The hashes of the last `length` passwords, newest first: what a new one must not be. The present password is among them
/// also when it was brought from elsewhere, without a history.
///
/// # Errors
/// As [`hash_of`].
pub fn former_of(tx: &mut ReadTx<'_>, user: UserId, length: u8) -> Result<Vec<PasswordHash>, DbError> {
    let mut texts = sql::history(tx, user, length.into())?;
    if let Some(present) = sql::hash_by_user(tx, user)?
        && !texts.contains(&present)
    {
        texts.insert(0, present);
        texts.truncate(length.into());
    }
    texts.iter().map(|text| PasswordHash::parse(text).map_err(unreadable)).collect()
}

/// The hashes of those of these accounts that have a password, in no order.
///
/// # Errors
/// As [`hash_of`].
pub fn hashes_of(tx: &mut ReadTx<'_>, users: &[UserId]) -> Result<Vec<(UserId, PasswordHash)>, DbError> {
    let found = sql::hashes_by_users(tx, users)?.into_iter();
    found.map(|(user, text)| Ok((user, PasswordHash::parse(&text).map_err(unreadable)?))).collect()
}

/// Gives new accounts the passwords that they had in another system. They have no history yet: [`former_of`] counts the
/// present password in all the same.
///
/// # Errors
/// What the database says.
pub fn bring(tx: &mut WriteTx<'_>, act: &Act, hashes: &[(UserId, PasswordHash)]) -> Result<(), DbError> {
    if hashes.is_empty() { Ok(()) } else { sql::put_many(tx, hashes, act.at) }
}

/// Gives an account a password. The caller ends what the old one had opened and records why, in the same transaction.
///
/// # Errors
/// What the database says.
pub fn set(
    tx: &mut WriteTx<'_>,
    act: &Act,
    user: UserId,
    hash: &PasswordHash,
    history: u8,
) -> Result<(), DbError> {
    sql::put(tx, user, hash, act.at)?;
    sql::remember(tx, user, hash, act.at, &act.random)?;
    sql::prune(tx, user, history.into())
}

/// Forgets the password of an account and the ones before it. Nobody signs in with one until another is set.
///
/// # Errors
/// What the database says.
pub fn forget(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    sql::forget(tx, user)?;
    sql::forget_history(tx, user)
}

/// Takes the password of an account away: nobody signs in with it any more. It and those before it stay refused as new ones.
///
/// # Errors
/// What the database says.
pub fn withdraw(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    sql::forget(tx, user)
}

/// Whether an account has the password that it had when this was its hash, or still has none.
///
/// # Errors
/// What the database says.
pub fn is_still(tx: &mut ReadTx<'_>, user: UserId, hash: Option<&PasswordHash>) -> Result<bool, DbError> {
    // Both are what the database said: nobody outside chooses either, so the time that this takes tells nothing.
    Ok(sql::hash_by_user(tx, user)?.as_deref() == hash.map(PasswordHash::expose))
}

/// Stores a better hash of the same password, unless the password was changed meanwhile.
///
/// # Errors
/// What the database says.
pub fn upgrade(
    tx: &mut WriteTx<'_>,
    act: &Act,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<(), DbError> {
    sql::replace(tx, user, old, new, act.at)
}
