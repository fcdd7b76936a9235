//! Whether anybody has a role, for those who start and check an installation.

use gatepost_db::{DbError, ReadTx};

use super::sql;

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
