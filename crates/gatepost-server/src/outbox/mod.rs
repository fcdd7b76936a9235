//! Outbox: mails that are owed, until they are delivered.
//!
//! Invariants:
//! * A mail is a row, written by [`Outbox::owe`] in the transaction that owes it: both are there or neither. Nobody who
//!   makes a request ever waits for a mail server.
//! * What a mail says, and to whom, is in the database only sealed under a key that is not, and bound to its row: links
//!   are secrets. It is erased once the mail is delivered.
//! * Mails to one address leave in the order in which they were owed.
//! * A mail is delivered at least once; a second time only when a process died between the delivery and the mark, and
//!   then with the same `Message-ID`.
//! * Links are whole when they come here, made from the configured public URL and from nothing that a request says.

mod courier;
mod letter;
mod line_by_line;
mod mailbox;
mod mailbox_key;
mod mailbox_page;
mod message;
mod owe;
mod queue;
mod smtp;
mod sql;
mod templates;
mod transport;

use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use courier::{Courier, Round};
pub use letter::{FactorChange, Gone, Kind, Letter};
pub use mailbox::{Mailbox, StoredMail};
pub use mailbox_key::MailboxKey;
pub use message::Outgoing;
pub use owe::{Mail, MailId, MailKind, Outbox, Recent};
pub use queue::{Queued, State, dead_letters, purge, queue, retry};
pub use smtp::{SmtpError, greet};
pub use sql::STATEMENTS;
pub use templates::BUILT_IN as TEMPLATES;
pub use transport::{SendError, Sending, Transport};

/// The pages of this feature. It has no operations.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/dev/mailbox", get(mailbox_page::list))
        .route("/dev/mailbox/{id}", get(mailbox_page::show))
}
