//! `kill -9`: a server that delivers while people register, killed again and again. Each registration that it
//! acknowledged owes one mail, and that mail must arrive.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gatepost_kernel::Clock;
use gatepost_server::outbox::Courier;

use super::server::{MailServer, Taken};
use crate::client::request;
use crate::load::{Script, Window, drive};
use crate::people::PASSWORD;
use crate::report::{Aim, Report, Row};
use crate::subject::Subject;
use crate::{Plan, Result, embedded};

/// How many register at the same time.
const CLIENTS: usize = 4;
/// The shortest life of a server, once it is ready.
const SHORTEST: Duration = Duration::from_millis(100);
/// A killed worker leaves a lease of five minutes behind; the last run is later than that.
const AFTER_THE_LEASES: Duration = Duration::from_secs(6 * 60);

pub(super) async fn measure(subject: &Subject, plan: &Plan, report: &mut Report) -> Result {
    let server = MailServer::start()?;
    let settings = server.settings();
    let mut acknowledged = BTreeSet::new();
    for cycle in 0..plan.kills {
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (process, _) = subject.start(&settings).await?;
        // Lives of different lengths, so that death meets each step of a delivery.
        let life = SHORTEST + Duration::from_millis(u64::try_from(cycle)? * 73 % 400);
        let from = Instant::now();
        let window = Window { from, to: from + life + Duration::from_millis(20) };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let newcomers = Newcomers::new(format!("killed-{cycle}-{client}"));
                tokio::spawn(drive(process.address, newcomers, window))
            })
            .collect();
        tokio::time::sleep(life).await;
        // SIGKILL.
        drop(process);
        for client in clients {
            acknowledged.extend(client.await?.0.acknowledged);
        }
    }

    // Undisturbed, at a time when no dead worker holds a mail any more.
    let later = Clock::from_fn(|| Clock::system().now().plus(AFTER_THE_LEASES));
    let mut everything = subject.settings();
    everything.extend(settings);
    let app = embedded::open(everything, later).await?;
    Courier::new(&app)?.deliver().await?;
    app.db.close().await;

    let outcome = Outcome::of(&acknowledged, &server.taken()?);
    let figures = vec![
        ("cycles", plan.kills as f64),
        ("acknowledged", acknowledged.len() as f64),
        ("lost", outcome.lost as f64),
        ("duplicates", outcome.duplicates as f64),
    ];
    let aims = vec![Aim::at_most("mails lost", 0.0, outcome.lost as f64)];
    let engine = subject.engine();
    report.add(Row { engine, operation: "mail, kill -9", connections: CLIENTS, figures, aims });
    Ok(())
}

struct Outcome {
    /// Acknowledged, and no mail came.
    lost: usize,
    /// Mails that came more than once, each further time counted.
    duplicates: usize,
}

impl Outcome {
    fn of(acknowledged: &BTreeSet<String>, taken: &[Taken]) -> Self {
        let arrived: BTreeSet<&String> = taken.iter().map(|mail| &mail.to).collect();
        let mails: BTreeSet<&String> = taken.iter().map(|mail| &mail.id).collect();
        let lost = acknowledged.iter().filter(|address| !arrived.contains(address)).count();
        Self { lost, duplicates: taken.len() - mails.len() }
    }
}

/// People who register one after the other, each once.
struct Newcomers {
    name: String,
    asked: usize,
    request: Vec<u8>,
    acknowledged: Vec<String>,
}

impl Newcomers {
    const fn new(name: String) -> Self {
        Self { name, asked: 0, request: Vec::new(), acknowledged: Vec::new() }
    }

    fn address(&self) -> String {
        format!("{}-{}@bench.example", self.name, self.asked)
    }
}

impl Script for Newcomers {
    fn request(&mut self) -> &[u8] {
        self.asked += 1;
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, self.address());
        self.request = request("POST", "/api/v1/auth/register", "", &body);
        &self.request
    }

    fn answer(&mut self, status: u16, _: &[u8]) -> bool {
        if status == 201 {
            self.acknowledged.push(self.address());
        }
        status == 201
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_did_not_come_is_lost_and_one_that_came_twice_is_a_duplicate() {
        let acknowledged = ["a@x", "b@x", "c@x"].map(str::to_owned).into();
        let taken = ["1 <1> a@x", "2 <1> a@x", "3 <2> b@x", "4 <3> unacknowledged@x"];
        let taken: Vec<_> = taken.iter().map(|line| Taken::parse(line).unwrap()).collect();
        let outcome = Outcome::of(&acknowledged, &taken);
        assert_eq!((outcome.lost, outcome.duplicates), (1, 1));
    }

    #[test]
    fn only_who_was_told_so_has_registered() {
        let mut newcomers = Newcomers::new("n".to_owned());
        newcomers.request();
        assert!(newcomers.answer(201, b""));
        newcomers.request();
        assert!(!newcomers.answer(503, b""));
        assert_eq!(newcomers.acknowledged, ["n-1@bench.example"]);
    }
}
