//! Tasks over HTTP, on both databases.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, Persona, TestApp};
use http::Method;
use serde_json::{Value, json};

#[path = "tests/fields.rs"]
mod fields;
#[path = "tests/filters.rs"]
mod filters;
#[path = "tests/keys.rs"]
mod keys;
#[path = "tests/leaving.rs"]
mod leaving;
#[path = "tests/owners.rs"]
mod owners;

const TASKS: &str = "/api/v1/tasks";

async fn send(node: &Node, method: Method, path: &str, by: &Persona, body: &Value) -> Answer {
    node.call(method, path).bearer(&by.access_token).json(body).send().await
}

async fn get(node: &Node, path: &str, by: &Persona) -> Answer {
    node.get(path).bearer(&by.access_token).send().await
}

async fn delete(node: &Node, path: &str, by: &Persona) -> Answer {
    node.delete(path).bearer(&by.access_token).send().await
}

/// Makes a task, later than those before.
async fn make(app: &TestApp, owner: &Persona, body: Value) -> Value {
    app.clock.advance(Duration::from_millis(1));
    let made = send(app, Method::POST, TASKS, owner, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

fn path_of(task: &Value) -> String {
    format!("{TASKS}/{}", task["id"].as_str().unwrap())
}

/// The titles of a page, and where the next one begins.
async fn page(node: &Node, query: &str, by: &Persona) -> (Vec<String>, Option<String>) {
    let answer = get(node, &format!("{TASKS}?{query}"), by).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let titles =
        body["data"].as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap().to_owned());
    (titles.collect(), body["next_cursor"].as_str().map(str::to_owned))
}

async fn titles(node: &Node, query: &str, by: &Persona) -> Vec<String> {
    page(node, query, by).await.0
}

/// A user who is an administrator besides.
async fn an_admin(app: &TestApp) -> Persona {
    let admin = app.user("admin").await;
    app.grant_role(admin.user_id(), "admin").await;
    admin
}

/// Who did what to whose task.
async fn actions(app: &TestApp, admin: &Persona) -> Vec<(String, Value, Value)> {
    let log = get(app, "/api/v1/admin/audit-log?limit=100", admin).await.json();
    log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"].as_str().unwrap().starts_with("task_"))
        .map(|entry| {
            (
                entry["action"].as_str().unwrap().to_owned(),
                entry["actor_id"].clone(),
                entry["user_id"].clone(),
            )
        })
        .collect()
}

/// A query with what has no place in one percent-encoded.
fn encoded(query: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=&%_*.-".contains(&byte);
    query
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn error_codes(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(&error["pointer"]), text(&error["code"])))
        .collect()
}

fn nothing() -> Value {
    json!({})
}
