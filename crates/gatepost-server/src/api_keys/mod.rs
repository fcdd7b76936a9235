//! API keys: credentials for programs, made by their owner and shown once.
//!
//! Invariants:
//! * A key belongs to whoever was signed in when it was made; no request can name another owner.
//! * The database has only its hash. A key has an end, at most a year away.
//! * What it may do is its owner's permissions **now**, as far as its scopes name them. It has no roles.
//! * It never becomes a session. Operations that change credentials want a [`Caller`](crate::http::Caller), which a key is
//!   not; only those that take a [`Principal`](crate::http::Principal) are reachable
//!   (`docs/adr/0015-what-an-api-key-cannot-do.md`).
//! * It dies with its account: when that is deleted, and for good when it is switched off. It outlives a change of
//!   password, and not a reset.

mod authenticate;
mod create;
mod list;
mod model;
mod revoke;
mod sql;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use authenticate::{ApiKeys, AuthenticationError, KeyIdentity, rights_now, still_lives};
pub use list::page;
pub use model::{ApiKey, has_prefix};
pub use revoke::{forget, purge, revoke};
pub use sql::STATEMENTS;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list::handler, create::handler)).routes(routes!(revoke::handler))
}
