//! Every statement on `roles`, `role_permissions`, `permissions` and `user_roles`.

use gatepost_db::{DbError, List, ReadTx, Row, ToParam as _, WriteTx, params, statements};
use gatepost_kernel::Timestamp;

use super::is_role_name;
use super::model::{Grant, HeldRole, OwnPermission, Role, is_permission_name};
use crate::accounts::{User, user_columns, user_from_row};
use crate::audit::Act;
use crate::ids::UserId;

/// The roles of a user with what they bring, as one text for [`HeldRole::all_from_text`]; a subquery for statements that
/// want everything in one look. The arguments are the engine's aggregate of texts, and the user's id.
macro_rules! held_roles {
    ($concatenated:literal, $user:literal) => {
        concat!(
            "(SELECT ",
            $concatenated,
            "(r.role || '=' || COALESCE((SELECT ",
            $concatenated,
            "(p.permission, ',') FROM role_permissions p WHERE p.role = r.role), ''), ' ') \
             FROM user_roles r WHERE r.user_id = ",
            $user,
            ")"
        )
    };
}
pub(crate) use held_roles;

macro_rules! roles {
    ($concatenated:literal, $which:literal) => {
        concat!(
            "SELECT o.name, o.description, o.version, o.created_at, o.updated_at, (SELECT ",
            $concatenated,
            "(p.permission, ',') FROM role_permissions p WHERE p.role = o.name) FROM roles o ",
            $which
        )
    };
}

macro_rules! who_can {
    ($which:literal) => {
        concat!(
            "SELECT ",
            user_columns!("u."),
            " FROM user_roles r JOIN users u ON u.id = r.user_id \
             WHERE r.role = ?1 AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL ",
            $which
        )
    };
}

statements! {
    INSERT = "INSERT INTO user_roles (user_id, role, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (user_id, role) DO NOTHING";
    REMOVE = "DELETE FROM user_roles WHERE user_id = ?1 AND role = ?2";
    HELD_BY =
        sqlite concat!("SELECT ", held_roles!("group_concat", "?1")),
        postgres concat!("SELECT ", held_roles!("string_agg", "?1"));
    INSERT_MANY =
        sqlite "INSERT INTO user_roles (user_id, role, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        postgres "INSERT INTO user_roles (user_id, role, granted_at, granted_by) \
            SELECT (value ->> 0)::uuid, value ->> 1, (value ->> 2)::bigint, (value ->> 3)::uuid \
            FROM jsonb_array_elements(?1::text::jsonb) ON CONFLICT DO NOTHING";
    BY_USERS =
        sqlite "SELECT user_id, role FROM user_roles WHERE user_id IN (SELECT unhex(value, '-') FROM json_each(?1))",
        postgres "SELECT user_id, role FROM user_roles WHERE user_id IN \
            (SELECT jsonb_array_elements_text(?1::text::jsonb)::uuid)";
    HOLDER_EXISTS = "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND u.deleted_at IS NULL)";
    HOLDERS_WITHOUT_SECOND_FACTOR = "SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND u.deleted_at IS NULL AND NOT u.two_factor_enabled";
    ANOTHER_HOLDER_EXISTS = "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u ON u.id = r.user_id \
        WHERE r.role = ?1 AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL AND u.id <> ?2)";
    ROLE =
        sqlite roles!("group_concat", "WHERE o.name = ?1"),
        postgres roles!("string_agg", "WHERE o.name = ?1");
    ROLES =
        sqlite roles!("group_concat", "ORDER BY o.name"),
        postgres roles!("string_agg", "ORDER BY o.name");
    INSERT_ROLE = "INSERT INTO roles (name, description, version, created_at, updated_at) VALUES (?1, ?2, 1, ?3, ?3) \
        ON CONFLICT (name) DO NOTHING";
    DESCRIBE_ROLE = "UPDATE roles SET description = ?2, version = version + 1, updated_at = ?3 WHERE name = ?1";
    REMOVE_FROM_TOMBSTONES = "DELETE FROM user_roles WHERE role = ?1 \
        AND user_id IN (SELECT u.id FROM users u WHERE u.deleted_at IS NOT NULL) RETURNING user_id";
    IS_HELD = "SELECT EXISTS (SELECT 1 FROM user_roles WHERE role = ?1)";
    DELETE_ROLE = "DELETE FROM roles WHERE name = ?1";
    ADD_PERMISSION = "INSERT INTO role_permissions (role, permission, granted_at, granted_by) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (role, permission) DO NOTHING";
    REMOVE_PERMISSION = "DELETE FROM role_permissions WHERE role = ?1 AND permission = ?2";
    OWN_PERMISSIONS = "SELECT name, description, created_at FROM permissions ORDER BY name";
    OWN_PERMISSION_EXISTS = "SELECT EXISTS (SELECT 1 FROM permissions WHERE name = ?1)";
    INSERT_OWN_PERMISSION = "INSERT INTO permissions (name, description, created_at, created_by) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (name) DO NOTHING";
    DELETE_OWN_PERMISSION = "DELETE FROM permissions WHERE name = ?1";
    DELETE_GRANTS_OF_PERMISSION = "DELETE FROM role_permissions WHERE permission = ?1";
    /// Which roles of a user bring a permission, and who gave what.
    WHY = "SELECT r.role, r.granted_at, r.granted_by, p.granted_at, p.granted_by \
        FROM user_roles r LEFT JOIN role_permissions p ON p.role = r.role AND p.permission = ?2 \
        WHERE r.user_id = ?1 AND (p.role IS NOT NULL OR r.role = ?3) ORDER BY r.role";
    ROLES_WITH = "SELECT role FROM role_permissions WHERE permission = ?1 ORDER BY role";
    HOLDERS = who_can!("ORDER BY r.user_id DESC LIMIT ?2");
    HOLDERS_BEFORE = who_can!("AND r.user_id < ?3 ORDER BY r.user_id DESC LIMIT ?2");
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

pub(super) fn remove(tx: &mut WriteTx<'_>, user: UserId, role: &str) -> Result<bool, DbError> {
    Ok(tx.execute(&REMOVE, &params![user, role])? == 1)
}

pub(super) fn held_by(tx: &mut ReadTx<'_>, user: UserId) -> Result<Vec<HeldRole>, DbError> {
    let text: Option<String> = tx.query_one(&HELD_BY, &params![user], |row| row.get(0))?;
    Ok(HeldRole::all_from_text(text.as_deref()))
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

pub(super) fn role_by_name(tx: &mut ReadTx<'_>, name: &str) -> Result<Option<Role>, DbError> {
    // What cannot be a name is none; PostgreSQL would not even take it for a text.
    match is_role_name(name) {
        true => tx.query_opt(&ROLE, &params![name], role_from_row),
        false => Ok(None),
    }
}

pub(super) fn roles(tx: &mut ReadTx<'_>) -> Result<Vec<Role>, DbError> {
    tx.query_all(&ROLES, &params![], role_from_row)
}

fn role_from_row(row: &Row<'_>) -> Result<Role, DbError> {
    let permissions: Option<String> = row.get(5)?;
    let mut permissions: Vec<_> =
        permissions.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
    permissions.sort();
    Ok(Role {
        held: HeldRole { name: row.get(0)?, permissions },
        description: row.get(1)?,
        version: row.get(2)?,
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    })
}

/// Whether the name was free.
pub(super) fn insert_role(
    tx: &mut WriteTx<'_>,
    name: &str,
    description: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&INSERT_ROLE, &params![name, description, now])? == 1)
}

/// Also counts the version up where only the permissions change.
pub(super) fn describe_role(
    tx: &mut WriteTx<'_>,
    name: &str,
    description: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&DESCRIBE_ROLE, &params![name, description, now]).map(|_| ())
}

/// Whether it went: a role that somebody holds stays.
pub(super) fn delete_role(tx: &mut WriteTx<'_>, name: &str) -> Result<bool, DbError> {
    if is_held(tx, name)? {
        return Ok(false);
    }
    tx.execute(&DELETE_ROLE, &params![name])?;
    Ok(true)
}

/// Takes a role from every deleted account, and says from which.
pub(super) fn remove_from_tombstones(tx: &mut WriteTx<'_>, role: &str) -> Result<Vec<UserId>, DbError> {
    tx.query_all(&REMOVE_FROM_TOMBSTONES, &params![role], |row| row.get(0))
}

/// Whether somebody has a role, deleted accounts included.
pub(super) fn is_held(tx: &mut ReadTx<'_>, role: &str) -> Result<bool, DbError> {
    tx.query_one(&IS_HELD, &params![role], |row| row.get(0))
}

pub(super) fn add_permission(
    tx: &mut WriteTx<'_>,
    act: &Act,
    role: &str,
    permission: &str,
) -> Result<(), DbError> {
    tx.execute(&ADD_PERMISSION, &params![role, permission, act.at, act.actor]).map(|_| ())
}

pub(super) fn remove_permission(tx: &mut WriteTx<'_>, role: &str, permission: &str) -> Result<(), DbError> {
    tx.execute(&REMOVE_PERMISSION, &params![role, permission]).map(|_| ())
}

pub(super) fn own_permissions(tx: &mut ReadTx<'_>) -> Result<Vec<OwnPermission>, DbError> {
    tx.query_all(&OWN_PERMISSIONS, &params![], |row| {
        Ok(OwnPermission { name: row.get(0)?, description: row.get(1)?, created_at: row.get(2)? })
    })
}

pub(super) fn own_permission_exists(tx: &mut ReadTx<'_>, name: &str) -> Result<bool, DbError> {
    // As with roles.
    Ok(is_permission_name(name) && tx.query_one(&OWN_PERMISSION_EXISTS, &params![name], |row| row.get(0))?)
}

/// Whether the name was free.
pub(super) fn insert_own_permission(
    tx: &mut WriteTx<'_>,
    act: &Act,
    permission: &OwnPermission,
) -> Result<bool, DbError> {
    let OwnPermission { name, description, created_at } = permission;
    Ok(tx.execute(&INSERT_OWN_PERMISSION, &params![name, description, created_at, act.actor])? == 1)
}

/// Whether there was one. Every role loses it.
pub(super) fn delete_own_permission(tx: &mut WriteTx<'_>, name: &str) -> Result<bool, DbError> {
    tx.execute(&DELETE_GRANTS_OF_PERMISSION, &params![name])?;
    Ok(tx.execute(&DELETE_OWN_PERMISSION, &params![name])? == 1)
}

/// One role of a user that brings a permission.
pub(super) struct ReasonRow {
    pub(super) role: String,
    pub(super) given: Grant,
    /// When the role got the permission; `None` where it is in the role's nature.
    pub(super) permission_given: Option<Grant>,
}

pub(super) fn why(
    tx: &mut ReadTx<'_>,
    user: UserId,
    permission: &str,
    role_with_all: Option<&str>,
) -> Result<Vec<ReasonRow>, DbError> {
    tx.query_all(&WHY, &params![user, permission, role_with_all.unwrap_or_default()], |row| {
        let at: Option<Timestamp> = row.get(3)?;
        let by = row.get(4)?;
        Ok(ReasonRow {
            role: row.get(0)?,
            given: Grant { at: row.get(1)?, by: row.get(2)? },
            permission_given: at.map(|at| Grant { at, by }),
        })
    })
}

pub(super) fn roles_with(tx: &mut ReadTx<'_>, permission: &str) -> Result<Vec<String>, DbError> {
    tx.query_all(&ROLES_WITH, &params![permission], |row| row.get(0))
}

/// Usable accounts that have a role, newest first.
pub(super) fn holders(
    tx: &mut ReadTx<'_>,
    role: &str,
    before: Option<UserId>,
    limit: i64,
) -> Result<Vec<User>, DbError> {
    match before {
        None => tx.query_all(&HOLDERS, &params![role, limit], user_from_row),
        Some(before) => tx.query_all(&HOLDERS_BEFORE, &params![role, limit, before], user_from_row),
    }
}
