//! The rotation of refresh tokens.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, PASSWORD, Persona, master_key, on_each_db};
use http::header::USER_AGENT;
use serde_json::json;

use super::{audited, refused_soon};

const WINDOW: Duration = Duration::from_secs(10);
const MICROSECOND: Duration = Duration::from_micros(1);

async fn refresh_as(node: &Node, agent: &str, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    node.post("/api/v1/auth/refresh").header(USER_AGENT, agent).json(&body).send().await
}

/// The next tokens of a session.
async fn next(node: &Node, token: &str) -> Persona {
    let answer = node.refresh(token).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Persona::of(&answer)
}

on_each_db! {
    async fn brief4_a_rotated_refresh_token_does_not_live_on(app: TestApp) {
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        assert_ne!(second.refresh_token, first.refresh_token);
        assert_eq!(app.me(&second.access_token).await.status, 200);
        app.clock.advance(WINDOW + MICROSECOND);
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        // Somebody had both: the whole family is dead, and it is on record.
        app.refresh(&second.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        for token in [&first.access_token, &second.access_token] {
            app.me(token).await.assert_refused(401, "invalid_token");
        }
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 1);
    }

    async fn op_04_a_grandparent_ends_the_family_at_any_time(app: TestApp) {
        let other = app.user("bob").await;
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        let third = next(&app, &second.refresh_token).await;
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.refresh(&third.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.me(&third.access_token).await.assert_refused(401, "invalid_token");
        let row = app.text("SELECT details FROM audit_log WHERE action = 'refresh_reuse_detected'", &[]).await.unwrap();
        let details: serde_json::Value = serde_json::from_str(&row).unwrap();
        assert_eq!(details["session"], third.claims()["sid"]);
        // Neither other sessions of the user nor other users pay for it.
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(app.me(&other.access_token).await.status, 200);
        // What is dead already is not revoked again, and its owner is told once.
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 1);
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'session_stolen'", &[]).await, 1);
    }

    async fn op_04_reuse_is_seen_on_the_other_node_too(app: TestApp) {
        let second_node = app.second_node().await;
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        assert_eq!(second_node.me(&second.access_token).await.status, 200);
        app.clock.advance(WINDOW + MICROSECOND);
        second_node.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        second_node.me(&second.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&second.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        refused_soon(&app, &second.access_token).await;
    }

    async fn op_04_what_is_wrong_with_a_refresh_token_is_not_said(app: TestApp) {
        let used = app.user("ada").await;
        next(&app, &used.refresh_token).await;
        let ended = app.user("bob").await;
        app.logout(&ended.access_token).await;
        let disabled = app.user("eve").await;
        app.set_active(disabled.user_id(), false).await;
        app.clock.advance(WINDOW + MICROSECOND);
        let unknown = format!("rt1_{}.{}", "A".repeat(22), "A".repeat(43));
        let other_validator = format!("{}.{}", used.refresh_token.split_once('.').unwrap().0, "A".repeat(43));
        let json = app.refresh(&unknown).await;
        json.assert_refused(401, "invalid_refresh_token");
        let grant = |token: String| { let app = &app; async move { app.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await } };
        let form = grant(unknown.clone()).await;
        form.assert_refused(400, "invalid_grant");
        assert_eq!(form.header("cache-control"), "no-store");
        for token in [used.refresh_token, ended.refresh_token, disabled.refresh_token, other_validator, "garbage".to_owned()] {
            json.assert_uniform(&app.refresh(&token).await);
            form.assert_uniform(&grant(token).await);
        }
        let expired = app.user("old").await;
        app.clock.advance(Duration::from_secs(7 * 86_400));
        json.assert_uniform(&app.refresh(&expired.refresh_token).await);
    }

    async fn op_05_a_lost_answer_is_given_again_within_the_window(app: TestApp) {
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        app.clock.advance(WINDOW);
        let again = next(&app, &first.refresh_token).await;
        assert_eq!(again.refresh_token, second.refresh_token);
        assert_eq!(app.me(&again.access_token).await.status, 200);
        assert_eq!(app.number("SELECT generation FROM refresh_families", &[]).await, 1);
        // The replay is no reason to keep the parent any longer.
        app.clock.advance(MICROSECOND);
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }

    async fn op_05_the_window_is_for_the_client_that_lost_the_answer(app: TestApp) {
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        refresh_as(&app, "a thief", &first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        // A stranger with an old token cannot sign the owner out.
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
        next(&app, &second.refresh_token).await;
    }

    async fn op_05_the_child_closes_the_window_of_its_parent(app: TestApp) {
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        next(&app, &second.refresh_token).await;
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 1);
    }

    async fn op_05_without_a_window_the_parent_is_reuse_at_once(app: TestApp = |setup| setup.set("tokens.replay_window", "0s")) {
        let first = app.user("ada").await;
        next(&app, &first.refresh_token).await;
        app.clock.advance(MICROSECOND);
        app.refresh(&first.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 1);
    }

    async fn a_session_ends_when_it_is_idle_for_a_week_or_thirty_days_old(app: TestApp) {
        const DAY: Duration = Duration::from_secs(86_400);
        let idle = app.user("idle").await;
        let mut busy = app.user("busy").await;
        app.clock.advance(7 * DAY - MICROSECOND);
        busy = next(&app, &busy.refresh_token).await;
        app.clock.advance(MICROSECOND);
        app.refresh(&idle.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        for _ in 0..3 {
            app.clock.advance(6 * DAY);
            busy = next(&app, &busy.refresh_token).await;
        }
        // 25 days old: the idle limit is cut at the absolute one.
        app.clock.advance(Duration::from_secs(4 * 86_400));
        let answer = app.refresh(&busy.refresh_token).await;
        assert_eq!(answer.json()["refresh_expires_in"], 86_400);
        app.clock.advance(DAY - MICROSECOND);
        busy = next(&app, &Persona::of(&answer).refresh_token).await;
        app.clock.advance(MICROSECOND);
        app.refresh(&busy.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
    }

    async fn brief3_the_database_keeps_no_refresh_token(app: TestApp) {
        // The canary looks for the text; here stands that what is kept is not the token's bytes either.
        let first = app.user("ada").await;
        let second = next(&app, &first.refresh_token).await;
        let validator = second.refresh_token.split_once('.').unwrap().1;
        let secret = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, validator).unwrap();
        for column in ["SELECT current_hash FROM refresh_families", "SELECT sealed_successor FROM refresh_families"] {
            let kept = app.bytes(column, &[]).await.unwrap();
            assert!(!kept.windows(16).any(|window| secret.windows(16).any(|part| part == window)), "{column}");
        }
        // The database and the master key together do not open the successor: that takes the token before it.
        let sealed = app.bytes("SELECT sealed_successor FROM refresh_families", &[]).await.unwrap();
        let context = app.bytes("SELECT previous_hash FROM refresh_families", &[]).await.unwrap();
        let key = master_key().derive("gatepost refresh successors");
        assert!(key.open(&context, &sealed).is_none());
        assert!(key.salted(&context).open(&context, &sealed).is_none());
        let presented = first.refresh_token.split_once('.').unwrap().1;
        let presented = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, presented).unwrap();
        assert_eq!(*key.salted(&presented).open(&context, &sealed).unwrap().expose(), secret);
    }

    async fn sessions_that_are_over_are_forgotten_a_day_later(app: TestApp) {
        let sessions = async || app.number("SELECT count(*) FROM sessions", &[]).await;
        let forget = async || gatepost_server::jobs::forget(&app.app).await.unwrap();
        let idle = app.user("ada").await;
        let signed_out = app.login("ada", PASSWORD).await;
        let signed_out = Persona::of(&signed_out).access_token;
        app.post("/api/v1/auth/logout").bearer(&signed_out).send().await;
        app.clock.advance(Duration::from_secs(86_400));
        forget().await;
        assert_eq!(sessions().await, 2);
        app.clock.advance(MICROSECOND);
        forget().await;
        assert_eq!(sessions().await, 1, "signed out a day ago");
        app.clock.advance(Duration::from_secs(7 * 86_400) - MICROSECOND);
        forget().await;
        assert_eq!(sessions().await, 1);
        app.clock.advance(MICROSECOND);
        forget().await;
        assert_eq!(sessions().await, 0, "idle for seven days, and that a day ago");
        assert_eq!(app.number("SELECT count(*) FROM refresh_families", &[]).await, 0);
        app.refresh(&idle.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }
}
