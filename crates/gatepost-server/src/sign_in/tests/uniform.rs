//! A refused sign-in tells nothing: not by its answer, not by the work that it took.

use gatepost_db::{Param, params};
use gatepost_server::passwords::HasherStats;
use gatepost_testkit::{Answer, PASSWORD, Persona, TestApp, on_each_db};

const WRONG: &str = "CANARY a password of nobody";

/// A hash as another system made it.
fn imported(version: bcrypt::Version, password: &str) -> String {
    bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().format_for_version(version)
}

async fn store(app: &TestApp, username: &'static str, hash: Option<String>) {
    match hash {
        Some(hash) => {
            app.execute(
                "UPDATE passwords SET hash = ?2 WHERE user_id = (SELECT id FROM users WHERE username_canonical = ?1)",
                &[Param::Text(username.into()), Param::Text(hash.into())],
            )
            .await
        }
        None => {
            app.execute(
                "DELETE FROM passwords WHERE user_id = (SELECT id FROM users WHERE username_canonical = ?1)",
                &[Param::Text(username.into())],
            )
            .await
        }
    };
}

async fn stored(app: &TestApp, username: &str) -> String {
    let sql =
        "SELECT hash FROM passwords WHERE user_id = (SELECT id FROM users WHERE username_canonical = ?1)";
    app.text(sql, &params![username]).await.unwrap()
}

/// What the hasher did for one sign-in.
async fn work_of(app: &TestApp, identifier: &str, password: &str, form: bool) -> (Answer, HasherStats) {
    let before = app.app.hasher.stats();
    let answer = if form {
        app.token(&[("grant_type", "password"), ("username", identifier), ("password", password)]).await
    } else {
        app.login(identifier, password).await
    };
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
    async fn pwd_05_who_is_refused_cannot_tell_why(app: TestApp) {
        for name in ["ada", "social", "disabled", "deleted"] {
            app.user(name).await;
        }
        store(&app, "social", None).await;
        let disabled = Persona::of(&app.login("disabled", PASSWORD).await);
        app.set_active(disabled.user_id(), false).await;
        let deleted = Persona::of(&app.login("deleted", PASSWORD).await);
        app.delete_account(deleted.user_id()).await;
        let long = format!("{}@example.com", "x".repeat(300));
        for form in [false, true] {
            let (unknown, usual) = work_of(&app, "nobody@example.com", WRONG, form).await;
            if form {
                unknown.assert_refused(400, "invalid_grant");
            } else {
                unknown.assert_refused(401, "invalid_credentials");
                assert_eq!(unknown.header("www-authenticate"), "Bearer");
            }
            assert_eq!((usual.done, usual.argon2, usual.memory_kib, usual.passes, usual.lanes, usual.foreign), (1, 1, 64, 1, 1, 0));
            for (identifier, password) in [
                ("nobody", WRONG), ("ada", WRONG), ("ada@example.com", WRONG), ("social", WRONG), ("social", PASSWORD),
                ("disabled", WRONG), ("disabled", PASSWORD), ("deleted", WRONG), ("deleted", PASSWORD),
                ("", WRONG), ("no such name!", WRONG), ("@", WRONG), (long.as_str(), WRONG), ("ada\u{0}", WRONG),
            ] {
                // RFC 6749 section 3.1: a parameter without a value is absent.
                if form && identifier.is_empty() {
                    continue;
                }
                let (answer, work) = work_of(&app, identifier, password, form).await;
                unknown.assert_uniform(&answer);
                assert_eq!(work, usual, "pwd_06: {identifier:?} took other work");
            }
        }
    }

    async fn pwd_06_an_old_hash_takes_at_least_the_usual_work_to_refuse(app: TestApp) {
        app.user("ada").await;
        let (unknown, usual) = work_of(&app, "nobody", WRONG, false).await;
        store(&app, "ada", Some(imported(bcrypt::Version::TwoB, PASSWORD))).await;
        let (answer, work) = work_of(&app, "ada", WRONG, false).await;
        unknown.assert_uniform(&answer);
        // What the cheaper scheme leaves of the time is filled up; when it left none, there is nothing to fill.
        assert_eq!((work.done, work.foreign), (usual.done, 1));
        assert!(work.argon2 <= 1 && work.memory_kib <= usual.memory_kib);
    }

    async fn pwd_02_an_imported_hash_opens_the_account_once_and_is_replaced(app: TestApp) {
        use bcrypt::Version::{TwoA, TwoB, TwoY};
        app.user("ada").await;
        for version in [TwoA, TwoB, TwoY] {
            store(&app, "ada", Some(imported(version, PASSWORD))).await;
            app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
            assert!(stored(&app, "ada").await.starts_with("$2"), "a wrong password replaced the hash");
            assert_eq!(app.login("ada", PASSWORD).await.status, 200);
            assert!(stored(&app, "ada").await.starts_with("$argon2id$v=19$m=64,t=1,p=1,keyid=k1$"));
            let (answer, work) = work_of(&app, "ada", PASSWORD, false).await;
            assert_eq!((answer.status, work.foreign, work.argon2), (200, 0, 1));
        }
    }

    async fn pwd_02_only_the_old_system_cut_passwords_at_72_bytes(app: TestApp) {
        app.user("ada").await;
        let long = format!("{} and then some more", "CANARY ".repeat(11));
        assert!(long.len() > 80);
        store(&app, "ada", Some(imported(bcrypt::Version::TwoB, &long[..72]))).await;
        assert_eq!(app.login("ada", &long).await.status, 200, "as the old system did");
        // From then on every byte counts.
        app.login("ada", &long[..72]).await.assert_refused(401, "invalid_credentials");
        app.login("ada", &format!("{long}!")).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", &long).await.status, 200);
    }

    async fn a_replaced_hash_does_not_bring_an_old_password_back(app: TestApp) {
        // The password is changed while a login with an imported hash is on its way: REPLACE compares.
        let ada = app.user("ada").await;
        store(&app, "ada", Some(imported(bcrypt::Version::TwoB, PASSWORD))).await;
        let (login, change) = tokio::join!(
            app.login("ada", PASSWORD),
            app.change_password(&ada.access_token, PASSWORD, "CANARY lighthouse above the reef"),
        );
        assert!(matches!(login.status, 200 | 401));
        assert_eq!(change.status, 200, "{}", change.text());
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", "CANARY lighthouse above the reef").await.status, 200);
    }
}
