//! What a write answers is what happened.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gatepost_db::{Constraint, Db, DbError, Options, params};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::on_each_engine;
use crate::testing::{Engine, patient, scratch};
use crate::{number, run, sql};

sql! {
    NOTES = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY)";
    COUNTER = "CREATE TABLE counter (value BIGINT NOT NULL)";
    ZERO = "INSERT INTO counter (value) VALUES (0)";
    TAKEN = "INSERT INTO notes (id) VALUES (0)";
    CLEAR_NOTES = "DELETE FROM notes WHERE id <> 0";
    CLEAR_COUNTER = "UPDATE counter SET value = 0";
    INSERT = "INSERT INTO notes (id) VALUES (?1)";
    ALL = "SELECT id FROM notes WHERE id <> 0 ORDER BY id";
    COUNT = "SELECT count(*) FROM notes WHERE id <> 0";
    READ_COUNTER = "SELECT value FROM counter";
    WRITE_COUNTER = "UPDATE counter SET value = ?1";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    InsertThenRefuse,
    InsertThenPanic,
    Duplicate,
    SwallowedDuplicate,
    Increment,
}

#[derive(Debug)]
enum Refused {
    Job(i64),
    Db(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Runs one job and says whether its hook had run when the answer came.
async fn submit(db: Db, kind: Kind, id: i64) -> (Result<i64, Refused>, usize) {
    let hooks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hooks);
    let answer = db
        .write(move |tx| {
            let counted = Arc::clone(&counted);
            tx.after_commit(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            match kind {
                Kind::Insert => tx.execute(&INSERT, &params![id])?,
                Kind::InsertThenRefuse => {
                    tx.execute(&INSERT, &params![id])?;
                    return Err(Refused::Job(id));
                }
                Kind::InsertThenPanic => {
                    tx.execute(&INSERT, &params![id])?;
                    panic!("by order of the test")
                }
                Kind::Duplicate => {
                    tx.execute(&INSERT, &params![id])?;
                    tx.execute(&INSERT, &params![0_i64])?
                }
                Kind::SwallowedDuplicate => {
                    tx.execute(&INSERT, &params![id])?;
                    tx.execute(&INSERT, &params![0_i64]).unwrap_or_default()
                }
                Kind::Increment => {
                    let value: i64 = tx.query_one(&READ_COUNTER, &[], |row| row.get(0))?;
                    tx.execute(&WRITE_COUNTER, &params![value + 1])?
                }
            };
            Ok(id)
        })
        .await;
    let ran = hooks.load(Ordering::SeqCst);
    (answer, ran)
}

async fn all_at_once(db: &Db, kinds: &[Kind]) -> Result<(), TestCaseError> {
    run(db, &[&CLEAR_NOTES, &CLEAR_COUNTER]).await;
    let jobs: Vec<_> =
        (1..).zip(kinds).map(|(id, &kind)| tokio::spawn(submit(db.clone(), kind, id))).collect();

    let (mut rows, mut increments) = (Vec::new(), 0);
    for ((id, &kind), job) in (1..).zip(kinds).zip(jobs) {
        let (answer, hooks) = job.await.expect("no job panics into its caller");
        prop_assert_eq!(hooks, usize::from(answer.is_ok()), "{:?}", kind);
        let right = match (kind, &answer) {
            (Kind::Insert | Kind::Increment, Ok(answered)) => *answered == id,
            (Kind::InsertThenRefuse, Err(Refused::Job(refused))) => *refused == id,
            (Kind::InsertThenPanic, Err(Refused::Db(DbError::Panicked(text)))) => {
                &**text == "by order of the test"
            }
            (
                Kind::Duplicate | Kind::SwallowedDuplicate,
                Err(Refused::Db(DbError::Constraint { kind: Constraint::Unique, .. })),
            ) => true,
            _ => false,
        };
        prop_assert!(right, "{:?} answered {:?}", kind, answer);
        rows.extend((kind == Kind::Insert).then_some(id));
        increments += i64::from(kind == Kind::Increment);
    }

    let found: Result<Vec<i64>, DbError> = db.read(|tx| tx.query_all(&ALL, &[], |row| row.get(0))).await;
    prop_assert_eq!(found.unwrap(), rows);
    prop_assert_eq!(number(db, &READ_COUNTER).await, increments);
    Ok(())
}

fn answers_are_the_truth(engine: Engine, cases: u32, options: Options) {
    let runtime = Runtime::new().unwrap();
    let scratch = runtime.block_on(scratch(engine, options));
    runtime.block_on(run(&scratch.db, &[&NOTES, &COUNTER, &ZERO, &TAKEN]));
    let kind = prop_oneof![
        3 => Just(Kind::Insert),
        1 => Just(Kind::InsertThenRefuse),
        1 => Just(Kind::InsertThenPanic),
        1 => Just(Kind::Duplicate),
        1 => Just(Kind::SwallowedDuplicate),
        2 => Just(Kind::Increment),
    ];
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
        .run(&prop::collection::vec(kind, 1..40), |kinds| runtime.block_on(all_at_once(&scratch.db, &kinds)))
        .unwrap();
}

#[test]
fn concurrent_jobs_do_what_they_answer_sqlite() {
    answers_are_the_truth(Engine::Sqlite, 48, patient());
}

#[test]
fn concurrent_jobs_do_what_they_answer_sqlite_rehearsed() {
    answers_are_the_truth(Engine::Sqlite, 24, Options { rehearse: true, ..patient() });
}

#[test]
fn concurrent_jobs_do_what_they_answer_postgres() {
    answers_are_the_truth(Engine::Postgres, 24, patient());
}

#[test]
fn concurrent_jobs_do_what_they_answer_postgres_rehearsed() {
    answers_are_the_truth(Engine::Postgres, 12, Options { rehearse: true, ..patient() });
}

on_each_engine! {
    async fn an_answer_is_visible_at_once_to_somebody_else(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let other = Db::open(&scratch.target, patient()).await.unwrap();
        for id in 1..=50_i64 {
            scratch.db.write(move |tx| tx.execute(&INSERT, &params![id])).await.unwrap();
            assert_eq!(number(&other, &COUNT).await, id);
        }
    }

    async fn a_panic_is_undone_alone_and_the_thread_lives_on(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        for id in 1..=20_i64 {
            let (answer, hooks) = submit(scratch.db.clone(), Kind::InsertThenPanic, id).await;
            assert!(matches!(answer, Err(Refused::Db(DbError::Panicked(_)))) && hooks == 0);
        }
        let read: Result<(), DbError> = scratch.db.read(|_| panic!("by order of the test")).await;
        assert!(matches!(read, Err(DbError::Panicked(_))));
        assert_eq!(number(&scratch.db, &COUNT).await, 0);
    }

    async fn a_hook_that_panics_takes_nobody_with_it(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&order);
        let answer = scratch.db.write(move |tx| {
            for hook in 1..=3 {
                let seen = Arc::clone(&seen);
                tx.after_commit(move || {
                    seen.lock().unwrap().push(hook);
                    assert_ne!(hook, 1, "by order of the test");
                });
            }
            tx.execute(&INSERT, &params![1_i64])
        });
        answer.await.unwrap();
        // The lock is poisoned by no one: the assertion fails after its guard is gone.
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_eq!(number(&scratch.db, &COUNT).await, 1);
    }

    async fn a_rehearsed_function_runs_twice_and_keeps_one_effect(engine) {
        let scratch = scratch(engine, Options { rehearse: true, ..patient() }).await;
        run(&scratch.db, &[&NOTES, &COUNTER, &ZERO]).await;
        let hooks = Arc::new(AtomicUsize::new(0));
        let (counted, mut runs) = (Arc::clone(&hooks), 0);
        let (answer, id) = scratch.db.write(move |tx| {
            runs += 1;
            let counted = Arc::clone(&counted);
            tx.after_commit(move || { counted.fetch_add(1, Ordering::SeqCst); });
            let value: i64 = tx.query_one(&READ_COUNTER, &[], |row| row.get(0))?;
            tx.execute(&WRITE_COUNTER, &params![value + 1])?;
            tx.execute(&INSERT, &params![7_i64])?;
            Ok::<_, DbError>((runs, value))
        })
        .await
        .unwrap();
        assert_eq!((answer, id), (2, 0), "the second run sees what the first one saw");
        assert_eq!(hooks.load(Ordering::SeqCst), 1);
        assert_eq!(number(&scratch.db, &READ_COUNTER).await, 1);
    }
}
