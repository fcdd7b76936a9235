//! What was there before anybody had shown that the mailbox of an account is theirs.

use gatepost_db::WriteTx;

use super::link::{Refusal, forget_all};
use crate::accounts::{self, User};
use crate::audit::Act;
use crate::{api_keys, passwords, second_factor};

/// Throws away every credential of an account whose address was never verified, because its owner has just shown that it
/// is theirs. Somebody else may have registered the address and waited for them to come (*pre-hijacking*; `REG-06`): no
/// password, link, key or factor of that somebody may survive. Sessions end with the epoch, which the caller counts up.
pub(super) fn purge_unproven(tx: &mut WriteTx<'_>, act: &Act, user: &User) -> Result<(), Refusal> {
    passwords::forget(tx, user.id)?;
    api_keys::forget(tx, act, user.id)?;
    second_factor::forget(tx, act, user.id, "recovery")?;
    forget_all(tx, user.id)?;
    accounts::mark_email_verified(tx, act, user.id)?;
    Ok(())
}
