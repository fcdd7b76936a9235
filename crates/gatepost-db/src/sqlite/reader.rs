//! A reader thread: one connection that cannot write, one job after the other.

use async_channel::Receiver;
use rusqlite::Connection;

use super::engine;
use crate::job::{Job, Mode, Ran};
use crate::{DbError, Options};

pub(super) fn run(mut connection: Connection, jobs: &Receiver<Job>, options: &Options) {
    while let Ok(mut job) = jobs.recv_blocking() {
        if job.is_stale(options.queue_wait) {
            job.settle(Err(DbError::Busy));
            continue;
        }
        let end = read(&mut connection, &mut job);
        // A transaction that stayed open would hold the log back and show the next job an old snapshot.
        let left = leave_transaction(&connection);
        job.settle(end);
        if left.is_err() {
            tracing::error!("a reader of the database has stopped");
            return;
        }
    }
}

fn read(connection: &mut Connection, job: &mut Job) -> Result<(), DbError> {
    // One statement is a snapshot by itself.
    if job.mode != Mode::ReadOne {
        transaction_control(connection, "BEGIN")?;
    }
    match job.run(connection) {
        Ran::Keep(_) => Ok(()),
        Ran::Undo { answer, .. } => answer,
    }
}

/// `BEGIN`, `COMMIT`, `SAVEPOINT` and the like, prepared once.
pub(super) fn transaction_control(connection: &Connection, sql: &str) -> Result<(), DbError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut prepared| prepared.raw_execute())
        .map_err(engine("begin or end a transaction"))?;
    Ok(())
}

/// Rolls back whatever is open.
pub(super) fn leave_transaction(connection: &Connection) -> Result<(), DbError> {
    if connection.is_autocommit() { Ok(()) } else { transaction_control(connection, "ROLLBACK") }
}
