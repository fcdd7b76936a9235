//! What another site can do with a visitor's session cookie: nothing, whichever operation it tries.

use gatepost_testkit::{Browser, Engine, PASSWORD, Setup, TestApp};
use http::{HeaderName, Method};
use serde_json::{Value, json};

use crate::api::{Api, Example, Operation};
use crate::named;

#[tokio::test]
async fn ses_06_no_operation_obeys_another_site_that_has_the_cookie_sent_along_on_sqlite() {
    run(Engine::Sqlite).await;
}

#[tokio::test]
async fn ses_06_no_operation_obeys_another_site_that_has_the_cookie_sent_along_on_postgres() {
    run(Engine::Postgres).await;
}

async fn run(engine: Engine) {
    let app = TestApp::start(engine, "another site", Setup::new()).await;
    let api = Api::of(&app).await;
    let ada = app.user("ada").await;
    let browser = app.browse("ada").await;
    let id = app.get("/api/v1/sessions").browser(&browser).send().await.json()["data"][0]["id"].clone();
    let mut tried = 0;
    for operation in api.operations() {
        if operation.method.is_safe() || !looks_at_the_cookie(&api, &operation) {
            continue;
        }
        let before = state(&app).await;
        for site in ["cross-site", "same-site"] {
            let path = operation.path.replace("{id}", id.as_str().unwrap_or(&ada.id));
            let call = app.call(operation.method.clone(), &path).cookie_of(&browser);
            let call = call.header(HeaderName::from_static("sec-fetch-site"), site);
            let call = match api.example(&operation) {
                Some(Example { value, .. }) => call.json(&wanting_a_cookie(&api, &operation, value)),
                None => call,
            };
            let answer = call.send().await;
            assert_eq!(answer.status, 403, "{} from {site}: {}", operation.id, answer.text());
            answer.assert_refused(403, "csrf_rejected");
            assert!(operation.statuses().contains_key(&403), "{} does not say 403", operation.id);
        }
        assert_eq!(state(&app).await, before, "{} had an effect", operation.id);
        tried += 1;
    }
    assert!(tried >= 6, "only {tried} operations were tried");
    assert_eq!(app.me_in(&browser).await.status, 200);
    assert_eq!(app.login("ada", PASSWORD).await.status, 200);
}

/// Whether an operation takes the cookie, or can be asked to set it. The others have no use for one: what they want is
/// in their bodies.
fn looks_at_the_cookie(api: &Api, operation: &Operation<'_>) -> bool {
    let ways = operation.node.get("security").and_then(Value::as_array);
    ways.is_some_and(|ways| ways.iter().any(|way| way.get("cookie").is_some()))
        || offers_a_cookie(api, operation)
}

fn offers_a_cookie(api: &Api, operation: &Operation<'_>) -> bool {
    let content = &operation.node["requestBody"]["content"]["application/json"]["schema"];
    !content.is_null() && api.follow(content)["properties"].get("session").is_some()
}

fn wanting_a_cookie(api: &Api, operation: &Operation<'_>, example: &Value) -> Value {
    let mut body = example.clone();
    if offers_a_cookie(api, operation) {
        body["session"] = json!("browser");
    }
    body
}

/// What every change would move: each writes an audit row, and most a version.
async fn state(app: &TestApp) -> [i64; 3] {
    [
        app.number("SELECT count(*) FROM audit_log", &[]).await,
        app.number("SELECT CAST(sum(version) AS bigint) FROM users", &[]).await,
        app.number("SELECT CAST(sum(version) AS bigint) FROM sessions", &[]).await,
    ]
}

/// The same operations from a page of our own: the cookie opens what an access token does.
#[tokio::test]
async fn whatever_a_token_opens_a_cookie_opens_too() {
    let first = TestApp::start(Engine::Sqlite, "cookies", Setup::new()).await;
    let api = Api::of(&first).await;
    for operation in api.operations() {
        let ways = operation.node.get("security").and_then(Value::as_array);
        if !ways.is_some_and(|ways| ways.iter().any(|way| way.get("cookie").is_some())) {
            continue;
        }
        let mut statuses = Vec::new();
        for with_cookie in [false, true] {
            let app = TestApp::start(Engine::Sqlite, operation.id, Setup::new()).await;
            let ada = app.user("ada").await;
            let browser: Browser = app.browse("ada").await;
            let id = named::thing_of(&app, operation.path, &ada).await.unwrap_or_else(|| ada.id.clone());
            let call = app.call(operation.method.clone(), &operation.path.replace("{id}", &id));
            let call = if with_cookie { call.browser(&browser) } else { call.bearer(&ada.access_token) };
            let call = match api.example(&operation) {
                Some(Example { value, .. }) => call.json(value),
                None => call,
            };
            statuses.push(call.send().await.status);
        }
        assert_eq!(statuses[0], statuses[1], "{}", operation.id);
        // The password of the example is not hers.
        assert!(statuses[1] != 401 || operation.id == "auth_step_up", "{}", operation.id);
        // She is no administrator, whatever she brings.
        let expected = if operation.permissions().is_empty() { 200 } else { 403 };
        assert!(operation.method != Method::GET || statuses[1] == expected, "{}", operation.id);
    }
}
