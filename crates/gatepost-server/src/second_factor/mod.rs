//! The second factor: authenticators (RFC 6238), recovery codes, and the second step of a sign-in.
//!
//! Invariants:
//! * **No way in leads past it.** [`Assurance::establish`](crate::sessions::Assurance::establish) asks for it, whoever
//!   signs in and however; this feature only says whether a code is right.
//! * A factor counts once it has shown a code. Until then a sign-in does not ask for it, and nobody is locked out.
//! * A code is judged, used up or counted as wrong in one serializable transaction. A time step is good once and steps only
//!   grow; a recovery code is good once; so is a challenge.
//! * Wrong codes have counters of their own. A right password does not reset them and a wrong one does not raise them. When
//!   an authenticator's codes are closed, recovery codes still work.
//! * No secret is shown a second time. The database holds secrets sealed to their rows and codes hashed under a key that is
//!   not in it.

mod browser;
mod challenge;
mod codes;
mod enrol;
mod factors;
mod forget;
mod judge;
mod model;
mod recovery_code;
mod remove;
mod sql;
mod totp;

use gatepost_db::DbError;
use gatepost_kernel::Timestamp;
use gatepost_problem::{Problem, ProblemType};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::storage_problem;

pub use browser::Sender;
pub use challenge::{
    Answer, Answered, Challenge, DrawnChallenge, FirstStep, Passed, answer, begin, begun_on,
};
pub(crate) use codes::all_shown_once;
pub use enrol::{Confirmation, RecoveryCodes, confirm};
pub use factors::Factors;
pub use forget::{forget, forget_and_tell, purge, reset};
pub use judge::{Judgement, judge};
pub use model::{Method, Presented};
pub use sql::STATEMENTS;

/// The longest code that is looked at.
const CODE_LENGTH: usize = 64;

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(enrol::handler, remove::handler))
        .routes(routes!(codes::count, codes::replace))
}

/// Whether a text reads as a code of an authenticator.
pub(crate) fn reads_as_totp_code(text: &str) -> bool {
    totp::TotpCode::parse(text).is_some()
}

/// A text that reads as a recovery code, as the code was shown.
pub(crate) fn rewritten_recovery_code(text: &str) -> Option<String> {
    recovery_code::RecoveryCode::parse(text).map(|code| code.to_text().expose().clone())
}

/// Why a second factor was not changed or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's session has ended since the request began.
    #[error("the caller's session has ended")]
    SessionEnded,
    /// There is an authenticator already.
    #[error("there is a second factor already")]
    AlreadyOn,
    /// There is no second factor.
    #[error("there is no second factor")]
    NotOn,
    /// This session has no authenticator that waits for its first code.
    #[error("nothing was enrolled in this session within ten minutes")]
    NothingPending,
    /// The secret was sealed under another master key.
    #[error("the secret of an authenticator cannot be opened: is this the right master key?")]
    Unreadable,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let conflict = |detail: &'static str| Self::new(ProblemType::Conflict).detail(detail);
        match error {
            Error::SessionEnded => Self::invalid_bearer().cause(error),
            Error::AlreadyOn => conflict("There is an authenticator already. Remove it first."),
            Error::NotOn => conflict("There is no second factor."),
            Error::NothingPending => {
                conflict("This session enrolled no authenticator within the last ten minutes. Begin again.")
            }
            Error::Unreadable => Self::internal(error),
            Error::Db(error) => storage_problem(error),
        }
    }
}

/// 429: too many wrong codes. Recovery codes are not refused.
pub(crate) fn closed_problem(now: Timestamp, until: Timestamp) -> Problem {
    let seconds = until.since(now).as_secs().saturating_add(1);
    Problem::new(ProblemType::TooManyAttempts)
        .detail("Too many wrong codes of this authenticator. Use a recovery code, or wait.")
        .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
}
