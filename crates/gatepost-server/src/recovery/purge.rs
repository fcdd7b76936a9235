//! What was there before anybody had shown that the mailbox of an account is theirs.

use gatepost_db::{DbError, WriteTx};

use super::link::{Refusal, forget_all};
use crate::accounts::{self, User};
use crate::audit::Act;
use crate::ids::UserId;
use crate::{api_keys, passwords, second_factor};

/// Throws away every credential of an account whose address was never verified, because its owner has just shown that it
/// is theirs. Somebody else may have registered the address and waited for them to come (*pre-hijacking*; `REG-06`): no
/// password, link, key or factor of that somebody may survive. API keys end with every reset and sessions with the epoch:
/// the caller sees to both. Whether there was a second factor.
pub(super) fn purge_unproven(tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<bool, Refusal> {
    let second_factor = forget_proofs(tx, act, user.id, "recovery")?;
    accounts::mark_email_verified(tx, act, user.id)?;
    Ok(second_factor)
}

/// Throws away every credential of an account, whoever made it. Sessions end with the epoch, which the caller counts up.
///
/// # Errors
/// What the database says.
pub fn throw_out(tx: &mut WriteTx<'_>, act: &Act, user: UserId, by: &'static str) -> Result<(), DbError> {
    api_keys::forget(tx, act, user)?;
    forget_proofs(tx, act, user, by).map(|_| ())
}

/// Forgets password, second factor and links. Whether there was a factor.
fn forget_proofs(tx: &mut WriteTx<'_>, act: &Act, user: UserId, by: &'static str) -> Result<bool, DbError> {
    passwords::forget(tx, user)?;
    let second_factor = second_factor::forget(tx, act, user, by)?;
    forget_all(tx, user)?;
    Ok(second_factor)
}
