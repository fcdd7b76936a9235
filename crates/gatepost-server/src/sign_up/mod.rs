//! Sign-up: how accounts come to be.
//!
//! Invariants:
//! * Account, password, role and session of a registration are one transaction.
//! * Where accounts wait (`sign_up.mode`), no answer tells whether an address, a username or a phone number is taken, and
//!   none is taken over. The address must be verified, an administrator must approve: neither stands for the other.
//! * No field of a request can give rights: roles and standing are no fields, and unknown fields are refused.
//! * An invitation is for one address, works once, and makes an account in the transaction that uses it up. Nothing else of
//!   an account is there before.
//! * The first owner comes to be through a one-time link or the command line, never through a default password. The link's
//!   token is consumed in the transaction that makes the owner.

mod accept_invitation;
mod approve;
mod enroll;
mod invitation;
mod register;
mod setup;
mod setup_link;
mod setup_page;
mod sql;
mod wait;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use approve::approve;
pub use enroll::{Enrolment, EnrolmentError, NewAccount, Terms, enroll};
pub use invitation::{DrawnInvitation, InvitationLink, invite, purge, supersede};
pub(crate) use register::Request as RegisterRequest;
pub use setup_link::{SetupLink, has_owner, make_setup_link};
pub use sql::STATEMENTS;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register::handler))
        .routes(routes!(accept_invitation::handler))
        .routes(routes!(setup::handler))
        .route("/setup", axum::routing::get(setup_page::page))
        .route("/setup/style.css", axum::routing::get(setup_page::style))
}
