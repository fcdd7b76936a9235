//! Reading the log: entries, and what one may ask for.

use std::net::IpAddr;

use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::{Id, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::sql;
use crate::ids::UserId;

/// A kind of [`Id`]: one row of the log.
pub enum EntryKind {}
/// The id of an entry. It begins with the entry's time.
pub type EntryId = Id<EntryKind>;

/// One row of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub action: String,
    /// The signed-in user who did it.
    pub actor: Option<UserId>,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// The client's address.
    pub address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What else is remembered: JSON.
    pub details: String,
}

impl Entry {
    /// Whether `user` may see where this came from. A row about somebody may have been caused by somebody else, whose
    /// address is not theirs to know: an administrator, or a stranger who asked for a link. What they did themselves they
    /// may see, and where somebody signed in to their account or tried to, signed in or not.
    pub(super) fn shows_origin_to(&self, user: UserId) -> bool {
        match self.actor {
            Some(actor) => actor == user,
            None => self.user == Some(user) && WAYS_IN.contains(&self.action.as_str()),
        }
    }
}

/// What happens at the door of an account before anybody is signed in.
const WAYS_IN: &[&str] = &[
    "signed_in",
    "refresh_reuse_detected",
    "locked_out",
    "second_factor_closed",
    "recovery_code_used",
    "password_reset",
];

/// An entry as the interface shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct EntryBody {
    id: EntryId,
    at: Timestamp,
    #[schema(example = "signed_in")]
    action: String,
    actor_id: Option<UserId>,
    user_id: Option<UserId>,
    #[schema(example = "192.0.2.17")]
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    /// What else is remembered of the event. It depends on the action.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, action, actor, user, address, user_agent, request_id, details } = entry;
        // What does not parse was not written by us. It is shown as it is, for whoever looks into it.
        let details = serde_json::from_str(&details).unwrap_or(Value::String(details));
        Self { id, at, action, actor_id: actor, user_id: user, ip: address, user_agent, request_id, details }
    }
}

/// Which entries are wanted. All that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose account they concern.
    pub user: Option<UserId>,
    /// Who did it.
    pub actor: Option<UserId>,
    /// What happened.
    pub action: Option<String>,
    /// From which address.
    pub address: Option<IpAddr>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

impl Filter {
    pub(super) fn times(&self) -> (Timestamp, Timestamp) {
        (
            self.from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            self.to.unwrap_or(Timestamp::from_micros(i64::MAX)),
        )
    }

    /// The range of ids of these times: the lowest one, and one that is above all. Ids begin with milliseconds, so that the
    /// index of a list ends where the times do.
    pub(super) fn ids(&self) -> (EntryId, EntryId) {
        let lowest = self.from.map_or([0; 16], |from| id_bytes(from, 0));
        let above = self.to.map_or([0xff; 16], |to| id_bytes(to, 0xff));
        (Id::from_bytes(lowest), Id::from_bytes(above))
    }
}

fn id_bytes(at: Timestamp, rest: u8) -> [u8; 16] {
    let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0).min((1 << 48) - 1);
    let mut bytes = [rest; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes
}

/// Entries that the filter lets through, newest first, below `before`.
///
/// # Errors
/// What the database says.
pub fn list(
    tx: &mut ReadTx<'_>,
    filter: &Filter,
    before: Option<EntryId>,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    sql::list(tx, filter, before.unwrap_or(NEWEST), limit)
}

/// Above every id.
pub(super) const NEWEST: EntryId = Id::from_bytes([0xff; 16]);

/// Whether a text can be the name of an action: of 64 letters, digits and `_`.
pub fn is_action(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Random;

    use super::*;

    #[test]
    fn the_ids_of_a_time_lie_within_its_range() {
        let random = Random::system();
        for micros in [0, 1, 999, 1_000, 1_767_225_600_123_456] {
            let at = Timestamp::from_micros(micros);
            let id = EntryId::generate(at, &random);
            let after = Timestamp::from_micros(micros + 1);
            let (lowest, above) = Filter { from: Some(at), to: Some(after), ..Filter::default() }.ids();
            assert!(lowest <= id && id < above, "{micros}");
        }
    }

    #[test]
    fn az_07_the_origin_of_what_others_did_is_not_shown() {
        let random = Random::system();
        let user = |second| UserId::generate(Timestamp::from_secs(second), &random);
        let (ada, bob) = (user(1), user(2));
        let entry = |actor, action: &str| Entry {
            id: EntryId::generate(Timestamp::from_secs(3), &random),
            at: Timestamp::from_secs(3),
            action: action.to_owned(),
            actor,
            user: Some(ada),
            address: None,
            user_agent: None,
            request_id: None,
            details: String::new(),
        };
        assert!(entry(Some(ada), "user_updated").shows_origin_to(ada));
        assert!(entry(None, "locked_out").shows_origin_to(ada));
        assert!(!entry(Some(bob), "signed_in").shows_origin_to(ada));
        assert!(!entry(None, "link_sent").shows_origin_to(ada));
        assert!(!entry(None, "signed_in").shows_origin_to(bob));
    }
}
