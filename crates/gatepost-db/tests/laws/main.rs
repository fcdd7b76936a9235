//! The laws of the storage seam, on SQLite and on PostgreSQL.
//!
//! `cargo xtask test` starts a PostgreSQL server; `GATEPOST_TEST_POSTGRES_URL` names another one.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails that way")]

// The scratch databases by their source: their feature is for other crates, and these tests need none.
#[path = "../../src/testing.rs"]
pub mod testing;

// What that source expects at the root.
use gatepost_db::{Db, DbError, Options, Statement, Target};

mod child;
mod crash;
mod file;
mod gate;
mod isolation;
mod jobs;
mod lock;
mod migrations;
mod migrations_in_trouble;
mod poison;
mod postgres;
mod queue;
mod rows;
mod schema;

/// Declares statements of a test.
macro_rules! sql {
    ($($name:ident = $text:expr;)+) => {
        $(static $name: gatepost_db::Statement = gatepost_db::Statement::new(stringify!($name), $text);)+
    };
}
use sql;

/// Runs statements without parameters in one transaction.
async fn run(db: &Db, statements: &[&'static Statement]) {
    let statements = statements.to_vec();
    let done: Result<(), DbError> = db
        .write(move |tx| statements.iter().try_for_each(|statement| tx.execute(statement, &[]).map(drop)))
        .await;
    done.expect("the statements of a test are right");
}

/// The one number that a statement finds.
async fn number(db: &Db, statement: &'static Statement) -> i64 {
    let found = db.read(move |tx| tx.query_one(statement, &[], |row| row.get(0))).await;
    found.unwrap_or_else(|error: DbError| panic!("{statement:?}: {error:?}"))
}

/// The same database with one connection, so that one job can hold up all others. (SQLite has one writer anyway.)
fn narrow(target: Target) -> Target {
    match target {
        Target::Sqlite(path) => Target::Sqlite(path),
        Target::Postgres { url, statement_timeout, .. } => {
            Target::Postgres { url, connections: 1, statement_timeout }
        }
    }
}
