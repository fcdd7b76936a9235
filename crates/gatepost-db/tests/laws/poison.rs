//! The first statement that fails ends its transaction, whatever the function does with the error.

use gatepost_db::{DbError, WriteTx, params};

use crate::on_each_engine;
use crate::testing::{patient, scratch};
use crate::{number, run, sql};

sql! {
    NOTES = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY)";
    INSERT = "INSERT INTO notes (id) VALUES (?1)";
    NULL = "INSERT INTO notes (id) VALUES (NULL)";
    TWO = "SELECT 1 UNION SELECT 2";
    NONE = "SELECT id FROM notes WHERE id = -1";
    BY_ID = "SELECT id FROM notes WHERE id = ?1";
    COUNT = "SELECT count(*) FROM notes";
    NOWHERE = "SELECT id FROM nowhere";
}

/// Does something that must fail, and says whether it did.
type Fail = fn(&mut WriteTx<'_>) -> bool;

const FAILURES: &[(&str, Fail)] = &[
    ("a duplicate", |tx| tx.execute(&INSERT, &params![1_i64]).is_err()),
    ("a missing value", |tx| tx.execute(&NULL, &[]).is_err()),
    ("several rows for one", |tx| tx.query_opt(&TWO, &[], |row| row.get::<i64>(0)).is_err()),
    ("no row for one", |tx| tx.query_one(&NONE, &[], |row| row.get::<i64>(0)).is_err()),
    ("a column of another type", |tx| tx.query_one(&COUNT, &[], |row| row.get::<String>(0)).is_err()),
    ("a column that is not there", |tx| tx.query_all(&COUNT, &[], |row| row.get::<i64>(1)).is_err()),
    ("an error of the mapping", |tx| tx.query_all(&COUNT, &[], |_| Err::<(), _>(DbError::Busy)).is_err()),
    ("a table that is not there", |tx| tx.query_opt(&NOWHERE, &[], |row| row.get::<i64>(0)).is_err()),
    ("a text that cannot be prepared", |tx| tx.prepare(&NOWHERE).is_err()),
    ("too few parameters", |tx| tx.execute(&INSERT, &[]).is_err()),
    ("too many parameters", |tx| tx.execute(&INSERT, &params![5_i64, 6_i64]).is_err()),
];

on_each_engine! {
    async fn a_failed_statement_fails_all_that_follows_and_the_transaction(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        for &(what, fail) in FAILURES {
            let answer: Result<(), DbError> = scratch.db.write(move |tx| {
                tx.execute(&INSERT, &params![1_i64])?;
                assert!(fail(tx), "{what} must fail");
                assert!(tx.execute(&INSERT, &params![2_i64]).is_err(), "{what}");
                assert!(tx.query_one(&COUNT, &[], |row| row.get::<i64>(0)).is_err(), "{what}");
                assert!(tx.prepare(&COUNT).is_err(), "{what}");
                Ok(())
            })
            .await;
            assert!(!matches!(answer, Ok(()) | Err(DbError::Panicked(_))), "{what}: {answer:?}");
            assert_eq!(number(&scratch.db, &COUNT).await, 0, "{what}");
        }
    }

    async fn parameters_must_be_as_many_as_the_statement_has(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        for params in [&params![][..], &params![5_i64, 6_i64][..]] {
            let found = scratch.db.read_one(&BY_ID, params, |_| Ok(())).await;
            assert!(matches!(found, Err(DbError::Engine { .. })), "{found:?}");
        }
    }
}
