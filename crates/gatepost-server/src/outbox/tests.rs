//! Mails that are owed, from the outside of the feature.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_db::{DbError, params};
use gatepost_kernel::{OpaqueToken, Secret, Timestamp};
use gatepost_server::outbox::{
    Courier, Gone, Kind, Letter, Mail, MailboxKey, Outgoing, Recent, Round, SendError, Sending, State,
    Transport, queue, retry,
};
use gatepost_testkit::{Node, Setup, TestApp, on_each_db};
use http::HeaderName;
use http::header::{COOKIE, HOST};

/// A client on the same machine.
const HERE: &str = "127.0.0.1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn mail(to: &str, letter: Letter) -> Mail {
    Mail { user: None, to: to.to_owned(), letter, not_after: None }
}

fn reset(app: &Node, now: Timestamp) -> (Letter, String) {
    let token = OpaqueToken::generate("gpr", &app.app.random).expose().to_owned();
    let link = Secret::new(format!("{}/reset-password#token={token}", app.app.issuer));
    (Letter::ResetPassword { link, expires: now.plus(30 * MINUTE) }, token)
}

async fn owe(node: &Node, mail: Mail) {
    let (outbox, now) = (node.app.outbox.clone(), node.app.clock.now());
    node.app.db.write(move |tx| outbox.owe(tx, now, &mail)).await.unwrap();
}

async fn recent(app: &TestApp, to: &'static str, kind: Kind) -> Recent {
    let (outbox, now) = (app.app.outbox.clone(), app.clock.now());
    app.db().read(move |tx| outbox.recent(tx, to, kind, now)).await.unwrap()
}

async fn states(app: &TestApp) -> BTreeMap<&'static str, i64> {
    let mut states = BTreeMap::new();
    for state in [State::Owed, State::Sent, State::Dead, State::Expired] {
        let sql = "SELECT count(*) FROM outbox WHERE state = ?1";
        let count = app.number(sql, &params![state.name()]).await;
        if count > 0 {
            states.insert(state.name(), count);
        }
    }
    states
}

/// A transport that answers as it is told, and remembers the ids of what it took.
#[derive(Clone, Default)]
struct Scripted {
    answer: Arc<Mutex<Option<SendError>>>,
    tried: Arc<AtomicU32>,
    taken: Arc<Mutex<Vec<(String, String)>>>,
}

impl Scripted {
    fn answers(&self, answer: Option<SendError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn taken(&self) -> Vec<(String, String)> {
        self.taken.lock().unwrap().clone()
    }
}

impl Transport for Scripted {
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            self.tried.fetch_add(1, Ordering::SeqCst);
            if let Some(error) = self.answer.lock().unwrap().clone() {
                return Err(error);
            }
            self.taken.lock().unwrap().push((mail.id.clone(), mail.to.clone()));
            Ok(())
        })
    }
}

fn courier(node: &Node) -> (Courier, Scripted) {
    let transport = Scripted::default();
    (Courier::with(&node.app, Arc::new(transport.clone())), transport)
}

fn away() -> Option<SendError> {
    Some(SendError::Transient("connection refused".to_owned()))
}

on_each_db! {
    async fn a_mail_is_delivered_once_and_its_words_are_forgotten(app: TestApp) {
        let (letter, token) = reset(&app, app.clock.now());
        owe(&app, mail("Ada@example.com", letter)).await;
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE sealed IS NOT NULL", &[]).await, 1);
        let delivered = app.mail(Kind::ResetPassword, "Ada@example.com").await;
        assert_eq!(delivered.token(), token);
        assert_eq!(delivered.subject, "Gatepost: set a new password");
        assert!(delivered.text.contains("until 2026-01-01, 00:30 UTC"), "{}", delivered.text);
        assert!(delivered.html.contains(&token), "{}", delivered.html);
        assert!(delivered.message.contains(&format!("Message-ID: <{}@127.0.0.1>\r\n", delivered.id)));
        assert!(app.mails().await.is_empty());
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE sealed IS NOT NULL", &[]).await, 0);
        assert_eq!(states(&app).await, BTreeMap::from([("sent", 1)]));
    }

    async fn a_mail_of_a_change_that_did_not_happen_is_not_owed(app: TestApp) {
        let (outbox, now) = (app.app.outbox.clone(), app.clock.now());
        let done: Result<(), DbError> = app.db().write(move |tx| {
            outbox.owe(tx, now, &mail("ada@example.com", Letter::SessionStolen))?;
            Err(DbError::Busy)
        }).await;
        assert!(done.is_err());
        assert!(app.mails().await.is_empty());
    }

    async fn mfa_09_a_mail_is_sealed_and_bound_to_its_row(app: TestApp) {
        let (letter, token) = reset(&app, app.clock.now());
        // Its end checks that the token is not in the database file.
        app.is_secret("token of a mail", &token);
        owe(&app, mail("ada@example.com", letter)).await;
        owe(&app, mail("eve@example.com", Letter::SessionStolen)).await;
        let sealed = app.bytes("SELECT sealed FROM outbox WHERE kind = 'reset_password'", &[]).await.unwrap();
        let holds = |needle: &str| sealed.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!holds(&token[..20]) && !holds("ada@example.com") && !holds("link"));
        // A thief who can write puts Ada's link into a mail to themselves: it opens to nothing.
        let stolen = gatepost_db::Param::Bytes(sealed.into());
        app.execute("UPDATE outbox SET sealed = ?1 WHERE kind = 'session_stolen'", &[stolen]).await;
        let delivered = app.mails().await;
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].to, "ada@example.com");
        assert_eq!(states(&app).await, BTreeMap::from([("dead", 1), ("sent", 1)]));
    }

    async fn rec_09_what_was_owed_lately_is_counted_by_address_and_kind(app: TestApp) {
        let none = Recent { last: None, within_day: 0 };
        assert_eq!(recent(&app, "ada@example.com", Kind::SessionStolen).await, none);
        let first = app.clock.now();
        for _ in 0..3 {
            owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
            app.clock.advance(HOUR);
        }
        let three = Recent { last: Some(first.plus(2 * HOUR)), within_day: 3 };
        assert_eq!(recent(&app, "ADA@example.com", Kind::SessionStolen).await, three, "every spelling counts");
        app.mails().await;
        assert_eq!(recent(&app, "ada@example.com", Kind::SessionStolen).await, three, "also when they are gone");
        assert_eq!(recent(&app, "eve@example.com", Kind::SessionStolen).await, none);
        assert_eq!(recent(&app, "ada@example.com", Kind::AddressChanged).await, none);
        app.clock.advance(21 * HOUR);
        assert_eq!(recent(&app, "ada@example.com", Kind::SessionStolen).await.within_day, 2);
    }

    async fn rel_26_mails_to_one_address_leave_in_their_order(app: TestApp) {
        let letters = [Letter::AddressChanged, Letter::SessionStolen, Letter::AwaitingApproval];
        let (outbox, now) = (app.app.outbox.clone(), app.clock.now());
        let both = letters.clone();
        // In one transaction, and so in one millisecond.
        app.db().write(move |tx| {
            for letter in both.clone() {
                outbox.owe(tx, now, &mail("ada@example.com", letter))?;
            }
            Ok::<_, DbError>(())
        }).await.unwrap();
        owe(&app, mail("bob@example.com", Letter::AddressChanged)).await;
        // The first one is refused for now, and the ones behind it wait with it. Bob's is another matter.
        let (courier, server) = courier(&app);
        server.answers(away());
        assert_eq!(courier.deliver().await.unwrap(), Round { postponed: 2, ..Round::default() });
        app.clock.advance(2 * MINUTE);
        let delivered = app.mails().await;
        assert_eq!(delivered.len(), 4);
        let ada: Vec<_> = delivered.iter().filter(|mail| mail.to == "ada@example.com").map(|mail| mail.kind).collect();
        assert_eq!(ada, letters.map(|letter| letter.kind()));
    }

    async fn rel_26_a_mail_server_that_is_away_for_a_day_loses_nothing(app: TestApp) {
        let (courier, server) = courier(&app);
        server.answers(away());
        let mut owed = Vec::new();
        for hour in 0..24 {
            let to = format!("user-{}@example.com", hour % 3);
            owe(&app, mail(&to, Letter::SessionStolen)).await;
            owed.push(to);
            for _ in 0..4 {
                courier.deliver().await.unwrap();
                app.clock.advance(15 * MINUTE);
            }
        }
        assert_eq!(states(&app).await, BTreeMap::from([("owed", 24)]));
        // An hour between attempts at most, and one that waits holds back those behind it: no more than that.
        let tried = server.tried.load(Ordering::SeqCst);
        assert!((3..=3 * 60).contains(&tried), "{tried} attempts");
        server.answers(None);
        for _ in 0..5 {
            courier.deliver().await.unwrap();
            app.clock.advance(15 * MINUTE);
        }
        assert_eq!(states(&app).await, BTreeMap::from([("sent", 24)]));
        let taken = server.taken();
        for user in 0..3 {
            let to = format!("user-{user}@example.com");
            let ids: Vec<_> = taken.iter().filter(|(_, taken)| *taken == to).map(|(id, _)| id.clone()).collect();
            let mut sorted = ids.clone();
            sorted.sort();
            assert_eq!(ids, sorted, "ids sort by time, and each of these has a time of its own");
            assert_eq!(ids.len(), 8);
        }
    }

    async fn rel_26_after_three_days_a_mail_is_dead_and_can_be_owed_again(app: TestApp) {
        let (courier, server) = courier(&app);
        server.answers(away());
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        for _ in 0..80 {
            courier.deliver().await.unwrap();
            app.clock.advance(HOUR);
        }
        let dead = queue(&app.app, 10).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0].state, dead[0].to.as_deref()), (State::Dead, Some("ada@example.com")));
        assert_eq!(dead[0].problem.as_deref(), Some("tried for three days: connection refused"));
        let hours = dead[0].ended_at.unwrap().since(dead[0].created_at).as_secs() / 3_600;
        assert!((70..=72).contains(&hours), "{hours} hours");
        // The server is back, but nobody tries a dead letter.
        server.answers(None);
        assert_eq!(courier.deliver().await.unwrap(), Round::default());
        assert_eq!(retry(&app.app, None).await.unwrap(), 1);
        let said = app.text("SELECT details FROM audit_log WHERE action = 'mail_retried'", &[]).await;
        assert_eq!(said.as_deref(), Some(r#"{"mail":null,"mails":1}"#));
        assert_eq!(courier.deliver().await.unwrap(), Round { sent: 1, ..Round::default() });
        assert_eq!(retry(&app.app, Some(dead[0].id)).await.unwrap(), 0, "it is not dead any more");
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'mail_retried'", &[]).await, 1, "and nothing happened");
    }

    async fn rel_26_a_refusal_for_good_is_a_dead_letter_at_once(app: TestApp) {
        let (courier, server) = courier(&app);
        server.answers(Some(SendError::Permanent("permanent error (550): no such user".to_owned())));
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        assert_eq!(courier.deliver().await.unwrap(), Round { dead: 1, ..Round::default() });
        // The one behind it is not held back.
        server.answers(None);
        owe(&app, mail("ada@example.com", Letter::AddressChanged)).await;
        assert_eq!(courier.deliver().await.unwrap(), Round { sent: 1, ..Round::default() });
        assert_eq!(states(&app).await, BTreeMap::from([("dead", 1), ("sent", 1)]));
    }

    async fn rel_26_a_mail_that_panics_is_postponed_and_dead_in_the_end(app: TestApp) {
        /// A transport that fails in a way that nobody thought of.
        struct Broken;
        impl Transport for Broken {
            #[expect(clippy::panic, reason = "that it panics is what is tried")]
            fn send<'a>(&'a self, _: &'a Outgoing) -> Sending<'a> {
                Box::pin(async { panic!("nobody thought of this") })
            }
        }
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        owe(&app, mail("ada@example.com", Letter::AddressChanged)).await;
        let broken = Courier::with(&app.app, Arc::new(Broken));
        assert_eq!(broken.deliver().await.unwrap(), Round { postponed: 1, ..Round::default() });
        let first = queue(&app.app, 10).await.unwrap().pop().unwrap();
        assert_eq!((first.state, first.problem.as_deref()), (State::Owed, Some("delivering it panicked")));
        for _ in 0..80 {
            app.clock.advance(HOUR);
            broken.deliver().await.unwrap();
        }
        assert!(states(&app).await["dead"] >= 1);
    }

    async fn rel_26_a_mail_that_ends_its_process_is_dead_after_three_days(app: TestApp) {
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        // What a process leaves behind that was killed with a mail in its hands.
        app.execute("UPDATE outbox SET attempts = 9, fence = 9", &[]).await;
        // Never tried, however late: no server ran.
        owe(&app, mail("ada@example.com", Letter::AddressChanged)).await;
        owe(&app, mail("bob@example.com", Letter::SessionStolen)).await;
        app.clock.advance(73 * HOUR);
        let (courier, server) = courier(&app);
        assert_eq!(courier.deliver().await.unwrap(), Round { dead: 1, sent: 2, ..Round::default() });
        assert_eq!(server.taken().len(), 2);
    }

    async fn rel_26_an_address_that_a_server_quotes_is_not_kept(app: TestApp) {
        let (courier, server) = courier(&app);
        for (answer, to) in [
            (SendError::Permanent("550 <ada@example.com>: unknown".to_owned()), "ada@example.com"),
            (SendError::Transient("451 bob@example.com is full".to_owned()), "bob@example.com"),
        ] {
            server.answers(Some(answer));
            owe(&app, mail(to, Letter::SessionStolen)).await;
            courier.deliver().await.unwrap();
        }
        let problems: Vec<_> = queue(&app.app, 10).await.unwrap().into_iter().map(|mail| mail.problem.unwrap()).collect();
        assert!(problems.contains(&"550 […] unknown".to_owned()) && problems.contains(&"451 […] is full".to_owned()), "{problems:?}");
    }

    async fn rel_26_a_link_that_would_not_work_is_not_sent(app: TestApp) {
        let (courier, server) = courier(&app);
        server.answers(away());
        let (letter, _) = reset(&app, app.clock.now());
        let not_after = Some(app.clock.now().plus(30 * MINUTE));
        owe(&app, Mail { not_after, ..mail("ada@example.com", letter) }).await;
        assert_eq!(courier.deliver().await.unwrap(), Round { postponed: 1, ..Round::default() });
        server.answers(None);
        app.clock.advance(30 * MINUTE);
        assert_eq!(courier.deliver().await.unwrap(), Round { expired: 1, ..Round::default() });
        assert!(server.taken().is_empty());
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE sealed IS NOT NULL", &[]).await, 0);
    }

    async fn rel_27_two_workers_never_send_one_mail(app: TestApp) {
        let second = app.second_node().await;
        let transport = Scripted::default();
        for number in 0..60 {
            owe(&app, mail(&format!("user-{}@example.com", number % 20), Letter::SessionStolen)).await;
        }
        let workers: Vec<_> = [&app.app, &second.app, &app.app, &second.app].into_iter().map(|app| {
            let courier = Courier::with(app, Arc::new(transport.clone()));
            tokio::spawn(async move { courier.deliver().await.unwrap().sent })
        }).collect();
        let mut sent = 0;
        for worker in workers {
            sent += worker.await.unwrap();
        }
        // A worker ends when nothing is free; what another one's last mail held back is taken by the next round.
        sent += Courier::with(&app.app, Arc::new(transport.clone())).deliver().await.unwrap().sent;
        let mut ids: Vec<_> = transport.taken().into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((sent, ids.len(), transport.taken().len()), (60, 60, 60));
    }

    async fn rel_27_whoever_comes_back_after_their_lease_changes_nothing(app: TestApp) {
        /// A server that takes the mail, and in the meantime the lease ends and another worker delivers it.
        struct Slow { app: gatepost_server::App, clock: gatepost_testkit::ManualClock, second: Scripted }
        impl Transport for Slow {
            fn send<'a>(&'a self, _: &'a Outgoing) -> Sending<'a> {
                Box::pin(async move {
                    let other = Courier::with(&self.app, Arc::new(self.second.clone()));
                    assert_eq!(other.deliver().await.unwrap().sent, 0, "the lease holds");
                    self.clock.advance(5 * MINUTE);
                    assert_eq!(other.deliver().await.unwrap().sent, 1, "the lease is over");
                    Err(SendError::Permanent("too late".to_owned()))
                })
            }
        }
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        let slow = Slow { app: app.app.clone(), clock: app.clock.clone(), second: Scripted::default() };
        Courier::with(&app.app, Arc::new(slow)).deliver().await.unwrap();
        assert_eq!(states(&app).await, BTreeMap::from([("sent", 1)]), "the late one's word does not count");
    }

    async fn sent_mails_are_forgotten_after_a_week_and_dead_ones_after_a_month(app: TestApp) {
        let (courier, server) = courier(&app);
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        courier.deliver().await.unwrap();
        server.answers(Some(SendError::Permanent("no".to_owned())));
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        courier.deliver().await.unwrap();
        let forget = async || gatepost_server::jobs::forget(&app.app).await.unwrap();
        app.clock.advance(7 * 24 * HOUR);
        forget().await;
        assert_eq!(states(&app).await, BTreeMap::from([("dead", 1), ("sent", 1)]));
        app.clock.advance(MINUTE);
        forget().await;
        assert_eq!(states(&app).await, BTreeMap::from([("dead", 1)]));
        app.clock.advance(23 * 24 * HOUR);
        forget().await;
        assert_eq!(states(&app).await, BTreeMap::new());
    }

    async fn a_commit_wakes_the_worker(app: TestApp) {
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        tokio::time::timeout(MINUTE, app.app.outbox.owed()).await.unwrap();
    }

    async fn the_mailbox_is_a_page_for_whoever_develops_here(app: TestApp) {
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        let device = "<script>alert(1)</script>".to_owned();
        let at = app.clock.now();
        owe(&app, mail("ada@example.com", Letter::PasswordChanged { at, device: Some(device), gone: Gone::default() })).await;
        let (letter, token) = reset(&app, at);
        owe(&app, mail("ada@example.com", letter)).await;
        assert_eq!(Courier::new(&app.app).ok().unwrap().deliver().await.unwrap().sent, 3);
        let (link, cookie) = with_the_key(&app).await;
        let list = app.get("/dev/mailbox").from(HERE).header(COOKIE, &cookie).send().await;
        assert_eq!((list.status, list.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(!list.header("content-security-policy").contains("unsafe"));
        let links: Vec<_> = list.text().split("href=\"").filter_map(|rest| rest.split('"').next()).filter(|link| link.starts_with("/dev/")).map(str::to_owned).collect();
        assert_eq!(links.len(), 3, "{}", list.text());
        let mut pages = String::new();
        for link in links {
            let page = app.get(&link).from(HERE).header(COOKIE, &cookie).send().await;
            assert_eq!(page.status, 200);
            pages.push_str(&page.text());
        }
        assert!(!pages.contains("<script") && pages.contains("&lt;script&gt;"), "{pages}");
        assert!(pages.contains(&token));
        for nothing in ["/dev/mailbox/019b76da-a800-7b30-9a44-3f1d5c2e8b10", "/dev/mailbox/..%2f..%2fmaster.key"] {
            app.get(nothing).from(HERE).header(COOKIE, &cookie).send().await.assert_refused(404, "not_found");
        }
        // Even with the key: a proxy that nobody named brings others.
        for path in [link.as_str(), "/dev/mailbox"] {
            app.get(path).from("192.0.2.1").header(COOKIE, &cookie).send().await.assert_refused(404, "not_found");
            for trace in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via"] {
                let name = HeaderName::from_static(trace);
                let answer = app.get(path).from(HERE).header(COOKIE, &cookie).and_header(name, "x").send().await;
                answer.assert_refused(404, "not_found");
            }
        }
    }

    async fn rec_02_the_mailbox_opens_to_nobody_without_its_key(app: TestApp) {
        owe(&app, mail("ada@example.com", Letter::SessionStolen)).await;
        Courier::new(&app.app).ok().unwrap().deliver().await.unwrap();
        let id = "019b76da-a800-7b30-9a44-3f1d5c2e8b10";
        // What arrives through `proxy_pass http://localhost:8080` looks like this, and nothing tells it from a browser here.
        for path in ["/dev/mailbox".to_owned(), format!("/dev/mailbox/{id}"), "/dev/mailbox?key=".to_owned(), format!("/dev/mailbox?key={}", "0".repeat(64))] {
            let answer = app.get(&path).from(HERE).header(HOST, "localhost:8080").send().await;
            answer.assert_refused(403, "forbidden");
            assert!(answer.json()["detail"].as_str().unwrap().contains("gatepost mail link"));
            assert!(answer.cookie("mailbox").is_none());
        }
        let (link, cookie) = with_the_key(&app).await;
        let mut wrong = cookie.clone();
        let last = wrong.pop().unwrap();
        wrong.push(if last == '0' { '1' } else { '0' });
        app.get("/dev/mailbox").from(HERE).header(COOKIE, &wrong).send().await.assert_refused(403, "forbidden");
        // The browser keeps the key, and the address forgets it.
        let moved = app.get(&link).from(HERE).send().await;
        assert_eq!((moved.status, moved.header("location")), (303, "/dev/mailbox"));
        let set = moved.header("set-cookie");
        assert!(set.ends_with("; Path=/dev/mailbox; HttpOnly; SameSite=Strict"), "{set}");
        // It is the same after a restart, and another one under another master key.
        let again = app.second_node().await;
        assert_eq!(MailboxKey::link(&again.app), MailboxKey::link(&app.app));
        let page = again.get("/dev/mailbox").from(HERE).header(COOKIE, &cookie).send().await;
        assert_eq!(page.status, 200);
    }

    async fn the_mailbox_is_no_page_where_others_can_reach_the_server(app: TestApp = behind_a_proxy) {
        app.get("/dev/mailbox").from(HERE).send().await.assert_refused(404, "not_found");
    }

    async fn the_mailbox_is_no_page_where_mails_leave(app: TestApp = with_a_mail_server) {
        app.get("/dev/mailbox").from(HERE).send().await.assert_refused(404, "not_found");
        assert_eq!(MailboxKey::link(&app.app), None);
    }
}

/// The path of the link, and the cookie that it leaves.
async fn with_the_key(app: &TestApp) -> (String, String) {
    let link = MailboxKey::link(&app.app).unwrap();
    let path = link.strip_prefix(&app.app.issuer).unwrap().to_owned();
    let moved = app.get(&path).from(HERE).send().await;
    (path, format!("mailbox={}", moved.cookie("mailbox").unwrap()))
}

fn behind_a_proxy(setup: Setup) -> Setup {
    setup.set("trusted_proxies", "10.0.0.0/8")
}

fn with_a_mail_server(setup: Setup) -> Setup {
    setup.set("mail.smtp.host", "smtp.example.com")
}
