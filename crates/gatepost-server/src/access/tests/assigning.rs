//! Who gives which role to whom.

use super::*;

on_each_db! {
    async fn an_account_has_exactly_the_roles_that_it_was_given(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &["users:read"]).await;
        assert_eq!(app.me(&bob.access_token).await.json()["roles"], json!(["may-bob", "user"]));
        let answer = assign(&app, &admin, &bob, &["admin"]).await;
        assert_eq!((answer.status, &answer.json()["roles"]), (200, &json!(["admin", "user"])));
        assert_eq!(app.me(&bob.access_token).await.json()["roles"], json!(["admin", "user"]));
        let answer = assign(&app, &admin, &bob, &[]).await;
        assert_eq!(answer.json()["roles"], json!(["user"]), "everybody has `user`");
        assign(&app, &admin, &bob, &["user", "nobody"]).await.assert_invalid("/roles/1", "unknown_role");
        let nobody = format!("/api/v1/admin/users/{}/roles", "0193b6a0-0000-7000-8000-000000000000");
        send(&app, Method::PUT, &nobody, &admin, &json!({ "roles": [] })).await.assert_refused(404, "not_found");
        let granted = "SELECT count(*) FROM audit_log WHERE action = 'role_granted' AND actor_id IS NOT NULL";
        assert_eq!(app.number(granted, &[]).await, 2);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'role_revoked'", &[]).await, 2);
    }

    async fn a_change_of_roles_can_name_the_version_that_it_means(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let path = format!("/api/v1/admin/users/{}/roles", bob.id);
        let call = |version: &str| app.put(&path).bearer(&admin.access_token).header(http::header::IF_MATCH, version);
        call("\"99\"").json(&json!({ "roles": ["admin"] })).send().await.assert_refused(412, "version_mismatch");
        let first = call("*").json(&json!({ "roles": ["admin"] })).send().await;
        let second = call(first.header("etag")).json(&json!({ "roles": [] })).send().await;
        assert_eq!((first.status, second.status), (200, 200));
    }

    async fn az_05_nobody_gives_takes_or_touches_what_is_above_their_own_rights(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let lead = user_who_may(&app, &admin, "lead", &["roles:assign", "roles:read", "roles:write", "users:read"]).await;
        let reader = user_who_may(&app, &admin, "reader", &["users:read"]).await;
        let writer = user_who_may(&app, &admin, "writer", &["users:write"]).await;
        // To themselves, to others, from others: what they have, and no more.
        for target in [&lead, &reader] {
            assign(&app, &lead, target, &["admin"]).await.assert_refused(403, "forbidden");
            assign(&app, &lead, target, &["may-writer"]).await.assert_refused(403, "forbidden");
        }
        for target in [&admin, &writer] {
            assign(&app, &lead, target, &[]).await.assert_refused(403, "forbidden");
            assign(&app, &lead, target, &["admin", "may-writer", "may-reader"]).await.assert_refused(403, "forbidden");
        }
        assert_eq!(assign(&app, &lead, &reader, &[]).await.status, 200);
        assert_eq!(assign(&app, &lead, &reader, &["may-reader", "may-lead"]).await.status, 200);
        // Nor by a role that they make, change or delete.
        let roles = "/api/v1/admin/roles";
        let beyond = json!({ "name": "beyond", "permissions": ["users:write"] });
        send(&app, Method::POST, roles, &lead, &beyond).await.assert_refused(403, "forbidden");
        let within = json!({ "name": "within", "permissions": ["users:read"] });
        assert_eq!(send(&app, Method::POST, roles, &lead, &within).await.status, 201);
        for (role, permissions) in [("may-lead", json!(["users:write"])), ("user", json!(["users:write"])), ("may-writer", json!([]))] {
            let path = format!("{roles}/{role}");
            send(&app, Method::PATCH, &path, &lead, &json!({ "permissions": permissions })).await.assert_refused(403, "forbidden");
        }
        app.delete(&format!("{roles}/may-writer")).bearer(&lead.access_token).send().await.assert_refused(403, "forbidden");
        assert_eq!(app.me(&writer.access_token).await.json()["permissions"], json!([&EVERYBODY_MAY[..], &["users:write"]].concat()));
        assert_eq!(app.me(&lead.access_token).await.json()["roles"], json!(["may-lead", "user"]));
    }

    async fn az_05_whoever_has_every_permission_is_no_administrator_yet(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let all: Vec<String> = serde_json::from_value(app.me(&admin.access_token).await.json()["permissions"].clone()).unwrap();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let deputy = user_who_may(&app, &admin, "deputy", &all).await;
        assign(&app, &deputy, &deputy, &["admin", "may-deputy"]).await.assert_refused(403, "forbidden");
        assign(&app, &deputy, &admin, &[]).await.assert_refused(403, "forbidden");
        assert_eq!(assign(&app, &admin, &deputy, &["admin"]).await.status, 200);
    }

    async fn ses_11_a_right_that_was_taken_is_gone_in_the_transaction_whatever_a_cache_says(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        assert_eq!(app.me(&admin.access_token).await.json()["roles"], json!(["admin", "user"]));
        // Behind the caches, as another node would.
        app.execute("DELETE FROM user_roles WHERE role = 'admin'", &[]).await;
        assign(&app, &admin, &bob, &["admin"]).await.assert_refused(403, "forbidden");
        assert_eq!(app.number("SELECT count(*) FROM user_roles WHERE role = 'admin'", &[]).await, 0);
    }

    async fn a_role_that_needs_a_second_factor_gives_nothing_without_one(app: TestApp = |setup| setup.set("second_factor.required_for", "admin")) {
        let bob = app.user("bob").await;
        let admin = an_admin(&app, "ada").await;
        assign(&app, &admin, &bob, &["admin"]).await.assert_refused(403, "forbidden");
        let admin = app.with_totp(&admin).await.persona;
        assert_eq!(assign(&app, &admin, &bob, &["admin"]).await.status, 200);
    }
}
