//! The handle that everything above holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_kernel::{Random, Secret};

use crate::job::{Job, Mode};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{DbError, Param, ReadTx, Row, Statement, WriteTx};

/// Where the data lives.
pub enum Target {
    /// A file of this process. Its folder must exist.
    Sqlite(PathBuf),
    /// A PostgreSQL database that several processes may share.
    Postgres {
        /// `postgres://user:password@host:port/database?sslmode=…`. To a host that is not this machine the
        /// connection is encrypted and the server's certificate verified, unless the URL says `sslmode=disable`.
        url: Secret<String>,
        /// How many connections, each with a thread of its own.
        connections: usize,
        /// The longest that one statement may take.
        statement_timeout: Duration,
    },
}

impl Target {
    /// The path of the SQLite file, if it is one.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres { .. } => None,
        }
    }
}

/// How the seam behaves, the same on both engines.
#[derive(Clone)]
pub struct Options {
    /// How many jobs may wait; one more is [`DbError::Busy`].
    pub queue: usize,
    /// How long a job may wait for its turn before it is [`DbError::Busy`].
    pub queue_wait: Duration,
    /// Run every write function twice and keep the second run: a test mode that proves reruns harmless.
    pub rehearse: bool,
    /// For much writing in a short time: SQLite keeps 64 MiB of pages in memory in place of two, and folds its log into the
    /// file after as much, so that a page that many rows touch is written once and not with every commit.
    pub bulk: bool,
    /// Where the pauses between reruns come from.
    pub random: Random,
    /// Called when the disk fails to confirm a commit. The default ends the process with exit code 74. When it
    /// returns, nothing is written any more: every further write is [`DbError::Closed`].
    pub fatal: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 4_096,
            queue_wait: Duration::from_secs(1),
            rehearse: false,
            bulk: false,
            random: Random::system(),
            fatal: |why| {
                tracing::error!("{why}");
                std::process::exit(74); // EX_IOERR of sysexits.h
            },
        }
    }
}

/// A database. Cloning shares it.
#[derive(Clone)]
pub struct Db(Arc<Engine>);

enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Db {
    /// Opens the database, creating the SQLite file when there is none.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when PostgreSQL cannot be reached, [`DbError::Engine`] when the file or the server
    /// cannot be used, with the reason.
    pub async fn open(target: &Target, options: Options) -> Result<Self, DbError> {
        let engine = match target {
            Target::Sqlite(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || Sqlite::open(&path, &options)).await;
                Engine::Sqlite(opened.unwrap_or(Err(DbError::Closed))?)
            }
            Target::Postgres { url, connections, statement_timeout } => {
                Engine::Postgres(Postgres::open(url, *connections, *statement_timeout, &options).await?)
            }
        };
        Ok(Self(Arc::new(engine)))
    }

    /// Runs `function` on a consistent snapshot (SQLite: a deferred read transaction; PostgreSQL: `REPEATABLE READ
    /// READ ONLY`). Keep it short: a snapshot holds the log back.
    ///
    /// # Errors
    /// Those of `function`, or a [`DbError`] turned into its error type.
    pub async fn read<T, E>(
        &self,
        mut function: impl FnMut(&mut ReadTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.submit(Mode::Read, move |tx| function(tx)).await
    }

    /// Runs one reading statement and maps the row it finds, without an explicit transaction.
    ///
    /// # Errors
    /// As [`ReadTx::query_opt`].
    pub async fn read_one<T: Send + 'static>(
        &self,
        statement: &'static Statement,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<Option<T>, DbError> {
        self.submit_one(Mode::ReadOne, statement, params, read).await
    }

    /// Runs `function` in a serializable transaction and resolves once the commit is durable.
    ///
    /// `function` may run more than once; only its last run counts. When the returned future is dropped, a job that
    /// has not begun is skipped; one that has begun runs to its end.
    ///
    /// # Errors
    /// Those of `function` (after which everything it did is undone), or a [`DbError`] turned into its error type.
    /// After [`DbError::CommitUnknown`] the change may be there or not, but is whole.
    pub async fn write<T, E>(
        &self,
        function: impl FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.submit(Mode::Write, function).await
    }

    /// Runs one statement that compares and swaps (`UPDATE … WHERE state = ?old … RETURNING`) and maps the row it
    /// changed; `None` when the comparison failed. Resolves once the change is durable.
    ///
    /// On PostgreSQL it runs at READ COMMITTED in a single round trip: the second of two racing statements waits for
    /// the first and then compares again, so exactly one wins. That holds for one statement only, which is why this
    /// verb takes a statement and not a function (`docs/adr/0003-compare-and-swap.md`).
    ///
    /// # Errors
    /// As [`ReadTx::query_opt`].
    pub async fn write_cas<T: Send + 'static>(
        &self,
        statement: &'static Statement,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<Option<T>, DbError> {
        self.submit_one(Mode::Cas, statement, params, read).await
    }

    /// Runs a migration step: alone, without time limits, under the migration lock.
    pub(crate) async fn migrate<T: Send + 'static>(
        &self,
        function: impl FnMut(&mut WriteTx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.submit(Mode::Migration, function).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        static PING: Statement = Statement::new("PING", "SELECT 1");
        self.read_one(&PING, &[], |row| row.get::<i64>(0)).await.map(|_| ())
    }

    /// Copies a database that is a file of this process to a new private file, consistently and while it is in use.
    /// `false` when the database is not a file: PostgreSQL has `pg_dump`.
    ///
    /// # Errors
    /// [`DbError::Engine`] when the copy cannot be written; no half-written file has the final name.
    pub async fn copy_file(&self, to: &Path) -> Result<bool, DbError> {
        let Engine::Sqlite(sqlite) = &*self.0 else { return Ok(false) };
        let (from, to) = (sqlite.path().to_owned(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || crate::sqlite::backup(&from, &to)).await;
        copied.unwrap_or(Err(DbError::Closed)).map(|()| true)
    }

    /// Takes no more work, finishes what is queued, and closes the files and connections.
    pub async fn close(&self) {
        let threads = match &*self.0 {
            Engine::Sqlite(sqlite) => sqlite.close(),
            Engine::Postgres(postgres) => postgres.close(),
        };
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread that panicked has logged it; there is nothing left to close.
                drop(thread.join());
            }
        });
        drop(joined.await);
    }

    async fn submit_one<T: Send + 'static>(
        &self,
        mode: Mode,
        statement: &'static Statement,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<Option<T>, DbError> {
        let params: Vec<Param<'static>> = params.iter().cloned().map(Param::into_owned).collect();
        self.submit(mode, move |tx| tx.query_opt(statement, &params, &mut read)).await
    }

    async fn submit<T, E>(
        &self,
        mode: Mode,
        function: impl FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, answer) = Job::new(mode, function);
        let queue = match &*self.0 {
            Engine::Sqlite(sqlite) => sqlite.queue(mode.writes()),
            Engine::Postgres(postgres) => postgres.queue(),
        };
        match queue.try_send(job) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(DbError::Closed.into())),
            Err(async_channel::TrySendError::Full(_)) => Err(DbError::Busy.into()),
            Err(async_channel::TrySendError::Closed(_)) => Err(DbError::Closed.into()),
        }
    }
}
