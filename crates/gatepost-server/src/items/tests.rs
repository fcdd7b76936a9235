//! Items over HTTP, on both databases. What they share with tasks is tried there in more detail.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, Persona, TestApp, on_each_db};
use http::Method;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};

const ITEMS: &str = "/api/v1/items";

async fn send(node: &Node, method: Method, path: &str, by: &Persona, body: &Value) -> Answer {
    node.call(method, path).bearer(&by.access_token).json(body).send().await
}

async fn get(node: &Node, path: &str, by: &Persona) -> Answer {
    node.get(path).bearer(&by.access_token).send().await
}

async fn delete(node: &Node, path: &str, by: &Persona) -> Answer {
    node.delete(path).bearer(&by.access_token).send().await
}

/// Makes an item, later than those before.
async fn make(app: &TestApp, owner: &Persona, title: &str) -> Value {
    app.clock.advance(Duration::from_millis(1));
    let made = send(app, Method::POST, ITEMS, owner, &json!({ "title": title })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

fn path_of(item: &Value) -> String {
    format!("{ITEMS}/{}", item["id"].as_str().unwrap())
}

async fn titles(node: &Node, query: &str, by: &Persona) -> Vec<String> {
    let answer = get(node, &format!("{ITEMS}?{query}"), by).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    body["data"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

fn of_user(id: &str) -> String {
    format!("/api/v1/users/{id}/items")
}

on_each_db! {
    async fn an_item_is_made_read_changed_and_deleted(app: TestApp) {
        let ada = app.user("ada").await;
        let body = json!({ "title": "A lantern", "description": "of brass" });
        let made = send(&app, Method::POST, ITEMS, &ada, &body).await;
        assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{}", made.text());
        let item = made.json();
        assert_eq!((&item["owner_id"], &item["title"], &item["description"]), (&json!(ada.id), &body["title"], &body["description"]));
        let path = path_of(&item);
        assert_eq!(get(&app, &path, &ada).await.json(), item);
        let known = app.get(&path).bearer(&ada.access_token).header(IF_NONE_MATCH, "\"1\"").send().await;
        assert_eq!(known.status, 304);
        let changed = send(&app, Method::PATCH, &path, &ada, &json!({ "description": null })).await;
        assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
        assert_eq!((&changed.json()["title"], &changed.json()["description"]), (&body["title"], &Value::Null));
        send(&app, Method::PATCH, &path, &ada, &json!({ "title": null })).await.assert_invalid("/title", "required");
        let stale = app.patch(&path).bearer(&ada.access_token).header(IF_MATCH, "\"1\"").json(&json!({ "title": "b" }));
        stale.send().await.assert_refused(412, "version_mismatch");
        let long = json!({ "title": "x".repeat(201), "description": "x".repeat(4_001) });
        let refused = send(&app, Method::POST, ITEMS, &ada, &long).await;
        refused.assert_invalid("/title", "too_long");
        refused.assert_invalid("/description", "too_long");
        assert_eq!(delete(&app, &path, &ada).await.status, 204);
        get(&app, &path, &ada).await.assert_refused(404, "not_found");
        let events = "SELECT count(*) FROM audit_log WHERE action IN ('item_created', 'item_changed', 'item_deleted') AND actor_id = user_id";
        assert_eq!(app.number(events, &[]).await, 3);
    }

    async fn az_01_an_item_obeys_its_owner_and_nobody_else(app: TestApp) {
        let (ada, eve, admin) = (app.user("ada").await, app.user("eve").await, app.user("admin").await);
        app.grant_role(admin.user_id(), "admin").await;
        let item = make(&app, &ada, "ada's").await;
        let path = path_of(&item);
        for other in [&eve, &admin] {
            get(&app, &path, other).await.assert_refused(403, "not_owner");
            send(&app, Method::PATCH, &path, other, &json!({ "title": "taken" })).await.assert_refused(403, "not_owner");
            delete(&app, &path, other).await.assert_refused(403, "not_owner");
            assert!(titles(&app, "q=ada", other).await.is_empty());
        }
        for path in [ITEMS, &path] {
            let anonymous = app.get(path).send().await;
            anonymous.assert_refused(401, "authentication_required");
            assert!(anonymous.header("www-authenticate").starts_with("Bearer"));
        }
        assert_eq!(get(&app, &path, &ada).await.json(), item);
        let any = format!("/api/v1/admin/items/{}", item["id"].as_str().unwrap());
        delete(&app, &any, &eve).await.assert_refused(403, "forbidden");
        assert_eq!(delete(&app, &any, &admin).await.status, 204);
        get(&app, &path, &ada).await.assert_refused(404, "not_found");
    }

    async fn az_02_brief1_an_item_is_made_for_oneself_and_for_nobody_else(app: TestApp) {
        let (ada, eve, gone) = (app.user("ada").await, app.user("eve").await, app.user("gone").await);
        let body = json!({ "title": "a lantern" });
        let made = send(&app, Method::POST, &of_user(&ada.id), &ada, &body).await;
        assert_eq!((made.status, &made.json()["owner_id"]), (201, &json!(ada.id)), "{}", made.text());
        send(&app, Method::POST, &of_user(&ada.id), &eve, &body).await.assert_refused(403, "not_owner");
        // Nobody, and whoever is as absent: never an error of ours.
        let missing = "019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10";
        for nobody in [missing, "1", "me"] {
            let refused = send(&app, Method::POST, &of_user(nobody), &eve, &body).await;
            assert!(matches!(refused.status, 404 | 405), "{nobody}: {}", refused.text());
        }
        send(&app, Method::POST, &of_user(missing), &eve, &body).await.assert_refused(404, "not_found");
        app.set_active(gone.user_id(), false).await;
        send(&app, Method::POST, &of_user(&gone.id), &eve, &body).await.assert_refused(404, "not_found");
        app.post(&of_user(missing)).json(&body).send().await.assert_refused(401, "authentication_required");
        for field in ["owner_id", "user_id"] {
            let body = json!({ "title": "a lantern", field: ada.id });
            for path in [ITEMS, &of_user(&eve.id)] {
                send(&app, Method::POST, path, &eve, &body).await.assert_invalid(&format!("/{field}"), "unknown_field");
            }
            get(&app, &format!("{ITEMS}?{field}={}", ada.id), &eve).await.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        assert_eq!((titles(&app, "", &ada).await.len(), titles(&app, "", &eve).await.len()), (1, 0));
    }

    async fn a_list_of_items_is_walked_and_searched(app: TestApp) {
        let ada = app.user("ada").await;
        for title in ["Kerze", "Große Laterne", "laterne_2"] {
            make(&app, &ada, title).await;
        }
        assert_eq!(titles(&app, "", &ada).await, ["laterne_2", "Große Laterne", "Kerze"]);
        assert_eq!(titles(&app, "q=LATERNE", &ada).await, ["laterne_2", "Große Laterne"]);
        assert_eq!(titles(&app, "q=_", &ada).await, ["laterne_2"]);
        let first = get(&app, &format!("{ITEMS}?q=laterne&limit=1"), &ada).await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        assert_eq!(titles(&app, &format!("q=laterne&limit=1&cursor={cursor}"), &ada).await, ["Große Laterne"]);
        get(&app, &format!("{ITEMS}?limit=101"), &ada).await.assert_invalid("/limit", "out_of_range");
    }

    async fn a_key_reaches_items_as_far_as_its_scopes_name_them(app: TestApp) {
        let ada = app.user("ada").await;
        let item = make(&app, &ada, "a lantern").await;
        let (reads, writes) = (app.api_key(&ada, &["items:read"]).await, app.api_key(&ada, &["items:write"]).await);
        assert_eq!(app.get(&path_of(&item)).api_key(&reads).send().await.json(), item);
        app.delete(&path_of(&item)).api_key(&reads).send().await.assert_refused(403, "insufficient_scope");
        app.get(ITEMS).api_key(&writes).send().await.assert_refused(403, "insufficient_scope");
        assert_eq!(app.delete(&path_of(&item)).api_key(&writes).send().await.status, 204);
    }
}
