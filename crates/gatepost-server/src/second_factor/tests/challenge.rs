//! The second step of a sign-in.

use std::time::Duration;

use gatepost_db::params;
use gatepost_testkit::{Answer, Call, Enrolled, Node, PASSWORD, Persona, TestApp, on_each_db};
use http::HeaderName;
use http::header::{COOKIE, ORIGIN};
use serde_json::json;

const LOGIN: &str = "/api/v1/auth/login";
const SECOND: &str = "/api/v1/auth/login/second-factor";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

async fn enrolled(app: &TestApp) -> Enrolled {
    let ada = app.user("ada").await;
    app.with_totp(&ada).await
}

/// The name and value of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn body(challenge: &Answer, code: &str) -> serde_json::Value {
    json!({ "challenge": challenge.json()["challenge"], "method": "totp", "code": code })
}

fn begin(node: &Node) -> Call {
    node.post(LOGIN).json(&json!({ "identifier": "ada", "password": PASSWORD }))
}

on_each_db! {
    async fn mfa_01_a_right_password_alone_opens_nothing_in_either_dialect(app: TestApp) {
        enrolled(&app).await;
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        let form = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        for (answer, status) in [(app.login("ada", PASSWORD).await, 401), (app.token(&form).await, 400)] {
            answer.assert_refused(status, "mfa_required");
            let body = answer.json();
            assert!(body["challenge"].as_str().unwrap().starts_with("gpc_"));
            assert_eq!(body["methods"], json!(["totp", "recovery_code"]));
            assert!(!answer.text().contains("access_token"));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions);
    }

    async fn brief3_the_second_factor_is_asked_for_at_every_sign_in(app: TestApp) {
        let ada = enrolled(&app).await;
        for challenge in [
            app.login("ADA@example.com", PASSWORD).await,
            app.login("Ada", PASSWORD).await,
            app.token(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)]).await,
        ] {
            let code = app.next_code(&ada.authenticator);
            let answer = app.post(SECOND).json(&body(&challenge, &code)).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let persona = Persona::of(&answer);
            assert_eq!(app.me(&persona.access_token).await.status, 200);
            assert_eq!(app.refresh(&persona.refresh_token).await.status, 200);
        }
        assert_eq!(
            app.number("SELECT count(*) FROM audit_log WHERE action = 'signed_in' AND details LIKE '%\"second_factor\":\"totp\"%'", &[]).await,
            4
        );
    }

    async fn pwd_05_a_wrong_password_says_nothing_of_a_second_factor(app: TestApp) {
        enrolled(&app).await;
        let wrong = app.login("ada", "another password").await;
        wrong.assert_refused(401, "invalid_credentials");
        wrong.assert_uniform(&app.login("nobody", "another password").await);
        app.set_active(enrolled_id(&app).await, false).await;
        app.login("ada", PASSWORD).await.assert_uniform(&wrong);
    }

    async fn brief3_no_full_session_before_the_second_step(app: TestApp) {
        enrolled(&app).await;
        let challenge = app.challenge("ada").await;
        app.me(&challenge).await.assert_refused(401, "invalid_token");
        app.refresh(&challenge).await.assert_refused(401, "invalid_refresh_token");
        app.token(&[("grant_type", "refresh_token"), ("refresh_token", &challenge)]).await.assert_refused(400, "invalid_grant");
        app.enrol_totp(&challenge).await.assert_refused(401, "invalid_token");
        app.logout(&challenge).await.assert_refused(401, "invalid_token");
    }

    async fn mfa_02_a_challenge_lives_for_five_minutes(app: TestApp) {
        let ada = enrolled(&app).await;
        let (first, second) = (app.challenge("ada").await, app.challenge("ada").await);
        app.clock.advance(Duration::from_secs(299));
        let code = ada.authenticator.code_at(app.clock.now());
        assert_eq!(app.second_factor(&first, "totp", &code).await.status, 200);
        app.clock.advance(Duration::from_secs(1));
        let answer = app.second_factor(&second, "recovery_code", &ada.recovery_codes[0]).await;
        answer.assert_refused(401, "challenge_expired");
        app.clock.advance(Duration::from_secs(1));
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM second_factor_challenges", &[]).await, 0);
    }

    async fn mfa_02_a_challenge_is_answered_once(app: TestApp) {
        let ada = enrolled(&app).await;
        let challenge = app.challenge("ada").await;
        let code = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "challenge_expired");
    }

    async fn mfa_02_what_was_never_a_challenge_is_expired(app: TestApp) {
        enrolled(&app).await;
        for text in ["", "gpc_", "gpc_none", "rt1_none", &"x".repeat(5_000), &format!("gpc_{}", "A".repeat(43))] {
            app.second_factor(text, "totp", "123456").await.assert_refused(401, "challenge_expired");
        }
        let challenge = app.challenge("ada").await;
        app.second_factor(&challenge, "sms", "123456").await.assert_invalid("/method", "invalid_value");
    }

    async fn mfa_02_whatever_ends_an_account_s_credentials_ends_its_challenges(app: TestApp) {
        let ada = enrolled(&app).await;
        let challenge = app.challenge("ada").await;
        let other = "CANARY lighthouse above the reef";
        let changed = app.change_password(&ada.persona.access_token, PASSWORD, other).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "challenge_expired");

        let challenge = app.login("ada", other).await.json()["challenge"].as_str().unwrap().to_owned();
        app.set_active(ada.persona.user_id(), false).await;
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "challenge_expired");
        app.set_active(ada.persona.user_id(), true).await;
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "challenge_expired");
    }

    async fn mfa_02_another_browser_cannot_go_on(app: TestApp) {
        let ada = enrolled(&app).await;
        let begun = begin(&app).header(SITE, "same-origin").send().await;
        begun.assert_refused(401, "mfa_required");
        let set = begun.header("set-cookie");
        assert!(set.starts_with("pre=gpb_") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=300"), "{set}");
        let other = cookie(&begin(&app).header(SITE, "same-origin").send().await);
        let body = body(&begun, &app.next_code(&ada.authenticator));
        let call = || app.post(SECOND).json(&body);
        for stranger in [call(), call().header(SITE, "same-origin"), call().header(SITE, "same-origin").header(COOKIE, &other)] {
            stranger.send().await.assert_refused(401, "challenge_expired");
        }
        let answer = call().header(SITE, "same-origin").header(COOKIE, &cookie(&begun)).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("set-cookie"), "pre=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    async fn ses_01_a_planted_cookie_does_not_begin_a_sign_in(app: TestApp) {
        let ada = enrolled(&app).await;
        let planted = cookie(&begin(&app).header(SITE, "same-origin").send().await);
        let begun = begin(&app).header(SITE, "same-origin").header(COOKIE, &planted).send().await;
        assert_ne!(cookie(&begun), planted);
        let body = body(&begun, &app.next_code(&ada.authenticator));
        let answer = app.post(SECOND).json(&body).header(SITE, "same-origin").header(COOKIE, &planted).send().await;
        answer.assert_refused(401, "challenge_expired");
    }

    async fn ses_01_no_browser_goes_on_with_what_a_program_began(app: TestApp) {
        let ada = enrolled(&app).await;
        let begun = begin(&app).send().await;
        assert_eq!(begun.header("set-cookie"), "");
        let body = body(&begun, &app.next_code(&ada.authenticator));
        for (name, value) in [(SITE, "same-origin"), (SITE, "cross-site"), (ORIGIN, "https://evil.example")] {
            app.post(SECOND).json(&body).header(name, value).send().await.assert_refused(401, "challenge_expired");
        }
        assert_eq!(app.post(SECOND).json(&body).send().await.status, 200);
    }

    async fn mfa_02_a_page_of_another_origin_goes_on_from_there_only(
        app: TestApp = |setup| setup.set("cors.allowed_origins", "https://app.example,https://other.example")
    ) {
        let ada = enrolled(&app).await;
        let begun = begin(&app).header(SITE, "cross-site").header(ORIGIN, "https://app.example").send().await;
        assert_eq!(begun.header("set-cookie"), "");
        let body = body(&begun, &app.next_code(&ada.authenticator));
        let call = || app.post(SECOND).json(&body);
        for stranger in [call(), call().header(SITE, "cross-site").header(ORIGIN, "https://other.example")] {
            stranger.send().await.assert_refused(401, "challenge_expired");
        }
        let answer = call().header(SITE, "cross-site").header(ORIGIN, "https://app.example").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn mfa_02_no_page_goes_on_with_what_the_token_endpoint_began_not_even_ours(app: TestApp) {
        let ada = enrolled(&app).await;
        let form = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        let begun = app.post("/oauth/token").form(&form).header(SITE, "same-origin").send().await;
        begun.assert_refused(400, "mfa_required");
        assert_eq!(begun.header("set-cookie"), "");
        let body = body(&begun, &app.next_code(&ada.authenticator));
        app.post(SECOND).json(&body).header(SITE, "same-origin").send().await.assert_refused(401, "challenge_expired");
        let answer = app.post(SECOND).json(&body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn brief3_a_code_is_good_once(app: TestApp) {
        let ada = enrolled(&app).await;
        let (first, second) = (app.challenge("ada").await, app.challenge("ada").await);
        let code = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&first, "totp", &code).await.status, 200);
        app.second_factor(&second, "totp", &code).await.assert_refused(401, "invalid_code");
    }

    async fn mfa_03_of_many_who_show_one_code_one_gets_in(app: TestApp) {
        let ada = enrolled(&app).await;
        let other = app.second_node().await;
        let mut challenges = Vec::new();
        for _ in 0..8 {
            challenges.push(app.challenge("ada").await);
        }
        let code = app.next_code(&ada.authenticator);
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        let calls: Vec<_> = challenges.into_iter().enumerate().map(|(number, challenge)| {
            let node = if number % 2 == 0 { (*app).clone() } else { other.clone() };
            let code = code.clone();
            tokio::spawn(async move { node.second_factor(&challenge, "totp", &code).await })
        }).collect();
        let mut won = 0;
        for call in calls {
            let answer = call.await.unwrap();
            if answer.status == 200 { won += 1 } else { answer.assert_refused(401, "invalid_code") }
        }
        assert_eq!(won, 1);
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions + 1);
    }

    async fn rel_19_of_many_who_answer_one_challenge_one_gets_in(app: TestApp) {
        let ada = enrolled(&app).await;
        let other = app.second_node().await;
        let challenge = app.challenge("ada").await;
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        let calls: Vec<_> = ada.recovery_codes.iter().cloned().enumerate().map(|(number, code)| {
            let node = if number % 2 == 0 { (*app).clone() } else { other.clone() };
            let challenge = challenge.clone();
            tokio::spawn(async move { node.second_factor(&challenge, "recovery_code", &code).await })
        }).collect();
        let mut won = 0;
        for call in calls {
            let answer = call.await.unwrap();
            if answer.status == 200 { won += 1 } else { answer.assert_refused(401, "challenge_expired") }
        }
        assert_eq!(won, 1);
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions + 1);
        assert_eq!(app.number("SELECT count(*) FROM recovery_codes WHERE used_at IS NULL", &[]).await, 9);
    }

    async fn mfa_04_a_code_of_two_steps_ago_or_ahead_is_wrong(app: TestApp) {
        let ada = enrolled(&app).await;
        app.clock.advance(Duration::from_secs(300));
        let challenge = app.challenge("ada").await;
        let at = |steps: u64| Duration::from_secs(30 * steps);
        for time in [app.clock.now().minus(at(2)), app.clock.now().plus(at(2))] {
            let code = ada.authenticator.code_at(time);
            app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "invalid_code");
        }
        let code = ada.authenticator.code_at(app.clock.now().minus(at(1)));
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
        let code = ada.authenticator.code_at(app.clock.now().plus(at(1)));
        assert_eq!(app.second_factor(&app.challenge("ada").await, "totp", &code).await.status, 200);
    }

    async fn mfa_04_with_the_narrow_window_only_the_present_code_is_right(app: TestApp = |setup| setup.set("totp.window", "0")) {
        let ada = enrolled(&app).await;
        app.clock.advance(Duration::from_secs(300));
        let challenge = app.challenge("ada").await;
        let step = Duration::from_secs(30);
        for time in [app.clock.now().minus(step), app.clock.now().plus(step)] {
            let code = ada.authenticator.code_at(time);
            app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "invalid_code");
        }
        let code = ada.authenticator.code_at(app.clock.now());
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
    }

    async fn rel_13_a_used_step_stays_used_when_the_clock_goes_back(app: TestApp) {
        let ada = enrolled(&app).await;
        let late = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&app.challenge("ada").await, "totp", &late).await.status, 200);
        // A node whose clock is an hour behind: its right codes are older than the one that was used.
        app.clock.set_back(Duration::from_secs(3_600));
        let behind = app.second_node().await;
        let challenge = behind.challenge("ada").await;
        for code in [late, ada.authenticator.code_at(app.clock.now())] {
            behind.second_factor(&challenge, "totp", &code).await.assert_refused(401, "invalid_code");
        }
        let step = app.number("SELECT last_used_step FROM totp_credentials", &[]).await;
        assert!(step > app.clock.now().as_secs() / 30);
    }

    async fn the_session_has_the_device_s_name_from_the_first_step(app: TestApp) {
        let ada = enrolled(&app).await;
        let body = json!({ "identifier": "ada", "password": PASSWORD, "device_name": "Ada's phone" });
        let challenge = app.post(LOGIN).json(&body).send().await;
        let challenge = challenge.json()["challenge"].as_str().unwrap().to_owned();
        let code = app.next_code(&ada.authenticator);
        let persona = Persona::of(&app.second_factor(&challenge, "totp", &code).await);
        let session: gatepost_server::ids::SessionId = persona.claims()["sid"].as_str().unwrap().parse().unwrap();
        let name = app.text("SELECT device_name FROM sessions WHERE id = ?1", &params![session]).await;
        assert_eq!(name.as_deref(), Some("Ada's phone"));
    }

    async fn spaces_in_a_code_do_not_matter(app: TestApp) {
        let ada = enrolled(&app).await;
        let challenge = app.challenge("ada").await;
        let code = app.next_code(&ada.authenticator);
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert_eq!(app.second_factor(&challenge, "totp", &spaced).await.status, 200);
    }
}

async fn enrolled_id(app: &TestApp) -> gatepost_server::ids::UserId {
    let id = app.db().read_one(
        Box::leak(Box::new(gatepost_db::Statement::new("test", "SELECT user_id FROM totp_credentials"))),
        &[],
        |row| row.get(0),
    );
    id.await.unwrap().unwrap()
}
