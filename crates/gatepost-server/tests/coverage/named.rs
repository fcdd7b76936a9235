//! Things that operations name in their paths, and that have to be there.

use gatepost_testkit::{Persona, TestApp};
use serde_json::json;

/// The id of a task or an item of somebody, for an operation whose path names one.
pub(crate) async fn thing_of(app: &TestApp, path: &str, owner: &Persona) -> Option<String> {
    let (list, _) = path.split_once("/{id}")?;
    let list = list.replace("/admin/", "/");
    if !matches!(list.as_str(), "/api/v1/tasks" | "/api/v1/items") {
        return None;
    }
    let made = app.post(&list).bearer(&owner.access_token).json(&json!({ "title": "a thing" })).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    Some(made.json()["id"].as_str().unwrap().to_owned())
}

/// The path of an operation whose `{name}` is that of a thing that is there.
pub(crate) async fn path_of(app: &TestApp, operation: &str, path: &str) -> String {
    let name = match operation {
        "admin_permissions_delete" => {
            permission(app).await;
            "spare:use"
        }
        "admin_roles_delete" => {
            role(app).await;
            "spare"
        }
        _ => "user",
    };
    let path = path.replace("{name}", name);
    if operation == "access_explain" { format!("{path}?permission=users:read") } else { path }
}

async fn role(app: &TestApp) {
    let insert = "INSERT INTO roles (name, description, version, created_at, updated_at) VALUES ('spare', '', 1, 1, 1) \
        ON CONFLICT DO NOTHING";
    app.execute(insert, &[]).await;
}

async fn permission(app: &TestApp) {
    let insert = "INSERT INTO permissions (name, description, created_at) VALUES ('spare:use', '', 1) ON CONFLICT DO NOTHING";
    app.execute(insert, &[]).await;
    let insert = "INSERT INTO role_permissions (role, permission, granted_at) VALUES ('admin', 'spare:use', 1) \
        ON CONFLICT DO NOTHING";
    app.execute(insert, &[]).await;
}
