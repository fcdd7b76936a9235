//! `gatepost migrate`.

use gatepost_db::migrate::{self, Status};
use gatepost_db::{Db, DirectoryLock};
use gatepost_kernel::Clock;
use gatepost_server::config::Config;
use gatepost_server::features::MIGRATIONS;

use crate::cli::Migrate as Command;
use crate::context::{SETS, find, make_data_dir, open};
use crate::failure::{Failure, REFUSED};
use crate::output;

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status => {
            // Looking must not make a database.
            if find(&config).is_err() {
                return pending().try_for_each(|migration| print(&migration));
            }
            let db = open(&config).await?;
            let all = migrate::status(&db, SETS).await?;
            db.close().await;
            all.iter().try_for_each(print)
        }
        Command::Up => {
            let data_dir = make_data_dir(&config)?;
            let _lock = DirectoryLock::acquire(data_dir)?;
            let db = open(&config).await?;
            let done = migrate::up(&db, SETS, &Clock::system(), Some(data_dir)).await?;
            report(&db, &done).await
        }
        Command::Down { to, yes } => {
            if !yes {
                return Err(Failure::new(
                    REFUSED,
                    "taking migrations back loses the data of the tables that go away",
                )
                .hint("add --yes when you have a backup"));
            }
            find(&config)?;
            let _lock = DirectoryLock::acquire(make_data_dir(&config)?)?;
            let db = open(&config).await?;
            let done = migrate::down(&db, SETS, MIGRATIONS.name, to).await?;
            report(&db, &done).await
        }
    }
}

/// What a database that is still to be made lacks.
fn pending() -> impl Iterator<Item = Status> {
    let (set, migrations) = (MIGRATIONS.name, MIGRATIONS.migrations);
    migrations.iter().map(move |migration| Status {
        set,
        number: migration.number,
        name: migration.name,
        applied_at: None,
    })
}

async fn report(db: &Db, changed: &[Status]) -> Result<(), Failure> {
    db.close().await;
    if changed.is_empty() {
        output::line("nothing to do")?;
    }
    changed.iter().try_for_each(print)
}

fn print(migration: &Status) -> Result<(), Failure> {
    let Status { set, number, name, applied_at } = migration;
    match applied_at {
        Some(at) => output::line(format_args!("{set} {number:04} {name:<12} applied {at}")),
        None => output::line(format_args!("{set} {number:04} {name:<12} pending")),
    }
}
