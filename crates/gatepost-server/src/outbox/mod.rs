//! Outbox: mails that are owed, until they are delivered.
//!
//! Invariants:
//! * A mail is a row, written by [`Outbox::owe`] in the transaction that owes it: both are there or neither. Nobody who
//!   makes a request ever waits for a mail server.
//! * What a mail says, and to whom, is in the database only sealed under a key that is not, and bound to its row: links
//!   are secrets. It is erased once the mail is delivered.
//! * Mails to one address leave in the order in which they were owed.
//! * Links are whole when they come here, made from the configured public URL and from nothing that a request says.

mod letter;
mod owe;
mod sql;

pub use letter::{FactorChange, Kind, Letter};
pub use owe::{Mail, Outbox, Recent};
pub use sql::STATEMENTS;
