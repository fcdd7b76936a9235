//! Whether a code is right: the one place where that is asked, at sign-in and at step-up alike.

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::Error;
use super::factors::Factors;
use super::model::{CLOSED, Presented};
use super::recovery_code::RecoveryCode;
use super::sql;
use super::totp::TotpCode;
use crate::accounts::User;
use crate::audit::{self, Act, Event};
use crate::outbox::{FactorChange, Letter};
use crate::sessions::SecondFactor;

/// What a presented code is.
pub enum Judgement {
    /// Right, and used up by this transaction.
    Right,
    /// Wrong, or used before. Counted.
    Wrong,
    /// Nobody looked at it: the authenticator's codes are refused until then.
    Closed {
        /// When they are looked at again.
        until: Timestamp,
    },
}

/// Judges a code, uses it up if it is right and counts it if it is wrong, in one transaction: of any number of codes that
/// are presented at once only as many are judged as may be wrong.
///
/// # Errors
/// [`Error::Unreadable`] under another master key, or what the database says.
pub fn judge(
    tx: &mut WriteTx<'_>,
    factors: &Factors,
    act: &Act,
    user: &User,
    presented: &Presented,
) -> Result<Judgement, Error> {
    match presented.method {
        SecondFactor::Totp => judge_totp(tx, factors, act, user, presented),
        SecondFactor::RecoveryCode => Ok(judge_recovery_code(tx, factors, act, user, presented)?),
    }
}

fn judge_totp(
    tx: &mut WriteTx<'_>,
    factors: &Factors,
    act: &Act,
    user: &User,
    presented: &Presented,
) -> Result<Judgement, Error> {
    let Some(credential) = sql::credential(tx, user.id)? else { return Ok(Judgement::Wrong) };
    if let Some(until) = credential.closed_until.filter(|until| act.at < *until) {
        return Ok(Judgement::Closed { until });
    }
    let secret = factors.open(user.id, credential.id, &credential.sealed).ok_or(Error::Unreadable)?;
    let code = TotpCode::parse(presented.code.expose());
    let step = code.and_then(|code| secret.step_of(&code, act.at, factors.window, credential.last_used_step));
    if let Some(step) = step
        && sql::use_step(tx, user.id, credential.id, step)?
    {
        sql::forget_attempts(tx, user.id)?;
        return Ok(Judgement::Right);
    }
    if sql::count_attempt(tx, user.id, act.at, &act.random)?.are_too_many() {
        sql::close(tx, user.id, act.at.plus(CLOSED))?;
        // The next day begins at nought.
        sql::forget_attempts(tx, user.id)?;
        audit::record(tx, act, &Event::SecondFactorClosed { user: user.id })?;
        let letter = Letter::SecondFactorChanged { what: FactorChange::Closed };
        factors.tell(tx, act.at, user, letter)?;
    }
    Ok(Judgement::Wrong)
}

/// Recovery codes have no counter of their own: beyond guessing, they are the way in that nobody can close for somebody
/// else.
fn judge_recovery_code(
    tx: &mut WriteTx<'_>,
    factors: &Factors,
    act: &Act,
    user: &User,
    presented: &Presented,
) -> Result<Judgement, DbError> {
    let Some(code) = RecoveryCode::parse(presented.code.expose()) else { return Ok(Judgement::Wrong) };
    let hash = factors.hash(user.id, &code);
    let unused = sql::unused_codes(tx, user.id)?;
    // Each is compared, in constant time, whichever matches.
    let matches = unused.iter().filter(|known| **known == hash).count();
    if matches == 0 || !sql::use_code(tx, user.id, &hash, act.at)? {
        return Ok(Judgement::Wrong);
    }
    let remaining = u32::try_from(unused.len() - 1).unwrap_or(u32::MAX);
    audit::record(tx, act, &Event::RecoveryCodeUsed { user: user.id, remaining })?;
    factors.tell(tx, act.at, user, Letter::RecoveryCodeUsed { remaining })?;
    Ok(Judgement::Right)
}
