//! PostgreSQL: worker threads that each own one connection.
//!
//! A transaction function is synchronous, so it runs on a thread of ours; that thread's single-threaded runtime
//! drives the client *and* the connection, and no message crosses a thread on its way to the server. All workers
//! take jobs from one bounded queue: the mirror of the SQLite writer and its readers.

mod connection;
mod connector;
mod worker;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use bytes::BytesMut;
use gatepost_kernel::Secret;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use self::connector::Connector;
use crate::job::Job;
use crate::value::Column;
use crate::{Constraint, DbError, Options, Param};

/// The engine's threads, reached through their queue.
pub(crate) struct Postgres {
    queue: Sender<Job>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Postgres {
    /// Starts the threads, and waits until the first has connected.
    pub(crate) async fn open(
        url: &Secret<String>,
        connections: usize,
        statement_timeout: Duration,
        options: &Options,
    ) -> Result<Self, DbError> {
        let connector = Connector::new(url, statement_timeout)?;
        let (queue, jobs) = async_channel::bounded(options.queue);
        let (ready, first) = oneshot::channel();
        let mut ready = Some(ready);
        let mut threads = Vec::new();
        for _ in 0..connections.max(1) {
            let (connector, jobs, options) = (connector.clone(), jobs.clone(), options.clone());
            let ready = ready.take();
            let thread = thread::Builder::new()
                .name("gatepost-pg".to_owned())
                .spawn(move || worker::run(connector, &jobs, &options, ready))
                .map_err(failed("start a database thread"))?;
            threads.push(thread);
        }
        first.await.unwrap_or(Err(DbError::Closed))?;
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    /// The queue for every job.
    pub(crate) const fn queue(&self) -> &Sender<Job> {
        &self.queue
    }

    /// Takes no more jobs, lets the queued ones finish, and returns the threads to join.
    pub(crate) fn close(&self) -> Vec<thread::JoinHandle<()>> {
        self.queue.close();
        self.threads.lock().map(|mut threads| std::mem::take(&mut *threads)).unwrap_or_default()
    }
}

/// A parameter in PostgreSQL's binary format. Its `Debug` shows nothing: values may be secrets.
pub(crate) struct Encoded<'a>(pub(crate) &'a Param<'a>);

impl std::fmt::Debug for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("parameter")
    }
}

impl Encoded<'_> {
    /// Whether the parameter has the type that the statement wants.
    pub(crate) fn fits(&self, ty: &Type) -> bool {
        match self.0 {
            Param::Null => true,
            Param::Bool(_) => *ty == Type::BOOL,
            Param::Int(_) => *ty == Type::INT8,
            Param::Text(_) => matches!(*ty, Type::TEXT | Type::VARCHAR),
            Param::Bytes(_) => *ty == Type::BYTEA,
            Param::Uuid(_) => *ty == Type::UUID,
        }
    }
}

impl ToSql for Encoded<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Param::Null => Ok(IsNull::Yes),
            Param::Bool(value) => value.to_sql(ty, out),
            Param::Int(value) => value.to_sql(ty, out),
            Param::Text(value) => value.to_sql(ty, out),
            Param::Bytes(value) => value.to_sql(ty, out),
            Param::Uuid(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Column<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::BYTEA => Self::Bytes(raw),
            Type::UUID => Self::Uuid(Uuid::from_sql(ty, raw)?),
            _ => Self::Text(<&str>::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::BOOL
                | Type::INT8
                | Type::INT4
                | Type::TEXT
                | Type::VARCHAR
                | Type::NAME
                | Type::BYTEA
                | Type::UUID
        )
    }
}

pub(crate) fn column(row: &tokio_postgres::Row, position: usize) -> Result<Column<'_>, &'static str> {
    row.try_get(position).map_err(|_| "no such column, or a type that no table of ours has")
}

/// Gives an engine error its meaning (PostgreSQL documentation, appendix A).
pub(crate) fn engine(context: &'static str) -> impl FnOnce(tokio_postgres::Error) -> DbError {
    move |error| {
        let constraint = |kind| move |error| DbError::Constraint { kind, source: Arc::new(error) };
        match error.code().map(SqlState::code) {
            Some("23505") => constraint(Constraint::Unique)(error),
            Some("23503") => constraint(Constraint::ForeignKey)(error),
            Some("23514") => constraint(Constraint::Check)(error),
            Some("23502") => constraint(Constraint::NotNull)(error),
            // RAISE in a trigger is a rule of ours that the engine cannot name; SQLite reports it the same way.
            Some("P0001") => constraint(Constraint::Other)(error),
            Some(code) if code.starts_with("23") => constraint(Constraint::Other)(error),
            Some("40001" | "40P01") => DbError::Conflict,
            // A migration changed a table under a prepared statement: prepare it anew and run again.
            Some("0A000") if error.as_db_error().is_some_and(|e| e.message().contains("cached plan")) => {
                DbError::Conflict
            }
            Some("57014" | "55P03" | "25P03") => DbError::Timeout,
            Some("53100") => DbError::StorageFull,
            // Out of connections, shutting down, a standby that was promoted away, connection exceptions.
            Some(code)
                if code.starts_with("08") || code.starts_with("57P") || matches!(code, "53300" | "25006") =>
            {
                DbError::Unavailable(Arc::new(error))
            }
            Some(_) => failed(context)(error),
            // Without a code the error is ours or the network's.
            None if error.is_closed() || is_network(&error) => DbError::Unavailable(Arc::new(error)),
            None => failed(context)(error),
        }
    }
}

fn is_network(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error without a meaning of its own.
pub(crate) fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    context: &'static str,
) -> impl FnOnce(E) -> DbError {
    move |error| DbError::Engine { context, source: Arc::from(error.into()) }
}
