//! Switching accounts off and on, and deleting them.
//!
//! It stands here and not among the accounts because the last administrator must stay able to sign in, and because nobody
//! touches an account that may do more than they.

use gatepost_db::{DbError, ReadTx, WriteTx};

use super::model::{AccessRules, Authority};
use super::{ADMIN, Error, sql};
use crate::accounts;
use crate::audit::Act;
use crate::ids::UserId;

/// Whether this authority reaches as far as everything that the account may do.
///
/// # Errors
/// [`Error::BeyondOwnRights`] if it does not.
pub fn may_act_on(
    tx: &mut ReadTx<'_>,
    rules: &AccessRules,
    authority: &Authority,
    user: UserId,
) -> Result<(), Error> {
    match sql::held_by(tx, user)?.iter().all(|role| authority.covers(rules, role)) {
        true => Ok(()),
        false => Err(Error::BeyondOwnRights),
    }
}

/// Whether nobody would administer this installation without this account. It still holds at the commit, because the
/// transaction is serializable.
///
/// # Errors
/// What the database says.
pub fn is_last_admin(tx: &mut ReadTx<'_>, user: UserId) -> Result<bool, DbError> {
    let is_admin = sql::held_by(tx, user)?.iter().any(|role| role.name == ADMIN);
    Ok(is_admin && !sql::another_holder_exists(tx, ADMIN, user)?)
}

/// Switches an account off, ending all its credentials, or on again.
///
/// # Errors
/// [`Error::LastAdmin`], or there is no such account.
pub fn set_active(tx: &mut WriteTx<'_>, act: &Act, user: UserId, active: bool) -> Result<(), Error> {
    if !active {
        somebody_else_administers(tx, user)?;
    }
    Ok(accounts::set_active(tx, act, user, active)?)
}

/// Deletes an account: its names are free at once, its row and what it owns remain for seven days.
///
/// # Errors
/// [`Error::LastAdmin`], or there is no such account.
pub fn delete(tx: &mut WriteTx<'_>, act: &Act, user: UserId) -> Result<(), Error> {
    somebody_else_administers(tx, user)?;
    Ok(accounts::delete(tx, act, user)?)
}

/// Refuses to do without the last administrator.
pub(super) fn somebody_else_administers(tx: &mut ReadTx<'_>, user: UserId) -> Result<(), Error> {
    if is_last_admin(tx, user)? { Err(Error::LastAdmin) } else { Ok(()) }
}
