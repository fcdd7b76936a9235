//! The source of tasks and items, compiled once more as an application around Gatepost would have it: in another crate, that
//! sees what everybody sees. A use of something that is not public is an error here.
//!
//! What it proves is that whatever our own resources do, another one can do as well.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, with the reason")]

use gatepost_db::DbError;
use gatepost_server::{App, accounts, app, audit, extension, http, ids, permissions};
use gatepost_testkit::{PASSWORD, on_each_db};
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[expect(
    unreachable_pub,
    unused_imports,
    reason = "the application mounts, collects and re-exports what this test only compiles"
)]
#[path = "../src/items/mod.rs"]
mod items;
#[expect(unreachable_pub, unused_imports, reason = "likewise")]
#[path = "../src/tasks/mod.rs"]
mod tasks;

/// The routes as they are in this crate.
fn routes(app: &App) -> axum::Router {
    let routes = tasks::routes().merge(items::routes()).split_for_parts().0.with_state(app.clone());
    http::finish(routes, http::HttpParts::new(app.clock.clone(), app.random.clone()))
}

async fn post(routes: &axum::Router, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = ::http::Request::post(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let (head, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

on_each_db! {
    async fn what_our_resources_do_another_crate_can_do(app: TestApp) {
        let ada = app.user("ada").await;
        let outside = routes(&app.app);
        for path in ["/api/v1/tasks", "/api/v1/items"] {
            let body = json!({ "title": "from outside" });
            let (status, made) = post(&outside, path, &ada.access_token, &body).await;
            assert_eq!((status, &made["owner_id"]), (201, &json!(ada.id)), "{made}");
            let read = app.get(&format!("{path}/{}", made["id"].as_str().unwrap())).bearer(&ada.access_token).send().await;
            assert_eq!((read.status, read.json()), (200, made));
            let (status, refused) = post(&outside, path, PASSWORD, &body).await;
            assert_eq!((status, &refused["code"]), (401, &json!("invalid_token")));
        }
        // What they are to Gatepost, they are from here as well.
        let (act, from, to) = (app.app.operator_act(), ada.user_id(), app.user("bob").await.user_id());
        let given = app.db().write(move |tx| {
            let resources: [&dyn extension::OwnedResource; 2] = [&tasks::Tasks, &items::Items];
            resources.into_iter().map(|resource| resource.transfer(tx, &act, from, to)).collect::<Result<Vec<_>, DbError>>()
        });
        assert_eq!(given.await.unwrap(), [1, 1]);
    }
}
