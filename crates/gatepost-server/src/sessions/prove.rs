//! One more proof in a session that goes on.

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::identities::{Identities, Identity};
use super::model::SecondFactor;
use super::sql;

/// Notes that the user of a session has just proven who they are, with a second factor or without: the session is fresh
/// from the commit on, on this node at once.
///
/// # Errors
/// What the database says.
pub fn prove(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    of: &Identity,
    second: Option<SecondFactor>,
    now: Timestamp,
) -> Result<(), DbError> {
    identities.forget_after_commit(tx, of.user.id);
    sql::prove(tx, of.session.id, second.is_some(), now)
}
