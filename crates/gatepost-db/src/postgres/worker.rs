//! A worker thread: takes a job, wraps it in its transaction, runs it again when PostgreSQL asks for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use gatepost_kernel::Random;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::connection::{Connection, Driven};
use super::connector::Connector;
use super::failed;
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
        let (hooks, answer) = match worker.serve(&mut job) {
            Ok(hooks) => (hooks, Ok(())),
            Err(Refusal { hooks, answer }) => (hooks, answer),
        };
        run_hooks(hooks);
        job.settle(answer);
    }
    if let Some(connection) = worker.connection {
        worker.runtime.block_on(connection.close());
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
    /// Makes sure that there is a connection, and says whether it is a new one.
    fn connect(&mut self) -> Result<Age, DbError> {
        if self.connection.as_ref().is_some_and(Connection::is_usable) {
            return Ok(Age::Used);
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
                Ok(Age::New)
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
            let age = self.connect()?;
            let end = match &mut self.connection {
                Some(connection) => attempt(&self.runtime, connection, job, rehearsals > 0),
                None => return Err(DbError::Closed.into()),
            };
            match end {
                // Nobody noticed that the server had closed it. Nothing was asked of it yet.
                End::NotBegun(DbError::Unavailable(_)) if age == Age::Used => {}
                End::NotBegun(error) => return Err(error.into()),
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
                    self.runtime.block_on(async { tokio::time::sleep(pause).await });
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

#[derive(PartialEq, Eq)]
enum Age {
    New,
    Used,
}

enum End {
    NotBegun(DbError),
    Committed(Vec<Hook>),
    Rehearsed,
    Refused(Refusal),
    Conflict,
}

/// One migration at a time in a schema; the second server waits for the first, up to ten minutes.
const BEGIN_MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'; \
    SET LOCAL idle_in_transaction_session_timeout = 0; \
    SELECT pg_advisory_xact_lock(hashtextextended('gatepost migrations of ' || current_schema(), 0))";

fn attempt(runtime: &Runtime, connection: &mut Connection, job: &mut Job, rehearse: bool) -> End {
    let mode = job.mode;
    let begin = match mode {
        Mode::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        Mode::Write => Some("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
        Mode::Migration => Some(BEGIN_MIGRATION),
        // One statement is a transaction by itself.
        Mode::ReadOne | Mode::Cas => None,
    };
    if let Some(begin) = begin
        && let Err(error) = runtime.block_on(connection.begin(begin))
    {
        return End::NotBegun(error);
    }
    let ran = job.run(&mut Driven { runtime, connection, mode });
    match ran {
        Ran::Keep(_) if rehearse => {
            runtime.block_on(connection.roll_back());
            End::Rehearsed
        }
        Ran::Keep(hooks) => match mode {
            Mode::ReadOne | Mode::Cas => End::Committed(hooks),
            // What was read is true, however its transaction ends.
            Mode::Read => {
                runtime.block_on(connection.roll_back());
                End::Committed(hooks)
            }
            Mode::Write => commit(runtime, connection, hooks),
            Mode::Migration => {
                connection.forget_statements();
                commit(runtime, connection, hooks)
            }
        },
        Ran::Undo { answer, cause } => {
            if begin.is_some() {
                runtime.block_on(connection.roll_back());
            }
            match (mode, cause) {
                (_, Some(DbError::Conflict)) => {
                    connection.forget_statements();
                    End::Conflict
                }
                // A read that lost its connection may be asked again.
                (Mode::ReadOne, Some(error @ DbError::Unavailable(_))) => End::NotBegun(error),
                // Without an explicit commit, a connection lost under the statement leaves its outcome open.
                (Mode::Cas, Some(error)) if !connection.is_usable() => {
                    End::Refused(DbError::CommitUnknown(Arc::new(error)).into())
                }
                _ => End::Refused(Refusal { hooks: Vec::new(), answer }),
            }
        }
    }
}

fn commit(runtime: &Runtime, connection: &mut Connection, hooks: Vec<Hook>) -> End {
    match runtime.block_on(connection.commit()) {
        Ok(()) => End::Committed(hooks),
        Err(DbError::Conflict) => End::Conflict,
        // Running it again could do everything twice. If it did happen, then the hooks are due.
        Err(error @ DbError::CommitUnknown(_)) => End::Refused(Refusal { hooks, answer: Err(error) }),
        Err(error) => End::Refused(error.into()),
    }
}
