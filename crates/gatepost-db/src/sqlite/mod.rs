//! SQLite: reader threads and one writer thread with group commit.
//!
//! The file is in WAL mode with `synchronous=FULL`: a commit is on the disk when it returns. Readers never wait for
//! the writer. The async runtime never touches SQLite; it hands jobs to the threads and awaits the answers.

mod reader;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use rusqlite::backup::StepResult;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi};

use crate::job::Job;
use crate::tx::{Dialect, Executor};
use crate::value::{Column, EngineRow};
use crate::{Constraint, DbError, Options, Param, Row, Statement};

/// SQLite before 3.51.3 can corrupt a database when the WAL is reset (sqlite.org/wal.html, "walresetbug").
const OLDEST_SAFE_VERSION: i32 = 3_051_003;

/// How long a connection waits for another process, such as a command run beside the server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Two readers serve a small machine; more than eight only compete for the page cache.
const READERS: std::ops::RangeInclusive<usize> = 2..=8;

/// The engine's threads, reached through their queues.
pub(crate) struct Sqlite {
    writer: Sender<Job>,
    readers: Sender<Job>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    path: PathBuf,
}

impl Sqlite {
    /// Opens or creates the file and starts the threads.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self, DbError> {
        if rusqlite::version_number() < OLDEST_SAFE_VERSION {
            return Err(failed("SQLite is older than 3.51.3, which can corrupt a database")(
                "unsafe version",
            ));
        }
        create_private(path).map_err(failed("create the database file"))?;
        let (writer, writer_jobs) = async_channel::bounded(options.queue);
        let (readers, reader_jobs) = async_channel::bounded(options.queue);

        let connection = connect(path).map_err(failed("open the database file"))?;
        if options.bulk {
            prepare_for_bulk(&connection).map_err(failed("open the database file"))?;
        }
        let mut threads = vec![start("gatepost-writer", {
            let options = options.clone();
            move || writer::run(connection, &writer_jobs, &options)
        })?];
        let cores = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        for _ in 0..cores.clamp(*READERS.start(), *READERS.end()) {
            let connection = connect(path).map_err(failed("open the database file"))?;
            connection.pragma_update(None, "query_only", true).map_err(failed("open a reader"))?;
            let (jobs, options) = (reader_jobs.clone(), options.clone());
            threads.push(start("gatepost-reader", move || reader::run(connection, &jobs, &options))?);
        }
        Ok(Self { writer, readers, threads: Mutex::new(threads), path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The queue for this job.
    pub(crate) fn queue(&self, writes: bool) -> &Sender<Job> {
        if writes { &self.writer } else { &self.readers }
    }

    /// Takes no more jobs, lets the queued ones finish, and returns the threads to join.
    pub(crate) fn close(&self) -> Vec<thread::JoinHandle<()>> {
        self.writer.close();
        self.readers.close();
        self.threads.lock().map(|mut threads| std::mem::take(&mut *threads)).unwrap_or_default()
    }
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, DbError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(failed("start a database thread"))
}

/// The file holds password hashes: only its owner may read it, from the first byte on.
fn create_private(path: &Path) -> std::io::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(512);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // Query planner stability: a plan never depends on the values that are bound. Without it, SQLite takes a plan that
    // looked at them for stale as soon as other values are bound, and prepares the statement anew for each request.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// See [`Options::bulk`].
fn prepare_for_bulk(connection: &Connection) -> rusqlite::Result<()> {
    const PAGES: i64 = 16_384;
    connection.pragma_update(None, "cache_size", PAGES)?;
    // What a savepoint keeps for its undoing.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", PAGES)
}

/// Copies the whole database to a new private file, while others may use it.
pub(crate) fn backup(from: &Path, to: &Path) -> Result<(), DbError> {
    let partial: PathBuf = to.with_extension("partial");
    let copy = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if partial.exists() {
            std::fs::remove_file(&partial)?;
        }
        create_private(&partial)?;
        let source = connect(from)?;
        let mut target = Connection::open(&partial)?;
        // All pages in one step, hence in one snapshot. Between smaller steps every write of somebody else would
        // start the copy from the beginning, and under load it would never end.
        let step = rusqlite::backup::Backup::new(&source, &mut target)?.step(-1)?;
        if !matches!(step, StepResult::Done) {
            return Err("another process holds the database".into());
        }
        target.close().map_err(|(_, error)| error)?;
        std::fs::File::open(&partial)?.sync_all()?;
        // Only a whole backup ever has the final name, and the name is on the disk too.
        std::fs::rename(&partial, to)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    copy().map_err(failed("back up the database file"))
}

impl Executor for Connection {
    fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<u64, DbError> {
        let mut prepared = self.prepare_cached(statement.sqlite()).map_err(engine("prepare a statement"))?;
        bind(&mut prepared, params)?;
        if prepared.column_count() == 0 {
            let changed = prepared.raw_execute().map_err(engine("run a statement"))?;
            return Ok(changed as u64);
        }
        let mut rows = prepared.raw_query();
        let mut count = 0;
        while let Some(row) = rows.next().map_err(engine("run a statement"))? {
            count += 1;
            each(&Row { statement: statement.name(), inner: EngineRow::Sqlite(row) })?;
        }
        Ok(count)
    }

    fn run_all(&mut self, statement: &'static Statement, rows: &[&[Param<'_>]]) -> Result<u64, DbError> {
        let mut prepared = self.prepare_cached(statement.sqlite()).map_err(engine("prepare a statement"))?;
        let mut changed = 0;
        for row in rows {
            bind(&mut prepared, row)?;
            changed += prepared.raw_execute().map_err(engine("run a statement"))? as u64;
        }
        Ok(changed)
    }

    fn prepare(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        self.prepare_cached(statement.sqlite()).map(drop).map_err(engine("prepare a statement"))
    }

    fn script(&mut self, sql: &str) -> Result<(), DbError> {
        self.execute_batch(sql).map_err(engine("run a script"))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
}

fn bind(prepared: &mut rusqlite::Statement<'_>, params: &[Param<'_>]) -> Result<(), DbError> {
    // A parameter that is left out would silently be NULL.
    if params.len() != prepared.parameter_count() {
        return Err(failed("bind the parameters")("their number is not the statement's"));
    }
    for (position, param) in params.iter().enumerate() {
        prepared.raw_bind_parameter(position + 1, param).map_err(engine("bind a parameter"))?;
    }
    Ok(())
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Param::Null => ValueRef::Null,
            Param::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Param::Int(value) => ValueRef::Integer(*value),
            Param::Text(value) => ValueRef::Text(value.as_bytes()),
            Param::Bytes(value) => ValueRef::Blob(value),
            Param::Uuid(value) => ValueRef::Blob(value.as_bytes()),
        }))
    }
}

pub(crate) fn column<'r>(row: &'r rusqlite::Row<'_>, position: usize) -> Result<Column<'r>, &'static str> {
    match row.get_ref(position).map_err(|_| "no such column")? {
        ValueRef::Null => Ok(Column::Null),
        ValueRef::Integer(value) => Ok(Column::Int(value)),
        ValueRef::Real(_) => Err("a floating-point number, which no table of ours has"),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Column::Text).map_err(|_| "not UTF-8"),
        ValueRef::Blob(bytes) => Ok(Column::Bytes(bytes)),
    }
}

/// Gives an engine error its meaning.
pub(crate) fn engine(context: &'static str) -> impl FnOnce(rusqlite::Error) -> DbError {
    move |error| {
        let Some(failure) = error.sqlite_error().copied() else { return failed(context)(error) };
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other code is reported as it is")]
        match failure.code {
            ErrorCode::ConstraintViolation => DbError::Constraint {
                kind: match failure.extended_code {
                    ffi::SQLITE_CONSTRAINT_UNIQUE
                    | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    | ffi::SQLITE_CONSTRAINT_ROWID => Constraint::Unique,
                    ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
                    ffi::SQLITE_CONSTRAINT_CHECK => Constraint::Check,
                    ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
                    _ => Constraint::Other,
                },
                source: Arc::new(error),
            },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DbError::Busy,
            ErrorCode::DiskFull => DbError::StorageFull,
            ErrorCode::OperationInterrupted => DbError::Timeout,
            _ => failed(context)(error),
        }
    }
}

/// An error without a meaning of its own.
fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    context: &'static str,
) -> impl FnOnce(E) -> DbError {
    move |error| DbError::Engine { context, source: Arc::from(error.into()) }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("plans.db")).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        for number in 0..3 {
            let mut prepared = connection.prepare_cached(ROLES).unwrap();
            prepared.raw_bind_parameter(1, number).unwrap();
            prepared.raw_query().next().unwrap();
            assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0);
        }
    }

    const SCHEMA: &str =
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, user_id INTEGER, ended_at INTEGER) STRICT;
        CREATE TABLE roles (user_id INTEGER, role TEXT, PRIMARY KEY (user_id, role)) STRICT;
        CREATE TABLE users (id INTEGER PRIMARY KEY) STRICT;";

    /// Shaped like the question behind every signed-in request.
    const ROLES: &str = "SELECT u.id, (SELECT group_concat(r.role, ' ') FROM roles r WHERE r.user_id = u.id) \
        FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?1 AND s.ended_at IS NULL";
}
