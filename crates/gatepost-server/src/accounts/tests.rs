//! One's own account and what others see of it, from outside.

use std::time::Duration;

use gatepost_testkit::{PASSWORD, Persona, on_each_db};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use serde_json::json;

const ME: &str = "/api/v1/users/me";

on_each_db! {
    async fn a_patch_changes_what_it_names_and_null_clears(app: TestApp) {
        let ada = app.user("ada").await;
        let patch = json!({ "first_name": "Ada", "bio": "Numbers.", "country": "GB" });
        let answer = app.patch(ME).bearer(&ada.access_token).json(&patch).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let patch = json!({ "bio": null, "last_name": "Lovelace" });
        let answer = app.patch(ME).bearer(&ada.access_token).json(&patch).send().await;
        let user = answer.json();
        assert_eq!((&user["first_name"], &user["last_name"], &user["bio"]), (&json!("Ada"), &json!("Lovelace"), &json!(null)));
        // What the answer says is what a read says, from the cache or not.
        assert_eq!(app.me(&ada.access_token).await.json(), user);
        let second = app.second_node().await;
        assert_eq!(second.me(&ada.access_token).await.json(), user);
    }

    async fn reg_04_no_field_of_a_patch_gives_rights(app: TestApp) {
        let ada = app.user("ada").await;
        let before = app.me(&ada.access_token).await.json();
        for (field, value) in [
            ("role", json!("admin")), ("roles", json!(["admin"])), ("permissions", json!(["users:read"])), ("is_active", json!(true)),
            ("email_verified", json!(true)), ("email", json!("other@example.com")), ("id", json!("x")), ("auth_epoch", json!(9)),
            ("two_factor_enabled", json!(true)), ("created_at", json!("2020-01-01T00:00:00Z")), ("password", json!(PASSWORD)),
        ] {
            let answer = app.patch(ME).bearer(&ada.access_token).json(&json!({ field: value })).send().await;
            answer.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        assert_eq!(app.me(&ada.access_token).await.json(), before);
    }

    async fn brief_3_avatars_are_https_addresses_and_nothing_else(app: TestApp) {
        let ada = app.user("ada").await;
        for url in ["javascript:alert(1)", "data:image/svg+xml,<svg/>", "http://example.com/a.png", "//example.com/a.png", "https://u:p@example.com/"] {
            let answer = app.patch(ME).bearer(&ada.access_token).json(&json!({ "avatar_url": url })).send().await;
            answer.assert_invalid("/avatar_url", "invalid_url");
        }
    }

    async fn names_that_somebody_else_has_are_taken(app: TestApp) {
        let (ada, _bob) = (app.user("ada").await, app.user("bob").await);
        let answer = app.patch(ME).bearer(&ada.access_token).json(&json!({ "username": "BOB" })).send().await;
        answer.assert_refused(409, "username_taken");
        // One's own name in another letter case is not somebody else's.
        let answer = app.patch(ME).bearer(&ada.access_token).json(&json!({ "username": "ADA" })).send().await;
        assert_eq!(answer.json()["username"], "ADA");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn of_parallel_claims_to_a_username_one_wins(app: TestApp) {
        let second = app.second_node().await;
        let mut contenders = Vec::new();
        for number in 0..8 {
            let user = app.user(&format!("user-{number}")).await;
            let node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            contenders.push(tokio::spawn(async move {
                let body = json!({ "username": "the-one" });
                node.patch(ME).bearer(&user.access_token).json(&body).send().await
            }));
        }
        let mut won = 0;
        for contender in contenders {
            let answer = contender.await.unwrap();
            if answer.status == 200 { won += 1 } else { answer.assert_refused(409, "username_taken") }
        }
        assert_eq!(won, 1);
    }

    async fn a_version_is_matched_or_the_change_is_refused(app: TestApp) {
        let ada = app.user("ada").await;
        let read = app.me(&ada.access_token).await;
        let tag = read.header(ETAG.as_str()).to_owned();
        let same = app.get(ME).bearer(&ada.access_token).header(IF_NONE_MATCH, &tag).send().await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        let change = |bio: &str| app.patch(ME).bearer(&ada.access_token).json(&json!({ "bio": bio })).header(IF_MATCH, &tag);
        let first = change("first").send().await;
        assert_eq!(first.status, 200);
        assert_ne!(first.header(ETAG.as_str()), tag);
        change("second").send().await.assert_refused(412, "version_mismatch");
        let now = app.get(ME).bearer(&ada.access_token).header(IF_NONE_MATCH, &tag).send().await;
        assert_eq!(now.json()["bio"], "first");
    }

    async fn az_03_another_user_is_seen_without_private_fields(app: TestApp) {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let seen = app.get(&format!("/api/v1/users/{}", bob.id)).bearer(&ada.access_token).send().await;
        assert_eq!(seen.status, 200);
        let mut fields: Vec<_> = seen.json().as_object().unwrap().keys().cloned().collect();
        fields.sort();
        assert_eq!(fields, ["avatar_url", "bio", "first_name", "id", "last_name", "username"]);
        for unknown in ["019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10", "1", "not-an-id"] {
            let answer = app.get(&format!("/api/v1/users/{unknown}")).bearer(&ada.access_token).send().await;
            answer.assert_refused(404, "not_found");
        }
        app.get(&format!("/api/v1/users/{}", bob.id)).send().await.assert_refused(401, "authentication_required");
    }

    async fn a_deleted_account_is_gone_and_its_names_are_free(app: TestApp) {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        assert_eq!(app.delete(ME).bearer(&ada.access_token).send().await.status, 204);
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        let seen = app.get(&format!("/api/v1/users/{}", ada.id)).bearer(&bob.access_token).send().await;
        seen.assert_refused(404, "not_found");
        // Whoever takes the names is somebody else.
        let heir = app.user("ada").await;
        assert_ne!(heir.id, ada.id);
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
    }

    async fn deleting_needs_a_fresh_sign_in(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(Duration::from_secs(601));
        let answer = app.delete(ME).bearer(&ada.access_token).send().await;
        answer.assert_refused(401, "insufficient_user_authentication");
        assert!(answer.header("www-authenticate").contains("max_age=\"600\""), "{}", answer.header("www-authenticate"));
        // A refresh is no proof.
        let refreshed = Persona::of(&app.refresh(&ada.refresh_token).await);
        app.delete(ME).bearer(&refreshed.access_token).send().await.assert_refused(401, "insufficient_user_authentication");
        let fresh = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(app.delete(ME).bearer(&fresh.access_token).send().await.status, 204);
    }

    async fn the_last_owner_cannot_leave(app: TestApp) {
        let owner = app.owner().await;
        app.delete(ME).bearer(&owner.access_token).send().await.assert_refused(409, "last_admin");
        assert_eq!(app.me(&owner.access_token).await.status, 200);
    }

    async fn tombstones_are_purged_after_seven_days(app: TestApp) {
        let ada = app.user("ada").await;
        app.delete(ME).bearer(&ada.access_token).send().await;
        static ROWS: gatepost_db::Statement = gatepost_db::Statement::new("ROWS", "SELECT count(*) FROM users");
        let rows = async || app.db().read_one(&ROWS, &[], |row| row.get::<i64>(0)).await.unwrap().unwrap();
        app.clock.advance(Duration::from_secs(7 * 86_400));
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(rows().await, 1);
        app.clock.advance(Duration::from_secs(1));
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(rows().await, 0);
    }
}
