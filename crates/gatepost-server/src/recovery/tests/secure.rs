//! The link in the mail about many failed sign-ins.

use std::time::Duration;

use gatepost_server::attempts;
use gatepost_server::recovery::answer_requests;
use gatepost_testkit::{PASSWORD, TestApp, on_each_db};

use super::letters::{
    changed, confirm_token, kinds, newest, present, reset, reset_token, undo_token, verified,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NEW: &str = "CANARY lighthouse above the reef";
const KIND: &str = "too_many_failures";

/// Guesses until the next attempt must wait, and lets the server notice.
async fn attack(app: &TestApp, name: &str) {
    for _ in 0..6 {
        app.login(name, "another password").await;
    }
    attempts::alert(app.db(), app.app.operator_act()).await.unwrap();
    answer_requests(&app.app).await.unwrap();
}

async fn alerts(app: &TestApp, to: &str) -> usize {
    kinds(app, to).await.iter().filter(|kind| *kind == KIND).count()
}

on_each_db! {
    async fn bru_01_the_owner_ends_every_session_with_the_link_of_the_alert(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let pending = confirm_token(&app, &ada, "thief@example.org").await;
        let key = app.api_key(&ada, &[]).await;
        attack(&app, "ada").await;
        let token = newest(&app, &ada.email, KIND).await.token();
        let answer = present(&app, "secure-account", &token).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.me(&key).await.assert_refused(401, "invalid_token");
        // Somebody may have guessed it.
        app.clock.advance(Duration::from_secs(60));
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        present(&app, "confirm-email", &pending).await.assert_refused(400, "invalid_token");
        present(&app, "secure-account", &token).await.assert_refused(400, "invalid_token");
        let set = newest(&app, &ada.email, "reset_password").await.token();
        assert_eq!(reset(&app, &set, NEW).await.status, 204);
        assert_eq!(app.login("ada", NEW).await.status, 200);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'account_secured'", &[]).await, 1);
    }

    async fn bru_01_an_account_gets_one_alert_a_day_however_many_nodes_look(app: TestApp) {
        let second = app.second_node().await;
        verified(&app, "ada").await;
        attack(&app, "ada").await;
        let (one, two) = tokio::join!(answer_requests(&app.app), answer_requests(&second.app));
        one.and(two).unwrap();
        attack(&app, "ada").await;
        assert_eq!(alerts(&app, "ada@example.com").await, 1);
        app.clock.advance(DAY);
        attack(&app, "ada").await;
        assert_eq!(alerts(&app, "ada@example.com").await, 2);
    }

    async fn an_alert_about_a_disabled_account_is_dropped(app: TestApp) {
        let ada = verified(&app, "ada").await;
        app.set_active(ada.user_id(), false).await;
        attack(&app, "ada").await;
        attack(&app, "nobody").await;
        assert_eq!(alerts(&app, "ada@example.com").await, 0);
    }

    async fn rec_02_an_intruder_who_changes_the_password_does_not_end_the_link(app: TestApp) {
        let ada = verified(&app, "ada").await;
        attack(&app, "ada").await;
        let token = newest(&app, &ada.email, KIND).await.token();
        let answer = app.change_password(&ada.access_token, PASSWORD, NEW).await;
        if answer.status == 429 {
            app.clock.advance(Duration::from_secs(10));
            assert_eq!(app.change_password(&ada.access_token, PASSWORD, NEW).await.status, 200);
        }
        assert_eq!(present(&app, "secure-account", &token).await.status, 204);
    }

    async fn rec_06_a_reset_ends_the_link_of_an_alert_before_it(app: TestApp) {
        let ada = verified(&app, "ada").await;
        attack(&app, "ada").await;
        let token = newest(&app, &ada.email, KIND).await.token();
        let set = reset_token(&app, &ada.email).await;
        assert_eq!(reset(&app, &set, NEW).await.status, 204);
        present(&app, "secure-account", &token).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("ada", NEW).await.status, 200);
    }

    async fn rec_02_the_link_dies_with_the_address_and_after_a_day(app: TestApp) {
        let ada = verified(&app, "ada").await;
        attack(&app, "ada").await;
        let token = newest(&app, &ada.email, KIND).await.token();
        changed(&app, &ada, "new@example.com").await;
        present(&app, "secure-account", &token).await.assert_refused(400, "invalid_token");
        let bob = verified(&app, "bob").await;
        attack(&app, "bob").await;
        let token = newest(&app, &bob.email, KIND).await.token();
        app.clock.advance(DAY);
        present(&app, "secure-account", &token).await.assert_refused(400, "invalid_token");
        let carol = verified(&app, "carol").await;
        attack(&app, "carol").await;
        let token = newest(&app, &carol.email, KIND).await.token();
        app.clock.advance(DAY - Duration::from_micros(1));
        assert_eq!(present(&app, "secure-account", &token).await.status, 204);
    }

    async fn rec_08_securing_an_account_leaves_older_mailboxes_their_way_back(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "thief@example.org").await;
        let undo = undo_token(&app, "ada@example.com").await;
        attack(&app, "thief@example.org").await;
        let token = newest(&app, "thief@example.org", KIND).await.token();
        assert_eq!(present(&app, "secure-account", &token).await.status, 204);
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
    }
}
