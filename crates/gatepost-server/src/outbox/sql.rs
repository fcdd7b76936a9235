//! Every statement on `outbox`.

use gatepost_db::{Db, DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::letter::Kind;
use super::owe::{MailId, Recent};
use super::queue::{Queued, State};
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO outbox (id, user_id, kind, recipient, position, created_at, not_after, state, due_at, \
        give_up_at, attempts, fence, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'owed', ?6, ?8, 0, 0, ?9)";
    RECENT = "SELECT max(created_at), count(*) FROM outbox \
        WHERE recipient = ?1 AND kind = ?2 AND created_at > ?3";
    /// The next mail that is due, now leased. An earlier one to the same recipient goes first. On PostgreSQL, a row
    /// that another worker is taking at this moment is passed over.
    CLAIM =
        sqlite "UPDATE outbox SET leased_until = ?2, fence = fence + 1, attempts = attempts + 1 WHERE id = \
            (SELECT o.id FROM outbox o WHERE o.state = 'owed' AND o.due_at <= ?1 \
            AND (o.leased_until IS NULL OR o.leased_until <= ?1) AND NOT EXISTS (SELECT 1 FROM outbox e \
            WHERE e.recipient = o.recipient AND e.state = 'owed' AND (e.position, e.id) < (o.position, o.id)) \
            ORDER BY o.due_at, o.position LIMIT 1) \
            RETURNING id, kind, created_at, not_after, give_up_at, attempts, fence, sealed",
        postgres "UPDATE outbox SET leased_until = ?2, fence = fence + 1, attempts = attempts + 1 WHERE id = \
            (SELECT o.id FROM outbox o WHERE o.state = 'owed' AND o.due_at <= ?1 \
            AND (o.leased_until IS NULL OR o.leased_until <= ?1) AND NOT EXISTS (SELECT 1 FROM outbox e \
            WHERE e.recipient = o.recipient AND e.state = 'owed' AND (e.position, e.id) < (o.position, o.id)) \
            ORDER BY o.due_at, o.position LIMIT 1 FOR UPDATE OF o SKIP LOCKED) \
            RETURNING id, kind, created_at, not_after, give_up_at, attempts, fence, sealed";
    END = "UPDATE outbox SET state = ?3, ended_at = ?4, problem = ?5, leased_until = NULL, \
        sealed = CASE WHEN ?3 = 'dead' THEN sealed ELSE NULL END \
        WHERE id = ?1 AND fence = ?2 AND state = 'owed' RETURNING id";
    POSTPONE = "UPDATE outbox SET due_at = ?3, problem = ?4, leased_until = NULL \
        WHERE id = ?1 AND fence = ?2 AND state = 'owed' RETURNING id";
    WAITING = "SELECT count(*) FROM outbox WHERE state = 'owed'";
    DEAD = "SELECT count(*) FROM outbox WHERE state = 'dead'";
    QUEUE = "SELECT id, kind, state, created_at, due_at, attempts, ended_at, problem, sealed FROM outbox \
        WHERE state IN ('owed', 'dead') ORDER BY created_at DESC, position DESC LIMIT ?1";
    RETRY = "UPDATE outbox SET state = 'owed', due_at = ?2, give_up_at = ?3, attempts = 0, ended_at = NULL, \
        leased_until = NULL, fence = fence + 1 WHERE id = ?1 AND state = 'dead'";
    RETRY_ALL = "UPDATE outbox SET state = 'owed', due_at = ?1, give_up_at = ?2, attempts = 0, ended_at = NULL, \
        leased_until = NULL, fence = fence + 1 WHERE state = 'dead'";
    PURGE = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE (state IN ('sent', 'expired') \
        AND ended_at < ?1) OR (state = 'dead' AND ended_at < ?2) LIMIT 1000)";
}

pub(super) struct NewMail {
    pub(super) id: MailId,
    pub(super) user: Option<UserId>,
    pub(super) kind: Kind,
    pub(super) recipient: TokenHash,
    pub(super) position: i64,
    pub(super) created_at: Timestamp,
    pub(super) not_after: Option<Timestamp>,
    pub(super) give_up_at: Timestamp,
    pub(super) sealed: Vec<u8>,
}

pub(super) fn insert(tx: &mut WriteTx<'_>, mail: &NewMail) -> Result<(), DbError> {
    let NewMail { id, user, kind, recipient, position, created_at, not_after, give_up_at, sealed } = mail;
    let kind = kind.name();
    let params = params![id, user, kind, recipient, position, created_at, not_after, give_up_at, sealed];
    tx.execute(&INSERT, &params).map(|_| ())
}

/// What was owed to this recipient after `since`.
pub(super) fn recent(
    tx: &mut ReadTx<'_>,
    recipient: &TokenHash,
    kind: Kind,
    since: Timestamp,
) -> Result<Recent, DbError> {
    tx.query_one(&RECENT, &params![recipient, kind.name(), since], |row| {
        Ok(Recent { last: row.get(0)?, within_day: row.get::<i64>(1)?.try_into().unwrap_or(u32::MAX) })
    })
}

/// A mail that this worker alone may deliver until its lease is over.
pub(super) struct Claimed {
    pub(super) id: MailId,
    pub(super) kind: String,
    pub(super) created_at: Timestamp,
    pub(super) not_after: Option<Timestamp>,
    pub(super) give_up_at: Timestamp,
    /// This attempt, from one.
    pub(super) attempt: i64,
    /// Counts leases: who comes back after their lease changes nothing.
    pub(super) fence: i64,
    pub(super) sealed: Option<Vec<u8>>,
}

pub(super) async fn claim(
    db: &Db,
    now: Timestamp,
    leased_until: Timestamp,
) -> Result<Option<Claimed>, DbError> {
    let read = |row: &Row<'_>| {
        Ok(Claimed {
            id: row.get(0)?,
            kind: row.get(1)?,
            created_at: row.get(2)?,
            not_after: row.get(3)?,
            give_up_at: row.get(4)?,
            attempt: row.get(5)?,
            fence: row.get(6)?,
            sealed: row.get(7)?,
        })
    };
    db.write_cas(&CLAIM, &params![now, leased_until], read).await
}

/// How a lease ends.
pub(super) enum End<'a> {
    Sent,
    Expired,
    Dead(&'a str),
}

/// Ends a mail. Whether the lease still held.
pub(super) async fn end(
    db: &Db,
    (id, fence): (MailId, i64),
    how: &End<'_>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let (state, problem) = match how {
        End::Sent => (State::Sent, None),
        End::Expired => (State::Expired, None),
        End::Dead(problem) => (State::Dead, Some(*problem)),
    };
    let state = state.name();
    let params = params![id, fence, state, now, problem];
    let ended = db.write_cas(&END, &params, |row| row.get::<MailId>(0)).await?;
    Ok(ended.is_some())
}

/// Gives a mail back until it is due again. Whether the lease still held.
pub(super) async fn postpone(
    db: &Db,
    (id, fence): (MailId, i64),
    due_at: Timestamp,
    problem: &str,
) -> Result<bool, DbError> {
    let params = params![id, fence, due_at, problem];
    let postponed = db.write_cas(&POSTPONE, &params, |row| row.get::<MailId>(0)).await?;
    Ok(postponed.is_some())
}

/// How many mails are owed.
pub(super) async fn waiting(db: &Db) -> Result<i64, DbError> {
    Ok(db.read_one(&WAITING, &params![], |row| row.get(0)).await?.unwrap_or_default())
}

pub(super) fn dead(tx: &mut ReadTx<'_>) -> Result<i64, DbError> {
    tx.query_one(&DEAD, &params![], |row| row.get(0))
}

/// A mail with its sealed payload.
pub(super) type SealedQueued = (Queued, Option<Vec<u8>>);

/// What is owed and what is dead, newest first.
pub(super) fn queue(tx: &mut ReadTx<'_>, limit: i64) -> Result<Vec<SealedQueued>, DbError> {
    tx.query_all(&QUEUE, &params![limit], |row| {
        let state = State::parse(&row.get::<String>(2)?);
        let unknown = DbError::Decode { statement: "QUEUE", column: 2, problem: "no state of a mail" };
        let queued = Queued {
            id: row.get(0)?,
            kind: row.get(1)?,
            state: state.ok_or(unknown)?,
            created_at: row.get(3)?,
            due_at: row.get(4)?,
            attempts: row.get(5)?,
            ended_at: row.get(6)?,
            problem: row.get(7)?,
            to: None,
        };
        Ok((queued, row.get(8)?))
    })
}

pub(super) fn retry(
    tx: &mut WriteTx<'_>,
    id: MailId,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Result<u64, DbError> {
    tx.execute(&RETRY, &params![id, now, give_up_at])
}

pub(super) fn retry_all(tx: &mut WriteTx<'_>, now: Timestamp, give_up_at: Timestamp) -> Result<u64, DbError> {
    tx.execute(&RETRY_ALL, &params![now, give_up_at])
}

pub(super) fn purge(
    tx: &mut WriteTx<'_>,
    ended_before: Timestamp,
    died_before: Timestamp,
) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![ended_before, died_before])
}
