//! How far a run has got.

use gatepost_kernel::Timestamp;

use super::feed::Place;

/// What became of rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Accounts that came to be.
    pub created: u64,
    /// Accounts that were changed.
    pub updated: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Rows whose account was there, and was to be left alone.
    pub skipped: u64,
    /// Bad rows.
    pub bad: u64,
}

impl Tally {
    /// All rows.
    pub const fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.skipped + self.bad
    }

    pub(super) const fn minus(self, less: Self) -> Self {
        Self {
            created: self.created - less.created,
            updated: self.updated - less.updated,
            unchanged: self.unchanged - less.unchanged,
            skipped: self.skipped - less.skipped,
            bad: self.bad - less.bad,
        }
    }

    pub(super) const fn plus(self, more: Self) -> Self {
        Self {
            created: self.created + more.created,
            updated: self.updated + more.updated,
            unchanged: self.unchanged + more.unchanged,
            skipped: self.skipped + more.skipped,
            bad: self.bad + more.bad,
        }
    }
}

/// How far the import of a file has got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// With which options it was begun.
    pub(super) options: String,
    pub(super) place: Place,
    /// What became of the rows so far.
    pub tally: Tally,
    /// The complaints of the last batch, a line each: whoever was killed may not have written them out.
    pub last_errors: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last row was done.
    pub finished_at: Option<Timestamp>,
}

impl Checkpoint {
    pub(super) fn new(options: String, now: Timestamp) -> Self {
        Self {
            options,
            place: Place::START,
            tally: Tally::default(),
            last_errors: String::new(),
            started_at: now,
            finished_at: None,
        }
    }
}
