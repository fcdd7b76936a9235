//! Whose a task is, and what that keeps others from.

use gatepost_testkit::on_each_db;

use super::*;

on_each_db! {
    async fn az_01_a_task_obeys_its_owner_and_nobody_else(app: TestApp) {
        let (admin, ada, eve) = (an_admin(&app).await, app.user("ada").await, app.user("eve").await);
        let gone = app.user("gone").await;
        app.set_active(gone.user_id(), false).await;
        let task = make(&app, &ada, json!({ "title": "ada's" })).await;
        let path = path_of(&task);
        let patch = json!({ "title": "taken" });
        for other in [&eve, &admin] {
            get(&app, &path, other).await.assert_refused(403, "not_owner");
            send(&app, Method::PATCH, &path, other, &patch).await.assert_refused(403, "not_owner");
            delete(&app, &path, other).await.assert_refused(403, "not_owner");
            assert!(titles(&app, "", other).await.is_empty());
            assert!(titles(&app, "q=ada", other).await.is_empty());
        }
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let call = || if method == Method::PATCH { app.patch(&path).json(&patch) } else { app.call(method.clone(), &path) };
            let anonymous = call().send().await;
            anonymous.assert_refused(401, "authentication_required");
            assert!(anonymous.header("www-authenticate").starts_with("Bearer"));
            call().bearer(&gone.access_token).send().await.assert_refused(401, "invalid_token");
        }
        for path in [TASKS, &path] {
            send(&app, Method::PUT, path, &ada, &patch).await.assert_refused(405, "method_not_allowed");
        }
        app.get(TASKS).send().await.assert_refused(401, "authentication_required");
        get(&app, TASKS, &gone).await.assert_refused(401, "invalid_token");
        assert_eq!(get(&app, &path, &ada).await.json(), task);
        assert_eq!(titles(&app, "", &ada).await, ["ada's"]);
    }

    async fn brief1_a_task_is_read_by_its_owner_only(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let of_ada = make(&app, &ada, json!({ "title": "ada's" })).await;
        make(&app, &eve, json!({ "title": "eve's" })).await;
        get(&app, &path_of(&of_ada), &eve).await.assert_refused(403, "not_owner");
        assert_eq!(titles(&app, "", &eve).await, ["eve's"]);
        assert_eq!(titles(&app, "", &ada).await, ["ada's"]);
    }

    async fn az_02_brief1_no_request_names_an_owner(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let task = make(&app, &eve, json!({ "title": "eve's" })).await;
        for field in ["owner_id", "user_id", "owner", "id", "version", "created_at"] {
            let body = json!({ "title": "x", field: ada.id });
            send(&app, Method::POST, TASKS, &eve, &body).await.assert_invalid(&format!("/{field}"), "unknown_field");
            send(&app, Method::PATCH, &path_of(&task), &eve, &body).await.assert_invalid(&format!("/{field}"), "unknown_field");
            let query = format!("{TASKS}?{field}={}", ada.id);
            get(&app, &query, &eve).await.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        assert_eq!(app.number("SELECT count(*) FROM tasks", &[]).await, 1);
        assert_eq!(get(&app, &path_of(&task), &eve).await.json(), task);
    }

    async fn brief1_ids_cannot_be_counted_up(app: TestApp) {
        let ada = app.user("ada").await;
        let task = make(&app, &ada, json!({ "title": "a" })).await;
        let id: uuid::Uuid = task["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        let next = uuid::Uuid::from_u128(id.as_u128() + 1);
        for other in ["1".to_owned(), next.to_string(), id.simple().to_string()] {
            get(&app, &format!("{TASKS}/{other}"), &ada).await.assert_refused(404, "not_found");
        }
    }

    async fn whoever_may_delete_any_task_does_and_the_audit_log_says_so(app: TestApp) {
        let (admin, ada, eve) = (an_admin(&app).await, app.user("ada").await, app.user("eve").await);
        let task = make(&app, &ada, json!({ "title": "ada's" })).await;
        let path = format!("/api/v1/admin/tasks/{}", task["id"].as_str().unwrap());
        for other in [&ada, &eve] {
            delete(&app, &path, other).await.assert_refused(403, "forbidden");
        }
        assert_eq!(delete(&app, &path, &admin).await.status, 204);
        delete(&app, &path, &admin).await.assert_refused(404, "not_found");
        get(&app, &path_of(&task), &ada).await.assert_refused(404, "not_found");
        let deleted = ("task_deleted".to_owned(), json!(admin.id), json!(ada.id));
        assert!(actions(&app, &admin).await.contains(&deleted));
    }
}
