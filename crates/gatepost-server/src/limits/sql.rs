//! Every statement on `rate_limits`.

use gatepost_db::{Db, DbError, params, statements};
use gatepost_kernel::Timestamp;

use super::model::{Bucket, Decision, decided};

statements! {
    /// One request, as `model::decide` does it: `?2` is now, `?3` the moment at which a bucket will be full that was full
    /// and gave one token, `?4` the last such moment that still leaves a token, `?5` that of an empty bucket, `?6` the
    /// microseconds of a token. A refusal is a row as well, so that it can be answered; it changes no TAT.
    TAKE = "INSERT INTO rate_limits (key, tat, allowed) VALUES (?1, ?3, TRUE) \
        ON CONFLICT (key) DO UPDATE SET \
        allowed = rate_limits.tat <= ?4, \
        tat = CASE WHEN rate_limits.tat <= ?2 THEN ?3 \
            WHEN rate_limits.tat <= ?4 THEN rate_limits.tat + ?6 \
            WHEN rate_limits.tat <= ?5 THEN rate_limits.tat \
            ELSE ?5 END \
        RETURNING tat, allowed";
    /// A full bucket is worth no row, and neither are those beyond `?2` that will be full soonest.
    FORGET = "DELETE FROM rate_limits WHERE tat <= ?1 \
        OR key IN (SELECT key FROM rate_limits ORDER BY tat DESC LIMIT 1000000 OFFSET ?2)";
    PING = "SELECT tat FROM rate_limits WHERE key = ''";
}

/// Takes a token from the bucket of this name.
pub(super) async fn take(db: &Db, key: &str, bucket: Bucket, now: Timestamp) -> Result<Decision, DbError> {
    let at = |ahead: i64| Timestamp::from_micros(now.as_micros().saturating_add(ahead));
    let (interval, capacity) = (bucket.interval(), bucket.capacity());
    let (fresh, last, empty) = (at(interval), at(capacity.saturating_sub(interval)), at(capacity));
    let params = params![key, now, fresh, last, empty, interval];
    let row = db.write_cas(&TAKE, &params, |row| Ok((row.get::<Timestamp>(0)?, row.get::<bool>(1)?))).await?;
    let missing = DbError::RowCount { statement: TAKE.name(), found: "no" };
    let (tat, allowed) = row.ok_or(missing)?;
    Ok(decided(allowed, tat, now, bucket))
}

/// Forgets buckets that are full, and keeps at most so many. One statement at READ COMMITTED, so that no sign-in makes it
/// run again.
pub(super) async fn forget(db: &Db, now: Timestamp, most: i64) -> Result<(), DbError> {
    db.write_cas(&FORGET, &params![now, most], |_| Ok(())).await.map(|_| ())
}

/// Whether the table can be read.
pub(super) async fn ping(db: &Db) -> Result<(), DbError> {
    db.read_one(&PING, &[], |_| Ok(())).await.map(|_| ())
}
