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
use super::reader::transaction_control;
use crate::job::{Job, Mode, Ran, run_hooks};
use crate::tx::Hook;
use crate::{DbError, Options};

/// A batch ends after so many jobs, …
const MOST_JOBS: usize = 256;
/// … or after so much work, so that the first job's caller does not wait for the last one's.
const MOST_WORK: Duration = Duration::from_millis(5);

pub(super) fn run(mut connection: Connection, jobs: &Receiver<Job>, options: &Options) {
    let mut carried = None;
    while let Some(first) = carried.take().or_else(|| jobs.recv_blocking().ok()) {
        carried = if first.mode == Mode::Migration {
            migrate(&mut connection, first);
            None
        } else {
            commit_batch(&mut connection, first, jobs, options)
        };
    }
    // Leave a file that needs no recovery: the WAL is folded into the database when the last connection closes.
    drop(connection);
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
) -> Option<Job> {
    if let Err(error) = transaction_control(connection, "BEGIN IMMEDIATE") {
        first.settle(Err(error));
        return None;
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
                    drop(transaction_control(connection, "ROLLBACK"));
                    job.settle(Err(error.clone()));
                    fail(batch, &error);
                    return None;
                }
            }
        }
        if batch.len() < MOST_JOBS && started.elapsed() < MOST_WORK {
            next = jobs.try_recv().ok();
        }
    }
    match transaction_control_commit(connection, options) {
        Ok(()) => {
            metrics::histogram!("db_group_commit_jobs").record(batch.len() as f64);
            for settled in batch {
                run_hooks(settled.hooks);
                settled.job.settle(settled.answer);
            }
        }
        Err(error) => fail(batch, &error),
    }
    carried
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
    if rehearse && matches!(ran, Ok(Ran::Keep(_))) {
        // A test mode: on PostgreSQL a function may run several times, so it must not mind.
        let undone = undo(connection).and_then(|()| close_savepoint(connection));
        ran = undone.and_then(|()| attempt(connection, &mut job));
    }
    let ended = match ran {
        Ok(Ran::Keep(hooks)) => close_savepoint(connection).map(|()| (Ok(()), hooks)),
        Ok(Ran::Undo { answer, cause }) => {
            if connection.is_autocommit() {
                Err(cause.unwrap_or(DbError::Closed))
            } else {
                undo(connection).and_then(|()| close_savepoint(connection)).map(|()| (answer, Vec::new()))
            }
        }
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
    transaction_control(connection, "ROLLBACK TO job")
}

fn close_savepoint(connection: &Connection) -> Result<(), DbError> {
    transaction_control(connection, "RELEASE job")
}

/// Commits, and ends the process when the disk did not confirm it.
fn transaction_control_commit(connection: &Connection, options: &Options) -> Result<(), DbError> {
    let committed = connection.prepare_cached("COMMIT").and_then(|mut prepared| prepared.raw_execute());
    let Err(error) = committed else { return Ok(()) };
    if is_failed_fsync(&error) {
        // After a failed fsync the kernel may drop the pages it could not write and report success the next time
        // (PostgreSQL's "fsyncgate", 2018). Nothing may be acknowledged by this process any more.
        (options.fatal)("the disk did not confirm a commit (fsync failed); restart to recover");
    }
    if !connection.is_autocommit() {
        drop(transaction_control(connection, "ROLLBACK"));
    }
    Err(engine("commit a transaction")(error))
}

fn is_failed_fsync(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        failure.code == ErrorCode::SystemIoFailure
            && matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}

/// Runs a migration alone. Foreign keys are off while it rebuilds tables, and checked before it commits.
fn migrate(connection: &mut Connection, mut job: Job) {
    let mut run = || -> Result<Vec<Hook>, Result<(), DbError>> {
        connection
            .pragma_update(None, "foreign_keys", false)
            .map_err(|error| Err(engine("migrate")(error)))?;
        transaction_control(connection, "BEGIN IMMEDIATE").map_err(Err)?;
        match job.run(connection) {
            Ran::Keep(hooks) => {
                let broken = connection
                    .prepare("PRAGMA foreign_key_check")
                    .and_then(|mut check| check.exists([]))
                    .map_err(|error| Err(engine("check foreign keys")(error)))?;
                if broken {
                    let problem = "rows refer to rows that are not there";
                    return Err(Err(super::failed("check foreign keys")(problem)));
                }
                transaction_control(connection, "COMMIT").map_err(Err)?;
                Ok(hooks)
            }
            Ran::Undo { answer, .. } => Err(answer),
        }
    };
    let end = run();
    if !connection.is_autocommit() {
        drop(transaction_control(connection, "ROLLBACK"));
    }
    if let Err(error) = connection.pragma_update(None, "foreign_keys", true) {
        job.settle(Err(engine("switch foreign keys on")(error)));
        return;
    }
    match end {
        Ok(hooks) => {
            run_hooks(hooks);
            job.settle(Ok(()));
        }
        Err(answer) => job.settle(answer),
    }
}
