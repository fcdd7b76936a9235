//! The writer thread: group commit.
//!
//! While one commit waits for the disk, further jobs queue up; the next transaction takes them all. Each job runs
//! in a savepoint of its own, so that one that fails or panics is undone alone. Answers leave only after the commit
//! of the whole batch, also answers that are errors: a job may have decided on its error because of a row that a
//! neighbour wrote, and that row is not there when the commit fails. There is no timer: a lone job commits at once.

use std::time::{Duration, Instant};

use async_channel::Receiver;
use rusqlite::{Connection, ErrorCode, ffi};

use super::engine;
use super::reader::{leave_transaction, transaction_control};
use crate::job::{Job, Mode, Ran, run_hooks};
use crate::tx::Hook;
use crate::{DbError, Options};

/// When a batch ends.
struct Limits {
    /// After so many jobs, …
    jobs: usize,
    /// … or after so much work, so that the first job's caller does not wait for the last one's.
    work: Duration,
}

const LIMITS: Limits = Limits { jobs: 256, work: Duration::from_millis(5) };

/// The connection can no longer be trusted: the thread ends, and with it the queue.
struct Untrusted;

pub(super) fn run(mut connection: Connection, jobs: &Receiver<Job>, options: &Options) {
    let mut carried = None;
    while let Some(first) = carried.take().or_else(|| jobs.recv_blocking().ok()) {
        // Asked before the transaction begins: when another process holds the database, each attempt to begin
        // takes seconds, and those who waited too long already must not wait for that too.
        if first.is_stale(options.queue_wait) {
            first.settle(Err(DbError::Busy));
            continue;
        }
        let next = if first.mode == Mode::Migration {
            migrate(&mut connection, first, options).map(|()| None)
        } else {
            commit_batch(&mut connection, first, jobs, options, &LIMITS)
        };
        match next {
            Ok(job) => carried = job,
            Err(Untrusted) => {
                tracing::error!("the writer of the database has stopped");
                return;
            }
        }
    }
    // The last connection to close folds the WAL into the database: the file that stays needs no recovery.
}

/// A job that ran, and how to settle it once the batch is durable.
struct Settled {
    job: Job,
    answer: Result<(), DbError>,
    hooks: Vec<Hook>,
}

/// Runs one transaction. Returns a job that must not share it, to be run next.
fn commit_batch(
    connection: &mut Connection,
    first: Job,
    jobs: &Receiver<Job>,
    options: &Options,
    limits: &Limits,
) -> Result<Option<Job>, Untrusted> {
    if let Err(error) = transaction_control(connection, "BEGIN IMMEDIATE") {
        first.settle(Err(error));
        return Ok(None);
    }
    let started = Instant::now();
    let mut batch: Vec<Settled> = Vec::new();
    let mut carried = None;
    let mut next = Some(first);
    while let Some(job) = next.take() {
        if job.mode == Mode::Migration {
            carried = Some(job);
            break;
        }
        if job.is_stale(options.queue_wait) {
            job.settle(Err(DbError::Busy));
        } else {
            match run_in_savepoint(connection, job, options.rehearse) {
                Ok(settled) => batch.push(settled),
                Err((job, error)) => {
                    // The engine gave up the whole transaction (disk full, I/O error): nobody's rows are there.
                    let left = leave_transaction(connection);
                    job.settle(Err(error.clone()));
                    fail(batch, &error);
                    return left.map(|()| None).map_err(|_| Untrusted);
                }
            }
        }
        if batch.len() < limits.jobs && started.elapsed() < limits.work {
            next = jobs.try_recv().ok();
        }
    }
    match commit(connection, options) {
        Ok(()) => {
            metrics::histogram!("db_group_commit_jobs").record(batch.len() as f64);
            for settled in batch {
                run_hooks(settled.hooks);
                settled.job.settle(settled.answer);
            }
            Ok(carried)
        }
        Err(Failed { error, trusted }) => {
            fail(batch, &error);
            if trusted { Ok(carried) } else { Err(Untrusted) }
        }
    }
}

/// Fails every job of a batch whose commit failed.
fn fail(batch: Vec<Settled>, error: &DbError) {
    tracing::error!(jobs = batch.len(), error = %error, "a commit failed");
    for settled in batch {
        settled.job.settle(Err(error.clone()));
    }
}

/// Runs one job. `Err` means that the engine has rolled back the whole transaction under it.
fn run_in_savepoint(
    connection: &mut Connection,
    mut job: Job,
    rehearse: bool,
) -> Result<Settled, (Job, DbError)> {
    let mut ran = attempt(connection, &mut job);
    if rehearse && job.mode == Mode::Write && matches!(ran, Ok(Ran::Keep(_))) {
        // A test mode: on PostgreSQL a function may run several times, so it must not mind.
        let undone = undo(connection);
        ran = undone.and_then(|()| attempt(connection, &mut job));
    }
    let ended = match ran {
        Ok(Ran::Keep(hooks)) => close_savepoint(connection).map(|()| (Ok(()), hooks)),
        Ok(Ran::Undo { answer, cause }) if connection.is_autocommit() => {
            let unexplained = || super::failed("run a statement")("SQLite rolled back the whole transaction");
            Err(cause.or(answer.err()).unwrap_or_else(unexplained))
        }
        Ok(Ran::Undo { answer, .. }) => undo(connection).map(|()| (answer, Vec::new())),
        Err(error) => Err(error),
    };
    match ended {
        Ok((answer, hooks)) => Ok(Settled { job, answer, hooks }),
        Err(error) => Err((job, error)),
    }
}

fn attempt(connection: &mut Connection, job: &mut Job) -> Result<Ran, DbError> {
    transaction_control(connection, "SAVEPOINT job")?;
    Ok(job.run(connection))
}

fn undo(connection: &Connection) -> Result<(), DbError> {
    transaction_control(connection, "ROLLBACK TO job")?;
    close_savepoint(connection)
}

fn close_savepoint(connection: &Connection) -> Result<(), DbError> {
    transaction_control(connection, "RELEASE job")
}

/// A commit that did not happen.
struct Failed {
    error: DbError,
    trusted: bool,
}

/// Commits. When the disk did not confirm it, that is the end of the process.
fn commit(connection: &Connection, options: &Options) -> Result<(), Failed> {
    let committed = connection.prepare_cached("COMMIT").and_then(|mut prepared| prepared.raw_execute());
    let Err(error) = committed else { return Ok(()) };
    let confirmed = !is_failed_fsync(&error);
    if !confirmed {
        // After a failed fsync the kernel may drop the pages it could not write and report success the next time
        // (PostgreSQL's "fsyncgate", 2018). Nothing may be acknowledged by this process any more.
        (options.fatal)("the disk did not confirm a commit (fsync failed); restart to recover");
    }
    let left = leave_transaction(connection);
    Err(Failed { error: engine("commit a transaction")(error), trusted: confirmed && left.is_ok() })
}

fn is_failed_fsync(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        failure.code == ErrorCode::SystemIoFailure
            && matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}

/// Runs a migration alone. Foreign keys are off while it rebuilds tables, and checked before it commits.
fn migrate(connection: &mut Connection, mut job: Job, options: &Options) -> Result<(), Untrusted> {
    let end = match switch_foreign_keys(connection, false) {
        Ok(()) => run_migration(connection, &mut job, options),
        Err(error) => Err(Undone { answer: Err(error), trusted: true }),
    };
    let left = leave_transaction(connection);
    let guarded = left.and_then(|()| switch_foreign_keys(connection, true));
    match end {
        Ok(hooks) => {
            run_hooks(hooks);
            job.settle(Ok(()));
            guarded.map_err(|_| Untrusted)
        }
        Err(Undone { answer, trusted }) => {
            job.settle(answer);
            if trusted { guarded.map_err(|_| Untrusted) } else { Err(Untrusted) }
        }
    }
}

/// A migration that did not happen, and how to settle its job.
struct Undone {
    answer: Result<(), DbError>,
    trusted: bool,
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self { answer: Err(error), trusted: true }
    }
}

fn run_migration(connection: &mut Connection, job: &mut Job, options: &Options) -> Result<Vec<Hook>, Undone> {
    transaction_control(connection, "BEGIN IMMEDIATE")?;
    match job.run(connection) {
        Ran::Keep(hooks) => {
            let broken = connection
                .prepare("PRAGMA foreign_key_check")
                .and_then(|mut check| check.exists([]))
                .map_err(engine("check foreign keys"))?;
            if broken {
                let problem = "rows refer to rows that are not there";
                return Err(super::failed("check foreign keys")(problem).into());
            }
            commit(connection, options)
                .map_err(|Failed { error, trusted }| Undone { answer: Err(error), trusted })?;
            Ok(hooks)
        }
        Ran::Undo { answer, .. } => Err(Undone { answer, trusted: true }),
    }
}

fn switch_foreign_keys(connection: &Connection, on: bool) -> Result<(), DbError> {
    connection.pragma_update(None, "foreign_keys", on).map_err(engine("switch foreign keys"))
}

#[cfg(test)]
mod tests;
