//! The queue is bounded, in length and in time, and ends in order.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_db::{Db, DbError, Options, Target, params};

use crate::gate::{Gate, submit};
use crate::on_each_engine;
use crate::testing::{patient, scratch};
use crate::{narrow, number, run, sql};

sql! {
    NOTES = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY)";
    INSERT = "INSERT INTO notes (id) VALUES (?1)";
    COUNT = "SELECT count(*) FROM notes";
}

static PID: gatepost_db::Statement =
    gatepost_db::Statement::differing("PID", "SELECT 0", "SELECT pg_backend_pid()");
static ALIVE: gatepost_db::Statement = gatepost_db::Statement::differing(
    "ALIVE",
    "SELECT 0 WHERE ?1 = 1",
    "SELECT count(*) FROM pg_stat_activity WHERE pid = ?1::bigint",
);

async fn insert(db: Db, id: i64) -> Result<u64, DbError> {
    db.write(move |tx| tx.execute(&INSERT, &params![id])).await
}

on_each_engine! {
    async fn a_full_queue_is_busy(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let db = Db::open(&narrow(scratch.target), Options { queue: 2, ..patient() }).await.unwrap();
        let gate = Gate::shut(&db).await;
        let mut first = pin!(insert(db.clone(), 1));
        let mut second = pin!(insert(db.clone(), 2));
        submit(first.as_mut()).await;
        submit(second.as_mut()).await;

        assert!(matches!(insert(db.clone(), 3).await, Err(DbError::Busy)));

        gate.open().await;
        assert!(first.await.is_ok() && second.await.is_ok());
        assert_eq!(number(&db, &COUNT).await, 2);
    }

    async fn a_job_that_waited_too_long_is_busy_and_does_not_run(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let limit = Duration::from_secs(1);
        let db = Db::open(&narrow(scratch.target), Options { queue_wait: limit, ..patient() }).await.unwrap();
        let gate = Gate::shut(&db).await;
        let mut late = pin!(insert(db.clone(), 1));
        submit(late.as_mut()).await;
        // The law is about time, so time must pass.
        tokio::time::sleep(limit + limit / 2).await;
        gate.open().await;
        assert!(matches!(late.await, Err(DbError::Busy)));
        assert_eq!(number(&scratch.db, &COUNT).await, 0);
    }

    async fn a_job_that_nobody_awaits_any_more_does_not_begin(engine) {
        let scratch = scratch(engine, patient()).await;
        let db = Db::open(&narrow(scratch.target), patient()).await.unwrap();
        let gate = Gate::shut(&db).await;
        let ran = Arc::new(AtomicBool::new(false));
        {
            let ran = Arc::clone(&ran);
            let mut abandoned = pin!(db.write(move |_| {
                ran.store(true, Ordering::SeqCst);
                Ok::<_, DbError>(())
            }));
            submit(abandoned.as_mut()).await;
        }
        gate.open().await;
        // The queue is in order: when this one is answered, the other had its turn.
        run(&db, &[&NOTES]).await;
        assert!(!ran.load(Ordering::SeqCst));
    }

    async fn a_job_that_has_begun_is_finished_though_nobody_awaits_it(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let db = Db::open(&narrow(scratch.target), patient()).await.unwrap();
        let (began, begun) = tokio::sync::oneshot::channel();
        let (go, gone) = std::sync::mpsc::channel();
        let mut began = Some(began);
        {
            let mut abandoned = pin!(db.write(move |tx| {
                began.take().unwrap().send(()).unwrap();
                gone.recv().unwrap();
                tx.execute(&INSERT, &params![1_i64])
            }));
            submit(abandoned.as_mut()).await;
            begun.await.unwrap();
        }
        go.send(()).unwrap();
        insert(db.clone(), 2).await.unwrap();
        assert_eq!(number(&db, &COUNT).await, 2);
    }

    async fn close_finishes_what_is_queued_and_refuses_what_comes_later(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        let db = Db::open(&narrow(scratch.target), patient()).await.unwrap();
        let gate = Gate::shut(&db).await;
        let mut queued: Vec<_> = (1..=10).map(|id| Box::pin(insert(db.clone(), id))).collect();
        for job in &mut queued {
            submit(job.as_mut()).await;
        }
        let mut close = pin!(db.close());
        submit(close.as_mut()).await;
        assert!(matches!(insert(db.clone(), 99).await, Err(DbError::Closed)));

        gate.open().await;
        close.await;
        for job in queued {
            assert!(job.await.is_ok());
        }
        assert!(matches!(db.ping().await, Err(DbError::Closed)));
        assert_eq!(number(&scratch.db, &COUNT).await, 10);
        db.close().await;
    }

    async fn when_the_last_handle_goes_so_do_the_threads(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&NOTES]).await;
        match scratch.target {
            // SQLite removes the log when the last connection closes.
            Target::Sqlite(path) => {
                let wal = path.with_extension("db-wal");
                assert!(wal.exists());
                drop(scratch.db);
                while wal.exists() {
                    tokio::task::yield_now().await;
                }
            }
            target @ Target::Postgres { .. } => {
                let db = Db::open(&narrow(target), patient()).await.unwrap();
                let pid = number(&db, &PID).await;
                drop(db);
                let alive = async || {
                    let found = scratch.db.read_one(&ALIVE, &params![pid], |row| row.get::<i64>(0)).await;
                    found.unwrap() == Some(1)
                };
                while alive().await {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
