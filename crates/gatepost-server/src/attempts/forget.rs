//! What keeps the tables of this feature small, whatever strangers do (`BRU-10`).

use std::time::Duration;

use gatepost_db::{Db, DbError};
use gatepost_kernel::Timestamp;

use super::sql;

/// How long attempts are kept.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many rows each of the two tables may have. Attempts add rows between two rounds: each hash one at most, and an
/// attempt that is refused without one adds at most a row an hour for each network. Of those there may be many, so they go
/// first: what an account has seen is pushed out only by attempts that were hashed.
pub const MOST_ROWS: i64 = 200_000;
/// How many rows go in one transaction, so that no sign-in waits for many.
const PORTION: i64 = 1_000;

/// Forgets what is over, and of the rest what is more than [`MOST_ROWS`].
///
/// # Errors
/// What the database says.
pub async fn forget(db: &Db, now: Timestamp) -> Result<(), DbError> {
    while db.write(move |tx| sql::forget_lockouts(tx, now)).await? > 0 {}
    while db.write(move |tx| sql::forget_attempts(tx, now.minus(RETENTION))).await? > 0 {}
    crop(db, MOST_ROWS).await
}

/// Leaves at most so many rows in each table: of the lock-outs those of accounts and with the most failures, of the
/// attempts those of accounts that were not refused unread, and the newest.
///
/// # Errors
/// What the database says.
pub async fn crop(db: &Db, most: i64) -> Result<(), DbError> {
    let (lockouts, attempts) =
        db.read(|tx| Ok::<_, DbError>((sql::count_lockouts(tx)?, sql::count_attempts(tx)?))).await?;
    for portion in portions(lockouts - most) {
        db.write(move |tx| sql::crop_lockouts(tx, portion)).await?;
    }
    for portion in portions(attempts - most) {
        db.write(move |tx| sql::crop_attempts(tx, portion)).await?;
    }
    Ok(())
}

fn portions(mut rows: i64) -> impl Iterator<Item = i64> {
    std::iter::from_fn(move || {
        let portion = rows.min(PORTION);
        rows -= portion;
        (portion > 0).then_some(portion)
    })
}
