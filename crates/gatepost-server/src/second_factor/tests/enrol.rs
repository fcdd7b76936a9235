//! A new authenticator.

use std::time::Duration;

use gatepost_db::params;
use gatepost_testkit::{Authenticator, PASSWORD, Persona, on_each_db};
use serde_json::json;

const ENROL: &str = "/api/v1/users/me/2fa/totp";

on_each_db! {
    async fn the_secret_is_shown_once_as_text_uri_and_picture(app: TestApp) {
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await;
        assert_eq!((begun.status, begun.header("cache-control")), (201, "no-store"), "{}", begun.text());
        let body = begun.json();
        let secret = body["secret"].as_str().unwrap();
        // 160 bits.
        assert_eq!(secret.len(), 32);
        assert_eq!(
            body["otpauth_uri"],
            format!("otpauth://totp/Gatepost:ada%40example.com?secret={secret}&issuer=Gatepost")
        );
        assert!(body["qr_svg"].as_str().unwrap().starts_with("<svg "));
    }

    async fn brief3_a_second_factor_is_on_only_once_a_code_was_shown(app: TestApp) {
        let ada = app.user("ada").await;
        assert_eq!(app.enrol_totp(&ada.access_token).await.status, 201);
        let again = app.login("ada", PASSWORD).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.json()["user"]["two_factor_enabled"], false);
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        for wrong in ["", "000000", "12345", "1234567", "12345a", "１２３４５６", &"1".repeat(70)] {
            app.confirm_totp(&ada.access_token, wrong).await.assert_refused(401, "invalid_code");
        }
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(app.number("SELECT count(*) FROM totp_credentials", &[]).await, 0);
    }

    async fn mfa_05_a_pending_secret_belongs_to_the_session_that_saw_it(app: TestApp) {
        let phone = app.user("ada").await;
        let laptop = Persona::of(&app.login("ada", PASSWORD).await);
        let eve = app.user("eve").await;
        let begun = app.enrol_totp(&phone.access_token).await.json();
        let authenticator = Authenticator::new(begun["secret"].as_str().unwrap());
        let code = authenticator.code_at(app.clock.now());
        for other in [&laptop, &eve] {
            app.confirm_totp(&other.access_token, &code).await.assert_refused(409, "conflict");
        }
        app.enrol_totp(&eve.access_token).await;
        app.confirm_totp(&eve.access_token, &code).await.assert_refused(401, "invalid_code");
        assert_eq!(app.confirm_totp(&phone.access_token, &code).await.status, 200);
    }

    async fn mfa_05_a_pending_secret_waits_for_ten_minutes(app: TestApp) {
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await.json();
        let authenticator = Authenticator::new(begun["secret"].as_str().unwrap());
        app.clock.advance(Duration::from_secs(600));
        app.execute("UPDATE sessions SET proven_at = proven_at + 600000000", &[]).await;
        let code = authenticator.code_at(app.clock.now());
        app.confirm_totp(&ada.access_token, &code).await.assert_refused(409, "conflict");
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        app.clock.advance(Duration::from_micros(1));
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM pending_totp", &[]).await, 0);
    }

    async fn a_new_secret_takes_the_place_of_the_pending_one(app: TestApp) {
        let ada = app.user("ada").await;
        let mut authenticators = Vec::new();
        for _ in 0..2 {
            let begun = app.enrol_totp(&ada.access_token).await.json();
            authenticators.push(Authenticator::new(begun["secret"].as_str().unwrap()));
        }
        let code = |number: usize| authenticators[number].code_at(app.clock.now());
        app.confirm_totp(&ada.access_token, &code(0)).await.assert_refused(401, "invalid_code");
        assert_eq!(app.confirm_totp(&ada.access_token, &code(1)).await.status, 200);
    }

    async fn mfa_01_enabling_ends_every_session_and_the_answer_has_a_new_one(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let laptop = Persona::of(&app.login("ada", PASSWORD).await);
        let enrolled = app.with_totp(&ada).await;
        for persona in [&ada, &laptop] {
            app.me(&persona.access_token).await.assert_refused(401, "invalid_token");
            for node in [&*app, &second] {
                node.refresh(&persona.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            }
        }
        assert_eq!(enrolled.recovery_codes.len(), 10);
        let me = app.me(&enrolled.persona.access_token).await.json();
        assert_eq!(me["two_factor_enabled"], true);
        assert_eq!(app.refresh(&enrolled.persona.refresh_token).await.status, 200);
        assert_ne!(enrolled.persona.claims()["sid"], ada.claims()["sid"]);
        for (action, times) in [("second_factor_enrolment_begun", 1), ("second_factor_enabled", 1)] {
            let found = app.number("SELECT count(*) FROM audit_log WHERE action = ?1", &params![action]).await;
            assert_eq!(found, times, "{action}");
        }
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'second_factor_changed'", &[]).await, 1);
    }

    async fn mfa_03_the_code_that_switched_it_on_signs_nobody_in(app: TestApp) {
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await.json();
        let code = Authenticator::new(begun["secret"].as_str().unwrap()).code_at(app.clock.now());
        assert_eq!(app.confirm_totp(&ada.access_token, &code).await.status, 200);
        let challenge = app.challenge("ada").await;
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "invalid_code");
    }

    async fn mfa_05_the_secret_is_never_shown_again(app: TestApp) {
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await.json();
        let secret = begun["secret"].as_str().unwrap().to_owned();
        let code = app.next_code(&Authenticator::new(&secret));
        let confirmed = app.confirm_totp(&ada.access_token, &code).await;
        let token = Persona::of_json(&confirmed.json()["auth"]).access_token;
        app.enrol_totp(&token).await.assert_refused(409, "conflict");
        app.confirm_totp(&token, &code).await.assert_refused(409, "conflict");
        for answer in [confirmed, app.me(&token).await, app.get(ENROL).bearer(&token).send().await] {
            assert!(!answer.text().contains(&secret), "{}", answer.text());
        }
    }

    async fn mfa_06_a_session_that_is_not_fresh_enrols_nothing(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(Duration::from_secs(601));
        for path in [ENROL, "/api/v1/users/me/2fa/totp/confirm"] {
            let mut call = app.post(path).bearer(&ada.access_token);
            if path != ENROL {
                call = call.json(&json!({ "code": "123456" }));
            }
            let answer = call.send().await;
            answer.assert_refused(401, "insufficient_user_authentication");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="insufficient_user_authentication", max_age="600""#);
        }
        assert_eq!(app.number("SELECT count(*) FROM pending_totp", &[]).await, 0);
    }

    async fn mfa_06_a_session_that_ends_meanwhile_enrols_nothing(app: TestApp) {
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await.json();
        let code = app.next_code(&Authenticator::new(begun["secret"].as_str().unwrap()));
        let (node, token) = ((*app).clone(), ada.access_token.clone());
        let late = app
            .post("/api/v1/users/me/2fa/totp/confirm")
            .bearer(&ada.access_token)
            .json(&json!({ "code": code }))
            .meanwhile(async move { assert_eq!(node.logout(&token).await.status, 204) })
            .send()
            .await;
        late.assert_refused(401, "invalid_token");
        assert_eq!(app.number("SELECT count(*) FROM totp_credentials", &[]).await, 0);
    }

    async fn mfa_01_of_parallel_confirmations_one_wins(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let begun = app.enrol_totp(&ada.access_token).await.json();
        let code = app.next_code(&Authenticator::new(begun["secret"].as_str().unwrap()));
        let calls = (0..8).map(|number| {
            let node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            let (token, code) = (ada.access_token.clone(), code.clone());
            tokio::spawn(async move { node.confirm_totp(&token, &code).await.status })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                200 => won += 1,
                status => assert!(matches!(status, 401 | 409), "{status}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(app.number("SELECT count(*) FROM recovery_codes", &[]).await, 10);
    }

    async fn brief3_the_secret_lies_sealed_to_its_row(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let (ada, eve) = (app.with_totp(&ada).await, app.with_totp(&eve).await);
        // Whoever can write to the database puts the secret that they know into somebody else's row.
        app.execute(
            "UPDATE totp_credentials SET sealed = (SELECT c.sealed FROM totp_credentials c JOIN users u ON u.id = c.user_id WHERE u.username = 'eve')",
            &[],
        ).await;
        let challenge = app.challenge("ada").await;
        let body = json!({ "challenge": challenge, "method": "totp", "code": app.next_code(&eve.authenticator) });
        let answer = app.post("/api/v1/auth/login/second-factor").json(&body).may_fail().send().await;
        answer.assert_refused(500, "internal");
        assert_eq!(app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.status, 200);
    }
}
