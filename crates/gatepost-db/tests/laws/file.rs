//! The SQLite file, and copies of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gatepost_db::{Db, DbError, Target, params};

use crate::testing::{Engine, patient, scratch};
use crate::{number, run, sql};

sql! {
    NOTES = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, body TEXT)";
    INSERT = "INSERT INTO notes (id, body) VALUES (?1, hex(zeroblob(2000)))";
    FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO notes SELECT -i, hex(zeroblob(2000)) FROM n";
    COUNT = "SELECT count(*) FROM notes";
    CHECK = "PRAGMA integrity_check";
    JOURNAL = "PRAGMA journal_mode";
    SYNCHRONOUS = "PRAGMA synchronous";
    FOREIGN_KEYS = "PRAGMA foreign_keys";
    TRUSTED_SCHEMA = "PRAGMA trusted_schema";
    MMAP = "PRAGMA mmap_size";
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_may_read_the_file_and_its_log() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    run(&scratch.db, &[&NOTES]).await;
    let path = scratch.target.sqlite_path().unwrap();
    for file in [path.to_owned(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn rel_06_the_compiled_in_sqlite_is_not_one_that_corrupts() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn every_connection_is_durable_and_checks_references() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    let settings = |tx: &mut gatepost_db::ReadTx<'_>| -> Result<_, DbError> {
        let journal: String = tx.query_one(&JOURNAL, &[], |row| row.get(0))?;
        let mut numbers = Vec::new();
        for statement in [&SYNCHRONOUS, &FOREIGN_KEYS, &TRUSTED_SCHEMA, &MMAP] {
            numbers.push(tx.query_one(statement, &[], |row| row.get::<i64>(0))?);
        }
        Ok((journal, numbers))
    };
    let wanted = ("wal".to_owned(), vec![2, 1, 0, 0]);
    assert_eq!(scratch.db.read(move |tx| settings(tx)).await.unwrap(), wanted);
    assert_eq!(scratch.db.write(move |tx| settings(tx)).await.unwrap(), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_private_and_ends_although_others_write() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    run(&scratch.db, &[&NOTES, &FILL]).await;
    let db = scratch.db.clone();
    let writing = tokio::spawn(async move {
        for id in 1.. {
            db.write(move |tx| tx.execute(&INSERT, &params![id])).await.unwrap();
        }
    });
    let copy = scratch.folder.path().join("copy.db");
    for _ in 0..3 {
        let before = number(&scratch.db, &COUNT).await;
        assert!(scratch.db.copy_file(&copy).await.unwrap());
        assert_eq!(mode(&copy), 0o600);
        let opened = Db::open(&Target::Sqlite(copy.clone()), patient()).await.unwrap();
        assert!(number(&opened, &COUNT).await >= before);
        let said = opened.read_one(&CHECK, &[], |row| row.get::<String>(0)).await.unwrap();
        assert_eq!(said.as_deref(), Some("ok"));
        opened.close().await;
    }
    writing.abort();
}

#[tokio::test]
async fn a_copy_that_fails_leaves_what_was_there() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    let nowhere = scratch.folder.path().join("missing/copy.db");
    assert!(matches!(scratch.db.copy_file(&nowhere).await, Err(DbError::Engine { .. })));
    let server = scratch_that_is_no_file().await;
    assert!(!server.copy_file(&nowhere).await.unwrap(), "a server has its own tools");
}

async fn scratch_that_is_no_file() -> Db {
    scratch(Engine::Postgres, patient()).await.db
}
