//! Every statement on `user_roles`.

use gatepost_db::{DbError, List, ReadTx, ToParam as _, WriteTx, params, statements};

use crate::audit::Act;
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO user_roles (user_id, role, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (user_id, role) DO NOTHING";
    INSERT_MANY =
        sqlite "INSERT INTO user_roles (user_id, role, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        postgres "INSERT INTO user_roles (user_id, role, granted_at, granted_by) \
            SELECT (value ->> 0)::uuid, value ->> 1, (value ->> 2)::bigint, (value ->> 3)::uuid \
            FROM jsonb_array_elements(?1::text::jsonb) ON CONFLICT DO NOTHING";
    BY_USERS =
        sqlite "SELECT user_id, role FROM user_roles WHERE user_id IN (SELECT unhex(value, '-') FROM json_each(?1))",
        postgres "SELECT user_id, role FROM user_roles WHERE user_id IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb)::uuid)";
    BY_USER = "SELECT role FROM user_roles WHERE user_id = ?1 ORDER BY role";
    HOLDER_EXISTS = "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND u.deleted_at IS NULL)";
    HOLDERS_WITHOUT_SECOND_FACTOR = "SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND u.deleted_at IS NULL AND NOT u.two_factor_enabled";
    ANOTHER_HOLDER_EXISTS = "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND u.deleted_at IS NULL AND u.id <> ?2)";
}

pub(super) fn insert(tx: &mut WriteTx<'_>, act: &Act, user: UserId, role: &str) -> Result<bool, DbError> {
    Ok(tx.execute(&INSERT, &params![user, role, act.at, act.actor])? == 1)
}

pub(super) fn insert_many(
    tx: &mut WriteTx<'_>,
    act: &Act,
    grants: &[(UserId, String)],
) -> Result<(), DbError> {
    let rows: Vec<_> = grants
        .iter()
        .map(|(user, role)| [user.to_param(), role.to_param(), act.at.to_param(), act.actor.to_param()])
        .collect();
    tx.execute_all(&INSERT_MANY, &rows).map(|_| ())
}

pub(super) fn roles_by_users(
    tx: &mut ReadTx<'_>,
    users: &[UserId],
) -> Result<Vec<(UserId, String)>, DbError> {
    tx.query_all(&BY_USERS, &params![List::of(users)?], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn roles_by_user(tx: &mut ReadTx<'_>, user: UserId) -> Result<Vec<String>, DbError> {
    tx.query_all(&BY_USER, &params![user], |row| row.get(0))
}

pub(super) fn holder_exists(tx: &mut ReadTx<'_>, role: &str) -> Result<bool, DbError> {
    tx.query_one(&HOLDER_EXISTS, &params![role], |row| row.get(0))
}

pub(super) fn holders_without_second_factor(tx: &mut ReadTx<'_>, role: &str) -> Result<i64, DbError> {
    tx.query_one(&HOLDERS_WITHOUT_SECOND_FACTOR, &params![role], |row| row.get(0))
}

pub(super) fn another_holder_exists(tx: &mut ReadTx<'_>, role: &str, than: UserId) -> Result<bool, DbError> {
    tx.query_one(&ANOTHER_HOLDER_EXISTS, &params![role, than], |row| row.get(0))
}
