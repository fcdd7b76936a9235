//! Roles and permissions over HTTP, on both databases.

use gatepost_testkit::{Answer, EVERYBODY_MAY, Node, PASSWORD, Persona, TestApp, on_each_db};
use http::Method;
use serde_json::{Value, json};

#[path = "tests/assigning.rs"]
mod assigning;
#[path = "tests/explaining.rs"]
mod explaining;
#[path = "tests/last_admin.rs"]
mod last_admin;
#[path = "tests/roles.rs"]
mod roles;

/// A user who is an administrator besides.
async fn an_admin(app: &TestApp, name: &str) -> Persona {
    let admin = app.user(name).await;
    app.grant_role(admin.user_id(), "admin").await;
    admin
}

/// A user with a role that allows exactly this.
async fn user_who_may(app: &TestApp, admin: &Persona, name: &str, permissions: &[&str]) -> Persona {
    let role = format!("may-{name}");
    let body = json!({ "name": role, "permissions": permissions });
    let made = send(app, Method::POST, "/api/v1/admin/roles", admin, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let user = app.user(name).await;
    let given = assign(app, admin, &user, &["user", &role]).await;
    assert_eq!(given.status, 200, "{}", given.text());
    user
}

async fn assign(node: &Node, by: &Persona, user: &Persona, roles: &[&str]) -> Answer {
    let path = format!("/api/v1/admin/users/{}/roles", user.id);
    send(node, Method::PUT, &path, by, &json!({ "roles": roles })).await
}

async fn send(node: &Node, method: Method, path: &str, by: &Persona, body: &Value) -> Answer {
    node.call(method, path).bearer(&by.access_token).json(body).send().await
}

async fn get(node: &Node, path: &str, by: &Persona) -> Answer {
    node.get(path).bearer(&by.access_token).send().await
}
