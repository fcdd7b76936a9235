//! What is owed and what is dead, for the operator.

use std::time::Duration;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_kernel::Timestamp;

use super::owe::{GIVE_UP_AFTER, MailId, Outbox};
use super::sql;
use crate::app::App;
use crate::audit::{self, Event};

/// How long a mail that was sent, or that was not sent any more, is remembered: for limits and for questions.
const REMEMBER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a dead letter can be tried again.
const KEEP_DEAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where a mail is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn, or is under way.
    Owed,
    /// A mail server, or the mailbox, has it.
    Sent,
    /// It was refused, or tried for too long. Somebody must look.
    Dead,
    /// Its link would not have worked any more.
    Expired,
}

impl State {
    const ALL: [Self; 4] = [Self::Owed, Self::Sent, Self::Dead, Self::Expired];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Expired => "expired",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A mail that was not delivered so far.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its id.
    pub id: MailId,
    /// Which letter it is.
    pub kind: String,
    /// [`State::Owed`] or [`State::Dead`].
    pub state: State,
    /// When it was owed.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// When it died.
    pub ended_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// The address, if the master key opens it.
    pub to: Option<String>,
}

/// What is owed and what is dead, newest first.
///
/// # Errors
/// What the database says.
pub async fn queue(app: &App, limit: u32) -> Result<Vec<Queued>, DbError> {
    let outbox: Outbox = app.outbox.clone();
    let rows = app.db.read(move |tx| sql::queue(tx, limit.into())).await?;
    let with_address = |(mut queued, sealed): sql::SealedQueued| {
        queued.to = sealed.and_then(|sealed| outbox.open(queued.id, &sealed)).map(|payload| payload.to);
        queued
    };
    Ok(rows.into_iter().map(with_address).collect())
}

/// How many letters are dead.
///
/// # Errors
/// What the database says.
pub fn dead_letters(tx: &mut ReadTx<'_>) -> Result<i64, DbError> {
    sql::dead(tx)
}

/// Owes dead letters once more: this one, or all. How many there were.
///
/// # Errors
/// What the database says.
pub async fn retry(app: &App, which: Option<MailId>) -> Result<u64, DbError> {
    let act = app.operator_act();
    let (now, give_up_at) = (act.at, act.at.plus(GIVE_UP_AFTER));
    app.db
        .write(move |tx| {
            let mails = match which {
                Some(id) => sql::retry(tx, id, now, give_up_at),
                None => sql::retry_all(tx, now, give_up_at),
            }?;
            if mails > 0 {
                let mail = which.map(|id| id.to_string());
                audit::record(tx, &act, &Event::MailRetried { mail, mails })?;
            }
            Ok(mails)
        })
        .await
}

/// Forgets mails that nobody asks about any more, a portion at a time. How many went.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now.minus(REMEMBER), now.minus(KEEP_DEAD))
}
