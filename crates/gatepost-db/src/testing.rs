//! Scratch databases for tests: the same test, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the server that `GATEPOST_TEST_POSTGRES_URL` names (`cargo xtask test` starts one); each scratch
//! database is a schema of its own in it.

use gatepost_kernel::{Random, Secret};
use std::time::Duration;

use crate::{Db, DbError, Options, Statement, Target};

/// The two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A schema of the test server.
    Postgres,
}

/// A fresh, empty database that nobody else uses.
pub struct Scratch {
    /// The handle, opened with the options that were asked for.
    pub db: Db,
    /// Where it lives, to open it a second time.
    pub target: Target,
    /// The folder of the SQLite file; it also serves as a data directory. Removed when dropped.
    pub folder: tempfile::TempDir,
}

/// Options for tests: as the defaults, but nobody is refused because the test machine is slow.
pub fn patient() -> Options {
    Options { queue_wait: Duration::from_secs(60), ..Options::default() }
}

/// Makes an empty database on this engine.
///
/// # Panics
/// When it cannot be made: a test has nothing to do without it.
#[expect(clippy::panic, clippy::expect_used, reason = "a test without its database fails, with the reason")]
pub async fn scratch(engine: Engine, options: Options) -> Scratch {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = match engine {
        Engine::Sqlite => Target::Sqlite(folder.path().join("gatepost.db")),
        Engine::Postgres => postgres_schema().await,
    };
    match Db::open(&target, options).await {
        Ok(db) => Scratch { db, target, folder },
        Err(error) => panic!("cannot open the scratch database on {engine:?}: {error:?}"),
    }
}

/// Has the engine read every statement, and says which it does not understand.
///
/// # Errors
/// The names of the statements and what the engine says.
pub async fn prepare_all(db: &Db, statements: &[&'static Statement]) -> Result<(), Vec<String>> {
    let mut refused = Vec::new();
    for &statement in statements {
        let prepared: Result<(), DbError> = db.read(move |tx| tx.prepare(statement)).await;
        if let Err(error) = prepared {
            refused.push(format!("{}: {error:?}", statement.name()));
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

#[expect(clippy::expect_used, reason = "a test without its database fails, with the reason")]
async fn postgres_schema() -> Target {
    #[expect(clippy::disallowed_methods, reason = "tests learn from the environment where PostgreSQL is")]
    let server = std::env::var("GATEPOST_TEST_POSTGRES_URL").expect(
        "GATEPOST_TEST_POSTGRES_URL names a PostgreSQL server: run the tests with `cargo xtask test`",
    );
    let name = format!("scratch_{:032x}", u128::from_le_bytes(Random::system().bytes()));
    let (client, connection) =
        tokio_postgres::connect(&server, tokio_postgres::NoTls).await.expect("the test server answers");
    let driver = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE SCHEMA {name}")).await.expect("a schema of our own");
    drop(client);
    drop(driver.await);
    let joint = if server.contains('?') { '&' } else { '?' };
    Target::Postgres {
        url: Secret::new(format!("{server}{joint}options=-c%20search_path%3D{name}")),
        connections: 4,
        statement_timeout: Duration::from_secs(30),
    }
}

/// Writes one test for both engines: `on_each_engine! { async fn a_law_holds(engine) { … } }` makes the tests
/// `a_law_holds::sqlite` and `a_law_holds::postgres`.
#[macro_export]
macro_rules! on_each_engine {
    ($( $(#[$meta:meta])* async fn $name:ident($engine:ident) $body:block )+) => { $(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn body($engine: $crate::testing::Engine) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::testing::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body($crate::testing::Engine::Postgres).await;
            }
        }
    )+ };
}
