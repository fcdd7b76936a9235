//! Reserve, verify, settle: an attempt counts as failed before anybody knows how it ends.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{Problem, ProblemType};

use super::lockout::{Bucket, Kind};
use super::record::{Reason, note};
use super::sql;
use super::target::{BucketId, Target};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::storage_problem;
use crate::ids::UserId;

/// The right to verify one password.
///
/// Until it is settled, it is a failure: whoever goes away while the hash is computed has used it up. Dropping it is the
/// same as failing.
pub struct Reservation {
    target: Target,
    origin: Origin,
    bucket: BucketId,
    failures: i64,
    reserved_at: Timestamp,
}

/// Why nothing may be verified.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too many have failed. Nothing was counted.
    #[error("too many failed attempts on this account")]
    Locked(Locked),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Too many attempts have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    /// How long to wait: whole seconds, at least one.
    pub retry_after: u32,
}

/// Reserves an attempt, or refuses it; a refused one does not count. Call it before a password is verified, for every
/// operation that takes one.
///
/// # Errors
/// [`Refused`].
pub async fn reserve(app: &App, origin: &Origin, target: Target) -> Result<Reservation, Refused> {
    let now = app.clock.now();
    // A device that failed too often is one of everybody.
    for bucket in [target.device(), Some(target.everybody())].into_iter().flatten() {
        if let Some(failures) = sql::reserve(&app.db, &bucket, now).await? {
            let origin = origin.clone();
            return Ok(Reservation { target, origin, bucket, failures, reserved_at: now });
        }
    }
    let bucket = sql::bucket(&app.db, &target.everybody()).await?.unwrap_or(Bucket::EMPTY);
    note(app, origin, target.user, Reason::Locked).await?;
    Err(Refused::Locked(Locked::of(&bucket, now)))
}

impl From<Locked> for Problem {
    fn from(locked: Locked) -> Self {
        Self::new(ProblemType::TooManyAttempts).retry_after(locked.retry_after)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Locked(locked) => locked.into(),
            Refused::Db(error) => storage_problem(error),
        }
    }
}

impl Locked {
    fn of(bucket: &Bucket, now: Timestamp) -> Self {
        // Somebody may have cleared the bucket meanwhile: then the next attempt is welcome at once.
        let wait = bucket.refusal(Kind::Everybody, now).unwrap_or_default();
        let seconds = wait.as_micros().div_ceil(Duration::from_secs(1).as_micros()).max(1);
        Self { retry_after: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

impl Reservation {
    /// What was aimed at.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// How many attempts in a row have failed in this bucket, if this one fails.
    pub const fn failures(&self) -> i64 {
        self.failures
    }

    /// The password was right: forgets the failures of the account, in the transaction that makes use of the proof.
    ///
    /// # Errors
    /// What the database says.
    pub fn succeeded(&self, tx: &mut WriteTx<'_>) -> Result<(), DbError> {
        sql::clear(tx, &self.bucket, &self.target.everybody()).map(|_| ())
    }

    /// The same at once, where what is done with the proof may yet be refused for another reason.
    ///
    /// # Errors
    /// What the database says.
    pub async fn proven(self, app: &App) -> Result<(), DbError> {
        app.db.write(move |tx| self.succeeded(tx)).await
    }

    /// The password was wrong: the failure is counted already, and is written down here.
    ///
    /// # Errors
    /// What the database says.
    pub async fn failed(self, app: &App) -> Result<(), DbError> {
        let reason = match self.target.user {
            Some(_) => Reason::InvalidCredentials,
            None => Reason::UnknownAccount,
        };
        note(app, &self.origin, self.target.user, reason).await
    }

    /// Nothing was verified, or nothing came of a right password, and not because of the client: the attempt does not
    /// count. When that cannot be written, it counts.
    pub async fn give_back(&self, app: &App) {
        let done = sql::give_back(&app.db, &self.bucket, self.failures, self.reserved_at).await;
        if let Err(error) = done {
            tracing::warn!(error = &error as &dyn std::error::Error, "could not give an attempt back");
        }
    }
}

/// Forgets the failures of everybody on an account: after a reset, or because an operator says so. Whether there were any.
///
/// # Errors
/// What the database says.
pub fn reopen(tx: &mut WriteTx<'_>, target: &Target) -> Result<bool, DbError> {
    let everybody = target.everybody();
    sql::clear(tx, &everybody, &everybody)
}

/// The same for accounts that have just come to be: what was counted against their names is not their owners'.
///
/// # Errors
/// What the database says.
pub fn reopen_all(tx: &mut WriteTx<'_>, targets: &[Target]) -> Result<(), DbError> {
    sql::clear_many(tx, targets.iter().map(|target| target.everybody().account))
}

/// Lifts the lock-out of an account, because an operator says so. Whether there was one.
///
/// # Errors
/// What the database says.
pub fn unlock(tx: &mut WriteTx<'_>, act: &Act, user: UserId, target: &Target) -> Result<bool, DbError> {
    let reopened = reopen(tx, target)?;
    if reopened {
        audit::record(tx, act, &Event::Unlocked { user })?;
    }
    Ok(reopened)
}
