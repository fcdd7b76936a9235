//! Sign-in: from proofs to sessions, and out again.
//!
//! Invariants:
//! * An unknown name, a wrong password, an account without a password and a disabled account get the same answer after
//!   the same work (`PWD-05`, `PWD-06`).
//! * Whoever gets a token has an [`Assurance`](crate::sessions::Assurance) that was established in the transaction that
//!   opened the session: a password that was changed or an account that was disabled a moment earlier opens nothing.
//! * `/api/v1/auth/**` and `/oauth/token` are two dialects of the same use cases.

mod answer;
mod change_password;
mod client;
mod confirm_totp;
mod login;
mod logout;
mod password;
mod refresh;
mod second_factor;
mod set_password;
mod step_up;
mod token;

use gatepost_db::Statement;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use answer::{AuthResponse, BrowserResponse, SignInResponse, signed_in};
pub(crate) use client::basic_credentials;
pub use password::{PasswordField, believe_new_password};
pub(crate) use password::{hash_problem, password_changed, refuse_former};
pub use set_password::set_password;
pub(crate) use token::Request as TokenRequest;

/// This feature reads and writes through the others.
pub static STATEMENTS: &[&Statement] = &[];

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login::handler))
        .routes(routes!(second_factor::handler))
        .routes(routes!(confirm_totp::handler))
        .routes(routes!(step_up::handler))
        .routes(routes!(refresh::handler))
        .routes(routes!(logout::handler))
        .routes(routes!(token::handler))
        .routes(routes!(change_password::handler))
}
