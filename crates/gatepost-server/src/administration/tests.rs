//! Looking after the accounts of others over HTTP, on both databases.

use gatepost_testkit::{Answer, EVERYBODY_MAY, Node, PASSWORD, Persona, TestApp, on_each_db};
use http::Method;
use serde_json::{Value, json};

#[path = "tests/briefs.rs"]
mod briefs;
#[path = "tests/changing.rs"]
mod changing;
#[path = "tests/escalating.rs"]
mod escalating;
#[path = "tests/helping.rs"]
mod helping;
#[path = "tests/last_admin.rs"]
mod last_admin;
#[path = "tests/leaving.rs"]
mod leaving;
#[path = "tests/listing.rs"]
mod listing;
#[path = "tests/making.rs"]
mod making;
#[path = "tests/plans.rs"]
mod plans;
#[path = "tests/reach.rs"]
mod reach;

const USERS: &str = "/api/v1/admin/users";

/// A user who is an administrator besides.
async fn an_admin(app: &TestApp, name: &str) -> Persona {
    let admin = app.user(name).await;
    app.grant_role(admin.user_id(), "admin").await;
    admin
}

/// A user with a role `may-<name>` that allows exactly this.
async fn user_who_may(app: &TestApp, admin: &Persona, name: &str, permissions: &[&str]) -> Persona {
    let role = format!("may-{name}");
    let body = json!({ "name": role, "permissions": permissions });
    assert_eq!(send(app, Method::POST, "/api/v1/admin/roles", admin, &body).await.status, 201);
    let user = app.user(name).await;
    assert_eq!(assign(app, admin, &user, &["user", &role]).await.status, 200);
    user
}

async fn assign(node: &Node, by: &Persona, user: &Persona, roles: &[&str]) -> Answer {
    send(node, Method::PUT, &of(user, "/roles"), by, &json!({ "roles": roles })).await
}

/// The path of an account, and what follows it.
fn of(user: &Persona, rest: &str) -> String {
    format!("{USERS}/{}{rest}", user.id)
}

async fn send(node: &Node, method: Method, path: &str, by: &Persona, body: &Value) -> Answer {
    node.call(method, path).bearer(&by.access_token).json(body).send().await
}

async fn get(node: &Node, path: &str, by: &Persona) -> Answer {
    node.get(path).bearer(&by.access_token).send().await
}

async fn post(node: &Node, path: &str, by: &Persona) -> Answer {
    node.post(path).bearer(&by.access_token).send().await
}

async fn delete(node: &Node, path: &str, by: &Persona) -> Answer {
    node.delete(path).bearer(&by.access_token).send().await
}

async fn patch(node: &Node, user: &Persona, by: &Persona, body: &Value) -> Answer {
    send(node, Method::PATCH, &of(user, ""), by, body).await
}

/// How often something was written into the audit log by this user.
async fn audited(app: &TestApp, action: &'static str, by: &Persona) -> i64 {
    let rows = "SELECT count(*) FROM audit_log WHERE action = ?1 AND actor_id = ?2";
    app.number(rows, &gatepost_db::params![action, by.user_id()]).await
}

async fn signed_in(node: &Node, name: &str) -> Persona {
    let answer = node.login(name, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Persona::of(&answer)
}
