//! What the schema reader sees, and that every statement of this crate is understood.

use std::collections::BTreeSet;

use gatepost_db::migrate::{self, Migration, MigrationSet};
use gatepost_db::schema::{self, ColumnKind};
use gatepost_kernel::{Clock, Timestamp};

use crate::on_each_engine;
use crate::testing::{Engine, patient, prepare_all, scratch};

/// One of everything that a migration can say.
static SETS: &[MigrationSet] = &[MigrationSet {
    name: "everything",
    migrations: &[Migration {
        number: 1,
        name: "everything",
        text: "\
-- up
CREATE TABLE owners (id {uuid} NOT NULL PRIMARY KEY, name TEXT, at {int} NOT NULL) {strict};
CREATE TABLE things (
    seq {serial},
    owner {uuid} NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    other {uuid} REFERENCES owners (id) ON DELETE SET NULL,
    kind TEXT NOT NULL,
    number {int} NOT NULL,
    hash {bytes} NOT NULL UNIQUE,
    done {bool} NOT NULL,
    UNIQUE (kind, number)
) {strict};
CREATE INDEX things_by_owner ON things (owner, number);
-- down
DROP TABLE things;
DROP TABLE owners;
",
    }],
}];

fn clock() -> Clock {
    Clock::from_fn(|| Timestamp::from_micros(1_700_000_000_000_000))
}

on_each_engine! {
    async fn every_statement_of_this_crate_is_understood(engine) {
        let scratch = scratch(engine, patient()).await;
        migrate::up(&scratch.db, SETS, &clock(), None).await.unwrap();
        prepare_all(&scratch.db, migrate::STATEMENTS).await.unwrap();
        prepare_all(&scratch.db, schema::STATEMENTS).await.unwrap();
        scratch.db.ping().await.unwrap();
    }

    async fn a_statement_that_does_not_fit_is_named(engine) {
        static WRONG: gatepost_db::Statement = gatepost_db::Statement::new("WRONG", "SELECT id FROM nowhere");
        let scratch = scratch(engine, patient()).await;
        let refused = prepare_all(&scratch.db, &[&WRONG]).await.unwrap_err();
        assert!(refused.len() == 1 && refused[0].starts_with("WRONG: "), "{refused:?}");
    }
}

#[tokio::test]
async fn one_migration_makes_the_same_schema_on_both_engines() {
    let mut schemas = Vec::new();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let scratch = scratch(engine, patient()).await;
        migrate::up(&scratch.db, SETS, &clock(), None).await.unwrap();
        schemas.push(schema::read(&scratch.db).await.unwrap());
    }
    assert_eq!(schemas[0], schemas[1]);

    let names: Vec<_> = schemas[0].keys().map(String::as_str).collect();
    assert_eq!(names, ["owners", "schema_migrations", "things"]);
    let things = &schemas[0]["things"];
    let column = |name: &str| things.columns[name].clone();
    assert_eq!(column("owner"), ColumnKind { kind: "bytes", not_null: true });
    assert_eq!(column("other"), ColumnKind { kind: "bytes", not_null: false });
    assert_eq!(column("done"), ColumnKind { kind: "int", not_null: true });
    assert_eq!(column("kind"), ColumnKind { kind: "text", not_null: true });
    let lists = |lists: &[&[&str]]| -> BTreeSet<Vec<String>> {
        lists.iter().map(|list| list.iter().map(ToString::to_string).collect()).collect()
    };
    assert_eq!(things.unique, lists(&[&["seq"], &["hash"], &["kind", "number"]]));
    assert_eq!(things.indexes, lists(&[&["owner", "number"]]));
    assert_eq!(things.references.len(), 2);
}
