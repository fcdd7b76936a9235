//! One event and two metrics for each request, and nothing else: whoever merely passes an error on logs nothing.
//!
//! What is logged is a list, not a filter: the method, the route's template (never the path or the query, which
//! may carry a token), the status, the latency, the client's address, the request id, the signed-in user's id, that of
//! the API key if one was used, and the causes of a failure or a refusal, which the client is not told.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::response::Response;
use gatepost_problem::{Cause, Code};
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

use super::client_address::ClientAddress;
use crate::ids::{ApiKeyId, UserId};

/// Where whoever authenticates a request leaves the user's id for the log. It is in every request's extensions.
#[derive(Clone, Debug, Default)]
pub struct SignedInUser(Arc<(OnceLock<UserId>, OnceLock<ApiKeyId>)>);

impl SignedInUser {
    /// Leaves the id. The first one counts.
    pub fn set(&self, user: UserId) {
        // A second extractor of the same request finds the same user.
        self.0.0.get_or_init(|| user);
    }

    /// Leaves the id of the API key that speaks for the user.
    pub fn set_api_key(&self, key: ApiKeyId) {
        self.0.1.get_or_init(|| key);
    }
}

/// What is known of a request before it is answered.
pub(super) struct Entry<'a> {
    pub(super) method: &'a Method,
    pub(super) route: Option<&'a MatchedPath>,
    pub(super) client: ClientAddress,
    pub(super) request_id: &'a str,
    pub(super) user: &'a SignedInUser,
}

/// Logs and counts. Metric handles are looked up once for each route, method and status, because asking the
/// recorder costs more than the rest of this file. Create it after the metrics recorder was installed.
#[derive(Default)]
pub(super) struct RequestLog {
    metrics: RwLock<HashMap<Box<str>, Vec<RouteMetrics>>>,
}

struct RouteMetrics {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

/// What requests that matched no route are counted under, so that strangers cannot invent label values.
const NO_ROUTE: &str = "none";

impl RequestLog {
    /// Records one answered request.
    pub(super) fn record(&self, entry: &Entry<'_>, answer: &Response, elapsed: Duration) {
        let (status, extensions) = (answer.status(), answer.extensions());
        let route = entry.route.map_or(NO_ROUTE, MatchedPath::as_str);
        let method = method_name(entry.method);
        self.count(method, route, status, elapsed);

        let (user, key) = &*entry.user.0;
        let (user, key) = (user.get().map(tracing::field::display), key.get().map(tracing::field::display));
        let code = extensions.get::<Code>().map(|code| code.0);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        // A level is part of a call site, so there is one call for each.
        macro_rules! event {
            ($level:ident, $error:ident) => {
                tracing::$level!(
                    target: "gatepost::request",
                    method,
                    route,
                    status = status.as_u16(),
                    latency_us = micros,
                    client = %entry.client.0,
                    request_id = entry.request_id,
                    user_id = user,
                    api_key_id = key,
                    code,
                    $error,
                    "request"
                )
            };
        }
        let error = extensions.get::<Cause>().map(Cause::chain);
        let error = error.as_deref();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            event!(error, error);
        } else if status.is_server_error() {
            event!(warn, error);
        } else {
            // A refusal that has a cause says it too: the client only hears "invalid".
            event!(info, error);
        }
    }

    fn count(&self, method: &'static str, route: &str, status: StatusCode, elapsed: Duration) {
        let add = |metrics: &RouteMetrics| {
            metrics.requests.increment(1);
            metrics.duration.record(elapsed);
        };
        let find = |metrics: &&RouteMetrics| metrics.method == method && metrics.status == status;
        // A panic cannot leave the map half written, so a poisoned lock is as good as a whole one.
        let known = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.get(route).and_then(|of_route| of_route.iter().find(find)) {
            return add(metrics);
        }
        drop(known);
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        let metrics = RouteMetrics {
            method,
            status,
            requests: metrics::counter!("http_requests_total", &labels),
            duration: metrics::histogram!("http_request_duration_seconds", &labels),
        };
        add(&metrics);
        let mut known = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = known.entry(route.into()).or_default();
        if !of_route.iter().any(|known| find(&known)) {
            of_route.push(metrics);
        }
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
