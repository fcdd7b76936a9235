//! The migrations make the same schema on both engines, and take it back.

use gatepost_db::migrate;
use gatepost_db::schema::{Schema, read};
use gatepost_db::testing::{Engine, Scratch, patient, scratch};
use gatepost_kernel::{Clock, Timestamp};
use gatepost_server::features::MIGRATIONS;

use crate::source;

async fn migrated(engine: Engine) -> (Scratch, Schema) {
    let scratch = scratch(engine, patient()).await;
    up(&scratch).await;
    let schema = read(&scratch.db).await.unwrap();
    (scratch, schema)
}

async fn up(scratch: &Scratch) {
    let clock = Clock::from_fn(|| Timestamp::from_secs(1_767_225_600));
    let done = migrate::up(&scratch.db, std::slice::from_ref(&MIGRATIONS), &clock, None).await.unwrap();
    assert_eq!(done.len(), MIGRATIONS.migrations.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_have_the_same_schema() {
    let (_sqlite, ours) = migrated(Engine::Sqlite).await;
    let (_postgres, theirs) = migrated(Engine::Postgres).await;
    for (name, table) in &ours {
        assert_eq!(Some(table), theirs.get(name), "{name}");
    }
    assert!(ours.keys().eq(theirs.keys()), "{:?}", theirs.keys());
}

gatepost_db::on_each_engine! {
    async fn down_takes_everything_back_and_up_makes_the_same_again(engine) {
        let (scratch, before) = migrated(engine).await;
        migrate::down(&scratch.db, std::slice::from_ref(&MIGRATIONS), MIGRATIONS.name, 0).await.unwrap();
        let left = read(&scratch.db).await.unwrap();
        assert!(left.keys().eq(["schema_migrations"]), "{:?}", left.keys());
        up(&scratch).await;
        assert_eq!(read(&scratch.db).await.unwrap(), before);
    }
}

#[test]
fn every_table_is_strict_and_has_a_primary_key() {
    let mut tables = 0;
    for migration in MIGRATIONS.migrations {
        for table in source::between(migration.text, "CREATE TABLE ", ";") {
            let name = table.split_whitespace().next().unwrap_or_default();
            assert_eq!(table.matches("PRIMARY KEY").count(), 1, "{name} needs a primary key");
            assert!(table.ends_with(") {strict}"), "{name} needs {{strict}}");
            tables += 1;
        }
    }
    assert!(tables >= 9, "{tables} tables");
}

/// A deferred constraint fails at the commit, where no statement can be named and where SQLite and PostgreSQL differ.
#[test]
fn no_constraint_is_deferred() {
    for migration in MIGRATIONS.migrations {
        assert!(!migration.text.to_ascii_uppercase().contains("DEFERRABLE"), "{}", migration.name);
    }
}

#[test]
fn every_migration_file_is_listed() {
    let folder = source::root().join("crates/gatepost-server/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let listed: Vec<_> = MIGRATIONS
        .migrations
        .iter()
        .map(|migration| format!("{:04}_{}", migration.number, migration.name))
        .collect();
    assert_eq!(files, listed);
}
