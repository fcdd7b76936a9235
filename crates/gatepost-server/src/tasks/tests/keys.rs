//! What the role `user` brings, and what an API key makes of it.

use gatepost_testkit::on_each_db;

use super::*;

on_each_db! {
    async fn a_key_reaches_tasks_as_far_as_its_scopes_name_them(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let task = make(&app, &ada, json!({ "title": "a" })).await;
        let path = path_of(&task);
        let (none, reads) = (app.api_key(&ada, &[]).await, app.api_key(&ada, &["tasks:read"]).await);
        let writes = app.api_key(&ada, &["tasks:write"]).await;
        for (key, path) in [(&none, TASKS), (&none, path.as_str()), (&writes, TASKS), (&writes, &path)] {
            let refused = app.get(path).api_key(key).send().await;
            refused.assert_refused(403, "insufficient_scope");
            assert!(refused.header("www-authenticate").contains("tasks:read"), "{}", refused.header("www-authenticate"));
        }
        assert_eq!(app.get(&path).api_key(&reads).send().await.json(), task);
        let patch = json!({ "title": "b" });
        app.patch(&path).api_key(&reads).json(&patch).send().await.assert_refused(403, "insufficient_scope");
        let changed = app.patch(&path).api_key(&writes).json(&patch).send().await;
        assert_eq!((changed.status, &changed.json()["title"]), (200, &json!("b")));
        // It acts for its owner, and for nobody else.
        let made = app.post(TASKS).api_key(&writes).json(&json!({ "title": "c" })).send().await;
        assert_eq!((made.status, &made.json()["owner_id"]), (201, &json!(ada.id)));
        let of_eve = make(&app, &eve, json!({ "title": "eve's" })).await;
        app.get(&path_of(&of_eve)).api_key(&reads).send().await.assert_refused(403, "not_owner");
        app.delete(&path_of(&of_eve)).api_key(&writes).send().await.assert_refused(403, "not_owner");
    }

    async fn an_operator_may_take_tasks_from_everybody(app: TestApp) {
        let (admin, ada) = (an_admin(&app).await, app.user("ada").await);
        let task = make(&app, &ada, json!({ "title": "a" })).await;
        let (key, role) = (app.api_key(&ada, &["tasks:read", "tasks:write"]).await, "/api/v1/admin/roles/user");
        let allowed = json!({ "permissions": ["tasks:read"] });
        assert_eq!(send(&app, Method::PATCH, role, &admin, &allowed).await.status, 200);
        assert_eq!(get(&app, &path_of(&task), &ada).await.status, 200);
        delete(&app, &path_of(&task), &ada).await.assert_refused(403, "forbidden");
        app.delete(&path_of(&task)).api_key(&key).send().await.assert_refused(403, "forbidden");
        assert_eq!(app.get(&path_of(&task)).api_key(&key).send().await.status, 200);
    }

    async fn a_permission_that_is_taken_while_the_body_comes_in_changes_nothing(app: TestApp) {
        let (admin, ada) = (an_admin(&app).await, app.user("ada").await);
        let (node, token) = ((*app).clone(), admin.access_token.clone());
        let taken = async move {
            let nothing = json!({ "permissions": [] });
            let answer = node.patch("/api/v1/admin/roles/user").bearer(&token).json(&nothing).send().await;
            assert_eq!(answer.status, 200);
        };
        let slow = app.post(TASKS).bearer(&ada.access_token).json(&json!({ "title": "a" }));
        slow.meanwhile(taken).send().await.assert_refused(403, "forbidden");
        assert_eq!(app.number("SELECT count(*) FROM tasks", &[]).await, 0);
    }
}
