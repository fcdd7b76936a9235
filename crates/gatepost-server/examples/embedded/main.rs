//! An application that embeds Gatepost: it mounts the routes, protects its own ones, keeps its own tables in the same
//! database, and makes an account and a row of its own in one transaction.
//!
//! `cargo run -p gatepost-server --example embedded` serves it on <http://127.0.0.1:8080>, with its data in `./data`.
//! `tests/embedded.rs` runs it on both databases.

mod notes;
mod teams;

use std::path::Path;

use axum::Router;
use gatepost_db::migrate::{self, MigrationSet};
use gatepost_db::{Db, DirectoryLock, Options, Target};
use gatepost_kernel::{Clock, Random};
use gatepost_server::app::{App, Ingredients};
use gatepost_server::config::{Config, Raw};
use gatepost_server::extension::Extension;
use gatepost_server::features::MIGRATIONS as GATEPOST;
use gatepost_server::http::{self, HttpParts, ServeOptions};
use gatepost_server::jobs;
use gatepost_server::keys::MasterKey;
use gatepost_server::outbox::Courier;

/// Gatepost's tables, and ours beside them. The two sets do not share numbers.
pub(crate) static SETS: &[MigrationSet] = &[
    MigrationSet { name: GATEPOST.name, migrations: GATEPOST.migrations },
    MigrationSet { name: "workshop", migrations: &[teams::MIGRATION, notes::MIGRATION] },
];

/// What Gatepost is told of us: the permissions that our handlers ask for, and what accounts own.
pub(crate) fn extension() -> Extension {
    Extension::new()
        .with_permissions(teams::PERMISSIONS)
        .with_permissions(notes::PERMISSIONS)
        .with_resource(notes::Notes)
}

/// Gatepost's routes, and ours beside them.
pub(crate) fn routes(app: App) -> Router {
    let own = Router::new().merge(teams::routes()).merge(notes::routes()).with_state(app.clone());
    http::router(app).merge(own)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, random) = (Clock::system(), Random::system());
    let config = Config::load(&Raw::new())?;
    let folder = Path::new("data");
    std::fs::create_dir_all(folder)?;
    let _lock = DirectoryLock::acquire(folder)?;

    let db = Db::open(&Target::Sqlite(folder.join("workshop.db")), Options::default()).await?;
    migrate::up(&db, SETS, &clock, Some(folder)).await?;
    let app = App::start(Ingredients {
        issuer: config.server.issuer(8080),
        master: MasterKey::in_directory(folder, &random)?,
        config,
        db,
        clock: clock.clone(),
        random: random.clone(),
        extension: extension(),
    })
    .await?;
    // Delivers mails, rotates keys, seals the audit log, forgets what is over.
    let courier = Courier::new(&app)?;
    tokio::spawn(jobs::run(app.clone(), courier));

    let routes = http::finish(routes(app), HttpParts::new(clock, random));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    http::serve(listener, routes, ServeOptions::default(), std::future::pending()).await;
    Ok(())
}
