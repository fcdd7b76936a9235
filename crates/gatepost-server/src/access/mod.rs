//! Access: who may do what.
//!
//! A permission, `resource:action`, is what an operation asks for; the code declares each as a type and names it in the
//! handler's signature ([`Require`](crate::http::Require)). A role is a set of permissions. An account has any number of
//! roles, and its rights are what they add up to.
//!
//! Invariants:
//! * Decisions read the roles of the database, never the `roles` claim of a token, which only informs other services. A
//!   change is seen by the next request on the same node, and by every node within [`MAX_AGE`](crate::sessions::MAX_AGE).
//!   Whatever changes something asks once more in its transaction.
//! * A role that needs a second factor counts only in a session that showed one.
//! * Nobody gives what they do not have, and nobody touches an account or a role that reaches further than they do
//!   ([`Authority`]).
//! * Two roles are built in: `user`, which every account has, and `admin`, which may do everything. Once there is an owner,
//!   there is always an active account with the role `admin`: transactions are serializable, so two administrators who
//!   remove each other at the same moment cannot both succeed.

mod assign_roles;
mod change_role;
mod create_permission;
mod create_role;
mod delete_account;
mod delete_permission;
mod delete_role;
mod explain;
mod holders;
mod model;
mod read_permissions;
mod read_roles;
mod sql;
mod standing;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_problem::{FieldError, Problem, ProblemType};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts;
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::http::{Denied, Rights, storage_problem};
use crate::ids::UserId;

pub use assign_roles::{may_give, set_roles};
pub use holders::{holders_without_second_factor, somebody_has};
pub use model::{AccessRules, Authority, HeldRole};
pub use sql::STATEMENTS;
pub(crate) use sql::held_roles;
pub use standing::{delete, is_last_admin, may_act_on, set_active};

crate::permissions! {
    RolesRead = "roles:read", "See roles, permissions, and who has which.";
    RolesWrite = "roles:write", "Make and change roles and permissions, within one's own rights.";
    RolesAssign = "roles:assign", "Give and take roles, within one's own rights.";
}

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(delete_account::handler))
        .routes(routes!(assign_roles::handler))
        .routes(routes!(read_roles::list, create_role::handler))
        .routes(routes!(read_roles::get, change_role::handler, delete_role::handler))
        .routes(routes!(read_permissions::handler, create_permission::handler))
        .routes(routes!(delete_permission::handler))
        .routes(routes!(explain::handler))
}

/// The role that every account has.
pub const USER: &str = "user";
/// The role that may do everything.
pub const ADMIN: &str = "admin";

/// How many roles there can be: they are shown on one page and read whole.
const MOST_ROLES: usize = 200;
/// How many permissions of the operator's own there can be.
const MOST_PERMISSIONS: usize = 500;

/// Why access was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not, any more.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Without it nobody would administer this installation.
    #[error("this is the last administrator")]
    LastAdmin,
    /// The caller has fewer rights than they would give, take or touch.
    #[error("this reaches further than the rights of the caller")]
    BeyondOwnRights,
    /// There is no such role or permission.
    #[error("there is no such role or permission")]
    NotFound,
    /// The role named in this place of the request does not exist.
    #[error("the role in place {0} does not exist")]
    UnknownRole(usize),
    /// The permission named in this place of the request does not exist.
    #[error("the permission in place {0} does not exist")]
    UnknownPermission(usize),
    /// The state rules it out; the sentence is for the client.
    #[error("{0}")]
    Conflict(&'static str),
    /// The object has changed since the client read it.
    #[error("the object has another version")]
    VersionMismatch,
    /// There is no such account, or it cannot become that.
    #[error(transparent)]
    Account(#[from] accounts::Error),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(denied) => denied.into(),
            Error::LastAdmin => Self::new(ProblemType::LastAdmin),
            Error::BeyondOwnRights => Self::new(ProblemType::Forbidden)
                .detail("This reaches further than your own rights: it takes somebody who has them."),
            Error::NotFound => Self::not_found(),
            Error::UnknownRole(place) => {
                unknown(format!("/roles/{place}"), "unknown_role", "There is no such role.")
            }
            Error::UnknownPermission(place) => {
                unknown(format!("/permissions/{place}"), "unknown_permission", "There is no such permission.")
            }
            Error::Conflict(why) => Self::new(ProblemType::Conflict).detail(why),
            Error::VersionMismatch => Self::new(ProblemType::VersionMismatch),
            Error::Account(accounts::Error::Db(error)) => storage_problem(error),
            Error::Account(error) => error.into(),
        }
    }
}

fn unknown(pointer: String, code: &'static str, detail: &'static str) -> Problem {
    Problem::validation(vec![FieldError::new(pointer, code, detail)])
}

/// Gives a role that exists. Giving it twice is the same as once.
///
/// # Errors
/// What the database says; [`DbError::Constraint`] for a role that does not exist.
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
pub fn known_roles(tx: &mut ReadTx<'_>) -> Result<Vec<String>, DbError> {
    Ok(sql::roles(tx)?.into_iter().map(|role| role.held.name).collect())
}

/// The roles of these accounts, in no order.
///
/// # Errors
/// What the database says.
pub fn roles_of_all(tx: &mut ReadTx<'_>, users: &[UserId]) -> Result<Vec<(UserId, String)>, DbError> {
    sql::roles_by_users(tx, users)
}

/// Whether a text can be the name of a role.
pub fn is_role_name(text: &str) -> bool {
    model::role_name(text.to_owned()).is_ok()
}

/// Whether there is such a role.
///
/// # Errors
/// What the database says.
pub fn role_exists(tx: &mut ReadTx<'_>, role: &str) -> Result<bool, DbError> {
    sql::role_by_name(tx, role).map(|found| found.is_some())
}

/// The roles of an account.
///
/// # Errors
/// What the database says.
pub fn roles_of(tx: &mut ReadTx<'_>, user: UserId) -> Result<Vec<HeldRole>, DbError> {
    sql::held_by(tx, user)
}

/// All the rights of an account, as if a second factor had been shown.
///
/// # Errors
/// What the database says.
pub fn rights_of(tx: &mut ReadTx<'_>, rules: &AccessRules, user: UserId) -> Result<Rights, DbError> {
    Ok(rules.rights(sql::held_by(tx, user)?, true))
}
