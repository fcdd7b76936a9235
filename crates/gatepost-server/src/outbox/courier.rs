//! The worker: takes what is owed and delivers it.
//!
//! It promises *at least once*: a mail is marked as sent after somebody else has it, so that a process that is killed in
//! between sends it again, with the same `Message-ID`. A lease and its fence keep two workers from doing so otherwise.

use std::sync::Arc;
use std::time::Duration;

use gatepost_db::DbError;
use gatepost_kernel::Random;
use tokio::task::JoinSet;

use super::letter::Kind;
use super::mailbox::Mailbox;
use super::message::{Letterhead, Outgoing};
use super::smtp::{Smtp, SmtpError};
use super::sql::{self, Claimed, End};
use super::templates::Templates;
use super::transport::{SendError, Transport};
use crate::app::App;
use crate::config::MailConfig;

/// How long a worker may keep a mail. Longer than any delivery: `mail.smtp.timeout` is at most four minutes.
const LEASE: Duration = Duration::from_secs(5 * 60);
/// How many are delivered at the same time.
const PARALLEL: usize = 4;
/// The first pause after a failure, and the longest, which jitter lengthens by up to a quarter.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(48 * 60));
/// How often it tries to write down what has happened to a mail.
const WRITE_ATTEMPTS: u32 = 10;

/// Delivers mails. Cloning shares it.
#[derive(Clone)]
pub struct Courier {
    app: App,
    transport: Arc<dyn Transport>,
    templates: Templates,
    letterhead: Arc<Letterhead>,
}

/// What became of the mails of one round.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Mails that somebody else has now.
    pub sent: u32,
    /// Mails that are tried again later.
    pub postponed: u32,
    /// Mails that are not tried again.
    pub dead: u32,
    /// Mails whose link would not have worked any more.
    pub expired: u32,
}

/// What became of one mail.
enum Fate {
    Sent,
    Postponed(String),
    Dead(String),
    Expired,
}

impl Courier {
    /// The courier that the configuration asks for: to a mail server, or into the local mailbox.
    ///
    /// # Errors
    /// [`SmtpError`] when TLS to the mail server cannot be set up.
    pub fn new(app: &App) -> Result<Self, SmtpError> {
        let transport: Arc<dyn Transport> = match &app.config.mail.smtp {
            Some(smtp) => Arc::new(Smtp::new(smtp.clone(), &host(&app.issuer))?),
            None => Arc::new(Mailbox::in_directory(&app.config.server.data_dir)),
        };
        Ok(Self::with(app, transport))
    }

    /// A courier that hands mails to this transport.
    pub fn with(app: &App, transport: Arc<dyn Transport>) -> Self {
        let MailConfig { from, app_name, templates_dir, .. } = &app.config.mail;
        let host = host(&app.issuer);
        let mut from = from.clone().unwrap_or_else(|| no_reply(&host));
        from.name = from.name.or_else(|| Some(app_name.clone()));
        let templates = Templates::new(app_name, templates_dir.as_deref());
        let letterhead = Arc::new(Letterhead { from, host });
        Self { app: app.clone(), transport, templates, letterhead }
    }

    /// Delivers everything that is due, a few at a time, and says what became of it.
    ///
    /// # Errors
    /// What the database says when the next mail cannot be taken. What is under way is finished first.
    pub async fn deliver(&self) -> Result<Round, DbError> {
        let mut round = Round::default();
        let mut under_way = JoinSet::new();
        let mut failed = None;
        loop {
            while failed.is_none() && under_way.len() < PARALLEL {
                let now = self.app.clock.now();
                match sql::claim(&self.app.db, now, now.plus(LEASE)).await {
                    Ok(Some(claimed)) => {
                        let courier = self.clone();
                        under_way.spawn(async move { courier.deliver_one(claimed).await });
                    }
                    Ok(None) => break,
                    Err(error) => failed = Some(error),
                }
            }
            // Whenever one is done, the next of its recipient may leave.
            match under_way.join_next().await {
                Some(Ok(fate)) => round.count(&fate),
                // Its lease will end, and then it is tried again.
                Some(Err(error)) => tracing::error!(panicked = error.is_panic(), "could not deliver a mail"),
                None => break,
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let waiting = sql::waiting(&self.app.db).await?;
        metrics::gauge!("mail_queue").set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
        Ok(round)
    }

    async fn deliver_one(&self, claimed: Claimed) -> Fate {
        let (courier, claimed) = (self.clone(), Arc::new(claimed));
        let mut attempt = JoinSet::new();
        let mail = Arc::clone(&claimed);
        // A task of its own, so that a panic is the end of this attempt and no more: the mails behind it must not wait for
        // ever. It ends with this one.
        attempt.spawn(async move { courier.attempt(&mail).await });
        let fate = match attempt.join_next().await {
            Some(Ok(fate)) => fate,
            Some(Err(_)) | None => Fate::Postponed("delivering it panicked".to_owned()),
        };
        self.write_down(&claimed, fate).await
    }

    async fn attempt(&self, claimed: &Claimed) -> Fate {
        match self.prepare(claimed) {
            Ok(Some(mail)) => match self.transport.send(&mail).await {
                Ok(()) => Fate::Sent,
                Err(SendError::Transient(problem)) => Fate::Postponed(problem),
                Err(SendError::Permanent(problem)) => Fate::Dead(problem),
            },
            Ok(None) => Fate::Expired,
            Err(fate) => fate,
        }
    }

    /// The mail of a row, `None` when it is too late for it.
    fn prepare(&self, claimed: &Claimed) -> Result<Option<Outgoing>, Fate> {
        let now = self.app.clock.now();
        if claimed.not_after.is_some_and(|not_after| now >= not_after) {
            return Ok(None);
        }
        // Whoever had it before never said what became of it: it may be the mail that ends them. One that was never
        // tried is, even if no server ran for so long.
        if claimed.attempt > 1 && now > claimed.give_up_at {
            return Err(Fate::Dead("tried for three days, the last time without an end".to_owned()));
        }
        // A newer server beside this one may know more kinds of letters.
        let kind = Kind::parse(&claimed.kind)
            .ok_or_else(|| Fate::Postponed("this version does not know the letter".to_owned()))?;
        let sealed = claimed.sealed.as_deref().unwrap_or_default();
        let payload = self.app.outbox.open(claimed.id, sealed).ok_or_else(|| {
            Fate::Dead("it cannot be opened: it was sealed under another master key".to_owned())
        })?;
        let dead = |error: &dyn std::error::Error| Fate::Dead(error.to_string());
        let rendered = self.templates.render(kind, &payload.details).map_err(|error| dead(&error))?;
        let id = (claimed.id.to_string(), kind);
        let mail = self.letterhead.compose(id, &payload.to, rendered, claimed.created_at);
        mail.map(Some).map_err(|error| dead(&error))
    }

    /// Writes down what became of a mail. When the database does not answer for a while, it insists: a mail that was
    /// sent and not marked is sent again.
    async fn write_down(&self, claimed: &Claimed, fate: Fate) -> Fate {
        let mut fate = fate.without_quotes();
        let (db, lease, now) = (&self.app.db, (claimed.id, claimed.fence), self.app.clock.now());
        let due_at = now.plus(pause(claimed.attempt, &self.app.random));
        if let Fate::Postponed(problem) = &fate
            && due_at > claimed.give_up_at
        {
            fate = Fate::Dead(format!("tried for three days: {problem}"));
        }
        for attempt in 1..=WRITE_ATTEMPTS {
            let written = match &fate {
                Fate::Sent => sql::end(db, lease, &End::Sent, now).await,
                Fate::Expired => sql::end(db, lease, &End::Expired, now).await,
                Fate::Dead(problem) => sql::end(db, lease, &End::Dead(problem), now).await,
                Fate::Postponed(problem) => sql::postpone(db, lease, due_at, problem).await,
            };
            match written {
                Ok(true) => break,
                Ok(false) => {
                    tracing::warn!(mail = %claimed.id, "a mail was delivered after its lease was over");
                    break;
                }
                Err(error) if attempt < WRITE_ATTEMPTS && error.is_transient() => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, mail = %claimed.id, "could not write down what became of a mail");
                    break;
                }
            }
        }
        report(claimed, &fate);
        fate
    }
}

impl Fate {
    /// The same, without what a mail server quoted: links are secrets, and addresses are sealed.
    fn without_quotes(self) -> Self {
        match self {
            Self::Postponed(problem) => Self::Postponed(without_quotes(&problem)),
            Self::Dead(problem) => Self::Dead(without_quotes(&problem)),
            Self::Sent | Self::Expired => self,
        }
    }
}

/// A text as one line without any word that could be an address, a link or a part of one.
fn without_quotes(text: &str) -> String {
    const LONGEST: usize = 300;
    let is_quoted =
        |word: &str| word.contains('@') || word.contains("://") || word.contains("token=") || word.len() > 80;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.map(|word| if is_quoted(word) { "[…]" } else { word }).collect();
    words.join(" ").chars().take(LONGEST).collect()
}

impl Round {
    fn count(&mut self, fate: &Fate) {
        let counter = match fate {
            Fate::Sent => &mut self.sent,
            Fate::Postponed(_) => &mut self.postponed,
            Fate::Dead(_) => &mut self.dead,
            Fate::Expired => &mut self.expired,
        };
        *counter += 1;
    }
}

fn report(claimed: &Claimed, fate: &Fate) {
    let (mail, letter, attempt) = (claimed.id, &claimed.kind, claimed.attempt);
    match fate {
        Fate::Sent => metrics::counter!("mail_sent_total").increment(1),
        Fate::Expired => metrics::counter!("mail_expired_total").increment(1),
        Fate::Postponed(problem) => {
            tracing::warn!(%mail, letter, attempt, problem, "a mail was not taken; it is tried again");
        }
        Fate::Dead(problem) => {
            metrics::counter!("mail_dead_total").increment(1);
            tracing::error!(
                %mail, letter, attempt, problem,
                "a mail is given up: see `gatepost mail queue`, mend it, then `gatepost mail retry`"
            );
        }
    }
}

/// How long to wait after this attempt: one minute, twice as long each time, at most an hour, and a part of it by chance,
/// so that mails that failed together do not come back together.
fn pause(attempt: i64, random: &Random) -> Duration {
    let (first, longest) = PAUSES;
    let doublings = u32::try_from(attempt.clamp(1, 20) - 1).unwrap_or(0);
    let pause = first.saturating_mul(1 << doublings).min(longest);
    let jitter = u32::from(u16::from_le_bytes(random.bytes()));
    pause + pause / 4 * jitter / u32::from(u16::MAX)
}

/// The host of a URL of ours.
pub(super) fn host(issuer: &str) -> String {
    let url = url::Url::parse(issuer).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned())
}

/// The sender where nobody configured one. An address of numbers has no mailboxes.
fn no_reply(host: &str) -> lettre::message::Mailbox {
    let named = lettre::Address::new("no-reply", host).ok();
    let address = named.or_else(|| lettre::Address::new("no-reply", "localhost").ok());
    lettre::message::Mailbox::new(
        None,
        address.unwrap_or_else(|| lettre::Address::new_dangerous("no-reply", "localhost")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rel_26_pauses_grow_from_a_minute_to_an_hour() {
        for (byte, first, last) in [(0, 60, 48 * 60), (255, 75, 60 * 60)] {
            let random = Random::from_fn(move |buffer| buffer.fill(byte));
            assert_eq!(pause(1, &random).as_secs(), first);
            assert!(pause(2, &random) > pause(1, &random));
            for attempt in [7, 20, 1_000, i64::MAX] {
                assert_eq!(pause(attempt, &random).as_secs(), last);
            }
        }
    }

    #[test]
    fn what_a_server_quotes_of_a_mail_is_not_repeated() {
        let text = without_quotes(
            "550 5.7.1 blocked: https://a.example/reset#token=gpr_abc see\thttp://s.example\r\n<ada@example.com>: unknown",
        );
        assert_eq!(text, "550 5.7.1 blocked: […] see […]  […] unknown");
    }

    #[test]
    fn the_sender_follows_from_the_public_url() {
        assert_eq!(no_reply(&host("https://auth.example.com:8443")).to_string(), "no-reply@auth.example.com");
        assert_eq!(no_reply(&host("http://[::1]:8080")).email.user(), "no-reply");
    }
}
