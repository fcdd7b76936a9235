//! Taking a change of address back.

use std::time::Duration;

use gatepost_server::accounts::{self, Email, NewUser, Patch, ProfileInput};
use gatepost_testkit::{PASSWORD, Persona, TestApp, on_each_db};
use serde_json::json;

use super::letters::{
    address, changed, confirm_token, kinds, newest, present, reset, reset_token, undo_token, verified,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NEW: &str = "CANARY lighthouse above the reef";
const THIEF: &str = "thief@example.org";

/// Signs in again, to be fresh.
async fn again(app: &TestApp, email: &str, password: &str) -> Persona {
    Persona::of(&app.login(email, password).await)
}

async fn register(app: &TestApp, email: &str) -> u16 {
    let body = json!({ "email": email, "password": PASSWORD });
    app.post("/api/v1/auth/register").json(&body).send().await.status
}

on_each_db! {
    async fn rec_08_the_old_mailbox_takes_the_account_back_from_a_thief(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let second = app.second_node().await;
        changed(&app, &ada, THIEF).await;
        // The thief makes themselves at home: a password, a session, a key.
        let token = reset_token(&app, THIEF).await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        let thief = again(&app, THIEF, NEW).await;
        let key = app.api_key(&thief, &[]).await;
        assert_eq!(second.me(&thief.access_token).await.status, 200);
        let pending = confirm_token(&app, &thief, "thief-2@example.org").await;
        let own_reset = reset_token(&app, THIEF).await;

        let undo = undo_token(&app, "ada@example.com").await;
        let answer = present(&app, "undo-email", &undo).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(address(&app, &ada).await, ("ada@example.com".to_owned(), true));
        app.me(&thief.access_token).await.assert_refused(401, "invalid_token");
        app.me(&key).await.assert_refused(401, "invalid_token");
        app.refresh(&thief.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        for name in ["ada", "ada@example.com", THIEF] {
            app.login(name, NEW).await.assert_refused(401, "invalid_credentials");
        }
        present(&app, "confirm-email", &pending).await.assert_refused(400, "invalid_token");
        reset(&app, &own_reset, NEW).await.assert_refused(400, "invalid_token");
        present(&app, "undo-email", &undo_token(&app, THIEF).await).await.assert_refused(400, "invalid_token");
        assert_eq!(kinds(&app, THIEF).await.last().unwrap(), "address_changed");
        // The way in is in the old mailbox.
        let token = newest(&app, "ada@example.com", "reset_password").await.token();
        reset(&app, &token, NEW).await.assert_invalid("/new_password", "password_reused");
        assert_eq!(reset(&app, &token, "CANARY ferries along the coast").await.status, 204);
        assert_eq!(app.login("ada@example.com", "CANARY ferries along the coast").await.status, 200);
        let undone = app.number("SELECT count(*) FROM audit_log WHERE action = 'email_change_undone'", &[]).await;
        assert_eq!(undone, 1);
    }

    async fn rec_08_a_change_can_be_taken_back_before_anybody_confirmed_it(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let pending = confirm_token(&app, &ada, THIEF).await;
        let undo = undo_token(&app, &ada.email).await;
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
        present(&app, "confirm-email", &pending).await.assert_refused(400, "invalid_token");
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        let told = ["verify_address", "address_changing", "reset_password"];
        assert_eq!(kinds(&app, &ada.email).await, told, "nothing was changed that could be told");
    }

    async fn rec_08_the_oldest_mailbox_wins(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "b@example.com").await;
        changed(&app, &ada, "c@example.com").await;
        let (a, b) = (undo_token(&app, "ada@example.com").await, undo_token(&app, "b@example.com").await);
        // The later one works, and leaves the earlier one its way back.
        assert_eq!(present(&app, "undo-email", &b).await.status, 204);
        assert_eq!(address(&app, &ada).await.0, "b@example.com");
        assert_eq!(present(&app, "undo-email", &a).await.status, 204);
        assert_eq!(address(&app, &ada).await.0, "ada@example.com");
        // The other way round there is nothing left for the later one.
        let bob = verified(&app, "bob").await;
        changed(&app, &bob, "d@example.com").await;
        changed(&app, &bob, "e@example.com").await;
        let (bob_a, d) = (undo_token(&app, "bob@example.com").await, undo_token(&app, "d@example.com").await);
        assert_eq!(present(&app, "undo-email", &bob_a).await.status, 204);
        present(&app, "undo-email", &d).await.assert_refused(400, "invalid_token");
        assert_eq!(address(&app, &bob).await.0, "bob@example.com");
    }

    async fn bru_02_taking_a_change_back_opens_the_door_that_a_guesser_closed(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, THIEF).await;
        // Nobody has the address meanwhile; it is the account's again in a moment.
        for _ in 0..8 {
            app.login("ada@example.com", "another password").await;
        }
        app.login("ada@example.com", PASSWORD).await.assert_refused(429, "too_many_attempts");
        let undo = undo_token(&app, "ada@example.com").await;
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
        app.login("ada@example.com", PASSWORD).await.assert_refused(401, "invalid_credentials");
    }

    async fn rec_08_a_new_password_takes_nobody_their_way_back(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, THIEF).await;
        let undo = undo_token(&app, "ada@example.com").await;
        let token = reset_token(&app, THIEF).await;
        assert_eq!(reset(&app, &token, NEW).await.status, 204);
        let thief = again(&app, THIEF, NEW).await;
        let changed = app.change_password(&thief.access_token, NEW, "CANARY boats in the harbour").await;
        assert_eq!(changed.status, 200);
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
        assert_eq!(address(&app, &ada).await.0, "ada@example.com");
    }

    async fn rec_02_a_change_can_be_taken_back_for_seven_days_to_the_microsecond(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "new@example.com").await;
        let undo = undo_token(&app, "ada@example.com").await;
        app.clock.advance(7 * DAY);
        present(&app, "undo-email", &undo).await.assert_refused(400, "invalid_token");
        let bob = verified(&app, "bob").await;
        changed(&app, &bob, "newer@example.com").await;
        let undo = undo_token(&app, "bob@example.com").await;
        app.clock.advance(7 * DAY - Duration::from_micros(1));
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
    }

    async fn rec_08_nobody_registers_or_claims_an_address_that_may_be_taken_back(app: TestApp) {
        let ada = verified(&app, "ada").await;
        let mallory = verified(&app, "mallory").await;
        changed(&app, &ada, THIEF).await;
        assert_eq!(register(&app, "ADA@example.com").await, 409);
        // No link leaves for a reserved address; one that is there all the same does not help.
        let early = "UPDATE mail_links SET address = 'ada@example.com', typed = 'ada@example.com' WHERE purpose = 'confirm_email'";
        let token = confirm_token(&app, &mallory, "unused@example.com").await;
        assert_eq!(app.execute(early, &[]).await, 1);
        present(&app, "confirm-email", &token).await.assert_refused(409, "email_taken");
        // The account itself may return to it.
        let back = confirm_token(&app, &ada, "ada@example.com").await;
        assert_eq!(present(&app, "confirm-email", &back).await.status, 204);
        changed(&app, &ada, THIEF).await;
        app.clock.advance(7 * DAY);
        assert_eq!(register(&app, "ada@example.com").await, 201);
    }

    async fn a_deleted_account_reserves_nothing(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "new@example.com").await;
        app.delete_account(ada.user_id()).await;
        assert_eq!(register(&app, "ada@example.com").await, 201);
    }

    async fn an_address_that_was_retaken_all_the_same_is_not_taken_from_its_owner(app: TestApp) {
        let ada = verified(&app, "ada").await;
        changed(&app, &ada, "new@example.com").await;
        let undo = undo_token(&app, "ada@example.com").await;
        let (act, random) = (app.app.operator_act(), app.app.random.clone());
        let profile = || {
            let mut check = gatepost_problem::Check::new();
            let input = ProfileInput {
                username: Patch::Keep, phone_number: Patch::Keep, first_name: Patch::Keep, last_name: Patch::Keep,
                bio: Patch::Keep, avatar_url: Patch::Keep, country: Patch::Keep,
            };
            input.check(&mut check).unwrap()
        };
        let new = NewUser {
            id: gatepost_kernel::Id::generate(act.at, &random), email: Email::parse("ada@example.com").unwrap(), verified: true,
            awaiting_approval: false, profile: profile(), by: "command_line",
        };
        app.db().write(move |tx| accounts::create(tx, &act, new.clone())).await.unwrap();
        present(&app, "undo-email", &undo).await.assert_refused(409, "email_taken");
        assert_eq!(address(&app, &ada).await.0, "new@example.com");
        assert_eq!(app.me(&ada.access_token).await.status, 200, "nothing was done");
    }
}
