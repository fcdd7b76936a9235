//! Administration: looking after the accounts of others.
//!
//! Invariants:
//! * Whatever changes an account asks in its transaction whether the caller still may, and whether they reach as far as
//!   everything that the account may do ([`access::may_act_on`]). Who may only change accounts touches no administrator.
//! * The last active administrator is not disabled and not deleted, also not by two at once.
//! * What gives somebody a way in (a password, roles, a second factor taken away, a deleted account brought back) takes a
//!   session that was proven a short while ago, and no API key reaches it (`docs/adr/0024-administration.md`).
//! * A page of the list looks at a bounded number of accounts, whatever is asked for and however many there are.
//!
//! The feature owns no table. It reads `users` together with roles, and changes accounts through the features that own them.

mod change;
mod create;
mod delete;
mod list;
mod model;
mod reach;
mod read;
mod reset_second_factor;
mod restore;
mod revoke_sessions;
mod send_reset;
mod sql;
mod unlock;

use gatepost_db::DbError;
use gatepost_problem::{FieldError, Problem, ProblemType};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access;
use crate::accounts;
use crate::app::App;
use crate::http::Denied;

pub use delete::delete;
pub use list::find_deleted;
pub use restore::restore;
pub use sql::STATEMENTS;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::handler, create::handler))
        .routes(routes!(read::handler, change::handler, delete::handler))
        .routes(routes!(restore::handler))
        .routes(routes!(revoke_sessions::handler))
        .routes(routes!(reset_second_factor::handler))
        .routes(routes!(unlock::handler))
        .routes(routes!(send_reset::handler))
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not, or the rules of access or of accounts rule it out.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// Nobody who could take the resources over has this id.
    #[error("there is nobody to hand the resources to")]
    NoRecipient,
    /// The mailbox has got as many mails of this kind as it gets.
    #[error("the mailbox has got enough mails of this kind")]
    EnoughMails,
    /// The state rules it out; the sentence is for the client.
    #[error("{0}")]
    Conflict(&'static str),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Access(error.into())
    }
}

impl From<accounts::Error> for Error {
    fn from(error: accounts::Error) -> Self {
        Self::Access(error.into())
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Access(denied.into())
    }
}

/// Seconds after which a mailbox may get the next mail of a kind, unless it has had those of a day.
const NEXT_MAIL: u32 = 60;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Access(error) => error.into(),
            Error::NoRecipient => {
                let detail = "Name another account that is in use.";
                Self::validation(vec![FieldError::new("/transfer_to", "unknown_user", detail)])
            }
            Error::EnoughMails => Self::new(ProblemType::RateLimited)
                .detail("This address gets one mail of this kind a minute, and five a day.")
                .retry_after(NEXT_MAIL),
            Error::Conflict(why) => Self::new(ProblemType::Conflict).detail(why),
        }
    }
}
