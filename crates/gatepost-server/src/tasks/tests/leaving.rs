//! What becomes of tasks when their account goes, and when they are given away.

use gatepost_db::{DbError, params};
use gatepost_server::jobs;
use gatepost_testkit::on_each_db;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

on_each_db! {
    async fn brief1_what_an_account_owned_is_no_orphan(app: TestApp) {
        let (admin, ada, eve) = (an_admin(&app).await, app.user("ada").await, app.user("eve").await);
        let task = make(&app, &ada, json!({ "title": "ada's" })).await;
        assert_eq!(delete(&app, "/api/v1/users/me", &ada).await.status, 204);
        // Absent for everybody at once, and kept as long as the account can be restored.
        get(&app, &path_of(&task), &eve).await.assert_refused(404, "not_found");
        let any = format!("/api/v1/admin/tasks/{}", task["id"].as_str().unwrap());
        delete(&app, &any, &admin).await.assert_refused(404, "not_found");
        app.clock.advance(7 * DAY);
        jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM tasks", &[]).await, 1);
        app.clock.advance(Duration::from_secs(1));
        jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM tasks", &[]).await, 0);
    }

    async fn brief1_an_address_that_is_registered_anew_owns_nothing_of_before(app: TestApp) {
        let ada = app.user("ada").await;
        let task = make(&app, &ada, json!({ "title": "ada's" })).await;
        assert_eq!(delete(&app, "/api/v1/users/me", &ada).await.status, 204);
        let heir = app.user("ada").await;
        assert_eq!((&heir.email, heir.id == ada.id), (&ada.email, false));
        assert!(titles(&app, "", &heir).await.is_empty());
        get(&app, &path_of(&task), &heir).await.assert_refused(404, "not_found");
        get(&app, &path_of(&task), &ada).await.assert_refused(401, "invalid_token");
    }

    async fn everything_that_somebody_owns_is_given_to_another_account_in_one_transaction(app: TestApp) {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let task = make(&app, &ada, json!({ "title": "ada's" })).await;
        make(&app, &bob, json!({ "title": "bob's" })).await;
        let item = send(&app, Method::POST, "/api/v1/items", &ada, &json!({ "title": "a lantern" })).await.json();
        let resources = app.app.owned_resources();
        let names: Vec<_> = resources.iter().map(|resource| resource.name()).collect();
        assert_eq!(names, ["tasks", "items"]);
        let (act, from, to) = (app.app.operator_act(), ada.user_id(), bob.user_id());
        let given = app.db().write(move |tx| {
            let each = resources.iter().map(|resource| resource.transfer(tx, &act, from, to));
            each.collect::<Result<Vec<_>, DbError>>()
        });
        assert_eq!(given.await.unwrap(), [1, 1]);
        get(&app, &path_of(&task), &ada).await.assert_refused(403, "not_owner");
        let read = get(&app, &path_of(&task), &bob).await;
        assert_eq!((&read.json()["owner_id"], read.header("etag")), (&json!(bob.id), "\"2\""));
        assert_eq!(titles(&app, "", &bob).await, ["bob's", "ada's"]);
        let item = format!("/api/v1/items/{}", item["id"].as_str().unwrap());
        assert_eq!(get(&app, &item, &bob).await.status, 200);
        // Both are told, and a second time there is nothing to tell.
        let told = "SELECT count(*) FROM audit_log WHERE action = 'resources_transferred' AND user_id = ?1";
        assert_eq!((app.number(told, &params![from]).await, app.number(told, &params![to]).await), (2, 2));
        let (act, resources) = (app.app.operator_act(), app.app.owned_resources());
        let again = app.db().write(move |tx| resources[0].transfer(tx, &act, from, to));
        assert_eq!(again.await.unwrap(), 0);
        assert_eq!(app.number(told, &params![from]).await, 2);
    }
}
