//! Accounts that end or change while tokens and caches live on two nodes.

use gatepost_db::{Param, params};
use gatepost_testkit::{EVERYBODY_MAY, PASSWORD, Persona, TestApp, on_each_db};
use serde_json::json;

use super::{SOON, audited, refused_soon};

/// Asserts that nothing of this sign-in works on either node, which both know it by heart.
async fn assert_dead(app: &TestApp, second: &gatepost_testkit::Node, persona: &Persona) {
    app.me(&persona.access_token).await.assert_refused(401, "invalid_token");
    refused_soon(second, &persona.access_token).await;
    for node in [&**app, second] {
        node.refresh(&persona.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }
}

on_each_db! {
    async fn ses_11_a_disabled_account_is_refused_everywhere(app: TestApp) {
        let (second, ada) = (app.second_node().await, app.user("ada").await);
        for node in [&*app, &second] {
            assert_eq!(node.me(&ada.access_token).await.status, 200);
        }
        app.set_active(ada.user_id(), false).await;
        assert_dead(&app, &second, &ada).await;
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        // Switched on again, the account is as new: what was handed out before stays dead.
        app.set_active(ada.user_id(), true).await;
        assert_dead(&app, &second, &ada).await;
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn ses_11_a_deleted_account_is_refused_everywhere(app: TestApp) {
        let (second, ada) = (app.second_node().await, app.user("ada").await);
        for node in [&*app, &second] {
            assert_eq!(node.me(&ada.access_token).await.status, 200);
        }
        let answer = app.delete("/api/v1/users/me").bearer(&ada.access_token).send().await;
        assert_eq!(answer.status, 204);
        assert_dead(&app, &second, &ada).await;
        // Also when nothing of it is left at all.
        app.clock.advance(std::time::Duration::from_secs(600));
        app.execute("DELETE FROM users WHERE id = ?1", &[Param::Uuid(ada.user_id().as_uuid())]).await;
        assert_dead(&app, &second, &ada).await;
    }

    async fn bru_09_a_cookie_ends_with_whatever_ends_its_account(app: TestApp) {
        let second = app.second_node().await;
        for (name, end) in [("ada", "disabled"), ("bob", "deleted"), ("cyd", "password"), ("dan", "reset"), ("eve", "enabled again")] {
            let user = app.user(name).await;
            let browser = app.browse(name).await;
            for node in [&*app, &second] {
                assert_eq!(node.me_in(&browser).await.status, 200);
            }
            match end {
                "disabled" => app.set_active(user.user_id(), false).await,
                "deleted" => app.delete_account(user.user_id()).await,
                "password" => {
                    let changed = app.change_password(&user.access_token, PASSWORD, "CANARY lighthouse above the reef").await;
                    assert_eq!(changed.status, 200, "{}", changed.text());
                }
                "reset" => {
                    let id = user.user_id();
                    let account = app.db().read(move |tx| gatepost_server::accounts::by_id(tx, id)).await.unwrap().unwrap();
                    let new = gatepost_kernel::Secret::new("CANARY lighthouse above the reef".to_owned());
                    gatepost_server::sign_in::set_password(&app.app, &account, new).await.unwrap();
                }
                _ => {
                    app.set_active(user.user_id(), false).await;
                    app.set_active(user.user_id(), true).await;
                }
            }
            for node in [&*app, &second] {
                node.me_in(&browser).await.assert_refused(401, "authentication_required");
                let answer = node.patch("/api/v1/users/me").browser(&browser).json(&json!({ "bio": "x" })).send().await;
                answer.assert_refused(401, "authentication_required");
            }
        }
    }

    async fn brief1_sub_is_the_id_not_the_address(app: TestApp) {
        let (second, ada) = (app.second_node().await, app.user("ada").await);
        assert_eq!(ada.claims()["sub"], json!(ada.id));
        assert!(!ada.claims().to_string().contains("ada"), "a token names nobody: {}", ada.claims());
        assert_eq!(second.me(&ada.access_token).await.status, 200);
        app.delete_account(ada.user_id()).await;
        let heir = app.user("ada").await;
        assert_ne!(heir.id, ada.id);
        assert_dead(&app, &second, &ada).await;
        assert_eq!(app.me(&heir.access_token).await.json()["id"], json!(heir.id));
    }

    async fn brief4_renaming_hands_nobody_the_tokens_of_the_old_name(app: TestApp) {
        let ada = app.user("ada").await;
        let rename = json!({ "username": "lovelace" });
        assert_eq!(app.patch("/api/v1/users/me").bearer(&ada.access_token).json(&rename).send().await.status, 200);
        let body = json!({ "email": "other@example.com", "username": "ada", "password": PASSWORD });
        let other = Persona::of(&app.post("/api/v1/auth/register").json(&body).send().await);
        assert_eq!(app.me(&ada.access_token).await.json()["id"], json!(ada.id));
        assert_eq!(app.me(&other.access_token).await.json()["id"], json!(other.id));
        assert_eq!(app.refresh(&ada.refresh_token).await.json()["user"]["id"], json!(ada.id));
    }

    async fn brief2_a_role_is_what_the_database_says_and_not_the_token(app: TestApp) {
        let (second, ada) = (app.second_node().await, app.user("ada").await);
        assert_eq!(second.me(&ada.access_token).await.json()["roles"], json!(["user"]));
        app.grant_role(ada.user_id(), "admin").await;
        // The token was minted without the role; this node knows better at once.
        assert_eq!(ada.claims()["roles"], json!(["user"]));
        assert_eq!(app.me(&ada.access_token).await.json()["roles"], json!(["admin", "user"]));
        let admin = Persona::of(&app.refresh(&ada.refresh_token).await);
        assert_eq!(admin.claims()["roles"], json!(["admin", "user"]));

        let (user, identities) = (ada.user_id(), app.app.identities.clone());
        static TAKE: gatepost_db::Statement = gatepost_db::Statement::new("TAKE", "DELETE FROM user_roles WHERE user_id = ?1 AND role = 'admin'");
        let taken = app.db().write(move |tx| { identities.forget_after_commit(tx, user); tx.execute(&TAKE, &params![user]) });
        assert_eq!(taken.await.unwrap(), 1);
        // A token that still says `admin` gives nothing any more.
        let me = app.me(&admin.access_token).await.json();
        assert_eq!((&me["roles"], &me["permissions"]), (&json!(["user"]), &json!(EVERYBODY_MAY)));
        let deadline = std::time::Instant::now() + SOON;
        while second.me(&admin.access_token).await.json()["permissions"] != json!(EVERYBODY_MAY) {
            assert!(std::time::Instant::now() < deadline, "the other node still believes the role");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    async fn i5_no_credential_works_whatever_switched_the_account_off(app: TestApp = |setup| setup.set("users.cache", "false")) {
        // Nobody counted the epoch up here: the state of the account is asked for itself.
        for (name, change) in [
            ("ada", "UPDATE users SET is_active = FALSE WHERE username_canonical = 'ada'"),
            ("bob", "UPDATE users SET deleted_at = created_at WHERE username_canonical = 'bob'"),
        ] {
            let user = app.user(name).await;
            assert_eq!(app.execute(change, &[]).await, 1);
            app.me(&user.access_token).await.assert_refused(401, "invalid_token");
            app.refresh(&user.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            assert_eq!(app.number("SELECT max(generation) FROM refresh_families", &[]).await, 0, "{name}");
            app.login(name, PASSWORD).await.assert_refused(401, "invalid_credentials");
        }
    }

    async fn without_the_cache_every_request_reads_the_database(app: TestApp = |setup| setup.set("users.cache", "false")) {
        let ada = app.user("ada").await;
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        app.execute("UPDATE users SET auth_epoch = auth_epoch + 1", &[]).await;
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
    }

    async fn brief4_a_disabled_account_is_checked_at_login_refresh_and_me(app: TestApp) {
        let ada = app.user("ada").await;
        app.set_active(ada.user_id(), false).await;
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        // It is refused, not taken for a theft.
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
    }
}
