//! `gatepost migrate`.

use gatepost_db::migrate::{self, Status};
use gatepost_db::{Db, DirectoryLock};
use gatepost_kernel::Clock;
use gatepost_server::config::Config;
use gatepost_server::features::MIGRATIONS;

use crate::cli::Migrate as Command;
use crate::context::{SETS, make_data_dir, open};
use crate::failure::{Failure, REFUSED};

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    let data_dir = make_data_dir(&config)?.to_owned();
    match command {
        Command::Status => {
            let db = open(&config).await?;
            for migration in migrate::status(&db, SETS).await? {
                print(&migration);
            }
            db.close().await;
        }
        Command::Up => {
            let _lock = DirectoryLock::acquire(&data_dir)?;
            let db = open(&config).await?;
            report(&db, migrate::up(&db, SETS, &Clock::system(), Some(&data_dir)).await?).await;
        }
        Command::Down { to, yes } => {
            if !yes {
                return Err(Failure::new(
                    REFUSED,
                    "taking migrations back loses the data of the tables that go away",
                )
                .hint("add --yes when you have a backup"));
            }
            let _lock = DirectoryLock::acquire(&data_dir)?;
            let db = open(&config).await?;
            report(&db, migrate::down(&db, SETS, MIGRATIONS.name, to).await?).await;
        }
    }
    Ok(())
}

async fn report(db: &Db, changed: Vec<Status>) {
    if changed.is_empty() {
        println!("nothing to do");
    }
    changed.iter().for_each(print);
    db.close().await;
}

fn print(migration: &Status) {
    let Status { set, number, name, applied_at } = migration;
    match applied_at {
        Some(at) => println!("{set} {number:04} {name:<12} applied {at}"),
        None => println!("{set} {number:04} {name:<12} pending"),
    }
}
