//! Lock-out and login attempts, from outside.

#[path = "tests/alerts.rs"]
mod alerts;
#[path = "tests/botnet.rs"]
mod botnet;
#[path = "tests/bounded.rs"]
mod bounded;
#[path = "tests/devices.rs"]
mod devices;
#[path = "tests/list.rs"]
mod list;
#[path = "tests/lockout.rs"]
mod lockout;
#[path = "tests/model.rs"]
mod model;

use gatepost_testkit::{Answer, Node, PASSWORD};
use http::header::COOKIE;
use serde_json::json;

pub(crate) const WRONG: &str = "CANARY a password of nobody";

/// The device cookie that an answer sets, as a browser sends it back.
#[track_caller]
pub(crate) fn device_cookie(answer: &Answer) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.into_iter().find(|cookie| cookie.starts_with("dc="));
    let cookie = cookie.unwrap_or_default();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=15552000"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// Signs in with a browser that sends this cookie.
pub(crate) async fn login_with(node: &Node, identifier: &str, password: &str, cookie: &str) -> Answer {
    let body = json!({ "identifier": identifier, "password": password });
    node.post("/api/v1/auth/login").header(COOKIE, cookie).json(&body).send().await
}

/// Signs in and returns the device cookie.
pub(crate) async fn known_device(node: &Node, identifier: &str) -> String {
    let answer = node.login(identifier, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    device_cookie(&answer)
}

/// Fails so often that everybody without a cookie must wait.
pub(crate) async fn lock_out(node: &Node, identifier: &str) -> u64 {
    for _ in 0..5 {
        node.login(identifier, WRONG).await.assert_refused(401, "invalid_credentials");
    }
    retry_after(&node.login(identifier, WRONG).await)
}

/// Seconds to wait, of a refused sign-in.
#[track_caller]
pub(crate) fn retry_after(answer: &Answer) -> u64 {
    answer.assert_refused(429, "too_many_attempts");
    answer.header("retry-after").parse().unwrap()
}
