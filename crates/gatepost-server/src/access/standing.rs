//! Switching accounts off and on.
//!
//! It stands here and not among the accounts because the last administrator must stay able to sign in.

use gatepost_db::{DbError, WriteTx};

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

/// Switches an account off, ending all its credentials, or on again.
///
/// # Errors
/// [`StandingError`].
pub fn set_active(tx: &mut WriteTx<'_>, act: &Act, user: UserId, active: bool) -> Result<(), StandingError> {
    let is_admin = sql::roles_by_user(tx, user)?.iter().any(|role| role == ADMIN);
    if !active && is_admin && !sql::another_holder_exists(tx, ADMIN, user)? {
        return Err(StandingError::LastAdmin);
    }
    Ok(accounts::set_active(tx, act, user, active)?)
}
