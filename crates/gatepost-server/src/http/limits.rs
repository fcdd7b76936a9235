//! How much a client may ask of the transport.

use std::time::Duration;

/// The limits of the transport. The defaults are the ones to ship; tests shorten the times.
///
/// Bodies have limits of their own, where they are read: see `gatepost_problem::Json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// How long a request head may take, counted from its first byte; for the first request of a connection from
    /// the moment it was accepted, so that sending nothing buys no time.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long the client may refuse to take a single byte of an answer.
    pub write_stall: Duration,
    /// How long a handler may work on one request before it is answered 503.
    pub request_deadline: Duration,
    /// The sum of all header lines, in bytes. Larger: 431. A head past 64 KiB is not even read to its end.
    pub header_bytes: usize,
    /// The length of the request target, in bytes. Longer: 414.
    pub uri_bytes: usize,
    /// Connections in all. At the limit no more are accepted until one ends. Fewer when the process may not open
    /// that many files.
    pub connections: usize,
    /// Connections of one client (one IPv4 address, or one IPv6 /64, which is what one household gets). More are
    /// closed at once. Does not apply to trusted proxies, which speak for many clients.
    pub connections_per_client: usize,
    /// How long a server that is told to stop goes on accepting, while its load balancer notices.
    pub drain_delay: Duration,
    /// How long it then waits for the requests that it has begun.
    pub drain_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall: Duration::from_secs(15),
            request_deadline: Duration::from_secs(30),
            header_bytes: 16 * 1024,
            uri_bytes: 8 * 1024,
            connections: 10_000,
            connections_per_client: 256,
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
