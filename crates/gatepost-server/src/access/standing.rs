//! Switching accounts off and on.
//!
//! It stands here and not among the accounts because the last administrator must stay able to sign in.

use gatepost_db::{DbError, ReadTx, WriteTx};

use super::{ADMIN, sql};
use crate::accounts;
use crate::audit::Act;
use crate::ids::UserId;

/// Why an account was not switched off or on.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// Without it nobody would administer this installation.
    #[error("this is the last administrator")]
    LastAdmin,
    /// There is no such account, or the database failed.
    #[error(transparent)]
    Account(#[from] accounts::Error),
}

impl From<DbError> for StandingError {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

/// Whether nobody would administer this installation without this account.
///
/// # Errors
/// What the database says.
pub fn is_last_admin(tx: &mut ReadTx<'_>, user: UserId) -> Result<bool, DbError> {
    let is_admin = sql::roles_by_user(tx, user)?.iter().any(|role| role == ADMIN);
    Ok(is_admin && !sql::another_holder_exists(tx, ADMIN, user)?)
}

/// Switches an account off, ending all its credentials, or on again.
///
/// # Errors
/// [`StandingError`].
pub fn set_active(tx: &mut WriteTx<'_>, act: &Act, user: UserId, active: bool) -> Result<(), StandingError> {
    if !active && is_last_admin(tx, user)? {
        return Err(StandingError::LastAdmin);
    }
    Ok(accounts::set_active(tx, act, user, active)?)
}
