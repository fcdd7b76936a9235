//! Setting a new password with a link.

use std::time::Duration;

use gatepost_server::recovery::answer_requests;
use gatepost_testkit::{PASSWORD, on_each_db};
use tokio::task::JoinSet;

use super::letters::{
    ask, changed, kinds, newest, present, reset, reset_token, undo_token, verified, verify,
};

const NEW: &str = "CANARY lighthouse above the reef";
const OTHER: &str = "CANARY ferries along the coast";

on_each_db! {
    async fn rec_06_brief3_a_reset_ends_every_session_tells_the_user_and_signs_nobody_in(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        let other = gatepost_testkit::Persona::of(&app.login("ada", PASSWORD).await);
        let second = app.second_node().await;
        assert_eq!(second.me(&ada.access_token).await.status, 200);
        let token = reset_token(&app, &ada.email).await;
        let answer = reset(&app, &token, NEW).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("set-cookie"), "");
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        for refresh in [&ada.refresh_token, &other.refresh_token] {
            app.refresh(refresh).await.assert_refused(401, "invalid_refresh_token");
            second.refresh(refresh).await.assert_refused(401, "invalid_refresh_token");
        }
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", NEW).await.status, 200);
        assert_eq!(kinds(&app, &ada.email).await, ["verify_address", "reset_password", "password_changed"]);
        let details = app.text("SELECT details FROM audit_log WHERE action = 'password_reset'", &[]).await;
        assert_eq!(details.as_deref(), Some(r#"{"purged":false}"#));
    }

    async fn rec_06_no_key_lives_on_after_a_reset(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        let key = app.api_key(&ada, &[]).await;
        let call = || app.get("/api/v1/users/me").api_key(&key).send();
        assert_eq!(call().await.status, 200);
        let token = reset_token(&app, &ada.email).await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        call().await.assert_refused(401, "invalid_token");
        let revoked = "SELECT count(*) FROM audit_log WHERE action = 'api_key_revoked'";
        assert_eq!(app.number(revoked, &[]).await, 1);
    }

    async fn rec_02_brief3_a_reset_link_works_once(app: TestApp) {
        let ada = app.user("ada").await;
        let token = reset_token(&app, &ada.email).await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        reset(&app, &token, OTHER).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("ada", NEW).await.status, 200);
    }

    async fn rec_02_a_newer_link_ends_the_older_one(app: TestApp) {
        let ada = app.user("ada").await;
        let (first, second) = (reset_token(&app, &ada.email).await, reset_token(&app, &ada.email).await);
        reset(&app, &first, NEW).await.assert_refused(400, "invalid_token");
        assert_eq!(reset(&app, &second, NEW).await.status, 204);
    }

    async fn rec_02_brief3_a_changed_password_ends_the_link(app: TestApp) {
        let ada = app.user("ada").await;
        let token = reset_token(&app, &ada.email).await;
        assert_eq!(app.change_password(&ada.access_token, PASSWORD, OTHER).await.status, 200);
        reset(&app, &token, NEW).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("ada", OTHER).await.status, 200);
    }

    async fn rec_02_a_reset_link_ends_after_thirty_minutes_to_the_microsecond(app: TestApp) {
        let ada = app.user("ada").await;
        let half_an_hour = Duration::from_secs(30 * 60);
        let token = reset_token(&app, &ada.email).await;
        app.clock.advance(half_an_hour);
        let hashes = app.app.hasher.stats().argon2;
        reset(&app, &token, NEW).await.assert_refused(400, "invalid_token");
        assert_eq!(app.app.hasher.stats().argon2, hashes, "a dead link costs no hash");
        let token = reset_token(&app, &ada.email).await;
        app.clock.advance(half_an_hour - Duration::from_micros(1));
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
    }

    async fn rec_02_of_parallel_uses_of_a_link_one_wins(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        let nodes = [(*app).clone(), app.second_node().await];
        for round in 0..3 {
            let token = reset_token(&app, &ada.email).await;
            let mut racing = JoinSet::new();
            for contender in 0..8 {
                let (node, token) = (nodes[contender % 2].clone(), token.clone());
                let password = format!("CANARY {round} boats of {contender} harbours");
                racing.spawn(async move { reset(&node, &token, &password).await });
            }
            let answers = racing.join_all().await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
            for answer in answers.iter().filter(|answer| answer.status != 204) {
                answer.assert_refused(400, "invalid_token");
            }
            app.clock.advance(Duration::from_secs(6 * 60 * 60));
        }
    }

    async fn a_refused_password_does_not_use_the_link_up(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        let token = reset_token(&app, &ada.email).await;
        reset(&app, &token, "short").await.assert_invalid("/new_password", "password_too_short");
        reset(&app, &token, "password1234").await.assert_invalid("/new_password", "password_blocklisted");
        reset(&app, &token, PASSWORD).await.assert_invalid("/new_password", "password_reused");
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
    }

    async fn what_was_never_a_token_is_an_invalid_link_before_any_work(app: TestApp) {
        app.user("ada").await;
        let hashes = app.app.hasher.stats().argon2;
        let made_up = format!("gpl_{}", "A".repeat(43));
        for token in ["", "gpl_", "gpl_none", "rt1_AAAA.AAAA", made_up.as_str(), &"x".repeat(10_000)] {
            reset(&app, token, "short").await.assert_refused(400, "invalid_token");
        }
        assert_eq!(app.app.hasher.stats().argon2, hashes);
    }

    async fn bru_09_brief3_a_disabled_or_deleted_user_resets_nothing(app: TestApp) {
        for (name, deleted) in [("disabled", false), ("deleted", true)] {
            let user = app.user(name).await;
            let token = reset_token(&app, &user.email).await;
            if deleted {
                app.delete_account(user.user_id()).await;
            } else {
                app.set_active(user.user_id(), false).await;
                app.set_active(user.user_id(), true).await;
                app.set_active(user.user_id(), false).await;
            }
            reset(&app, &token, NEW).await.assert_refused(400, "invalid_token");
            ask(&app, "forgot-password", &user.email).await;
            answer_requests(&app.app).await.unwrap();
            let resets = kinds(&app, &user.email).await.into_iter().filter(|kind| kind == "reset_password").count();
            assert_eq!(resets, 1, "{name}");
        }
    }

    async fn reg_06_brief3_a_reset_of_an_unverified_address_throws_the_squatter_out(app: TestApp) {
        // Somebody registered an address that is not theirs, and waits.
        let squatter = app.user("victim").await;
        assert_eq!(app.me(&squatter.access_token).await.status, 200);
        let token = reset_token(&app, "victim@example.com").await;
        // What the squatter chose says nothing to whoever reads the mailbox: it may be used.
        assert_eq!(reset(&app, &token, PASSWORD).await.status, 204);
        app.me(&squatter.access_token).await.assert_refused(401, "invalid_token");
        let form = [("grant_type", "refresh_token"), ("refresh_token", squatter.refresh_token.as_str())];
        app.token(&form).await.assert_refused(400, "invalid_grant");
        let hashes = app.number("SELECT count(*) FROM password_history", &[]).await;
        assert_eq!(hashes, 1, "nothing of the squatter's is left");
        let owner = gatepost_testkit::Persona::of(&app.login("victim@example.com", PASSWORD).await);
        assert_eq!(app.me(&owner.access_token).await.json()["email_verified"], true);
        let links = app.number("SELECT count(*) FROM mail_links", &[]).await;
        assert_eq!(links, 0);
        let details = app.text("SELECT details FROM audit_log WHERE action = 'password_reset'", &[]).await;
        assert_eq!(details.as_deref(), Some(r#"{"purged":true}"#));
    }

    async fn reg_06_the_keys_of_a_squatter_open_nothing_after_the_reset(app: TestApp) {
        let squatter = app.user("victim").await;
        let body = serde_json::json!({ "name": "later", "scopes": [] });
        let key = app.post("/api/v1/api-keys").bearer(&squatter.access_token).json(&body).send().await;
        assert_eq!(key.status, 201, "{}", key.text());
        let key = key.json()["key"].as_str().unwrap().to_owned();
        assert_eq!(app.me(&key).await.status, 200);
        let token = reset_token(&app, "victim@example.com").await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        app.me(&key).await.assert_refused(401, "invalid_token");
    }

    async fn reg_06_the_second_factor_of_a_squatter_does_not_keep_the_owner_out(app: TestApp) {
        let squatter = app.user("victim").await;
        let squatter = app.with_totp(&squatter).await;
        let challenge = app.challenge("victim").await;
        let token = reset_token(&app, "victim@example.com").await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        let code = app.next_code(&squatter.authenticator);
        let answer = app.second_factor(&challenge, "totp", &code).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        let owner = gatepost_testkit::Persona::of(&app.login("victim@example.com", NEW).await);
        assert_eq!(app.me(&owner.access_token).await.json()["two_factor_enabled"], false);
        let details = app.text("SELECT details FROM audit_log WHERE action = 'second_factor_disabled'", &[]).await;
        assert_eq!(details.as_deref(), Some(r#"{"by":"recovery"}"#));
    }

    async fn rec_06_the_notice_of_a_reset_says_what_went_with_the_password(app: TestApp) {
        for (name, is_verified, with_factor, with_key) in [
            ("plain", false, false, false), ("squatted", false, true, true), ("owned", true, true, true), ("keyed", true, false, true),
        ] {
            let user = if is_verified { verified(&app, name).await } else { app.user(name).await };
            let user = if with_factor { app.with_totp(&user).await.persona } else { user };
            if with_key {
                app.api_key(&user, &[]).await;
            }
            let token = reset_token(&app, &user.email).await;
            assert_eq!(reset(&app, &token, NEW).await.status, 204);
            let notice = newest(&app, &user.email, "password_changed").await.says;
            let said = (&notice["second_factor_gone"], &notice["api_keys_gone"]);
            // A factor goes only where nobody had shown that the mailbox is theirs.
            assert_eq!(said, (&(with_factor && !is_verified).into(), &with_key.into()), "{name}");
        }
    }

    async fn reg_06_no_link_of_a_squatter_takes_the_account_back_after_the_reset(app: TestApp) {
        let squatter = verified(&app, "squatter").await;
        changed(&app, &squatter, "victim@example.com").await;
        let undo = undo_token(&app, "squatter@example.com").await;
        // As if nobody had ever shown that the mailbox is theirs.
        app.execute("UPDATE users SET email_verified = FALSE", &[]).await;
        let token = reset_token(&app, "victim@example.com").await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        present(&app, "undo-email", &undo).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("victim@example.com", NEW).await.status, 200);
    }

    async fn mfa_08_a_mailed_link_never_gets_past_a_second_factor(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        let ada = app.with_totp(&ada).await;
        let former = app.challenge("ada").await;
        let token = reset_token(&app, &ada.persona.email).await;
        let answer = reset(&app, &token, NEW).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("set-cookie"), "");
        // What began before ends; what begins now asks for the factor, which is the same.
        let code = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&former, "totp", &code).await.status, 401);
        let answer = app.login("ada", NEW).await;
        answer.assert_refused(401, "mfa_required");
        let challenge = answer.json()["challenge"].as_str().unwrap().to_owned();
        let code = app.next_code(&ada.authenticator);
        assert_eq!(app.second_factor(&challenge, "totp", &code).await.status, 200);
        // Lost phone and lost password: the mailbox and a recovery code, and nobody else.
        let token = reset_token(&app, &ada.persona.email).await;
        assert_eq!(reset(&app, &token, OTHER).await.status, 204);
        let challenge = app.login("ada", OTHER).await.json()["challenge"].as_str().unwrap().to_owned();
        let answer = app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn bru_02_a_reset_opens_the_door_that_a_guesser_closed(app: TestApp) {
        let ada = app.user("ada").await;
        verify(&app, &ada.email).await;
        for _ in 0..8 {
            app.login("ada", "another password").await;
        }
        app.login("ada", PASSWORD).await.assert_refused(429, "too_many_attempts");
        let token = {
            ask(&app, "forgot-password", &ada.email).await;
            answer_requests(&app.app).await.unwrap();
            newest(&app, &ada.email, "reset_password").await.token()
        };
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        assert_eq!(app.login("ada", NEW).await.status, 200);
    }

    async fn reg_06_the_password_of_a_squatter_opens_nothing_after_the_reset(app: TestApp) {
        app.user("victim").await;
        let token = reset_token(&app, "victim@example.com").await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        app.login("victim@example.com", PASSWORD).await.assert_refused(401, "invalid_credentials");
    }

    async fn pwd_08_a_change_of_password_owes_its_notice(app: TestApp) {
        let ada = app.user("ada").await;
        assert_eq!(app.change_password(&ada.access_token, PASSWORD, NEW).await.status, 200);
        let notice = newest(&app, &ada.email, "password_changed").await;
        assert_eq!(notice.says["at"], "2026-01-01, 00:00 UTC");
        app.change_password(&ada.access_token, NEW, OTHER).await.assert_refused(401, "invalid_token");
        assert_eq!(kinds(&app, &ada.email).await.iter().filter(|kind| *kind == "password_changed").count(), 1);
    }
}
