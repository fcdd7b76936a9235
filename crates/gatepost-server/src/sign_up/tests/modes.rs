//! Where accounts wait, where nobody registers, and what a stranger learns.

use std::time::Duration;

use gatepost_server::outbox::Kind;
use gatepost_server::passwords::HasherStats;
use gatepost_server::sign_up::approve;
use gatepost_server::{accounts, ids::UserId};
use gatepost_testkit::{Answer, Delivered, Node, PASSWORD, Setup, TestApp, on_each_db};
use serde_json::{Value, json};

use super::register;

const WRONG: &str = "CANARY a password of nobody";

fn verify_first(setup: Setup) -> Setup {
    setup.set("sign_up.mode", "verify_first")
}

fn admin_approval(setup: Setup) -> Setup {
    setup.set("sign_up.mode", "admin_approval")
}

fn closed(setup: Setup) -> Setup {
    setup.set("sign_up.mode", "closed")
}

fn of_two_domains(setup: Setup) -> Setup {
    verify_first(setup).set("sign_up.allowed_domains", "Example.com,bücher.example")
}

fn person(name: &str) -> Value {
    json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD })
}

async fn users(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users", &[]).await
}

async fn id_of(app: &TestApp, name: &str) -> UserId {
    let name = accounts::LoginIdentifier::parse(&format!("{name}@example.com")).unwrap();
    app.db().read(move |tx| accounts::by_identifier(tx, &name)).await.unwrap().unwrap().id
}

async fn let_in(app: &TestApp, name: &str) -> bool {
    let id = id_of(app, name).await;
    let user = app.db().read(move |tx| accounts::by_id(tx, id)).await.unwrap().unwrap();
    approve(&app.app, &user).await.unwrap()
}

/// Presses the button of the newest verification link.
async fn verify(app: &TestApp, name: &str) {
    let to = format!("{name}@example.com");
    let mails = app.mails().await;
    let mail = mails.iter().rfind(|mail| mail.kind == Kind::VerifyAddress && mail.to == to).unwrap();
    let body = json!({ "token": mail.token() });
    assert_eq!(app.post("/api/v1/auth/verify-email").json(&body).send().await.status, 204);
}

async fn form_login(node: &Node, name: &str, password: &str) -> Answer {
    node.token(&[("grant_type", "password"), ("username", name), ("password", password)]).await
}

/// The kinds and readers of the mails that are due.
async fn mailed(app: &TestApp) -> Vec<(Kind, String)> {
    app.mails().await.into_iter().map(|mail| (mail.kind, mail.to)).collect()
}

/// What the hasher did for one registration.
async fn work_of(app: &TestApp, body: Value) -> (Answer, HasherStats) {
    let before = app.app.hasher.stats();
    let answer = register(app, body).await;
    let after = app.app.hasher.stats();
    let work = HasherStats {
        done: after.done - before.done,
        rejected: after.rejected - before.rejected,
        waiting: after.waiting,
        argon2: after.argon2 - before.argon2,
        memory_kib: after.memory_kib - before.memory_kib,
        passes: after.passes - before.passes,
        lanes: after.lanes - before.lanes,
        foreign: after.foreign - before.foreign,
    };
    (answer, work)
}

on_each_db! {
    async fn reg_01_of_fifty_parallel_registrations_nobody_learns_which_made_the_account(app: TestApp = verify_first) {
        let second = app.second_node().await;
        let contenders = (0..50).map(|number| {
            let node: Node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            tokio::spawn(async move { register(&node, person("ada")).await })
        });
        let mut answers = Vec::new();
        for contender in contenders.collect::<Vec<_>>() {
            answers.push(contender.await.unwrap());
        }
        for answer in &answers {
            assert_eq!(answer.status, 202, "{}", answer.text());
            answer.assert_uniform(&answers[0]);
        }
        assert_eq!(answers[0].json(), json!({ "status": "check_email" }));
        assert_eq!(users(&app).await, 1);
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, 0);
        assert_eq!(mailed(&app).await, [(Kind::VerifyAddress, "ada@example.com".to_owned())]);
    }

    async fn reg_05_a_registration_tells_nothing_of_what_is_taken(app: TestApp = verify_first) {
        let mut bob = person("bob");
        bob["phone_number"] = json!("+441632960961");
        register(&app, bob).await;
        verify(&app, "bob").await;
        register(&app, person("disabled")).await;
        app.set_active(id_of(&app, "disabled").await, false).await;
        app.clock.advance(Duration::from_secs(60));
        let (fresh, usual) = work_of(&app, person("fresh")).await;
        assert_eq!((fresh.status, fresh.json()), (202, json!({ "status": "check_email" })));
        assert_eq!((usual.done, usual.argon2), (3, 2), "judged once, hashed once and compared once");
        for (email, username, phone) in [
            ("bob@example.com", "bob", "+441632960961"),
            (" BOB@example.COM. ", "another", "+441632960962"),
            ("disabled@example.com", "disabled", "+441632960963"),
            ("fresh@example.com", "fresh", "+441632960964"),
            ("carol@example.com", "BOB", "+441632960961"),
            ("dave@example.com", "dave", "+441632960961"),
        ] {
            let commits = app.number("SELECT count(*) FROM audit_log", &[]).await;
            let body = json!({ "email": email, "username": username, "phone_number": phone, "password": PASSWORD });
            let (answer, work) = work_of(&app, body).await;
            fresh.assert_uniform(&answer);
            assert_eq!(work, usual, "{email} {username} took other work");
            let after = app.number("SELECT count(*) FROM audit_log", &[]).await;
            assert!(after > commits, "{email}: nothing was written, which is quicker");
        }
        // Nothing was taken over, and nobody's password was changed.
        let owner = gatepost_testkit::Persona::of(&app.login("bob", PASSWORD).await);
        assert_eq!(owner.email, "bob@example.com");
        let is_new = |mail: &&Delivered| ["carol@example.com", "dave@example.com"].contains(&mail.to.as_str());
        let mails = app.mails().await;
        for mail in mails.iter().filter(is_new) {
            let body = json!({ "token": mail.token() });
            assert_eq!(app.post("/api/v1/auth/verify-email").json(&body).send().await.status, 204);
        }
        let carol = app.login("carol@example.com", PASSWORD).await.json();
        assert_eq!((&carol["user"]["username"], &carol["user"]["phone_number"]), (&Value::Null, &Value::Null));
        let dave = app.login("dave", PASSWORD).await.json();
        assert_eq!((&dave["user"]["username"], &dave["user"]["phone_number"]), (&json!("dave"), &Value::Null));
    }

    async fn reg_05_the_password_of_a_repeated_registration_opens_nothing(app: TestApp = verify_first) {
        register(&app, person("ada")).await;
        verify(&app, "ada").await;
        let mut again = person("ada");
        again["password"] = json!("CANARY lighthouse above the reef");
        assert_eq!(register(&app, again).await.status, 202);
        app.login("ada", "CANARY lighthouse above the reef").await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn reg_06_whoever_registers_an_address_before_its_owner_gains_nothing(app: TestApp = verify_first) {
        let other = "CANARY lighthouse above the reef";
        let new = "CANARY boats in the harbour";
        let with = |name: &str, password: &str| {
            let mut body = person(name);
            body["password"] = json!(password);
            body
        };
        // Who comes first makes no difference, and neither does who comes again.
        for (name, passwords) in [
            ("victim", &[other, PASSWORD][..]), ("early", &[PASSWORD, other]), ("often", &[other, PASSWORD, other]),
        ] {
            for (number, password) in passwords.iter().enumerate() {
                let (answer, work) = work_of(&app, with(name, password)).await;
                assert_eq!((answer.status, work.done, work.argon2), (202, 3, 2), "{name} {number}");
                app.clock.advance(Duration::from_secs(30));
            }
            verify(&app, name).await;
            for password in [PASSWORD, other] {
                app.login(name, password).await.assert_refused(401, "invalid_credentials");
            }
            let email = format!("{name}@example.com");
            app.post("/api/v1/auth/forgot-password").json(&json!({ "email": email })).send().await;
            gatepost_server::recovery::answer_requests(&app.app).await.unwrap();
            let mails = app.mails().await;
            let reset = mails.iter().find(|mail| mail.kind == Kind::ResetPassword && mail.to == email).unwrap();
            let body = json!({ "token": reset.token(), "new_password": new });
            assert_eq!(app.post("/api/v1/auth/reset-password").json(&body).send().await.status, 204);
            for password in [PASSWORD, other] {
                app.login(name, password).await.assert_refused(401, "invalid_credentials");
            }
            // The reset has cleared what was counted, and so does the right password.
            app.clock.advance(Duration::from_secs(900));
            assert_eq!(app.login(name, new).await.status, 200);
        }
        let rows = app.number("SELECT count(*) FROM audit_log WHERE action = 'password_withdrawn'", &[]).await;
        assert_eq!(rows, 3);
    }

    async fn reg_06_a_form_that_is_sent_twice_keeps_its_password(app: TestApp = verify_first) {
        let second = app.second_node().await;
        let (one, two) = tokio::join!(register(&app, person("ada")), register(&second, person("ada")));
        one.assert_uniform(&two);
        app.clock.advance(Duration::from_secs(5));
        assert_eq!(register(&app, person("ada")).await.status, 202);
        verify(&app, "ada").await;
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'password_withdrawn'", &[]).await, 0);
    }

    async fn reg_06_what_was_opened_before_accounts_waited_ends_with_the_password(app: TestApp = verify_first) {
        register(&app, person("ada")).await;
        verify(&app, "ada").await;
        let mallory = gatepost_testkit::Persona::of(&app.login("ada", PASSWORD).await);
        let key = app.api_key(&mallory, &[]).await;
        app.execute("UPDATE users SET email_verified = FALSE", &[]).await;
        let mut body = person("ada");
        body["password"] = json!("CANARY lighthouse above the reef");
        assert_eq!(register(&app, body).await.status, 202);
        app.me(&mallory.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&mallory.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
    }

    async fn reg_06_a_second_factor_of_whoever_registered_first_ends_with_the_password(app: TestApp = verify_first) {
        register(&app, person("ada")).await;
        verify(&app, "ada").await;
        let mallory = gatepost_testkit::Persona::of(&app.login("ada", PASSWORD).await);
        app.with_totp(&mallory).await;
        app.execute("UPDATE users SET email_verified = FALSE", &[]).await;
        let mut body = person("ada");
        body["password"] = json!("CANARY lighthouse above the reef");
        assert_eq!(register(&app, body).await.status, 202);
        // Otherwise it would keep out whoever reads the mailbox.
        assert_eq!(app.number("SELECT count(*) FROM totp_credentials", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM users WHERE two_factor_enabled", &[]).await, 0);
        let details = app.text("SELECT details FROM audit_log WHERE action = 'second_factor_disabled'", &[]).await;
        assert_eq!(details.as_deref(), Some(r#"{"by":"registration"}"#));
    }

    async fn reg_06_of_passwords_that_are_registered_at_once_none_is_kept(app: TestApp = verify_first) {
        let nodes = [(*app).clone(), app.second_node().await];
        let passwords = [PASSWORD, "CANARY lighthouse above the reef", "CANARY boats in the harbour", "CANARY ferries along the coast"];
        for round in 0..4 {
            let name = format!("victim-{round}");
            let contenders: Vec<_> = passwords.iter().enumerate().map(|(number, password)| {
                let (node, mut body) = (nodes[number % 2].clone(), person(&name));
                body["password"] = json!(password);
                tokio::spawn(async move { register(&node, body).await })
            }).collect();
            for contender in contenders {
                let answer = contender.await.unwrap();
                assert_eq!((answer.status, answer.json()), (202, json!({ "status": "check_email" })));
            }
            verify(&app, &name).await;
            for password in passwords {
                app.login(&name, password).await.assert_refused(401, "invalid_credentials");
            }
        }
    }

    async fn reg_05_the_owner_of_an_address_is_told_once_a_day(app: TestApp = verify_first) {
        register(&app, person("ada")).await;
        assert_eq!(mailed(&app).await.len(), 1);
        let told = (Kind::AccountExists, "ada@example.com".to_owned());
        for (seconds, is_told) in [(59, false), (1, true), (60, false), (86_400 - 61, false), (1, true)] {
            app.clock.advance(Duration::from_secs(seconds));
            assert_eq!(register(&app, person("ada")).await.status, 202);
            let expected = if is_told { vec![told.clone()] } else { Vec::new() };
            assert_eq!(mailed(&app).await, expected, "after {seconds} s");
        }
        let rows = app.number("SELECT count(*) FROM audit_log WHERE action = 'registration_repeated'", &[]).await;
        assert_eq!(rows, 5);
        // A disabled account is not talked about.
        app.set_active(id_of(&app, "ada").await, false).await;
        app.clock.advance(Duration::from_secs(2 * 86_400));
        assert_eq!(register(&app, person("ada")).await.status, 202);
        assert_eq!(mailed(&app).await, []);
    }

    async fn bru_01_a_guesser_closes_no_name_for_whoever_registers_it_where_accounts_wait(app: TestApp = verify_first) {
        for _ in 0..6 {
            app.login("ada@example.com", WRONG).await;
        }
        app.login("ada@example.com", PASSWORD).await.assert_refused(429, "too_many_attempts");
        register(&app, person("ada")).await;
        verify(&app, "ada").await;
        assert_eq!(app.login("ada@example.com", PASSWORD).await.status, 200);
    }

    async fn an_account_opens_once_its_address_is_verified(app: TestApp = verify_first) {
        register(&app, person("ada")).await;
        app.login("ada", PASSWORD).await.assert_refused(403, "email_not_verified");
        app.browser_login("ada", PASSWORD, true).await.assert_refused(403, "email_not_verified");
        let form = form_login(&app, "ada", PASSWORD).await;
        form.assert_refused(400, "invalid_grant");
        assert_eq!(form.json()["error_description"], "The address is not verified.");
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, 0);
        verify(&app, "ada").await;
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(form_login(&app, "ada", PASSWORD).await.status, 200);
    }

    async fn pwd_05_only_the_right_password_hears_what_an_account_waits_for(app: TestApp = admin_approval) {
        register(&app, person("ada")).await;
        let unknown = app.login("nobody", WRONG).await;
        unknown.assert_refused(401, "invalid_credentials");
        unknown.assert_uniform(&app.login("ada", WRONG).await);
        let unknown = form_login(&app, "nobody", WRONG).await;
        unknown.assert_uniform(&form_login(&app, "ada", WRONG).await);
        // Approved and not verified: the same.
        let_in(&app, "ada").await;
        unknown.assert_uniform(&form_login(&app, "ada", WRONG).await);
        app.login("ada", PASSWORD).await.assert_refused(403, "email_not_verified");
    }

    async fn an_approval_and_a_verified_address_are_both_needed_in_either_order(app: TestApp = admin_approval) {
        for (name, verified_first) in [("ada", true), ("bob", false)] {
            let answer = register(&app, person(name)).await;
            assert_eq!((answer.status, answer.json()), (202, json!({ "status": "awaiting_approval" })));
            app.login(name, PASSWORD).await.assert_refused(403, "awaiting_approval");
            if verified_first {
                verify(&app, name).await;
                app.login(name, PASSWORD).await.assert_refused(403, "awaiting_approval");
                let form = form_login(&app, name, PASSWORD).await;
                form.assert_refused(400, "invalid_grant");
                assert_eq!(form.json()["error_description"], "An administrator has yet to approve the account.");
                assert!(let_in(&app, name).await);
                assert_eq!(mailed(&app).await, [(Kind::AccountApproved, format!("{name}@example.com"))]);
            } else {
                assert!(let_in(&app, name).await);
                app.login(name, PASSWORD).await.assert_refused(403, "email_not_verified");
                verify(&app, name).await;
            }
            assert_eq!(app.login(name, PASSWORD).await.status, 200);
            assert!(!let_in(&app, name).await, "nobody waits any more");
        }
        let rows = app.number("SELECT count(*) FROM audit_log WHERE action = 'user_approved'", &[]).await;
        assert_eq!(rows, 2);
    }

    async fn a_new_password_by_mail_approves_nobody(app: TestApp = admin_approval) {
        register(&app, person("ada")).await;
        app.post("/api/v1/auth/forgot-password").json(&json!({ "email": "ada@example.com" })).send().await;
        gatepost_server::recovery::answer_requests(&app.app).await.unwrap();
        let mails = app.mails().await;
        let reset = mails.iter().find(|mail| mail.kind == Kind::ResetPassword).unwrap();
        let body = json!({ "token": reset.token(), "new_password": "CANARY boats in the harbour" });
        assert_eq!(app.post("/api/v1/auth/reset-password").json(&body).send().await.status, 204);
        app.login("ada", "CANARY boats in the harbour").await.assert_refused(403, "awaiting_approval");
    }

    async fn reg_05_approval_tells_nothing_of_what_is_taken_either(app: TestApp = admin_approval) {
        register(&app, person("bob")).await;
        let (fresh, usual) = work_of(&app, person("fresh")).await;
        let (again, work) = work_of(&app, person("bob")).await;
        fresh.assert_uniform(&again);
        assert_eq!(work, usual);
        assert_eq!(users(&app).await, 2);
    }

    async fn bru_09_an_account_that_waits_gets_no_credential_through_any_door(app: TestApp = admin_approval) {
        register(&app, person("ada")).await;
        let second = app.second_node().await;
        // Waiting for both, then for one or the other.
        for (sql, code) in [
            ("UPDATE users SET awaiting_approval = TRUE, email_verified = FALSE", "awaiting_approval"),
            ("UPDATE users SET awaiting_approval = FALSE, email_verified = FALSE", "email_not_verified"),
            ("UPDATE users SET awaiting_approval = TRUE, email_verified = TRUE", "awaiting_approval"),
        ] {
            app.execute(sql, &[]).await;
            for node in [&*app, &second] {
                for name in ["ada", "ada@example.com"] {
                    node.login(name, PASSWORD).await.assert_refused(403, code);
                    node.browser_login(name, PASSWORD, true).await.assert_refused(403, code);
                    form_login(node, name, PASSWORD).await.assert_refused(400, "invalid_grant");
                }
            }
        }
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM refresh_families", &[]).await, 0);
    }

    async fn whoever_the_operator_makes_is_verified(app: TestApp = admin_approval) {
        app.owner().await;
        assert_eq!(app.login("owner", PASSWORD).await.status, 200);
    }

    async fn reg_08_nobody_registers_where_sign_up_is_closed(app: TestApp = closed) {
        app.owner().await;
        let hashes = app.app.hasher.stats().argon2;
        register(&app, person("ada")).await.assert_refused(403, "signup_disabled");
        // An address that has an account hears the same.
        register(&app, person("owner")).await.assert_refused(403, "signup_disabled");
        assert_eq!((users(&app).await, app.app.hasher.stats().argon2), (1, hashes));
        assert_eq!(app.login("owner", PASSWORD).await.status, 200);
    }

    async fn reg_08_only_the_allowed_domains_register(app: TestApp = of_two_domains) {
        let hashes = app.app.hasher.stats().argon2;
        for email in ["a@example.org", "a@sub.example.com", "a@example.com.evil.example", "a@notexample.com"] {
            let body = json!({ "email": email, "password": PASSWORD });
            register(&app, body).await.assert_refused(403, "signup_disabled");
        }
        assert_eq!((users(&app).await, app.app.hasher.stats().argon2), (0, hashes));
        for email in ["a@EXAMPLE.com.", "a@BÜCHER.example", "b@xn--bcher-kva.example"] {
            assert_eq!(register(&app, json!({ "email": email, "password": PASSWORD })).await.status, 202, "{email}");
        }
        register(&app, json!({ "email": "no address", "password": PASSWORD })).await.assert_invalid("/email", "invalid_email");
    }

    async fn rec_09_an_address_that_is_registered_over_and_over_gets_few_mails(app: TestApp) {
        for (seconds, mails) in [(0, 1), (59, 0), (1, 1), (60, 1), (60, 1), (60, 1), (60, 0), (86_400, 1)] {
            app.clock.advance(Duration::from_secs(seconds));
            let ada = app.user("ada").await;
            assert_eq!(mailed(&app).await.len(), mails, "after {seconds} s");
            app.delete_account(ada.user_id()).await;
        }
    }
}
