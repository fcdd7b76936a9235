//! Stepping up, and what it is asked for.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, PASSWORD, Persona, on_each_db};
use serde_json::{Value, json};

const TOTP: &str = "/api/v1/users/me/2fa/totp";
const CODES: &str = "/api/v1/users/me/2fa/recovery-codes";
const STALE: Duration = Duration::from_secs(601);

async fn step_up(node: &Node, token: &str, body: Value) -> Answer {
    node.post("/api/v1/auth/step-up").bearer(token).json(&body).send().await
}

async fn remove(node: &Node, token: &str) -> Answer {
    node.delete(TOTP).bearer(token).send().await
}

on_each_db! {
    async fn mfa_06_a_password_makes_a_session_without_a_factor_fresh(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        app.clock.advance(STALE);
        for node in [&*app, &second] {
            node.enrol_totp(&ada.access_token).await.assert_refused(401, "insufficient_user_authentication");
        }
        let wrong = step_up(&app, &ada.access_token, json!({ "method": "password", "password": "another password" })).await;
        wrong.assert_refused(401, "invalid_credentials");
        app.enrol_totp(&ada.access_token).await.assert_refused(401, "insufficient_user_authentication");
        let right = step_up(&app, &ada.access_token, json!({ "method": "password", "password": PASSWORD })).await;
        assert_eq!((right.status, right.text().as_str()), (204, ""));
        assert_eq!(app.enrol_totp(&ada.access_token).await.status, 201, "this node knows at once");
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'stepped_up'", &[]).await, 1);
    }

    async fn mfa_06_with_a_second_factor_only_that_one_counts(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let token = &ada.persona.access_token;
        app.clock.advance(STALE);
        let refused = step_up(&app, token, json!({ "method": "password", "password": PASSWORD })).await;
        refused.assert_refused(401, "insufficient_user_authentication");
        for refused in [remove(&app, token).await, app.post(CODES).bearer(token).send().await] {
            refused.assert_refused(401, "insufficient_user_authentication");
        }
        let code = app.next_code(&ada.authenticator);
        assert_eq!(step_up(&app, token, json!({ "method": "totp", "code": code })).await.status, 204);
        // Good once, here as at the sign-in.
        step_up(&app, token, json!({ "method": "totp", "code": code })).await.assert_refused(401, "invalid_code");
        app.second_factor(&app.challenge("ada").await, "totp", &code).await.assert_refused(401, "invalid_code");
        assert_eq!(app.post(CODES).bearer(token).send().await.status, 200);
    }

    async fn bru_07_wrong_codes_at_step_up_count_with_those_at_the_sign_in(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        for _ in 0..5 {
            let answer = step_up(&app, &ada.persona.access_token, json!({ "method": "totp", "code": "none" })).await;
            answer.assert_refused(401, "invalid_code");
        }
        let challenge = app.challenge("ada").await;
        for _ in 0..5 {
            app.second_factor(&challenge, "totp", "none").await.assert_refused(401, "invalid_code");
        }
        let code = app.next_code(&ada.authenticator);
        let answer = step_up(&app, &ada.persona.access_token, json!({ "method": "totp", "code": code })).await;
        answer.assert_refused(429, "too_many_attempts");
        let code = &ada.recovery_codes[0];
        let answer = step_up(&app, &ada.persona.access_token, json!({ "method": "recovery_code", "code": code })).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    async fn bru_01_wrong_passwords_at_step_up_count_like_sign_ins(app: TestApp) {
        let ada = app.user("ada").await;
        for _ in 0..5 {
            let body = json!({ "method": "password", "password": "another password" });
            step_up(&app, &ada.access_token, body).await.assert_refused(401, "invalid_credentials");
        }
        app.login("ada", PASSWORD).await.assert_refused(429, "too_many_attempts");
        let body = json!({ "method": "password", "password": PASSWORD });
        step_up(&app, &ada.access_token, body).await.assert_refused(429, "too_many_attempts");
    }

    async fn a_step_up_says_what_it_lacks(app: TestApp) {
        let ada = app.user("ada").await;
        for (method, pointer) in [("password", "/password"), ("totp", "/code"), ("recovery_code", "/code")] {
            step_up(&app, &ada.access_token, json!({ "method": method })).await.assert_invalid(pointer, "required");
        }
        step_up(&app, &ada.access_token, json!({ "method": "totp", "code": "123456" })).await.assert_refused(401, "invalid_code");
        step_up(&app, "none", json!({ "method": "password", "password": PASSWORD })).await.assert_refused(401, "invalid_token");
    }

    async fn mfa_06_removing_ends_every_other_session_and_kills_the_codes(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let laptop = app.login_with_totp(&ada).await;
        let pending = app.challenge("ada").await;
        let token = &ada.persona.access_token;
        assert_eq!(remove(&app, token).await.status, 204);
        assert_eq!(app.me(token).await.json()["two_factor_enabled"], false);
        assert_eq!(app.refresh(&ada.persona.refresh_token).await.status, 200);
        app.me(&laptop.access_token).await.assert_refused(401, "invalid_token");
        for node in [&*app, &second] {
            node.refresh(&laptop.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        }
        app.second_factor(&pending, "recovery_code", &ada.recovery_codes[0]).await.assert_refused(401, "challenge_expired");
        remove(&app, token).await.assert_refused(409, "conflict");
        app.post(CODES).bearer(token).send().await.assert_refused(409, "conflict");
        for table in ["totp_credentials", "recovery_codes", "second_factor_challenges"] {
            let count: &'static str = format!("SELECT count(*) FROM {table}").leak();
            assert_eq!(app.number(count, &[]).await, 0, "{table}");
        }
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        // Switched on, switched off.
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'second_factor_changed'", &[]).await, 2);
    }

    async fn mfa_06_a_session_that_ended_on_another_node_removes_no_factor_and_draws_no_codes(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let token = &ada.persona.access_token;
        // The other node knows the session by heart.
        for _ in 0..3 {
            assert_eq!(second.me(token).await.status, 200);
        }
        assert_eq!(app.logout(token).await.status, 204);
        remove(&second, token).await.assert_refused(401, "invalid_token");
        second.post(CODES).bearer(token).send().await.assert_refused(401, "invalid_token");
        assert_eq!(app.number("SELECT count(*) FROM totp_credentials", &[]).await, 1);
        let challenge = app.challenge("ada").await;
        assert_eq!(app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.status, 200);
    }

    async fn mfa_06_a_session_that_ends_meanwhile_is_not_made_fresh(app: TestApp) {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let bob = app.with_totp(&bob).await;
        let password = json!({ "method": "password", "password": PASSWORD });
        let code = json!({ "method": "recovery_code", "code": bob.recovery_codes[0] });
        for (token, body) in [(&ada.access_token, password), (&bob.persona.access_token, code)] {
            let (node, ended) = ((*app).clone(), token.clone());
            let slow = app.post("/api/v1/auth/step-up").bearer(token).json(&body);
            let late = slow.meanwhile(async move { assert_eq!(node.logout(&ended).await.status, 204) }).send().await;
            late.assert_refused(401, "invalid_token");
        }
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'stepped_up'", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM recovery_codes WHERE used_at IS NULL", &[]).await, 10);
    }

    async fn mfa_07_a_new_set_kills_the_old_one(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let token = &ada.persona.access_token;
        let challenge = app.challenge("ada").await;
        assert_eq!(app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.status, 200);
        assert_eq!(app.get(CODES).bearer(token).send().await.json(), json!({ "remaining": 9 }));
        let answer = app.post(CODES).bearer(token).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let new = answer.json()["recovery_codes"].clone();
        assert_eq!(new.as_array().unwrap().len(), 10);
        assert_eq!(app.get(CODES).bearer(token).send().await.json(), json!({ "remaining": 10 }));
        let challenge = app.challenge("ada").await;
        for old in &ada.recovery_codes[..3] {
            app.second_factor(&challenge, "recovery_code", old).await.assert_refused(401, "invalid_code");
        }
        assert_eq!(app.second_factor(&challenge, "recovery_code", new[9].as_str().unwrap()).await.status, 200);
    }

    async fn brief3_a_password_alone_removes_no_second_factor(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        app.clock.advance(STALE);
        let body = json!({ "method": "password", "password": PASSWORD });
        let refused = step_up(&app, &ada.persona.access_token, body).await;
        refused.assert_refused(401, "insufficient_user_authentication");
        remove(&app, &ada.persona.access_token).await.assert_refused(401, "insufficient_user_authentication");
        app.login("ada", PASSWORD).await.assert_refused(401, "mfa_required");
    }

    async fn brief3_recovery_codes_are_kept_and_work(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let challenge = app.challenge("ada").await;
        let answer = app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[9]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn somebody_who_lost_their_phone_gets_back_in_and_a_thief_does_not(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        app.clock.advance(Duration::from_secs(24 * 60 * 60));

        // The thief has the password, and an old session of nobody. Nothing that it opens leads past the factor.
        let challenge = app.challenge("ada").await;
        app.me(&challenge).await.assert_refused(401, "invalid_token");
        app.second_factor(&challenge, "totp", "000000").await.assert_refused(401, "invalid_code");
        app.second_factor(&challenge, "recovery_code", "0000-0000-0000-0000").await.assert_refused(401, "invalid_code");
        let form = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        app.token(&form).await.assert_refused(400, "mfa_required");
        // A new password, by whatever way, changes nothing about that.
        let found = app.app.db.read({ let id = ada.persona.user_id(); move |tx| gatepost_server::accounts::by_id(tx, id) });
        let user = found.await.unwrap().unwrap();
        let other = "CANARY lighthouse above the reef";
        gatepost_server::sign_in::set_password(&app.app, &user, gatepost_kernel::Secret::new(other.to_owned())).await.unwrap();
        app.login("ada", other).await.assert_refused(401, "mfa_required");

        // The owner has the codes in a drawer.
        let begun = app.login("ada", other).await.json();
        let challenge = begun["challenge"].as_str().unwrap();
        let back = Persona::of(&app.second_factor(challenge, "recovery_code", &ada.recovery_codes[0]).await);
        app.clock.advance(STALE);
        remove(&app, &back.access_token).await.assert_refused(401, "insufficient_user_authentication");
        let body = json!({ "method": "recovery_code", "code": ada.recovery_codes[1] });
        assert_eq!(step_up(&app, &back.access_token, body).await.status, 204);
        assert_eq!(remove(&app, &back.access_token).await.status, 204);
        let again = app.with_totp(&back).await;
        // The lost phone is worth nothing now, and neither are the codes that belonged to it.
        let challenge = app.login("ada", other).await.json()["challenge"].as_str().unwrap().to_owned();
        let lost = app.next_code(&ada.authenticator);
        app.second_factor(&challenge, "totp", &lost).await.assert_refused(401, "invalid_code");
        app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[2]).await.assert_refused(401, "invalid_code");
        let code = again.authenticator.code_at(app.clock.now());
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
    }

    async fn an_operator_helps_somebody_who_lost_everything(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let challenge = app.challenge("ada").await;
        let found = app.app.db.read({ let id = ada.persona.user_id(); move |tx| gatepost_server::accounts::by_id(tx, id) });
        let user = found.await.unwrap().unwrap();
        assert!(gatepost_server::second_factor::reset(&app.app, &user).await.unwrap());
        app.me(&ada.persona.access_token).await.assert_refused(401, "invalid_token");
        app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.assert_refused(401, "challenge_expired");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        let by = app.text("SELECT details FROM audit_log WHERE action = 'second_factor_disabled'", &[]).await;
        assert_eq!(by.as_deref(), Some(r#"{"by":"operator"}"#));
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'second_factor_changed'", &[]).await, 2);
        // Once there is none, nothing happens: no session ends without a word in the audit trail.
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        assert!(!gatepost_server::second_factor::reset(&app.app, &user).await.unwrap());
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }

    async fn mfa_06_a_new_password_makes_no_session_fresher(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        app.clock.advance(Duration::from_secs(400));
        let first = "CANARY lighthouse above the reef";
        let ada = Persona::of(&app.change_password(&ada.persona.access_token, PASSWORD, first).await);
        let codes = app.post(CODES).bearer(&ada.access_token).send().await;
        assert_eq!(codes.status, 200, "still as fresh as it was: {}", codes.text());
        app.clock.advance(Duration::from_secs(400));
        let again = app.change_password(&ada.access_token, first, "CANARY anchors in the long harbour").await;
        again.assert_refused(401, "insufficient_user_authentication");
        remove(&app, &ada.access_token).await.assert_refused(401, "insufficient_user_authentication");
        let second = "SELECT details FROM audit_log WHERE action = 'signed_in' ORDER BY id DESC LIMIT 1";
        let details = app.text(second, &[]).await.unwrap();
        assert!(details.contains(r#""second_factor":"session""#), "{details}");
    }

    async fn bru_07_wrong_codes_and_refusals_are_written_down_wherever_they_are_shown(app: TestApp) {
        let ada = app.user("ada").await;
        let ada = app.with_totp(&ada).await;
        let wrong = json!({ "method": "totp", "code": "none" });
        let noted = async |reason: &'static str| {
            let sum = "SELECT CAST(COALESCE(SUM(attempts), 0) AS BIGINT) FROM login_attempts WHERE reason = ?1 AND user_id = ?2";
            app.number(sum, &gatepost_db::params![reason, ada.persona.user_id()]).await
        };
        for _ in 0..10 {
            step_up(&app, &ada.persona.access_token, wrong.clone()).await.assert_refused(401, "invalid_code");
        }
        assert_eq!((noted("invalid_code").await, noted("locked").await), (10, 0));
        step_up(&app, &ada.persona.access_token, wrong).await.assert_refused(429, "too_many_attempts");
        assert_eq!((noted("invalid_code").await, noted("locked").await), (10, 1));
        let challenge = app.challenge("ada").await;
        app.second_factor(&challenge, "totp", "none").await.assert_refused(429, "too_many_attempts");
        assert_eq!((noted("invalid_code").await, noted("locked").await), (10, 2));
    }
}
