//! One connection: its prepared statements, and whether its state is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::error::{Severity, SqlState};

use super::{Encoded, engine, failed};
use crate::job::Mode;
use crate::rows::rows_as_json;
use crate::tx::{Dialect, Executor};
use crate::value::EngineRow;
use crate::{DbError, Param, Row, Statement};

/// A connection and what it has prepared.
pub(super) struct Connection {
    client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
    /// By the address of the [`Statement`], which is a static.
    statements: HashMap<usize, tokio_postgres::Statement>,
    /// Whether something happened after which nobody knows what state the session is in.
    broken: bool,
    /// What the session does with a statement outside of an explicit transaction.
    read_only: bool,
}

impl Connection {
    /// A new session, whose messages `driver` carries.
    pub(super) fn new(client: Client, driver: JoinHandle<Result<(), tokio_postgres::Error>>) -> Self {
        Self { client, driver, statements: HashMap::new(), broken: false, read_only: false }
    }

    /// Whether the next job may have it.
    pub(super) fn is_usable(&self) -> bool {
        !self.broken && !self.client.is_closed()
    }

    /// Begins a transaction. When that fails, the connection is not used again: it may be inside of an older one.
    pub(super) async fn begin(&mut self, sql: &str) -> Result<(), DbError> {
        let begun = self.client.batch_execute(sql).await;
        self.broken |= begun.is_err();
        begun.map_err(engine("begin a transaction"))
    }

    /// Rolls back. When that fails, the connection is not used again; closing it rolls back too.
    pub(super) async fn roll_back(&mut self) {
        self.broken |= self.client.batch_execute("ROLLBACK").await.is_err();
    }

    /// Commits. When the connection broke, the commit may have happened before its answer was lost.
    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        let committed = self.client.batch_execute("COMMIT").await;
        committed.map_err(|error| {
            let error = self.judge("commit a transaction", error);
            // After a time-out nothing is unknown: the server gave up waiting for the COMMIT.
            let unknown = self.broken && !matches!(error, DbError::Timeout);
            if unknown { DbError::CommitUnknown(Arc::new(error)) } else { error }
        })
    }

    /// Forgets what was prepared: a migration may have changed the tables under it.
    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
    }

    /// Says goodbye to the server, so that it does not log a lost client.
    pub(super) async fn close(self) {
        drop(self.statements);
        drop(self.client);
        drop(tokio::time::timeout(Duration::from_secs(1), self.driver).await);
    }

    /// Gives an error its meaning, and decides whether the session survives it.
    fn judge(&mut self, context: &'static str, error: tokio_postgres::Error) -> DbError {
        let plain = error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error));
        let error = engine(context)(error);
        // Also a server that was made a standby: it stays connected, and would refuse every further write.
        self.broken |= !plain || matches!(error, DbError::Unavailable(_));
        error
    }

    async fn prepared(
        &mut self,
        statement: &'static Statement,
    ) -> Result<tokio_postgres::Statement, DbError> {
        let key = std::ptr::from_ref(statement).addr();
        if let Some(prepared) = self.statements.get(&key) {
            return Ok(prepared.clone());
        }
        match self.client.prepare(statement.postgres()).await {
            Ok(prepared) => {
                self.statements.insert(key, prepared.clone());
                Ok(prepared)
            }
            Err(error) => Err(self.judge("prepare a statement", error)),
        }
    }

    /// Runs a statement and returns its rows, or how many it changed.
    async fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        mode: Mode,
    ) -> Result<Answer, DbError> {
        let prepared = self.prepared(statement).await?;
        let params: Vec<Encoded<'_>> = params.iter().map(Encoded).collect();
        // Asked before anything is sent: what fails later may be the connection.
        if params.len() != prepared.params().len() {
            return Err(failed("bind the parameters")("their number is not the statement's"));
        }
        if !params.iter().zip(prepared.params()).all(|(param, ty)| param.fits(ty)) {
            return Err(failed("bind the parameters")("the type of one is not the statement's"));
        }
        let params: Vec<_> =
            params.iter().map(|param| param as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        let switch = self.switch(mode);
        let run = async {
            if prepared.columns().is_empty() {
                self.client.execute(&prepared, &params).await.map(Answer::Changed)
            } else {
                self.client.query(&prepared, &params).await.map(Answer::Rows)
            }
        };
        let answer = match switch {
            None => run.await,
            // Both are on their way before either is answered: the switch costs no round trip.
            Some(switch) => {
                let (switched, answer) = tokio::join!(self.client.batch_execute(switch), run);
                switched.and(answer)
            }
        };
        answer.map_err(|error| {
            let read_only = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
            if read_only && !mode.writes() {
                return failed("run a statement that writes, in a transaction that reads")(error);
            }
            self.judge("run a statement", error)
        })
    }

    /// What to send first, so that a statement that runs without `BEGIN` can write only when it may.
    fn switch(&mut self, mode: Mode) -> Option<&'static str> {
        let read_only = match mode {
            Mode::ReadOne => true,
            Mode::Cas => false,
            Mode::Read | Mode::Write | Mode::Migration => return None,
        };
        if self.read_only == read_only {
            return None;
        }
        self.read_only = read_only;
        Some(if read_only {
            "SET default_transaction_read_only = on"
        } else {
            "SET default_transaction_read_only = off"
        })
    }
}

enum Answer {
    Rows(Vec<tokio_postgres::Row>),
    Changed(u64),
}

/// A connection and the runtime that drives it, as a transaction sees them.
pub(super) struct Driven<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) connection: &'a mut Connection,
    pub(super) mode: Mode,
}

impl Executor for Driven<'_> {
    fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<u64, DbError> {
        match self.runtime.block_on(self.connection.run(statement, params, self.mode))? {
            Answer::Changed(rows) => Ok(rows),
            Answer::Rows(rows) => {
                for row in &rows {
                    each(&Row { statement: statement.name(), inner: EngineRow::Postgres(row) })?;
                }
                Ok(rows.len() as u64)
            }
        }
    }

    fn run_all(&mut self, statement: &'static Statement, rows: &[&[Param<'_>]]) -> Result<u64, DbError> {
        let rows = Param::Text(rows_as_json(rows)?.into());
        self.run(statement, &[rows], &mut |_| Ok(()))
    }

    fn prepare(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        self.runtime.block_on(self.connection.prepared(statement)).map(drop)
    }

    fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let done = self.runtime.block_on(self.connection.client.batch_execute(sql));
        done.map_err(|error| self.connection.judge("run a script", error))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}
