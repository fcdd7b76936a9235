//! What was answered with `Ok` is there after the process was killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gatepost_db::{Db, DbError, params};

use crate::child::{Process, place, say};
use crate::testing::{Engine, patient, scratch};
use crate::{run, sql};

sql! {
    // Two rows for each id, to see a transaction that is half there.
    LEFT = "CREATE TABLE halves_left (id BIGINT NOT NULL PRIMARY KEY)";
    RIGHT = "CREATE TABLE halves_right (id BIGINT NOT NULL PRIMARY KEY)";
    INSERT_LEFT = "INSERT INTO halves_left (id) VALUES (?1)";
    INSERT_RIGHT = "INSERT INTO halves_right (id) VALUES (?1)";
    HIGHEST = "SELECT COALESCE(MAX(id), 0) FROM halves_left";
    LEFT_IDS = "SELECT id FROM halves_left";
    RIGHT_IDS = "SELECT id FROM halves_right";
    CHECK = "PRAGMA integrity_check";
}

/// The child: writes as fast as it can and says what was acknowledged.
pub(crate) async fn insert_for_ever(db: Db) {
    let highest: i64 = db.read_one(&HIGHEST, &[], |row| row.get(0)).await.unwrap().unwrap();
    let ids = Arc::new(AtomicI64::new(highest + 1));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (db, ids) = (db.clone(), Arc::clone(&ids));
        writers.spawn(async move {
            loop {
                let id = ids.fetch_add(1, Ordering::Relaxed);
                let done = db.write(move |tx| {
                    tx.execute(&INSERT_LEFT, &params![id])?;
                    tx.execute(&INSERT_RIGHT, &params![id])
                });
                match done.await {
                    Ok(_) => say(&format!("kept {id}")),
                    Err(error) => say(&format!("failed {id} {error}")),
                }
            }
        });
    }
    writers.join_all().await;
}

async fn ids(db: &Db, statement: &'static gatepost_db::Statement) -> BTreeSet<i64> {
    let found: Result<Vec<i64>, DbError> =
        db.read(move |tx| tx.query_all(statement, &[], |row| row.get(0))).await;
    found.unwrap().into_iter().collect()
}

async fn is_intact(db: &Db) -> bool {
    let said = db.read_one(&CHECK, &[], |row| row.get::<String>(0)).await;
    said.unwrap().as_deref() == Some("ok")
}

async fn survives_kills(engine: Engine, cycles: u64) {
    let scratch = scratch(engine, patient()).await;
    run(&scratch.db, &[&LEFT, &RIGHT]).await;
    scratch.db.close().await;
    let mut kept = BTreeSet::new();
    for cycle in 0..cycles {
        // The instant is scattered and the same in each run, counted in what was acknowledged before it.
        let instant = (cycle.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 200 + 1;
        let child = Process::start("insert", &place(&scratch.target), &[]);
        for _ in 0..instant {
            kept.insert(child.next("kept").expect("it goes on until it is killed").parse::<i64>().unwrap());
        }
        kept.extend(child.kill("kept").iter().map(|id| id.parse::<i64>().unwrap()));

        let db = Db::open(&scratch.target, patient()).await.unwrap();
        let left = ids(&db, &LEFT_IDS).await;
        let lost: Vec<_> = kept.difference(&left).collect();
        assert!(lost.is_empty(), "cycle {cycle} lost {lost:?}");
        assert_eq!(left, ids(&db, &RIGHT_IDS).await, "cycle {cycle}: no transaction is half there");
        assert!(engine == Engine::Postgres || is_intact(&db).await, "cycle {cycle}");
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_01_a_killed_process_loses_nothing_it_acknowledged_sqlite() {
    survives_kills(Engine::Sqlite, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_07_a_killed_process_loses_nothing_it_acknowledged_postgres() {
    survives_kills(Engine::Postgres, 4).await;
}

/// A C library that makes the system call fail while a file exists, put in front of the process by the loader.
#[cfg(target_os = "linux")]
const FAILING_SYNC: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int broken(void) { return access(getenv("GATEPOST_TEST_BREAK_SYNC"), F_OK) == 0; }
int fsync(int fd) { if (broken()) { errno = EIO; return -1; } return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { if (broken()) { errno = EIO; return -1; } return syscall(SYS_fdatasync, fd); }
"#;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_05_after_a_failed_fsync_nothing_is_acknowledged_and_the_process_ends() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    run(&scratch.db, &[&LEFT, &RIGHT]).await;
    scratch.db.close().await;
    let folder = scratch.folder.path();
    std::fs::write(folder.join("sync.c"), FAILING_SYNC).unwrap();
    // SQLite itself is compiled from C: where it builds, there is a compiler.
    let compiled = std::process::Command::new("cc")
        .current_dir(folder)
        .args(["-shared", "-fPIC", "-D_GNU_SOURCE", "-o", "sync.so", "sync.c"])
        .status();
    assert!(compiled.unwrap().success());
    let (library, switch) = (folder.join("sync.so"), folder.join("broken"));
    let child = Process::start(
        "insert",
        &place(&scratch.target),
        &[("LD_PRELOAD", library.to_str().unwrap()), ("GATEPOST_TEST_BREAK_SYNC", switch.to_str().unwrap())],
    );
    let mut kept = BTreeSet::new();
    for _ in 0..20 {
        kept.insert(child.next("kept").unwrap().parse::<i64>().unwrap());
    }
    std::fs::write(&switch, "").unwrap();
    // What was on its way may still arrive; then it is over.
    let before = kept.len();
    while let Some(id) = child.next("kept") {
        kept.insert(id.parse().unwrap());
        assert!(kept.len() < before + 10_000, "it goes on without a disk");
    }
    assert_eq!(child.end(), Some(74));

    let db = Db::open(&scratch.target, patient()).await.unwrap();
    assert!(kept.is_subset(&ids(&db, &LEFT_IDS).await));
    assert!(is_intact(&db).await);
}
