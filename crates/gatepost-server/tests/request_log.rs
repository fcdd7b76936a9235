//! The request log. It has a process of its own: tracing decides once for the whole process whether an event is
//! wanted, so tests beside it would decide for it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use gatepost_kernel::{Clock, Random};
use gatepost_server::http::{HttpParts, SignedInUser, finish};
use http::Request;
use tower::ServiceExt as _;

const API_KEY: &str = "019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b11";
const USER: &str = "019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_is_one_line_with_the_route_and_never_the_query() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    let routes = Router::new().route(
        "/links/{token}",
        get(|Extension(user): Extension<SignedInUser>| async move {
            user.set(USER.parse().unwrap());
            user.set_api_key(API_KEY.parse().unwrap());
        }),
    );
    let router = finish(routes, HttpParts::new(Clock::system(), Random::system()));
    let get = |path: &str| Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let guard = tracing::subscriber::set_default(subscriber);
    let answer = router.clone().oneshot(get("/links/CANARY?token=CANARY")).await.unwrap();
    router.oneshot(get("/nothing/CANARY")).await.unwrap();
    drop(guard);

    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let [hit, miss]: [serde_json::Value; 2] =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(hit["route"], "/links/{token}");
    assert_eq!(hit["status"], 200);
    assert_eq!(hit["user_id"], USER);
    assert_eq!(hit["api_key_id"], API_KEY);
    assert_eq!(hit["client"], "0.0.0.0");
    assert_eq!(hit["request_id"], *id);
    assert_eq!(miss["route"], "none");
    assert!(!text.contains("CANARY"), "{text}");
}
