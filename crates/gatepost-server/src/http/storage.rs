//! What a client hears when the database could not help.

use gatepost_db::DbError;
use gatepost_problem::{OAuthCode, OAuthError, Problem, ProblemType};

/// Seconds after which a client may try again when the disk is full: time for somebody to notice.
const FULL: u32 = 10;

/// A database error as a problem: 503 when trying again may help, 500 otherwise. The cause is for the log.
pub fn storage_problem(error: DbError) -> Problem {
    if matches!(error, DbError::StorageFull) {
        Problem::new(ProblemType::StorageFull).retry_after(FULL).cause(error)
    } else if error.is_transient() {
        Problem::new(ProblemType::Busy).cause(error)
    } else {
        Problem::internal(error)
    }
}

/// The same in the dialect of RFC 6749.
pub fn storage_oauth_error(error: DbError) -> OAuthError {
    if error.is_transient() {
        OAuthError::new(OAuthCode::TemporarilyUnavailable).cause(error)
    } else {
        OAuthError::internal(error)
    }
}
