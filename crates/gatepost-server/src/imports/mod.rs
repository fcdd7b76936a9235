//! Imports: accounts that another system had, and the way out again.
//!
//! ```text
//! file ──▶ csv │ jsonl ──▶ row ──▶ batch: known, decide, write, checkpoint   (one transaction)
//!           bounded rows    belief   ▲ 2,000 rows at most
//! ```
//!
//! Invariants:
//! * What holds for an account that somebody registers holds for one that is imported: the same addresses, names and
//!   uniqueness, an address that its former owner may take back is nobody else's. A password comes as a hash that this
//!   server can verify at a bounded price; a password in clear is refused.
//! * An account is known by its address in canonical form. An update changes what the file gives and nothing else. It adds
//!   roles and never removes one, verifies an address and never takes that back, and leaves a password alone unless told
//!   otherwise. A row that changes nothing writes nothing.
//! * A file cannot complete what an intruder began (*pre-hijacking*, `REG-06`). When a row vouches for the address of an
//!   account that nobody had verified, or sets its password, whoever registered it is thrown out in the same transaction;
//!   and such an account gets no role from a row that does not vouch for the address.
//! * A batch is one transaction: accounts, passwords, roles, audit entries and the checkpoint. So a run that was killed goes on
//!   behind the last batch that is there, no row is done twice, and the totals count on. Two runs of one file at once cannot
//!   both advance: the second is told.
//! * A bad row costs one line and nothing else. It is found before a statement could fail, because a failed statement would
//!   take its neighbours along.
//! * Memory is bounded whatever the file is: a row has at most [`MAX_ROW_BYTES`], a batch at most [`MAX_BATCH_ROWS`] rows.

mod batch;
mod checkpoint;
mod columns;
mod csv;
mod export;
mod feed;
mod jsonl;
mod known;
mod row;
mod run;
mod source;
mod sql;
mod update;

pub use checkpoint::{Checkpoint, Tally};
pub use columns::COLUMNS;
pub use export::{Export, Page};
pub use row::Complaint;
pub use run::{Happening, ImportError, Options, Progress, Report, run};
pub(crate) use source::parse_all;
pub use source::{Format, Source};
pub use sql::STATEMENTS;

/// The longest row, in bytes. A longer one is a bad row, and is not kept in memory.
pub const MAX_ROW_BYTES: usize = 64 * 1024;
/// The most rows that one transaction takes.
pub const MAX_BATCH_ROWS: usize = 2_000;

/// What is done with a row whose account is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnExisting {
    /// The account is changed as the row says.
    Update,
    /// The account is left as it is.
    Skip,
    /// The row is a bad one.
    Error,
}
