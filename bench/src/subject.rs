//! What is measured: the release build of the server, on a fresh database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::process::{Process, free_address};

/// A PostgreSQL server to make databases on.
pub(crate) struct Postgres {
    /// The URL of a role that may create databases.
    pub(crate) url: String,
    /// The folder that holds `pgbench`.
    pub(crate) programs: PathBuf,
}

/// The server and its database.
pub(crate) struct Subject {
    server: PathBuf,
    pub(crate) folder: TempDir,
    pub(crate) postgres: Option<Postgres>,
}

/// The database of the server, that of the limit, that of the botnet's victim, and those of few and many accounts.
const DATABASES: [&str; 5] = ["bench_subject", "bench_limit", "bench_botnet", "bench_few", "bench_many"];

/// Where a server has its data.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Where nearly everything is measured.
    Usual,
    /// Among few accounts.
    Few,
    /// Among many.
    Many,
}

impl Subject {
    pub(crate) fn on_sqlite(server: &Path) -> Result<Self> {
        Ok(Self { server: server.to_owned(), folder: folder()?, postgres: None })
    }

    pub(crate) async fn on_postgres(server: &Path, postgres: Postgres) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(&postgres.url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        for name in DATABASES {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await?;
            client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        }
        Ok(Self { server: server.to_owned(), folder: folder()?, postgres: Some(postgres) })
    }

    pub(crate) const fn engine(&self) -> &'static str {
        if self.postgres.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    /// The file of the database, if it is one.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        self.postgres.is_none().then(|| self.folder.path().join("data/gatepost.db"))
    }

    /// What tells an application where its data are.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        self.settings_at(Place::Usual)
    }

    /// The same for the house that a botnet attacks: its day is not today, and that belongs into no other database.
    pub(crate) fn botnet_settings(&self) -> Vec<(&'static str, String)> {
        self.settings_of("botnet", DATABASES[2])
    }

    fn settings_at(&self, place: Place) -> Vec<(&'static str, String)> {
        match place {
            Place::Usual => self.settings_of("data", DATABASES[0]),
            Place::Few => self.settings_of("few", DATABASES[3]),
            Place::Many => self.settings_of("many", DATABASES[4]),
        }
    }

    /// The program with this command.
    pub(crate) fn command_at(&self, place: Place, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.server);
        command.args(arguments).current_dir(self.folder.path()).envs(self.settings_at(place));
        command
    }

    fn settings_of(&self, folder: &str, database: &str) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().join(folder);
        let mut settings = vec![("GATEPOST_DATA_DIR", folder.display().to_string())];
        if let Some(postgres) = &self.postgres {
            settings.push(("GATEPOST_DATABASE_URL", postgres.database(database)));
        }
        settings
    }

    /// Starts the server with its defaults, but for these settings. Also says how long it took to become ready.
    pub(crate) async fn start(&self, settings: &[(&str, &str)]) -> Result<(Process, Duration)> {
        self.start_at(Place::Usual, settings).await
    }

    /// The same in this place.
    pub(crate) async fn start_at(
        &self,
        place: Place,
        settings: &[(&str, &str)],
    ) -> Result<(Process, Duration)> {
        let address = free_address()?;
        let mut command = self.command_at(place, &["serve"]);
        command
            .env("GATEPOST_LISTEN", address.to_string())
            .env("GATEPOST_HTTP_DRAIN_DELAY", "0s")
            // The load comes from one address, and what is measured is not how fast it is refused. The lock-out knows no
            // such exemption.
            .env("GATEPOST_LIMITS_EXEMPT", "127.0.0.0/8")
            .envs(settings.iter().copied());
        // It has things to say to a person, which matter here only when it does not start.
        let words = self.folder.path().join("words");
        command.stderr(std::fs::File::create(&words)?);
        let started = Process::start(&mut command, address).await;
        started.map_err(|error| {
            let words = std::fs::read_to_string(&words).unwrap_or_default();
            format!("{error}. {words}").into()
        })
    }
}

impl Postgres {
    fn database(&self, name: &str) -> String {
        let server = self.url.rsplit_once('/').map_or(self.url.as_str(), |(server, _)| server);
        format!("{server}/{name}")
    }

    /// The URL of a database that the server does not know.
    pub(crate) fn limit(&self) -> String {
        self.database(DATABASES[1])
    }
}

fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?)
}
