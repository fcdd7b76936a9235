//! Migrations: numbered, one text for both engines, checksummed, up and down.
//!
//! Each migration is one transaction together with its row in `schema_migrations`, so a killed process leaves the old
//! schema, whole. On PostgreSQL every step runs under an advisory lock and looks again at what is applied once it has
//! the lock, so two servers that start together migrate once. An embedder adds a [`MigrationSet`] of its own beside
//! Gatepost's; the sets do not share numbers.
//!
//! ```
//! use gatepost_db::migrate::{Migration, MigrationSet};
//!
//! static NOTES: MigrationSet = MigrationSet {
//!     name: "notes",
//!     migrations: &[Migration {
//!         number: 1,
//!         name: "notes",
//!         text: "-- up\nCREATE TABLE notes (id {uuid} NOT NULL PRIMARY KEY, body TEXT NOT NULL) {strict};\n\
//!                -- down\nDROP TABLE notes;\n",
//!     }],
//! };
//! ```

mod text;

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest;
use gatepost_kernel::{Clock, Timestamp};

use crate::{Db, DbError, WriteTx, params, statements};

/// A numbered change of the schema.
#[derive(Debug)]
pub struct Migration {
    /// Counts up from 1 within its set, without gaps.
    pub number: u32,
    /// A short name for people.
    pub name: &'static str,
    /// The SQL: a part after a line `-- up` and one after `-- down`. Types are tokens that each engine spells its
    /// way: `{uuid} {bytes} {int} {bool} {serial}`, and `{strict}` closes a table. Where the engines truly differ, a
    /// line `-- engine: sqlite`, `-- engine: postgres` or `-- engine: both` says for whom the next lines are.
    pub text: &'static str,
}

/// The migrations of one owner: Gatepost, or an application around it.
#[derive(Debug)]
pub struct MigrationSet {
    /// The owner's name, part of the primary key of `schema_migrations`.
    pub name: &'static str,
    /// In order.
    pub migrations: &'static [Migration],
}

/// One migration and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The owner's name.
    pub set: &'static str,
    /// The migration's number.
    pub number: u32,
    /// The migration's name.
    pub name: &'static str,
    /// When it was applied, if it was.
    pub applied_at: Option<Timestamp>,
}

/// Why the schema was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MigrateError {
    /// The database was migrated by a newer program.
    #[error("the database has {set} schema {found}, and this program knows {known}: use the newer program")]
    Newer {
        /// The owner's name.
        set: String,
        /// The highest number applied.
        found: i64,
        /// The highest number known.
        known: u32,
    },
    /// A migration that is applied reads differently now.
    #[error("migration {set}/{number} was edited after it was applied: restore its text and write a new one")]
    Edited {
        /// The owner's name.
        set: &'static str,
        /// The migration's number.
        number: u32,
    },
    /// The texts or numbers of a set do not fit the rules: a mistake of its author.
    #[error("migration {set}/{number}: {problem}")]
    Malformed {
        /// The owner's name.
        set: &'static str,
        /// The migration's number.
        number: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
}

statements! {
    CREATE_TABLE = sqlite "CREATE TABLE IF NOT EXISTS schema_migrations (set_name TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY (set_name, number)) STRICT",
        postgres "CREATE TABLE IF NOT EXISTS schema_migrations (set_name TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, checksum BYTEA NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (set_name, number))";
    TABLE_EXISTS = sqlite "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
        postgres "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'schema_migrations'";
    APPLIED = "SELECT set_name, number, checksum, applied_at FROM schema_migrations";
    RECORD = "INSERT INTO schema_migrations (set_name, number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    FORGET = "DELETE FROM schema_migrations WHERE set_name = ?1 AND number = ?2";
}

/// Every migration of the sets and whether it is applied.
///
/// # Errors
/// [`MigrateError::Newer`] and [`MigrateError::Edited`] when database and program do not fit together.
pub async fn status(db: &Db, sets: &'static [MigrationSet]) -> Result<Vec<Status>, MigrateError> {
    let applied = db
        .read(|tx| {
            // Asking must not create anything: the database may belong to somebody else.
            let exists = tx.query_one(&TABLE_EXISTS, &params![], |row| row.get::<i64>(0))?;
            if exists == 0 { Ok::<_, DbError>(Applied::default()) } else { applied(tx) }
        })
        .await?;
    compare(sets, &applied)
}

/// Applies every pending migration, each in a transaction of its own, and returns what it applied. Before it changes a
/// SQLite file that holds data, it copies the file to `backups/before-<set>-<number>.db` under `data_dir`.
///
/// # Errors
/// As [`status`], [`MigrateError::Malformed`], or what the database says; the failing migration is undone whole.
pub async fn up(
    db: &Db,
    sets: &'static [MigrationSet],
    clock: &Clock,
    data_dir: Option<&Path>,
) -> Result<Vec<Status>, MigrateError> {
    let before = status(db, sets).await?;
    let first = before.iter().find(|migration| migration.applied_at.is_none());
    if let (Some(first), Some(data_dir)) = (first, data_dir)
        && before.iter().any(|migration| migration.applied_at.is_some())
    {
        back_up(db, data_dir, first).await?;
    }
    let mut done = Vec::new();
    loop {
        let now = clock.now();
        let step = db.migrate(move |tx| Ok(step_up(tx, sets, now))).await?;
        match step? {
            Some(status) => done.push(status),
            None => return Ok(done),
        }
    }
}

/// Takes back the migrations of one set above `to`, newest first, and returns what it took back.
///
/// # Errors
/// As [`up`].
pub async fn down(
    db: &Db,
    sets: &'static [MigrationSet],
    set: &'static str,
    to: u32,
) -> Result<Vec<Status>, MigrateError> {
    let mut done = Vec::new();
    loop {
        let step = db.migrate(move |tx| Ok(step_down(tx, sets, set, to))).await?;
        match step? {
            Some(status) => done.push(status),
            None => return Ok(done),
        }
    }
}

async fn back_up(db: &Db, data_dir: &Path, first: &Status) -> Result<(), MigrateError> {
    let folder = data_dir.join("backups");
    std::fs::create_dir_all(&folder).map_err(|error| DbError::Engine {
        context: "create the folder for the backup before a migration",
        source: std::sync::Arc::new(error),
    })?;
    let file = folder.join(format!("before-{}-{:04}.db", first.set, first.number));
    if db.copy_file(&file).await? {
        tracing::info!(file = %file.display(), "copied the database before migrating it");
    }
    Ok(())
}

/// What is applied: checksum and time by set and number.
type Applied = BTreeMap<(String, i64), (Vec<u8>, Timestamp)>;

fn applied(tx: &mut crate::ReadTx<'_>) -> Result<Applied, DbError> {
    let rows = tx.query_all(&APPLIED, &params![], |row| {
        Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
    })?;
    Ok(rows.into_iter().collect())
}

fn compare(sets: &'static [MigrationSet], applied: &Applied) -> Result<Vec<Status>, MigrateError> {
    let mut all = Vec::new();
    for set in sets {
        let known = u32::try_from(set.migrations.len()).unwrap_or(u32::MAX);
        let found = applied.keys().filter(|(name, _)| name == set.name).map(|(_, number)| *number).max();
        if let Some(found) = found.filter(|found| *found > i64::from(known)) {
            return Err(MigrateError::Newer { set: set.name.to_owned(), found, known });
        }
        for (position, migration) in set.migrations.iter().enumerate() {
            let number = migration.number;
            if usize::try_from(number) != Ok(position + 1) {
                return Err(MigrateError::Malformed {
                    set: set.name,
                    number,
                    problem: "numbers count up from 1",
                });
            }
            let row = applied.get(&(set.name.to_owned(), i64::from(number)));
            if row.is_some_and(|(sum, _)| *sum != checksum(migration)) {
                return Err(MigrateError::Edited { set: set.name, number });
            }
            let applied_at = row.map(|(_, at)| *at);
            all.push(Status { set: set.name, number, name: migration.name, applied_at });
        }
    }
    Ok(all)
}

fn checksum(migration: &Migration) -> Vec<u8> {
    digest::digest(&digest::SHA256, migration.text.as_bytes()).as_ref().to_vec()
}

fn step_up(
    tx: &mut WriteTx<'_>,
    sets: &'static [MigrationSet],
    now: Timestamp,
) -> Result<Option<Status>, MigrateError> {
    tx.execute(&CREATE_TABLE, &params![])?;
    let applied = applied(tx)?;
    let pending = compare(sets, &applied)?.into_iter().find(|migration| migration.applied_at.is_none());
    let Some(pending) = pending else { return Ok(None) };
    let migration = find(sets, &pending)?;
    tx.script(&script(tx, &pending, migration.text, text::Part::Up)?)?;
    tx.execute(
        &RECORD,
        &params![pending.set, i64::from(pending.number), pending.name, checksum(migration), now],
    )?;
    Ok(Some(Status { applied_at: Some(now), ..pending }))
}

fn step_down(
    tx: &mut WriteTx<'_>,
    sets: &'static [MigrationSet],
    set: &'static str,
    to: u32,
) -> Result<Option<Status>, MigrateError> {
    tx.execute(&CREATE_TABLE, &params![])?;
    let applied = applied(tx)?;
    let newest = compare(sets, &applied)?
        .into_iter()
        .rfind(|migration| migration.set == set && migration.number > to && migration.applied_at.is_some());
    let Some(newest) = newest else { return Ok(None) };
    let migration = find(sets, &newest)?;
    tx.script(&script(tx, &newest, migration.text, text::Part::Down)?)?;
    tx.execute(&FORGET, &params![newest.set, i64::from(newest.number)])?;
    Ok(Some(Status { applied_at: None, ..newest }))
}

fn find(sets: &'static [MigrationSet], status: &Status) -> Result<&'static Migration, MigrateError> {
    sets.iter()
        .filter(|set| set.name == status.set)
        .flat_map(|set| set.migrations)
        .find(|migration| migration.number == status.number)
        .ok_or(MigrateError::Malformed { set: status.set, number: status.number, problem: "not found" })
}

fn script(
    tx: &WriteTx<'_>,
    status: &Status,
    migration: &str,
    part: text::Part,
) -> Result<String, MigrateError> {
    text::render(migration, part, tx.dialect()).map_err(|problem| MigrateError::Malformed {
        set: status.set,
        number: status.number,
        problem,
    })
}
