//! New devices, and who hears of them.

use std::time::Duration;

use gatepost_server::outbox::Kind;
use gatepost_testkit::{Answer, PASSWORD, Setup, TestApp, on_each_db};
use http::header::{COOKIE, USER_AGENT};
use serde_json::json;

use super::{WRONG, device_cookie};

async fn from(app: &TestApp, agent: &str, cookie: Option<&str>) -> Answer {
    let body = json!({ "identifier": "ada", "password": PASSWORD });
    let call = app.post("/api/v1/auth/login").header(USER_AGENT, agent).json(&body);
    let call = match cookie {
        Some(cookie) => call.header(COOKIE, cookie),
        None => call,
    };
    let answer = call.send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn told(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM outbox WHERE kind = 'new_device'", &[]).await
}

on_each_db! {
    async fn a_sign_in_on_a_new_device_is_told_once_and_the_first_one_is_not(app: TestApp) {
        app.user("ada").await;
        assert_eq!(told(&app).await, 0, "the registration is no news");
        from(&app, "gatepost-testkit", None).await;
        assert_eq!(told(&app).await, 0, "the device that registered is known");
        let cookie = device_cookie(&from(&app, "Firefox", None).await);
        assert_eq!(told(&app).await, 1);
        from(&app, "Firefox", None).await;
        assert_eq!(told(&app).await, 1, "the same agent in the same network");
        from(&app, "Firefox after an update", Some(&cookie)).await;
        assert_eq!(told(&app).await, 1, "the cookie says that it is known");
        app.clock.advance(Duration::from_secs(181 * 24 * 3_600));
        from(&app, "Firefox", None).await;
        assert_eq!(told(&app).await, 2, "half a year later it is a stranger");
    }

    async fn a_refused_sign_in_makes_no_device_known(app: TestApp) {
        app.user("ada").await;
        let body = json!({ "identifier": "ada", "password": WRONG });
        app.post("/api/v1/auth/login").header(USER_AGENT, "Firefox").json(&body).send().await;
        from(&app, "Firefox", None).await;
        assert_eq!(told(&app).await, 1);
    }

    async fn no_mailbox_is_flooded_and_no_account_has_devices_without_end(app: TestApp) {
        app.user("ada").await;
        for number in 0..60 {
            from(&app, &format!("agent {number}"), None).await;
        }
        assert_eq!(told(&app).await, 10);
        assert_eq!(app.number("SELECT count(*) FROM known_devices", &[]).await, 50);
    }
}

/// With a file of places that knows one network, 203.0.113.0/24; `sessions::places` says how it is made.
fn placed(setup: Setup) -> Setup {
    setup.set(
        "sessions.geoip_file",
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/sessions/tests/one-network.mmdb"),
    )
}

on_each_db! {
    async fn the_mail_about_a_new_device_says_where_it_is(app: TestApp = placed) {
        app.user("ada").await;
        let body = json!({ "identifier": "ada", "password": PASSWORD });
        let there = app.post("/api/v1/auth/login").from("203.0.113.77").header(USER_AGENT, "Firefox").json(&body);
        assert_eq!(there.send().await.status, 200);
        let mails = app.mails().await;
        let mail = mails.iter().find(|mail| mail.kind == Kind::NewDevice).unwrap();
        assert!(mail.text.contains("Berlin, Germany"), "{}", mail.text);
    }
}
