//! The one layer around all routes.
//!
//! One layer and not eight: each would box a future for every request, and the order of the steps matters enough
//! to be read in one place. On the way in: request id, client address, size limits, `Host`, preflight. Around the
//! handler: the deadline and the net that catches a panic. On the way out: CORS, security headers, the request
//! id, the log line.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use gatepost_kernel::{Clock, Id, Random};
use gatepost_problem::{Problem, ProblemType, request_id};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower::{Layer, Service};

use super::client_address::{self, TrustedProxies};
use super::cors::{self, CorsPolicy};
use super::host::{HostError, HostPolicy};
use super::limits::HttpLimits;
use super::request_log::{Entry, RequestLog, SignedInUser};
use super::security_headers;

const CLOSE: HeaderValue = HeaderValue::from_static("close");
const CLEAR_COOKIES: (HeaderName, HeaderValue) =
    (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cookies\""));
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A kind of [`Id`].
enum RequestKind {}

/// What the edge needs to know.
#[derive(Clone)]
pub struct HttpParts {
    /// Sizes and the request deadline.
    pub limits: HttpLimits,
    /// The names that the server answers to.
    pub host: HostPolicy,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Which other origins may read answers.
    pub cors: CorsPolicy,
    /// Whether the public URL is https.
    pub https: bool,
    /// Stamps request ids.
    pub clock: Clock,
    /// Fills request ids and page nonces.
    pub random: Random,
}

impl HttpParts {
    /// The defaults: loopback names, no proxies, no other origins, plain http.
    pub fn new(clock: Clock, random: Random) -> Self {
        Self {
            limits: HttpLimits::default(),
            host: HostPolicy::Loopback,
            trusted_proxies: TrustedProxies::default(),
            cors: CorsPolicy::default(),
            https: false,
            clock,
            random,
        }
    }
}

/// Puts the edge around a complete router. Routes that are added afterwards stand outside of it, so this is the
/// last step.
///
/// Request ids are always our own: one that a client chose could be made to collide with another client's.
pub fn finish(router: Router, parts: HttpParts) -> Router {
    router.layer(EdgeLayer(Arc::new(Shared { parts, log: RequestLog::default() })))
}

struct Shared {
    parts: HttpParts,
    log: RequestLog,
}

#[derive(Clone)]
struct EdgeLayer(Arc<Shared>);

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, shared: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
struct Edge<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for Edge<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let parts = &shared.parts;
        let peer = client_address::peer(request.extensions());
        let client = parts.trusted_proxies.client(peer.0, request.headers());
        let user = SignedInUser::default();
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(user.clone());

        let id: Arc<str> = Id::<RequestKind>::generate(parts.clock.now(), &parts.random).to_string().into();
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let origin = parts.cors.allowed(request.headers());
        let work = match refuse(parts, &request) {
            Some(refusal) => Work::Refuse(refusal),
            None if origin.is_some() && cors::is_preflight(&method, request.headers()) => Work::Preflight,
            None => Work::Handle(self.inner.call(request)),
        };

        Box::pin(async move {
            let parts = &shared.parts;
            let work = work.answer(parts.limits.request_deadline);
            let (mut head, body) = request_id::scope(Arc::clone(&id), work).await.into_parts();
            parts.cors.apply(origin, &mut head.headers);
            security_headers::apply(&mut head.headers, &mut head.extensions, parts.https, &parts.random);
            if let Ok(value) = HeaderValue::from_str(&id) {
                head.headers.insert(X_REQUEST_ID, value);
            }
            let answer = Response::from_parts(head, body);
            let entry =
                Entry { method: &method, route: route.as_ref(), client, request_id: &id, user: &user };
            shared.log.record(&entry, &answer, started.elapsed());
            Ok(answer)
        })
    }
}

/// What is done with a request.
enum Work<F> {
    Refuse(Problem),
    Preflight,
    Handle(F),
}

impl<F: Future<Output = Result<Response, Infallible>>> Work<F> {
    async fn answer(self, deadline: Duration) -> Response {
        match self {
            Self::Refuse(refusal) => refusal.into_response(),
            Self::Preflight => (StatusCode::NO_CONTENT, cors::PREFLIGHT).into_response(),
            Self::Handle(handler) => match tokio::time::timeout(deadline, catch_panic(handler)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(panic)) => Problem::internal(panic).into_response(),
                Err(_) => Problem::new(ProblemType::Busy)
                    .detail("The request took too long.")
                    .cause("the request deadline has passed")
                    .into_response(),
            },
        }
    }
}

/// The reason to answer a request without a handler.
fn refuse(parts: &HttpParts, request: &Request) -> Option<Problem> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    if target > parts.limits.uri_bytes {
        return Some(Problem::new(ProblemType::UriTooLong).header(header::CONNECTION, CLOSE));
    }
    // ": " and the line break belong to a header line as well.
    let size: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > parts.limits.header_bytes {
        // A cookie bomb must be recoverable: left alone, the browser would send the same cookies for ever.
        let (name, value) = CLEAR_COOKIES;
        return Some(
            Problem::new(ProblemType::HeadersTooLarge).header(name, value).header(header::CONNECTION, CLOSE),
        );
    }
    match parts.host.check(uri, request.headers()) {
        Ok(()) => None,
        Err(HostError::Malformed) => {
            Some(Problem::new(ProblemType::InvalidRequest).detail("Send exactly one Host header."))
        }
        Err(HostError::Unknown) => Some(Problem::new(ProblemType::UnknownHost)),
    }
}

/// Runs a handler so that its panic ends its own request and nothing else.
///
/// Unwinding is safe to observe here: the handler's future is dropped and never polled again, and what it shares
/// with others is behind locks that poison or stores that roll back.
async fn catch_panic<F>(handler: F) -> Result<Response, String>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let mut handler = pin!(handler);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
        Ok(poll) => poll.map(|Ok(answer)| Ok(answer)),
        Err(payload) => Poll::Ready(Err(panic_text(payload.as_ref()))),
    })
    .await
}

/// What a panic said, if it is a literal of the code. A computed message may quote a value, and values may be secrets.
fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().copied();
    format!("a handler panicked: {}", text.unwrap_or("(a computed message, withheld)"))
}
