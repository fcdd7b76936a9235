//! A botnet against one account, for a day of a clock that we turn: how many passwords does it get to try, and does the
//! owner notice?
//!
//! All of it is the real thing but the clock, the cost of a hash and the network: the routes with their limits, the
//! lock-out, the database. The bots know the rules. They come all day long, many at the same moment, each time from other
//! addresses, and besides whenever they were told to come back.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use gatepost_kernel::{Clock, Timestamp};
use gatepost_server::http::{ClientAddress, HttpParts, finish, router};
use http::header::{CONTENT_TYPE, COOKIE, HOST, RETRY_AFTER, SET_COOKIE};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::people::PASSWORD;
use crate::report::{Aim, Report, Row};
use crate::subject::Subject;
use crate::{Plan, Result, embedded};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The addresses of the botnet.
const ADDRESSES: u32 = 10_000;
/// How many bots knock at the same moment.
const AT_ONCE: u32 = 16;
const WRONG: &str = "a password of nobody";
/// The owner, and where the owner is.
const VICTIM: (&str, IpAddr) = ("victim@bench.example", IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)));

/// Two days: one on which the owner signs in every hour, which clears the count each time, and one without the owner, who
/// comes back at its end.
pub(crate) async fn measure(subject: &Subject, plan: &Plan, report: &mut Report) -> Result {
    let hand = Hand(Arc::new(AtomicI64::new(Clock::system().now().as_micros())));
    let clock = Clock::from_fn({
        let hand = hand.clone();
        move || hand.now()
    });
    let app = embedded::open(subject.botnet_settings(), clock).await?;
    let parts = HttpParts::new(app.clock.clone(), app.random.clone());
    let routes = finish(router(app.clone()), parts);
    let mut house = House { routes, hand, knocked: 0, cookie: String::new() };
    house.move_in().await?;
    for (operation, visits) in [("botnet, owner in hourly", 24), ("botnet, owner away", 1)] {
        let day = house.day(plan.knocks, visits).await?;
        let welcome = 100.0 * f64::from(day.welcome) / f64::from(visits);
        let figures = vec![
            ("addresses", f64::from(ADDRESSES)),
            ("attempts", f64::from(day.guesses + day.refused)),
            ("guesses_a_day", f64::from(day.guesses)),
            ("owner_sign_ins", f64::from(visits)),
            ("owner_success_percent", welcome),
        ];
        let mut aims = vec![Aim::at_least("% of the owner's sign-ins on a known device", 100.0, welcome)];
        if visits == 1 {
            aims.push(Aim::at_most("guesses a day", 100.0, f64::from(day.guesses)));
        }
        report.add(Row { engine: subject.engine(), operation, connections: 0, figures, aims });
    }
    app.db.close().await;
    Ok(())
}

/// The hand of the clock.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn turn_to(&self, time: Timestamp) {
        self.0.store(time.as_micros(), Ordering::SeqCst);
    }
}

/// What came of one day.
#[derive(Default)]
struct Day {
    /// Attempts of which the password was looked at.
    guesses: u32,
    /// Attempts that were sent away before that.
    refused: u32,
    /// Sign-ins of the owner that succeeded.
    welcome: u32,
}

/// The application, with the clock that it reads.
struct House {
    routes: Router,
    hand: Hand,
    /// How many bots have knocked so far.
    knocked: u32,
    /// What the owner's browser keeps.
    cookie: String,
}

impl House {
    /// The owner registers, and signs in for the first time.
    async fn move_in(&mut self) -> Result {
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, VICTIM.0);
        let response = ask(&self.routes, "register", VICTIM.1, "", body).await?;
        if response.status() != StatusCode::CREATED {
            return Err(format!("the owner could not register: {}", response.status()).into());
        }
        if self.visit().await? { Ok(()) } else { Err("the owner could not sign in".into()) }
    }

    async fn day(&mut self, knocks: u32, visits: u32) -> Result<Day> {
        let mut day = Day::default();
        let begin = self.hand.now();
        let end = begin.plus(DAY);
        let (between_knocks, between_visits) = (DAY / (knocks / AT_ONCE), DAY / visits);
        let (mut knock_at, mut visit_at) = (begin, begin.plus(between_visits));
        // When the bots were told to come back.
        let mut opens_at = None;
        loop {
            let next = knock_at.min(visit_at).min(opens_at.unwrap_or(end));
            self.hand.turn_to(next);
            // At the very end of the day, too.
            if next == visit_at {
                day.welcome += u32::from(self.visit().await?);
                visit_at = visit_at.plus(between_visits);
            } else if next < end {
                if next == knock_at {
                    knock_at = knock_at.plus(between_knocks);
                }
                opens_at = self.knock(&mut day).await?.map(|wait| next.plus(wait));
            }
            if next >= end {
                return Ok(day);
            }
        }
    }

    /// The owner signs in with the browser that they always use.
    async fn visit(&mut self) -> Result<bool> {
        let response = sign_in(&self.routes, VICTIM.1, &self.cookie, PASSWORD).await?;
        let cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
        if let Some(device) = pairs.find(|pair| pair.starts_with("dc=")) {
            self.cookie = device.to_owned();
        }
        Ok(response.status() == StatusCode::OK)
    }

    /// Bots knock, all at the same moment. When the first of them may come back, if one was told.
    async fn knock(&mut self, day: &mut Day) -> Result<Option<Duration>> {
        let mut bots = Vec::new();
        for _ in 0..AT_ONCE {
            let address =
                Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + self.knocked % ADDRESSES);
            self.knocked = self.knocked.wrapping_add(1);
            let routes = self.routes.clone();
            bots.push(tokio::spawn(async move { sign_in(&routes, address.into(), "", WRONG).await }));
        }
        let mut back = None;
        for bot in bots {
            let response = bot.await??;
            match response.status() {
                StatusCode::UNAUTHORIZED => day.guesses += 1,
                StatusCode::TOO_MANY_REQUESTS => {
                    day.refused += 1;
                    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    let seconds = seconds.and_then(|text| text.parse().ok()).map(Duration::from_secs);
                    back = [back, seconds].into_iter().flatten().min();
                }
                status => return Err(format!("a bot was answered {status}").into()),
            }
        }
        Ok(back)
    }
}

async fn sign_in(routes: &Router, from: IpAddr, cookie: &str, password: &str) -> Result<Response> {
    let body = format!(r#"{{"identifier":"{}","password":"{password}"}}"#, VICTIM.0);
    ask(routes, "login", from, cookie, body).await
}

async fn ask(routes: &Router, what: &str, from: IpAddr, cookie: &str, body: String) -> Result<Response> {
    let request = Request::post(format!("/api/v1/auth/{what}"))
        .header(HOST, embedded::HOST)
        .header(CONTENT_TYPE, "application/json")
        .header(COOKIE, cookie)
        .extension(ClientAddress(from))
        .body(Body::from(body))?;
    match routes.clone().oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_owner_gets_in_all_day_and_the_botnet_hardly_ever() {
        let subject = Subject::on_sqlite("gatepost".as_ref()).unwrap();
        let mut report = Report::new(true);
        let plan = Plan { knocks: 1_600, ..crate::QUICK };
        measure(&subject, &plan, &mut report).await.unwrap();
        let text = report.to_string();
        assert!(!text.contains("MISSED"), "{text}");
    }
}
