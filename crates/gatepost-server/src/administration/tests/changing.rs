//! What an administrator writes in an account.

use std::time::Duration;

use super::*;

on_each_db! {
    async fn a_patch_changes_what_it_names_and_null_clears(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let answer = patch(&app, &bob, &admin, &json!({ "username": "Robert", "bio": "Builds.", "country": "GB" })).await;
        let user = answer.json();
        assert_eq!((answer.status, &user["username"], &user["bio"], &user["roles"]), (200, &json!("Robert"), &json!("Builds."), &json!(["user"])));
        let answer = patch(&app, &bob, &admin, &json!({ "bio": null })).await;
        assert_eq!((&answer.json()["bio"], &answer.json()["country"]), (&Value::Null, &json!("GB")));
        assert_eq!(app.me(&bob.access_token).await.json(), answer.json());
        assert_eq!(audited(&app, "user_updated", &admin).await, 2);
        patch(&app, &bob, &admin, &json!({ "username": "ADA" })).await.assert_refused(409, "username_taken");
        for (field, value) in [("email", json!("x@example.com")), ("roles", json!(["admin"])), ("password", json!(PASSWORD)), ("two_factor_enabled", json!(false))] {
            patch(&app, &bob, &admin, &json!({ field: value })).await.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        patch(&app, &bob, &admin, &json!({ "is_active": null })).await.assert_invalid("/is_active", "required");
        patch(&app, &bob, &admin, &json!({ "avatar_url": "javascript:1" })).await.assert_invalid("/avatar_url", "invalid_url");
    }

    async fn a_change_can_name_the_version_that_it_means(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let read = get(&app, &of(&bob, ""), &admin).await;
        let change = |tag: &str| {
            let call = app.patch(&of(&bob, "")).bearer(&admin.access_token).header(http::header::IF_MATCH, tag);
            call.json(&json!({ "first_name": "Bob", "is_active": true })).send()
        };
        let first = change(read.header("etag")).await;
        assert_eq!(first.status, 200);
        change(read.header("etag")).await.assert_refused(412, "version_mismatch");
        assert_eq!(get(&app, &of(&bob, ""), &admin).await.header("etag"), first.header("etag"));
    }

    async fn ses_11_a_disabled_account_is_refused_everywhere_until_it_is_enabled(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let second = app.second_node().await;
        let bob = app.user("bob").await;
        let key = app.api_key(&bob, &[]).await;
        let off = patch(&app, &bob, &admin, &json!({ "is_active": false })).await;
        assert_eq!((off.status, &off.json()["is_active"]), (200, &json!(false)));
        for node in [&*app, &second] {
            node.me(&bob.access_token).await.assert_refused(401, "invalid_token");
            node.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
            node.refresh(&bob.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            node.login("bob", PASSWORD).await.assert_refused(401, "invalid_credentials");
        }
        assert_eq!(patch(&app, &bob, &admin, &json!({ "is_active": true })).await.status, 200);
        app.me(&bob.access_token).await.assert_refused(401, "invalid_token");
        app.get("/api/v1/users/me").api_key(&key).send().await.assert_refused(401, "invalid_token");
        assert_eq!(app.login("bob", PASSWORD).await.status, 200);
        assert_eq!((audited(&app, "user_disabled", &admin).await, audited(&app, "user_enabled", &admin).await), (1, 1));
    }

    async fn whether_an_address_is_verified_takes_a_fresh_session(app: TestApp = |setup| setup.set("sign_up.mode", "verify_first")) {
        let admin = app.owner().await;
        let body = json!({ "email": "bob@example.com", "username": "bob", "password": PASSWORD });
        assert_eq!(app.post("/api/v1/auth/register").json(&body).send().await.status, 202);
        app.login("bob", PASSWORD).await.assert_refused(403, "email_not_verified");
        let listed = get(&app, &format!("{USERS}?q=bob"), &admin).await.json();
        let path = format!("{USERS}/{}", listed["data"][0]["id"].as_str().unwrap());
        let set = |by: &Persona, verified: bool| {
            app.patch(&path).bearer(&by.access_token).json(&json!({ "email_verified": verified })).send()
        };
        assert_eq!(set(&admin, true).await.json()["email_verified"], true);
        let bob = signed_in(&app, "bob").await;
        // Taking it back ends what was begun with it.
        assert_eq!(set(&admin, false).await.json()["email_verified"], false);
        app.me(&bob.access_token).await.assert_refused(401, "invalid_token");
        app.login("bob", PASSWORD).await.assert_refused(403, "email_not_verified");
        assert_eq!((audited(&app, "email_verified", &admin).await, audited(&app, "email_unverified", &admin).await), (1, 1));

        let key = app.api_key(&admin, &["users:write"]).await;
        let by_key = app.patch(&path).api_key(&key);
        by_key.json(&json!({ "email_verified": true })).send().await.assert_refused(403, "insufficient_scope");
        let by_key = app.patch(&path).api_key(&key);
        assert_eq!(by_key.json(&json!({ "first_name": "Bob" })).send().await.status, 200);
        app.clock.advance(Duration::from_secs(601));
        set(&admin, true).await.assert_refused(401, "insufficient_user_authentication");
    }
}
