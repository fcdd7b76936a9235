//! Every statement on `user_roles`.

use gatepost_db::{DbError, ReadTx, WriteTx, params, statements};

use crate::audit::Act;
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO user_roles (user_id, role, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (user_id, role) DO NOTHING";
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
