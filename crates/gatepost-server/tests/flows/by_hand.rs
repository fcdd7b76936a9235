//! The same by hand: the shortcuts that were found in the flows of other servers.

use gatepost_server::recovery::answer_requests;
use gatepost_testkit::{Answer, Browser, Call, Enrolled, PASSWORD, Persona, TestApp, on_each_db};
use http::header::COOKIE;
use http::{HeaderName, Method};
use serde_json::json;

use crate::rows::{Fact, Rows};

const SECOND: &str = "/api/v1/auth/login/second-factor";
const RESET: &str = "/api/v1/auth/reset-password";
const STEP_UP: &str = "/api/v1/auth/step-up";
const TOTP: &str = "/api/v1/users/me/2fa/totp";
const CONFIRM: &str = "/api/v1/users/me/2fa/totp/confirm";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const NEW: &str = "CANARY lighthouse above the reef";

async fn facts(app: &TestApp) -> Vec<Fact> {
    Rows::read(app).await.facts
}

async fn enrolled(app: &TestApp, name: &str) -> Enrolled {
    let user = app.user(name).await;
    app.with_totp(&user).await
}

/// The token of the newest link to this page.
async fn mailed(app: &TestApp, page: &str) -> String {
    answer_requests(&app.app).await.unwrap();
    let mails = Rows::read(app).await.mails;
    mails.into_iter().rfind(|mail| mail.page == page).unwrap().token
}

async fn forgot(app: &TestApp, email: &str) -> String {
    let body = json!({ "email": email });
    assert_eq!(app.post("/api/v1/auth/forgot-password").json(&body).send().await.status, 202);
    mailed(app, "reset-password").await
}

/// The second step from a page of the browser that has these cookies.
fn second_step(app: &TestApp, cookies: &str, (challenge, method, code): (&str, &str, &str)) -> Call {
    let body = json!({ "challenge": challenge, "method": method, "code": code });
    let call = app.post(SECOND).header(SITE, "same-origin").json(&body);
    if cookies.is_empty() { call } else { call.header(COOKIE, cookies) }
}

/// The first step from a page: the challenge, and the cookie without which nobody goes on.
async fn first_step(app: &TestApp, name: &str) -> (String, String) {
    let begun = app.browser_login(name, PASSWORD, false).await;
    begun.assert_refused(401, "mfa_required");
    (begun.json()["challenge"].as_str().unwrap().to_owned(), format!("pre={}", begun.cookie("pre").unwrap()))
}

/// Asserts that a request is refused and leaves everything as it was.
async fn refused(app: &TestApp, call: Call, (status, code): (u16, &str)) {
    let before = facts(app).await;
    let answer: Answer = call.send().await;
    answer.assert_refused(status, code);
    assert!(answer.cookie("sid").is_none_or(|value| value.is_empty()));
    assert_eq!(facts(app).await, before, "it was refused, and something has changed");
}

on_each_db! {
    async fn rec_07_the_last_step_without_the_ones_before_is_refused(app: TestApp) {
        let ada = enrolled(&app, "ada").await;
        let code = app.next_code(&ada.authenticator);
        let made_up = |prefix: &str| format!("{prefix}{}", "A".repeat(43));
        // A second step without a first.
        for challenge in ["", &made_up("gpc_"), &made_up("gpl_"), &ada.persona.refresh_token] {
            let body = json!({ "challenge": challenge, "method": "totp", "code": code });
            refused(&app, app.post(SECOND).json(&body), (401, "challenge_expired")).await;
        }
        // A password without a link, an address without one, a factor that was never enrolled.
        for token in ["", &made_up("gpl_"), &made_up("gpc_"), &ada.persona.refresh_token] {
            let body = json!({ "token": token, "new_password": NEW });
            refused(&app, app.post(RESET).json(&body), (400, "invalid_token")).await;
            for door in ["verify-email", "confirm-email", "undo-email", "secure-account"] {
                let call = app.post(&format!("/api/v1/auth/{door}")).json(&json!({ "token": token }));
                refused(&app, call, (400, "invalid_token")).await;
            }
        }
        let bob = app.user("bob").await;
        let call = app.post(CONFIRM).bearer(&bob.access_token).json(&json!({ "code": code }));
        refused(&app, call, (409, "conflict")).await;
        // The code was never looked at, and is good.
        let challenge = app.challenge("ada").await;
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
    }

    async fn rec_07_an_empty_form_is_no_step(app: TestApp) {
        let ada = enrolled(&app, "ada").await;
        let challenge = app.challenge("ada").await;
        let token = forgot(&app, &ada.persona.email).await;
        for body in [json!({}), json!({ "challenge": challenge }), json!({ "challenge": challenge, "method": "totp" }),
            json!({ "challenge": challenge, "code": "000000" })] {
            refused(&app, app.post(SECOND).json(&body), (422, "validation_failed")).await;
        }
        for body in [json!({}), json!({ "token": token }), json!({ "new_password": NEW })] {
            refused(&app, app.post(RESET).json(&body), (422, "validation_failed")).await;
        }
        let bearer = |method: Method, path: &str| app.call(method, path).bearer(&ada.persona.access_token);
        for body in [json!({ "method": "totp" }), json!({ "method": "password" }), json!({ "method": "recovery_code" })] {
            refused(&app, bearer(Method::POST, STEP_UP).json(&body), (422, "validation_failed")).await;
        }
        for path in [SECOND, RESET] {
            refused(&app, app.post(path).body("application/json", ""), (400, "malformed_body")).await;
            refused(&app, app.post(path).body("application/json", "null"), (422, "validation_failed")).await;
        }
        // What was begun goes on, as if none of it had been sent.
        let code = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
        assert_eq!(app.post(RESET).json(&json!({ "token": token, "new_password": NEW })).send().await.status, 204);
    }

    async fn rec_07_the_challenge_of_somebody_else_opens_nothing(app: TestApp) {
        let (ada, eve) = (enrolled(&app, "ada").await, enrolled(&app, "eve").await);
        let (challenge, cookie) = first_step(&app, "ada").await;
        let (own, own_cookie) = first_step(&app, "eve").await;
        let code = app.next_code(&ada.authenticator);
        let eves = eve.authenticator.code_at(app.clock.now());
        // Ada's challenge in Eve's browser, even with Ada's code; and with hers in Ada's.
        for cookies in [&own_cookie, ""] {
            for code in [&code, &eves] {
                refused(&app, second_step(&app, cookies, (&challenge, "totp", code)), (401, "challenge_expired")).await;
            }
            let recovery = (&*challenge, "recovery_code", &*ada.recovery_codes[0]);
            refused(&app, second_step(&app, cookies, recovery), (401, "challenge_expired")).await;
        }
        refused(&app, second_step(&app, &cookie, (&challenge, "recovery_code", &eve.recovery_codes[0])), (401, "invalid_code")).await;
        refused(&app, second_step(&app, &cookie, (&own, "totp", &eves)), (401, "challenge_expired")).await;
        // What is right goes through, for its owner.
        let signed_in = Browser::of(&second_step(&app, &own_cookie, (&own, "totp", &eves)).send().await);
        assert_eq!(app.me_in(&signed_in).await.json()["id"], eve.persona.id);
        let signed_in = Browser::of(&second_step(&app, &cookie, (&challenge, "totp", &code)).send().await);
        assert_eq!(app.me_in(&signed_in).await.json()["id"], ada.persona.id);
    }

    async fn rec_07_a_finished_flow_is_over(app: TestApp) {
        let ada = enrolled(&app, "ada").await;
        let (challenge, cookie) = first_step(&app, "ada").await;
        let code = app.next_code(&ada.authenticator);
        Browser::of(&second_step(&app, &cookie, (&challenge, "totp", &code)).send().await);
        let next = app.next_code(&ada.authenticator);
        for (method, code) in [("totp", &code), ("totp", &next), ("recovery_code", &ada.recovery_codes[0])] {
            refused(&app, second_step(&app, &cookie, (&challenge, method, code)), (401, "challenge_expired")).await;
        }
        let token = forgot(&app, &ada.persona.email).await;
        let reset = |password: &str| app.post(RESET).json(&json!({ "token": token, "new_password": password }));
        assert_eq!(reset(NEW).send().await.status, 204);
        refused(&app, reset("CANARY ferries along the coast"), (400, "invalid_token")).await;
        refused(&app, reset(NEW), (400, "invalid_token")).await;
    }

    async fn rec_07_another_method_is_another_try_and_no_way_around(app: TestApp) {
        let ada = enrolled(&app, "ada").await;
        let (challenge, cookie) = first_step(&app, "ada").await;
        let code = app.next_code(&ada.authenticator);
        let step = |method: &str, code: &str| second_step(&app, &cookie, (&challenge, method, code));
        // A code is good for its own method only, and no other word is one.
        refused(&app, step("recovery_code", &code), (401, "invalid_code")).await;
        refused(&app, step("totp", &ada.recovery_codes[0]), (401, "invalid_code")).await;
        refused(&app, step("recovery_code", ""), (401, "invalid_code")).await;
        for method in ["password", "none", ""] {
            refused(&app, step(method, PASSWORD), (422, "validation_failed")).await;
        }
        // Nor is there another kind of session to be had by the way.
        let body = json!({ "challenge": challenge, "method": "totp", "code": code, "session": "token" });
        let call = app.post(SECOND).header(SITE, "same-origin").header(COOKIE, &cookie).json(&body);
        refused(&app, call, (422, "validation_failed")).await;
        // A step-up by password is none where there is a factor, whatever was shown before.
        let body = json!({ "method": "password", "password": PASSWORD });
        let call = app.post(STEP_UP).bearer(&ada.persona.access_token).json(&body);
        refused(&app, call, (401, "insufficient_user_authentication")).await;
        // All tries were of one challenge, and there are two left.
        refused(&app, step("totp", "none"), (401, "invalid_code")).await;
        Browser::of(&step("recovery_code", &ada.recovery_codes[0]).send().await);
    }

    async fn rec_07_steps_in_another_order_are_refused(app: TestApp) {
        let ada = app.user("ada").await;
        let other = Persona::of(&app.login("ada", PASSWORD).await);
        let verify = mailed(&app, "verify-email").await;
        // Enrolled in one session and confirmed in another.
        let begun = app.enrol_totp(&ada.access_token).await;
        assert_eq!(begun.status, 201, "{}", begun.text());
        let authenticator = gatepost_testkit::Authenticator::new(begun.json()["secret"].as_str().unwrap());
        let body = json!({ "code": app.next_code(&authenticator) });
        refused(&app, app.post(CONFIRM).bearer(&other.access_token).json(&body), (409, "conflict")).await;
        refused(&app, app.delete(TOTP).bearer(&ada.access_token), (409, "conflict")).await;
        // The first step before the factor was on, the second after it.
        assert_eq!(app.post(CONFIRM).bearer(&ada.access_token).json(&body).send().await.status, 200);
        refused(&app, app.post(CONFIRM).bearer(&ada.access_token).json(&body), (401, "invalid_token")).await;
        // A link of before is of the time before.
        let call = app.post("/api/v1/auth/verify-email").json(&json!({ "token": verify }));
        refused(&app, call, (400, "invalid_token")).await;
    }
}
