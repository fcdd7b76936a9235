//! The walks that every client takes.

use std::time::Duration;

use gatepost_testkit::{PASSWORD, Persona, on_each_db};
use http::header::USER_AGENT;
use serde_json::json;

const LOGIN: &str = "/api/v1/auth/login";

on_each_db! {
    async fn brief1_register_sign_in_and_read_oneself(app: TestApp) {
        let ada = app.user("ada").await;
        for identifier in ["ada@example.com", "ADA@example.com", " ada@EXAMPLE.com ", "ada", "ADA"] {
            let answer = app.login(identifier, PASSWORD).await;
            assert_eq!(answer.status, 200, "{identifier}: {}", answer.text());
            assert_eq!(answer.header("cache-control"), "no-store");
            let again = Persona::of(&answer);
            assert_eq!(again.id, ada.id);
            let me = app.me(&again.access_token).await;
            assert_eq!(me.json()["email"], "ada@example.com");
            assert_eq!(me.json()["roles"], json!(["user"]));
        }
    }

    async fn brief4_an_expired_access_token_is_refused_and_a_refresh_brings_a_new_one(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(Duration::from_secs(15 * 60) - Duration::from_micros(1));
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        app.clock.advance(Duration::from_micros(1));
        // Remembered as verified or not, it is over.
        for node in [(*app).clone(), app.second_node().await] {
            let answer = node.me(&ada.access_token).await;
            answer.assert_refused(401, "invalid_token");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
        let next = Persona::of(&app.refresh(&ada.refresh_token).await);
        assert_ne!(next.refresh_token, ada.refresh_token);
        assert_eq!(app.me(&next.access_token).await.status, 200);
    }

    async fn the_claims_are_those_of_the_contract(app: TestApp) {
        let ada = Persona::of(&{ app.user("ada").await; app.login("ada", PASSWORD).await });
        let claims = ada.claims();
        let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "client_id", "epoch", "exp", "iat", "iss", "jti", "roles", "scope", "sid", "sub"]);
        assert_eq!(claims["iss"], "http://127.0.0.1:8080");
        assert_eq!(claims["aud"], "http://127.0.0.1:8080");
        assert_eq!(claims["client_id"], "gatepost");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        let other = Persona::of(&app.login("ada", PASSWORD).await).claims();
        assert!(claims["jti"] != other["jti"] && claims["sid"] != other["sid"], "two sign-ins are two sessions");
    }

    async fn a_session_remembers_its_device(app: TestApp) {
        app.user("ada").await;
        let body = json!({ "identifier": "ada", "password": PASSWORD, "device_name": " Ada's phone " });
        let answer = app.post(LOGIN).header(USER_AGENT, "browser/1").json(&body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let row = app.text("SELECT device_name || '|' || user_agent FROM sessions WHERE method = 'password'", &[]).await;
        assert_eq!(row.as_deref(), Some("Ada's phone|browser/1"));
    }

    async fn a_device_name_has_at_most_64_characters(app: TestApp) {
        app.user("ada").await;
        let with = |name: String| json!({ "identifier": "ada", "password": PASSWORD, "device_name": name });
        let hashes = app.app.hasher.stats().argon2;
        let answer = app.post(LOGIN).json(&with("\u{1f4f1}".repeat(65))).send().await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], "/device_name");
        assert_eq!(app.app.hasher.stats().argon2, hashes, "no hash for a request that is refused anyway");
        assert_eq!(app.post(LOGIN).json(&with("\u{1f4f1}".repeat(64))).send().await.status, 200);
    }

    async fn a_sign_in_writes_its_audit_row_and_the_last_login(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(Duration::from_secs(60));
        let answer = app.login("ada", PASSWORD).await;
        assert_eq!(answer.json()["user"]["last_login_at"], "2026-01-01T00:01:00Z");
        let ada = ada.user_id();
        let rows = app.number(
            "SELECT count(*) FROM audit_log WHERE action = 'signed_in' AND user_id = ?1 AND actor_id = ?1 AND user_agent = 'gatepost-testkit' AND request_id IS NOT NULL",
            &gatepost_db::params![ada],
        )
        .await;
        assert_eq!(rows, 2);
    }
}
