//! Registration and the first owner, from outside.

#[path = "tests/invitations.rs"]
mod invitations;
#[path = "tests/modes.rs"]
mod modes;

use std::time::Duration;

use gatepost_testkit::{Answer, EVERYBODY_MAY, Node, PASSWORD, Persona, on_each_db};
use serde_json::{Value, json};

async fn register(node: &Node, body: Value) -> Answer {
    node.post("/api/v1/auth/register").json(&body).send().await
}

async fn count(app: &gatepost_testkit::TestApp, statement: &'static gatepost_db::Statement) -> i64 {
    app.db().read_one(statement, &[], |row| row.get(0)).await.unwrap().unwrap()
}

static USERS: gatepost_db::Statement = gatepost_db::Statement::new("USERS", "SELECT count(*) FROM users");
static SESSIONS: gatepost_db::Statement =
    gatepost_db::Statement::new("SESSIONS", "SELECT count(*) FROM sessions");
static OWNERS: gatepost_db::Statement =
    gatepost_db::Statement::new("OWNERS", "SELECT count(*) FROM user_roles WHERE role = 'admin'");

on_each_db! {
    async fn a_registration_answers_tokens_and_the_account(app: TestApp) {
        let answer = register(&app, json!({
            "email": "Ada.Lovelace@Example.COM", "username": "Ada_L", "password": PASSWORD,
            "phone_number": "+441632960961", "first_name": "Ada", "last_name": "Lovelace", "bio": "Numbers.",
            "avatar_url": "https://example.com/ada.png", "country": "gb",
        }))
        .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 900);
        assert_eq!(body["refresh_expires_in"], 7 * 86_400);
        let user = &body["user"];
        assert_eq!(user["email"], "Ada.Lovelace@Example.COM");
        assert_eq!(user["username"], "Ada_L");
        assert_eq!(user["country"], "GB");
        assert_eq!(user["email_verified"], false);
        assert_eq!(user["is_active"], true);
        assert_eq!(user["roles"], json!(["user"]));
        assert_eq!(user["permissions"], json!(EVERYBODY_MAY));
        assert_eq!(user["two_factor_enabled"], false);
        assert_eq!(user["created_at"], "2026-01-01T00:00:00Z");
        assert_eq!(user["last_login_at"], "2026-01-01T00:00:00Z");
    }

    async fn reg_01_of_fifty_parallel_registrations_one_makes_the_account(app: TestApp) {
        let second = app.second_node().await;
        let contenders = (0..50).map(|number| {
            let node: Node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            tokio::spawn(async move {
                register(&node, json!({ "email": "ada@example.com", "password": PASSWORD })).await
            })
        });
        let mut made = 0;
        for contender in contenders.collect::<Vec<_>>() {
            let answer = contender.await.unwrap();
            if answer.status == 201 {
                made += 1;
            } else {
                answer.assert_refused(409, "email_taken");
            }
        }
        assert_eq!(made, 1);
        assert_eq!(count(&app, &USERS).await, 1);
        assert_eq!(count(&app, &SESSIONS).await, 1, "a registration that was refused left a session behind");
    }

    async fn reg_01_usernames_and_phone_numbers_are_unique_too(app: TestApp) {
        let first = json!({ "email": "a@example.com", "password": PASSWORD, "username": "Ada", "phone_number": "+441632960961" });
        assert_eq!(register(&app, first).await.status, 201);
        let name = json!({ "email": "b@example.com", "password": PASSWORD, "username": "ADA" });
        register(&app, name).await.assert_refused(409, "username_taken");
        let phone = json!({ "email": "c@example.com", "password": PASSWORD, "phone_number": "+441632960961" });
        register(&app, phone).await.assert_refused(409, "phone_taken");
    }

    async fn reg_02_every_spelling_of_an_address_is_the_same_account(app: TestApp) {
        let answer = register(&app, json!({ "email": "Ada@X.example", "password": PASSWORD })).await;
        let id = Persona::of(&answer).id;
        for spelling in ["ada@x.example", " ADA@X.EXAMPLE ", "ada@x.example.", "aDa@x.ExAmPlE"] {
            let again = register(&app, json!({ "email": spelling, "password": PASSWORD })).await;
            again.assert_refused(409, "email_taken");
            assert_eq!(Persona::of(&app.login(spelling, PASSWORD).await).id, id, "{spelling}");
        }
        // A domain in any script is one domain.
        register(&app, json!({ "email": "ada@bücher.example", "password": PASSWORD })).await;
        let ascii = json!({ "email": "ada@XN--BCHER-KVA.example", "password": PASSWORD });
        register(&app, ascii).await.assert_refused(409, "email_taken");
    }

    async fn reg_03_look_alikes_are_no_addresses(app: TestApp) {
        for address in [
            "m\u{131}ke@x.example", "\u{212a}ate@x.example", "mike\u{ff20}x.example", "mike@x.example@y.example",
            "mi\u{200b}ke@x.example", "mi\u{202e}ke@x.example", "mike @x.example", "mike@x\u{3002}example", "mike", "@x.example",
        ] {
            let answer = register(&app, json!({ "email": address, "password": PASSWORD })).await;
            answer.assert_invalid("/email", "invalid_email");
        }
        assert_eq!(count(&app, &USERS).await, 0);
    }

    async fn reg_04_no_field_of_a_registration_gives_rights(app: TestApp) {
        for (field, value) in [
            ("role", json!("admin")), ("roles", json!(["admin"])), ("is_admin", json!(true)), ("is_active", json!(true)),
            ("disabled", json!(false)), ("is_verified", json!(true)), ("email_verified", json!(true)),
            ("has_access_v1", json!(true)), ("id", json!("019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10")),
            ("user_id", json!("019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10")), ("created_at", json!("2020-01-01T00:00:00Z")),
            ("password_hash", json!("x")),
        ] {
            let mut body = json!({ "email": "ada@example.com", "password": PASSWORD });
            body[field] = value;
            register(&app, body).await.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        assert_eq!(count(&app, &USERS).await, 0);
    }

    async fn everything_that_is_wrong_is_reported_at_once(app: TestApp) {
        let answer = register(&app, json!({ "email": "no address", "password": "short", "username": "-", "role": "admin" })).await;
        answer.assert_invalid("/role", "unknown_field");
        let answer = register(&app, json!({ "email": "no address", "password": "short", "username": "-", "country": "Mars" })).await;
        for (pointer, code) in [("/email", "invalid_email"), ("/password", "password_too_short"), ("/country", "invalid_country")] {
            answer.assert_invalid(pointer, code);
        }
        let answer = app.post("/api/v1/auth/register").json(&json!({})).send().await;
        answer.assert_invalid("/email", "required");
        answer.assert_invalid("/password", "required");
    }

    async fn pwd_01_a_new_password_is_judged_by_strength_and_not_by_classes(app: TestApp) {
        let with = |password: &str| json!({ "email": "bernadette@example.com", "username": "bernadette", "password": password });
        assert_eq!(register(&app, with("correct horse battery staple")).await.status, 201);
        let answer = register(&app, with("elevenchars")).await;
        answer.assert_invalid("/password", "password_too_short");
        assert!(answer.text().contains("12"), "the number is said: {}", answer.text());
        for guessable in ["password1234", "123456789012", "Gatepost2026!!", "bernadette1988"] {
            register(&app, with(guessable)).await.assert_invalid("/password", "password_blocklisted");
        }
        let words: String = (0..200).map(|number: u32| format!("{:x} ", number * 7919)).collect();
        let longest: String = words.chars().take(256).collect();
        let long = json!({ "email": "long@example.com", "password": longest });
        assert_eq!(register(&app, long).await.status, 201, "256 code points are accepted");
    }

    async fn pwd_03_an_overlong_password_costs_no_hash(app: TestApp) {
        let before = app.app.hasher.stats().argon2;
        let answer = register(&app, json!({ "email": "ada@example.com", "password": "x".repeat(1_025) })).await;
        answer.assert_invalid("/password", "password_too_long");
        let answer = app.login("ada@example.com", &"x".repeat(1_025)).await;
        answer.assert_invalid("/password", "password_too_long");
        let answer = register(&app, json!({ "email": "ada@example.com", "password": "x".repeat(1 << 20) })).await;
        answer.assert_refused(413, "body_too_large");
        assert_eq!(app.app.hasher.stats().argon2, before);
    }

    async fn pwd_04_a_password_may_be_typed_composed_or_decomposed(app: TestApp) {
        let composed = " caf\u{e9} \u{1f511} lanterns\u{0} ";
        assert_eq!(register(&app, json!({ "email": "ada@example.com", "password": composed })).await.status, 201);
        assert_eq!(app.login("ada@example.com", " cafe\u{301} \u{1f511} lanterns\u{0} ").await.status, 200);
        for other in [composed.trim(), " CAF\u{c9} \u{1f511} lanterns\u{0} ", " caf\u{e9} \u{1f511} lanterns"] {
            app.login("ada@example.com", other).await.assert_refused(401, "invalid_credentials");
        }
        let surrogate = br#"{"email":"b@example.com","password":"lanterns under \ud800 the pier"}"#;
        let answer = app.post("/api/v1/auth/register").body("application/json", surrogate.as_slice()).send().await;
        answer.assert_refused(400, "malformed_body");
    }

    async fn reg_07_a_fresh_installation_has_nobody_to_sign_in_as(app: TestApp) {
        app.login("superuser@example.com", "8888").await.assert_refused(401, "invalid_credentials");
        assert_eq!(count(&app, &USERS).await, 0);
    }

    async fn reg_07_the_setup_link_makes_one_owner(app: TestApp) {
        let token = app.setup_token().await;
        let body = json!({ "token": token, "email": "owner@example.com", "password": PASSWORD });
        let answer = app.post("/api/v1/setup").json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let user = &answer.json()["user"];
        assert_eq!(user["roles"], json!(["admin", "user"]));
        assert_eq!(user["email_verified"], true);
        assert!(user["permissions"].as_array().unwrap().contains(&json!("users:read")));
        app.post("/api/v1/setup").json(&body).send().await.assert_refused(404, "not_found");
        assert!(gatepost_server::sign_up::make_setup_link(&app.app).await.unwrap().is_none());
        assert_eq!(app.get("/setup").send().await.status, 404);
    }

    async fn reg_07_of_parallel_uses_of_the_setup_link_one_wins(app: TestApp) {
        let second = app.second_node().await;
        let token = app.setup_token().await;
        let contenders: Vec<_> = (0..8).map(|number| {
            let node: Node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            let body = json!({ "token": token, "email": format!("owner-{number}@example.com"), "password": PASSWORD });
            tokio::spawn(async move { node.post("/api/v1/setup").json(&body).send().await })
        }).collect();
        let mut statuses = Vec::new();
        for contender in contenders {
            statuses.push(contender.await.unwrap().status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| matches!(status, 400 | 404)), "{statuses:?}");
        assert_eq!(count(&app, &OWNERS).await, 1);
        assert_eq!(count(&app, &USERS).await, 1);
    }

    async fn reg_07_a_setup_link_expires_and_a_new_one_ends_it(app: TestApp) {
        let first = app.setup_token().await;
        let second = app.setup_token().await;
        let with = |token: &str| json!({ "token": token, "email": "owner@example.com", "password": PASSWORD });
        let hashes = app.app.hasher.stats().argon2;
        app.post("/api/v1/setup").json(&with(&first)).send().await.assert_refused(400, "invalid_token");
        app.post("/api/v1/setup").json(&with("gps_guess")).send().await.assert_refused(400, "invalid_token");
        app.clock.advance(Duration::from_secs(60 * 60));
        app.post("/api/v1/setup").json(&with(&second)).send().await.assert_refused(400, "invalid_token");
        assert_eq!(app.app.hasher.stats().argon2, hashes, "a stranger made the server hash");
        assert_eq!(count(&app, &USERS).await, 0);
        let third = app.setup_token().await;
        app.clock.advance(Duration::from_secs(60 * 60 - 1));
        assert_eq!(app.post("/api/v1/setup").json(&with(&third)).send().await.status, 201);
    }

    async fn the_setup_page_runs_its_own_script_and_nothing_else(app: TestApp) {
        let page = app.get("/setup").send().await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(page.text().contains(&format!("<script nonce=\"{nonce}\">")));
        assert!(!policy.contains("unsafe"));
        assert_eq!(app.get("/setup/style.css").send().await.status, 200);
    }

    async fn rel_01_a_registration_is_whole_or_not_there(app: TestApp) {
        // The username is refused after the address was fine: nothing of the account may stay.
        app.user("ada").await;
        let body = json!({ "email": "second@example.com", "username": "ada", "password": PASSWORD });
        register(&app, body).await.assert_refused(409, "username_taken");
        assert_eq!(count(&app, &USERS).await, 1);
        assert_eq!(count(&app, &SESSIONS).await, 1);
        app.login("second@example.com", PASSWORD).await.assert_refused(401, "invalid_credentials");
    }
}
