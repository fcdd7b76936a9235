//! Access: which roles an account has, and what a role may do.
//!
//! Invariants: decisions read the roles of the database, never the `roles` claim of a token, which only informs other
//! services. A role that needs a second factor counts only in a session that showed one. Two roles are built in: `user`, which every account has, and `admin`. Once there is an owner, there is always
//! an active account with the role `admin`.

mod delete_account;
mod second_factor_roles;
mod sql;
mod standing;

use gatepost_db::{DbError, ReadTx, WriteTx};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts;
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::http::Rights;
use crate::ids::UserId;

pub use second_factor_roles::SecondFactorRoles;
pub use sql::STATEMENTS;
pub use standing::{StandingError, is_last_admin, set_active};

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(delete_account::handler))
}

/// The role that every account has.
pub const USER: &str = "user";
/// The role that may do everything.
pub const ADMIN: &str = "admin";

/// What an administrator may do, as `resource:action`.
const ADMIN_PERMISSIONS: &[&str] =
    &["audit:read", "roles:assign", "roles:read", "roles:write", "users:delete", "users:read", "users:write"];

/// Whether this names a permission.
pub fn is_permission(name: &str) -> bool {
    ADMIN_PERMISSIONS.contains(&name)
}

/// What these roles add up to.
pub fn rights(mut roles: Vec<String>) -> Rights {
    roles.sort();
    let permissions = if roles.iter().any(|role| role == ADMIN) { ADMIN_PERMISSIONS } else { &[] };
    Rights { permissions: permissions.iter().map(|&permission| permission.to_owned()).collect(), roles }
}

/// Gives a role. Giving it twice is the same as once.
///
/// # Errors
/// What the database says.
pub fn grant(tx: &mut WriteTx<'_>, act: &Act, user: UserId, role: &str) -> Result<(), DbError> {
    if sql::insert(tx, act, user, role)? {
        accounts::touch(tx, user, act.at)?;
        audit::record(tx, act, &Event::RoleGranted { user, role: role.to_owned() })?;
    }
    Ok(())
}

/// Gives new accounts their roles. The caller records them with the accounts.
///
/// # Errors
/// What the database says.
pub fn bring(tx: &mut WriteTx<'_>, act: &Act, grants: &[(UserId, String)]) -> Result<(), DbError> {
    sql::insert_many(tx, act, grants)
}

/// The names of all roles that there are, sorted.
///
/// # Errors
/// What the database says.
pub fn known_roles(_: &mut ReadTx<'_>) -> Result<Vec<String>, DbError> {
    Ok(vec![ADMIN.to_owned(), USER.to_owned()])
}

/// The roles of these accounts, in no order.
///
/// # Errors
/// What the database says.
pub fn roles_of(tx: &mut ReadTx<'_>, users: &[UserId]) -> Result<Vec<(UserId, String)>, DbError> {
    sql::roles_by_users(tx, users)
}

/// The rights of an account.
///
/// # Errors
/// What the database says.
pub fn rights_of(tx: &mut ReadTx<'_>, user: UserId) -> Result<Rights, DbError> {
    sql::roles_by_user(tx, user).map(rights)
}

/// How many living, active accounts have the role and no second factor.
///
/// # Errors
/// What the database says.
pub fn holders_without_second_factor(tx: &mut ReadTx<'_>, role: &str) -> Result<i64, DbError> {
    sql::holders_without_second_factor(tx, role)
}

/// Whether a living, active account has the role.
///
/// # Errors
/// What the database says.
pub fn somebody_has(tx: &mut ReadTx<'_>, role: &str) -> Result<bool, DbError> {
    sql::holder_exists(tx, role)
}
