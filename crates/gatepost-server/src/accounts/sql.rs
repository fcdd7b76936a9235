//! Every statement on `users`.

use gatepost_db::{DbError, List, ReadTx, Row, ToParam as _, WriteTx, params, statements};
use gatepost_kernel::Timestamp;

use super::Email;
use super::model::User;
use crate::ids::UserId;

/// The columns that `user_from_row` reads, in its order; the argument prefixes each (`"u."` in a join).
macro_rules! user_columns {
    ($prefix:literal) => {
        user_columns!(@ $prefix
            "id, ", "email, ", "email_verified, ", "username, ", "phone_number, ", "first_name, ", "last_name, ",
            "bio, ", "avatar_url, ", "country, ", "is_active, ", "auth_epoch, ", "version, ", "created_at, ",
            "updated_at, ", "last_login_at, ", "deleted_at, ", "two_factor_enabled, ",
            "awaiting_approval")
    };
    (@ $prefix:literal $($column:literal),+) => { concat!($($prefix, $column),+) };
}
pub(crate) use user_columns;

/// How many columns `user_from_row` reads; a joining statement continues after them.
pub const USER_COLUMNS: usize = 19;

statements! {
    INSERT = concat!(
        "INSERT INTO users (id, email, email_canonical, email_verified, username, username_canonical, phone_number, ",
        "phone_canonical, first_name, last_name, bio, avatar_url, country, is_active, auth_epoch, version, ",
        "created_at, updated_at, awaiting_approval) ",
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, TRUE, 1, 1, ?13, ?13, ?14) ",
        "ON CONFLICT DO NOTHING RETURNING ", user_columns!(""));
    /// Accounts in one round trip. Whatever a unique index refuses is left out: the caller compares the numbers.
    INSERT_MANY =
        sqlite "INSERT INTO users (id, email, email_canonical, email_verified, username, username_canonical, phone_number, \
            phone_canonical, first_name, last_name, bio, avatar_url, country, is_active, auth_epoch, version, created_at, \
            updated_at, awaiting_approval) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1, 1, ?14, ?15, ?16) ON CONFLICT DO NOTHING",
        postgres "INSERT INTO users (id, email, email_canonical, email_verified, username, username_canonical, phone_number, \
            phone_canonical, first_name, last_name, bio, avatar_url, country, is_active, auth_epoch, version, created_at, \
            updated_at, awaiting_approval) \
            SELECT (value ->> 0)::uuid, value ->> 1, value ->> 2, (value ->> 3)::boolean, value ->> 4, value ->> 5, value ->> 6, \
            value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, (value ->> 12)::boolean, 1, 1, \
            (value ->> 13)::bigint, (value ->> 14)::bigint, (value ->> 15)::boolean \
            FROM jsonb_array_elements(?1::text::jsonb) ON CONFLICT DO NOTHING";
    BY_EMAILS =
        sqlite concat!("SELECT ", user_columns!(""), " FROM users WHERE email_canonical IN (SELECT value FROM json_each(?1))"),
        postgres concat!("SELECT ", user_columns!(""), " FROM users WHERE email_canonical IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb))");
    WHO_HAS_USERNAMES =
        sqlite "SELECT username_canonical, id FROM users WHERE username_canonical IN (SELECT value FROM json_each(?1))",
        postgres "SELECT username_canonical, id FROM users WHERE username_canonical IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb))";
    WHO_HAS_PHONES =
        sqlite "SELECT phone_canonical, id FROM users WHERE phone_canonical IN (SELECT value FROM json_each(?1))",
        postgres "SELECT phone_canonical, id FROM users WHERE phone_canonical IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb))";
    BY_ID = concat!("SELECT ", user_columns!(""), " FROM users WHERE id = ?1");
    BY_EMAIL = concat!("SELECT ", user_columns!(""), " FROM users WHERE email_canonical = ?1");
    BY_USERNAME = concat!("SELECT ", user_columns!(""), " FROM users WHERE username_canonical = ?1");
    BY_PHONE = concat!("SELECT ", user_columns!(""), " FROM users WHERE phone_canonical = ?1");
    PAGE = concat!("SELECT ", user_columns!(""), " FROM users WHERE deleted_at IS NULL ORDER BY id LIMIT ?1");
    PAGE_AFTER = concat!(
        "SELECT ", user_columns!(""), " FROM users WHERE deleted_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2");
    SAVE_PROFILE = concat!(
        "UPDATE users SET username = ?2, username_canonical = ?3, phone_number = ?4, phone_canonical = ?4, ",
        "first_name = ?5, last_name = ?6, bio = ?7, avatar_url = ?8, country = ?9, ",
        "version = version + 1, updated_at = ?10 WHERE id = ?1 AND deleted_at IS NULL RETURNING ", user_columns!(""));
    SET_ACTIVE = "UPDATE users SET is_active = ?2, auth_epoch = auth_epoch + 1, version = version + 1, updated_at = ?3, \
        standing_epoch = standing_epoch + CASE WHEN ?2 THEN 0 ELSE 1 END \
        WHERE id = ?1 AND deleted_at IS NULL AND is_active <> ?2";
    SIGNED_IN = concat!(
        "UPDATE users SET last_login_at = ?2, version = version + 1 WHERE id = ?1 RETURNING ", user_columns!(""));
    BUMP_EPOCH = concat!(
        "UPDATE users SET auth_epoch = auth_epoch + 1, version = version + 1, updated_at = ?2 ",
        "WHERE id = ?1 RETURNING ", user_columns!(""));
    SET_TWO_FACTOR = concat!(
        "UPDATE users SET two_factor_enabled = ?2, auth_epoch = auth_epoch + CASE WHEN ?2 THEN 1 ELSE 0 END, version = version + 1, updated_at = ?3 ",
        "WHERE id = ?1 RETURNING ", user_columns!(""));
    VERIFY_EMAIL = concat!(
        "UPDATE users SET email_verified = TRUE, version = version + 1, updated_at = ?2 ",
        "WHERE id = ?1 AND deleted_at IS NULL RETURNING ", user_columns!(""));
    CHANGE_EMAIL = concat!(
        "UPDATE users SET email = ?2, email_canonical = ?3, email_verified = TRUE, version = version + 1, updated_at = ?4 ",
        "WHERE id = ?1 AND deleted_at IS NULL RETURNING ", user_columns!(""));
    APPROVE = "UPDATE users SET awaiting_approval = FALSE, version = version + 1, updated_at = ?2 \
        WHERE id = ?1 AND awaiting_approval AND deleted_at IS NULL";
    TOUCH = "UPDATE users SET version = version + 1, updated_at = ?2 WHERE id = ?1";
    /// Whether it was active stays as it was, for the day when it is restored.
    BURY = "UPDATE users SET email_canonical = NULL, username_canonical = NULL, phone_canonical = NULL, \
        auth_epoch = auth_epoch + 1, standing_epoch = standing_epoch + 1, version = version + 1, \
        updated_at = ?2, deleted_at = ?2 \
        WHERE id = ?1 AND deleted_at IS NULL";
    RESTORE = concat!(
        "UPDATE users SET email_canonical = ?2, username_canonical = ?3, phone_canonical = ?4, deleted_at = NULL, ",
        "version = version + 1, updated_at = ?5 WHERE id = ?1 AND deleted_at >= ?6 RETURNING ", user_columns!(""));
    UNVERIFY_EMAIL = concat!(
        "UPDATE users SET email_verified = FALSE, auth_epoch = auth_epoch + 1, version = version + 1, updated_at = ?2 ",
        "WHERE id = ?1 AND deleted_at IS NULL RETURNING ", user_columns!(""));
    PURGE = "DELETE FROM users WHERE deleted_at < ?1";
}

/// Reads `user_columns!` from the start of a row.
///
/// # Errors
/// When a column holds something else: a mistake in the statement.
pub fn user_from_row(row: &Row<'_>) -> Result<User, DbError> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        email_verified: row.get(2)?,
        username: row.get(3)?,
        phone_number: row.get(4)?,
        first_name: row.get(5)?,
        last_name: row.get(6)?,
        bio: row.get(7)?,
        avatar_url: row.get(8)?,
        country: row.get(9)?,
        is_active: row.get(10)?,
        auth_epoch: row.get(11)?,
        version: row.get(12)?,
        created_at: row.get(13)?,
        updated_at: row.get(14)?,
        last_login_at: row.get(15)?,
        deleted_at: row.get(16)?,
        two_factor_enabled: row.get(17)?,
        awaiting_approval: row.get(18)?,
    })
}

/// The new row, or `None` when a unique index already holds one of its names.
pub(super) fn insert(tx: &mut WriteTx<'_>, user: &User, email: &Email) -> Result<Option<User>, DbError> {
    tx.query_opt(
        &INSERT,
        &params![
            user.id,
            email.as_typed(),
            email.canonical(),
            user.email_verified,
            user.username,
            user.username_canonical(),
            user.phone_number,
            user.first_name,
            user.last_name,
            user.bio,
            user.avatar_url,
            user.country,
            user.created_at,
            user.awaiting_approval
        ],
        user_from_row,
    )
}

/// How many of these accounts were written.
pub(super) fn insert_many(tx: &mut WriteTx<'_>, users: &[(User, Email)]) -> Result<usize, DbError> {
    let names: Vec<_> = users.iter().map(|(user, _)| user.username_canonical()).collect();
    let rows: Vec<_> = users
        .iter()
        .zip(&names)
        .map(|((user, email), name)| {
            [
                user.id.to_param(),
                email.as_typed().to_param(),
                email.canonical().to_param(),
                user.email_verified.to_param(),
                user.username.to_param(),
                name.to_param(),
                user.phone_number.to_param(),
                user.first_name.to_param(),
                user.last_name.to_param(),
                user.bio.to_param(),
                user.avatar_url.to_param(),
                user.country.to_param(),
                user.is_active.to_param(),
                user.created_at.to_param(),
                user.updated_at.to_param(),
                user.awaiting_approval.to_param(),
            ]
        })
        .collect();
    let written = tx.execute_all(&INSERT_MANY, &rows)?;
    Ok(usize::try_from(written).unwrap_or(usize::MAX))
}

pub(super) fn users_by_emails(tx: &mut ReadTx<'_>, canonical: &[&str]) -> Result<Vec<User>, DbError> {
    tx.query_all(&BY_EMAILS, &params![List::of(canonical)?], user_from_row)
}

pub(super) fn who_has_usernames(
    tx: &mut ReadTx<'_>,
    canonical: &[String],
) -> Result<Vec<(String, UserId)>, DbError> {
    tx.query_all(&WHO_HAS_USERNAMES, &params![List::of(canonical)?], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn who_has_phones(
    tx: &mut ReadTx<'_>,
    numbers: &[&str],
) -> Result<Vec<(String, UserId)>, DbError> {
    tx.query_all(&WHO_HAS_PHONES, &params![List::of(numbers)?], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn user_by_id(tx: &mut ReadTx<'_>, id: UserId) -> Result<Option<User>, DbError> {
    tx.query_opt(&BY_ID, &params![id], user_from_row)
}

pub(super) fn user_by_email(tx: &mut ReadTx<'_>, email: &Email) -> Result<Option<User>, DbError> {
    tx.query_opt(&BY_EMAIL, &params![email.canonical()], user_from_row)
}

pub(super) fn user_by_username(tx: &mut ReadTx<'_>, canonical: &str) -> Result<Option<User>, DbError> {
    tx.query_opt(&BY_USERNAME, &params![canonical], user_from_row)
}

pub(super) fn user_by_phone(tx: &mut ReadTx<'_>, number: &str) -> Result<Option<User>, DbError> {
    tx.query_opt(&BY_PHONE, &params![number], user_from_row)
}

pub(super) fn users_after(
    tx: &mut ReadTx<'_>,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<User>, DbError> {
    match after {
        None => tx.query_all(&PAGE, &params![limit], user_from_row),
        Some(after) => tx.query_all(&PAGE_AFTER, &params![after, limit], user_from_row),
    }
}

pub(super) fn save_profile(
    tx: &mut WriteTx<'_>,
    user: &User,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    tx.query_opt(
        &SAVE_PROFILE,
        &params![
            user.id,
            user.username,
            user.username_canonical(),
            user.phone_number,
            user.first_name,
            user.last_name,
            user.bio,
            user.avatar_url,
            user.country,
            now
        ],
        user_from_row,
    )
}

/// Whether this changed anything.
pub(super) fn set_active(
    tx: &mut WriteTx<'_>,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&SET_ACTIVE, &params![id, active, now])? == 1)
}

pub(super) fn mark_signed_in(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<User, DbError> {
    tx.query_one(&SIGNED_IN, &params![id, now], user_from_row)
}

pub(super) fn bump_epoch(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<User, DbError> {
    tx.query_one(&BUMP_EPOCH, &params![id, now], user_from_row)
}

pub(super) fn touch(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&TOUCH, &params![id, now]).map(|_| ())
}

pub(super) fn bury(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&BURY, &params![id, now])? == 1)
}

/// The account as it is then; `None` when it was not deleted, or before `since`.
pub(super) fn restore(
    tx: &mut WriteTx<'_>,
    user: &User,
    email: &Email,
    (now, since): (Timestamp, Timestamp),
) -> Result<Option<User>, DbError> {
    let names = (user.username_canonical(), &user.phone_number);
    tx.query_opt(&RESTORE, &params![user.id, email.canonical(), names.0, names.1, now, since], user_from_row)
}

pub(super) fn unverify_email(
    tx: &mut WriteTx<'_>,
    id: UserId,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    tx.query_opt(&UNVERIFY_EMAIL, &params![id, now], user_from_row)
}

pub(super) fn purge(tx: &mut WriteTx<'_>, deleted_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![deleted_before])
}

pub(super) fn set_two_factor(
    tx: &mut WriteTx<'_>,
    id: UserId,
    enabled: bool,
    now: Timestamp,
) -> Result<User, DbError> {
    tx.query_one(&SET_TWO_FACTOR, &params![id, enabled, now], user_from_row)
}

pub(super) fn mark_email_verified(
    tx: &mut WriteTx<'_>,
    id: UserId,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    tx.query_opt(&VERIFY_EMAIL, &params![id, now], user_from_row)
}

pub(super) fn change_email(
    tx: &mut WriteTx<'_>,
    id: UserId,
    email: &Email,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    tx.query_opt(&CHANGE_EMAIL, &params![id, email.as_typed(), email.canonical(), now], user_from_row)
}

pub(super) fn approve(tx: &mut WriteTx<'_>, id: UserId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&APPROVE, &params![id, now])? == 1)
}
