//! Every operation works with its own example, and answers what the document says.

use gatepost_testkit::{Engine, Persona, Setup, TestApp};
use serde_json::Value;

use gatepost_server::access;

use crate::api::{Api, Example, Operation, assert_fits};
use crate::named;

/// Examples that cannot succeed, because what they hold or name is drawn by the server.
const REFUSED: &[(&str, u16, &str)] = &[
    ("admin_users_reset_2fa", 409, "conflict"),
    ("admin_users_restore", 404, "not_found"),
    ("auth_accept_invitation", 400, "invalid_token"),
    ("auth_login_second_factor", 401, "challenge_expired"),
    ("recovery_codes_replace", 409, "conflict"),
    ("second_factor_confirm", 409, "conflict"),
    ("second_factor_remove", 409, "conflict"),
    ("auth_confirm_email", 400, "invalid_token"),
    ("auth_refresh", 401, "invalid_refresh_token"),
    ("auth_reset_password", 400, "invalid_token"),
    ("auth_secure_account", 400, "invalid_token"),
    ("auth_undo_email", 400, "invalid_token"),
    ("auth_verify_email", 400, "invalid_token"),
    ("sessions_revoke", 404, "not_found"),
    ("setup", 400, "invalid_token"),
];

#[tokio::test]
async fn every_operation_works_with_its_own_example() {
    let first = TestApp::start(Engine::Sqlite, "examples", Setup::new()).await;
    let api = Api::of(&first).await;
    for operation in api.operations() {
        // One may end what the next needs.
        let app = TestApp::start(Engine::Sqlite, operation.id, Setup::new()).await;
        let answer = call(&app, &api, &operation).await;
        let what = format!("{} answered {}: {}", operation.id, answer.status, answer.text());
        match REFUSED.iter().find(|(id, ..)| *id == operation.id) {
            Some((_, status, code)) => answer.assert_refused(*status, code),
            None => assert!((200..300).contains(&answer.status), "{what}"),
        }
        assert!(operation.statuses().contains_key(&answer.status), "not documented: {what}");
        let documented = api.answer_schema(&operation, answer.status);
        assert_eq!(
            documented.is_some(),
            is_json(&answer),
            "a body where none is documented, or the reverse: {what}"
        );
        if let Some(schema) = documented {
            assert_fits(&api, schema, &answer.json(), operation.id);
        }
    }
}

/// Key sets are described by their own RFC.
fn is_json(answer: &gatepost_testkit::Answer) -> bool {
    matches!(answer.header("content-type"), "application/json" | "application/problem+json")
}

/// Calls an operation as the person whom the example of the registration makes.
async fn call(app: &TestApp, api: &Api, operation: &Operation<'_>) -> gatepost_testkit::Answer {
    let all = api.operations();
    let register = all.iter().find(|operation| operation.id == "auth_register").unwrap();
    let person = if operation.id == "auth_register" {
        None
    } else {
        let body = api.example(register).unwrap().value;
        Some(Persona::of(&app.post(register.path).json(body).send().await))
    };
    let id = match &person {
        // On somebody else: the only administrator cannot do everything to themselves.
        Some(_) if operation.path.contains("/admin/users/{id}") => app.user("bystander").await.id,
        Some(person) if operation.id == "api_keys_revoke" => {
            app.api_key(person, &[]).await;
            let keys = app.get("/api/v1/api-keys").bearer(&person.access_token).send().await.json();
            keys["data"][0]["id"].as_str().unwrap().to_owned()
        }
        Some(person) => {
            named::thing_of(app, operation.path, person).await.unwrap_or_else(|| person.id.clone())
        }
        None => String::new(),
    };
    if let Some(person) = person.as_ref().filter(|_| !operation.permissions().is_empty()) {
        app.grant_role(person.user_id(), access::ADMIN).await;
    }
    let path = named::path_of(app, operation.id, &operation.path.replace("{id}", &id)).await;
    let mut request = app.call(operation.method.clone(), &path);
    if let (Some(person), Some(_)) = (&person, operation.node.get("security")) {
        request = request.bearer(&person.access_token);
    }
    match api.example(operation) {
        Some(Example { media: "application/json", value }) => request.json(value),
        Some(Example { media: "application/x-www-form-urlencoded", value }) => {
            let fields = value.as_object().unwrap().iter();
            let fields: Vec<_> =
                fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
            request.form(&fields)
        }
        Some(Example { media, .. }) => panic!("{} takes {media}, which this test cannot send", operation.id),
        None => request,
    }
    .send()
    .await
}

/// The example of a body names no member that the schema does not know, and every member that it requires.
#[tokio::test]
async fn every_example_fits_its_schema() {
    let app = TestApp::start(Engine::Sqlite, "examples and schemas", Setup::new()).await;
    let api = Api::of(&app).await;
    for (name, schema) in api.schemas() {
        if let Some(example) = schema.get("example") {
            assert_fits(&api, schema, example, name);
        }
        for (member, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(example) = schema.get("example") {
                assert_fits(&api, schema, example, &format!("{name}/{member}"));
            }
        }
    }
}
