//! Roles and permissions of the operator's own.

use super::*;

const ROLES: &str = "/api/v1/admin/roles";
const PERMISSIONS: &str = "/api/v1/admin/permissions";

on_each_db! {
    async fn a_role_is_made_read_changed_and_deleted(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let body = json!({ "name": "support", "description": "Helps people", "permissions": ["users:read", "audit:read", "users:read"] });
        let made = send(&app, Method::POST, ROLES, &admin, &body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(made.json()["permissions"], json!(["audit:read", "users:read"]));
        assert_eq!(made.json()["built_in"], json!(false));

        let read = get(&app, "/api/v1/admin/roles/support", &admin).await;
        assert_eq!((read.status, read.json()), (200, made.json()));
        let patch = json!({ "permissions": ["users:read"] });
        let path = "/api/v1/admin/roles/support";
        let stale = app.patch(path).bearer(&admin.access_token).header(http::header::IF_MATCH, "\"7\"").json(&patch).send().await;
        stale.assert_refused(412, "version_mismatch");
        let changed = send(&app, Method::PATCH, path, &admin, &patch).await;
        assert_eq!((changed.status, &changed.json()["permissions"]), (200, &json!(["users:read"])));
        assert_ne!(changed.header("etag"), read.header("etag"));
        assert_eq!(changed.json()["description"], json!("Helps people"));
        // The same once more changes nothing.
        let again = send(&app, Method::PATCH, path, &admin, &patch).await;
        assert_eq!(again.header("etag"), changed.header("etag"));

        let names: Vec<_> = get(&app, ROLES, &admin).await.json()["data"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
        assert_eq!(names, ["admin", "support", "user"]);
        let gone = app.delete(path).bearer(&admin.access_token).send().await;
        assert_eq!(gone.status, 204);
        get(&app, path, &admin).await.assert_refused(404, "not_found");
        let actions = "SELECT count(*) FROM audit_log WHERE action IN ('role_created', 'role_changed', 'role_deleted')";
        assert_eq!(app.number(actions, &[]).await, 3);
    }

    async fn what_is_wrong_with_a_role_is_said(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let post = |body: Value| { let (app, admin) = (&app, &admin); async move { send(app, Method::POST, ROLES, admin, &body).await } };
        let both = post(json!({ "name": "No Name", "description": "a\nb", "permissions": [] })).await;
        both.assert_invalid("/name", "invalid_role");
        both.assert_invalid("/description", "invalid_characters");
        post(json!({ "name": "x1", "permissions": ["users:read", "no:such"] })).await.assert_invalid("/permissions/1", "unknown_permission");
        post(json!({ "name": "user", "permissions": [] })).await.assert_refused(409, "conflict");
        let path = "/api/v1/admin/roles/admin";
        send(&app, Method::PATCH, path, &admin, &json!({ "permissions": [] })).await.assert_refused(409, "conflict");
        for built_in in ["admin", "user"] {
            let path = format!("{ROLES}/{built_in}");
            app.delete(&path).bearer(&admin.access_token).send().await.assert_refused(409, "conflict");
        }
    }

    async fn a_role_that_somebody_has_stays(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &["users:read"]).await;
        let delete = || app.delete("/api/v1/admin/roles/may-bob").bearer(&admin.access_token).send();
        delete().await.assert_refused(409, "conflict");
        // A tombstone keeps none.
        app.delete_account(bob.user_id()).await;
        assert_eq!(delete().await.status, 204);
    }

    async fn the_next_request_has_what_a_role_was_given_and_not_what_was_taken(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &["audit:read"]).await;
        let log = "/api/v1/admin/audit-log";
        assert_eq!(get(&app, log, &bob).await.status, 200);
        let path = "/api/v1/admin/roles/may-bob";
        assert_eq!(send(&app, Method::PATCH, path, &admin, &json!({ "permissions": ["roles:read"] })).await.status, 200);
        get(&app, log, &bob).await.assert_refused(403, "forbidden");
        assert_eq!(get(&app, ROLES, &bob).await.status, 200);
        // What everybody has, everybody has at once.
        let eve = app.user("eve").await;
        get(&app, ROLES, &eve).await.assert_refused(403, "forbidden");
        assert_eq!(send(&app, Method::PATCH, "/api/v1/admin/roles/user", &admin, &json!({ "permissions": ["roles:read"] })).await.status, 200);
        assert_eq!(get(&app, ROLES, &eve).await.status, 200);
    }

    async fn a_permission_of_the_operators_own_belongs_to_administrators_and_to_whoever_gets_it(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &[]).await;
        let body = json!({ "name": "reports:read", "description": "Read reports." });
        let made = send(&app, Method::POST, PERMISSIONS, &admin, &body).await;
        assert_eq!((made.status, &made.json()["built_in"]), (201, &json!(false)));
        send(&app, Method::POST, PERMISSIONS, &admin, &body).await.assert_refused(409, "conflict");
        send(&app, Method::POST, PERMISSIONS, &admin, &json!({ "name": "users:read" })).await.assert_refused(409, "conflict");
        send(&app, Method::POST, PERMISSIONS, &admin, &json!({ "name": "reports" })).await.assert_invalid("/name", "invalid_permission");

        let holds = |me: &Value| me["permissions"].as_array().unwrap().contains(&json!("reports:read"));
        assert!(holds(&app.me(&admin.access_token).await.json()));
        assert!(!holds(&app.me(&bob.access_token).await.json()));
        let patch = json!({ "permissions": ["reports:read"] });
        assert_eq!(send(&app, Method::PATCH, "/api/v1/admin/roles/may-bob", &admin, &patch).await.status, 200);
        assert!(holds(&app.me(&bob.access_token).await.json()));
        // A key reaches it, too.
        let key = app.api_key(&bob, &["reports:read"]).await;
        assert!(holds(&app.get("/api/v1/users/me").api_key(&key).send().await.json()));

        let path = format!("{PERMISSIONS}/reports:read");
        assert_eq!(app.delete(&path).bearer(&admin.access_token).send().await.status, 204);
        assert!(!holds(&app.me(&bob.access_token).await.json()) && !holds(&app.me(&admin.access_token).await.json()));
        app.delete(&path).bearer(&admin.access_token).send().await.assert_refused(404, "not_found");
        let built_in = format!("{PERMISSIONS}/users:read");
        app.delete(&built_in).bearer(&admin.access_token).send().await.assert_refused(409, "conflict");
    }

    async fn what_changes_roles_wants_a_fresh_session_and_no_key(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = app.user("bob").await;
        let key = app.api_key(&admin, &["roles:write", "roles:assign", "roles:read"]).await;
        let path = format!("/api/v1/admin/users/{}/roles", bob.id);
        let with_key = app.put(&path).api_key(&key).json(&json!({ "roles": [] })).send().await;
        with_key.assert_refused(403, "insufficient_scope");
        app.post(ROLES).api_key(&key).json(&json!({ "name": "x1", "permissions": [] })).send().await.assert_refused(403, "insufficient_scope");
        assert_eq!(app.get(ROLES).api_key(&key).send().await.status, 200);
        app.clock.advance(std::time::Duration::from_secs(601));
        for (method, path, body) in [
            (Method::PUT, path.as_str(), json!({ "roles": [] })),
            (Method::POST, ROLES, json!({ "name": "x1", "permissions": [] })),
            (Method::PATCH, "/api/v1/admin/roles/user", json!({ "description": "x" })),
            (Method::DELETE, "/api/v1/admin/roles/user", json!({})),
            (Method::POST, PERMISSIONS, json!({ "name": "a:b" })),
            (Method::DELETE, "/api/v1/admin/permissions/a:b", json!({})),
        ] {
            let call = app.call(method.clone(), path).bearer(&admin.access_token);
            let call = if method == Method::DELETE { call } else { call.json(&body) };
            call.send().await.assert_refused(401, "insufficient_user_authentication");
        }
        assert_eq!(get(&app, ROLES, &admin).await.status, 200);
    }
}
