//! Mail: how fast a queue empties into a mail server that is there, and what `kill -9` loses of it.

mod kills;
mod server;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_kernel::{Clock, Secret};
use gatepost_server::App;
use gatepost_server::outbox::{Courier, Letter, Mail, Outgoing, Sending, Transport};
use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;

use self::server::{MailServer, rate};
use crate::embedded;
use crate::load::Sample;
use crate::report::{Pair, Report, Row};
use crate::subject::Subject;
use crate::{Plan, Result};

/// As many as the server delivers over at the same time.
const CONNECTIONS: usize = 4;
/// How many mails are owed in one transaction.
const PORTION: usize = 500;

/// Measures both on one database.
pub(crate) async fn measure(subject: &Subject, plan: &Plan, report: &mut Report) -> Result {
    throughput(subject, plan, report).await?;
    kills::measure(subject, plan, report).await
}

/// A queue of owed mails is there when the server starts. Its limit is the same number of mails of the same size from a
/// loop that does nothing else.
async fn throughput(subject: &Subject, plan: &Plan, report: &mut Report) -> Result {
    let mut pair = Pair::default();
    for _ in 0..plan.rounds {
        let app = embedded::open(subject.settings(), Clock::system()).await?;
        let sample = sample(&app).await?;
        owe(&app, plan.mails).await?;
        app.db.close().await;
        drop(app);

        let server = MailServer::start()?;
        feed(server.port, &sample, plan.mails).await?;
        pair.limit.merge(Sample::of_rate(rate(&server.taken()?)));

        let server = MailServer::start()?;
        let settings = server.settings();
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (process, _) = subject.start(&settings).await?;
        pair.subject.merge(Sample::of_rate(rate(&server.wait_for(plan.mails).await?)));
        process.stop().await?;
    }
    let figures = vec![
        ("per_second", pair.subject.per_second()),
        ("mails", plan.mails as f64),
        ("limit_per_second", pair.limit.per_second()),
        ("ratio", pair.ratio()),
    ];
    let (engine, aims) = (subject.engine(), Vec::new());
    report.add(Row { engine, operation: "mail", connections: CONNECTIONS, figures, aims });
    Ok(())
}

/// Owes so many mails, each to somebody else.
async fn owe(app: &App, count: usize) -> Result {
    for begin in (0..count).step_by(PORTION) {
        let (outbox, now) = (app.outbox.clone(), app.clock.now());
        let mails: Vec<_> = (begin..count.min(begin + PORTION)).map(|number| mail(app, number)).collect();
        app.db.write(move |tx| mails.iter().try_for_each(|mail| outbox.owe(tx, now, mail))).await?;
    }
    Ok(())
}

fn mail(app: &App, number: usize) -> Mail {
    let link = Secret::new(format!("{}/verify-email#token={:043}", app.issuer, number));
    let expires = app.clock.now().plus(Duration::from_secs(24 * 60 * 60));
    let letter = Letter::VerifyAddress { link, expires };
    Mail { user: None, to: format!("owed-{number}@bench.example"), letter, not_after: Some(expires) }
}

/// A mail as it travels.
#[derive(Clone)]
struct Letterform {
    envelope: Envelope,
    bytes: Vec<u8>,
}

/// Keeps the last mail that it was given.
#[derive(Default)]
struct Keep(Mutex<Option<Letterform>>);

impl Transport for Keep {
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            let kept = Letterform { envelope: mail.envelope.clone(), bytes: mail.bytes.expose().clone() };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            Ok(())
        })
    }
}

/// One of the mails, as the server puts it together. What was still owed goes where nobody counts it.
async fn sample(app: &App) -> Result<Letterform> {
    owe(app, 1).await?;
    let kept = Arc::new(Keep::default());
    let keeper: Arc<dyn Transport> = kept.clone();
    Courier::with(app, keeper).deliver().await?;
    let kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    kept.ok_or_else(|| "no mail was put together".into())
}

/// The limit: connections that hand the same mail over again and again.
async fn feed(port: u16, mail: &Letterform, count: usize) -> Result {
    let mut tasks = Vec::new();
    for number in 0..CONNECTIONS {
        let mail = mail.clone();
        let share = count / CONNECTIONS + usize::from(number < count % CONNECTIONS);
        tasks.push(tokio::spawn(async move {
            let (server, hello) = (("127.0.0.1", port), ClientId::Domain("localhost".to_owned()));
            let timeout = Some(Duration::from_secs(60));
            let mut connection =
                AsyncSmtpConnection::connect_tokio1(server, timeout, &hello, None, None).await?;
            for _ in 0..share {
                connection.send(&mail.envelope, &mail.bytes).await?;
            }
            Ok::<_, lettre::transport::smtp::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
