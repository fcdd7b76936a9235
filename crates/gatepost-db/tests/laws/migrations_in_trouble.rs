//! Migrations that fail or are killed leave the old schema, whole.

use gatepost_db::migrate::{self, MigrateError, Migration, MigrationSet};
use gatepost_db::{Constraint, Db, DbError, Statement, Target, schema};

use crate::child::{Process, place, say};
use crate::migrations::clock;
use crate::on_each_engine;
use crate::testing::{Engine, Scratch, patient, scratch};
use crate::{number, run, sql};

sql! {
    PARENT = "INSERT INTO parents (id) VALUES (1)";
    CHILD = "INSERT INTO children (id, parent) VALUES (1, 1)";
    ORPHAN = "INSERT INTO children (id, parent) VALUES (2, 99)";
    PARENTS = "SELECT count(*) FROM parents";
    CHILDREN = "SELECT count(*) FROM children";
    ALL_PARENTS = "SELECT * FROM parents";
}

const FAMILY: Migration = Migration {
    number: 1,
    name: "family",
    text: "-- up\nCREATE TABLE parents (id {int} NOT NULL PRIMARY KEY) {strict};\n\
        CREATE TABLE children (id {int} NOT NULL PRIMARY KEY, parent {int} NOT NULL REFERENCES parents (id)) {strict};\n\
        -- down\nDROP TABLE children;\nDROP TABLE parents;\n",
};

/// The family, and a second migration.
macro_rules! family_and {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)+) => {
        $($(#[$doc])* static $name: &[MigrationSet] = &[MigrationSet {
            name: "app",
            migrations: &[FAMILY, Migration { number: 2, name: "second", text: $text }],
        }];)+
    };
}

static FAMILIES: &[MigrationSet] = &[MigrationSet { name: "app", migrations: &[FAMILY] }];

family_and! {
    ORPHANING = "-- up\nCREATE TABLE half (id {int});\nDELETE FROM parents;\n-- down\nDROP TABLE half;\n";
    MISTAKEN = "-- up\nCREATE TABLE half (id {int});\nDELETE FROM children;\nSELECT id FROM nowhere;\n\
        -- down\nDROP TABLE half;\n";
    COMMITTING = "-- up\nCREATE TABLE half (id {int});\nCOMMIT;\nSELECT id FROM nowhere;\n\
        -- down\nDROP TABLE half;\n";
    REBUILDING = "-- up\n\
        -- engine: sqlite\n\
        CREATE TABLE new_parents (id {int} NOT NULL PRIMARY KEY, name TEXT) {strict};\n\
        INSERT INTO new_parents (id) SELECT id FROM parents;\n\
        DROP TABLE parents;\n\
        ALTER TABLE new_parents RENAME TO parents;\n\
        -- engine: postgres\n\
        ALTER TABLE parents ADD COLUMN name TEXT;\n\
        -- down\nALTER TABLE parents DROP COLUMN name;\n";
    /// Stands still in its middle, on each engine in its way: one sleeps, the other counts for ever.
    SLOW = "-- up\nCREATE TABLE half (id {int});\nINSERT INTO children (id, parent) VALUES (7, 1);\n\
        -- engine: postgres\n\
        SELECT pg_sleep(60);\n\
        -- engine: sqlite\n\
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;\n\
        -- engine: both\nCREATE TABLE other_half (id {int});\n\
        -- down\nDROP TABLE half;\n";
    QUICK = "-- up\nCREATE TABLE half (id {int});\n-- down\nDROP TABLE half;\n";
}

static SLEEPERS: Statement = Statement::differing(
    "SLEEPERS",
    "SELECT 0",
    // The text of the query names the schema nowhere, but only a session of this schema holds a lock on its table.
    "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid \
        WHERE a.wait_event = 'PgSleep' AND l.relation = 'children'::regclass",
);
static END_SLEEPERS: Statement = Statement::differing(
    "END_SLEEPERS",
    "SELECT 0",
    "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid \
        WHERE a.wait_event = 'PgSleep' AND l.relation = 'children'::regclass",
);

/// The child: migrates, until it is killed.
pub(crate) async fn migrate_slowly(db: Db) {
    say("migrating");
    migrate::up(&db, SLOW, &clock(), None).await.unwrap();
}

async fn a_family(engine: Engine) -> Scratch {
    let scratch = scratch(engine, patient()).await;
    migrate::up(&scratch.db, FAMILIES, &clock(), None).await.unwrap();
    run(&scratch.db, &[&PARENT, &CHILD]).await;
    scratch
}

/// Whether the family is as it was, and its database still works.
async fn is_as_before(db: &Db, before: &schema::Schema) {
    assert_eq!(schema::read(db).await.unwrap(), *before);
    let status = migrate::status(db, ORPHANING).await.unwrap();
    assert!(status[0].applied_at.is_some() && status[1].applied_at.is_none());
    assert_eq!((number(db, &PARENTS).await, number(db, &CHILDREN).await), (1, 1));
    let orphan = db.write(|tx| tx.execute(&ORPHAN, &[])).await;
    assert!(matches!(orphan, Err(DbError::Constraint { kind: Constraint::ForeignKey, .. })), "{orphan:?}");
}

/// Waits until somebody is in the middle of a migration: he holds the lock, or sleeps.
async fn somebody_migrates(scratch: &Scratch) {
    match &scratch.target {
        Target::Sqlite(path) => {
            let probe = rusqlite::Connection::open(path).unwrap();
            probe.busy_timeout(std::time::Duration::ZERO).unwrap();
            while probe.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
                tokio::task::yield_now().await;
            }
        }
        Target::Postgres { .. } => while number(&scratch.db, &SLEEPERS).await == 0 {},
    }
}

/// Reads the family's parents on all connections, and says whether each sees them.
async fn on_every_connection(db: &Db) -> bool {
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let db = db.clone();
        reads.spawn(async move {
            let found = db.read(|tx| tx.query_all(&ALL_PARENTS, &[], |row| row.get::<i64>(0))).await;
            let one = db.read_one(&ALL_PARENTS, &[], |row| row.get::<i64>(0)).await;
            (found.unwrap(), one.unwrap()) == (vec![1], Some(1))
        });
    }
    reads.join_all().await.into_iter().all(|sees| sees)
}

on_each_engine! {
    async fn rel_22_a_migration_killed_in_its_middle_leaves_the_old_schema(engine) {
        let scratch = a_family(engine).await;
        let before = schema::read(&scratch.db).await.unwrap();
        let child = Process::start("migrate", &place(&scratch.target), &[]);
        child.next("migrating").unwrap();
        somebody_migrates(&scratch).await;
        child.kill("");

        is_as_before(&scratch.db, &before).await;
        // A server of PostgreSQL sleeps on until it looks for its client.
        number(&scratch.db, &END_SLEEPERS).await;
        migrate::up(&scratch.db, QUICK, &clock(), None).await.unwrap();
        assert!(schema::read(&scratch.db).await.unwrap().contains_key("half"));
    }

    async fn rel_22_a_migration_that_fails_is_undone(engine) {
        let scratch = a_family(engine).await;
        let before = schema::read(&scratch.db).await.unwrap();
        for wrong in [MISTAKEN, ORPHANING, COMMITTING] {
            assert!(migrate::up(&scratch.db, wrong, &clock(), None).await.is_err());
            is_as_before(&scratch.db, &before).await;
        }
    }

    async fn a_referenced_table_can_be_rebuilt_and_its_references_hold_afterwards(engine) {
        let scratch = a_family(engine).await;
        // Every connection prepares a statement, whose columns the migration will change.
        assert!(on_every_connection(&scratch.db).await);
        migrate::up(&scratch.db, REBUILDING, &clock(), None).await.unwrap();
        assert!(on_every_connection(&scratch.db).await);
        let orphan = scratch.db.write(|tx| tx.execute(&ORPHAN, &[])).await;
        assert!(matches!(orphan, Err(DbError::Constraint { kind: Constraint::ForeignKey, .. })));
    }
}

#[tokio::test]
async fn a_migration_that_ends_its_own_transaction_is_refused_before_it_runs() {
    let scratch = a_family(Engine::Sqlite).await;
    let refused = migrate::up(&scratch.db, COMMITTING, &clock(), None).await;
    assert!(matches!(refused, Err(MigrateError::Malformed { number: 2, .. })), "{refused:?}");
}
