//! The transport over real sockets. Times are short, and what a test waits for is an event: an answer, or the end
//! of a connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use gatepost_kernel::{Clock, Random};
use http::{Request, StatusCode};
use http_body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::health::{self, Check, HealthParts, MetricsAccess, Readiness};
use super::*;

const SHORT: Duration = Duration::from_millis(200);

struct TestServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<ServeOutcome>,
}

impl TestServer {
    async fn start(routes: Router, limits: HttpLimits) -> Self {
        Self::start_with(routes, ServeOptions { limits, ..ServeOptions::default() }).await
    }

    async fn start_with(routes: Router, options: ServeOptions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = edge(routes, options.limits.clone());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(serve(listener, router, options, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), ended }
    }

    async fn connect(&self) -> TestClient {
        TestClient(TcpStream::connect(self.address).await.unwrap())
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

struct TestClient(TcpStream);

impl TestClient {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that comes until the server closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// One answer with a `Content-Length`, on a connection that stays open.
    async fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            let read = self.0.read_buf(&mut bytes).await.unwrap();
            let text = std::str::from_utf8(&bytes).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.map_or(0, |length| length.parse().unwrap()) == body.len() {
                    return text.to_owned();
                }
            }
            assert_ne!(read, 0, "the connection ended early: {text}");
        }
    }

    async fn get(&mut self, path: &str) -> String {
        self.send(request(path)).await;
        self.answer().await
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn edge(routes: Router, limits: HttpLimits) -> Router {
    finish(routes, HttpParts { limits, ..HttpParts::new(Clock::system(), Random::system()) })
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn quick() -> HttpLimits {
    HttpLimits { drain_delay: Duration::ZERO, ..HttpLimits::default() }
}

fn short_heads() -> HttpLimits {
    HttpLimits { header_timeout: SHORT, ..quick() }
}

#[tokio::test]
async fn http_01_a_connection_that_says_nothing_is_closed() {
    let server = TestServer::start(hello(), short_heads()).await;
    assert_eq!(server.connect().await.rest().await, "");
}

#[tokio::test]
async fn http_01_half_a_head_is_answered_408_and_closed() {
    let server = TestServer::start(hello(), short_heads()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: local").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    let mut client = server.connect().await;
    client.send("GET / HT").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn http_01_a_trickle_does_not_move_the_deadline() {
    let server = TestServer::start(hello(), short_heads()).await;
    let (mut read, mut write) = server.connect().await.0.into_split();
    write.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    let trickle = async {
        // Far fewer bytes than the size limits allow, and it goes on until the server hangs up.
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    let mut answer = Vec::new();
    let (result, ()) = tokio::join!(read.read_to_end(&mut answer), trickle);
    // Our last byte may have met a closed socket, and then the reset is the end.
    assert!(result.is_err() || answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
}

#[tokio::test]
async fn http_01_every_further_head_has_the_same_deadline() {
    let server = TestServer::start(hello(), short_heads()).await;
    let mut client = server.connect().await;
    assert!(client.get("/").await.ends_with("hello"));
    client.send("GET / HTTP/1.1\r\nHost:").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn http_01_an_idle_connection_outlives_the_header_timeout() {
    let server = TestServer::start(hello(), short_heads()).await;
    let mut idle = server.connect().await;
    assert!(idle.get("/").await.ends_with("hello"));
    // This one starts later and is closed for its head, so the timeout has passed for the idle one as well.
    assert_eq!(server.connect().await.rest().await, "");
    assert!(idle.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn http_01_an_idle_connection_is_closed_without_a_word() {
    let server = TestServer::start(hello(), HttpLimits { idle_timeout: SHORT, ..quick() }).await;
    let mut client = server.connect().await;
    assert!(client.get("/").await.ends_with("hello"));
    assert_eq!(client.rest().await, "");
}

/// A body without end, which tells when it is dropped.
struct Endless(Option<oneshot::Sender<()>>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.take().unwrap().send(()).unwrap();
    }
}

#[tokio::test]
async fn http_02_a_client_that_takes_no_byte_is_closed() {
    let (dropped, wait) = oneshot::channel();
    let body = Arc::new(Mutex::new(Some(Body::new(Endless(Some(dropped))))));
    let routes = Router::new().route("/", get(|| async move { body.lock().unwrap().take().unwrap() }));
    let server = TestServer::start(routes, HttpLimits { write_stall: SHORT, ..quick() }).await;
    let mut client = server.connect().await;
    client.send(request("/")).await;
    wait.await.unwrap();
    // The socket was open all the time; only now is it our turn to go.
    drop(client);
}

#[tokio::test]
async fn http_02_a_handler_that_does_not_answer_is_cut_off_with_503() {
    let routes = Router::new().route("/", get(std::future::pending::<()>));
    let server = TestServer::start(routes, HttpLimits { request_deadline: SHORT, ..quick() }).await;
    let answer = server.connect().await.get("/").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n") && answer.contains(r#""code":"busy""#), "{answer}");
}

#[tokio::test]
async fn http_03_too_many_header_bytes_are_answered_431_with_a_way_out() {
    let server = TestServer::start(hello(), quick()).await;
    let mut client = server.connect().await;
    let cookie = "c".repeat(16 * 1024);
    client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(answer.contains("clear-site-data: \"cookies\"\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");

    let mut client = server.connect().await;
    let cookie = "c".repeat(16 * 1024 - 100);
    client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")).await;
    assert!(client.answer().await.ends_with("hello"));
}

#[tokio::test]
async fn http_03_a_head_that_never_ends_is_cut_off() {
    let server = TestServer::start(hello(), quick()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nX: ").await;
    // More than the buffer holds and less than we listen to after the answer.
    client.send("x".repeat(200 * 1024)).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn http_03_more_than_100_fields_are_answered_431() {
    let server = TestServer::start(hello(), quick()).await;
    for (fields, expected) in [(99, "HTTP/1.1 200 "), (100, "HTTP/1.1 431 ")] {
        let mut client = server.connect().await;
        let fields = "X: y\r\n".repeat(fields);
        client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).await;
        assert!(client.answer().await.starts_with(expected));
    }
}

#[tokio::test]
async fn http_03_a_target_that_is_too_long_is_answered_414() {
    let server = TestServer::start(hello(), quick()).await;
    let mut client = server.connect().await;
    let query = "q".repeat(8 * 1024);
    client.send(request(&format!("/?{query}"))).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 414 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn http_04_an_early_answer_reaches_a_client_that_is_still_sending() {
    let routes = Router::new().route("/", post(|| async { StatusCode::PAYLOAD_TOO_LARGE }));
    let server = TestServer::start(routes, quick()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 413 "));
    // The server has said its last word and still listens. Were its socket closed, the first of these writes would
    // provoke a reset, which on a slower path destroys the answer, and a later one would fail.
    for _ in 0..20 {
        client.send("x".repeat(10_000)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn http_07_one_client_gets_no_more_than_its_share() {
    let server = TestServer::start(hello(), HttpLimits { connections_per_client: 2, ..quick() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert!(first.get("/").await.ends_with("hello"));
    assert!(second.get("/").await.ends_with("hello"));
    assert_eq!(server.connect().await.rest().await, "");
    assert!(first.get("/").await.ends_with("hello"));
    drop(second);
    // The server notices the end in its own time; then there is room again.
    loop {
        let mut third = server.connect().await;
        let sent = third.0.write_all(request("/").as_bytes()).await;
        let mut answer = Vec::new();
        if sent.is_ok() && third.0.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {
            break;
        }
    }
}

#[tokio::test]
async fn http_07_a_trusted_proxy_may_open_more() {
    let proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()], ForwardedHeader::default());
    let limits = HttpLimits { connections_per_client: 1, ..quick() };
    let options = ServeOptions { limits, trusted_proxies: proxies, ..ServeOptions::default() };
    let server = TestServer::start_with(hello(), options).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert!(first.get("/").await.ends_with("hello"));
    assert!(second.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn http_07_at_the_cap_accepting_pauses_and_goes_on() {
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let routes =
        Router::new().route("/", get(|| async move { count.fetch_add(1, Ordering::SeqCst).to_string() }));
    let server = TestServer::start(routes, HttpLimits { connections: 1, ..quick() }).await;
    let mut first = server.connect().await;
    assert!(first.get("/").await.ends_with('0'));
    let mut second = server.connect().await;
    second.send(request("/")).await;
    for turn in 1..=20 {
        assert!(first.get("/").await.ends_with(&turn.to_string()));
    }
    drop(first);
    assert!(second.answer().await.ends_with("21"));
}

#[tokio::test]
async fn az_09_a_panic_ends_its_own_request_and_nothing_else() {
    let routes = hello().route(
        "/panic",
        get(|| async {
            if true {
                panic!("CANARY")
            }
        }),
    );
    let server = TestServer::start(routes, quick()).await;
    let mut client = server.connect().await;
    let answer = client.get("/panic").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains(r#""code":"internal""#), "{answer}");
    assert!(answer.contains("x-request-id: ") && answer.contains(r#""request_id":""#), "{answer}");
    assert!(!answer.contains("CANARY"), "{answer}");
    assert!(client.get("/").await.ends_with("hello"));
}

/// A handler that says when it has begun, and answers when it is let go.
fn held(begun: Arc<Notify>, let_go: Arc<Notify>) -> Router {
    Router::new().route(
        "/held",
        get(|| async move {
            begun.notify_one();
            let_go.notified().await;
            "done"
        }),
    )
}

#[tokio::test]
async fn rel_20_requests_in_flight_are_finished() {
    let (begun, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = TestServer::start(held(Arc::clone(&begun), Arc::clone(&let_go)), quick()).await;
    let mut client = server.connect().await;
    client.send(request("/held")).await;
    begun.notified().await;
    server.stop();
    // The listener is closed as soon as the delay is over.
    while TcpStream::connect(server.address).await.is_ok() {}
    let_go.notify_one();
    let answer = client.rest().await;
    assert!(answer.ends_with("done") && answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(server.ended.await.unwrap(), ServeOutcome { aborted: 0 });
}

#[tokio::test]
async fn rel_20_idle_connections_and_stalled_heads_do_not_hold_the_drain() {
    let limits = HttpLimits { header_timeout: Duration::from_secs(600), ..quick() };
    let mut server = TestServer::start(hello(), limits).await;
    let (mut idle, mut stalled, mut silent) =
        (server.connect().await, server.connect().await, server.connect().await);
    assert!(idle.get("/").await.ends_with("hello"));
    stalled.send("GET / HTTP/1.1\r\nHost: lo").await;
    server.stop();
    assert_eq!(server.ended.await.unwrap(), ServeOutcome { aborted: 0 });
    assert_eq!(idle.rest().await, "");
    assert!(stalled.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn rel_20_what_does_not_end_in_time_is_cut_off_and_counted() {
    let (begun, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = HttpLimits { drain_timeout: SHORT, ..quick() };
    let mut server = TestServer::start(held(Arc::clone(&begun), let_go), limits).await;
    let mut client = server.connect().await;
    client.send(request("/held")).await;
    begun.notified().await;
    server.stop();
    assert_eq!(server.ended.await.unwrap(), ServeOutcome { aborted: 1 });
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn rel_20_before_it_closes_the_server_tells_and_goes_on_serving() {
    let draining = Draining::default();
    let readiness = Readiness::new(|| async { vec![Check { name: "database", ok: true }] });
    let system = health::routes(HealthParts {
        draining: draining.clone(),
        readiness,
        version: "0",
        metrics: MetricsAccess::Off,
    });
    let limits = HttpLimits { drain_delay: Duration::from_secs(600), ..HttpLimits::default() };
    let options = ServeOptions { limits, draining: draining.clone(), ..ServeOptions::default() };
    let mut server = TestServer::start_with(hello().merge(system), options).await;
    let mut kept = server.connect().await;
    assert!(kept.get("/readyz").await.starts_with("HTTP/1.1 200 "));
    server.stop();
    while !draining.is_underway() {
        tokio::task::yield_now().await;
    }
    // A kept-alive connection is still served, and asked to go.
    kept.send(request("/")).await;
    let answer = kept.rest().await;
    assert!(answer.ends_with("hello") && answer.contains("connection: close\r\n"), "{answer}");
    let mut fresh = server.connect().await;
    fresh.send(request("/readyz")).await;
    assert!(fresh.rest().await.starts_with("HTTP/1.1 503 "));
    server.ended.abort();
}

#[tokio::test]
async fn rec_01_a_request_for_another_host_is_answered_421() {
    let routes = hello().route("/livez", get(|| async { "ok" }));
    let server = TestServer::start(routes, quick()).await;
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 "),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n", "HTTP/1.1 421 "),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.example\r\n\r\n", "HTTP/1.1 200 "),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 421 "),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("GET /livez HTTP/1.1\r\nHost: 10.0.0.7\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let mut client = server.connect().await;
        client.send(head).await;
        let answer = client.answer().await;
        assert!(answer.starts_with(expected), "{head}: {answer}");
        assert!(!answer.contains("evil"), "{answer}");
        if expected.contains("421") {
            assert!(answer.contains(r#""code":"unknown_host""#), "{answer}");
        }
    }
}

#[tokio::test]
async fn bru_05_rotating_headers_from_an_untrusted_peer_change_nothing() {
    let routes = Router::new().route("/", get(|address: ClientAddress| async move { address.0.to_string() }));
    let server = TestServer::start(routes, quick()).await;
    let mut client = server.connect().await;
    for turn in 0..200 {
        let spoofed = format!("198.51.100.{turn}");
        client
            .send(format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {spoofed}\r\nX-Forwarded-For: {spoofed}, \
                 10.0.0.1\r\nForwarded: for={spoofed}\r\nX-Real-IP: {spoofed}\r\nCF-Connecting-IP: {spoofed}\r\n\r\n"
            ))
            .await;
        let answer = client.answer().await;
        assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn ses_07_a_preflight_is_answered_for_an_allowed_origin_only() {
    let mut parts = HttpParts::new(Clock::system(), Random::system());
    parts.cors = CorsPolicy::new(["https://app.example"]).unwrap();
    let router = finish(hello(), parts);
    let preflight = |origin: &str| {
        let request = Request::options("/")
            .header("host", "localhost")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .body(Body::empty())
            .unwrap();
        router.clone().oneshot(request)
    };
    let answer = preflight("https://app.example").await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    for (name, expected) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"),
        ("access-control-allow-headers", "Authorization, Content-Type, Idempotency-Key, If-Match, X-API-Key"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.headers()[name], expected);
    }
    for refused in ["https://evil", "null", "https://app.example.evil"] {
        let answer = preflight(refused).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
}

#[tokio::test]
async fn ses_08_every_answer_carries_the_header_set() {
    let server = TestServer::start(hello(), quick()).await;
    for path in ["/", "/nothing-here"] {
        let answer = server.connect().await.get(path).await;
        for line in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(&format!("{line}\r\n")), "{line}: {answer}");
        }
        assert!(answer.contains("x-request-id: ") && !answer.contains("server: "), "{answer}");
    }
}

#[test]
fn requests_are_counted_by_method_route_and_status() {
    let recorder = health::metrics_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let router = edge(hello(), quick());
            for path in ["/", "/", "/nothing"] {
                let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
                router.clone().oneshot(request).await.unwrap();
            }
        });
    });
    let text = handle.render();
    for line in [
        r#"http_requests_total{method="GET",route="/",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/",status="200"} 2"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
