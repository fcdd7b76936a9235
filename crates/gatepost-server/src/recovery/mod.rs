//! Recovery: what travels through a mailbox. Links that verify an address, reset a password, change an address or take
//! the change back.
//!
//! Invariants:
//! * A link is 256 random bits, kept as a hash, good for one purpose, once, until an exact moment. The purpose is part of
//!   the hash and of the key, and each use case names its own: no request chooses it.
//! * A link proves that somebody reads a mailbox, and nothing more: it never signs anybody in and is no second factor.
//! * It is consumed in the transaction that does what it is for. A refusal leaves it as it was, so that a mistyped form
//!   costs nobody their link.
//! * An address belongs to an account once its mailbox has confirmed. For seven days the mailbox before can take it back, and
//!   of several the oldest wins (`docs/adr/0023`).
//! * Looking at a page never consumes a link: a mail scanner opens every one.
//! * Whoever asks for a link by naming an address hears the same after the same work (`docs/adr/0018`): the request is
//!   noted, and [`answer_requests`] looks up who is meant.

mod answer_requests;
mod change_email;
mod confirm_email;
mod forgot_password;
mod link;
mod pages;
mod purge;
mod request;
mod resend_verification;
mod reset_password;
mod secure_account;
mod sql;
mod undo_email;
mod verify_email;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use answer_requests::answer_requests;
pub use link::{Desk, DrawnLink, LinkPurpose, is_reserved, purge, reserved_among};
pub use purge::throw_out;
pub use request::Requests;
pub use sql::STATEMENTS;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(verify_email::handler))
        .routes(routes!(resend_verification::handler))
        .routes(routes!(forgot_password::handler))
        .routes(routes!(reset_password::handler))
        .routes(routes!(change_email::handler))
        .routes(routes!(confirm_email::handler))
        .routes(routes!(undo_email::handler))
        .routes(routes!(secure_account::handler))
        .merge(pages::routes())
}
