//! `kill -9` between the server's acceptance and our mark: this test program once more, as a worker to be killed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use gatepost_db::testing::patient;
use gatepost_db::{Db, Target, on_each_engine};
use gatepost_kernel::{Clock, Random, Secret, Timestamp};
use gatepost_server::App;
use gatepost_server::app::Ingredients;
use gatepost_server::config::{Config, Raw};
use gatepost_server::outbox::Courier;
use gatepost_testkit::{TestApp, master_key};

use crate::server::{Server, owe};

const PLACE: &str = "GATEPOST_TEST_PLACE";
const NOW: &str = "GATEPOST_TEST_NOW";
const CYCLES: u32 = 20;

on_each_engine! {
    async fn rel_27_a_killed_worker_loses_no_mail_and_repeats_at_most_one(engine) {
        let server = Server::start();
        let app = server.app(engine, "killed").await;
        let mut tokens = Vec::new();
        for _ in 0..=CYCLES {
            tokens.push(owe(&app, "ada@example.com").await);
        }
        for cycle in 0..CYCLES {
            // The first cycle dies with its first mail. Each later one repeats what the one before died with, and dies
            // with the next.
            assert!(!deliver_in_a_child(&app, &server, Some(2 * cycle)), "cycle {cycle}: the child was not killed");
            app.clock.advance(Duration::from_secs(5 * 60));
        }
        assert!(deliver_in_a_child(&app, &server, None), "the last child ends well");
        let mut copies: BTreeMap<String, usize> = BTreeMap::new();
        let mut order = Vec::new();
        for mail in server.mails() {
            let id = mail["id"].as_str().unwrap().to_owned();
            let text = mail["text"].as_str().unwrap().to_owned();
            if !copies.contains_key(&id) {
                order.push(text);
            }
            *copies.entry(id).or_default() += 1;
        }
        assert_eq!(order.len(), tokens.len(), "mails were lost");
        assert!(order.iter().zip(&tokens).all(|(text, token)| text.contains(token.as_str())), "the order");
        assert!(copies.values().all(|copies| *copies <= 2), "{copies:?}");
        let repeated = copies.values().filter(|copies| **copies == 2).count();
        assert_eq!(repeated, usize::try_from(CYCLES).unwrap(), "each kill came after the mail was taken");
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE state = 'sent'", &[]).await, i64::from(CYCLES) + 1);
    }
}

/// Delivers what is due in another process, which the server kills with the first mail after so many. Whether it ended well.
fn deliver_in_a_child(app: &TestApp, server: &Server, killed_after: Option<u32>) -> bool {
    let place = match app.target() {
        Target::Sqlite(path) => path.to_str().unwrap().to_owned(),
        Target::Postgres { url, .. } => url.expose().clone(),
    };
    let settings = server
        .settings()
        .into_iter()
        .map(|(key, value)| (format!("GATEPOST_{}", key.to_uppercase().replace('.', "_")), value));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::delivers", "--exact", "--ignored"])
        .envs(settings)
        .env(PLACE, place)
        .env(NOW, app.clock.now().as_micros().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    match killed_after {
        Some(after) => server.mood(&format!("kill {} {after}", child.id())),
        None => server.mood("accept"),
    }
    // Now the server knows whom to kill.
    child.stdin.take().unwrap().write_all(b"go").unwrap();
    child.wait().unwrap().success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "another test starts this one as a process of its own"]
async fn delivers() {
    #[expect(clippy::disallowed_methods, reason = "how a parent test speaks to its child")]
    let (place, now, variables) = (std::env::var(PLACE), std::env::var(NOW), std::env::vars_os());
    let (Ok(place), Ok(now)) = (place, now) else { return };
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let target = if place.starts_with("postgres") {
        let (connections, statement_timeout) = (4, Duration::from_secs(30));
        Target::Postgres { url: Secret::new(place), connections, statement_timeout }
    } else {
        Target::Sqlite(place.into())
    };
    let now = Timestamp::from_micros(now.parse().unwrap());
    let ours =
        variables.filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("GATEPOST_MAIL_")));
    let app = App::start(Ingredients {
        config: Config::load(&Raw::new().env(ours)).unwrap_or_else(|problems| panic!("{problems}")),
        issuer: "http://127.0.0.1:8080".to_owned(),
        db: Db::open(&target, patient()).await.unwrap(),
        clock: Clock::from_fn(move || now),
        random: Random::system(),
        master: master_key(),
        extension: gatepost_server::Extension::new(),
    })
    .await;
    let app = app.unwrap_or_else(|error| panic!("{error}"));
    Courier::new(&app).unwrap_or_else(|error| panic!("{error:?}")).deliver().await.unwrap();
}
