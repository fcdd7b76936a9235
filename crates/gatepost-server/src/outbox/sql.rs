//! Every statement on `outbox`.

use gatepost_db::{DbError, ReadTx, WriteTx, params, statements};
use gatepost_kernel::{Id, Timestamp, TokenHash};

use super::letter::Kind;
use super::owe::{MailKind, Recent};
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO outbox (id, user_id, kind, recipient, position, created_at, not_after, state, due_at, \
        attempts, fence, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'owed', ?6, 0, 0, ?8)";
    RECENT = "SELECT max(created_at), count(*) FROM outbox \
        WHERE recipient = ?1 AND kind = ?2 AND created_at > ?3";
}

pub(super) struct NewMail {
    pub(super) id: Id<MailKind>,
    pub(super) user: Option<UserId>,
    pub(super) kind: Kind,
    pub(super) recipient: TokenHash,
    pub(super) position: i64,
    pub(super) created_at: Timestamp,
    pub(super) not_after: Option<Timestamp>,
    pub(super) sealed: Vec<u8>,
}

pub(super) fn insert(tx: &mut WriteTx<'_>, mail: &NewMail) -> Result<(), DbError> {
    let NewMail { id, user, kind, recipient, position, created_at, not_after, sealed } = mail;
    let kind = kind.name();
    tx.execute(&INSERT, &params![id, user, kind, recipient, position, created_at, not_after, sealed])
        .map(|_| ())
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
