//! Requests whose body comes in slowly, while the world goes on.

use std::time::Duration;

use gatepost_testkit::{Node, PASSWORD, Persona, on_each_db};
use serde_json::{Value, json};

/// Signs out, as another tab would.
fn sign_out(node: &Node, access_token: &str) -> impl Future<Output = ()> + Send + 'static {
    let call = node.post("/api/v1/auth/logout").bearer(access_token);
    async move { assert_eq!(call.send().await.status, 204) }
}

fn exchange(node: &Node, token: &str) -> gatepost_testkit::Call {
    node.post("/api/v1/auth/refresh").json(&json!({ "refresh_token": token }))
}

on_each_db! {
    async fn ses_03_a_body_that_comes_after_the_sign_out_changes_nothing(app: TestApp) {
        let ada = app.user("ada").await;
        let change = app.patch("/api/v1/users/me").bearer(&ada.access_token).json(&json!({ "bio": "too late" }));
        let answer = change.meanwhile(sign_out(&app, &ada.access_token)).send().await;
        answer.assert_refused(401, "invalid_token");
        let again = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(app.me(&again.access_token).await.json()["bio"], Value::Null);
    }

    async fn ses_03_a_password_change_that_comes_after_the_sign_out_opens_nothing(app: TestApp) {
        let ada = app.user("ada").await;
        let body = json!({ "current_password": PASSWORD, "new_password": "seven crates of green tea" });
        let change = app.put("/api/v1/users/me/password").bearer(&ada.access_token).json(&body);
        let answer = change.meanwhile(sign_out(&app, &ada.access_token)).send().await;
        answer.assert_refused(401, "invalid_token");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200, "the password is still the old one");
    }

    async fn rel_17_a_sign_out_on_another_node_stops_a_slow_body_although_this_node_remembers_the_session(app: TestApp) {
        let (second, ada) = (app.second_node().await, app.user("ada").await);
        assert_eq!(app.me(&ada.access_token).await.status, 200, "now it is remembered");
        let change = app.patch("/api/v1/users/me").bearer(&ada.access_token).json(&json!({ "bio": "too late" }));
        let answer = change.meanwhile(sign_out(&second, &ada.access_token)).send().await;
        answer.assert_refused(401, "invalid_token");
    }

    async fn op_05_a_slow_exchange_is_no_theft(app: TestApp) {
        let ada = app.user("ada").await;
        // While one tab's body is under way, another tab refreshes, and two seconds pass.
        let (other_tab, clock) = (exchange(&app, &ada.refresh_token), app.clock.clone());
        let slow = exchange(&app, &ada.refresh_token).meanwhile(async move {
            assert_eq!(other_tab.send().await.status, 200);
            clock.advance(Duration::from_secs(2));
        });
        let next = Persona::of(&slow.send().await);
        assert_eq!(app.refresh(&next.refresh_token).await.status, 200, "the family lives");
    }

    async fn op_05_the_replay_window_begins_with_the_rotation_and_not_with_the_request(app: TestApp) {
        let (ada, clock) = (app.user("ada").await, app.clock.clone());
        let slow = exchange(&app, &ada.refresh_token)
            .meanwhile(async move { clock.advance(Duration::from_secs(14)) });
        let first = Persona::of(&slow.send().await);
        // The answer was lost: an immediate retry gets the same token.
        assert_eq!(Persona::of(&app.refresh(&ada.refresh_token).await).refresh_token, first.refresh_token);
    }

    async fn op_04_a_body_that_dawdles_does_not_stretch_the_replay_window(app: TestApp) {
        let (ada, clock) = (app.user("ada").await, app.clock.clone());
        let next = Persona::of(&app.refresh(&ada.refresh_token).await);
        let slow = exchange(&app, &ada.refresh_token)
            .meanwhile(async move { clock.advance(Duration::from_secs(11)) });
        slow.send().await.assert_refused(401, "invalid_refresh_token");
        app.refresh(&next.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }
}
