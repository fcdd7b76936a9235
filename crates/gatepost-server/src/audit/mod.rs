//! Audit: what happened, who did it, and to whom.
//!
//! Invariants: a change of state and its audit row commit together or not at all; a row holds no password, token, link
//! or code; rows outlive the account that they speak of. A refresh that succeeds writes no row (its counter lives in
//! the session's family); sign-in, sign-out and token reuse do.
//!
//! The log only grows: triggers refuse to change or delete a row. Against whoever goes around them, a sealer numbers and
//! chains the rows with codes under a key that is not in the database, and [`verify`] names what does not fit
//! (`docs/adr/0019-audit-chain.md`).

mod all;
mod anchor;
mod entry;
mod event;
mod mine;
mod model;
mod retention;
mod seal;
mod sql;
mod verify;

use std::net::IpAddr;
use std::sync::Arc;

use gatepost_db::{Db, DbError, WriteTx};
use gatepost_kernel::{Random, Timestamp};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::ids::UserId;

pub use anchor::{Anchor, AnchorError};
pub use entry::{Entry, EntryBody, EntryId, Filter, is_action, list};
pub use event::Event;
pub use model::{ChainKey, Head, ParseHeadError};
pub use retention::{PurgeError, purge};
pub use seal::seal;
pub use sql::STATEMENTS;
pub use verify::{Fault, Finding, Report, unsealed, verify};

crate::permissions! {
    AuditRead = "audit:read", "Read the audit log and the login attempts of everybody.";
}

/// The operations of this feature: there is none that could change a row.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mine::get)).routes(routes!(all::get))
}

/// Where a request comes from. It becomes an [`Act`] once the work begins: reading a body or hashing a password may take
/// seconds, and what is decided must be decided by the time of the decision.
#[derive(Clone)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The id of the request, to find its log line.
    pub request_id: Option<String>,
    /// Where the ids of audit rows come from.
    pub random: Random,
}

impl Origin {
    /// What is done now, for this request.
    pub fn act(self, now: Timestamp) -> Act {
        let Self { address, user_agent, request_id, random } = self;
        Act { at: now, actor: None, address, user_agent, request_id, random }
    }
}

/// Who acts, when and from where: what every audit row needs besides what happened.
#[derive(Clone)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// The signed-in user who acts, if one does.
    pub actor: Option<UserId>,
    /// The client's address, if there is a client: the command line has none.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The id of the request, to find its log line.
    pub request_id: Option<String>,
    /// Where the ids of audit rows come from.
    pub random: Random,
}

impl Act {
    /// An act of the operator at the command line.
    pub fn by_operator(at: Timestamp, random: Random) -> Self {
        Self { at, actor: None, address: None, user_agent: None, request_id: None, random }
    }

    /// The same act, done by this user.
    #[must_use]
    pub fn by(self, user: UserId) -> Self {
        Self { actor: Some(user), ..self }
    }
}

/// The end of the chain; `None` as long as nothing is sealed.
///
/// # Errors
/// What the database says.
pub async fn head(db: &Db) -> Result<Option<Head>, DbError> {
    Ok(Some(db.read(sql::last_link).await?).filter(|head| head.seq > 0))
}

/// Writes the event's row in the transaction that makes it true.
///
/// # Errors
/// What the database says. The caller passes it on: a change that cannot be audited does not happen. It passes as an outage
/// ([`DbError::Unavailable`]), because nothing is wrong with what was asked for.
pub fn record(tx: &mut WriteTx<'_>, act: &Act, event: &Event) -> Result<(), DbError> {
    sql::insert(tx, act, &entry_of(event)).map_err(unwritten)
}

/// The same for many events, in one round trip.
///
/// # Errors
/// As [`record`].
pub fn record_all(tx: &mut WriteTx<'_>, act: &Act, events: &[Event]) -> Result<(), DbError> {
    let entries: Vec<_> = events.iter().map(entry_of).collect();
    sql::insert_many(tx, act, &entries).map_err(unwritten)
}

fn entry_of(event: &Event) -> sql::NewEntry {
    let (action, user, details) = event.parts();
    sql::NewEntry { action, user, details: details.to_string() }
}

/// What a failure to write an entry is to the change that it belongs to.
fn unwritten(error: DbError) -> DbError {
    if error.is_transient() { error } else { DbError::Unavailable(Arc::new(error)) }
}

/// Remembers for both accounts that everything of one kind went from the one to the other, if there was anything.
///
/// # Errors
/// As [`record`].
pub fn record_transfer(
    tx: &mut WriteTx<'_>,
    act: &Act,
    resource: &'static str,
    (from, to): (UserId, UserId),
    count: u64,
) -> Result<(), DbError> {
    if count > 0 {
        for user in [from, to] {
            record(tx, act, &Event::ResourcesTransferred { user, resource, from, to, count })?;
        }
    }
    Ok(())
}
