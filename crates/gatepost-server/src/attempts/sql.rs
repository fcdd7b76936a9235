//! Every statement on `lockouts`, `login_attempts`, `known_devices` and `failure_alerts`.

use gatepost_db::{Db, DbError, List, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::device_cookie::LIFETIME;
use super::lockout::{Bucket, CEILING, DEVICE_CEILING, Kind, MEMORY};
use super::record::{AttemptId, Reason};
use super::target::{BucketId, EVERYBODY};
use crate::ids::UserId;

macro_rules! attempt_columns {
    () => {
        "id, user_id, reason, address, user_agent, attempts, first_at, last_at"
    };
}

statements! {
    /// Counts the attempt as failed before anybody knows how it ends: of any number of racing ones, only as many pass as
    /// the bucket has left. The ladder is that of `lockout::delay`; a property test holds them together.
    RESERVE_EVERYBODY = "INSERT INTO lockouts (account, device, user_id, failures, blocked_until, last_at) \
        VALUES (?1, ?2, ?3, 1, ?4, ?4) \
        ON CONFLICT (account, device) DO UPDATE SET \
        user_id = excluded.user_id, \
        failures = CASE WHEN lockouts.last_at <= ?5 THEN 1 ELSE lockouts.failures + 1 END, \
        blocked_until = ?4 + 1000000 * CASE WHEN lockouts.last_at <= ?5 THEN 0 ELSE \
            CASE lockouts.failures WHEN 4 THEN 1 WHEN 5 THEN 2 WHEN 6 THEN 4 WHEN 7 THEN 8 WHEN 8 THEN 16 \
            WHEN 9 THEN 32 WHEN 10 THEN 64 WHEN 11 THEN 128 WHEN 12 THEN 256 WHEN 13 THEN 512 \
            ELSE CASE WHEN lockouts.failures < 4 THEN 0 ELSE 900 END END END, \
        delayed_at = CASE WHEN excluded.user_id IS NOT NULL AND lockouts.last_at > ?5 AND lockouts.failures >= 4 THEN ?4 ELSE lockouts.delayed_at END, \
        last_at = ?4 \
        WHERE lockouts.blocked_until <= ?4 AND lockouts.failures < ?6 \
        RETURNING failures";
    RESERVE_DEVICE = "INSERT INTO lockouts (account, device, failures, blocked_until, last_at) \
        VALUES (?1, ?2, 1, ?3, ?3) \
        ON CONFLICT (account, device) DO UPDATE SET failures = lockouts.failures + 1, last_at = ?3 \
        WHERE lockouts.failures < ?4 \
        RETURNING failures";
    BUCKET = "SELECT failures, blocked_until, last_at FROM lockouts WHERE account = ?1 AND device = ?2";
    /// Undoes a reservation. What others have reserved since stays, and so does their wait.
    GIVE_BACK = "UPDATE lockouts SET failures = failures - 1, \
        blocked_until = CASE WHEN failures = ?3 AND last_at = ?4 THEN ?4 ELSE blocked_until END \
        WHERE account = ?1 AND device = ?2 AND failures > 0 RETURNING failures";
    CLEAR = "UPDATE lockouts SET failures = 0, blocked_until = 0 \
        WHERE account = ?1 AND device IN (?2, ?3) AND failures > 0";
    CLEAR_MANY =
        sqlite "UPDATE lockouts SET failures = 0, blocked_until = 0 WHERE device = ?2 AND failures > 0 \
            AND account IN (SELECT unhex(value) FROM json_each(?1))",
        postgres "UPDATE lockouts SET failures = 0, blocked_until = 0 WHERE device = ?2 AND failures > 0 \
            AND account IN (SELECT decode(jsonb_array_elements_text(?1::text::jsonb), 'hex'))";
    /// One row for all attempts with the same key, however many there are.
    NOTE = "INSERT INTO login_attempts (id, key, user_id, reason, address, network, user_agent, attempts, first_at, last_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8) \
        ON CONFLICT (key) DO UPDATE SET attempts = login_attempts.attempts + 1, last_at = ?8, address = excluded.address \
        RETURNING attempts";
    DELAYED = "SELECT account, device, user_id, failures, delayed_at FROM lockouts \
        WHERE delayed_at IS NOT NULL ORDER BY delayed_at LIMIT 100";
    /// Unless somebody failed once more meanwhile: then there will be another look.
    SAID = "UPDATE lockouts SET delayed_at = NULL WHERE account = ?1 AND device = ?2 AND delayed_at = ?3";
    /// At most once a day for an account, and only for one that is there.
    ALERT = "INSERT INTO failure_alerts (user_id, at, answered) SELECT id, ?2, FALSE FROM users \
        WHERE id = ?1 AND deleted_at IS NULL \
        ON CONFLICT (user_id) DO UPDATE SET at = ?2, answered = FALSE WHERE failure_alerts.at <= ?3 RETURNING at";
    UNANSWERED = "SELECT user_id, at FROM failure_alerts WHERE NOT answered ORDER BY user_id LIMIT ?1";
    ANSWER = "UPDATE failure_alerts SET answered = TRUE WHERE user_id = ?1 AND NOT answered";
    DEVICE_SEEN = "SELECT seen_at FROM known_devices WHERE user_id = ?1 AND mark = ?2";
    HAS_DEVICES = "SELECT EXISTS (SELECT 1 FROM known_devices WHERE user_id = ?1)";
    SEE_DEVICE = "INSERT INTO known_devices (user_id, mark, seen_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (user_id, mark) DO UPDATE SET seen_at = excluded.seen_at";
    CROP_DEVICES = "DELETE FROM known_devices WHERE user_id = ?1 AND mark NOT IN \
        (SELECT k.mark FROM known_devices k WHERE k.user_id = ?1 ORDER BY k.seen_at DESC, k.mark LIMIT ?2)";
    OF_USER = concat!("SELECT ", attempt_columns!(), " FROM login_attempts WHERE user_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    OF_ALL = concat!("SELECT ", attempt_columns!(), " FROM login_attempts WHERE id < ?1 AND (user_id = ?2 OR ?2 IS NULL) \
        AND (network = ?3 OR ?3 IS NULL) AND ((reason = 'success') = ?4 OR ?4 IS NULL) \
        AND last_at >= ?5 AND first_at < ?6 ORDER BY id DESC LIMIT ?7");
    FORGET_LOCKOUTS = "DELETE FROM lockouts WHERE (account, device) IN (SELECT account, device FROM lockouts \
        WHERE last_at <= ?1 AND (failures = 0 OR (device <> ?2 AND last_at <= ?4) OR (device = ?2 AND (failures < ?3 \
        OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = lockouts.user_id AND u.deleted_at IS NULL)))) \
        LIMIT 1000)";
    COUNT_LOCKOUTS = "SELECT count(*) FROM lockouts";
    /// Names that nobody has first, then the fewest failures, and of those the oldest. A device always has an account.
    CROP_LOCKOUTS = "DELETE FROM lockouts WHERE (account, device) IN (SELECT account, device FROM lockouts \
        ORDER BY CASE WHEN device = ?2 AND user_id IS NULL THEN 0 ELSE 1 END, failures, last_at LIMIT ?1)";
    FORGET_ATTEMPTS = "DELETE FROM login_attempts WHERE id IN \
        (SELECT id FROM login_attempts WHERE last_at <= ?1 LIMIT 1000)";
    COUNT_ATTEMPTS = "SELECT count(*) FROM login_attempts";
    CROP_STRANGERS = "DELETE FROM login_attempts WHERE id IN \
        (SELECT id FROM login_attempts WHERE user_id IS NULL ORDER BY id LIMIT ?1)";
    CROP_LOCKED = "DELETE FROM login_attempts WHERE id IN \
        (SELECT id FROM login_attempts WHERE reason = 'locked' ORDER BY id LIMIT ?1)";
    CROP_OLDEST = "DELETE FROM login_attempts WHERE id IN (SELECT id FROM login_attempts ORDER BY id LIMIT ?1)";
}

/// How many failures in a row that makes, this one included, or `None` when the attempt is refused.
pub(super) async fn reserve(db: &Db, bucket: &BucketId, now: Timestamp) -> Result<Option<i64>, DbError> {
    let (account, device) = (&bucket.account, &bucket.device);
    let failures = |row: &Row<'_>| row.get(0);
    match bucket.kind() {
        Kind::Device => {
            db.write_cas(&RESERVE_DEVICE, &params![account, device, now, DEVICE_CEILING], failures).await
        }
        Kind::Everybody => {
            let forgotten = now.minus(MEMORY);
            let params = params![account, device, bucket.user, now, forgotten, CEILING];
            db.write_cas(&RESERVE_EVERYBODY, &params, failures).await
        }
    }
}

pub(super) async fn bucket(db: &Db, bucket: &BucketId) -> Result<Option<Bucket>, DbError> {
    db.read_one(&BUCKET, &params![bucket.account, bucket.device], |row| {
        Ok(Bucket { failures: row.get(0)?, blocked_until: row.get(1)?, last_at: row.get(2)? })
    })
    .await
}

pub(super) async fn give_back(
    db: &Db,
    bucket: &BucketId,
    failures: i64,
    reserved_at: Timestamp,
) -> Result<(), DbError> {
    let params = params![bucket.account, bucket.device, failures, reserved_at];
    db.write_cas(&GIVE_BACK, &params, |row| row.get::<i64>(0)).await.map(|_| ())
}

/// Forgets the failures of everybody on these accounts.
pub(super) fn clear_many(
    tx: &mut WriteTx<'_>,
    accounts: impl IntoIterator<Item = TokenHash>,
) -> Result<(), DbError> {
    let hex = |account: TokenHash| -> String {
        account.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let accounts = List::of(&accounts.into_iter().map(hex).collect::<Vec<_>>())?;
    tx.execute(&CLEAR_MANY, &params![accounts, EVERYBODY]).map(|_| ())
}

/// Forgets the failures of these buckets of an account; whether there were any.
pub(super) fn clear(tx: &mut WriteTx<'_>, one: &BucketId, other: &BucketId) -> Result<bool, DbError> {
    Ok(tx.execute(&CLEAR, &params![one.account, one.device, other.device])? > 0)
}

/// A row of `login_attempts`, as it is written.
pub(super) struct Note<'a> {
    pub(super) id: AttemptId,
    pub(super) key: TokenHash,
    pub(super) user: Option<UserId>,
    pub(super) reason: Reason,
    pub(super) address: Option<String>,
    pub(super) network: Option<String>,
    pub(super) user_agent: Option<&'a str>,
    pub(super) at: Timestamp,
}

macro_rules! note_params {
    ($note:expr) => {
        params![
            $note.id,
            $note.key,
            $note.user,
            $note.reason.name(),
            $note.address,
            $note.network,
            $note.user_agent,
            $note.at
        ]
    };
}

pub(super) fn note(tx: &mut WriteTx<'_>, note: &Note<'_>) -> Result<(), DbError> {
    tx.execute(&NOTE, &note_params!(note)).map(|_| ())
}

/// The same as a transaction of its own.
pub(super) async fn note_alone(db: &Db, note: &Note<'_>) -> Result<(), DbError> {
    db.write_cas(&NOTE, &note_params!(note), |row| row.get::<i64>(0)).await.map(|_| ())
}

/// Forgets buckets whose time is over, a thousand at a time; how many.
///
/// A closed bucket of an account stays: waiting does not open it. One of a name that nobody has, or has any more, is
/// forgotten like any other: there is nothing behind the door. The failures of a device stay as long as its cookie.
pub(super) fn forget_lockouts(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    let (forgotten, expired) = (now.minus(MEMORY), now.minus(LIFETIME));
    let params = params![forgotten, EVERYBODY, CEILING, expired];
    tx.execute(&FORGET_LOCKOUTS, &params)
}

pub(super) fn count_lockouts(tx: &mut ReadTx<'_>) -> Result<i64, DbError> {
    tx.query_one(&COUNT_LOCKOUTS, &[], |row| row.get(0))
}

pub(super) fn crop_lockouts(tx: &mut WriteTx<'_>, rows: i64) -> Result<u64, DbError> {
    tx.execute(&CROP_LOCKOUTS, &params![rows, EVERYBODY])
}

pub(super) fn forget_attempts(tx: &mut WriteTx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&FORGET_ATTEMPTS, &params![before])
}

pub(super) fn count_attempts(tx: &mut ReadTx<'_>) -> Result<i64, DbError> {
    tx.query_one(&COUNT_ATTEMPTS, &[], |row| row.get(0))
}

/// Deletes so many: those without an account first, then those that were refused unread, then any, and of each the oldest.
/// Every order is that of an index.
pub(super) fn crop_attempts(tx: &mut WriteTx<'_>, rows: i64) -> Result<(), DbError> {
    let mut left = rows;
    for crop in [&CROP_STRANGERS, &CROP_LOCKED, &CROP_OLDEST] {
        if left > 0 {
            left -= i64::try_from(tx.execute(crop, &params![left])?).unwrap_or(left);
        }
    }
    Ok(())
}

/// A bucket of an account whose next attempt had to wait, and nobody has said so.
pub(super) struct Delayed {
    pub(super) account: TokenHash,
    pub(super) device: TokenHash,
    pub(super) user: Option<UserId>,
    pub(super) failures: i64,
    pub(super) delayed_at: Timestamp,
}

pub(super) fn delayed(tx: &mut ReadTx<'_>) -> Result<Vec<Delayed>, DbError> {
    tx.query_all(&DELAYED, &[], |row| {
        Ok(Delayed {
            account: row.get(0)?,
            device: row.get(1)?,
            user: row.get(2)?,
            failures: row.get(3)?,
            delayed_at: row.get(4)?,
        })
    })
}

pub(super) fn said(tx: &mut WriteTx<'_>, delayed: &Delayed) -> Result<(), DbError> {
    tx.execute(&SAID, &params![delayed.account, delayed.device, delayed.delayed_at]).map(|_| ())
}

/// Whether this is the first one since `before`.
pub(super) fn alert(
    tx: &mut WriteTx<'_>,
    user: UserId,
    now: Timestamp,
    before: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.query_opt(&ALERT, &params![user, now, before], |row| row.get::<i64>(0))?.is_some())
}

pub(super) fn unanswered(tx: &mut ReadTx<'_>, rows: i64) -> Result<Vec<(UserId, Timestamp)>, DbError> {
    tx.query_all(&UNANSWERED, &params![rows], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn answer(tx: &mut WriteTx<'_>, user: UserId) -> Result<bool, DbError> {
    Ok(tx.execute(&ANSWER, &params![user])? == 1)
}

pub(super) fn device_seen(
    tx: &mut ReadTx<'_>,
    user: UserId,
    mark: &TokenHash,
) -> Result<Option<Timestamp>, DbError> {
    tx.query_opt(&DEVICE_SEEN, &params![user, mark], |row| row.get(0))
}

pub(super) fn has_devices(tx: &mut ReadTx<'_>, user: UserId) -> Result<bool, DbError> {
    tx.query_one(&HAS_DEVICES, &params![user], |row| row.get(0))
}

pub(super) fn see_device(
    tx: &mut WriteTx<'_>,
    user: UserId,
    mark: &TokenHash,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&SEE_DEVICE, &params![user, mark, now]).map(|_| ())
}

pub(super) fn crop_devices(tx: &mut WriteTx<'_>, user: UserId, keep: i64) -> Result<(), DbError> {
    tx.execute(&CROP_DEVICES, &params![user, keep]).map(|_| ())
}

/// A row of `login_attempts`, as it is read.
pub(super) struct AttemptRow {
    pub(super) id: AttemptId,
    pub(super) user: Option<UserId>,
    pub(super) reason: String,
    pub(super) address: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) attempts: i64,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
}

fn attempt_from_row(row: &Row<'_>) -> Result<AttemptRow, DbError> {
    Ok(AttemptRow {
        id: row.get(0)?,
        user: row.get(1)?,
        reason: row.get(2)?,
        address: row.get(3)?,
        user_agent: row.get(4)?,
        attempts: row.get(5)?,
        first_at: row.get(6)?,
        last_at: row.get(7)?,
    })
}

pub(super) fn of_user(
    tx: &mut ReadTx<'_>,
    user: UserId,
    before: AttemptId,
    rows: i64,
) -> Result<Vec<AttemptRow>, DbError> {
    tx.query_all(&OF_USER, &params![user, before, rows], attempt_from_row)
}

/// Which attempts are wanted; what is `None` does not matter.
#[derive(Clone)]
pub(super) struct Filter {
    pub(super) user: Option<UserId>,
    pub(super) network: Option<String>,
    pub(super) success: Option<bool>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

pub(super) fn of_all(
    tx: &mut ReadTx<'_>,
    filter: &Filter,
    before: AttemptId,
    rows: i64,
) -> Result<Vec<AttemptRow>, DbError> {
    let Filter { user, network, success, from, to } = filter;
    tx.query_all(&OF_ALL, &params![before, user, network, success, from, to, rows], attempt_from_row)
}
