//! Limits of the HTTP server, and which pages may call it.

use std::time::Duration;

use crate::http::HttpLimits;

use super::public_url::cors_origin;
use super::reader::Reader;
use super::setting::Setting;
use super::span::{HOUR, MINUTE, secs};

/// Limits of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Open connections, all clients together.
    pub max_connections: u32,
    /// Open connections of one client address.
    pub max_connections_per_address: u32,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a whole request may take.
    pub request_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long `/readyz` says no before the listener closes.
    pub drain_delay: Duration,
    /// How long running requests may take after the listener closed.
    pub drain_timeout: Duration,
}

impl HttpConfig {
    /// The limits of the transport; what is no setting keeps its default.
    pub fn limits(&self) -> HttpLimits {
        HttpLimits {
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
            request_deadline: self.request_timeout,
            connections: usize::try_from(self.max_connections).unwrap_or(usize::MAX),
            connections_per_client: usize::try_from(self.max_connections_per_address).unwrap_or(usize::MAX),
            drain_delay: self.drain_delay,
            drain_timeout: self.drain_timeout,
            ..HttpLimits::default()
        }
    }
}

/// Which web pages may call the server from a browser (CORS).
#[derive(Clone, Debug)]
pub struct CorsConfig {
    /// Exact origins, as browsers send them in `Origin`.
    pub allowed_origins: Vec<String>,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "http.max_connections",
        "10000",
        "Open connections, all clients together. More wait in the kernel's queue.",
    ),
    Setting::new(
        "http.max_connections_per_address",
        "256",
        "Open connections of one client address. Trusted proxies are not counted.",
    ),
    Setting::new("http.header_timeout", "'10s'", "How long a client may take to send the head of a request."),
    Setting::new(
        "http.request_timeout",
        "'30s'",
        "How long a whole request may take before it is answered with 503.",
    ),
    Setting::new(
        "http.idle_timeout",
        "'75s'",
        "How long a connection may stay open between two requests. Keep it above that of your reverse proxy.",
    ),
    Setting::new(
        "http.drain_delay",
        "'5s'",
        "At shutdown, how long `/readyz` says no before the listener closes, so that load balancers notice.",
    ),
    Setting::new("http.drain_timeout", "'30s'", "At shutdown, how long running requests may take to finish."),
    Setting::new(
        "cors.allowed_origins",
        "[]",
        "The web pages that may call the server from a browser, as exact origins: \"https://app.example.com\".",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> HttpConfig {
    HttpConfig {
        max_connections: reader.integer("http.max_connections", 1..=1_000_000),
        max_connections_per_address: reader.integer("http.max_connections_per_address", 1..=1_000_000),
        header_timeout: reader.duration("http.header_timeout", secs(1, 5 * MINUTE)),
        request_timeout: reader.duration("http.request_timeout", secs(1, HOUR)),
        idle_timeout: reader.duration("http.idle_timeout", secs(1, HOUR)),
        drain_delay: reader.duration("http.drain_delay", secs(0, 5 * MINUTE)),
        drain_timeout: reader.duration("http.drain_timeout", secs(0, HOUR)),
    }
}

pub(crate) fn read_cors(reader: &mut Reader<'_>) -> CorsConfig {
    CorsConfig { allowed_origins: reader.list("cors.allowed_origins", cors_origin) }
}
