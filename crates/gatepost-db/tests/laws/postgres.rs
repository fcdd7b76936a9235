//! A server that goes away, refuses, or is set up carelessly.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_db::{Constraint, Db, DbError, Statement, Target, params};
use gatepost_kernel::Secret;

use crate::testing::{Engine, Scratch, patient, scratch};
use crate::{narrow, number, run, sql};

sql! {
    NOTES = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, twin BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)";
    INSERT = "INSERT INTO notes (id) VALUES (?1)";
    INSERT_ONE = "INSERT INTO notes (id) VALUES (?1) RETURNING id";
    INSERT_TWIN = "INSERT INTO notes (id, twin) VALUES (?1, ?2)";
    COUNT = "SELECT count(*) FROM notes";
    PID = "SELECT pg_backend_pid()::bigint";
    SLEEP = "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'";
    SLEEP_AT_COMMIT = "CREATE CONSTRAINT TRIGGER sleeps AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sleep()";
    SLEEP_AT_ONCE = "CREATE TRIGGER sleeps AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION sleep()";
    DO_NOT_SLEEP = "DROP TRIGGER sleeps ON notes";
    KILL = "SELECT pg_terminate_backend(?1::bigint::int)";
    ALIVE = "SELECT count(*) FROM pg_stat_activity WHERE pid = ?1::bigint";
    ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE pid = ?1::bigint AND wait_event = 'PgSleep'";
    DURABLE = "SELECT current_setting('synchronous_commit')";
}

async fn postgres() -> (Scratch, Db) {
    let scratch = scratch(Engine::Postgres, patient()).await;
    run(&scratch.db, &[&NOTES]).await;
    let Target::Postgres { url, statement_timeout, .. } = &scratch.target else { unreachable!() };
    let same = Target::Postgres {
        url: Secret::new(url.expose().clone()),
        connections: 4,
        statement_timeout: *statement_timeout,
    };
    let db = Db::open(&narrow(same), patient()).await.unwrap();
    (scratch, db)
}

fn at(url: String) -> Target {
    Target::Postgres { url: Secret::new(url), connections: 2, statement_timeout: Duration::from_secs(5) }
}

async fn refusal(url: String) -> DbError {
    Db::open(&at(url), patient()).await.err().expect("nobody can use this server")
}

async fn one(db: &Db, statement: &'static Statement, pid: i64) -> i64 {
    db.read_one(statement, &params![pid], |row| row.get(0)).await.unwrap().unwrap()
}

/// Ends the session of a connection, from outside, and waits until it has ended.
async fn kill(admin: &Db, pid: i64) {
    assert_eq!(admin.read_one(&KILL, &params![pid], |row| row.get::<bool>(0)).await.unwrap(), Some(true));
    while one(admin, &ALIVE, pid).await != 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_07_a_session_killed_between_jobs_gives_no_wrong_answer() {
    let (scratch, db) = postgres().await;
    let may_be_lost = |error: &DbError| matches!(error, DbError::Unavailable(_) | DbError::CommitUnknown(_));
    let mut certain = 0;
    let mut perhaps = 0;
    for round in 0..40_i64 {
        kill(&scratch.db, number(&db, &PID).await).await;
        let answer = match round % 4 {
            0 => db.write(move |tx| tx.execute(&INSERT, &params![round])).await.map(|_| 1),
            1 => db.write_cas(&INSERT_ONE, &params![round], |row| row.get::<i64>(0)).await.map(|_| 1),
            2 => db.read(|tx| tx.query_one(&COUNT, &[], |row| row.get::<i64>(0))).await.map(|_| 0),
            _ => db.read_one(&COUNT, &[], |row| row.get::<i64>(0)).await.map(|_| 0),
        };
        match answer {
            Ok(rows) => certain += rows,
            Err(error) if may_be_lost(&error) => {
                perhaps += i64::from(matches!(error, DbError::CommitUnknown(_)));
                assert!(round % 4 == 1, "begun anew, it cannot fail: {error:?}");
            }
            Err(error) => panic!("round {round}: {error:?}"),
        }
        db.ping().await.expect("the next job has a new connection");
    }
    let found = number(&db, &COUNT).await;
    assert!((certain..=certain + perhaps).contains(&found), "{found} of {certain} and perhaps {perhaps}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_07_a_session_killed_during_its_commit_leaves_the_outcome_unknown() {
    let (scratch, db) = postgres().await;
    run(&scratch.db, &[&SLEEP, &SLEEP_AT_COMMIT]).await;
    let pid = number(&db, &PID).await;
    let hooks = Arc::new(AtomicUsize::new(0));
    let (writer, counted) = (db.clone(), Arc::clone(&hooks));
    let writing = tokio::spawn(async move {
        writer
            .write(move |tx| {
                let counted = Arc::clone(&counted);
                tx.after_commit(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                });
                tx.execute(&INSERT, &params![1_i64])
            })
            .await
    });
    while one(&scratch.db, &ASLEEP, pid).await == 0 {}
    kill(&scratch.db, pid).await;

    let answer = writing.await.unwrap();
    assert!(matches!(answer, Err(DbError::CommitUnknown(_))), "{answer:?}");
    assert_eq!(hooks.load(Ordering::SeqCst), 1, "it may have happened, so whoever waits for it is woken");
    assert_eq!(number(&db, &COUNT).await, 0, "not run again blindly");
    run(&scratch.db, &[&DO_NOT_SLEEP]).await;
    db.write(|tx| tx.execute(&INSERT, &params![2_i64])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_07_a_session_killed_during_a_compare_and_swap_leaves_the_outcome_unknown() {
    let (scratch, db) = postgres().await;
    run(&scratch.db, &[&SLEEP, &SLEEP_AT_ONCE]).await;
    let pid = number(&db, &PID).await;
    let writer = db.clone();
    let swapping =
        tokio::spawn(
            async move { writer.write_cas(&INSERT_ONE, &params![1_i64], |row| row.get::<i64>(0)).await },
        );
    while one(&scratch.db, &ASLEEP, pid).await == 0 {}
    kill(&scratch.db, pid).await;

    let answer = swapping.await.unwrap();
    assert!(matches!(answer, Err(DbError::CommitUnknown(_))), "{answer:?}");
    assert_eq!(number(&db, &COUNT).await, 0, "not run again blindly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_refused_fails_only_its_own_job() {
    let (scratch, db) = postgres().await;
    for db in [&scratch.db, &db] {
        let good = db.write(|tx| tx.execute(&INSERT, &params![1_i64]));
        let guilty = db.write(|tx| tx.execute(&INSERT_TWIN, &params![2_i64, 99_i64]));
        let also_good = db.write(|tx| tx.execute(&INSERT, &params![3_i64]));
        let (good, guilty, also_good) = tokio::join!(good, guilty, also_good);
        assert!(
            matches!(guilty, Err(DbError::Constraint { kind: Constraint::ForeignKey, .. })),
            "{guilty:?}"
        );
        assert!(good.is_ok() && also_good.is_ok());
        assert_eq!(number(db, &COUNT).await, 2);
        static CLEAR: Statement = Statement::new("CLEAR", "DELETE FROM notes");
        run(db, &[&CLEAR]).await;
    }
}

#[tokio::test]
async fn rel_07_a_server_that_confirms_what_it_may_lose_is_refused() {
    let scratch = scratch(Engine::Postgres, patient()).await;
    let Target::Postgres { url, .. } = &scratch.target else { unreachable!() };
    let error = refusal(format!("{}%20-c%20synchronous_commit%3Doff", url.expose())).await;
    let DbError::Engine { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("synchronous_commit"), "{source}");
    let durable = scratch.db.read_one(&DURABLE, &[], |row| row.get::<String>(0)).await.unwrap();
    assert_eq!(durable.as_deref(), Some("on"));
}

#[tokio::test]
async fn where_no_server_is_the_database_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(format!("postgres://u@127.0.0.1:{port}/app")).await;
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unavailable() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refusal(format!("postgres://u@127.0.0.1:{port}/app")).await;
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        drop(client.read(&mut [0; 1024]));
        // PostgreSQL, "Message Formats": ErrorResponse.
        let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        client.write_all(&[&b"E"[..], &length.to_be_bytes(), fields].concat()).unwrap();
    });
    let error = refusal(format!("postgres://u:hunter2@127.0.0.1:{port}/app")).await;
    let DbError::Unavailable(cause) = &error else { panic!("{error:?}") };
    let said = format!("{cause:?}");
    assert!(said.contains("password authentication failed") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_text_that_is_no_url_is_refused() {
    assert!(matches!(refusal("postgres://u@localhost:port/app".to_owned()).await, DbError::Engine { .. }));
}
