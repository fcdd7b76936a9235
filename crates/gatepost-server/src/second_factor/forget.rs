//! The end of a second factor.

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::factors::Factors;
use super::sql;
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::ids::UserId;
use crate::outbox::{FactorChange, Letter};

/// Takes an account's second factor and its recovery codes away and ends every session, because whoever enrolled it, or
/// found it, must not stay. `by` says in the audit trail who did it: `operator`, `administrator`, or `recovery` when the
/// owner of the mailbox threw an intruder out. Whether there was one: if there was not, no session ends.
///
/// # Errors
/// What the database says.
pub fn forget(tx: &mut WriteTx<'_>, act: &Act, user: UserId, by: &'static str) -> Result<bool, DbError> {
    let had = sql::forget(tx, user)?;
    if had {
        accounts::set_two_factor(tx, user, false, act.at)?;
        accounts::bump_epoch(tx, user, act.at)?;
        audit::record(tx, act, &Event::SecondFactorDisabled { user, by })?;
    }
    Ok(had)
}

/// Takes an account's second factor away for somebody who has lost it, and tells them by mail: what an operator does once
/// they are sure who asks. Every session ends with it. Whether there was one.
///
/// # Errors
/// What the database says.
pub async fn reset(app: &App, user: &User) -> Result<bool, DbError> {
    let (act, factors, identities) = (app.operator_act(), app.second_factor.clone(), app.identities.clone());
    let user = user.clone();
    app.db
        .write(move |tx| {
            identities.forget_after_commit(tx, user.id);
            forget_and_tell(tx, &act, &factors, (&user, "operator"))
        })
        .await
}

/// As [`forget`], and tells the account's owner by mail if there was one.
///
/// # Errors
/// What the database says.
pub fn forget_and_tell(
    tx: &mut WriteTx<'_>,
    act: &Act,
    factors: &Factors,
    (user, by): (&User, &'static str),
) -> Result<bool, DbError> {
    let had = forget(tx, act, user.id, by)?;
    if had {
        let letter = Letter::SecondFactorChanged { what: FactorChange::Disabled };
        factors.tell(tx, act.at, user, letter)?;
    }
    Ok(had)
}

/// Forgets what is over: challenges, enrolments that nobody confirmed, and old wrong codes. Returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now)
}
