//! The application inside this program, for what needs its queue or a clock to turn.

use std::ffi::OsString;
use std::slice;

use gatepost_db::{Db, Options, Target, migrate};
use gatepost_kernel::{Clock, Random};
use gatepost_server::app::Ingredients;
use gatepost_server::config::{Config, DatabaseLocation, Raw};
use gatepost_server::features::MIGRATIONS;
use gatepost_server::keys::MasterKey;
use gatepost_server::passwords::HashParams;
use gatepost_server::{App, Extension};

use crate::Result;

/// What it calls itself.
pub(crate) const HOST: &str = "127.0.0.1:8080";

/// The application with these settings, named as in the environment, on the database that they name. Its hashes are
/// cheap: whoever wants to know what they cost measures a server.
pub(crate) async fn open(settings: Vec<(&'static str, String)>, clock: Clock) -> Result<App> {
    let settings = settings.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let mut config = Config::load(&Raw::new().env(settings))?;
    config.passwords.params = HashParams::below_the_floor(64, 1, 1)?;
    let target = match &config.database.location {
        DatabaseLocation::Sqlite(path) => Target::Sqlite(path.clone()),
        DatabaseLocation::Postgres { url, .. } => Target::Postgres {
            url: url.clone(),
            connections: usize::try_from(config.database.max_connections)?,
            statement_timeout: config.database.statement_timeout,
        },
    };
    std::fs::create_dir_all(&config.server.data_dir)?;
    let db = Db::open(&target, Options::default()).await?;
    migrate::up(&db, slice::from_ref(&MIGRATIONS), &clock, None).await?;
    let random = Random::system();
    let master = MasterKey::in_directory(&config.server.data_dir, &random)?;
    let issuer = format!("http://{HOST}");
    Ok(App::start(Ingredients { config, issuer, db, clock, random, master, extension: Extension::new() })
        .await?)
}
