//! Every statement on `mail_links` and `mail_requests`.

use gatepost_db::{DbError, List, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Id, Timestamp, TokenHash};

use super::link::{Link, LinkPurpose};
use super::request::{MailRequest, RequestKind};
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO mail_links (purpose, token_hash, user_id, auth_epoch, address, typed, role, created_at, \
        expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    FORGET_OF_PURPOSE = "DELETE FROM mail_links WHERE user_id = ?1 AND purpose = ?2";
    /// Its rows stay: when they were made still counts.
    END_OF_PURPOSE = "UPDATE mail_links SET expires_at = created_at WHERE user_id = ?1 AND purpose = ?2";
    FORGET_OF_ADDRESS = "DELETE FROM mail_links WHERE user_id = ?1 AND purpose = ?2 AND address = ?3";
    FORGET_BUT = "DELETE FROM mail_links WHERE user_id = ?1 AND purpose <> ?2";
    FORGET_SINCE = "DELETE FROM mail_links WHERE user_id = ?1 AND purpose = ?2 AND created_at >= ?3";
    MADE_AT = "SELECT max(created_at) FROM mail_links WHERE user_id = ?1 AND purpose = ?2";
    USERS_WITH_LINK = "SELECT user_id FROM mail_links \
        WHERE address = ?1 AND purpose = ?2 AND expires_at > ?3 AND user_id IS NOT NULL";
    /// Of living accounts.
    ADDRESSES_WITH_LINK =
        sqlite "SELECT l.address FROM mail_links l JOIN users u ON u.id = l.user_id WHERE l.purpose = ?2 AND l.expires_at > ?3 \
            AND u.deleted_at IS NULL AND l.address IN (SELECT value FROM json_each(?1))",
        postgres "SELECT l.address FROM mail_links l JOIN users u ON u.id = l.user_id WHERE l.purpose = ?2 AND l.expires_at > ?3 \
            AND u.deleted_at IS NULL AND l.address IN (SELECT jsonb_array_elements_text(?1::text::jsonb))";
    LINK = "SELECT user_id, auth_epoch, address, typed, role, created_at FROM mail_links \
        WHERE purpose = ?1 AND token_hash = ?2 AND expires_at > ?3";
    /// At most one of any number of racing requests gets the row.
    CONSUME = "DELETE FROM mail_links WHERE purpose = ?1 AND token_hash = ?2 AND expires_at > ?3 \
        RETURNING user_id, auth_epoch, address, typed, role, created_at";
    FORGET_OF_USER = "DELETE FROM mail_links WHERE user_id = ?1";
    PURGE = "DELETE FROM mail_links WHERE token_hash IN \
        (SELECT l.token_hash FROM mail_links l WHERE l.expires_at < ?1 LIMIT 1000)";

    INSERT_REQUEST = "INSERT INTO mail_requests (id, purpose, address, created_at) VALUES (?1, ?2, ?3, ?4)";
    REQUEST_WAITS = "SELECT EXISTS (SELECT 1 FROM mail_requests)";
    TAKE_REQUESTS = "DELETE FROM mail_requests WHERE id IN (SELECT r.id FROM mail_requests r ORDER BY r.id LIMIT ?1) \
        RETURNING id, purpose, address";
}

/// A kind of [`Id`]: a request.
pub(super) enum RequestRow {}

pub(super) fn insert(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    hash: &TokenHash,
    link: &Link,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let Link { user, epoch, address, typed, role, made_at } = link;
    let purpose = purpose.name();
    let values = params![purpose, hash, user, epoch, address, typed, role, made_at, expires_at];
    tx.execute(&INSERT, &values).map(|_| ())
}

pub(super) fn forget_of_purpose(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
) -> Result<(), DbError> {
    tx.execute(&FORGET_OF_PURPOSE, &params![user, purpose.name()]).map(|_| ())
}

/// Ends the links of a purpose, for every clock, and remembers when they were made.
pub(super) fn end_of_purpose(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
) -> Result<(), DbError> {
    tx.execute(&END_OF_PURPOSE, &params![user, purpose.name()]).map(|_| ())
}

pub(super) fn forget_of_address(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
    address: &str,
) -> Result<(), DbError> {
    tx.execute(&FORGET_OF_ADDRESS, &params![user, purpose.name(), address]).map(|_| ())
}

/// Every link of an account, except for one purpose.
pub(super) fn forget_but(tx: &mut WriteTx<'_>, user: UserId, kept: LinkPurpose) -> Result<(), DbError> {
    tx.execute(&FORGET_BUT, &params![user, kept.name()]).map(|_| ())
}

/// The links of a purpose that were made then or later.
pub(super) fn forget_since(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
    since: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&FORGET_SINCE, &params![user, purpose.name(), since]).map(|_| ())
}

/// When the newest link of this purpose was made, if there is one.
pub(super) fn made_at(
    tx: &mut ReadTx<'_>,
    purpose: LinkPurpose,
    user: UserId,
) -> Result<Option<Timestamp>, DbError> {
    tx.query_one(&MADE_AT, &params![user, purpose.name()], |row| row.get(0))
}

/// Whose accounts have a link about this address that works.
pub(super) fn users_with_link(
    tx: &mut ReadTx<'_>,
    purpose: LinkPurpose,
    address: &str,
    now: Timestamp,
) -> Result<Vec<UserId>, DbError> {
    tx.query_all(&USERS_WITH_LINK, &params![address, purpose.name(), now], |row| row.get(0))
}

/// Which of these addresses a living account has a link about that works.
pub(super) fn addresses_with_link(
    tx: &mut ReadTx<'_>,
    purpose: LinkPurpose,
    addresses: &[&str],
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    let addresses = List::of(addresses)?;
    tx.query_all(&ADDRESSES_WITH_LINK, &params![addresses, purpose.name(), now], |row| row.get(0))
}

pub(super) fn link(
    tx: &mut ReadTx<'_>,
    purpose: LinkPurpose,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Link>, DbError> {
    tx.query_opt(&LINK, &params![purpose.name(), hash, now], link_from_row)
}

pub(super) fn consume(
    tx: &mut WriteTx<'_>,
    purpose: LinkPurpose,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Link>, DbError> {
    tx.query_opt(&CONSUME, &params![purpose.name(), hash, now], link_from_row)
}

fn link_from_row(row: &Row<'_>) -> Result<Link, DbError> {
    Ok(Link {
        user: row.get(0)?,
        epoch: row.get(1)?,
        address: row.get(2)?,
        typed: row.get(3)?,
        role: row.get(4)?,
        made_at: row.get(5)?,
    })
}

pub(super) fn forget_of_user(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    tx.execute(&FORGET_OF_USER, &params![user]).map(|_| ())
}

pub(super) fn purge(tx: &mut WriteTx<'_>, expired_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![expired_before])
}

pub(super) fn insert_request(
    tx: &mut WriteTx<'_>,
    id: Id<RequestRow>,
    kind: RequestKind,
    address: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&INSERT_REQUEST, &params![id, kind.name(), address, now]).map(|_| ())
}

pub(super) fn request_waits(tx: &mut ReadTx<'_>) -> Result<bool, DbError> {
    tx.query_one(&REQUEST_WAITS, &[], |row| row.get(0))
}

/// The oldest requests, oldest first.
pub(super) fn take_requests(tx: &mut WriteTx<'_>, limit: i64) -> Result<Vec<MailRequest>, DbError> {
    let mut taken = tx.query_all(&TAKE_REQUESTS, &params![limit], |row| {
        let id: Id<RequestRow> = row.get(0)?;
        let (kind, address): (String, String) = (row.get(1)?, row.get(2)?);
        let kind = RequestKind::parse(&kind).ok_or(DbError::Decode {
            statement: "TAKE_REQUESTS",
            column: 1,
            problem: "not a kind of request",
        })?;
        Ok((id, MailRequest { kind, address }))
    })?;
    taken.sort_by_key(|(id, _)| *id);
    Ok(taken.into_iter().map(|(_, request)| request).collect())
}
