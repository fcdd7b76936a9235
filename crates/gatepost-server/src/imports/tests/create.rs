//! Accounts that come to be.

use gatepost_db::{Param, params};
use gatepost_server::imports::{Format, ImportError, OnExisting, Options};
use gatepost_testkit::on_each_db;
use serde_json::json;

use super::{HASH, OLD_PASSWORD, csv, entries, import, jsonl, stream, users};

on_each_db! {
    async fn pwd_02_an_imported_account_signs_in_with_its_old_password(app: TestApp) {
        let text = format!("email,username,email_verified,created_at,password_hash\nAda@Example.com,Ada,t,2019-05-01T10:00:00Z,{HASH}\n");
        assert_eq!(csv(&app, &text).await.counts(), [1, 0, 0, 0, 0]);
        let answer = app.login("ada", OLD_PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let user = &answer.json()["user"];
        assert_eq!((&user["email"], &user["username"]), (&json!("Ada@Example.com"), &json!("Ada")));
        assert_eq!((&user["email_verified"], &user["roles"]), (&json!(true), &json!(["user"])));
        assert_eq!(user["created_at"], "2019-05-01T10:00:00Z");
        // The first sign-in made a better hash of it, and it stays refused as a new one.
        let stored = app.text("SELECT hash FROM passwords", &[]).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        let access = answer.json()["access_token"].as_str().unwrap().to_owned();
        let again = app.change_password(&access, OLD_PASSWORD, OLD_PASSWORD).await;
        assert_eq!(again.status, 422, "{}", again.text());
    }

    async fn an_account_without_a_hash_waits_for_a_password_by_mail(app: TestApp) {
        assert_eq!(csv(&app, "email\nada@example.com\n").await.counts(), [1, 0, 0, 0, 0]);
        app.login("ada@example.com", OLD_PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.number("SELECT count(*) FROM passwords", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM outbox", &[]).await, 0, "an import sends nothing");
    }

    async fn a_bad_row_costs_its_line_and_leaves_its_neighbours_alone(app: TestApp) {
        let eve = app.user("eve").await;
        let text = format!(
            "email,username,roles,password_hash\n\
             ada@example.com,ada,admin,{HASH}\n\
             no address,x,,\n\
             bob@example.com,EVE,,\n\
             bob@example.com,bob,root,\n\
             bob@example.com,bob,,$2b$31$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C\n\
             carol@example.com,Ada,,\n\
             bob@example.com,bob,,\n\
             too,few\n\
             dave@example.com,dave,user,{HASH}\n"
        );
        let ended = csv(&app, &text).await;
        assert_eq!(ended.counts(), [3, 0, 0, 0, 6]);
        let said: Vec<&str> = ended.lines.iter().map(|line| line.split(": ").take(2).last().unwrap()).collect();
        assert_eq!(said, ["email", "username", "roles", "password_hash", "username", "The row has 2 cells, the header 4."]);
        let lines: Vec<&str> = ended.lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6", "line 7", "line 9"]);
        assert!(ended.lines.iter().all(|line| !line.contains("$2b$")), "{:?}", ended.lines);
        assert_eq!(users(&app).await, 4);
        assert_eq!(app.me(&eve.access_token).await.json()["username"], "eve");
    }

    async fn every_created_account_has_its_audit_entry_with_its_roles(app: TestApp) {
        let before = entries(&app).await;
        jsonl(&app, "{\"email\": \"ada@example.com\", \"roles\": [\"admin\"]}\n{\"email\": \"bob@example.com\"}\n").await;
        assert_eq!(entries(&app).await, before + 2);
        let details = "SELECT l.details FROM audit_log l JOIN users u ON u.id = l.user_id \
            WHERE l.action = 'user_registered' AND u.email = ?1";
        let ada = app.text(details, &params!["ada@example.com"]).await.unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ada).unwrap(),
            json!({ "by": "import", "roles": ["admin", "user"], "password": false }));
        assert!(app.text(details, &params!["bob@example.com"]).await.unwrap().contains("\"roles\":[\"user\"]"));
    }

    async fn reg_04_unknown_columns_and_passwords_in_clear_are_refused_before_anything_is_written(app: TestApp) {
        let refused = [
            ("email,usrname\na@example.com,a\n", Format::Csv, "mean `username`"),
            ("email,password\na@example.com,hunter2\n", Format::Csv, "no passwords in clear"),
            ("username\na\n", Format::Csv, "`email` is missing"),
            ("{\"email\": \"a@example.com\", \"is_superuser\": true}\n", Format::Jsonl, "`is_superuser` is not known"),
        ];
        for (text, format, part) in refused {
            let told = import(&app, stream(text, format), Options::default()).await.err().unwrap();
            assert!(matches!(told, ImportError::Columns(_)) && told.to_string().contains(part), "{told}");
        }
        assert_eq!(users(&app).await, 0);
    }

    async fn reg_02_two_spellings_of_an_address_are_one_account(app: TestApp) {
        let text = "email,first_name\nada@example.com,Ada\n ADA@EXAMPLE.COM.,Augusta\nada@example.com,Augusta\n";
        assert_eq!(csv(&app, text).await.counts(), [1, 1, 1, 0, 0]);
        let name = app.text("SELECT first_name FROM users", &[]).await;
        assert_eq!(name.as_deref(), Some("Augusta"));
    }

    async fn rec_08_an_address_that_may_be_taken_back_is_nobody_elses(app: TestApp) {
        let eve = app.user("eve").await;
        let later = app.clock.now().plus(std::time::Duration::from_secs(60)).as_micros();
        app.execute(
            "INSERT INTO mail_links (purpose, token_hash, user_id, auth_epoch, address, created_at, expires_at) \
             VALUES ('undo_email', ?1, ?2, 1, 'former@example.com', 0, ?3)",
            &[Param::Bytes(vec![1; 32].into()), Param::Uuid(eve.user_id().as_uuid()), Param::Int(later)],
        )
        .await;
        let ended = csv(&app, "email\nFormer@example.com\nfree@example.com\n").await;
        assert_eq!(ended.counts(), [1, 0, 0, 0, 1]);
        assert!(ended.lines[0].starts_with("line 2: email: "), "{:?}", ended.lines);
    }

    async fn a_dry_run_checks_everything_and_writes_nothing(app: TestApp) {
        app.user("eve").await;
        let before = (users(&app).await, entries(&app).await);
        let text = "email,username,first_name\nada@example.com,ada,\nbob@example.com,eve,\neve@example.com,,Eve\nx,,\n";
        let options = Options { dry_run: true, ..Options::default() };
        let ended = import(&app, stream(text, Format::Csv), options).await.unwrap();
        assert_eq!(ended.counts(), [1, 1, 0, 0, 2]);
        assert_eq!((users(&app).await, entries(&app).await), before);
        assert_eq!(app.number("SELECT count(*) FROM imports", &[]).await, 0);
    }

    async fn accounts_that_are_there_can_be_left_alone_or_be_bad_rows(app: TestApp) {
        app.user("eve").await;
        let text = "email,first_name\neve@example.com,Eve\nada@example.com,Ada\n";
        let with = |on_existing| Options { on_existing, ..Options::default() };
        let ended = import(&app, stream(text, Format::Csv), with(OnExisting::Error)).await.unwrap();
        assert_eq!((ended.counts(), ended.lines.len()), ([1, 0, 0, 0, 1], 1));
        let ended = import(&app, stream(text, Format::Csv), with(OnExisting::Skip)).await.unwrap();
        assert_eq!(ended.counts(), [0, 0, 0, 2, 0]);
        assert_eq!(app.number("SELECT count(*) FROM users WHERE first_name = 'Eve'", &[]).await, 0);
    }

    async fn bru_09_an_account_that_is_imported_disabled_or_waiting_cannot_be_used(app: TestApp) {
        let text = format!("email,is_active,awaiting_approval,password_hash\na@example.com,false,,{HASH}\nb@example.com,,true,{HASH}\n");
        csv(&app, &text).await;
        assert_ne!(app.login("a@example.com", OLD_PASSWORD).await.status, 200);
        assert_ne!(app.login("b@example.com", OLD_PASSWORD).await.status, 200);
    }

    async fn bru_04_what_was_counted_against_a_free_name_is_not_its_owners(app: TestApp) {
        for _ in 0..6 {
            app.login("ada@example.com", "CANARY wrong and wrong again").await;
        }
        let locked = "SELECT count(*) FROM lockouts WHERE failures > 0";
        assert_eq!(app.number(locked, &[]).await, 1);
        csv(&app, &format!("email,password_hash\nada@example.com,{HASH}\n")).await;
        assert_eq!(app.number(locked, &[]).await, 0);
        assert_eq!(app.login("ada@example.com", OLD_PASSWORD).await.status, 200);
    }
}
