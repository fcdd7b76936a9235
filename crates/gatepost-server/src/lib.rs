//! The Gatepost application: accounts, sign-in, sessions and access as one axum router.
//!
//! One folder is one feature; [`features`] lists them in the order in which they may depend on each other. Each folder has
//! the same rooms: `mod.rs` says what the feature promises, `model.rs` holds pure types and transitions, `sql.rs` every
//! statement on the tables that the feature owns, and one file a use case holds request, response, handler and
//! transaction, in reading order. [`http`] is what every route shares, [`config`] what an operator may decide, and
//! [`app`] wires the parts.
//!
//! ```no_run
//! # async fn run(app: gatepost_server::App) {
//! use gatepost_server::http::{self, HttpParts};
//!
//! let parts = HttpParts::new(app.clock.clone(), app.random.clone());
//! let routes = http::finish(http::router(app), parts);
//! # drop(routes); }
//! ```

pub mod access;
pub mod accounts;
pub mod administration;
pub mod api_keys;
pub mod app;
pub mod attempts;
pub mod audit;
pub mod config;
pub mod extension;
pub mod features;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod ids;
pub mod imports;
pub mod items;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod outbox;
pub mod passwords;
pub mod recovery;
pub mod second_factor;
pub mod sessions;
pub mod sign_in;
pub mod sign_up;
pub mod tasks;

pub use app::App;
pub use extension::Extension;
