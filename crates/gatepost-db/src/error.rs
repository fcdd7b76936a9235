//! What can go wrong between a statement and a durable commit.

use std::error::Error;
use std::sync::Arc;

/// Why a transaction did not give its answer.
///
/// Cheap to clone: when a commit fails, every transaction of the batch receives the same error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// A uniqueness, foreign-key, check or not-null rule refused a row. The transaction was rolled back.
    #[error("a {kind} constraint refused the row")]
    Constraint {
        /// Which kind of rule.
        kind: Constraint,
        /// What the engine said, for the operator.
        #[source]
        source: Cause,
    },
    /// The queue is full, the wait for a turn was too long, or another process holds the database. Nothing was
    /// done: the caller may try again.
    #[error("the database is busy")]
    Busy,
    /// A statement or a lock took longer than allowed. The transaction was rolled back.
    #[error("the database took too long")]
    Timeout,
    /// The database cannot be reached. Nothing was committed.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The connection broke while the commit was under way: it may or may not have happened.
    #[error("the outcome of the commit is unknown")]
    CommitUnknown(#[source] Cause),
    /// The disk is full. The transaction was rolled back.
    #[error("the storage is full")]
    StorageFull,
    /// The database is shutting down.
    #[error("the database is closed")]
    Closed,
    /// The transaction function panicked. It was rolled back alone.
    #[error("a transaction panicked: {0}")]
    Panicked(Arc<str>),
    /// A column did not hold what the code expected: a mistake in a statement or a foreign row.
    #[error("column {column} of {statement}: {problem}")]
    Decode {
        /// The name of the statement.
        statement: &'static str,
        /// The position of the column, from zero.
        column: usize,
        /// What was found.
        problem: &'static str,
    },
    /// A query that promises at most one row found more, or one that promises a row found none.
    #[error("{statement} found {found} rows where one was promised")]
    RowCount {
        /// The name of the statement.
        statement: &'static str,
        /// "no" or "several".
        found: &'static str,
    },
    /// The transaction lost a race against another one and must be run again. The seam does that itself; callers
    /// see it only when the deadline passed, as [`DbError::Busy`].
    #[error("the transaction must be run again")]
    Conflict,
    /// Anything else that the engine reported: a mistake in a statement, or a broken database.
    #[error("{context}")]
    Engine {
        /// What was being done.
        context: &'static str,
        /// What the engine said.
        #[source]
        source: Cause,
    },
}

/// The engine's own error, kept for the log.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The kind of rule that refused a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// A unique index or primary key.
    Unique,
    /// A reference to a row that is not there, or from rows that still are.
    ForeignKey,
    /// A `CHECK` expression.
    Check,
    /// A `NOT NULL` column.
    NotNull,
    /// A rule that the engine did not name more exactly.
    Other,
}

impl std::fmt::Display for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unique => "unique",
            Self::ForeignKey => "foreign-key",
            Self::Check => "check",
            Self::NotNull => "not-null",
            Self::Other => "database",
        })
    }
}

impl DbError {
    /// Whether trying again later may succeed without any change: the HTTP edge answers 503 with `Retry-After`.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Busy
            | Self::Timeout
            | Self::Unavailable(_)
            | Self::CommitUnknown(_)
            | Self::StorageFull
            | Self::Closed
            | Self::Conflict => true,
            Self::Constraint { .. }
            | Self::Panicked(_)
            | Self::Decode { .. }
            | Self::RowCount { .. }
            | Self::Engine { .. } => false,
        }
    }
}
