//! What the reference model is about: accounts, sessions, challenges, links.

use std::time::Duration;

use gatepost_kernel::Timestamp;

use crate::codes::Secret;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// How the client of a session shows that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tokens,
    Browser,
    Remembered,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "token",
            Self::Browser => "browser",
            Self::Remembered => "remembered_browser",
        }
    }

    /// How long a session lives unused, and in any case.
    pub(crate) fn limits(self) -> (Duration, Duration) {
        match self {
            Self::Tokens => (7 * DAY, 30 * DAY),
            Self::Browser => (DAY / 2, 7 * DAY),
            Self::Remembered => (7 * DAY, 30 * DAY),
        }
    }
}

pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) verified: bool,
    pub(crate) password: Option<String>,
    /// The last passwords, newest first.
    pub(crate) former: Vec<String>,
    pub(crate) factor: Option<Factor>,
    /// The recovery codes that are good.
    pub(crate) recovery_codes: Vec<String>,
    pub(crate) deleted: bool,
}

pub(crate) struct Factor {
    pub(crate) secret: Secret,
    /// The newest step whose code was used.
    pub(crate) used: i64,
}

pub(crate) struct Session {
    pub(crate) who: usize,
    pub(crate) kind: Kind,
    pub(crate) ended: bool,
    pub(crate) begun: Timestamp,
    /// When it was last refreshed, or its cookie used (to the minute).
    pub(crate) used: Timestamp,
    pub(crate) proven: Timestamp,
    pub(crate) second: Option<Timestamp>,
    /// An authenticator that waits for its first code, and until when.
    pub(crate) pending: Option<(Secret, Timestamp)>,
    /// Every refresh token, oldest first.
    pub(crate) refresh: Vec<String>,
    /// Every access token, oldest first, and when it expires.
    pub(crate) access: Vec<(String, Timestamp)>,
}

impl Session {
    /// Whether it is not yet as old as any session of its kind may become.
    pub(crate) fn is_within_its_life(&self, now: Timestamp) -> bool {
        now < self.begun.plus(self.kind.limits().1)
    }
}

/// A right password that waits for the second factor.
pub(crate) struct Challenge {
    pub(crate) who: usize,
    pub(crate) kind: Kind,
    /// The browser that must go on with it; a program otherwise.
    pub(crate) browser: Option<usize>,
    pub(crate) expires: Timestamp,
    pub(crate) failures: u8,
    pub(crate) over: bool,
    pub(crate) token: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Verify,
    Reset,
    Confirm,
    Undo,
    Secure,
}

impl Purpose {
    pub(crate) const ALL: [Self; 5] = [Self::Verify, Self::Reset, Self::Confirm, Self::Undo, Self::Secure];

    /// Its name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify_email",
            Self::Reset => "reset_password",
            Self::Confirm => "confirm_email",
            Self::Undo => "undo_email",
            Self::Secure => "secure_account",
        }
    }

    pub(crate) fn life(self) -> Duration {
        match self {
            Self::Reset => 30 * MINUTE,
            Self::Verify | Self::Confirm | Self::Secure => DAY,
            Self::Undo => 7 * DAY,
        }
    }

    /// Whether a new password ends it.
    pub(crate) const fn ends_with_the_password(self) -> bool {
        matches!(self, Self::Verify | Self::Reset | Self::Confirm)
    }
}

pub(crate) struct Link {
    pub(crate) who: usize,
    pub(crate) purpose: Purpose,
    pub(crate) address: String,
    pub(crate) made: Timestamp,
    pub(crate) over: bool,
    /// Absent as long as no mail has brought it.
    pub(crate) token: Option<String>,
}

impl Link {
    pub(crate) fn works(&self, now: Timestamp) -> bool {
        !self.over && now < self.made.plus(self.purpose.life())
    }
}

pub(crate) struct Invitation {
    pub(crate) address: String,
    pub(crate) expires: Timestamp,
    pub(crate) over: bool,
    pub(crate) token: String,
}

/// A client with a cookie jar of its own, or a program, which has none.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) is_program: bool,
    /// The session whose cookie it has.
    pub(crate) session: Option<usize>,
    /// The challenge whose cookie it has.
    pub(crate) challenge: Option<usize>,
}

/// What somebody shows as a second factor.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) totp: bool,
    pub(crate) code: String,
}
