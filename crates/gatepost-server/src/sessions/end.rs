//! The end of a session: by its user, or by time. (What a stolen token ends is in `refresh.rs`.)

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::identities::Identities;
use super::model::RefreshToken;
use super::sql;
use crate::audit::{self, Act, Event};
use crate::ids::{SessionId, UserId};

/// Sessions are forgotten only so long after they expired: a clock that ran ahead deletes nothing for good.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Signs a session out. Ending it twice is the same as once.
///
/// # Errors
/// What the database says.
pub fn end(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    act: &Act,
    user: UserId,
    session: SessionId,
) -> Result<(), DbError> {
    identities.forget_after_commit(tx, user);
    if sql::end_session(tx, session, "ended", "signed_out", act.at)? {
        let act = act.clone().by(user);
        audit::record(tx, &act, &Event::SignedOut { user, session })?;
    }
    Ok(())
}

/// Signs out the session of a refresh token, for a client whose access token has expired. Any token of the family will
/// do, also one that was replaced: whoever holds it wants, or must be made, to leave.
///
/// # Errors
/// What the database says.
pub fn end_by_refresh_token(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    act: &Act,
    token: &RefreshToken,
) -> Result<(), DbError> {
    match sql::family_by_selector(tx, &token.selector_hash())? {
        Some(family) => end(tx, identities, act, family.user, family.session),
        None => Ok(()),
    }
}

/// Forgets sessions that ended or expired more than a day ago, up to a thousand at a time, and returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now.minus(GRACE))
}
