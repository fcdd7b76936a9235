//! What every route shares: the accept loop, the edge around the router, and what machines ask.
//!
//! ```text
//! serve ──▶ connection ──▶ edge ──▶ routes
//!   │           │            ├─ client_address, host, cors                on the way in
//!   │           │            └─ security_headers, request_log            on the way out
//!   │           └─ progress: header, idle and write deadlines
//!   └─ connection caps, graceful stop
//! ```
//!
//! [`finish`] puts the edge around a complete router; [`serve`] runs it on a socket. An application that mounts our
//! routes in a server of its own calls only the former, and then owns the limits of the transport.

mod client_address;
mod connection;
mod cors;
mod edge;
pub mod health;
mod host;
mod limits;
mod progress;
mod request_log;
pub mod security_headers;
mod serve;

#[cfg(test)]
mod tests;

pub use client_address::{ClientAddress, ForwardedHeader, TrustedProxies};
pub use cors::{CorsPolicy, NotAnOrigin};
pub use edge::{HttpParts, finish};
pub use health::Draining;
pub use host::{HostPolicy, NoHost};
pub use limits::HttpLimits;
pub use request_log::SignedInUser;
pub use security_headers::PageNonce;
pub use serve::{ServeOptions, ServeOutcome, serve};
