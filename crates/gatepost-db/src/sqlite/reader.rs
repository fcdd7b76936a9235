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
        job.settle(end);
    }
}

fn read(connection: &mut Connection, job: &mut Job) -> Result<(), DbError> {
    // One statement is a snapshot by itself.
    let snapshot = job.mode != Mode::ReadOne;
    if snapshot {
        transaction_control(connection, "BEGIN")?;
    }
    let ran = job.run(connection);
    if snapshot {
        transaction_control(connection, "ROLLBACK")?;
    }
    match ran {
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
