//! From flags to a configuration, a database and an application.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use gatepost_db::migrate::{self, MigrationSet};
use gatepost_db::{Db, Options, Target};
use gatepost_kernel::{Clock, Random};
use gatepost_server::app::Ingredients;
use gatepost_server::config::{Config, DatabaseLocation, Raw};
use gatepost_server::features::MIGRATIONS;
use gatepost_server::keys::{self, MasterKey};
use gatepost_server::{App, Extension};

use crate::cli::Everyday;
use crate::failure::{CONFIGURATION, Failure};

/// The version, with the commit when the build knew it.
pub(crate) const VERSION: &str = env!("VERSION_AND_COMMIT");

/// The schema: one set, ours.
pub(crate) static SETS: &[MigrationSet] = std::slice::from_ref(&MIGRATIONS);

/// The file that is read when nobody names one.
const DEFAULT_FILE: &str = "gatepost.toml";

/// Lays file, environment and flags over each other.
pub(crate) fn raw(everyday: &Everyday) -> Result<Raw, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this is where configuration is read and handed down")]
    let (variables, named_by_variable) = (std::env::vars_os(), std::env::var_os("GATEPOST_CONFIG"));
    let named = everyday.config.clone().or(named_by_variable.map(PathBuf::from));
    let file = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let raw = match std::fs::read_to_string(&file) {
        Ok(text) => Raw::new().file(&file, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Raw::new(),
        Err(error) => {
            return Err(Failure::new(CONFIGURATION, format!("cannot read {}: {error}", file.display())));
        }
    };
    let flags = [
        ("listen", &everyday.listen, "--listen"),
        ("data_dir", &everyday.data_dir, "--data-dir"),
        ("database_url", &everyday.database_url, "--database-url"),
        ("database_url_file", &everyday.database_url_file, "--database-url-file"),
        ("public_url", &everyday.public_url, "--public-url"),
    ];
    let flags = flags.into_iter().filter_map(|(key, value, flag)| Some((key, value.clone()?, flag)));
    Ok(raw.env(variables).flags(flags))
}

/// Reads and believes the configuration.
pub(crate) fn load(everyday: &Everyday) -> Result<Config, Failure> {
    Ok(Config::load(&raw(everyday)?)?)
}

/// Makes the data directory, for its owner only.
pub(crate) fn make_data_dir(config: &Config) -> Result<&Path, Failure> {
    let folder = config.server.data_dir.as_path();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::io(format!("create the data folder {}", folder.display()), &error))?;
    refuse_if(folder, 0o002, "chmod o-w")?;
    Ok(folder)
}

/// Refuses a file or folder that others may do more with than we can allow; `hint` takes it back.
pub(crate) fn refuse_if(path: &Path, forbidden: u32, hint: &str) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & forbidden != 0 => Err(Failure::new(
            CONFIGURATION,
            format!("{} is open to other users of this machine", path.display()),
        )
        .hint(format!("{hint} {}", path.display()))),
        // What is not there yet is made for its owner only.
        _ => Ok(()),
    }
}

/// Sees that there is a database, for commands that must not make one.
pub(crate) fn find(config: &Config) -> Result<(), Failure> {
    match &config.database.location {
        DatabaseLocation::Sqlite(path) if !path.exists() => {
            Err(Failure::new(CONFIGURATION, format!("there is no database at {}", path.display()))
                .hint("is this the right folder? `gatepost serve` or `gatepost migrate up` makes a new one"))
        }
        DatabaseLocation::Sqlite(_) | DatabaseLocation::Postgres { .. } => Ok(()),
    }
}

/// Opens the database.
pub(crate) async fn open(config: &Config) -> Result<Db, Failure> {
    open_with(config, Options::default()).await
}

async fn open_with(config: &Config, options: Options) -> Result<Db, Failure> {
    let target = match &config.database.location {
        DatabaseLocation::Sqlite(path) => {
            refuse_if(path, 0o077, "chmod 600")?;
            Target::Sqlite(path.clone())
        }
        DatabaseLocation::Postgres { url, .. } => Target::Postgres {
            url: url.clone(),
            connections: usize::try_from(config.database.max_connections).unwrap_or(usize::MAX),
            statement_timeout: config.database.statement_timeout,
        },
    };
    Ok(Db::open(&target, options).await?)
}

/// What the application is made of, on a database whose schema is up to date.
pub(crate) async fn ingredients(config: Config, issuer: String, db: Db) -> Result<Ingredients, Failure> {
    let random = Random::system();
    let master = match &config.keys.master_key {
        Some(text) => MasterKey::from_text(text.expose())?,
        None => {
            let file = config.server.data_dir.join("master.key");
            // A new key would open nothing, and its file would hide that the right one is missing.
            if !file.exists() && keys::exist(&db).await? {
                return Err(Failure::new(
                    CONFIGURATION,
                    format!("the master key {} is missing", file.display()),
                )
                .hint(
                    "restore the one that belongs to this database, or name it with keys.master_key_file",
                ));
            }
            MasterKey::in_directory(&config.server.data_dir, &random)?
        }
    };
    Ok(Ingredients {
        config,
        issuer,
        db,
        clock: Clock::system(),
        random,
        master,
        extension: Extension::new(),
    })
}

/// The application for a command that may run beside a server: it takes no lock and changes no schema.
pub(crate) async fn beside(config: Config) -> Result<App, Failure> {
    beside_with(config, Options::default()).await
}

/// The same, with other options of the database.
pub(crate) async fn beside_with(config: Config, options: Options) -> Result<App, Failure> {
    find(&config)?;
    let db = open_with(&config, options).await?;
    if migrate::status(&db, SETS).await?.iter().any(|migration| migration.applied_at.is_none()) {
        return Err(Failure::new(CONFIGURATION, "the schema of the database is older than this program")
            .hint("run `gatepost migrate up`, or restart the server with this version"));
    }
    let issuer = config.server.issuer(config.server.listen.port());
    Ok(App::beside(ingredients(config, issuer, db).await?).await?)
}
