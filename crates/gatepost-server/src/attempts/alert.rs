//! Too many failures: said once a day for an account.
//!
//! Whoever fails is not told, and is not kept waiting either: the attempt only leaves a mark in its bucket, whose name may
//! be anybody's or nobody's, and a job finds the mark. The mail needs a link, which a later feature makes: it asks for
//! [`unanswered_alerts`] and, in the transaction that owes the mail, calls [`answer_alert`].

use std::time::Duration;

use gatepost_db::{Db, DbError, ReadTx, WriteTx};
use gatepost_kernel::Timestamp;

use super::{lockout, sql};
use crate::audit::{self, Act, Event};
use crate::ids::UserId;

/// How long an alert stands for those that would follow it.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Alerts the accounts whose next attempt has had to wait since the last look, each at most once a day.
///
/// # Errors
/// What the database says.
pub async fn alert(db: &Db, act: Act) -> Result<(), DbError> {
    loop {
        let act = act.clone();
        // Most of the time there are none: then the writer has no turn.
        if db.read(sql::delayed).await?.is_empty() {
            return Ok(());
        }
        db.write(move |tx| alert_some(tx, &act)).await?;
    }
}

fn alert_some(tx: &mut WriteTx<'_>, act: &Act) -> Result<(), DbError> {
    for delayed in sql::delayed(tx)? {
        sql::said(tx, &delayed)?;
        let Some(user) = delayed.user else { continue };
        if sql::alert(tx, user, act.at, act.at.minus(DAY))? {
            // The owner may have signed in meanwhile, which clears the count.
            let failures = delayed.failures.max(lockout::FREE + 1);
            audit::record(tx, act, &Event::LockedOut { user, failures })?;
        }
    }
    Ok(())
}

/// Up to `rows` accounts whose owners have yet to be told, and since when.
///
/// # Errors
/// What the database says.
pub fn unanswered_alerts(tx: &mut ReadTx<'_>, rows: i64) -> Result<Vec<(UserId, Timestamp)>, DbError> {
    sql::unanswered(tx, rows)
}

/// Takes an alert over; false when somebody else has. Whoever gets true owes the mail in the same transaction.
///
/// # Errors
/// What the database says.
pub fn answer_alert(tx: &mut WriteTx<'_>, user: UserId) -> Result<bool, DbError> {
    sql::answer(tx, user)
}
