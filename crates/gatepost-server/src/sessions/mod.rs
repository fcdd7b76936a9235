//! Sessions: one sign-in on one device, and the tokens that stand for it.
//!
//! | who comes | what it calls here | which transaction |
//! |---|---|---|
//! | `sign_in`, `sign_up`: a proof was given | [`Assurance::establish`], [`open`], then [`Mint::tokens`] | the caller's; tokens after its commit |
//! | `sign_in`: a refresh token | [`exchange`] | one compare-and-swap; a second one only to explain a miss |
//! | `sign_in`: a sign-out | [`end`], [`end_by_refresh_token`] | the caller's |
//! | `http::Caller`: an access token | [`Identities::authenticate`] | a read, or none |
//! | `http::Caller`: a session cookie | [`of_cookie`] | a read |
//! | a step-up in a browser session | [`Mint::renewal`], [`renew_cookie`] | the caller's |
//! | an operator, a recovered account | [`revoke_all`] | the caller's |
//! | `jobs` | [`purge`] | the caller's |
//!
//! A family is `active`, and then `ended` (its user signed out) or `revoked` (`refresh_reuse`, `wrong_client`); it never
//! comes back. Two that judge the same family at once are serializable: the second sees what the first has done.
//!
//! Invariants:
//! * **One mint.** Every session begins in [`open`] and every token leaves through [`Mint::tokens`], which wants a
//!   [`Grant`]; a grant comes from [`open`] or from a refresh, and [`open`] wants an [`Assurance`], whose only
//!   constructor checks the state of the account. No path can forget a check.
//! * A session is bound to the account's `auth_epoch`. When the epoch moves on, the session is dead without being
//!   touched.
//! * The refresh tokens of a session are one row, a *family*. The database keeps hashes; at any time at most one token
//!   of a family can be exchanged for a new one (`docs/adr/0004-refresh-rotation.md`).
//! * A session is carried by tokens or by a cookie, never by both ([`Wanted`]). A cookie is a random id whose hash is
//!   kept; it is new at every sign-in, step-up and change of password (`docs/adr/0017-browser-sessions.md`).
//! * An access token opens our own routes only as long as its session and its account's epoch live, which is read from
//!   the database or from a cache that a commit on this node empties at once and that other nodes' commits reach
//!   within [`identities::MAX_AGE`].

mod agent;
mod browser;
mod cookie;
mod end;
pub mod identities;
mod last_seen;
mod list;
mod mint;
mod model;
mod places;
mod prove;
mod refresh;
mod revoke;
mod sql;
mod wanted;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use agent::Agent;
pub use browser::{Renewal, named_by_cookie, of_cookie, renew_cookie};
pub use cookie::{CookieKey, SessionCookie};
pub use end::{end, end_by_refresh_token, purge};
pub use identities::{Identities, Identity, MAX_AGE, rights_now, still_lives};
pub use last_seen::note_use;
pub use mint::{Device, Drawn, Grant, Mint, MintError, SessionLimits, Settings, SignIn, Tokens, open};
pub use model::{Assurance, Evidence, NotAssured, Policy, Proof, RefreshToken, SecondFactor, Shown};
pub use places::{Places, PlacesError};
pub use prove::prove;
pub use refresh::{ExchangeError, exchange};
pub use revoke::{revoke, revoke_all};
pub use sql::STATEMENTS;
pub use wanted::Wanted;

/// The `client_id` of sign-ins that no other application mediates.
pub const FIRST_PARTY: &str = "gatepost";

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list::handler, revoke::all)).routes(routes!(revoke::one))
}
