//! A worker thread: takes a job, wraps it in its transaction, runs it again when PostgreSQL asks for that.

use std::time::{Duration, Instant};

use async_channel::Receiver;
use gatepost_kernel::Random;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::connection::{Connection, Connector, Driven};
use super::{engine, failed};
use crate::job::{Job, Mode, Ran, run_hooks};
use crate::tx::Hook;
use crate::{DbError, Options};

/// How long a transaction that keeps losing races is run again.
const RERUN_DEADLINE: Duration = Duration::from_secs(2);
/// The first pause between reruns is a random part of this; each further one may be twice as long …
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// … up to this ("full jitter", AWS Architecture Blog, 2015).
const LONGEST_PAUSE: Duration = Duration::from_millis(64);
/// After a failed connect, jobs are refused at once for this long instead of each waiting for the time-out.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(
    connector: Connector,
    jobs: &Receiver<Job>,
    options: &Options,
    ready: Option<oneshot::Sender<Result<(), DbError>>>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            if let Some(ready) = ready {
                drop(ready.send(Err(failed("start a database thread")(error))));
            }
            return;
        }
    };
    let mut worker = Worker { runtime, connector, connection: None, refused: None, options: options.clone() };
    if let Some(ready) = ready {
        let connected = worker.connect().map(|_| ());
        drop(ready.send(connected));
    }
    // Between jobs the connection is driven too, so that a server that went away is noticed.
    while let Ok(mut job) = worker.runtime.block_on(jobs.recv()) {
        if job.is_stale(options.queue_wait) {
            job.settle(Err(DbError::Busy));
            continue;
        }
        let end = worker.serve(&mut job);
        match end {
            Ok(hooks) => {
                run_hooks(hooks);
                job.settle(Ok(()));
            }
            Err(Refusal { hooks, answer }) => {
                run_hooks(hooks);
                job.settle(answer);
            }
        }
    }
}

/// Why a job did not commit, and what its caller hears.
struct Refusal {
    /// Not empty only when the commit may have happened.
    hooks: Vec<Hook>,
    /// `Ok` sends the error that the function itself returned.
    answer: Result<(), DbError>,
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self { hooks: Vec::new(), answer: Err(error) }
    }
}

struct Worker {
    runtime: Runtime,
    connector: Connector,
    connection: Option<Connection>,
    refused: Option<(Instant, DbError)>,
    options: Options,
}

impl Worker {
    fn connect(&mut self) -> Result<(), DbError> {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_closed()) {
            return Ok(());
        }
        self.connection = None;
        if let Some((at, error)) = &self.refused
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        match self.connector.connect(&self.runtime) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.refused = None;
                Ok(())
            }
            Err(error) => {
                self.refused = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Runs a job until it commits, decides against it, or time is up.
    fn serve(&mut self, job: &mut Job) -> Result<Vec<Hook>, Refusal> {
        let started = Instant::now();
        let mut longest = FIRST_PAUSE;
        let mut rehearsals = u32::from(self.options.rehearse && job.mode == Mode::Write);
        loop {
            self.connect()?;
            let end = match &mut self.connection {
                Some(connection) => attempt(&self.runtime, connection, job, rehearsals > 0),
                None => return Err(DbError::Closed.into()),
            };
            match end {
                End::Committed(hooks) => return Ok(hooks),
                End::Rehearsed => rehearsals = 0,
                End::Refused(refusal) => return Err(refusal),
                End::Conflict if started.elapsed() >= RERUN_DEADLINE => {
                    metrics::counter!("db_conflicts_given_up_total").increment(1);
                    return Err(DbError::Busy.into());
                }
                End::Conflict => {
                    metrics::counter!("db_conflicts_total").increment(1);
                    let pause = part_of(longest, &self.options.random);
                    self.runtime.block_on(tokio::time::sleep(pause));
                    longest = (longest * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

fn part_of(longest: Duration, random: &Random) -> Duration {
    let fraction = f64::from(u32::from_le_bytes(random.bytes())) / f64::from(u32::MAX);
    longest.mul_f64(fraction)
}

enum End {
    Committed(Vec<Hook>),
    Rehearsed,
    Refused(Refusal),
    Conflict,
}

/// One migration at a time in a schema; the second server waits for the first, up to ten minutes.
const BEGIN_MIGRATION: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'; \
    SET LOCAL idle_in_transaction_session_timeout = 0; \
    SELECT pg_advisory_xact_lock(hashtextextended('gatepost migrations of ' || current_schema(), 0))";

fn attempt(runtime: &Runtime, connection: &mut Connection, job: &mut Job, rehearse: bool) -> End {
    let begin = match job.mode {
        Mode::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        Mode::Write => Some("BEGIN ISOLATION LEVEL SERIALIZABLE"),
        Mode::Migration => Some(BEGIN_MIGRATION),
        // One statement is a transaction by itself.
        Mode::ReadOne | Mode::Cas => None,
    };
    if let Some(begin) = begin
        && let Err(error) = runtime.block_on(connection.control(begin))
    {
        return End::Refused(engine("begin a transaction")(error).into());
    }
    let ran = job.run(&mut Driven { runtime, connection });
    match ran {
        Ran::Keep(_) if rehearse => {
            drop(runtime.block_on(connection.control("ROLLBACK")));
            End::Rehearsed
        }
        Ran::Keep(hooks) => {
            if job.mode == Mode::Migration {
                connection.forget_statements();
            }
            match begin {
                Some(_) => commit(runtime, connection, job.mode, hooks),
                None => End::Committed(hooks),
            }
        }
        Ran::Undo { answer, cause } => {
            if begin.is_some() {
                // A connection that cannot roll back is closed, which rolls back.
                drop(runtime.block_on(connection.control("ROLLBACK")));
            }
            match (job.mode, cause) {
                (_, Some(DbError::Conflict)) => {
                    connection.forget_statements();
                    End::Conflict
                }
                // Without an explicit commit, a connection lost under the statement leaves its outcome open.
                (Mode::Cas, Some(DbError::Unavailable(cause))) => {
                    End::Refused(DbError::CommitUnknown(cause).into())
                }
                _ => End::Refused(Refusal { hooks: Vec::new(), answer }),
            }
        }
    }
}

fn commit(runtime: &Runtime, connection: &Connection, mode: Mode, hooks: Vec<Hook>) -> End {
    match runtime.block_on(connection.control("COMMIT")).map_err(engine("commit a transaction")) {
        Ok(()) => End::Committed(hooks),
        Err(DbError::Conflict) => End::Conflict,
        Err(DbError::Unavailable(cause)) if mode.writes() => {
            End::Refused(Refusal { hooks, answer: Err(DbError::CommitUnknown(cause)) })
        }
        Err(error) => End::Refused(error.into()),
    }
}
