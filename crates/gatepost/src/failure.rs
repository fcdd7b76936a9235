//! Why a command ended, in one line, with what to do about it in the next.

use std::error::Error;
use std::fmt;

use gatepost_db::migrate::MigrateError;
use gatepost_db::{DbError, LockError};
use gatepost_problem::Problem;
use gatepost_server::access;
use gatepost_server::accounts;
use gatepost_server::administration;
use gatepost_server::app::StartError;
use gatepost_server::config::ConfigProblems;
use gatepost_server::keys::{KeysError, MasterKeyError};
use gatepost_server::outbox::SmtpError;

pub(crate) const REFUSED: u8 = 1;
pub(crate) const DATA: u8 = 65;
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const IO: u8 = 74;
pub(crate) const TRY_AGAIN: u8 = 75;
pub(crate) const CONFIGURATION: u8 = 78;

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong, and what to do about it.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.message, self.hint)
    }

    /// Something that no user could have done better.
    pub(crate) fn internal(error: impl Error) -> Self {
        Self::new(REFUSED, chain(&error))
    }

    /// Standard output cannot be written. When nobody reads it any more, nobody wants to hear of that either.
    pub(crate) fn output(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new(IO, "")
        } else {
            Self::io("write to standard output", &error)
        }
    }

    /// Whether there is nothing to say.
    pub(crate) const fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(IO, format!("cannot {what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gatepost: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// An error and what it comes from, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl From<ConfigProblems> for Failure {
    fn from(problems: ConfigProblems) -> Self {
        Self::new(CONFIGURATION, problems.to_string())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(_) => Self::new(TRY_AGAIN, error.to_string())
                .hint("stop that process first, or use another folder with --data-dir"),
            LockError::Io(..) => {
                Self::new(IO, chain(&error)).hint("is the folder there, and may this user write to it?")
            }
        }
    }
}

impl From<MasterKeyError> for Failure {
    fn from(error: MasterKeyError) -> Self {
        Self::new(CONFIGURATION, chain(&error))
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let code = match error {
            DbError::Unavailable(_) | DbError::Closed | DbError::CommitUnknown(_) => UNAVAILABLE,
            DbError::Busy | DbError::Timeout | DbError::Conflict => TRY_AGAIN,
            DbError::StorageFull => IO,
            DbError::Decode { .. } | DbError::RowCount { .. } | DbError::Engine { .. } => DATA,
            DbError::Constraint { .. } | DbError::Panicked(_) => REFUSED,
        };
        let failure = Self::new(code, chain(&error));
        match code {
            UNAVAILABLE => {
                failure.hint("is the database running, and is database_url right? (gatepost config show)")
            }
            TRY_AGAIN => failure.hint("another process is using the database; try again"),
            _ => failure,
        }
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Db(DbError::Timeout) => {
                Self::new(TRY_AGAIN, "another process is migrating the database")
                    .hint("wait until it is done and try again")
            }
            MigrateError::Db(error) => error.into(),
            MigrateError::Newer { .. } | MigrateError::Edited { .. } | MigrateError::Malformed { .. } => {
                Self::new(CONFIGURATION, chain(&error))
            }
        }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::WrongMasterKey(_) => Self::new(CONFIGURATION, chain(&error)).hint(
                "restore the master key that belongs to this database: the file master.key of its data folder, \
                 or the setting keys.master_key_file",
            ),
            KeysError::Key(_) => Self::new(DATA, chain(&error)),
            KeysError::Db(error) => error.into(),
        }
    }
}

impl From<SmtpError> for Failure {
    fn from(error: SmtpError) -> Self {
        Self::new(CONFIGURATION, chain(&error))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Keys(error) => error.into(),
            StartError::Limits(_) => Self::new(CONFIGURATION, chain(&error)),
            StartError::Places(_) => Self::new(CONFIGURATION, chain(&error)),
            StartError::Threads(_) | StartError::Pepper(_) => Self::new(REFUSED, chain(&error)),
        }
    }
}

impl From<accounts::Error> for Failure {
    fn from(error: accounts::Error) -> Self {
        match error {
            accounts::Error::Db(error) => error.into(),
            accounts::Error::EmailTaken
            | accounts::Error::UsernameTaken
            | accounts::Error::PhoneTaken
            | accounts::Error::NotFound
            | accounts::Error::VersionMismatch
            | accounts::Error::SessionEnded => Self::new(REFUSED, error.to_string()),
        }
    }
}

impl From<access::Error> for Failure {
    fn from(error: access::Error) -> Self {
        match error {
            access::Error::LastAdmin => Self::new(REFUSED, error.to_string())
                .hint("make another one first: gatepost user create-admin --email …"),
            access::Error::Account(error) => error.into(),
            access::Error::Denied(_)
            | access::Error::BeyondOwnRights
            | access::Error::NotFound
            | access::Error::UnknownRole(_)
            | access::Error::UnknownPermission(_)
            | access::Error::Conflict(_)
            | access::Error::VersionMismatch => Self::new(REFUSED, error.to_string()),
        }
    }
}

impl From<administration::Error> for Failure {
    fn from(error: administration::Error) -> Self {
        match error {
            administration::Error::Access(error) => error.into(),
            administration::Error::NoRecipient
            | administration::Error::EnoughMails
            | administration::Error::Conflict(_) => Self::new(REFUSED, error.to_string()),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = if problem.status().is_server_error() { TRY_AGAIN } else { REFUSED };
        let details: Vec<String> = problem
            .errors()
            .iter()
            .map(|error| format!("{}: {}", error.pointer.trim_start_matches('/'), error.detail))
            .collect();
        let message = if details.is_empty() { chain(&problem) } else { details.join("; ") };
        Self::new(code, message)
    }
}
