//! Rotation and revocation, on one node and on two.

use std::sync::Arc;
use std::time::Duration;

use gatepost_server::keys::{force, revoke, rotate};
use gatepost_testkit::{Node, PASSWORD, Persona, Setup, on_each_db};
use gatepost_token::{Claims, KeySet, Verifier};
use tokio::sync::Barrier;

const HOUR: Duration = Duration::from_secs(3_600);

async fn rotate_on(node: &Node) {
    let app = &node.app;
    rotate(&app.db, &app.keys, &app.schedule, &app.operator_act()).await.unwrap();
}

fn active(node: &Node) -> String {
    let ring = node.app.keys.current();
    let mut active = ring.infos().iter().filter(|key| key.state == gatepost_server::keys::State::Active);
    let kid = active.next().unwrap().kid.clone();
    assert!(active.next().is_none(), "two keys are active");
    kid
}

/// The claims of a token of this session, made now.
fn claims(persona: &Persona, now: i64) -> Claims {
    let said = persona.claims();
    let text = |name: &str| said[name].as_str().unwrap().to_owned();
    Claims {
        iss: text("iss"),
        sub: text("sub"),
        aud: text("aud"),
        exp: now + 900,
        iat: now,
        jti: format!("jti-{now}"),
        client_id: text("client_id"),
        sid: text("sid"),
        scope: String::new(),
        roles: vec!["user".to_owned()],
        epoch: said["epoch"].as_i64().unwrap(),
    }
}

/// A verifier elsewhere that keeps the key set for a while.
struct Elsewhere {
    keeps: Duration,
    fetched: gatepost_kernel::Timestamp,
    keys: KeySet,
}

impl Elsewhere {
    async fn new(node: &Node, now: gatepost_kernel::Timestamp, keeps: Duration) -> Self {
        Self { keeps, fetched: now, keys: fetch(node).await }
    }

    async fn verify(&mut self, node: &Node, now: gatepost_kernel::Timestamp, token: &str) {
        if now.since(self.fetched) >= self.keeps {
            (self.fetched, self.keys) = (now, fetch(node).await);
        }
        let verifier = Verifier::new("http://127.0.0.1:8080", "http://127.0.0.1:8080");
        let verified = verifier.verify(&self.keys, token, now);
        assert!(verified.is_ok(), "{verified:?} with a key set of {:?} ago", now.since(self.fetched));
    }
}

async fn fetch(node: &Node) -> KeySet {
    let answer = node.get("/.well-known/jwks.json").send().await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    KeySet::from_jwks(&answer.text()).unwrap()
}

/// A key signs for a day, is published two hours before and two hours after.
fn quick(setup: Setup) -> Setup {
    setup.set("keys.rotate_every", "24h").set("keys.publish_before", "2h").set("keys.retire_after", "2h")
}

on_each_db! {
    async fn jwt_06_twenty_rotations_and_every_token_verifies_everywhere(app: TestApp = quick) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let now = app.clock.now();
        let mut fresh = Elsewhere::new(&app, now, Duration::from_secs(300)).await;
        let mut stale = Elsewhere::new(&second, now, HOUR).await;
        let mut kids = std::collections::BTreeSet::new();
        let mut turn = 0_u32;
        while kids.len() < 21 {
            // The nodes take turns with the chore. The other one learns of it a turn later: far later than it really does.
            let (worker, watcher) = if turn.is_multiple_of(2) { (&*app, &second) } else { (&second, &*app) };
            watcher.app.keys.reload().await.unwrap();
            rotate_on(worker).await;
            kids.insert(active(&app));
            for issuer in [&*app, &second] {
                let now = app.clock.now();
                let token = issuer.app.keys.current().sign(&claims(&ada, now.as_secs())).unwrap();
                for node in [&*app, &second] {
                    let answer = node.me(token.expose()).await;
                    assert_eq!(answer.status, 200, "turn {turn}: {}", answer.text());
                }
                fresh.verify(watcher, now, token.expose()).await;
                stale.verify(watcher, now, token.expose()).await;
                // To the last second of its life.
                let last = now.plus(Duration::from_secs(899));
                fresh.verify(worker, last, token.expose()).await;
            }
            app.clock.advance(HOUR / 2);
            turn += 1;
        }
        assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE state = 'active'", &[]).await, 1);
        assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE state IN ('retired', 'revoked') AND sealed IS NOT NULL", &[]).await, 0);
    }

    async fn jwt_07_a_revoked_key_is_out_of_use_on_every_node_and_sessions_go_on(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        for node in [&*app, &second] {
            assert_eq!(node.me(&ada.access_token).await.status, 200);
        }
        let leaked = active(&app);
        let parts = &app.app;
        assert!(revoke(&parts.db, &parts.keys, &parts.schedule, &parts.operator_act(), &leaked).await.unwrap());
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        assert!(second.app.keys.reload().await.unwrap());
        second.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        for node in [&*app, &second] {
            assert!(!node.get("/.well-known/jwks.json").send().await.text().contains(&leaked));
        }
        // The families were not signed with anything.
        let again = Persona::of(&second.refresh(&ada.refresh_token).await);
        for node in [&*app, &second] {
            assert_eq!(node.me(&again.access_token).await.status, 200);
        }
        assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE state = 'revoked' AND sealed IS NULL", &[]).await, 1);
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'key_changed' AND details LIKE '%revoked%'";
        assert_eq!(app.number(audited, &[]).await, 1);
        assert!(!revoke(&parts.db, &parts.keys, &parts.schedule, &parts.operator_act(), &leaked).await.unwrap());
        assert_eq!(app.number(audited, &[]).await, 1);
    }

    async fn jwt_07_an_unknown_key_makes_a_node_look_again(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let parts = &app.app;
        force(&parts.db, &parts.keys, &parts.schedule, &parts.operator_act(), true).await.unwrap();
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        // Of requests that come together, none is refused because another one is already looking.
        let line = Arc::new(Barrier::new(8));
        let requests: Vec<_> = (0..8).map(|_| {
            let (node, line, token) = (second.clone(), Arc::clone(&line), ada.access_token.clone());
            tokio::spawn(async move { line.wait().await; node.me(&token).await.status })
        }).collect();
        for request in requests {
            assert_eq!(request.await.unwrap(), 200);
        }
    }

    async fn jwt_07_an_unknown_key_does_not_keep_anybody_signed_in(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let parts = &app.app;
        force(&parts.db, &parts.keys, &parts.schedule, &parts.operator_act(), true).await.unwrap();
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        // The other node has not seen this key, and signs out all the same.
        assert_eq!(second.logout(&ada.access_token).await.status, 204);
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }

    async fn jwt_07_of_nodes_that_rotate_at_once_one_makes_the_key(app: TestApp) {
        let second = app.second_node().await;
        let at_once = async || {
            let line = Arc::new(Barrier::new(8));
            let contenders: Vec<_> = (0..8).map(|number| {
                let (node, line) = (if number % 2 == 0 { (*app).clone() } else { second.clone() }, Arc::clone(&line));
                tokio::spawn(async move { line.wait().await; rotate_on(&node).await; active(&node) })
            }).collect();
            let mut kids = Vec::new();
            for contender in contenders {
                kids.push(contender.await.unwrap());
            }
            assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
        };
        for round in 1..=10_i64 {
            // A key is made, then it signs; the third step retires the old one.
            for (days, keys) in [(29, round + 1), (1, round + 1), (1, round + 1)] {
                app.clock.advance(Duration::from_secs(days * 86_400));
                at_once().await;
                assert_eq!(app.number("SELECT count(*) FROM signing_keys", &[]).await, keys);
            }
            app.clock.set_back(Duration::from_secs(86_400));
        }
        // And when there is none at all.
        app.execute("UPDATE signing_keys SET state = 'revoked', sealed = NULL", &[]).await;
        at_once().await;
        assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE sealed IS NOT NULL", &[]).await, 1);
    }

    // An RSA key takes so long to find that all have looked before the first one is done.
    async fn jwt_07_of_parallel_forced_rotations_those_that_saw_the_same_keys_make_one(app: TestApp = |setup| setup.set("tokens.algorithm", "RS256")) {
        const ROUNDS: i64 = 5;
        let second = app.second_node().await;
        for _ in 0..ROUNDS {
            let line = Arc::new(Barrier::new(4));
            let contenders: Vec<_> = (0..4).map(|number| {
                let (node, line) = (if number % 2 == 0 { (*app).clone() } else { second.clone() }, Arc::clone(&line));
                tokio::spawn(async move {
                    let app = &node.app;
                    line.wait().await;
                    force(&app.db, &app.keys, &app.schedule, &app.operator_act(), true).await.unwrap();
                })
            }).collect();
            for contender in contenders {
                contender.await.unwrap();
            }
            assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE state = 'active'", &[]).await, 1);
            assert_eq!(app.number("SELECT count(*) FROM signing_keys WHERE state = 'next'", &[]).await, 0, "a key was made that nobody asked for");
        }
        // One a round; on a busy machine somebody may look so late that another key is what was asked for.
        let made = app.number("SELECT count(*) FROM signing_keys", &[]).await - 1;
        assert!((ROUNDS..=2 * ROUNDS).contains(&made), "{made} keys in {ROUNDS} rounds of four");
        for node in [&*app, &second] {
            node.app.keys.reload().await.unwrap();
        }
        assert_eq!(active(&app), active(&second));
    }
}
