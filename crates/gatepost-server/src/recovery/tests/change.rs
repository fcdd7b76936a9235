//! Changing an address.

use std::time::Duration;

use gatepost_server::recovery::LinkPurpose;
use gatepost_testkit::{PASSWORD, Persona, on_each_db};
use serde_json::json;
use tokio::task::JoinSet;

use super::letters::{
    address, change, changed, confirm_token, kinds, letters, newest, present, reset, reset_token, undo_token,
    verified, verify, verify_token,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NEW: &str = "CANARY lighthouse above the reef";

on_each_db! {
    async fn rec_08_an_address_changes_once_its_mailbox_has_confirmed_and_both_are_told(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let second = app.second_node().await;
        let token = confirm_token(&app, &ada, "Ada.L@lovelace.example").await;
        assert_eq!(address(&app, &ada).await, ("ada@example.com".to_owned(), true), "not before");
        assert_eq!(second.me(&ada.access_token).await.json()["email"], "ada@example.com");
        let answer = present(&app, "confirm-email", &token).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("set-cookie"), "");
        // As typed; and the session goes on.
        let me = app.me(&ada.access_token).await.json();
        assert_eq!((&me["email"], &me["email_verified"]), (&json!("Ada.L@lovelace.example"), &json!(true)));
        assert_eq!(app.login("ada.l@LOVELACE.example", PASSWORD).await.status, 200);
        app.login("ada@example.com", PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(kinds(&app, "ada@example.com").await, ["verify_address", "address_changing", "address_changed"]);
        assert_eq!(kinds(&app, "Ada.L@lovelace.example").await, ["confirm_address", "address_changed"]);
        for action in ["email_change_requested", "email_changed"] {
            let rows = app.number("SELECT count(*) FROM audit_log WHERE action = ?1", &gatepost_db::params![action]).await;
            assert_eq!(rows, 1, "{action}");
        }
    }

    async fn rec_08_a_session_that_is_not_fresh_changes_no_address(app: TestApp) {
        let ada = verified(&app, "ada").await;
        app.clock.advance(Duration::from_secs(601));
        change(&app, &ada.access_token, "thief@example.org").await.assert_refused(401, "insufficient_user_authentication");
        let key = app.api_key(&Persona::of(&app.login("ada", PASSWORD).await), &[]).await;
        let body = json!({ "new_email": "thief@example.org" });
        app.post("/api/v1/users/me/email").api_key(&key).json(&body).send().await.assert_refused(403, "insufficient_scope");
        let bob = verified(&app, "bob").await;
        let bob = app.with_totp(&bob).await.persona;
        app.clock.advance(Duration::from_secs(601));
        change(&app, &bob.access_token, "thief@example.org").await.assert_refused(401, "insufficient_user_authentication");
        assert_eq!(kinds(&app, "thief@example.org").await, Vec::<String>::new());
    }

    async fn rec_08_a_session_that_ends_while_the_body_comes_in_changes_no_address(app: TestApp) {
        let ada = verified(&app, "ada").await;
        app.clock.advance(MINUTE);
        let (node, token) = ((*app).clone(), ada.access_token.clone());
        let slow = app.post("/api/v1/users/me/email").bearer(&ada.access_token).json(&json!({ "new_email": "thief@example.org" }));
        let late = slow.meanwhile(async move { assert_eq!(node.logout(&token).await.status, 204) }).send().await;
        late.assert_refused(401, "invalid_token");
        assert_eq!(kinds(&app, "thief@example.org").await, Vec::<String>::new());
        assert_eq!(app.number("SELECT count(*) FROM mail_links", &[]).await, 0);
    }

    async fn rec_05_the_owner_of_a_disabled_account_does_not_hear_that_somebody_wants_its_address(app: TestApp) {
        let (ada, gone) = (verified(&app, "ada").await, app.user("gone").await);
        app.set_active(gone.user_id(), false).await;
        app.clock.advance(MINUTE);
        let answer = change(&app, &ada.access_token, &gone.email).await;
        assert_eq!((answer.status, answer.json()), (202, json!({ "status": "check_email" })));
        assert_eq!(kinds(&app, &gone.email).await, ["verify_address"]);
    }

    async fn rec_05_whether_the_new_address_is_taken_nobody_who_asks_can_see(app: TestApp) {
        let (ada, bob) = (verified(&app, "ada").await, verified(&app, "bob").await);
        app.user("taken").await;
        // Reserved, and taken.
        let moved = verified(&app, "moved").await;
        changed(&app, &moved, "elsewhere@example.com").await;
        app.clock.advance(MINUTE);
        let (ada, bob) = (Persona::of(&app.login(&ada.email, PASSWORD).await), Persona::of(&app.login(&bob.email, PASSWORD).await));
        let free = change(&app, &ada.access_token, "free@example.com").await;
        assert_eq!((free.status, free.json()), (202, json!({ "status": "check_email" })));
        for (taken, wait) in [("Taken@Example.com", MINUTE), ("moved@example.com", MINUTE), ("taken@example.com", MINUTE)] {
            let answer = change(&app, &bob.access_token, taken).await;
            answer.assert_uniform(&free);
            app.clock.advance(wait);
        }
        // The present mailbox and the audit trail say the same for both.
        assert_eq!(kinds(&app, &ada.email).await, ["verify_address", "address_changing"]);
        assert_eq!(kinds(&app, &bob.email).await[1..], ["address_changing", "address_changing", "address_changing"]);
        let trail = |user: Persona| {
            let call = app.get("/api/v1/users/me/audit-log").bearer(&user.access_token);
            async move {
                let mut actions: Vec<_> = call.send().await.json()["data"].as_array().unwrap().iter()
                    .map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
                actions.sort();
                actions.dedup();
                actions
            }
        };
        assert_eq!(trail(ada).await, trail(bob).await);
        // Their owners hear of it, at most once a day.
        assert_eq!(kinds(&app, "taken@example.com").await, ["verify_address", "account_exists"]);
        assert!(!kinds(&app, "moved@example.com").await.contains(&"confirm_address".to_owned()));
    }

    async fn rec_05_an_account_without_a_verified_address_cannot_see_it_either(app: TestApp) {
        app.user("taken").await;
        // No mail to a present mailbox says how often: only the link does, and so it is made for a taken address, too.
        for (name, wanted) in [("ada", "free@example.com"), ("bob", "taken@example.com")] {
            let user = app.user(name).await;
            let earlier = confirm_token(&app, &user, &format!("earlier-{name}@example.com")).await;
            app.clock.advance(MINUTE);
            for _ in 0..2 {
                assert_eq!(change(&app, &user.access_token, wanted).await.status, 202);
            }
            present(&app, "confirm-email", &earlier).await.assert_refused(400, "invalid_token");
            let requests = "SELECT count(*) FROM audit_log WHERE action = 'email_change_requested' AND user_id = ?1";
            assert_eq!(app.number(requests, &gatepost_db::params![user.user_id()]).await, 2, "{name}");
        }
    }

    async fn rec_08_of_two_who_claim_an_address_one_gets_it(app: TestApp) {
        let nodes = [(*app).clone(), app.second_node().await];
        for round in 0..3 {
            let address = format!("wanted-{round}@example.com");
            let mut claims = Vec::new();
            for _ in 0..5 {
                let user = app.some_user().await;
                // Each in a minute of its own: the mailbox gets no more.
                let token = confirm_token(&app, &user, &address).await;
                claims.push(token);
            }
            let mut racing = JoinSet::new();
            for (contender, token) in claims.into_iter().enumerate() {
                let node = nodes[contender % 2].clone();
                racing.spawn(async move { present(&node, "confirm-email", &token).await });
            }
            let answers = racing.join_all().await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
            for answer in answers.iter().filter(|answer| answer.status != 204) {
                answer.assert_refused(409, "email_taken");
            }
        }
    }

    async fn rec_08_whoever_registers_the_address_first_has_it(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let token = confirm_token(&app, &ada, "wanted@example.com").await;
        app.user("wanted").await;
        present(&app, "confirm-email", &token).await.assert_refused(409, "email_taken");
        assert_eq!(address(&app, &ada).await.0, "ada@example.com");
    }

    async fn rec_08_a_proof_for_one_address_is_none_for_the_next(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let first = confirm_token(&app, &ada, "first@example.com").await;
        let second = confirm_token(&app, &ada, "second@example.com").await;
        present(&app, "confirm-email", &first).await.assert_refused(400, "invalid_token");
        assert_eq!(present(&app, "confirm-email", &second).await.status, 204);
        assert_eq!(address(&app, &ada).await.0, "second@example.com");
    }

    async fn rec_02_a_link_to_confirm_dies_with_the_password_and_after_a_day(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let token = confirm_token(&app, &ada, "new@example.com").await;
        assert_eq!(app.change_password(&ada.access_token, PASSWORD, NEW).await.status, 200);
        present(&app, "confirm-email", &token).await.assert_refused(400, "invalid_token");
        let bob = verified(&app, "bob").await;
        let token = confirm_token(&app, &bob, "new@example.com").await;
        app.clock.advance(DAY);
        present(&app, "confirm-email", &token).await.assert_refused(400, "invalid_token");
        let bob = Persona::of(&app.login("bob", PASSWORD).await);
        let token = confirm_token(&app, &bob, "new@example.com").await;
        app.clock.advance(DAY - Duration::from_micros(1));
        assert_eq!(present(&app, "confirm-email", &token).await.status, 204);
    }

    async fn rec_02_a_change_ends_the_links_to_the_former_address(app: TestApp) {
        let ada = app.user("ada").await;
        let (old_reset, old_verify) = (reset_token(&app, &ada.email).await, verify_token(&app, &ada.email).await);
        changed(&app, &ada, "new@example.com").await;
        reset(&app, &old_reset, NEW).await.assert_refused(400, "invalid_token");
        present(&app, "verify-email", &old_verify).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("new@example.com", PASSWORD).await.status, 200);
    }

    async fn rec_02_a_link_to_an_address_stays_dead_when_the_address_returns(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let old_reset = reset_token(&app, &ada.email).await;
        for address in ["new@example.com", "ada@example.com"] {
            changed(&app, &ada, address).await;
        }
        reset(&app, &old_reset, NEW).await.assert_refused(400, "invalid_token");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn rec_08_another_spelling_of_the_same_address_is_told_once(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "ADA@example.com").await;
        assert_eq!(kinds(&app, "ADA@example.com").await, ["confirm_address", "address_changed"]);
        assert_eq!(kinds(&app, "ada@example.com").await, ["verify_address", "address_changing"]);
    }

    async fn rec_09_an_account_asks_once_a_minute_and_five_times_a_day(app: TestApp) {
        let ada = verified(&app, "ada").await;
        for (round, (seconds, mails)) in [(0, 1), (59, 1), (1, 2), (60, 3), (60, 4), (60, 5), (60, 5)].into_iter().enumerate() {
            app.clock.advance(Duration::from_secs(seconds));
            let answer = change(&app, &ada.access_token, &format!("new-{round}@example.com")).await;
            assert_eq!(answer.status, 202);
            let asked = letters(&app).await.iter().filter(|letter| letter.kind == "confirm_address").count();
            assert_eq!(asked, mails, "after {seconds} s");
        }
        // An account without a verified address, too; and a mailbox gets no more than one mail a minute from all.
        let (bob, eve) = (app.user("bob").await, app.user("eve").await);
        for user in [&bob, &bob, &eve] {
            assert_eq!(change(&app, &user.access_token, "other@example.com").await.status, 202);
        }
        assert_eq!(kinds(&app, "other@example.com").await, ["confirm_address"]);
        assert_eq!(change(&app, &bob.access_token, "another@example.com").await.status, 202);
        assert_eq!(kinds(&app, "another@example.com").await, Vec::<String>::new());
        change(&app, &bob.access_token, "a@example.com\r\nBcc: eve@example.com").await.assert_invalid("/new_email", "invalid_email");
    }

    async fn rec_09_an_account_that_verifies_its_address_meanwhile_asks_no_sooner(app: TestApp) {
        let ada = app.user("ada").await;
        let early = confirm_token(&app, &ada, "new@example.com").await;
        // The proof ends the link (REG-06), and the account may ask again once the minute is over.
        verify(&app, &ada.email).await;
        app.clock.advance(MINUTE - Duration::from_micros(1));
        assert_eq!(change(&app, &ada.access_token, "new@example.com").await.status, 202);
        assert_eq!(kinds(&app, &ada.email).await, ["verify_address"], "no notice of what does not begin");
        assert_eq!(kinds(&app, "new@example.com").await, ["confirm_address"]);
        present(&app, "confirm-email", &early).await.assert_refused(400, "invalid_token");
        app.clock.advance(Duration::from_micros(1));
        assert_eq!(change(&app, &ada.access_token, "new@example.com").await.status, 202);
        assert_eq!(kinds(&app, &ada.email).await, ["verify_address", "address_changing"]);
        // A request that comes too soon leaves this link as it is.
        assert_eq!(change(&app, &ada.access_token, "other@example.com").await.status, 202);
        let token = newest(&app, "new@example.com", "confirm_address").await.token();
        assert_eq!(present(&app, "confirm-email", &token).await.status, 204);
        assert_eq!(kinds(&app, "other@example.com").await, Vec::<String>::new());
    }

    async fn rec_01_the_links_of_a_change_begin_with_the_configured_address(app: TestApp) {
        let ada = verified(&app, "ada").await;
        app.clock.advance(MINUTE);
        let name: http::HeaderName = "x-forwarded-host".parse().unwrap();
        let call = app.post("/api/v1/users/me/email").bearer(&ada.access_token).header(name, "evil.example");
        assert_eq!(call.json(&json!({ "new_email": "new@example.com" })).send().await.status, 202);
        for (to, kind, purpose) in [
            ("new@example.com", "confirm_address", LinkPurpose::ConfirmEmail),
            ("ada@example.com", "address_changing", LinkPurpose::UndoEmail),
        ] {
            let link = newest(&app, to, kind).await.says["link"].as_str().unwrap().to_owned();
            assert!(link.starts_with(&format!("http://127.0.0.1:8080{}#token=gpl_", purpose.page())), "{kind}");
        }
    }

    async fn reg_06_an_unverified_address_gets_no_way_to_take_the_account(app: TestApp) {
        // The mailbox may be that of a stranger: whoever registered mistyped it.
        let ada = app.user("typo").await;
        changed(&app, &ada, "ada@example.com").await;
        assert_eq!(kinds(&app, "typo@example.com").await, ["verify_address"]);
        assert_eq!(address(&app, &ada).await, ("ada@example.com".to_owned(), true));
        // And it is free at once.
        app.user("typo2").await;
        let body = json!({ "email": "typo@example.com", "password": PASSWORD });
        assert_eq!(app.post("/api/v1/auth/register").json(&body).send().await.status, 201);
    }

    async fn reg_06_a_squatter_cannot_carry_off_the_account_of_whoever_proves_the_mailbox(app: TestApp) {
        for by_reset in [true, false] {
            let (victim, thief) = (format!("victim-{by_reset}"), format!("thief-{by_reset}@example.org"));
            let squatter = app.user(&victim).await;
            let pending = confirm_token(&app, &squatter, &thief).await;
            if by_reset {
                let token = reset_token(&app, &squatter.email).await;
                assert_eq!(reset(&app, &token, NEW).await.status, 204);
            } else {
                verify(&app, &squatter.email).await;
            }
            present(&app, "confirm-email", &pending).await.assert_refused(400, "invalid_token");
            assert_eq!(address(&app, &squatter).await, (squatter.email.clone(), true));
        }
    }

    async fn rec_03_the_links_of_a_change_open_no_door_but_their_own(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let confirm = confirm_token(&app, &ada, "new@example.com").await;
        let undo = undo_token(&app, &ada.email).await;
        for (token, own) in [(&confirm, "confirm-email"), (&undo, "undo-email")] {
            for path in ["verify-email", "confirm-email", "undo-email", "secure-account"] {
                if path != own {
                    present(&app, path, token).await.assert_refused(400, "invalid_token");
                }
            }
            reset(&app, token, NEW).await.assert_refused(400, "invalid_token");
            app.me(token).await.assert_refused(401, "invalid_token");
            app.refresh(token).await.assert_refused(401, "invalid_refresh_token");
        }
        assert_eq!(present(&app, "confirm-email", &confirm).await.status, 204);
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
    }

    async fn bru_09_a_disabled_user_gets_no_address(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let confirm = confirm_token(&app, &ada, "new@example.com").await;
        let undo = undo_token(&app, &ada.email).await;
        app.set_active(ada.user_id(), false).await;
        present(&app, "confirm-email", &confirm).await.assert_refused(400, "invalid_token");
        present(&app, "undo-email", &undo).await.assert_refused(400, "invalid_token");
    }
}
