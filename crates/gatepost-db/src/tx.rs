//! Transactions, as a transaction function sees them.

use std::ops::{Deref, DerefMut};

use crate::{DbError, Param, Row, Statement};

/// A callback that runs once the commit is durable.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

/// What each engine can do for a transaction: run one statement and show its rows.
pub(crate) trait Executor {
    /// Runs a statement, shows each row to `each`, and returns how many rows it changed.
    fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<u64, DbError>;

    /// Runs a statement for all of these rows, and returns how many rows it changed.
    fn run_all(&mut self, statement: &'static Statement, rows: &[&[Param<'_>]]) -> Result<u64, DbError>;

    /// Has the engine read a statement without running it.
    fn prepare(&mut self, statement: &'static Statement) -> Result<(), DbError>;

    /// Runs a script of several statements without parameters.
    fn script(&mut self, sql: &str) -> Result<(), DbError>;

    /// How a migration is to be spelled.
    fn dialect(&self) -> Dialect;
}

/// The two spellings of SQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A transaction that sees one consistent snapshot and cannot change it.
///
/// The first statement that fails poisons the transaction: it does nothing more and rolls back, on both engines,
/// even when the caller drops the error. An expected duplicate is `ON CONFLICT DO NOTHING … RETURNING`.
pub struct ReadTx<'a> {
    executor: &'a mut dyn Executor,
    poison: Option<DbError>,
}

impl<'a> ReadTx<'a> {
    pub(crate) fn new(executor: &'a mut dyn Executor) -> Self {
        Self { executor, poison: None }
    }

    pub(crate) fn poison(&self) -> Option<&DbError> {
        self.poison.as_ref()
    }

    fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<u64, DbError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let done = self.executor.run(statement, params, each);
        self.poison = done.as_ref().err().cloned();
        done
    }

    /// Has the engine read a statement without running it: whether the text and its tables fit the schema.
    ///
    /// # Errors
    /// What the engine says about the text.
    pub fn prepare(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let done = self.executor.prepare(statement);
        self.poison = done.as_ref().err().cloned();
        done
    }

    /// The row that the statement finds, or `None`.
    ///
    /// # Errors
    /// [`DbError::RowCount`] for more than one row, [`DbError::Decode`] from `read`, or what the engine says.
    pub fn query_opt<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        let mut found = None;
        self.run(statement, params, &mut |row| {
            if found.is_some() {
                return Err(DbError::RowCount { statement: statement.name(), found: "several" });
            }
            found = Some(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The one row that the statement always finds (a count, a `RETURNING`).
    ///
    /// # Errors
    /// As [`ReadTx::query_opt`], and [`DbError::RowCount`] for no row.
    pub fn query_one<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        match self.query_opt(statement, params, read)? {
            Some(row) => Ok(row),
            None => {
                let error = DbError::RowCount { statement: statement.name(), found: "no" };
                self.poison = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Every row that the statement finds. Bound it with a `LIMIT`.
    ///
    /// # Errors
    /// [`DbError::Decode`] from `read`, or what the engine says.
    pub fn query_all<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        let mut rows = Vec::new();
        self.run(statement, params, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }
}

/// A serializable transaction. Everything a [`ReadTx`] can, and changes.
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    hooks: Vec<Hook>,
}

impl<'a> WriteTx<'a> {
    pub(crate) fn new(executor: &'a mut dyn Executor) -> Self {
        Self { read: ReadTx::new(executor), hooks: Vec::new() }
    }

    pub(crate) fn into_hooks(self) -> Vec<Hook> {
        self.hooks
    }

    /// Runs a statement that changes rows, and returns how many.
    ///
    /// # Errors
    /// [`DbError::Constraint`] when a rule refuses the change, or what the engine says.
    pub fn execute(&mut self, statement: &'static Statement, params: &[Param<'_>]) -> Result<u64, DbError> {
        self.read.run(statement, params, &mut |_| Ok(()))
    }

    /// Runs a statement that changes rows for all of these, without a round trip for each, and returns how many were
    /// changed. Its texts differ: SQLite's takes the parameters of one row, PostgreSQL's takes all rows as one text, an array of
    /// arrays in JSON. No text may hold a NUL.
    ///
    /// # Errors
    /// As [`WriteTx::execute`].
    pub fn execute_all<const N: usize>(
        &mut self,
        statement: &'static Statement,
        rows: &[[Param<'_>; N]],
    ) -> Result<u64, DbError> {
        if let Some(error) = &self.read.poison {
            return Err(error.clone());
        }
        let rows: Vec<&[Param<'_>]> = rows.iter().map(<[Param<'_>; N]>::as_slice).collect();
        let done = self.read.executor.run_all(statement, &rows);
        self.read.poison = done.as_ref().err().cloned();
        done
    }

    /// Runs `hook` after the durable commit and before the caller gets its answer: to wake a worker or to forget
    /// a cached value, nothing else. It is dropped when the transaction rolls back or is run again; it also runs
    /// when the outcome of the commit is unknown. A panic in it is caught and logged.
    pub fn after_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.read.executor.dialect()
    }

    /// Runs a script of several statements, for migrations.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), DbError> {
        if let Some(error) = &self.read.poison {
            return Err(error.clone());
        }
        let done = self.read.executor.script(sql);
        self.read.poison = done.as_ref().err().cloned();
        done
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &Self::Target {
        &self.read
    }
}

impl DerefMut for WriteTx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.read
    }
}
