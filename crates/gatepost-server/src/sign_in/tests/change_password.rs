//! Changing one's password.

use std::time::Duration;

use gatepost_testkit::{PASSWORD, Persona, on_each_db};
use serde_json::json;

use crate::sessions::refused_soon;

const OTHER: &str = "CANARY lighthouse above the reef";

/// The sixth is the fifth after the first.
fn password(number: usize) -> String {
    let things = ["anchor", "beacon", "compass", "dinghy", "estuary", "ferry", "galley"];
    format!("CANARY {} in the long harbour", things[number])
}

on_each_db! {
    async fn pwd_08_a_change_ends_every_session_and_the_answer_has_a_new_one(app: TestApp) {
        let second_node = app.second_node().await;
        let phone = app.user("ada").await;
        let laptop = Persona::of(&app.login("ada", PASSWORD).await);
        for persona in [&phone, &laptop] {
            assert_eq!(second_node.me(&persona.access_token).await.status, 200);
        }
        let answer = app.change_password(&phone.access_token, PASSWORD, OTHER).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store");
        let new = Persona::of(&answer);
        assert_ne!(new.claims()["sid"], phone.claims()["sid"]);
        for persona in [&phone, &laptop] {
            app.me(&persona.access_token).await.assert_refused(401, "invalid_token");
            app.refresh(&persona.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            refused_soon(&second_node, &persona.access_token).await;
        }
        for node in [&*app, &second_node] {
            assert_eq!(node.me(&new.access_token).await.status, 200);
        }
        assert_eq!(app.refresh(&new.refresh_token).await.status, 200);
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", OTHER).await.status, 200);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'password_changed'", &[]).await, 1);
    }

    async fn pwd_08_without_the_current_password_nothing_changes(app: TestApp) {
        let ada = app.user("ada").await;
        for wrong in [OTHER, "", "x", &"x".repeat(2_000)] {
            let answer = app.change_password(&ada.access_token, wrong, OTHER).await;
            answer.assert_refused(403, "invalid_current_password");
        }
        app.change_password("garbage", PASSWORD, OTHER).await.assert_refused(401, "invalid_token");
        let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
        app.put("/api/v1/users/me/password").json(&body).send().await.assert_refused(401, "authentication_required");
        let absent = app.put("/api/v1/users/me/password").bearer(&ada.access_token).json(&json!({ "new_password": OTHER }));
        absent.send().await.assert_invalid("/current_password", "required");
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(app.refresh(&ada.refresh_token).await.status, 200);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        app.login("ada", OTHER).await.assert_refused(401, "invalid_credentials");
    }

    async fn pwd_08_a_stolen_session_cannot_set_a_password_where_there_is_none(app: TestApp) {
        let ada = app.user("ada").await;
        app.execute("DELETE FROM passwords", &[]).await;
        app.change_password(&ada.access_token, PASSWORD, OTHER).await.assert_refused(403, "invalid_current_password");
        assert_eq!(app.number("SELECT count(*) FROM passwords", &[]).await, 0);
    }

    async fn pwd_01_a_new_password_is_judged(app: TestApp) {
        let ada = app.user("bernadette").await;
        for (new, code) in [
            ("elevenchars", "password_too_short"),
            ("password1234", "password_blocklisted"),
            ("bernadette1988", "password_blocklisted"),
            (&"x".repeat(1_025), "password_too_long"),
        ] {
            app.change_password(&ada.access_token, PASSWORD, new).await.assert_invalid("/new_password", code);
        }
        assert_eq!(app.login("bernadette", PASSWORD).await.status, 200);
    }

    async fn brief3_the_last_five_passwords_are_not_used_again(app: TestApp) {
        let mut ada = app.user("ada").await;
        let change = async |ada: &Persona, old: &str, new: &str| {
            // The history is in the order of time, which ids tell to the millisecond.
            app.clock.advance(Duration::from_millis(1));
            app.change_password(&ada.access_token, old, new).await
        };
        ada = Persona::of(&change(&ada, PASSWORD, &password(0)).await);
        for number in 1..5 {
            ada = Persona::of(&change(&ada, &password(number - 1), &password(number)).await);
        }
        for former in 0..5 {
            let answer = change(&ada, &password(4), &password(former)).await;
            answer.assert_invalid("/new_password", "password_reused");
        }
        assert_eq!(app.number("SELECT count(*) FROM password_history", &[]).await, 5, "the history is pruned");
        // The first one, five changes ago, is forgotten.
        ada = Persona::of(&change(&ada, &password(4), PASSWORD).await);
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }

    async fn an_imported_password_is_not_its_own_successor(app: TestApp) {
        let ada = app.user("ada").await;
        app.execute("DELETE FROM password_history", &[]).await;
        let answer = app.change_password(&ada.access_token, PASSWORD, PASSWORD).await;
        answer.assert_invalid("/new_password", "password_reused");
    }

    async fn pwd_08_of_parallel_changes_one_wins(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let contenders: Vec<_> = (0..7).map(|number| {
            let (node, token) = (if number % 2 == 0 { (*app).clone() } else { second.clone() }, ada.access_token.clone());
            tokio::spawn(async move { (number, node.change_password(&token, PASSWORD, &password(number)).await) })
        }).collect();
        let mut winner = None;
        for contender in contenders {
            let (number, answer) = contender.await.unwrap();
            match answer.status {
                200 => assert_eq!(winner.replace(number), None, "two passwords were set"),
                // Overtaken before its check of the password, or after it.
                403 => answer.assert_refused(403, "invalid_current_password"),
                // More at once than may be verified before one is known to be right.
                429 => answer.assert_refused(429, "too_many_attempts"),
                _ => answer.assert_refused(401, "invalid_token"),
            }
        }
        assert_eq!(app.login("ada", &password(winner.unwrap())).await.status, 200);
        assert_eq!(app.number("SELECT count(*) FROM password_history", &[]).await, 2);
    }

    async fn pwd_08_a_right_password_is_no_failure_whatever_becomes_of_the_change(app: TestApp) {
        let ada = app.user("ada").await;
        let failures = async || app.number("SELECT failures FROM lockouts", &[]).await;
        for _ in 0..8 {
            let answer = app.change_password(&ada.access_token, PASSWORD, PASSWORD).await;
            answer.assert_invalid("/new_password", "password_reused");
        }
        assert_eq!(failures().await, 0);
        // Nor when the database loses what was to be written.
        app.execute("ALTER TABLE password_history RENAME TO lost", &[]).await;
        let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let change = app.put("/api/v1/users/me/password").bearer(&ada.access_token).json(&body);
        assert!(change.may_fail().send().await.status >= 500);
        assert_eq!(failures().await, 0);
        // A wrong one is.
        app.execute("ALTER TABLE lost RENAME TO password_history", &[]).await;
        app.change_password(&ada.access_token, OTHER, OTHER).await.assert_refused(403, "invalid_current_password");
        assert_eq!(failures().await, 1);
    }
}
