//! `POST /oauth/token`, as RFC 6749 wants it.

use gatepost_testkit::{Answer, PASSWORD, on_each_db};
use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderName, Method};
use serde_json::json;

const TOKEN: &str = "/oauth/token";

#[track_caller]
fn assert_oauth(answer: &Answer, status: u16, error: &str) {
    answer.assert_refused(status, error);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.json().get("code").is_none(), "a problem where RFC 6749 is spoken: {}", answer.text());
}

on_each_db! {
    async fn the_password_grant_answers_as_rfc_6749_says(app: TestApp) {
        app.user("ada").await;
        let answer = app.token(&[("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(900), &json!("")));
        assert_eq!(app.me(body["access_token"].as_str().unwrap()).await.status, 200);
        let refresh = body["refresh_token"].as_str().unwrap();
        let next = app.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "gatepost")]).await;
        assert_eq!(next.status, 200, "{}", next.text());
        // One family, whichever door.
        assert_eq!(app.refresh(next.json()["refresh_token"].as_str().unwrap()).await.status, 200);
    }

    async fn op_07_the_token_endpoint_takes_forms_by_post_only(app: TestApp) {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(app.call(method, "/oauth/token?grant_type=password&username=ada&password=x").send().await.status, 405);
        }
        let answer = app.post(TOKEN).json(&json!({ "grant_type": "password", "username": "ada", "password": PASSWORD })).send().await;
        assert_oauth(&answer, 415, "invalid_request");
        let answer = app.post(TOKEN).body("multipart/form-data; boundary=x", "--x--").send().await;
        assert_oauth(&answer, 415, "invalid_request");
    }

    async fn op_07_a_repeated_or_missing_parameter_is_refused(app: TestApp) {
        app.user("ada").await;
        for name in ["grant_type", "username", "password", "client_id"] {
            let value = match name { "grant_type" => "password", "username" => "ada", "password" => PASSWORD, _ => "gatepost" };
            let all = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("client_id", "gatepost"), (name, value)];
            assert_oauth(&app.token(&all).await, 400, "invalid_request");
            let without: Vec<_> = all[..4].iter().copied().filter(|(other, _)| *other != name).collect();
            let answer = app.token(&without).await;
            if name == "client_id" { assert_eq!(answer.status, 200) } else { assert_oauth(&answer, 400, "invalid_request") }
        }
        assert_oauth(&app.token(&[("grant_type", "refresh_token")]).await, 400, "invalid_request");
        assert_oauth(&app.token(&[("grant_type", "password"), ("username", "ada"), ("password", "")]).await, 400, "invalid_request");
        assert_oauth(&app.token(&[]).await, 400, "invalid_request");
    }

    async fn brief4_an_unknown_grant_is_refused_and_never_a_500(app: TestApp) {
        app.user("ada").await;
        for grant in ["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "PASSWORD", "Password", "password ", "Refresh_Token", "\u{0}"] {
            let answer = app.token(&[("grant_type", grant), ("username", "ada"), ("password", PASSWORD), ("code", "x")]).await;
            assert_oauth(&answer, 400, "unsupported_grant_type");
        }
    }

    async fn op_07_a_client_that_is_not_ours_is_refused(app: TestApp) {
        app.user("ada").await;
        let good = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
        let with = |name, value| [good[0], good[1], good[2], (name, value)];
        for fields in [with("client_id", "other"), with("client_secret", "guess"), with("client_id", "GATEPOST")] {
            let answer = app.token(&fields).await;
            assert_oauth(&answer, 401, "invalid_client");
        }
        // base64 of "gatepost:guess" and of "other:".
        for header in ["Basic Z2F0ZXBvc3Q6Z3Vlc3M=", "Basic b3RoZXI6", "Basic !", "Bearer abc"] {
            let answer = app.post(TOKEN).form(&good).header(AUTHORIZATION, header).send().await;
            assert_oauth(&answer, 401, "invalid_client");
            assert!(answer.header("www-authenticate").starts_with("Basic"), "{header}");
        }
        let both = app.post(TOKEN).form(&with("client_secret", "x")).header(AUTHORIZATION, "Basic Z2F0ZXBvc3Q6").send().await;
        assert_oauth(&both, 400, "invalid_request");
        let public = app.post(TOKEN).form(&good).header(AUTHORIZATION, "Basic Z2F0ZXBvc3Q6").send().await;
        assert_eq!(public.status, 200, "{}", public.text());
    }

    async fn ses_06_a_form_of_another_site_signs_no_browser_in(app: TestApp = |setup| setup.set("cors.allowed_origins", "https://app.example")) {
        app.user("mallory").await;
        let form = || app.post(TOKEN).form(&[("grant_type", "password"), ("username", "mallory"), ("password", PASSWORD)]);
        let site = HeaderName::from_static("sec-fetch-site");
        let hashes = app.app.hasher.stats().argon2;
        for (name, value) in [(&site, "cross-site"), (&site, "same-site"), (&ORIGIN, "https://evil.example"), (&ORIGIN, "null")] {
            let refused = form().header(name.clone(), value).send().await;
            assert_oauth(&refused, 400, "invalid_request");
            assert_eq!(refused.header("set-cookie"), "", "{value}");
        }
        assert_eq!(app.app.hasher.stats().argon2, hashes);
        // The Authorize button of our own page, which the browser shall be known by.
        let ours = form().header(ORIGIN, "http://127.0.0.1:8080").header(site.clone(), "same-origin").send().await;
        assert_eq!(ours.status, 200, "{}", ours.text());
        assert_ne!(ours.header("set-cookie"), "");
        // A program, and a page that the operator named: tokens, and no cookie.
        let named = form().header(ORIGIN, "https://app.example").header(site, "cross-site").send().await;
        for answer in [form().send().await, named] {
            assert_eq!((answer.status, answer.header("set-cookie")), (200, ""), "{}", answer.text());
        }
    }

    async fn op_07_unknown_parameters_are_ignored(app: TestApp) {
        app.user("ada").await;
        let fields = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("scope", "admin"), ("role", "admin"), ("resource", "x")];
        let answer = app.token(&fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["scope"], "");
        let long = "x ".repeat(1_000);
        let answer = app.token(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("scope", &long)]).await;
        assert_oauth(&answer, 400, "invalid_scope");
    }

    async fn the_password_grant_can_be_switched_off(app: TestApp = |setup| setup.set("tokens.password_grant", "false")) {
        let ada = app.user("ada").await;
        let hashes = app.app.hasher.stats().argon2;
        let answer = app.token(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)]).await;
        assert_oauth(&answer, 400, "unsupported_grant_type");
        assert_eq!(app.app.hasher.stats().argon2, hashes);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", ada.refresh_token.as_str())];
        assert_eq!(app.token(&refresh).await.status, 200);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }
}
