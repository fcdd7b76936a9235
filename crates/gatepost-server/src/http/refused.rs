//! [`Refused`]: what can stand in the way of an operation on something that an account owns.

use gatepost_db::DbError;
use gatepost_problem::{Problem, ProblemType};

use super::{Denied, storage_problem};

/// Why an operation on something that an account owns did not happen. Every such resource has the same reasons, so that none
/// answers its own way.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The caller may not, any more.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none. What belongs to a deleted account is as absent as what never was.
    #[error("there is no such object")]
    NotFound,
    /// It belongs to another account.
    #[error("the object belongs to another account")]
    NotOwner,
    /// It has changed since the client read it.
    #[error("the object has another version")]
    VersionMismatch,
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Denied(error.into())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Denied(Denied::Db(error)) => storage_problem(error),
            Refused::Denied(denied) => denied.into(),
            Refused::NotFound => Self::not_found(),
            Refused::NotOwner => Self::new(ProblemType::NotOwner),
            Refused::VersionMismatch => Self::new(ProblemType::VersionMismatch),
        }
    }
}
