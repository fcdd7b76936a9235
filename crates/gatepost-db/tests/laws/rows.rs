//! Many rows in one call mean the same on both engines.

use gatepost_db::{DbError, List, Param, Statement, params};
use gatepost_kernel::Id;

use crate::on_each_engine;
use crate::testing::{patient, scratch};
use crate::{number, run, sql};

sql! {
    COUNT = "SELECT count(*) FROM notes";
}

static NOTES: Statement = Statement::differing(
    "NOTES",
    "CREATE TABLE notes (id BLOB NOT NULL PRIMARY KEY, body TEXT, done INTEGER, at INTEGER, seal BLOB) STRICT",
    "CREATE TABLE notes (id UUID NOT NULL PRIMARY KEY, body TEXT, done BOOLEAN, at BIGINT, seal BYTEA)",
);
static ADD_ALL: Statement = Statement::differing(
    "ADD_ALL",
    "INSERT INTO notes (id, body, done, at, seal) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    "INSERT INTO notes (id, body, done, at, seal) SELECT (value ->> 0)::uuid, value ->> 1, (value ->> 2)::boolean, \
        (value ->> 3)::bigint, (value ->> 4)::bytea FROM jsonb_array_elements(?1::text::jsonb) ON CONFLICT DO NOTHING",
);
static BY_BODIES: Statement = Statement::differing(
    "BY_BODIES",
    "SELECT id, body, done, at, seal FROM notes WHERE body IN (SELECT value FROM json_each(?1)) ORDER BY at",
    "SELECT id, body, done, at, seal FROM notes WHERE body IN (SELECT jsonb_array_elements_text(?1::text::jsonb)) ORDER BY at",
);

enum Note {}

/// What JSON, SQL and both escape.
const BODIES: [&str; 4] = ["it's \"quoted\"", "back\\slash \u{1f600}", "two\nlines", "$1 ?1 {}"];

fn row(number: u8) -> [Param<'static>; 5] {
    let body = BODIES[usize::from(number) % BODIES.len()];
    [
        Param::Uuid(Id::<Note>::from_bytes([number; 16]).as_uuid()),
        Param::Text(body.into()),
        Param::Bool(number % 2 == 1),
        Param::Int(i64::MAX - i64::from(number)),
        if number == 0 { Param::Null } else { Param::Bytes(vec![0, number, 255].into()) },
    ]
}

on_each_engine! {
    async fn rows_that_are_written_together_are_what_they_were(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let written: Result<_, DbError> = scratch.db.write(|tx| {
            let all: Vec<_> = (0..4).map(row).collect();
            // Those that are there already are left out, and not counted.
            Ok((tx.execute_all(&ADD_ALL, &all[..3])?, tx.execute_all(&ADD_ALL, &all)?, tx.execute_all::<5>(&ADD_ALL, &[])?))
        }).await;
        assert_eq!(written.unwrap(), (3, 1, 0));
        let found = scratch.db.read(|tx| {
            let bodies = List::of(&BODIES[..3])?;
            tx.query_all(&BY_BODIES, &params![bodies], |row| {
                Ok((row.get::<Id<Note>>(0)?, row.get::<String>(1)?, row.get::<bool>(2)?, row.get::<i64>(3)?, row.get::<Option<Vec<u8>>>(4)?))
            })
        }).await;
        let expected: Vec<_> = (0..3_u8).rev().map(|number| {
            let seal = (number > 0).then(|| vec![0, number, 255]);
            (Id::from_bytes([number; 16]), BODIES[usize::from(number)].to_owned(), number % 2 == 1, i64::MAX - i64::from(number), seal)
        }).collect();
        assert!(found.unwrap_or_else(|error: DbError| panic!("{error:?}")) == expected);
    }

    async fn a_row_that_fails_takes_all_along(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let written = scratch.db.write(|tx| {
            let mut all: Vec<_> = (0..3).map(row).collect();
            all[1][0] = Param::Null;
            assert!(tx.execute_all(&ADD_ALL, &all).is_err());
            assert!(tx.execute_all(&ADD_ALL, &[row(9)]).is_err(), "the transaction is over");
            Ok::<_, DbError>(())
        }).await;
        assert!(matches!(written, Err(DbError::Constraint { .. })), "{written:?}");
        assert_eq!(number(&scratch.db, &COUNT).await, 0);
    }
}
