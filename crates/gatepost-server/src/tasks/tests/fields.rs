//! What a task holds, and how it changes.

use gatepost_testkit::on_each_db;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};

use super::*;

on_each_db! {
    async fn a_task_is_made_read_changed_and_deleted(app: TestApp) {
        let (admin, ada) = (an_admin(&app).await, app.user("ada").await);
        let made = send(&app, Method::POST, TASKS, &ada, &json!({ "title": " Write the report " })).await;
        assert_eq!((made.status, made.header(ETAG.as_str())), (201, "\"1\""), "{}", made.text());
        let task = made.json();
        assert_eq!(task["title"], "Write the report");
        assert_eq!((&task["owner_id"], &task["status"]), (&json!(ada.id), &json!("todo")));
        assert_eq!((&task["description"], &task["due_at"]), (&Value::Null, &Value::Null));
        assert!(task.get("version").is_none() && task.get("title_folded").is_none(), "{task}");

        let path = path_of(&task);
        let read = get(&app, &path, &ada).await;
        assert_eq!((read.status, read.header("etag"), read.json()), (200, "\"1\"", task.clone()));
        let known = app.get(&path).bearer(&ada.access_token).header(IF_NONE_MATCH, "\"1\"").send().await;
        assert_eq!((known.status, known.body.len()), (304, 0));

        app.clock.advance(Duration::from_secs(1));
        let patch = json!({ "status": "doing", "description": "a\nb", "due_at": "2026-11-21T10:30:00+01:00" });
        let changed = send(&app, Method::PATCH, &path, &ada, &patch).await;
        assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.text());
        let body = changed.json();
        assert_eq!(body["due_at"], "2026-11-21T09:30:00Z");
        assert_eq!((&body["title"], &body["status"], &body["description"]), (&task["title"], &json!("doing"), &json!("a\nb")));
        assert!(body["updated_at"].as_str() > body["created_at"].as_str());
        // Null clears what can be empty; saying the same again is no change.
        let cleared = send(&app, Method::PATCH, &path, &ada, &json!({ "due_at": null, "description": null })).await;
        assert_eq!((cleared.header("etag"), &cleared.json()["due_at"]), ("\"3\"", &Value::Null));
        let same = send(&app, Method::PATCH, &path, &ada, &json!({ "due_at": null, "status": "doing" })).await;
        assert_eq!((same.header("etag"), same.json()), ("\"3\"", cleared.json()));
        assert_eq!(get(&app, &path, &ada).await.json(), cleared.json());

        let stale = app.patch(&path).bearer(&ada.access_token).header(IF_MATCH, "\"2\"");
        stale.json(&json!({ "status": "done" })).send().await.assert_refused(412, "version_mismatch");
        let stale = app.delete(&path).bearer(&ada.access_token).header(IF_MATCH, "\"2\"");
        stale.send().await.assert_refused(412, "version_mismatch");
        let fresh = app.delete(&path).bearer(&ada.access_token).header(IF_MATCH, "\"3\"");
        assert_eq!(fresh.send().await.status, 204);
        get(&app, &path, &ada).await.assert_refused(404, "not_found");
        delete(&app, &path, &ada).await.assert_refused(404, "not_found");

        let mut done: Vec<_> = actions(&app, &admin).await.into_iter().map(|(action, actor, owner)| {
            assert_eq!((actor, owner), (json!(ada.id), json!(ada.id)));
            action
        }).collect();
        done.sort();
        assert_eq!(done, ["task_changed", "task_changed", "task_created", "task_deleted"]);
    }

    async fn the_lengths_of_texts_are_bounded_in_characters(app: TestApp) {
        let ada = app.user("ada").await;
        let body = |title: usize, description: usize| json!({ "title": "é".repeat(title), "description": "é".repeat(description) });
        make(&app, &ada, body(200, 4_000)).await;
        let long = send(&app, Method::POST, TASKS, &ada, &body(201, 4_001)).await;
        long.assert_invalid("/title", "too_long");
        long.assert_invalid("/description", "too_long");
        let task = make(&app, &ada, body(1, 1)).await;
        let long = send(&app, Method::PATCH, &path_of(&task), &ada, &body(201, 4_001)).await;
        assert_eq!(error_codes(&long).len(), 2, "{}", long.text());
        assert_eq!(app.number("SELECT count(*) FROM tasks WHERE version = 1", &[]).await, 2);
    }

    async fn everything_wrong_is_said_at_once(app: TestApp) {
        let ada = app.user("ada").await;
        let body = json!({ "title": "a\nb", "description": " ", "due_at": "tomorrow" });
        let refused = send(&app, Method::POST, TASKS, &ada, &body).await;
        let all = [("/title", "invalid_characters"), ("/description", "too_short"), ("/due_at", "invalid_time")];
        assert_eq!(error_codes(&refused), all.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
        send(&app, Method::POST, TASKS, &ada, &nothing()).await.assert_invalid("/title", "required");
        let wrong = json!({ "title": "a", "status": "Done" });
        send(&app, Method::POST, TASKS, &ada, &wrong).await.assert_invalid("/status", "invalid_value");

        let task = make(&app, &ada, json!({ "title": "a", "description": "b" })).await;
        let emptied = json!({ "title": null, "status": null });
        let refused = send(&app, Method::PATCH, &path_of(&task), &ada, &emptied).await;
        refused.assert_invalid("/title", "required");
        refused.assert_invalid("/status", "required");
        assert_eq!(get(&app, &path_of(&task), &ada).await.json(), task);
    }

    async fn a_session_that_ends_while_the_body_comes_in_makes_and_changes_nothing(app: TestApp) {
        let ada = app.user("ada").await;
        let task = make(&app, &ada, json!({ "title": "a" })).await;
        for (method, path) in [(Method::POST, TASKS.to_owned()), (Method::PATCH, path_of(&task))] {
            let again = Persona::of(&app.login("ada", gatepost_testkit::PASSWORD).await);
            let (node, token) = ((*app).clone(), again.access_token.clone());
            let slow = app.call(method, &path).bearer(&again.access_token).json(&json!({ "title": "b" }));
            let answer = slow.meanwhile(async move { assert_eq!(node.logout(&token).await.status, 204) }).send().await;
            answer.assert_refused(401, "invalid_token");
        }
        assert_eq!(titles(&app, "", &ada).await, ["a"]);
    }
}
