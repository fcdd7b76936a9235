//! Helping somebody back in, or out.

use std::time::Duration;

use gatepost_server::outbox::Kind;

use super::*;

on_each_db! {
    async fn every_session_of_an_account_ends_on_every_node(app: TestApp) {
        let second = app.second_node().await;
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let other = signed_in(&second, "bob").await;
        assert_eq!(post(&app, &of(&bob, "/revoke-sessions"), &admin).await.status, 204);
        for token in [&bob.access_token, &other.access_token] {
            app.me(token).await.assert_refused(401, "invalid_token");
        }
        second.refresh(&other.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(app.me(&admin.access_token).await.status, 200);
        assert_eq!(app.login("bob", PASSWORD).await.status, 200);
        assert_eq!(audited(&app, "sessions_revoked", &admin).await, 1);
    }

    async fn a_lost_second_factor_is_taken_away_and_its_owner_is_told(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        post(&app, &of(&bob, "/reset-2fa"), &admin).await.assert_refused(409, "conflict");
        let bob = app.with_totp(&bob).await.persona;
        app.mails().await;
        assert_eq!(post(&app, &of(&bob, "/reset-2fa"), &admin).await.status, 204);
        app.me(&bob.access_token).await.assert_refused(401, "invalid_token");
        assert_eq!(app.mail(Kind::SecondFactorChanged, &bob.email).await.to, bob.email);
        assert_eq!(signed_in(&app, "bob").await.id, bob.id, "the password alone is enough");
        assert_eq!(audited(&app, "second_factor_disabled", &admin).await, 1);
        app.clock.advance(Duration::from_secs(601));
        post(&app, &of(&bob, "/reset-2fa"), &admin).await.assert_refused(401, "insufficient_user_authentication");
        let key = app.api_key(&signed_in(&app, "ada").await, &["users:write"]).await;
        for rest in ["/reset-2fa", "/unlock"] {
            app.post(&of(&bob, rest)).api_key(&key).send().await.assert_refused(403, "insufficient_scope");
        }
        // Ending what is open is for programs, too.
        assert_eq!(app.post(&of(&bob, "/revoke-sessions")).api_key(&key).send().await.status, 204);
    }

    async fn bru_01_an_administrator_lifts_a_lock_out(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        for _ in 0..5 {
            app.login("bob", "wrong").await.assert_refused(401, "invalid_credentials");
        }
        app.login("bob", PASSWORD).await.assert_refused(429, "too_many_attempts");
        assert_eq!(post(&app, &of(&bob, "/unlock"), &admin).await.status, 204);
        assert_eq!(app.login("bob", PASSWORD).await.status, 200);
        assert_eq!(audited(&app, "unlocked", &admin).await, 1);
        // There is nothing to lift, and nothing is written.
        assert_eq!(post(&app, &of(&bob, "/unlock"), &admin).await.status, 204);
        assert_eq!(audited(&app, "unlocked", &admin).await, 1);
    }

    async fn a_link_for_a_new_password_goes_to_the_mailbox_and_nowhere_else(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        app.mails().await;
        let answer = post(&app, &of(&bob, "/send-reset"), &admin).await;
        assert_eq!((answer.status, answer.json()), (202, json!({ "status": "accepted" })));
        let token = app.mail(Kind::ResetPassword, &bob.email).await.token().to_owned();
        assert_eq!(audited(&app, "link_sent", &admin).await, 1);
        post(&app, &of(&bob, "/send-reset"), &admin).await.assert_refused(429, "rate_limited");
        let body = json!({ "token": token, "new_password": "seven boats in the harbour" });
        assert_eq!(app.post("/api/v1/auth/reset-password").json(&body).send().await.status, 204);
        assert_eq!(app.login("bob", "seven boats in the harbour").await.status, 200);
        assert_eq!(patch(&app, &bob, &admin, &json!({ "is_active": false })).await.status, 200);
        app.clock.advance(Duration::from_secs(61));
        post(&app, &of(&bob, "/send-reset"), &admin).await.assert_refused(409, "conflict");
    }
}
