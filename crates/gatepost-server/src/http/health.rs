//! What machines ask: `/livez`, `/readyz`, `/version` and `/metrics`.
//!
//! `/livez` says that the process answers, and nothing more: it must not fail because a database is away, or an
//! orchestrator restarts a healthy process into the same outage. `/readyz` says whether to send requests here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatepost_kernel::{Purpose, Secret, TokenHash};
use gatepost_problem::Problem;
use http::{HeaderMap, HeaderValue, StatusCode, header};
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde::Serialize;

/// How long `/readyz` waits for its checks before it counts them as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

const METRICS_TOKEN: Purpose = Purpose::new("metrics-token");

/// Seconds; the upper bounds of `http_request_duration_seconds`.
const DURATION_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Whether the process is on its way out. Cloning shares the flag: [`serve`](super::serve) raises it on the
/// first signal, and `/readyz` answers 503 from then on.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Raises the flag; there is no way back.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the flag is up.
    pub fn is_underway(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One thing that must work before requests should come, for example `database`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Check {
    /// A short name, shown to whoever asks: no addresses, no versions.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
}

type Checks = Pin<Box<dyn Future<Output = Vec<Check>> + Send>>;

/// Runs the checks of `/readyz`. Cloning shares it.
#[derive(Clone)]
pub struct Readiness {
    check: Arc<dyn Fn() -> Checks + Send + Sync>,
    patience: Duration,
}

impl Readiness {
    /// Asks `check` each time somebody asks us. It is cut off after two seconds.
    pub fn new<F: Future<Output = Vec<Check>> + Send + 'static>(
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self { check: Arc::new(move || Box::pin(check())), patience: CHECK_TIMEOUT }
    }
}

/// Who may read `/metrics` on the main listener.
#[derive(Clone)]
pub enum MetricsAccess {
    /// Nobody: the route does not exist here (it may have a listener of its own).
    Off,
    /// Everybody who reaches the port.
    Open(PrometheusHandle),
    /// Whoever brings `Authorization: Bearer <token>`.
    Token(PrometheusHandle, TokenHash),
}

/// What decides who may read `/metrics` on the main listener.
pub struct MetricsSettings {
    /// The configured bearer token.
    pub token: Option<Secret<String>>,
    /// Whether the metrics have a listener of their own.
    pub own_listener: bool,
    /// Whether only people on this machine reach the main listener: it is bound to loopback and no proxy stands
    /// in front of it (no public URL, no trusted proxies). A proxy would carry the world to loopback.
    pub private: bool,
}

impl MetricsAccess {
    /// A token opens the route, a listener of its own removes it, and without either it is open only in private.
    pub fn on_main_listener(handle: PrometheusHandle, settings: &MetricsSettings) -> Self {
        match &settings.token {
            Some(token) => Self::Token(handle, TokenHash::of(METRICS_TOKEN, token.expose())),
            None if settings.private && !settings.own_listener => Self::Open(handle),
            None => Self::Off,
        }
    }
}

/// What the system routes answer from.
#[derive(Clone)]
pub struct HealthParts {
    /// The flag that [`serve`](super::serve) raises.
    pub draining: Draining,
    /// The checks of `/readyz`.
    pub readiness: Readiness,
    /// What `/version` says.
    pub version: &'static str,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
}

/// The routes `/livez`, `/readyz`, `/version` and, where it is allowed, `/metrics`.
pub fn routes(parts: HealthParts) -> Router {
    let HealthParts { draining, readiness, version, metrics } = parts;
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(move || ready(draining.clone(), readiness.clone())))
        .route(
            "/version",
            get(move || async move { json(StatusCode::OK, &Version { name: "gatepost", version }) }),
        );
    match metrics {
        MetricsAccess::Off => router,
        MetricsAccess::Open(handle) => router.merge(metrics_routes(handle)),
        MetricsAccess::Token(handle, hash) => router.route(
            "/metrics",
            get(move |headers: HeaderMap| async move {
                if presents(&headers, &hash) {
                    render(&handle)
                } else {
                    Problem::unauthenticated().into_response()
                }
            }),
        ),
    }
}

/// `/metrics` for everybody who reaches it: for a listener of its own.
pub fn metrics_routes(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(move || async move { render(&handle) }))
}

/// The recorder of all metrics, with the buckets that our histograms need.
pub fn metrics_recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    // The only error is an empty list of buckets. Without buckets a histogram becomes a summary: less useful,
    // still true.
    builder.set_buckets(&DURATION_BUCKETS).unwrap_or_default().build_recorder()
}

/// Folds recorded samples into their buckets every few seconds, until dropped.
///
/// Somebody must: the exporter keeps each sample until it is folded, so a server that nobody scrapes would grow.
pub async fn keep_metrics_small(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    checks: Vec<Check>,
}

async fn ready(draining: Draining, readiness: Readiness) -> Response {
    if draining.is_underway() {
        return unavailable("draining", Vec::new());
    }
    match tokio::time::timeout(readiness.patience, (readiness.check)()).await {
        Ok(checks) if checks.iter().all(|check| check.ok) => {
            json(StatusCode::OK, &Report { status: "ready", checks })
        }
        Ok(checks) => unavailable("unavailable", checks),
        Err(_) => unavailable("timeout", Vec::new()),
    }
}

fn unavailable(status: &'static str, checks: Vec<Check>) -> Response {
    let mut answer = json(StatusCode::SERVICE_UNAVAILABLE, &Report { status, checks });
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

fn render(handle: &PrometheusHandle) -> Response {
    // The text format 0.0.4 of Prometheus.
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

/// Compares hashes, in constant time: neither the length nor a matching start of the token can be timed.
fn presents(headers: &HeaderMap, expected: &TokenHash) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .is_some_and(|(_, token)| TokenHash::of(METRICS_TOKEN, token.trim()) == *expected)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    fn parts(readiness: Readiness) -> HealthParts {
        HealthParts {
            draining: Draining::default(),
            readiness,
            version: "1.2.3",
            metrics: MetricsAccess::Off,
        }
    }

    fn database(ok: bool) -> Readiness {
        Readiness::new(move || async move { vec![Check { name: "database", ok }] })
    }

    async fn ask(router: &Router, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_follows_the_checks_and_liveness_does_not() {
        let well = routes(parts(database(true)));
        let body = r#"{"status":"ready","checks":[{"name":"database","ok":true}]}"#;
        assert_eq!(ask(&well, "/readyz", None).await, (StatusCode::OK, body.to_owned()));
        let ill = routes(parts(database(false)));
        let body = r#"{"status":"unavailable","checks":[{"name":"database","ok":false}]}"#;
        assert_eq!(ask(&ill, "/readyz", None).await, (StatusCode::SERVICE_UNAVAILABLE, body.to_owned()));
        assert_eq!(ask(&ill, "/livez", None).await, (StatusCode::OK, "ok".to_owned()));
        let body = r#"{"name":"gatepost","version":"1.2.3"}"#;
        assert_eq!(ask(&ill, "/version", None).await, (StatusCode::OK, body.to_owned()));
    }

    #[tokio::test]
    async fn a_check_that_hangs_counts_as_failed() {
        let patience = Duration::from_millis(1);
        let router = routes(parts(Readiness { patience, ..Readiness::new(std::future::pending) }));
        assert_eq!(ask(&router, "/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn rel_20_readiness_ends_with_the_first_signal() {
        let parts = parts(database(true));
        let (draining, router) = (parts.draining.clone(), routes(parts));
        assert_eq!(ask(&router, "/readyz", None).await.0, StatusCode::OK);
        draining.begin();
        assert_eq!(ask(&router, "/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&router, "/livez", None).await.0, StatusCode::OK);
    }

    fn metrics(token: Option<&str>, own_listener: bool, private: bool) -> Router {
        let token = token.map(|token| Secret::from(token.to_owned()));
        let settings = MetricsSettings { token, own_listener, private };
        let metrics = MetricsAccess::on_main_listener(metrics_recorder().handle(), &settings);
        routes(HealthParts { metrics, ..parts(database(true)) })
    }

    #[tokio::test]
    async fn metrics_are_open_only_in_private() {
        assert_eq!(ask(&metrics(None, false, true), "/metrics", None).await.0, StatusCode::OK);
        for closed in [metrics(None, false, false), metrics(None, true, true), metrics(None, true, false)] {
            assert_eq!(ask(&closed, "/metrics", None).await.0, StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn a_metrics_token_is_asked_for_everywhere() {
        for private in [true, false] {
            let router = metrics(Some("CANARY"), false, private);
            assert_eq!(ask(&router, "/metrics", Some("Bearer CANARY")).await.0, StatusCode::OK);
            for wrong in [None, Some("Bearer CANARx"), Some("Bearer "), Some("Basic CANARY"), Some("CANARY")]
            {
                assert_eq!(ask(&router, "/metrics", wrong).await.0, StatusCode::UNAUTHORIZED, "{wrong:?}");
            }
        }
    }
}
