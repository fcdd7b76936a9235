//! Verifying an address.

use std::time::Duration;

use gatepost_server::recovery::LinkPurpose;
use gatepost_testkit::{PASSWORD, on_each_db};

use super::letters::{ask, kinds, letters, present, reset as set_password, reset_token, verify_token};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_each_db! {
    async fn brief3_registration_sends_the_link_and_the_link_verifies_the_address(app: TestApp) {
        let ada = app.user("ada").await;
        assert_eq!(app.me(&ada.access_token).await.json()["email_verified"], false);
        let token = verify_token(&app, &ada.email).await;
        let answer = present(&app, "verify-email", &token).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(app.me(&ada.access_token).await.json()["email_verified"], true);
        let rows = app.number("SELECT count(*) FROM audit_log WHERE action = 'email_verified'", &[]).await;
        assert_eq!(rows, 1);
    }

    async fn brief3_a_verification_link_works_once_and_for_its_address_only(app: TestApp) {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let token = verify_token(&app, &ada.email).await;
        assert_eq!(present(&app, "verify-email", &token).await.status, 204);
        present(&app, "verify-email", &token).await.assert_refused(400, "invalid_token");
        assert_eq!(app.me(&bob.access_token).await.json()["email_verified"], false);
    }

    async fn rec_02_a_verification_link_ends_to_the_microsecond(app: TestApp) {
        app.user("ada").await;
        let token = verify_token(&app, "ada@example.com").await;
        app.clock.advance(DAY);
        present(&app, "verify-email", &token).await.assert_refused(400, "invalid_token");
        app.user("bob").await;
        let token = verify_token(&app, "bob@example.com").await;
        app.clock.advance(DAY - Duration::from_micros(1));
        assert_eq!(present(&app, "verify-email", &token).await.status, 204);
    }

    async fn rec_02_a_changed_password_ends_the_verification_link(app: TestApp) {
        let ada = app.user("ada").await;
        let token = verify_token(&app, &ada.email).await;
        assert_eq!(app.change_password(&ada.access_token, PASSWORD, "CANARY boats in the harbour").await.status, 200);
        present(&app, "verify-email", &token).await.assert_refused(400, "invalid_token");
    }

    async fn brief3_verification_link_is_not_a_bearer_token(app: TestApp) {
        let ada = app.user("ada").await;
        for token in [verify_token(&app, &ada.email).await, reset_token(&app, &ada.email).await] {
            app.me(&token).await.assert_refused(401, "invalid_token");
            app.refresh(&token).await.assert_refused(401, "invalid_refresh_token");
            let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            app.token(&form).await.assert_refused(400, "invalid_grant");
            app.login("ada", &token).await.assert_refused(401, "invalid_credentials");
        }
    }

    async fn rec_03_a_link_opens_no_door_but_its_own(app: TestApp) {
        let ada = app.user("ada").await;
        let (verify, reset) = (verify_token(&app, &ada.email).await, reset_token(&app, &ada.email).await);
        set_password(&app, &verify, PASSWORD).await.assert_refused(400, "invalid_token");
        present(&app, "verify-email", &reset).await.assert_refused(400, "invalid_token");
        // And neither was used up by the attempt.
        assert_eq!(present(&app, "verify-email", &verify).await.status, 204);
        assert_eq!(set_password(&app, &reset, "CANARY boats in the harbour").await.status, 204);
    }

    async fn rec_02_only_the_hash_of_a_token_is_kept(app: TestApp) {
        app.user("ada").await;
        let token = verify_token(&app, "ada@example.com").await;
        let hash = app.bytes("SELECT token_hash FROM mail_links", &[]).await.unwrap();
        assert_eq!(hash.len(), 32);
        assert!(!token.as_bytes().windows(32).any(|part| part == hash));
        assert!(token.starts_with("gpl_") && token.len() == 47, "{token}");
    }

    async fn rec_01_links_begin_with_the_configured_address_only(app: TestApp) {
        let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
        for (name, value) in [("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example;proto=http")] {
            let name: http::HeaderName = name.parse().unwrap();
            app.post("/api/v1/auth/register").header(name.clone(), value).json(&body).send().await;
            app.post("/api/v1/auth/forgot-password").header(name, value)
                .json(&serde_json::json!({ "email": "ada@example.com" })).send().await;
        }
        app.post("/api/v1/auth/forgot-password").header(http::header::HOST, "evil.example")
            .json(&serde_json::json!({ "email": "ada@example.com" })).send().await.assert_refused(421, "unknown_host");
        gatepost_server::recovery::answer_requests(&app.app).await.unwrap();
        let letters = letters(&app).await;
        assert_eq!(letters.len(), 2);
        for letter in letters {
            let reset = letter.kind == "reset_password";
            let page = if reset { LinkPurpose::ResetPassword.page() } else { LinkPurpose::VerifyEmail.page() };
            let link = letter.says["link"].as_str().unwrap();
            assert!(link.starts_with(&format!("http://127.0.0.1:8080{page}#token=gpl_")), "{}", letter.kind);
            assert!(!letter.says.to_string().contains("evil"));
        }
    }

    async fn resending_replaces_the_link_and_needs_no_password(app: TestApp) {
        let ada = app.user("ada").await;
        let first = verify_token(&app, &ada.email).await;
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(ask(&app, "resend-verification", "ADA@example.com").await.status, 202);
        gatepost_server::recovery::answer_requests(&app.app).await.unwrap();
        let second = verify_token(&app, &ada.email).await;
        assert_ne!(first, second);
        present(&app, "verify-email", &first).await.assert_refused(400, "invalid_token");
        assert_eq!(present(&app, "verify-email", &second).await.status, 204);
        // Verified: there is nothing left to send.
        app.clock.advance(Duration::from_secs(60));
        ask(&app, "resend-verification", &ada.email).await;
        gatepost_server::recovery::answer_requests(&app.app).await.unwrap();
        assert_eq!(kinds(&app, &ada.email).await, ["verify_address", "verify_address"]);
    }
}
