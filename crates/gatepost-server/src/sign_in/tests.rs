//! Sign-in, from outside.

use gatepost_testkit::{PASSWORD, Persona, on_each_db};
use serde_json::json;

on_each_db! {
    async fn brief_1_register_login_and_read_oneself(app: TestApp) {
        let ada = app.user("ada").await;
        let answer = app.login("ADA@example.com", PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let again = Persona::of(&answer);
        assert_eq!(again.id, ada.id);
        let me = app.me(&again.access_token).await;
        assert_eq!(me.status, 200);
        assert_eq!(me.json()["email"], "ada@example.com");
        assert_eq!(me.json()["roles"], json!(["user"]));
    }

    async fn brief_4_an_expired_access_token_is_refused_and_a_refresh_brings_a_new_one(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(std::time::Duration::from_secs(15 * 60));
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        let next = Persona::of(&app.refresh(&ada.refresh_token).await);
        assert_ne!(next.refresh_token, ada.refresh_token);
        assert_eq!(app.me(&next.access_token).await.status, 200);
    }
}
