//! Owing a mail: the row that is written with the change that it speaks of.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_kernel::{Id, Random, Secret, Timestamp, TokenHash};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::letter::{Kind, Letter};
use super::sql;
use crate::ids::UserId;
use crate::keys::ServerKey;

/// A kind of [`Id`]: a mail.
pub enum MailKind {}
/// The id of a mail.
pub type MailId = Id<MailKind>;

/// The span in which limits count.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a mail is tried.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 60 * 60);

/// A mail to be delivered. It may hold a link, which is a secret.
#[derive(Clone)]
pub struct Mail {
    /// Whose account it is about, if there is one.
    pub user: Option<UserId>,
    /// The address, as [`Email::mailbox`](crate::accounts::Email::mailbox) writes it.
    pub to: String,
    /// What it says.
    pub letter: Letter,
    /// After this moment it is not sent any more, because its link would not work.
    pub not_after: Option<Timestamp>,
}

/// What was owed to an address lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// When the latest was owed, if one was within the last 24 hours.
    pub last: Option<Timestamp>,
    /// How many were owed within the last 24 hours.
    pub within_day: u32,
}

/// What is sealed. It may hold a link, which is a secret.
#[derive(Deserialize)]
pub(super) struct Payload {
    pub(super) to: String,
    #[serde(rename = "letter")]
    pub(super) details: Value,
}

/// Where mails are put. Cloning shares it.
#[derive(Clone)]
pub struct Outbox(Arc<Parts>);

struct Parts {
    key: ServerKey,
    random: Random,
    /// The last position that was given.
    position: AtomicI64,
    /// Wakes the worker of this process.
    owed: Notify,
}

impl Outbox {
    pub(crate) fn new(key: ServerKey, random: Random) -> Self {
        let (position, owed) = (AtomicI64::new(i64::MIN), Notify::new());
        Self(Arc::new(Parts { key, random, position, owed }))
    }

    /// Owes a mail. It leaves if, and only if, the transaction commits, soon after.
    ///
    /// # Errors
    /// What the database says. The caller passes it on: what must be told and cannot be told does not happen.
    pub fn owe(&self, tx: &mut WriteTx<'_>, now: Timestamp, mail: &Mail) -> Result<(), DbError> {
        let id = Id::generate(now, &self.0.random);
        let payload = Secret::new(json!({ "to": mail.to, "letter": mail.letter.details() }).to_string());
        let row = sql::NewMail {
            id,
            user: mail.user,
            kind: mail.letter.kind(),
            recipient: self.recipient(&mail.to),
            position: self.next_position(now),
            created_at: now,
            not_after: mail.not_after,
            give_up_at: now.plus(GIVE_UP_AFTER),
            sealed: self.0.key.seal(id.as_uuid().as_bytes(), payload.expose().as_bytes()),
        };
        sql::insert(tx, &row)?;
        let outbox = self.clone();
        tx.after_commit(move || outbox.0.owed.notify_one());
        Ok(())
    }

    /// What was owed to this address lately, of one kind. For limits on what anybody may have sent to a mailbox.
    ///
    /// # Errors
    /// What the database says.
    pub fn recent(
        &self,
        tx: &mut ReadTx<'_>,
        to: &str,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Recent, DbError> {
        sql::recent(tx, &self.recipient(to), kind, now.minus(DAY))
    }

    /// Waits until a transaction of this process owes a mail. One that does so before is not missed.
    pub async fn owed(&self) {
        self.0.owed.notified().await;
    }

    /// Opens what [`Outbox::owe`] sealed, or `None` under another master key and in another row.
    pub(super) fn open(&self, id: MailId, sealed: &[u8]) -> Option<Payload> {
        let text = self.0.key.open(id.as_uuid().as_bytes(), sealed)?;
        serde_json::from_slice(text.expose()).ok()
    }

    /// What stands for an address in the database: an HMAC of it, because addresses are few enough to be guessed. Every
    /// spelling of an address is one recipient; its domain comes in A-labels, its local part is ASCII.
    fn recipient(&self, to: &str) -> TokenHash {
        let canonical = to.to_ascii_lowercase();
        TokenHash::from_bytes(*self.0.key.salted(canonical.as_bytes()).into_bytes().expose())
    }

    /// A place behind everything that this process owed before. A millisecond of an id is too coarse: one transaction
    /// may owe two mails.
    fn next_position(&self, now: Timestamp) -> i64 {
        let after = |last: i64| Some(now.as_micros().max(last.saturating_add(1)));
        let last = self.0.position.fetch_update(Ordering::AcqRel, Ordering::Acquire, after);
        last.ok().and_then(after).unwrap_or_default()
    }
}
