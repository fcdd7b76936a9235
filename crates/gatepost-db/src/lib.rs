//! The storage seam: two verbs with the same guarantee on SQLite and on PostgreSQL, from one SQL text.
//!
//! * [`Db::read`] runs a function on a consistent snapshot.
//! * [`Db::write`] runs a function in a serializable transaction and answers once the commit is durable.
//!
//! Both have a form for exactly one statement, which saves the explicit transaction: [`Db::read_one`], and
//! [`Db::write_cas`] for a compare-and-swap.
//!
//! A transaction function is synchronous and gets the transaction and values, nothing else. It cannot wait, send or
//! hash, so running it again is harmless; PostgreSQL may ask for that when two transactions collide. `Err` rolls
//! back. A refusal that must be remembered (a reused token, a failed attempt) is therefore an `Ok` value.
//!
//! ```
//! use gatepost_db::{Db, DbError, Options, Target, params, statements};
//!
//! statements! {
//!     MAKE = "CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT NOT NULL)";
//!     ADD = "INSERT INTO notes (id, body) VALUES (?1, ?2)";
//!     BODY_BY_ID = "SELECT body FROM notes WHERE id = ?1";
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), DbError> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("notes.db");
//! let db = Db::open(&Target::Sqlite(path), Options::default()).await?;
//! db.write(|tx| {
//!     tx.execute(&MAKE, &params![])?;
//!     tx.execute(&ADD, &params![1_i64, "durable once awaited"])?;
//!     Ok::<_, DbError>(())
//! })
//! .await?;
//! let body = db.read_one(&BODY_BY_ID, &params![1_i64], |row| row.get::<String>(0)).await?;
//! assert_eq!(body.as_deref(), Some("durable once awaited"));
//! # db.close().await; Ok(()) }
//! ```
//!
//! What this crate does not do: build SQL, map rows to structs, or know a table. Features own their statements.

mod db;
mod error;
mod job;
mod lock;
pub mod migrate;
mod postgres;
mod rows;
pub mod schema;
mod sqlite;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod value;

pub use db::{Db, Options, Target};
pub use error::{Cause, Constraint, DbError};
pub use lock::{DirectoryLock, LockError};
pub use rows::List;
pub use statement::Statement;
pub use tx::{ReadTx, WriteTx};
pub use value::{Column, FromColumn, Param, Row, ToParam};
