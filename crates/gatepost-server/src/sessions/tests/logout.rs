//! Signing out.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, PASSWORD, Persona, on_each_db};
use http::Method;
use serde_json::json;

use super::{audited, refused_soon};

const LOGOUT: &str = "/api/v1/auth/logout";

async fn logout_with(node: &Node, refresh_token: &str) -> Answer {
    node.post(LOGOUT).json(&json!({ "refresh_token": refresh_token })).send().await
}

on_each_db! {
    async fn brief3_logout_ends_everything_of_its_session_and_nothing_else(app: TestApp) {
        let phone = app.user("ada").await;
        let laptop = Persona::of(&app.login("ada", PASSWORD).await);
        let older = phone.clone();
        let phone = Persona::of(&app.refresh(&phone.refresh_token).await);
        let answer = app.logout(&phone.access_token).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(answer.header("clear-site-data"), "\"cookies\", \"storage\"");
        for token in [&older.access_token, &phone.access_token] {
            app.me(token).await.assert_refused(401, "invalid_token");
        }
        for token in [&older.refresh_token, &phone.refresh_token] {
            app.refresh(token).await.assert_refused(401, "invalid_refresh_token");
            app.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await.assert_refused(400, "invalid_grant");
        }
        assert_eq!(app.me(&laptop.access_token).await.status, 200);
        assert_eq!(app.refresh(&laptop.refresh_token).await.status, 200);
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0, "a token after its logout is dead, not stolen");
    }

    async fn ses_03_what_a_logout_ended_is_dead_on_the_other_node(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        assert_eq!(second.me(&ada.access_token).await.status, 200);
        assert_eq!(app.logout(&ada.access_token).await.status, 204);
        second.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        refused_soon(&second, &ada.access_token).await;
    }

    async fn ses_03_logging_out_twice_is_no_error(app: TestApp) {
        let ada = app.user("ada").await;
        for _ in 0..2 {
            assert_eq!(app.logout(&ada.access_token).await.status, 204);
            assert_eq!(logout_with(&app, &ada.refresh_token).await.status, 204);
        }
        assert_eq!(audited(&app, "signed_out").await, 1);
    }

    async fn ses_03_a_refresh_token_signs_out_when_the_access_token_has_expired(app: TestApp) {
        let ada = app.user("ada").await;
        let newer = Persona::of(&app.refresh(&ada.refresh_token).await);
        app.clock.advance(Duration::from_secs(15 * 60));
        let call = app.post(LOGOUT).bearer(&newer.access_token);
        let answer = call.json(&json!({ "refresh_token": newer.refresh_token })).send().await;
        assert_eq!(answer.status, 204);
        app.refresh(&newer.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(audited(&app, "signed_out").await, 1);
    }

    async fn ses_03_any_refresh_token_of_the_family_signs_out(app: TestApp) {
        let ada = app.user("ada").await;
        let newer = Persona::of(&app.refresh(&ada.refresh_token).await);
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(logout_with(&app, &ada.refresh_token).await.status, 204);
        app.refresh(&newer.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.me(&newer.access_token).await.assert_refused(401, "invalid_token");
    }

    async fn ses_03_an_image_cannot_sign_anybody_out(app: TestApp) {
        let ada = app.user("ada").await;
        for method in [Method::GET, Method::HEAD] {
            let answer = app.call(method, LOGOUT).bearer(&ada.access_token).send().await;
            assert_eq!(answer.status, 405);
            assert_eq!(answer.header("allow"), "POST");
        }
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }

    async fn a_logout_needs_something_to_end(app: TestApp) {
        let ada = app.user("ada").await;
        let answer = app.post(LOGOUT).send().await;
        answer.assert_refused(401, "authentication_required");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        app.post(LOGOUT).json(&json!({})).send().await.assert_refused(401, "authentication_required");
        app.post(LOGOUT).bearer("garbage").send().await.assert_refused(401, "invalid_token");
        // An unknown refresh token has nothing to end, and does not say so.
        assert_eq!(logout_with(&app, "garbage").await.status, 204);
        assert_eq!(logout_with(&app, &format!("rt1_{}.{}", "A".repeat(22), "A".repeat(43))).await.status, 204);
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(audited(&app, "signed_out").await, 0);
    }
}
