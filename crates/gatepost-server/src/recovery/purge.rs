//! What was there before anybody had shown that the mailbox of an account is theirs.

use gatepost_db::WriteTx;

use super::link::{Refusal, forget_all};
use crate::accounts::{self, User};
use crate::audit::Act;
use crate::{passwords, second_factor};

/// Throws away every credential of an account whose address was never verified, because its owner has just shown that it
/// is theirs. Somebody else may have registered the address and waited for them to come (*pre-hijacking*; `REG-06`): no
/// password, link, key or factor of that somebody may survive. API keys end with every reset and sessions with the epoch:
/// the caller sees to both. Whether there was a second factor.
pub(super) fn purge_unproven(tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<bool, Refusal> {
    passwords::forget(tx, user.id)?;
    let second_factor = second_factor::forget(tx, act, user.id, "recovery")?;
    forget_all(tx, user.id)?;
    accounts::mark_email_verified(tx, act, user.id)?;
    Ok(second_factor)
}
