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

mod caller;
mod client_address;
mod connection;
mod cookies;
mod cors;
mod credential;
mod csrf;
mod docs;
mod edge;
pub mod health;
mod host;
mod limits;
mod own_site;
mod page;
mod permission;
mod preconditions;
mod principal;
mod progress;
mod refused;
mod request_log;
mod require;
mod router;
pub mod security_headers;
mod serve;
mod session_cookies;
mod storage;

#[cfg(test)]
mod tests;

pub(crate) use caller::step_up_required;
pub use caller::{Caller, NotByApiKey, Rights};
pub use client_address::{ClientAddress, ForwardedHeader, TrustedProxies};
pub use cookies::{CookieJar, CookieName, Cookies};
pub use cors::{CorsPolicy, NotAnOrigin};
pub use credential::Credential;
pub use csrf::{CsrfGuard, Site};
pub use edge::{HttpParts, finish};
pub use health::Draining;
pub use host::{HostPolicy, NoHost};
pub use limits::HttpLimits;
pub use own_site::{OwnSite, is_named};
pub(crate) use page::{Cursor, believe_cursor, believe_limit};
pub use page::{Page, Paging, WINDOW};
pub use permission::{Permission, PermissionInfo};
pub use preconditions::{Preconditions, created};
pub use principal::Principal;
pub use refused::Refused;
pub use request_log::SignedInUser;
pub use require::{Denied, Require, Speaker};
pub use router::{openapi, router};
pub use security_headers::PageNonce;
pub use serve::{ServeOptions, ServeOutcome, serve};
pub(crate) use session_cookies::{SetCookies, forget_session, session_cookies};
pub use storage::{storage_oauth_error, storage_problem};
