//! `gatepost doctor`: one function a check. It changes nothing, and says only what it has seen.

use std::fmt;
use std::time::Duration;

use gatepost_db::migrate;
use gatepost_db::{Db, DbError, DirectoryLock};
use gatepost_kernel::{Clock, Timestamp};
use gatepost_server::app::StartError;
use gatepost_server::config::{Config, DatabaseLocation};
use gatepost_server::{App, access, audit, keys, outbox};

use crate::cli::Everyday;
use crate::context::{self, SETS};
use crate::failure::{CONFIGURATION, Failure, REFUSED};
use crate::output;

/// How old an entry may be that a running server has not sealed. It seals every second.
const SEALED_WITHIN: Duration = Duration::from_secs(60);

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    /// It works, and somebody should decide whether it is meant.
    Warn,
    /// It does not work.
    Fail,
}

/// What a check has seen.
struct Finding {
    grade: Grade,
    about: &'static str,
    seen: String,
    hint: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, seen: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, about, seen: seen.into(), hint: None }
    }

    fn warn(about: &'static str, seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { grade: Grade::Warn, about, seen: seen.into(), hint: Some(hint.into()) }
    }

    fn fail(about: &'static str, failure: impl Into<Failure>) -> Self {
        let (seen, hint) = failure.into().into_parts();
        Self { grade: Grade::Fail, about, seen, hint }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        };
        write!(f, "{grade:<4}  {}: {}", self.about, self.seen)?;
        match &self.hint {
            Some(hint) => write!(f, "\n      {hint}"),
            None => Ok(()),
        }
    }
}

/// Prints findings and counts those that fail.
#[derive(Default)]
struct Report {
    failed: u32,
}

impl Report {
    fn add(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.failed += u32::from(finding.grade == Grade::Fail);
        output::line(finding)
    }

    fn end(self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            1 => Err(Failure::new(REFUSED, "one check failed")),
            more => Err(Failure::new(REFUSED, format!("{more} checks failed"))),
        }
    }
}

pub(crate) async fn run(everyday: &Everyday) -> Result<(), Failure> {
    let mut report = Report::default();
    let config = match context::load(everyday) {
        Ok(config) => config,
        Err(failure) => {
            report.add(&Finding::fail("configuration", failure))?;
            return report.end();
        }
    };
    report.add(&Finding::ok("configuration", "every setting is known and sound"))?;
    match open(&config).await {
        Ok(db) => {
            report.add(&Finding::ok("database", database_name(&config) + ", its schema is current"))?;
            report.add(&master_key(&config, &db).await)?;
            report.add(&administrators(&config, &db).await)?;
            report.add(&audit_log(&config, &db, Clock::system().now()).await)?;
            report.add(&dead_letters(&db).await)?;
            db.close().await;
        }
        Err(failure) => report.add(&Finding::fail("database", failure))?,
    }
    report.add(&mail(&config).await)?;
    report.add(&limits(&config))?;
    report.end()
}

/// The database, when it answers and its schema is the one that this program knows.
async fn open(config: &Config) -> Result<Db, Failure> {
    context::find(config)?;
    let db = context::open(config).await?;
    match migrate::status(&db, SETS).await {
        Ok(all) if all.iter().all(|migration| migration.applied_at.is_some()) => Ok(db),
        other => {
            db.close().await;
            other?;
            Err(Failure::new(CONFIGURATION, "the schema is older than this program")
                .hint("run `gatepost migrate up`, or restart the server with this version"))
        }
    }
}

fn database_name(config: &Config) -> String {
    match &config.database.location {
        DatabaseLocation::Sqlite(path) => format!("SQLite, {}", path.display()),
        DatabaseLocation::Postgres { .. } => "PostgreSQL".to_owned(),
    }
}

/// Whether the master key is nobody else's to read, and belongs to this database.
async fn master_key(config: &Config, db: &Db) -> Finding {
    const ABOUT: &str = "master key";
    let folder = &config.server.data_dir;
    if let Err(failure) = context::refuse_if(folder, 0o002, "chmod o-w") {
        return Finding::fail(ABOUT, failure);
    }
    if config.keys.master_key.is_none() && !folder.join("master.key").exists() {
        match keys::exist(db).await {
            Ok(false) => return Finding::ok(ABOUT, "there is none yet; the first start makes it"),
            // A start would refuse it, and says why.
            Ok(true) => {}
            Err(error) => return Finding::fail(ABOUT, error),
        }
    }
    let issuer = config.server.issuer(config.server.listen.port());
    let ingredients = match context::ingredients(config.clone(), issuer, db.clone()).await {
        Ok(ingredients) => ingredients,
        Err(failure) => return Finding::fail(ABOUT, failure),
    };
    match App::beside(ingredients).await {
        Ok(_) => Finding::ok(ABOUT, "it is private and belongs to this database"),
        Err(error @ StartError::Keys(_)) => Finding::fail(ABOUT, error),
        Err(
            error @ (StartError::Places(_)
            | StartError::Threads(_)
            | StartError::Pepper(_)
            | StartError::Limits(_)),
        ) => Finding::fail("start", error),
    }
}

/// Whether mails leave, or stay on this machine although others are served.
async fn mail(config: &Config) -> Finding {
    const ABOUT: &str = "mail";
    let Some(smtp) = &config.mail.smtp else {
        return match &config.server.public_url {
            Some(_) => Finding::warn(
                ABOUT,
                "public_url is set, but mails stay in the local mailbox: nobody gets the links in them",
                "set mail.smtp.host",
            ),
            None => Finding::ok(ABOUT, "mails stay in the local mailbox"),
        };
    };
    let issuer = config.server.issuer(config.server.listen.port());
    match outbox::greet(smtp, &issuer).await {
        Ok(()) => Finding::ok(ABOUT, format!("{}:{} greets", smtp.host, smtp.port)),
        Err(error) => {
            let failure = Failure::new(REFUSED, format!("{}:{}: {error}", smtp.host, smtp.port));
            Finding::fail(ABOUT, failure.hint("see mail.smtp in `gatepost config show`; owed mails wait"))
        }
    }
}

/// How many administrators a password alone lets in, if there are any and nobody forbids it.
pub(crate) async fn administrators_without_second_factor(
    db: &Db,
    config: &Config,
) -> Result<Option<i64>, DbError> {
    if config.second_factor.required_for.iter().any(|role| role == access::ADMIN) {
        return Ok(None);
    }
    let number = db.read(|tx| access::holders_without_second_factor(tx, access::ADMIN)).await?;
    Ok((number > 0).then_some(number))
}

async fn administrators(config: &Config, db: &Db) -> Finding {
    const ABOUT: &str = "administrators";
    match administrators_without_second_factor(db, config).await {
        Ok(None) => Finding::ok(ABOUT, "none of them acts without a second factor"),
        Ok(Some(number)) => Finding::warn(
            ABOUT,
            format!("without a second factor: {number}"),
            "set second_factor.required_for = [\"admin\"], so that the role counts only where one was shown",
        ),
        Err(error) => Finding::fail(ABOUT, error),
    }
}

/// Whether the audit log is sealed, where something runs that would.
async fn audit_log(config: &Config, db: &Db, now: Timestamp) -> Finding {
    const ABOUT: &str = "audit log";
    let (number, oldest) = match db.read(audit::unsealed).await {
        Ok(tail) => tail,
        Err(error) => return Finding::fail(ABOUT, error),
    };
    let served = match DirectoryLock::is_held(&config.server.data_dir) {
        Ok(served) => served,
        Err(error) => return Finding::fail(ABOUT, error),
    };
    match oldest {
        None => Finding::ok(ABOUT, "everything is sealed"),
        Some(oldest) if served && oldest.plus(SEALED_WITHIN) < now => Finding::warn(
            ABOUT,
            format!("a server runs, but {number} entries are not sealed, the oldest of {oldest}"),
            "its log says why",
        ),
        Some(_) if served => Finding::ok(ABOUT, format!("{number} entries are about to be sealed")),
        Some(_) => Finding::ok(ABOUT, format!("{number} entries are sealed when a server runs")),
    }
}

/// Whether mails were given up.
async fn dead_letters(db: &Db) -> Finding {
    const ABOUT: &str = "dead letters";
    match db.read(outbox::dead_letters).await {
        Ok(0) => Finding::ok(ABOUT, "none"),
        Ok(number) => Finding::warn(
            ABOUT,
            number.to_string(),
            "`gatepost mail queue` says why; mend it, then `gatepost mail retry --all`",
        ),
        Err(error) => Finding::fail(ABOUT, error),
    }
}

/// Whether anybody may ask as often as they like.
fn limits(config: &Config) -> Finding {
    const ABOUT: &str = "limits";
    match config.limits.enabled {
        true => Finding::ok(ABOUT, "they are on"),
        false => Finding::warn(ABOUT, "they are off", "remove limits.enabled = false"),
    }
}
