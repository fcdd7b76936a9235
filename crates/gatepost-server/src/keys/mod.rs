//! Keys: what signs access tokens, and what seals secrets.
//!
//! Invariants:
//! * Exactly one key is active. Two nodes that rotate at the same moment make one key between them: partial unique
//!   indexes refuse the second.
//! * A key is published before it signs and after it signed, so that no verifier meets a token whose key it cannot
//!   know (JWKS caches of others included).
//! * Private halves are in the database only sealed under the master key, which is not; they are erased when a key
//!   ends.

mod jwks;
mod master;
mod model;
mod ring;
mod rotate;
mod sql;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use master::{MasterKey, MasterKeyError, ServerKey};
pub use model::{KeyInfo, Schedule, State};
pub use ring::{KeyRing, KeysError, Ring};
pub use rotate::{exist, force, revoke, rotate};
pub use sql::STATEMENTS;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(jwks::get))
}
