//! Sessions that a cookie carries.

use std::time::Duration;

use gatepost_db::params;
use gatepost_testkit::{Browser, PASSWORD, on_each_db};
use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::{HeaderName, Method};
use serde_json::json;

use super::audited;

const LOGOUT: &str = "/api/v1/auth/logout";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

on_each_db! {
    async fn ses_02_the_cookie_is_set_as_promised_and_only_its_hash_is_kept(app: TestApp) {
        let ada = app.user("ada").await;
        let answer = app.browser_login("ada", PASSWORD, false).await;
        let browser = Browser::of(&answer);
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(lines[..2], [
            format!("sid={}; Path=/; HttpOnly; SameSite=Lax", browser.cookie),
            format!("csrf={}; Path=/; SameSite=Lax", browser.csrf),
        ]);
        assert_eq!(browser.cookie.len(), 43);
        let body = answer.json();
        assert_eq!((&body["user"]["id"], &body["expires_in"]), (&json!(ada.id), &json!(12 * 3_600)));
        assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none());
        assert_eq!(app.me_in(&browser).await.json()["id"], json!(ada.id));
        let kept = app.bytes("SELECT cookie_hash FROM sessions WHERE kind = 'browser'", &[]).await.unwrap();
        assert_eq!(kept.len(), 32);
        assert_ne!(kept, browser.cookie.as_bytes());
        // Remembered means that the browser keeps it, too.
        let answer = app.browser_login("ada", PASSWORD, true).await;
        for line in answer.headers.get_all("set-cookie").iter().take(2) {
            assert!(line.to_str().unwrap().ends_with("; SameSite=Lax; Max-Age=2592000"), "{line:?}");
        }
        assert_eq!(answer.json()["expires_in"], json!(7 * 86_400));
        assert_eq!(app.number("SELECT count(*) FROM refresh_families f JOIN sessions s ON s.id = f.session_id WHERE s.kind <> 'token'", &[]).await, 0);
    }

    async fn ses_01_a_planted_id_is_never_taken_up_and_a_sign_in_draws_a_new_one(app: TestApp) {
        let ada = app.user("ada").await;
        let planted = Browser { cookie: "A".repeat(43), csrf: String::new() };
        app.me_in(&planted).await.assert_refused(401, "authentication_required");
        let body = json!({ "identifier": "ada", "password": PASSWORD, "session": "browser" });
        let first = Browser::of(&app.post("/api/v1/auth/login").browser(&planted).json(&body).send().await);
        let second = Browser::of(&app.post("/api/v1/auth/login").browser(&first).json(&body).send().await);
        assert!(first.cookie != planted.cookie && second.cookie != first.cookie);
        app.me_in(&planted).await.assert_refused(401, "authentication_required");
        assert_eq!(app.me_in(&second).await.json()["id"], json!(ada.id));
    }

    async fn ses_01_a_change_of_password_gives_the_browser_a_new_cookie(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let (old, other) = (app.browse("ada").await, app.browse("ada").await);
        let change = json!({ "current_password": PASSWORD, "new_password": "CANARY lighthouse above the reef" });
        let answer = app.put("/api/v1/users/me/password").browser(&old).json(&change).send().await;
        let new = Browser::of(&answer);
        assert!(answer.json().get("access_token").is_none(), "{}", answer.text());
        assert_ne!((&new.cookie, &new.csrf), (&old.cookie, &old.csrf));
        for node in [&*app, &second] {
            node.me_in(&old).await.assert_refused(401, "authentication_required");
            node.me_in(&other).await.assert_refused(401, "authentication_required");
            assert_eq!(node.me_in(&new).await.status, 200);
        }
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
    }

    async fn ses_01_a_renewed_session_answers_to_its_new_cookie_only(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let old = app.browse("ada").await;
        let identity = who_is_in(&app, &old).await.unwrap();
        let renewal = app.app.mint.renewal(identity.user.id, &identity.session).unwrap();
        let new = Browser { cookie: renewal.cookie().key.expose().to_owned(), csrf: String::new() };
        let identities = app.app.identities.clone();
        let renewed = app.db().write(move |tx| gatepost_server::sessions::renew_cookie(tx, &identities, &renewal)).await;
        assert!(renewed.unwrap());
        for node in [&*app, &second] {
            node.me_in(&old).await.assert_refused(401, "authentication_required");
            assert_eq!(node.me_in(&new).await.status, 200);
        }
        // A session with tokens has no cookie to renew.
        let tokens = app.app.identities.authenticate(&app.user("bob").await.access_token, app.app.clock.now()).await.unwrap();
        assert!(app.app.mint.renewal(tokens.user.id, &tokens.session).is_none());
    }

    async fn ses_03_a_browser_signs_out_and_its_cookie_is_dead_everywhere(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let (browser, other) = (app.browse("ada").await, app.browse("ada").await);
        for node in [&*app, &second] {
            assert_eq!(node.me_in(&browser).await.status, 200);
        }
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(app.call(method, LOGOUT).browser(&browser).send().await.status, 405);
        }
        assert_eq!(app.me_in(&browser).await.status, 200);
        // Twice is no error, on either node.
        for node in [&*app, &second, &*app] {
            let answer = node.post(LOGOUT).browser(&browser).send().await;
            assert_eq!((answer.status, answer.header("clear-site-data")), (204, "\"cookies\", \"storage\""));
            assert_eq!((answer.cookie("sid"), answer.cookie("csrf")), (Some(String::new()), Some(String::new())));
            node.me_in(&browser).await.assert_refused(401, "authentication_required");
        }
        assert_eq!(audited(&app, "signed_out").await, 1);
        assert_eq!(app.me_in(&other).await.status, 200);
        // What never was a cookie of ours has nothing to end.
        let made_up = Browser { cookie: "garbage".to_owned(), csrf: String::new() };
        assert_eq!(app.post(LOGOUT).browser(&made_up).send().await.status, 204);
    }

    async fn ses_04_a_browser_session_ends_when_it_is_not_used(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let (kept, left) = (app.browse("ada").await, app.browse("ada").await);
        let remembered = Browser::of(&app.browser_login("ada", PASSWORD, true).await);
        app.clock.advance(12 * HOUR - SECOND);
        // The other node's word counts here, too.
        assert_eq!(second.me_in(&kept).await.status, 200);
        app.clock.advance(SECOND);
        for node in [&*app, &second] {
            node.me_in(&left).await.assert_refused(401, "authentication_required");
            assert_eq!(node.me_in(&kept).await.status, 200);
        }
        app.clock.advance(7 * DAY - 12 * HOUR - SECOND);
        assert_eq!(app.me_in(&remembered).await.status, 200);
        app.clock.advance(7 * DAY);
        app.me_in(&remembered).await.assert_refused(401, "authentication_required");
    }

    async fn ses_04_use_never_extends_the_absolute_limit(app: TestApp) {
        let second = app.second_node().await;
        app.user("ada").await;
        let browser = app.browse("ada").await;
        for _ in 0..13 {
            app.clock.advance(12 * HOUR - SECOND);
            assert_eq!(app.me_in(&browser).await.status, 200);
        }
        app.clock.advance(HOUR);
        assert_eq!(app.me_in(&browser).await.status, 200);
        app.clock.advance(11 * HOUR + 12 * SECOND);
        assert_eq!(second.me_in(&browser).await.status, 200, "one second before the end");
        app.clock.advance(SECOND);
        for node in [&*app, &second] {
            node.me_in(&browser).await.assert_refused(401, "authentication_required");
        }
    }

    async fn ses_04_a_session_is_noted_as_used_once_a_minute(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let browser = app.browse("ada").await;
        let seen = "SELECT max(last_seen_at) FROM sessions WHERE kind = ?1";
        let begin = app.clock.now().as_micros();
        for (after, noted) in [(59, 0), (1, 60), (59, 60), (1, 120)] {
            app.clock.advance(after * SECOND);
            for node in [&*app, &second] {
                assert_eq!((node.me(&ada.access_token).await.status, node.me_in(&browser).await.status), (200, 200));
            }
            for kind in ["token", "browser"] {
                assert_eq!(app.number(seen, &params![kind]).await, begin + noted * 1_000_000, "{kind}");
            }
        }
    }

    async fn ses_04_no_access_token_outlives_its_session(app: TestApp = |setup| setup.set("tokens.refresh_idle", "1h").set("tokens.refresh_absolute", "1h")) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        app.clock.advance(50 * Duration::from_secs(60));
        let answer = app.refresh(&ada.refresh_token).await;
        assert_eq!((&answer.json()["expires_in"], &answer.json()["refresh_expires_in"]), (&json!(600), &json!(600)));
        let last = gatepost_testkit::Persona::of(&answer);
        app.clock.advance(10 * Duration::from_secs(60) - SECOND);
        for node in [&*app, &second] {
            assert_eq!(node.me(&last.access_token).await.status, 200);
        }
        app.clock.advance(SECOND);
        for node in [&*app, &second] {
            node.me(&last.access_token).await.assert_refused(401, "invalid_token");
        }
    }

    async fn ses_04_a_session_that_was_cut_short_takes_its_tokens_along(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        app.clock.advance(SECOND);
        let end = app.clock.now().as_micros();
        app.execute("UPDATE sessions SET absolute_until = ?1", &[gatepost_db::Param::Int(end + 60_000_000)]).await;
        // Both nodes know the session by heart, with its end.
        app.clock.advance(59 * SECOND);
        for node in [&*app, &second] {
            assert_eq!(node.me(&ada.access_token).await.status, 200);
        }
        app.clock.advance(SECOND);
        for node in [&*app, &second] {
            node.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        }
    }

    async fn a_request_with_a_bearer_token_never_looks_at_the_cookie(app: TestApp) {
        let ada = app.user("ada").await;
        let bob = app.user("bob").await;
        let browser = app.browse("bob").await;
        // Also from another site: no browser adds the header by itself.
        let call = app.patch("/api/v1/users/me").cookie_of(&browser).header(SITE, "cross-site");
        let answer = call.bearer(&ada.access_token).json(&json!({ "bio": "hello" })).send().await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(ada.id)));
        app.get("/api/v1/users/me").browser(&browser).bearer("garbage").send().await.assert_refused(401, "invalid_token");
        let answer = app.get("/api/v1/users/me").browser(&browser).header(AUTHORIZATION, "Basic YTpi").send().await;
        answer.assert_refused(401, "authentication_required");
        assert_eq!(app.me_in(&browser).await.json()["id"], json!(bob.id));
    }

    async fn ses_06_another_site_can_neither_use_the_cookie_nor_have_one_set(app: TestApp) {
        app.user("ada").await;
        let browser = app.browse("ada").await;
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        let login = json!({ "identifier": "ada", "password": PASSWORD, "session": "browser" });
        for (name, value) in [(SITE, "cross-site"), (SITE, "same-site"), (ORIGIN, "https://evil.example"), (ORIGIN, "null")] {
            let call = |method, path| app.call(method, path).cookie_of(&browser).header(name.clone(), value);
            let answer = call(Method::PATCH, "/api/v1/users/me").json(&json!({ "bio": "owned" })).send().await;
            answer.assert_refused(403, "csrf_rejected");
            call(Method::POST, LOGOUT).send().await.assert_refused(403, "csrf_rejected");
            call(Method::POST, "/api/v1/auth/login").json(&login).send().await.assert_refused(403, "csrf_rejected");
        }
        app.post("/api/v1/auth/login").json(&login).send().await.assert_refused(403, "csrf_rejected");
        assert_eq!(app.me_in(&browser).await.json()["bio"], json!(null));
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions);
        // Reading is not changing, and a page of ours may do both.
        let read = app.get("/api/v1/users/me").cookie_of(&browser).header(SITE, "cross-site").send().await;
        assert_eq!(read.status, 200);
        let patch = app.patch("/api/v1/users/me").cookie_of(&browser).header(ORIGIN, "http://127.0.0.1:8080");
        assert_eq!(patch.json(&json!({ "bio": "mine" })).send().await.status, 200);
    }

    async fn ses_06_a_browser_that_says_nothing_must_show_the_token_of_its_session(app: TestApp) {
        app.user("ada").await;
        let (browser, other) = (app.browse("ada").await, app.browse("ada").await);
        let change = json!({ "bio": "mine" });
        let patch = |browser: &Browser| app.patch("/api/v1/users/me").cookie_of(browser).json(&change);
        let token = HeaderName::from_static("x-csrf-token");
        patch(&browser).send().await.assert_refused(403, "csrf_rejected");
        patch(&browser).header(token.clone(), &other.csrf).send().await.assert_refused(403, "csrf_rejected");
        let swapped = Browser { csrf: other.csrf.clone(), ..browser.clone() };
        patch(&swapped).header(token.clone(), &other.csrf).send().await.assert_refused(403, "csrf_rejected");
        assert_eq!(patch(&browser).header(token, &browser.csrf).send().await.status, 200);
    }

    async fn http_04_a_cookie_does_not_make_a_form_into_json(app: TestApp) {
        app.user("ada").await;
        let browser = app.browse("ada").await;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let call = app.patch("/api/v1/users/me").browser(&browser).body(kind, r#"{"bio":"owned"}"#);
            call.send().await.assert_refused(415, "unsupported_media_type");
            let login = app.post("/api/v1/auth/login").header(SITE, "same-origin");
            let body = json!({ "identifier": "ada", "password": PASSWORD, "session": "browser" }).to_string();
            login.body(kind, body).send().await.assert_refused(415, "unsupported_media_type");
        }
    }

    async fn only_a_cookie_of_the_right_name_counts(app: TestApp) {
        app.user("ada").await;
        let browser = app.browse("ada").await;
        for name in ["SID", "sid2", "csrf", "dc", "__Host-sid"] {
            let call = app.get("/api/v1/users/me").header(COOKIE, &format!("{name}={}", browser.cookie));
            call.send().await.assert_refused(401, "authentication_required");
        }
    }
}

/// Who is behind the cookie, as the feature knows it.
async fn who_is_in(
    app: &gatepost_testkit::TestApp,
    browser: &Browser,
) -> Option<std::sync::Arc<gatepost_server::sessions::Identity>> {
    let hash = gatepost_server::sessions::CookieKey::hash_of(&browser.cookie).unwrap();
    gatepost_server::sessions::of_cookie(&app.app, &hash, app.app.clock.now()).await.unwrap()
}
