//! Transactions that run at the same time do not see each other.

use std::sync::mpsc;

use gatepost_db::{Db, DbError, Target, params};
use tokio::sync::oneshot;

use crate::on_each_engine;
use crate::testing::{Scratch, patient, scratch};
use crate::{narrow, number, run, sql};

sql! {
    ACCOUNTS = "CREATE TABLE accounts (id BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL)";
    FIFTY_EACH = "INSERT INTO accounts (id, balance) VALUES (0, 50), (1, 50)";
    AGAIN_FIFTY = "UPDATE accounts SET balance = 50";
    BALANCE = "SELECT balance FROM accounts WHERE id = ?1";
    WITHDRAW = "UPDATE accounts SET balance = balance - ?2 WHERE id = ?1";
    ONE_MORE = "INSERT INTO accounts (id, balance) VALUES (2, 0)";
    COUNT = "SELECT count(*) FROM accounts";
    TOKENS = "CREATE TABLE tokens (id BIGINT NOT NULL PRIMARY KEY, used_by BIGINT)";
    ISSUE = "INSERT INTO tokens (id, used_by) VALUES (?1, NULL)";
    CONSUME = "UPDATE tokens SET used_by = ?2 WHERE id = ?1 AND used_by IS NULL RETURNING used_by";
    USED_BY = "SELECT used_by FROM tokens WHERE id = ?1";
    SNEAK = "INSERT INTO tokens (id, used_by) VALUES (-1, NULL) RETURNING id";
    SNEAKED = "SELECT count(*) FROM tokens WHERE id = -1";
}

async fn balance(db: &Db, id: i64) -> i64 {
    db.read_one(&BALANCE, &params![id], |row| row.get(0)).await.unwrap().unwrap()
}

/// A second pool on the same database, as another server would have. A SQLite file has one server.
async fn second_server(scratch: &Scratch) -> Db {
    match scratch.target {
        Target::Sqlite(_) => scratch.db.clone(),
        Target::Postgres { .. } => Db::open(&scratch.target, patient()).await.unwrap(),
    }
}

/// Takes money from one account when both together hold enough.
async fn withdraw(db: Db, from: i64) -> Result<bool, DbError> {
    db.write(move |tx| {
        let mut sum = 0;
        for id in [0_i64, 1] {
            sum += tx.query_one(&BALANCE, &params![id], |row| row.get::<i64>(0))?;
        }
        if sum < 30 {
            return Ok(false);
        }
        tx.execute(&WITHDRAW, &params![from, 30_i64])?;
        Ok(true)
    })
    .await
}

on_each_engine! {
    async fn write_skew_is_impossible(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&ACCOUNTS, &FIFTY_EACH]).await;
        let other = second_server(&scratch).await;
        for _ in 0..10 {
            run(&scratch.db, &[&AGAIN_FIFTY]).await;
            let jobs: Vec<_> = (0..16)
                .map(|job| {
                    let db = if job % 4 < 2 { &scratch.db } else { &other };
                    tokio::spawn(withdraw(db.clone(), job % 2))
                })
                .collect();
            let mut withdrawals = 0;
            for job in jobs {
                withdrawals += i64::from(job.await.unwrap().expect("a conflict is run again, not answered"));
            }
            assert_eq!(withdrawals, 3, "100 is enough for three times 30");
            assert_eq!(balance(&scratch.db, 0).await + balance(&scratch.db, 1).await, 10);
        }
    }

    async fn of_racing_compare_and_swaps_exactly_one_wins(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&TOKENS]).await;
        let other = second_server(&scratch).await;
        for token in 1..=200_i64 {
            scratch.db.write(move |tx| tx.execute(&ISSUE, &params![token])).await.unwrap();
            let contenders: Vec<_> = (1..=8_i64)
                .map(|me| {
                    let db = if me % 2 == 0 { scratch.db.clone() } else { other.clone() };
                    tokio::spawn(async move {
                        db.write_cas(&CONSUME, &params![token, me], |row| row.get::<i64>(0)).await
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for contender in contenders {
                winners.extend(contender.await.unwrap().expect("a race is not an error"));
            }
            assert_eq!(winners.len(), 1, "{winners:?}");
            let used_by = scratch.db.read_one(&USED_BY, &params![token], |row| row.get::<i64>(0)).await.unwrap();
            assert_eq!(used_by, winners.pop());
        }
    }

    async fn a_read_cannot_write(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&TOKENS]).await;
        // One connection, so that each verb finds it as the one before has left it.
        let db = Db::open(&narrow(scratch.target), patient()).await.unwrap();
        for token in 1..=3_i64 {
            let transaction: Result<i64, DbError> =
                db.read(|tx| tx.query_one(&SNEAK, &[], |row| row.get(0))).await;
            // A mistake in the program and no outage: trying again would not help.
            assert!(matches!(transaction, Err(DbError::Engine { .. })), "{transaction:?}");
            let one = db.read_one(&SNEAK, &[], |row| row.get::<i64>(0)).await;
            assert!(matches!(one, Err(DbError::Engine { .. })), "{one:?}");

            db.write(move |tx| tx.execute(&ISSUE, &params![token])).await.unwrap();
            let swapped = db.write_cas(&CONSUME, &params![token, 7_i64], |row| row.get::<i64>(0)).await;
            assert_eq!(swapped.unwrap(), Some(7));
        }
        assert_eq!(number(&db, &SNEAKED).await, 0);
    }

    async fn a_read_sees_one_snapshot(engine) {
        let scratch = scratch(engine, patient()).await;
        run(&scratch.db, &[&ACCOUNTS, &FIFTY_EACH]).await;
        let (began, begun) = oneshot::channel();
        let (go, gone) = mpsc::channel();
        let mut began = Some(began);
        let db = scratch.db.clone();
        let reading = tokio::spawn(async move {
            db.read(move |tx| {
                let before: i64 = tx.query_one(&COUNT, &[], |row| row.get(0))?;
                began.take().unwrap().send(()).unwrap();
                gone.recv().unwrap();
                let after: i64 = tx.query_one(&COUNT, &[], |row| row.get(0))?;
                Ok::<_, DbError>((before, after))
            })
            .await
        });
        begun.await.unwrap();
        run(&scratch.db, &[&ONE_MORE]).await;
        go.send(()).unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), (2, 2));
        assert_eq!(number(&scratch.db, &COUNT).await, 3);
    }
}
