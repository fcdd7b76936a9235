//! An operation says what it wants in its signature, in the document, and by its answers: all three agree.

use std::collections::BTreeMap;

use gatepost_testkit::{Engine, Persona, Setup, TestApp};
use http::Method;
use serde_json::{Value, json};

use crate::api::{Api, Operation};
use crate::{named, source};

/// Every handler by the id of its operation: what it declares, and its signature.
fn handlers() -> BTreeMap<String, (String, String)> {
    let mut handlers = BTreeMap::new();
    for file in source::server_files() {
        for piece in file.code.split("#[utoipa::path(").skip(1) {
            let (declared, rest) = piece.split_once(")]\n").unwrap_or_else(|| panic!("{}", file.path));
            let signature = rest.split(" {\n").next().unwrap_or_default();
            let id = source::between(declared, "operation_id = \"", "\"").next();
            let id = id.unwrap_or_else(|| panic!("an operation of {} has no id", file.path));
            handlers.insert(id.to_owned(), (declared.to_owned(), signature.to_owned()));
        }
    }
    handlers
}

#[tokio::test]
async fn a_handler_without_a_declaration_of_who_may_call_it_does_not_pass() {
    let app = TestApp::start(Engine::Sqlite, "signatures", Setup::new()).await;
    let api = Api::of(&app).await;
    let handlers = handlers();
    for operation in api.operations() {
        let id = operation.id;
        let (declared, signature) = handlers.get(id).unwrap_or_else(|| panic!("{id} has no handler"));
        let takes = |kind: &str| source::names(signature, kind);
        let (caller, principal, require) = (takes("Caller"), takes("Principal"), takes("Require"));
        let permissions = operation.permissions();
        if operation.is_public() {
            assert!(!require && !principal, "{id} is open to everybody and asks for somebody");
            continue;
        }
        assert!(caller || principal || require, "{id} wants credentials and its handler takes nobody");
        assert_eq!(require, !permissions.is_empty(), "{id}: `Require` and the permissions of the document");
        assert!(permissions.len() < 2, "{id}: one permission an operation");
        let keys = principal || (require && !caller);
        assert_eq!(keys, operation.takes_api_keys(), "{id}: whether it takes API keys");
        if keys && require {
            let both = declared.matches(permissions[0]).count();
            assert!(both >= 2, "{id}: an API key needs the permission, too");
        }
    }
}

/// Calls an operation with its example, on a bystander where it wants an account.
async fn call(app: &TestApp, api: &Api, operation: &Operation<'_>, by: &Persona) -> (u16, Value) {
    let other = app.some_user().await;
    let path = named::path_of(app, operation.id, &operation.path.replace("{id}", &other.id)).await;
    let request = app.call(operation.method.clone(), &path).bearer(&by.access_token);
    let request = match api.example(operation) {
        Some(example) => request.json(example.value),
        None => request,
    };
    let answer = request.send().await;
    let body = if answer.status >= 400 { answer.json() } else { Value::Null };
    (answer.status, body)
}

#[tokio::test]
async fn az_05_an_operation_asks_for_the_permission_that_it_declares_and_for_no_other() {
    let app = TestApp::start(Engine::Sqlite, "permissions", Setup::new()).await;
    let api = Api::of(&app).await;
    let admin = app.some_user().await;
    app.grant_role(admin.user_id(), "admin").await;
    let all = app.me(&admin.access_token).await.json()["permissions"].clone();
    let all: Vec<String> = serde_json::from_value(all).unwrap();
    // What everybody has would be in everybody's hands.
    let nothing = json!({ "permissions": [] });
    let taken = app.patch("/api/v1/admin/roles/user").bearer(&admin.access_token).json(&nothing).send().await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let mut people = BTreeMap::new();
    for permission in &all {
        let rest: Vec<_> = all.iter().filter(|name| *name != permission).collect();
        let number = people.len();
        let just = with_role(&app, &admin, &format!("just-{number}"), &json!([permission])).await;
        let rest = with_role(&app, &admin, &format!("rest-{number}"), &json!(rest)).await;
        people.insert(permission.as_str(), (just, rest));
    }
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for operation in api.operations() {
        let [permission] = operation.permissions()[..] else { continue };
        let (just, rest) = &people[permission];
        // What reaches further than one's own rights is refused with a sentence, and later; so is what belongs to others.
        let at_the_door = |(status, body): &(u16, Value)| {
            *status == 403 && body["code"] == "forbidden" && body["detail"].is_null()
        };
        let (let_in, refused) =
            (call(&app, &api, &operation, just).await, call(&app, &api, &operation, rest).await);
        if at_the_door(&let_in) || let_in.0 == 401 {
            wrong.push(format!("{}: `{permission}` is not enough: {let_in:?}", operation.id));
        }
        if !at_the_door(&refused) {
            wrong.push(format!("{}: goes without `{permission}`: {refused:?}", operation.id));
        }
        asked += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked >= 11, "only {asked} operations were asked");
}

async fn with_role(app: &TestApp, admin: &Persona, role: &str, permissions: &Value) -> Persona {
    let user = app.some_user().await;
    let body = json!({ "name": role, "permissions": permissions });
    let made = app.post("/api/v1/admin/roles").bearer(&admin.access_token).json(&body).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    let path = format!("/api/v1/admin/users/{}/roles", user.id);
    let given = app.call(Method::PUT, &path).bearer(&admin.access_token).json(&json!({ "roles": [role] }));
    assert_eq!(given.send().await.status, 200);
    user
}
