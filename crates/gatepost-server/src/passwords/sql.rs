//! Every statement on `passwords` and `password_history`.

use gatepost_db::{DbError, List, ReadTx, ToParam as _, WriteTx, params, statements};
use gatepost_kernel::{Id, Random, Timestamp};

use super::PasswordHash;
use crate::ids::UserId;

statements! {
    BY_USER = "SELECT hash FROM passwords WHERE user_id = ?1";
    PUT = "INSERT INTO passwords (user_id, hash, updated_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, updated_at = excluded.updated_at";
    /// Of accounts that have none yet.
    PUT_MANY =
        sqlite "INSERT INTO passwords (user_id, hash, updated_at) VALUES (?1, ?2, ?3)",
        postgres "INSERT INTO passwords (user_id, hash, updated_at) \
            SELECT (value ->> 0)::uuid, value ->> 1, (value ->> 2)::bigint FROM jsonb_array_elements(?1::text::jsonb)";
    BY_USERS =
        sqlite "SELECT user_id, hash FROM passwords WHERE user_id IN (SELECT unhex(value, '-') FROM json_each(?1))",
        postgres "SELECT user_id, hash FROM passwords WHERE user_id IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb)::uuid)";
    FORGET = "DELETE FROM passwords WHERE user_id = ?1";
    FORGET_HISTORY = "DELETE FROM password_history WHERE user_id = ?1";
    /// A better hash of the same password; only if the password is still the one that was verified.
    REPLACE = "UPDATE passwords SET hash = ?3, updated_at = ?4 WHERE user_id = ?1 AND hash = ?2";
    REMEMBER = "INSERT INTO password_history (id, user_id, hash, created_at) VALUES (?1, ?2, ?3, ?4)";
    HISTORY = "SELECT hash FROM password_history WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2";
    PRUNE = "DELETE FROM password_history WHERE user_id = ?1 AND id NOT IN \
        (SELECT h.id FROM password_history h WHERE h.user_id = ?1 ORDER BY h.id DESC LIMIT ?2)";
}

/// A kind of [`Id`].
enum HistoryKind {}

pub(super) fn hash_by_user(tx: &mut ReadTx<'_>, user: UserId) -> Result<Option<String>, DbError> {
    tx.query_opt(&BY_USER, &params![user], |row| row.get(0))
}

pub(super) fn put(
    tx: &mut WriteTx<'_>,
    user: UserId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&PUT, &params![user, hash.expose(), now]).map(|_| ())
}

pub(super) fn put_many(
    tx: &mut WriteTx<'_>,
    hashes: &[(UserId, PasswordHash)],
    now: Timestamp,
) -> Result<(), DbError> {
    let rows: Vec<_> = hashes
        .iter()
        .map(|(user, hash)| [user.to_param(), hash.expose().to_param(), now.to_param()])
        .collect();
    tx.execute_all(&PUT_MANY, &rows).map(|_| ())
}

pub(super) fn hashes_by_users(
    tx: &mut ReadTx<'_>,
    users: &[UserId],
) -> Result<Vec<(UserId, String)>, DbError> {
    tx.query_all(&BY_USERS, &params![List::of(users)?], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn replace(
    tx: &mut WriteTx<'_>,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&REPLACE, &params![user, old.expose(), new.expose(), now]).map(|_| ())
}

pub(super) fn remember(
    tx: &mut WriteTx<'_>,
    user: UserId,
    hash: &PasswordHash,
    now: Timestamp,
    random: &Random,
) -> Result<(), DbError> {
    let id = Id::<HistoryKind>::generate(now, random);
    tx.execute(&REMEMBER, &params![id, user, hash.expose(), now]).map(|_| ())
}

pub(super) fn history(tx: &mut ReadTx<'_>, user: UserId, length: i64) -> Result<Vec<String>, DbError> {
    tx.query_all(&HISTORY, &params![user, length], |row| row.get(0))
}

pub(super) fn prune(tx: &mut WriteTx<'_>, user: UserId, keep: i64) -> Result<(), DbError> {
    tx.execute(&PRUNE, &params![user, keep]).map(|_| ())
}

pub(super) fn forget(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    tx.execute(&FORGET, &params![user]).map(|_| ())
}

pub(super) fn forget_history(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    tx.execute(&FORGET_HISTORY, &params![user]).map(|_| ())
}
