//! Limits as clients meet them.

#[path = "tests/addresses.rs"]
mod addresses;
#[path = "tests/nodes.rs"]
mod nodes;
#[path = "tests/redis.rs"]
mod redis;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gatepost_testkit::{Answer, Node, PASSWORD, Setup, on_each_db};
use serde_json::json;

/// Nobody is exempt.
fn limited(setup: Setup) -> Setup {
    setup.set("limits.exempt", "")
}

/// A name that nobody has and nobody tried, so that lock-out has nothing to say.
fn somebody() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("somebody-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A sign-in that fails, from this address.
async fn guess(node: &Node, from: &str) -> Answer {
    let body = json!({ "identifier": somebody(), "password": "a wrong password" });
    node.post("/api/v1/auth/login").from(from).json(&body).send().await
}

/// How many of so many sign-ins in a row are let through to the password.
async fn let_through(node: &Node, from: &str, tries: usize) -> usize {
    let mut passed = 0;
    for _ in 0..tries {
        let answer = guess(node, from).await;
        match answer.status {
            401 => passed += 1,
            _ => answer.assert_refused(429, "rate_limited"),
        }
    }
    passed
}

on_each_db! {
    async fn bru_10_spraying_from_one_address_is_429_after_the_burst(app: TestApp = limited) {
        for remaining in (0..10).rev() {
            let name = format!("name-{remaining}@example.com");
            let body = json!({ "identifier": name, "password": "Summer2026!" });
            let answer = app.post("/api/v1/auth/login").from("203.0.113.9").json(&body).send().await;
            answer.assert_refused(401, "invalid_credentials");
            assert_eq!(answer.header("ratelimit-policy"), "\"login\";q=30;w=300");
            assert!(answer.header("ratelimit").starts_with(&format!("\"login\";r={remaining};t=")));
        }
        let refused = guess(&app, "203.0.113.9").await;
        refused.assert_refused(429, "rate_limited");
        assert_eq!(refused.header("retry-after"), "10");
        assert_eq!(refused.header("ratelimit"), "\"login\";r=0;t=10");
        assert_eq!(refused.header("content-type"), "application/problem+json");

        // Somebody else is let in, and so is the sprayer at the pace of the rule: 30 in five minutes.
        let ada = app.post("/api/v1/auth/register").from("198.51.100.1")
            .json(&json!({ "email": "ada@example.com", "password": PASSWORD })).send().await;
        assert_eq!(ada.status, 201);
        assert_eq!(let_through(&app, "198.51.100.1", 10).await, 10);
        app.clock.advance(Duration::from_secs(9));
        assert_eq!(guess(&app, "203.0.113.9").await.header("retry-after"), "1");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(let_through(&app, "203.0.113.9", 3).await, 1);
        app.clock.advance(Duration::from_secs(300));
        assert_eq!(let_through(&app, "203.0.113.9", 12).await, 10);
    }

    async fn two_doors_are_not_twice_as_many_guesses(app: TestApp = limited) {
        let form = || {
            let name = somebody();
            let fields = [("grant_type", "password"), ("username", &name), ("password", "a wrong password")];
            app.post("/oauth/token").from("203.0.113.9").form(&fields)
        };
        for _ in 0..5 {
            form().send().await.assert_refused(400, "invalid_grant");
        }
        assert_eq!(let_through(&app, "203.0.113.9", 6).await, 5);
        let refused = form().send().await;
        refused.assert_refused(429, "temporarily_unavailable");
        assert_eq!(refused.header("retry-after"), "10");
        let policies: Vec<_> = refused.headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(policies, ["\"login\";q=30;w=300", "\"refresh\";q=300;w=60"]);
        // The refresh grant is another limit.
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "rt1_none")];
        app.post("/oauth/token").from("203.0.113.9").form(&fields).send().await.assert_refused(400, "invalid_grant");
    }

    async fn the_token_endpoint_refuses_in_its_own_dialect(app: TestApp = |setup| limited(setup).set("limits.refresh", "2/1m")) {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "rt1_none")];
        for _ in 0..2 {
            app.token(&fields).await.assert_refused(400, "invalid_grant");
        }
        let refused = app.token(&fields).await;
        refused.assert_refused(429, "temporarily_unavailable");
        assert_eq!(refused.header("ratelimit"), "\"refresh\";r=0;t=30");
        assert_eq!(refused.header("cache-control"), "no-store");
        app.refresh("rt1_none").await.assert_refused(429, "rate_limited");
    }

    async fn one_session_cannot_exchange_its_tokens_without_end(app: TestApp = |setup| limited(setup).set("limits.refresh_family", "3/1m")) {
        let (mut ada, mut grace) = (app.user("ada").await, app.user("grace").await);
        for _ in 0..3 {
            ada = gatepost_testkit::Persona::of(&app.refresh(&ada.refresh_token).await);
        }
        let refused = app.refresh(&ada.refresh_token).await;
        refused.assert_refused(429, "rate_limited");
        assert_eq!(refused.header("retry-after"), "20");
        let policies: Vec<_> = refused.headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(policies, ["\"refresh_family\";q=3;w=60", "\"refresh\";q=300;w=60"]);
        // Another session is not touched, and the token was not used up.
        grace = gatepost_testkit::Persona::of(&app.refresh(&grace.refresh_token).await);
        assert_eq!(app.me(&grace.access_token).await.status, 200);
        app.clock.advance(Duration::from_secs(20));
        assert_eq!(app.refresh(&ada.refresh_token).await.status, 200);
    }

    async fn everything_else_has_a_ceiling_and_what_does_not_exist_counts(app: TestApp = |setup| limited(setup).set("limits.general", "3/1m")) {
        app.get("/api/v1/nothing").send().await.assert_refused(404, "not_found");
        app.delete("/api/v1/auth/login").send().await.assert_refused(405, "method_not_allowed");
        app.get("/api/v1/users/me").send().await.assert_refused(401, "authentication_required");
        for path in ["/api/v1/nothing", "/api/v1/users/me", "/.well-known/jwks.json"] {
            app.get(path).send().await.assert_refused(429, "rate_limited");
        }
        // Pages are files, and a sign-in is counted elsewhere.
        let page = app.get("/docs/problems").send().await;
        assert_eq!((page.status, page.header("ratelimit")), (200, ""));
        assert_eq!(let_through(&app, "0.0.0.0", 1).await, 1);
    }

    async fn a_refused_request_is_not_read_and_costs_no_hash(app: TestApp = |setup| limited(setup).set("limits.login", "1/1h")) {
        assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);
        let call = app.post("/api/v1/auth/login").from("203.0.113.9");
        call.body("application/json", "{ not even JSON").send().await.assert_refused(429, "rate_limited");
    }

    async fn exempt_networks_are_not_limited(app: TestApp = |setup| setup.set("limits.exempt", "203.0.113.0/24,2001:db8::/32")) {
        for address in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1"] {
            assert_eq!(let_through(&app, address, 12).await, 12);
            assert_eq!(guess(&app, address).await.header("ratelimit"), "");
        }
        assert_eq!(let_through(&app, "203.0.114.9", 12).await, 10);
    }

    async fn without_limits_there_are_none(app: TestApp = |setup| limited(setup).set("limits.enabled", "false").set("limits.refresh_family", "1/1h")) {
        assert_eq!(let_through(&app, "203.0.113.9", 12).await, 12);
        let mut ada = app.user("ada").await;
        for _ in 0..3 {
            ada = gatepost_testkit::Persona::of(&app.refresh(&ada.refresh_token).await);
        }
    }
}
