//! Every statement on `api_keys`.

use gatepost_db::{Db, DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::authenticate::KeyRow;
use super::model::{ApiKey, NewKey};
use crate::access::{HeldRole, held_roles};
use crate::accounts::{USER_COLUMNS, user_columns, user_from_row};
use crate::ids::{ApiKeyId, UserId};

macro_rules! key_columns {
    () => {
        "k.id, k.name, k.hint, k.scopes, k.created_at, k.expires_at, k.last_used_at"
    };
}

/// A key that its owner neither revoked nor lost with the account's standing; it may have expired.
macro_rules! kept_keys {
    () => {
        "FROM api_keys k JOIN users u ON u.id = k.user_id \
         WHERE k.user_id = ?1 AND k.revoked_at IS NULL AND k.standing_epoch = u.standing_epoch"
    };
}

/// Whether the second factor that was shown when the key was made is still that of the account.
macro_rules! factor_is_kept {
    () => {
        "EXISTS (SELECT 1 FROM totp_credentials t WHERE t.user_id = k.user_id AND t.id = k.factor_id)"
    };
}

macro_rules! key_identity {
    ($concatenated:literal, $which:literal) => {
        concat!(
            "SELECT ",
            user_columns!("u."),
            ", k.id, k.scopes, k.expires_at, k.last_used_at, \
             k.revoked_at IS NULL AND k.standing_epoch = u.standing_epoch, ",
            factor_is_kept!(),
            ", ",
            held_roles!($concatenated, "u.id"),
            " FROM api_keys k JOIN users u ON u.id = k.user_id WHERE ",
            $which
        )
    };
}

statements! {
    INSERT = "INSERT INTO api_keys (id, user_id, name, key_hash, hint, scopes, factor_id, \
        standing_epoch, created_at, expires_at, version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, \
        CASE WHEN ?7 THEN (SELECT t.id FROM totp_credentials t WHERE t.user_id = ?2) END, (SELECT u.standing_epoch FROM users u WHERE u.id = ?2), ?8, ?9, 1)";
    COUNT_LIVING = concat!("SELECT count(*) ", kept_keys!(), " AND k.expires_at > ?2");
    PAGE = concat!("SELECT ", key_columns!(), " ", kept_keys!(), " ORDER BY k.id DESC LIMIT ?2");
    PAGE_AFTER = concat!("SELECT ", key_columns!(), " ", kept_keys!(), " AND k.id < ?2 ORDER BY k.id DESC LIMIT ?3");
    /// Everything that a request with a key depends on, in one look.
    BY_HASH =
        sqlite key_identity!("group_concat", "k.key_hash = ?1"),
        postgres key_identity!("string_agg", "k.key_hash = ?1");
    /// The same for a transaction that asks again.
    BY_ID =
        sqlite key_identity!("group_concat", "k.id = ?1"),
        postgres key_identity!("string_agg", "k.id = ?1");
    STILL_LIVES = "SELECT EXISTS (SELECT 1 FROM api_keys k JOIN users u ON u.id = k.user_id \
        WHERE k.id = ?1 AND k.revoked_at IS NULL AND k.expires_at > ?2 AND k.standing_epoch = u.standing_epoch \
        AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL)";
    NOTE_USE = "UPDATE api_keys SET last_used_at = ?2 \
        WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?3) RETURNING id";
    REVOKE = "UPDATE api_keys SET revoked_at = ?3, version = version + 1 \
        WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL";
    REVOKE_ALL = "UPDATE api_keys SET revoked_at = ?2, version = version + 1 \
        WHERE user_id = ?1 AND revoked_at IS NULL RETURNING id";
    PURGE = "DELETE FROM api_keys WHERE id IN \
        (SELECT id FROM api_keys WHERE expires_at < ?1 OR revoked_at < ?1 LIMIT 1000)";
}

pub(super) fn insert(tx: &mut WriteTx<'_>, new: &NewKey) -> Result<(), DbError> {
    let NewKey { user, key, hash, second_factor } = new;
    tx.execute(
        &INSERT,
        &params![
            key.id,
            user,
            key.name,
            hash,
            key.hint,
            key.scopes.join(" "),
            second_factor,
            key.created_at,
            key.expires_at
        ],
    )?;
    Ok(())
}

pub(super) fn count_living(tx: &mut ReadTx<'_>, user: UserId, now: Timestamp) -> Result<i64, DbError> {
    tx.query_one(&COUNT_LIVING, &params![user, now], |row| row.get(0))
}

pub(super) fn keys_before(
    tx: &mut ReadTx<'_>,
    user: UserId,
    before: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, DbError> {
    match before {
        None => tx.query_all(&PAGE, &params![user, limit], key_from_row),
        Some(before) => tx.query_all(&PAGE_AFTER, &params![user, before, limit], key_from_row),
    }
}

fn key_from_row(row: &Row<'_>) -> Result<ApiKey, DbError> {
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        hint: row.get(2)?,
        scopes: words(row.get(3)?),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

pub(super) async fn key_by_hash(db: &Db, hash: &TokenHash) -> Result<Option<KeyRow>, DbError> {
    db.read_one(&BY_HASH, &params![hash], identity_from_row).await
}

pub(super) fn key_by_id(tx: &mut ReadTx<'_>, id: ApiKeyId) -> Result<Option<KeyRow>, DbError> {
    tx.query_opt(&BY_ID, &params![id], identity_from_row)
}

fn identity_from_row(row: &Row<'_>) -> Result<KeyRow, DbError> {
    let held: Option<String> = row.get(USER_COLUMNS + 6)?;
    Ok(KeyRow {
        user: user_from_row(row)?,
        id: row.get(USER_COLUMNS)?,
        scopes: words(row.get(USER_COLUMNS + 1)?),
        expires_at: row.get(USER_COLUMNS + 2)?,
        last_used_at: row.get(USER_COLUMNS + 3)?,
        is_kept: row.get(USER_COLUMNS + 4)?,
        second_factor: row.get(USER_COLUMNS + 5)?,
        held: HeldRole::all_from_text(held.as_deref()),
    })
}

fn words(text: String) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn still_lives(tx: &mut ReadTx<'_>, id: ApiKeyId, now: Timestamp) -> Result<bool, DbError> {
    tx.query_one(&STILL_LIVES, &params![id, now], |row| row.get(0))
}

/// Notes a use unless one was noted after `before`.
pub(super) async fn note_use(
    db: &Db,
    id: ApiKeyId,
    now: Timestamp,
    before: Timestamp,
) -> Result<(), DbError> {
    db.write_cas(&NOTE_USE, &params![id, now, before], |_| Ok(())).await.map(|_| ())
}

/// Whether it was there and not revoked.
pub(super) fn revoke(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    user: UserId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&REVOKE, &params![id, user, now])? == 1)
}

pub(super) fn revoke_all(
    tx: &mut WriteTx<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<ApiKeyId>, DbError> {
    tx.query_all(&REVOKE_ALL, &params![user, now], |row| row.get(0))
}

pub(super) fn purge(tx: &mut WriteTx<'_>, ended_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![ended_before])
}
