//! Accounts that are there.

use gatepost_server::imports::{Format, Options};
use gatepost_testkit::{PASSWORD, on_each_db};
use serde_json::json;

use super::{HASH, OLD_PASSWORD, csv, entries, import, jsonl, stream};

on_each_db! {
    async fn an_update_changes_what_the_file_gives_and_nothing_else(app: TestApp) {
        let ada = app.user("ada").await;
        let text = "{\"email\": \"ADA@example.com\", \"first_name\": \"Ada\", \"bio\": \"x\", \"created_at\": \"2001-01-01T00:00:00Z\"}\n";
        assert_eq!(jsonl(&app, text).await.counts(), [0, 1, 0, 0, 0]);
        let me = app.second_node().await.me(&ada.access_token).await.json();
        assert_eq!((&me["first_name"], &me["bio"], &me["username"]), (&json!("Ada"), &json!("x"), &json!("ada")));
        assert_eq!(me["email"], "ada@example.com");
        assert_ne!(me["created_at"], "2001-01-01T00:00:00Z");
        // In JSON null clears; in CSV an empty cell gives nothing.
        assert_eq!(csv(&app, "email,first_name,bio\nada@example.com,,\n").await.counts(), [0, 0, 1, 0, 0]);
        assert_eq!(jsonl(&app, "{\"email\": \"ada@example.com\", \"bio\": null}\n").await.counts(), [0, 1, 0, 0, 0]);
        let me = app.second_node().await.me(&ada.access_token).await.json();
        assert_eq!((&me["first_name"], &me["bio"]), (&json!("Ada"), &json!(null)));
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn a_row_that_changes_nothing_writes_nothing(app: TestApp) {
        let text = format!("email,username,email_verified,roles,is_active,password_hash\nada@example.com,ada,true,admin,true,{HASH}\n");
        csv(&app, &text).await;
        let before = (entries(&app).await, app.number("SELECT version FROM users", &[]).await);
        assert_eq!(csv(&app, &text).await.counts(), [0, 0, 1, 0, 0]);
        assert_eq!((entries(&app).await, app.number("SELECT version FROM users", &[]).await), before);
    }

    async fn a_password_is_left_alone_unless_told_otherwise_and_then_every_session_ends(app: TestApp) {
        let ada = app.user("ada").await;
        app.execute("UPDATE users SET email_verified = TRUE", &[]).await;
        let text = format!("email,password_hash\nada@example.com,{HASH}\n");
        assert_eq!(csv(&app, &text).await.counts(), [0, 0, 1, 0, 0]);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        let replace = Options { replace_passwords: true, ..Options::default() };
        let key = app.api_key(&ada, &[]).await;
        let ended = import(&app, stream(&text, Format::Csv), replace).await.unwrap();
        assert_eq!(ended.counts(), [0, 1, 0, 0, 0]);
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        // Its owner had shown that the address is theirs: their keys outlive a change of password.
        assert_eq!(app.get("/api/v1/users/me").api_key(&key).send().await.status, 200);
        let changed = "SELECT count(*) FROM audit_log WHERE action = 'password_changed'";
        assert_eq!(app.number(changed, &[]).await, 1);
        assert_eq!(import(&app, stream(&text, Format::Csv), replace).await.unwrap().counts(), [0, 0, 1, 0, 0]);
        assert_eq!(app.login("ada", OLD_PASSWORD).await.status, 200);
    }

    async fn reg_06_brief3_a_file_that_vouches_for_an_address_throws_out_whoever_registered_it(app: TestApp) {
        // Somebody registers an address that is not theirs, and waits for its owner's account to move here.
        let eve = app.user("ada").await;
        let key = app.api_key(&eve, &[]).await;
        let text = format!("email,email_verified,roles,password_hash\nada@example.com,true,admin,{HASH}\n");
        assert_eq!(csv(&app, &text).await.counts(), [0, 1, 0, 0, 0]);
        app.me(&eve.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&eve.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.number("SELECT count(*) FROM mail_links", &[]).await, 0);
        let answer = app.login("ada", OLD_PASSWORD).await;
        assert_eq!(answer.json()["user"]["roles"], json!(["admin", "user"]), "{}", answer.text());
    }

    async fn reg_06_an_account_whose_address_nobody_verified_gets_no_role(app: TestApp) {
        let eve = app.user("ada").await;
        let ended = csv(&app, "email,roles,first_name\nada@example.com,admin,Ada\n").await;
        assert_eq!(ended.counts(), [0, 0, 0, 0, 1]);
        assert!(ended.lines[0].starts_with("line 2: roles: "), "{:?}", ended.lines);
        let me = app.second_node().await.me(&eve.access_token).await.json();
        assert_eq!((&me["roles"], &me["first_name"]), (&json!(["user"]), &json!(null)));
    }

    async fn reg_06_a_password_from_a_file_leaves_nothing_of_whoever_registered_the_address(app: TestApp) {
        let eve = app.user("ada").await;
        let key = app.api_key(&eve, &[]).await;
        let replace = Options { replace_passwords: true, ..Options::default() };
        let text = format!("email,password_hash\nada@example.com,{HASH}\n");
        let ended = import(&app, stream(&text, Format::Csv), replace).await.unwrap();
        assert_eq!(ended.counts(), [0, 1, 0, 0, 0]);
        app.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
        app.me(&eve.access_token).await.assert_refused(401, "invalid_token");
        assert_eq!(app.number("SELECT count(*) FROM users WHERE email_verified", &[]).await, 0);
    }

    async fn roles_are_added_and_never_taken(app: TestApp) {
        csv(&app, "email,email_verified,roles\nada@example.com,true,admin\nbob@example.com,true,\n").await;
        assert_eq!(csv(&app, "email,roles\nada@example.com,user\nbob@example.com,admin\n").await.counts(), [0, 1, 1, 0, 0]);
        assert_eq!(app.number("SELECT count(*) FROM user_roles WHERE role = 'admin'", &[]).await, 2);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'role_granted'", &[]).await, 1);
        // A verified address stays one.
        assert_eq!(csv(&app, "email,email_verified\nada@example.com,false\n").await.counts(), [0, 0, 1, 0, 0]);
        assert_eq!(app.number("SELECT count(*) FROM users WHERE email_verified", &[]).await, 2);
    }

    async fn ses_11_a_row_that_disables_an_account_ends_its_sessions_and_the_last_administrator_stays(app: TestApp) {
        let owner = app.owner().await;
        let ada = app.user("ada").await;
        let text = "email,is_active,first_name\nowner@example.com,false,Gone\nada@example.com,false,\n";
        let ended = csv(&app, text).await;
        assert_eq!(ended.counts(), [0, 1, 0, 0, 1]);
        assert_eq!(ended.lines, ["line 2: is_active: This is the last administrator."]);
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        let me = app.me(&owner.access_token).await;
        assert_eq!((me.status, &me.json()["first_name"]), (200, &json!(null)), "nothing of a bad row is written");
    }

    async fn names_are_decided_in_the_order_of_the_file(app: TestApp) {
        csv(&app, "email,username,phone_number\na@example.com,first,+441632960961\n").await;
        // a gives its names up, b takes them, c comes too late; d is new and e wants what d has.
        let text = "{\"email\": \"a@example.com\", \"username\": \"other\", \"phone_number\": null}\n\
            {\"email\": \"b@example.com\", \"username\": \"First\", \"phone_number\": \"+441632960961\"}\n\
            {\"email\": \"c@example.com\", \"username\": \"first\"}\n\
            {\"email\": \"d@example.com\", \"username\": \"newest\"}\n\
            {\"email\": \"a@example.com\", \"username\": \"newest\"}\n\
            {\"email\": \"d@example.com\", \"username\": \"latest\"}\n\
            {\"email\": \"e@example.com\", \"username\": \"newest\"}\n";
        let ended = jsonl(&app, text).await;
        assert_eq!(ended.counts(), [3, 2, 0, 0, 2]);
        assert_eq!(ended.lines.iter().map(|line| &line[..16]).collect::<Vec<_>>(), ["line 3: username", "line 5: username"]);
        let names = app.text(
            "SELECT max(CASE WHEN email = 'a@example.com' THEN username END) || ' ' || max(CASE WHEN email = 'b@example.com' THEN username END) \
             || ' ' || max(CASE WHEN email = 'd@example.com' THEN username END) || ' ' || max(CASE WHEN email = 'e@example.com' THEN username END) FROM users", &[]).await;
        assert_eq!(names.as_deref(), Some("other First latest newest"));
    }
}
