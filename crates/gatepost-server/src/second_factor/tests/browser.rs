//! Sessions that a cookie carries, on accounts with a second factor.

use std::time::Duration;

use gatepost_testkit::{Answer, Authenticator, Browser, Call, Node, PASSWORD, TestApp, on_each_db};
use http::HeaderName;
use http::header::{COOKIE, ORIGIN};
use serde_json::{Value, json};

const SECOND: &str = "/api/v1/auth/login/second-factor";
const STEP_UP: &str = "/api/v1/auth/step-up";
const ENROL: &str = "/api/v1/users/me/2fa/totp";
const CONFIRM: &str = "/api/v1/users/me/2fa/totp/confirm";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const STALE: Duration = Duration::from_secs(601);

/// The second step from the browser that made the first one.
fn answer(node: &Node, begun: &Answer, code: &str) -> Call {
    let body = json!({ "challenge": begun.json()["challenge"], "method": "totp", "code": code });
    let cookie = format!("pre={}", begun.cookie("pre").unwrap());
    node.post(SECOND).header(COOKIE, &cookie).json(&body)
}

/// Signs in with a cookie and a new code.
async fn browse(app: &TestApp, authenticator: &Authenticator, remember: bool) -> Answer {
    let begun = app.browser_login("ada", PASSWORD, remember).await;
    begun.assert_refused(401, "mfa_required");
    assert!(begun.cookie("sid").is_none() && begun.cookie("csrf").is_none());
    let code = app.next_code(authenticator);
    answer(app, &begun, &code).header(SITE, "same-origin").send().await
}

async fn enrolled(app: &TestApp) -> Authenticator {
    let ada = app.user("ada").await;
    app.with_totp(&ada).await.authenticator
}

on_each_db! {
    async fn mfa_01_a_browser_gets_its_cookie_from_the_second_step_only(app: TestApp) {
        let second = app.second_node().await;
        let authenticator = enrolled(&app).await;
        for (remember, expires_in) in [(false, 12 * 3_600), (true, 7 * 86_400)] {
            let signed_in = browse(&app, &authenticator, remember).await;
            let browser = Browser::of(&signed_in);
            let body = signed_in.json();
            assert_eq!(body["expires_in"], json!(expires_in), "the challenge forgot the kind of session");
            assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none());
            assert_eq!(signed_in.cookie("pre"), Some(String::new()));
            for node in [&*app, &second] {
                assert_eq!(node.me_in(&browser).await.json()["two_factor_enabled"], true);
            }
            // It has shown its factor a moment ago.
            let codes = app.post("/api/v1/users/me/2fa/recovery-codes").browser(&browser).send().await;
            assert_eq!(codes.status, 200, "{}", codes.text());
        }
        assert_eq!(app.number("SELECT count(*) FROM sessions WHERE kind = 'browser'", &[]).await, 1);
        assert_eq!(app.number("SELECT count(*) FROM sessions WHERE kind = 'remembered_browser'", &[]).await, 1);
    }

    async fn ses_06_another_site_gets_no_cookie_set_by_the_second_step(app: TestApp) {
        let authenticator = enrolled(&app).await;
        let begun = app.browser_login("ada", PASSWORD, false).await;
        let code = app.next_code(&authenticator);
        // With the right cookie even: a neighbour may have planted it.
        for (name, value) in [(SITE, "cross-site"), (SITE, "same-site"), (ORIGIN, "https://evil.example"), (ORIGIN, "null")] {
            answer(&app, &begun, &code).header(name, value).send().await.assert_refused(403, "csrf_rejected");
        }
        answer(&app, &begun, &code).send().await.assert_refused(403, "csrf_rejected");
        Browser::of(&answer(&app, &begun, &code).header(SITE, "same-origin").send().await);
    }

    async fn ses_01_switching_the_factor_on_gives_the_browser_a_new_cookie(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let (old, other) = (app.browse("ada").await, app.browse("ada").await);
        app.post(ENROL).cookie_of(&old).header(SITE, "cross-site").send().await.assert_refused(403, "csrf_rejected");
        let begun = app.post(ENROL).browser(&old).send().await;
        assert_eq!(begun.status, 201, "{}", begun.text());
        let authenticator = Authenticator::new(begun.json()["secret"].as_str().unwrap());
        let body = json!({ "code": app.next_code(&authenticator) });
        app.post(CONFIRM).cookie_of(&old).header(SITE, "cross-site").json(&body).send().await.assert_refused(403, "csrf_rejected");
        // Enrolled by this browser, not by the other one.
        app.post(CONFIRM).browser(&other).json(&body).send().await.assert_refused(409, "conflict");
        let confirmed = app.post(CONFIRM).browser(&old).json(&body).send().await;
        let new = Browser::of(&confirmed);
        let auth: Value = confirmed.json()["auth"].clone();
        assert!(auth.get("access_token").is_none() && auth.get("refresh_token").is_none(), "{auth}");
        assert_ne!((&new.cookie, &new.csrf), (&old.cookie, &old.csrf));
        for node in [&*app, &second] {
            for ended in [&old, &other] {
                node.me_in(ended).await.assert_refused(401, "authentication_required");
            }
            assert_eq!(node.me_in(&new).await.status, 200);
        }
    }

    async fn ses_01_a_step_up_gives_the_browser_a_new_cookie(app: TestApp) {
        let second = app.second_node().await;
        let authenticator = enrolled(&app).await;
        let old = Browser::of(&browse(&app, &authenticator, false).await);
        app.clock.advance(STALE);
        app.delete(ENROL).browser(&old).send().await.assert_refused(401, "insufficient_user_authentication");
        let wrong = json!({ "method": "totp", "code": "none" });
        let refused = app.post(STEP_UP).browser(&old).json(&wrong).send().await;
        refused.assert_refused(401, "invalid_code");
        assert!(refused.cookie("sid").is_none());
        let right = json!({ "method": "totp", "code": app.next_code(&authenticator) });
        app.post(STEP_UP).cookie_of(&old).header(SITE, "cross-site").json(&right).send().await.assert_refused(403, "csrf_rejected");
        app.post(STEP_UP).cookie_of(&old).json(&right).send().await.assert_refused(403, "csrf_rejected");
        let stepped_up = app.post(STEP_UP).browser(&old).json(&right).send().await;
        assert_eq!(stepped_up.status, 204, "{}", stepped_up.text());
        let new = Browser { cookie: stepped_up.cookie("sid").unwrap(), csrf: stepped_up.cookie("csrf").unwrap() };
        assert!(new.cookie != old.cookie && new.csrf != old.csrf);
        for node in [&*app, &second] {
            node.me_in(&old).await.assert_refused(401, "authentication_required");
            assert_eq!(node.me_in(&new).await.status, 200);
        }
        // The token of the old cookie is no token of the new one.
        let token = HeaderName::from_static("x-csrf-token");
        let remove = |csrf: &str| app.delete(ENROL).cookie_of(&Browser { csrf: csrf.to_owned(), ..new.clone() }).header(token.clone(), csrf);
        remove(&old.csrf).send().await.assert_refused(403, "csrf_rejected");
        assert_eq!(remove(&new.csrf).send().await.status, 204);
    }
}
