//! Configuration: read raw, believed typed.
//!
//! Values come from four layers, each stronger than the one before: defaults, a TOML file, the environment
//! (`GATEPOST_…`) and command line flags. [`Raw`] holds what was given; [`Config::load`] believes it or says, all
//! at once, what is wrong, where it was written and what to write instead. Unknown names are problems too: a
//! setting that was misspelt and silently ignored is a protection that is silently off.
//!
//! Everything about one setting stands in one [`Setting`]; the name of its environment variable, the example file
//! ([`example`]) and the list of known names follow from it. Every secret has a twin that ends in `_file` and
//! names the file to read it from.
//!
//! This module reads no environment and no clock. The only files it opens are those that `_file` settings name.

mod audit;
mod database;
mod http;
mod limits;
mod mail;
mod observation;
mod passwords;
mod problem;
mod public_url;
mod raw;
mod reader;
mod second_factor;
mod secret;
mod server;
mod sessions;
mod setting;
mod show;
mod sign_up;
mod span;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

pub use self::audit::AuditConfig;
pub use self::database::{DatabaseConfig, DatabaseLocation};
pub use self::http::{CorsConfig, HttpConfig};
pub use self::mail::{MailConfig, SmtpConfig, SmtpTls};
pub use self::observation::{DocsConfig, LogConfig, LogFormat, MetricsConfig};
pub(crate) use self::problem::did_you_mean;
pub use self::problem::{ConfigProblem, ConfigProblems, Source};
pub use self::public_url::PublicUrl;
pub use self::raw::{RESERVED_ENV, Raw};
pub use self::second_factor::SecondFactorConfig;
pub use self::server::ServerConfig;
pub use self::sessions::SessionConfig;
pub use self::setting::{Kind, Setting};
pub use self::show::{example, show};
pub use self::sign_up::{SignUpConfig, SignUpMode, UsersConfig};
pub use self::tokens::{KeysConfig, TokenConfig};

use self::reader::Reader;
use crate::limits::LimitsConfig;
use crate::passwords::PasswordConfig;

/// Every table of settings, in the order of the example file.
const SECTIONS: &[&[Setting]] = &[
    server::SETTINGS,
    database::SETTINGS,
    sign_up::SETTINGS,
    passwords::SETTINGS,
    second_factor::SETTINGS,
    tokens::SETTINGS,
    sessions::SETTINGS,
    http::SETTINGS,
    limits::SETTINGS,
    mail::SETTINGS,
    audit::SETTINGS,
    observation::SETTINGS,
];

/// Every setting there is.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().copied().flatten()
}

/// A configuration that was believed. It holds secrets, so it has no `Debug`.
#[derive(Clone)]
pub struct Config {
    /// Where the server listens, what it is called, and where it keeps its data.
    pub server: ServerConfig,
    /// Which database, and how it is used.
    pub database: DatabaseConfig,
    /// How accounts come to be.
    pub sign_up: SignUpConfig,
    /// How signed-in users are looked up.
    pub users: UsersConfig,
    /// How passwords are judged and hashed.
    pub passwords: PasswordConfig,
    /// Whose rights hang on a second factor, and how exact clocks must be.
    pub second_factor: SecondFactorConfig,
    /// Access and refresh tokens.
    pub tokens: TokenConfig,
    /// Browser sessions, and what the list of devices says.
    pub sessions: SessionConfig,
    /// The life of signing keys, and the key that seals them.
    pub keys: KeysConfig,
    /// Limits of the HTTP server.
    pub http: HttpConfig,
    /// How often clients may ask.
    pub limits: LimitsConfig,
    /// Which web pages may call the server from a browser.
    pub cors: CorsConfig,
    /// How mails leave.
    pub mail: MailConfig,
    /// The audit log.
    pub audit: AuditConfig,
    /// What is logged, and how it looks.
    pub log: LogConfig,
    /// The interactive documentation.
    pub docs: DocsConfig,
    /// Prometheus metrics.
    pub metrics: MetricsConfig,
}

impl Config {
    /// Believes a configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigProblems`] with everything that is wrong, not only the first thing. A program should then end with
    /// exit code 78 (`EX_CONFIG` of `sysexits.h`).
    pub fn load(raw: &Raw) -> Result<Self, ConfigProblems> {
        let mut reader = Reader::new(raw);
        let config = Self::read(&mut reader);
        match reader.finish() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigProblems(problems)),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let server = server::read(reader);
        let database = database::read(reader, &server.data_dir);
        let sign_up = sign_up::read(reader);
        let users = sign_up::read_users(reader);
        let passwords = passwords::read(reader);
        let second_factor = second_factor::read(reader);
        let tokens = tokens::read(reader);
        let sessions = sessions::read(reader);
        let keys = tokens::read_keys(reader, &tokens);
        let http = http::read(reader);
        let limits = limits::read(reader, &database.location);
        let cors = http::read_cors(reader);
        let mail = mail::read(reader);
        let audit = audit::read(reader);
        let log = observation::read_log(reader);
        let docs = observation::read_docs(reader);
        let metrics = observation::read_metrics(reader);
        Self {
            server,
            database,
            sign_up,
            users,
            passwords,
            second_factor,
            tokens,
            sessions,
            keys,
            http,
            limits,
            cors,
            mail,
            audit,
            log,
            docs,
            metrics,
        }
    }
}
