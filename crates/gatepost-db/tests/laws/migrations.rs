//! Migrations up, down and at once, and those that are refused.

use std::os::unix::fs::PermissionsExt as _;

use gatepost_db::migrate::{self, MigrateError, Migration, MigrationSet};
use gatepost_db::{Db, Target, schema};
use gatepost_kernel::{Clock, Timestamp};

use crate::on_each_engine;
use crate::testing::{Engine, patient, scratch};
use crate::{number, run, sql};

sql! {
    ONE_NOTE = "INSERT INTO notes (id, body) VALUES (1, 'kept')";
    NOTES = "SELECT count(*) FROM notes";
}

const NOTES_TABLE: Migration = Migration {
    number: 1,
    name: "notes",
    text: "-- up\nCREATE TABLE notes (id {int} NOT NULL PRIMARY KEY, body TEXT NOT NULL) {strict};\n\
        -- down\nDROP TABLE notes;\n",
};
const AUTHORS_TABLE: Migration = Migration {
    number: 2,
    name: "authors",
    text: "-- up\nCREATE TABLE authors (id {uuid} NOT NULL PRIMARY KEY, name TEXT UNIQUE) {strict};\n\
        CREATE INDEX authors_by_name ON authors (name);\n-- down\nDROP TABLE authors;\n",
};
const GUEST_TABLE: Migration = Migration {
    number: 1,
    name: "guests",
    text: "-- up\nCREATE TABLE guests (id {int});\n-- down\nDROP TABLE guests;\n",
};

static FIRST: &[MigrationSet] = &[MigrationSet { name: "app", migrations: &[NOTES_TABLE] }];
static BOTH: &[MigrationSet] = &[MigrationSet { name: "app", migrations: &[NOTES_TABLE, AUTHORS_TABLE] }];
static WITH_GUESTS: &[MigrationSet] = &[
    MigrationSet { name: "app", migrations: &[NOTES_TABLE, AUTHORS_TABLE] },
    MigrationSet { name: "guests", migrations: &[GUEST_TABLE] },
];
static EDITED: &[MigrationSet] = &[MigrationSet {
    name: "app",
    migrations: &[
        Migration {
            text: "-- up\nCREATE TABLE notes (id {int}) {strict};\n-- down\nDROP TABLE notes;\n",
            ..NOTES_TABLE
        },
        AUTHORS_TABLE,
    ],
}];
static WITH_A_GAP: &[MigrationSet] =
    &[MigrationSet { name: "app", migrations: &[NOTES_TABLE, Migration { number: 3, ..AUTHORS_TABLE }] }];

pub(crate) fn clock() -> Clock {
    Clock::from_fn(|| Timestamp::from_micros(1_700_000_000_000_000))
}

async fn applied(db: &Db, sets: &'static [MigrationSet]) -> Vec<(&'static str, u32)> {
    let all = migrate::status(db, sets).await.unwrap();
    all.into_iter().filter(|one| one.applied_at.is_some()).map(|one| (one.set, one.number)).collect()
}

on_each_engine! {
    async fn asking_creates_nothing(engine) {
        let scratch = scratch(engine, patient()).await;
        assert!(applied(&scratch.db, BOTH).await.is_empty());
        assert!(schema::read(&scratch.db).await.unwrap().is_empty());
    }

    async fn up_then_down_to_nothing_then_up_is_the_same(engine) {
        let scratch = scratch(engine, patient()).await;
        let done = migrate::up(&scratch.db, WITH_GUESTS, &clock(), None).await.unwrap();
        let names: Vec<_> = done.iter().map(|one| (one.set, one.number)).collect();
        assert_eq!(names, [("app", 1), ("app", 2), ("guests", 1)]);
        assert!(done.iter().all(|one| one.applied_at == Some(clock().now())));
        let before = schema::read(&scratch.db).await.unwrap();

        let undone = migrate::down(&scratch.db, WITH_GUESTS, "app", 0).await.unwrap();
        assert_eq!(undone.iter().map(|one| one.number).collect::<Vec<_>>(), [2, 1]);
        let tables: Vec<_> = schema::read(&scratch.db).await.unwrap().into_keys().collect();
        assert_eq!(tables, ["guests", "schema_migrations"], "the other set stays");
        assert_eq!(applied(&scratch.db, WITH_GUESTS).await, [("guests", 1)]);

        migrate::up(&scratch.db, WITH_GUESTS, &clock(), None).await.unwrap();
        assert_eq!(schema::read(&scratch.db).await.unwrap(), before);
        assert!(migrate::up(&scratch.db, WITH_GUESTS, &clock(), None).await.unwrap().is_empty());
    }

    async fn rel_23_two_that_migrate_at_once_apply_everything_once(engine) {
        for _ in 0..5 {
            let scratch = scratch(engine, patient()).await;
            let other = Db::open(&scratch.target, patient()).await.unwrap();
            let clock = clock();
            let (one, two) = tokio::join!(
                migrate::up(&scratch.db, WITH_GUESTS, &clock, None),
                migrate::up(&other, WITH_GUESTS, &clock, None)
            );
            let mut done: Vec<_> =
                one.unwrap().into_iter().chain(two.unwrap()).map(|one| (one.set, one.number)).collect();
            done.sort_unstable();
            assert_eq!(done, [("app", 1), ("app", 2), ("guests", 1)]);
        }
    }

    async fn rel_23_an_edited_migration_is_refused(engine) {
        let scratch = scratch(engine, patient()).await;
        migrate::up(&scratch.db, FIRST, &clock(), None).await.unwrap();
        let before = schema::read(&scratch.db).await.unwrap();
        let edited = |error| matches!(error, MigrateError::Edited { set: "app", number: 1 });
        assert!(edited(migrate::status(&scratch.db, EDITED).await.unwrap_err()));
        assert!(edited(migrate::up(&scratch.db, EDITED, &clock(), None).await.unwrap_err()));
        assert!(edited(migrate::down(&scratch.db, EDITED, "app", 0).await.unwrap_err()));
        assert_eq!(schema::read(&scratch.db).await.unwrap(), before);
    }

    async fn rel_23_a_newer_database_is_refused(engine) {
        let scratch = scratch(engine, patient()).await;
        migrate::up(&scratch.db, BOTH, &clock(), None).await.unwrap();
        let newer = |error| matches!(error, MigrateError::Newer { found: 2, known: 1, .. });
        assert!(newer(migrate::status(&scratch.db, FIRST).await.unwrap_err()));
        assert!(newer(migrate::up(&scratch.db, FIRST, &clock(), None).await.unwrap_err()));
        assert!(newer(migrate::down(&scratch.db, FIRST, "app", 0).await.unwrap_err()));
        assert_eq!(applied(&scratch.db, BOTH).await.len(), 2);
    }

    async fn numbers_without_a_rule_are_refused(engine) {
        let scratch = scratch(engine, patient()).await;
        let refused = migrate::up(&scratch.db, WITH_A_GAP, &clock(), None).await;
        assert!(matches!(refused, Err(MigrateError::Malformed { number: 3, .. })));
        assert!(schema::read(&scratch.db).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn rel_22_a_file_with_data_is_copied_before_it_is_migrated() {
    let scratch = scratch(Engine::Sqlite, patient()).await;
    let data_dir = Some(scratch.folder.path());
    migrate::up(&scratch.db, FIRST, &clock(), data_dir).await.unwrap();
    let backups = scratch.folder.path().join("backups");
    assert!(!backups.exists(), "there was nothing to copy");
    run(&scratch.db, &[&ONE_NOTE]).await;

    migrate::up(&scratch.db, BOTH, &clock(), data_dir).await.unwrap();

    let copy = backups.join("before-app-0002.db");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let old = Db::open(&Target::Sqlite(copy), patient()).await.unwrap();
    assert_eq!(applied(&old, BOTH).await, [("app", 1)]);
    assert!(!schema::read(&old).await.unwrap().contains_key("authors"));
    assert_eq!(number(&old, &NOTES).await, 1);

    migrate::up(&scratch.db, BOTH, &clock(), data_dir).await.unwrap();
    assert_eq!(
        std::fs::read_dir(&backups)
            .unwrap()
            .filter(|file| { file.as_ref().unwrap().path().extension().is_some_and(|end| end == "db") })
            .count(),
        1,
        "nothing to migrate, nothing to copy"
    );
}
