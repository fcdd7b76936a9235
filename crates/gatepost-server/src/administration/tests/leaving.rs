//! The end of an account, what becomes of what it owns, and the way back.

use std::time::Duration;

use gatepost_db::{DbError, Statement, WriteTx, params};
use gatepost_server::Extension;
use gatepost_server::audit::{self, Act};
use gatepost_server::extension::OwnedResource;
use gatepost_server::ids::UserId;
use gatepost_testkit::Setup;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// Something that an application around us keeps for its users.
struct Notes;

static TRANSFER: Statement = Statement::new("TRANSFER", "UPDATE notes SET owner = ?2 WHERE owner = ?1");

impl OwnedResource for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn transfer(&self, tx: &mut WriteTx<'_>, act: &Act, from: UserId, to: UserId) -> Result<u64, DbError> {
        let count = tx.execute(&TRANSFER, &params![from, to])?;
        audit::record_transfer(tx, act, self.name(), (from, to), count)?;
        Ok(count)
    }
}

fn with_notes(setup: Setup) -> Setup {
    setup.extended(Extension::new().with_resource(Notes))
}

/// A table of notes of which these users have so many.
async fn write_notes(app: &TestApp, owners: &[(&Persona, u8)]) {
    let make = match app.engine {
        gatepost_testkit::Engine::Sqlite => {
            "CREATE TABLE notes (number INTEGER PRIMARY KEY, owner BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE)"
        }
        gatepost_testkit::Engine::Postgres => {
            "CREATE TABLE notes (number SERIAL PRIMARY KEY, owner UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE)"
        }
    };
    app.execute(make, &[]).await;
    for (owner, number) in owners {
        for _ in 0..*number {
            let owner = gatepost_db::Param::Uuid(owner.user_id().as_uuid());
            app.execute("INSERT INTO notes (owner) VALUES (?1)", &[owner]).await;
        }
    }
}

async fn notes_of(app: &TestApp, owner: &Persona) -> i64 {
    app.number("SELECT count(*) FROM notes WHERE owner = ?1", &params![owner.user_id()]).await
}

async fn forget(app: &TestApp) {
    gatepost_server::jobs::forget(&app.app).await.unwrap();
}

async fn restore(app: &TestApp, user: &Persona, by: &Persona) -> Answer {
    post(app, &of(user, "/restore"), by).await
}

on_each_db! {
    async fn ses_11_a_deleted_account_is_gone_everywhere_and_its_names_are_free(app: TestApp) {
        let second = app.second_node().await;
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let key = app.api_key(&bob, &[]).await;
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        for node in [&*app, &second] {
            node.me(&bob.access_token).await.assert_refused(401, "invalid_token");
            node.refresh(&bob.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            node.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
            node.login("bob", PASSWORD).await.assert_refused(401, "invalid_credentials");
        }
        for (method, rest) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/unlock"), (Method::POST, "/send-reset")] {
            app.call(method, &of(&bob, rest)).bearer(&admin.access_token).send().await.assert_refused(404, "not_found");
        }
        patch(&app, &bob, &admin, &json!({ "is_active": true })).await.assert_refused(404, "not_found");
        assert_ne!(app.user("bob").await.id, bob.id);
        assert_eq!(audited(&app, "user_deleted", &admin).await, 1);
    }

    async fn a_restored_account_has_everything_back_but_what_it_handed_out(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &["users:read"]).await;
        assert_eq!(patch(&app, &bob, &admin, &json!({ "phone_number": "+4930123456" })).await.status, 200);
        let key = app.api_key(&bob, &["users:read"]).await;
        let browser = app.browse("bob").await;
        app.mails().await;
        assert_eq!(post(&app, &of(&bob, "/send-reset"), &admin).await.status, 202);
        let link = app.mails().await.into_iter().find_map(|mail| mail.token).unwrap();
        let before = get(&app, &of(&bob, ""), &admin).await.json();

        restore(&app, &bob, &admin).await.assert_refused(404, "not_found");
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        let answer = restore(&app, &bob, &admin).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (mut after, mut expected) = (answer.json(), before);
        for user in [&mut after, &mut expected] {
            user.as_object_mut().unwrap().remove("updated_at");
        }
        assert_eq!(after, expected);
        assert_eq!(audited(&app, "user_restored", &admin).await, 1);

        // Nothing from before works.
        app.me(&bob.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&bob.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
        assert_eq!(app.me_in(&browser).await.status, 401);
        let body = json!({ "token": link, "new_password": "seven boats in the harbour" });
        app.post("/api/v1/auth/reset-password").json(&body).send().await.assert_refused(400, "invalid_token");
        // The owner signs in as before, with any of their names.
        for name in ["bob", "BOB@example.com"] {
            assert_eq!(signed_in(&app, name).await.id, bob.id);
        }
        restore(&app, &bob, &admin).await.assert_refused(404, "not_found");
    }

    async fn a_disabled_account_is_restored_as_it_was(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        assert_eq!(patch(&app, &bob, &admin, &json!({ "is_active": false })).await.status, 200);
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        assert_eq!(restore(&app, &bob, &admin).await.json()["is_active"], false);
        app.login("bob", PASSWORD).await.assert_refused(401, "invalid_credentials");
    }

    async fn a_name_that_was_retaken_is_not_taken_back(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        assert_eq!(patch(&app, &bob, &admin, &json!({ "phone_number": "+4930123456" })).await.status, 200);
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        let eve = app.user("eve").await;
        for (field, value, free, code) in [
            ("username", "BOB", "eve", "username_taken"),
            ("phone_number", "+4930123456", "+4930000000", "phone_taken"),
        ] {
            assert_eq!(patch(&app, &eve, &admin, &json!({ field: value })).await.status, 200);
            restore(&app, &bob, &admin).await.assert_refused(409, code);
            assert_eq!(patch(&app, &eve, &admin, &json!({ field: free })).await.status, 200);
        }
        let body = json!({ "email": "bob@example.com", "password": PASSWORD });
        let heir = Persona::of(&app.post("/api/v1/auth/register").json(&body).send().await);
        restore(&app, &bob, &admin).await.assert_refused(409, "email_taken");
        assert_eq!(delete(&app, &of(&heir, ""), &admin).await.status, 204);
        assert_eq!(restore(&app, &bob, &admin).await.status, 200);
        restore(&app, &heir, &admin).await.assert_refused(409, "email_taken");
    }

    async fn rec_08_an_address_that_somebody_may_take_back_is_not_taken_by_a_restore(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        // Somebody else had the address since, and has a link to it still.
        app.clock.advance(Duration::from_secs(61));
        let body = json!({ "email": "bob@example.com", "username": "heir", "password": PASSWORD });
        let heir = Persona::of(&app.post("/api/v1/auth/register").json(&body).send().await);
        let verify = app.mails().await.into_iter().rfind(|mail| mail.to == "bob@example.com").unwrap();
        let done = app.post("/api/v1/auth/verify-email").json(&json!({ "token": verify.token() })).send().await;
        assert_eq!(done.status, 204);
        let body = json!({ "new_email": "heir@example.com" });
        assert_eq!(app.post("/api/v1/users/me/email").bearer(&heir.access_token).json(&body).send().await.status, 202);
        let confirm = app.mails().await.into_iter().find(|mail| mail.to == "heir@example.com").unwrap();
        let done = app.post("/api/v1/auth/confirm-email").json(&json!({ "token": confirm.token() })).send().await;
        assert_eq!(done.status, 204, "{}", done.text());
        restore(&app, &bob, &admin).await.assert_refused(409, "email_taken");
    }

    async fn a_deleted_account_can_be_restored_for_seven_days_to_the_microsecond(app: TestApp) {
        let (admin, bob, eve) = (an_admin(&app, "ada").await, app.user("bob").await, app.user("eve").await);
        for user in [&bob, &eve] {
            assert_eq!(delete(&app, &of(user, ""), &admin).await.status, 204);
        }
        app.clock.advance(7 * DAY);
        forget(&app).await;
        let admin = signed_in(&app, "ada").await;
        assert_eq!(restore(&app, &bob, &admin).await.status, 200);
        app.clock.advance(Duration::from_micros(1));
        // Before it is purged already.
        restore(&app, &eve, &admin).await.assert_refused(404, "not_found");
        forget(&app).await;
        restore(&app, &eve, &admin).await.assert_refused(404, "not_found");
        let trail = "SELECT count(*) FROM audit_log WHERE user_id = ?1 AND action IN ('user_registered', 'user_deleted')";
        assert_eq!(app.number(trail, &params![eve.user_id()]).await, 2, "the audit trail outlives the account");
    }

    async fn what_it_owns_is_handed_over_counted_and_stays_there(app: TestApp = with_notes) {
        let admin = an_admin(&app, "ada").await;
        let (bob, eve, zoe) = (app.user("bob").await, app.user("eve").await, app.user("zoe").await);
        write_notes(&app, &[(&bob, 3), (&eve, 1)]).await;
        assert_eq!(delete(&app, &of(&zoe, ""), &admin).await.status, 204);
        let nobody = "019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10";
        for to in [nobody, &bob.id, &zoe.id] {
            let answer = delete(&app, &of(&bob, &format!("?transfer_to={to}")), &admin).await;
            answer.assert_invalid("/transfer_to", "unknown_user");
        }
        delete(&app, &of(&bob, "?transfer_to=x"), &admin).await.assert_refused(422, "validation_failed");
        delete(&app, &of(&bob, "?to=x"), &admin).await.assert_invalid("/to", "unknown_field");
        assert_eq!((app.me(&bob.access_token).await.status, notes_of(&app, &bob).await), (200, 3));

        assert_eq!(delete(&app, &of(&bob, &format!("?transfer_to={}", eve.id)), &admin).await.status, 204);
        assert_eq!((notes_of(&app, &bob).await, notes_of(&app, &eve).await), (0, 4));
        let details = "SELECT details FROM audit_log WHERE action = 'resources_transferred' AND user_id = ?1 AND actor_id = ?2";
        let details = app.text(details, &params![bob.user_id(), admin.user_id()]).await.unwrap();
        let details: Value = serde_json::from_str(&details).unwrap();
        assert_eq!(details, json!({ "resource": "notes", "from": bob.id, "to": eve.id, "count": 3 }));
        // What was given away is not taken back.
        assert_eq!(restore(&app, &bob, &admin).await.status, 200);
        assert_eq!((notes_of(&app, &bob).await, notes_of(&app, &eve).await), (0, 4));
    }

    async fn what_it_owns_waits_with_it_and_goes_with_it(app: TestApp = with_notes) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        write_notes(&app, &[(&bob, 2)]).await;
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        assert_eq!(restore(&app, &bob, &admin).await.status, 200);
        assert_eq!(notes_of(&app, &bob).await, 2);
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        app.clock.advance(7 * DAY + Duration::from_micros(1));
        forget(&app).await;
        assert_eq!(app.number("SELECT count(*) FROM notes", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'resources_transferred'", &[]).await, 0);
    }

    async fn deleting_and_restoring_take_a_fresh_session(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let key = app.api_key(&admin, &["users:delete"]).await;
        app.delete(&of(&bob, "")).api_key(&key).send().await.assert_refused(403, "insufficient_scope");
        app.clock.advance(Duration::from_secs(601));
        delete(&app, &of(&bob, ""), &admin).await.assert_refused(401, "insufficient_user_authentication");
        restore(&app, &bob, &admin).await.assert_refused(401, "insufficient_user_authentication");
        let fresh = signed_in(&app, "ada").await;
        assert_eq!(delete(&app, &of(&bob, ""), &fresh).await.status, 204);
    }
}
