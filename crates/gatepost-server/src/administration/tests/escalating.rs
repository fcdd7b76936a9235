//! What somebody with a few permissions tries, to have more or to take from those who have.

use super::making::{accept, make};
use super::*;

const ROLES: &str = "/api/v1/admin/roles";

on_each_db! {
    async fn az_05_a_role_without_permissions_is_given_by_those_who_have_it_and_lifts_above_others(app: TestApp) {
        // What it allows stands elsewhere: other services read its name in tokens.
        let admin = an_admin(&app, "ada").await;
        let body = json!({ "name": "billing", "permissions": [] });
        assert_eq!(send(&app, Method::POST, ROLES, &admin, &body).await.status, 201);
        let lead = user_who_may(&app, &admin, "lead", &["roles:assign", "users:write"]).await;
        let bob = app.user("bob").await;
        assign(&app, &lead, &lead, &["may-lead", "billing"]).await.assert_refused(403, "forbidden");
        assert_eq!(patch(&app, &bob, &lead, &json!({ "bio": "x" })).await.status, 200);
        assert_eq!(assign(&app, &admin, &bob, &["billing"]).await.status, 200);
        patch(&app, &bob, &lead, &json!({ "bio": "y" })).await.assert_refused(403, "forbidden");
        assert_eq!(assign(&app, &admin, &lead, &["may-lead", "billing"]).await.status, 200);
        assert_eq!(patch(&app, &bob, &lead, &json!({ "bio": "y" })).await.status, 200);
    }

    async fn az_05_whoever_writes_roles_widens_none_that_somebody_has(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let writer = user_who_may(&app, &admin, "writer", &["roles:write", "users:read", "users:write"]).await;
        let reader = user_who_may(&app, &admin, "reader", &["users:read"]).await;
        let widen = |role: &'static str, permissions: Value| {
            let (app, writer) = (&app, &writer);
            async move { send(app, Method::PATCH, &format!("{ROLES}/{role}"), writer, &json!({ "permissions": permissions })).await }
        };
        let everybody: Vec<_> = EVERYBODY_MAY.iter().chain(&["users:write"]).collect();
        widen("user", json!(everybody)).await.assert_refused(403, "forbidden");
        widen("user", json!([])).await.assert_refused(403, "forbidden");
        widen("may-reader", json!(["users:read", "users:write"])).await.assert_refused(403, "forbidden");
        let body = json!({ "name": "spare", "permissions": ["users:read"] });
        assert_eq!(send(&app, Method::POST, ROLES, &writer, &body).await.status, 201);
        assert_eq!(widen("spare", json!(["users:read", "users:write"])).await.status, 200);
        // To take is to touch nobody beyond one's own rights.
        assert_eq!(widen("may-reader", json!([])).await.status, 200);
        assert_eq!(app.me(&reader.access_token).await.json()["permissions"], json!(EVERYBODY_MAY));
    }

    async fn mfa_08_nobody_makes_an_address_unverified_whose_account_has_a_second_factor(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = app.user("bob").await;
        assert_eq!(patch(&app, &bob, &admin, &json!({ "email_verified": true })).await.status, 200);
        let bob = app.with_totp(&bob).await.persona;
        let admin = signed_in(&app, &admin.username).await;
        patch(&app, &bob, &admin, &json!({ "email_verified": false })).await.assert_refused(409, "conflict");
        assert_eq!(app.me(&bob.access_token).await.json()["email_verified"], json!(true));
    }

    async fn az_08_a_key_lets_nobody_in_who_was_out(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = app.user("bob").await;
        let key = app.api_key(&admin, &["users:write"]).await;
        let patch = |body: Value| app.patch(&of(&bob, "")).api_key(&key).json(&body).send();
        assert_eq!(patch(json!({ "bio": "x", "is_active": false })).await.status, 200);
        for body in [json!({ "is_active": true }), json!({ "username": "robert" }), json!({ "email_verified": true })] {
            patch(body).await.assert_refused(403, "insufficient_scope");
        }
        app.login("bob", PASSWORD).await.assert_refused(401, "invalid_credentials");
    }

    async fn az_05_an_invitation_is_not_taken_from_whoever_it_was_promised_to(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let desk = user_who_may(&app, &admin, "desk", &["users:write", "roles:assign"]).await;
        app.mails().await;
        let boss = "boss@example.com";
        assert_eq!(make(&app, &admin, &json!({ "email": boss, "roles": ["admin"] })).await.status, 202);
        app.clock.advance(std::time::Duration::from_secs(61));
        make(&app, &desk, &json!({ "email": boss })).await.assert_refused(403, "forbidden");
        make(&app, &desk, &json!({ "email": boss, "password": PASSWORD })).await.assert_refused(403, "forbidden");
        let accepted = accept(&app, boss).await;
        assert_eq!(accepted.status, 201, "{}", accepted.text());
        assert_eq!(accepted.json()["user"]["roles"], json!(["admin", "user"]));
    }

    async fn az_05_an_invitation_is_worth_nothing_once_its_maker_may_not_assign_roles(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let desk = user_who_may(&app, &admin, "desk", &["users:write", "roles:assign", "audit:read"]).await;
        app.mails().await;
        let body = json!({ "name": "auditor", "permissions": ["audit:read"] });
        assert_eq!(send(&app, Method::POST, ROLES, &admin, &body).await.status, 201);
        assert_eq!(make(&app, &desk, &json!({ "email": "eve@example.com", "roles": ["auditor"] })).await.status, 202);
        let less = json!({ "permissions": ["users:write", "audit:read"] });
        assert_eq!(send(&app, Method::PATCH, &format!("{ROLES}/may-desk"), &admin, &less).await.status, 200);
        let accepted = accept(&app, "eve@example.com").await;
        assert_eq!(accepted.json()["user"]["roles"], json!(["user"]), "{}", accepted.text());
    }

    async fn az_01_deleting_hands_nothing_to_whoever_deletes_and_nothing_to_whoever_is_out(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let keeper = user_who_may(&app, &admin, "keeper", &["users:delete"]).await;
        let (bob, cyd) = (app.user("bob").await, app.user("cyd").await);
        app.set_active(cyd.user_id(), false).await;
        let to = |user: &Persona| of(&bob, &format!("?transfer_to={}", user.id));
        delete(&app, &to(&keeper), &keeper).await.assert_refused(403, "forbidden");
        delete(&app, &to(&cyd), &keeper).await.assert_invalid("/transfer_to", "unknown_user");
        assert_eq!(delete(&app, &to(&admin), &keeper).await.status, 204);
    }

    async fn az_03_addresses_are_explained_to_those_who_may_read_accounts(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let looker = user_who_may(&app, &admin, "looker", &["roles:read"]).await;
        let bob = app.user("bob").await;
        let path = format!("/api/v1/access/explain?permission=tasks:read&user_id={}", bob.id);
        assert_eq!(get(&app, &path, &looker).await.json()["data"][0]["email"], Value::Null);
        assert_eq!(get(&app, &path, &admin).await.json()["data"][0]["email"], json!("bob@example.com"));
        app.delete_account(bob.user_id()).await;
        get(&app, &path, &looker).await.assert_refused(404, "not_found");
        assert_eq!(get(&app, &path, &admin).await.json()["data"][0]["obstacle"], json!("deleted"));
    }

    async fn az_09_what_cannot_be_a_name_is_none_on_either_database(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = app.user("bob").await;
        assign(&app, &admin, &bob, &["a\0b"]).await.assert_invalid("/roles/0", "unknown_role");
        let body = json!({ "name": "x1", "permissions": ["a:b\0"] });
        send(&app, Method::POST, ROLES, &admin, &body).await.assert_invalid("/permissions/0", "unknown_permission");
        get(&app, &format!("{ROLES}/a%00"), &admin).await.assert_refused(404, "not_found");
        delete(&app, "/api/v1/admin/permissions/a:b%00", &admin).await.assert_refused(404, "not_found");
        get(&app, "/api/v1/access/explain?permission=a:b%00", &admin).await.assert_invalid("/permission", "unknown_permission");
        make(&app, &admin, &json!({ "email": "new@example.com", "roles": ["a\0b"] })).await.assert_invalid("/roles/0", "unknown_role");
    }
}
