//! Which database, and how it is used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_kernel::Secret;

use super::problem::{Complaint, Source};
use super::reader::Reader;
use super::setting::Setting;
use super::span::secs;

/// Which database, and how it is used. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Where the rows live.
    pub location: DatabaseLocation,
    /// The number of connections to PostgreSQL.
    pub max_connections: u32,
    /// How long one statement may run.
    pub statement_timeout: Duration,
}

/// Where the rows live.
#[derive(Clone)]
pub enum DatabaseLocation {
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres {
        /// The connection URL, which may hold a password.
        url: Secret<String>,
        /// Whether a password came in on the command line, where every user of the machine can read it.
        exposed: bool,
    },
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::secret(
        "database_url",
        "'postgres://gatepost@db.internal/gatepost'",
        "postgres://… for PostgreSQL, sqlite:PATH for a SQLite file. Unset: SQLite in `data_dir`.",
    ),
    Setting::new(
        "database.max_connections",
        "8",
        "How many connections the server opens to PostgreSQL. SQLite needs no number.",
    ),
    Setting::new(
        "database.statement_timeout",
        "'5s'",
        "How long one statement may run before it is cancelled.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>, data_dir: &Path) -> DatabaseConfig {
    let standard = || DatabaseLocation::Sqlite(data_dir.join("gatepost.db"));
    let location = match reader.secret("database_url") {
        None => standard(),
        Some(url) => locate(url, &reader.source("database_url")).unwrap_or_else(|complaint| {
            reader.refuse("database_url", complaint);
            standard()
        }),
    };
    DatabaseConfig {
        location,
        max_connections: reader.integer("database.max_connections", 1..=500),
        statement_timeout: reader.duration("database.statement_timeout", secs(1, 60)),
    }
}

/// Judges a database URL. The complaints never quote it: it may hold a password.
fn locate(url: Secret<String>, source: &Source) -> Result<DatabaseLocation, Complaint> {
    let hint = "write postgres://user@host/database or sqlite:path/to/file.db";
    let (scheme, rest) = url.expose().split_once(':').unwrap_or_default();
    match scheme {
        "postgres" | "postgresql"
            if rest.starts_with("//") && !rest.contains(|c: char| c.is_whitespace()) =>
        {
            let exposed = matches!(source, Source::Flag(_)) && holds_password(rest);
            Ok(DatabaseLocation::Postgres { url, exposed })
        }
        "sqlite" => {
            // Other programs write sqlite://path; here the slashes would only surprise.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains(['?', '\0']) || path.contains(":memory:") {
                return Err(Complaint::new("does not name a SQLite file").hint(hint));
            }
            Ok(DatabaseLocation::Sqlite(PathBuf::from(path)))
        }
        _ => Err(Complaint::new("is not the URL of a database").hint(hint)),
    }
}

/// Whether a PostgreSQL URL, after its scheme, holds a password in the user information or as a parameter.
fn holds_password(rest: &str) -> bool {
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may itself hold `/` or `@`, so everything up to the last `@` is user information.
    let in_user_info = before_query.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_user_info || query.split('&').any(|pair| pair.to_ascii_lowercase().starts_with("password="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(url: &str, source: &Source) -> Result<String, String> {
        match locate(Secret::new(url.to_owned()), source) {
            Ok(DatabaseLocation::Sqlite(path)) => Ok(format!("file {}", path.display())),
            Ok(DatabaseLocation::Postgres { url, exposed: false }) => Ok(url.expose().clone()),
            Ok(DatabaseLocation::Postgres { .. }) => Ok("exposed".to_owned()),
            Err(complaint) => Err(complaint.message),
        }
    }

    #[test]
    fn a_url_names_a_postgres_database_or_a_sqlite_file() {
        for (url, expected) in [
            ("postgres://u:p@h/db", "postgres://u:p@h/db"),
            ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql"),
            ("sqlite:a/b.db", "file a/b.db"),
            ("sqlite:/srv/b.db", "file /srv/b.db"),
            ("sqlite://b.db", "file b.db"),
            ("sqlite:///srv/b.db", "file /srv/b.db"),
        ] {
            assert_eq!(located(url, &Source::Default).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for url in [
            "mysql://u:hunter2@h/db",
            "hunter2",
            "postgres:hunter2",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:hunter2?mode=rw",
            "postgres://u:hunter2@h/db x",
        ] {
            let message = located(url, &Source::Default).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn jwt_08_a_password_on_the_command_line_is_noticed() {
        let flag = Source::Flag("--database-url".into());
        for url in ["postgres://u:p@h/db", "postgres://h/db?user=u&password=p", "postgres://u:p/w@h/db"] {
            assert_eq!(located(url, &flag).as_deref(), Ok("exposed"), "{url}");
        }
        for url in ["postgres://u@h:5432/db", "postgres://h:5432/db", "sqlite:a.db"] {
            assert_ne!(located(url, &flag).as_deref(), Ok("exposed"), "{url}");
        }
    }
}
