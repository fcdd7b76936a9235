//! Attempts: who tried to get in, and how long whoever fails must wait.
//!
//! | who comes | what it calls here |
//! |---|---|
//! | whoever verifies a password | [`reserve`] before, then [`Reservation::succeeded`], [`Reservation::proven`], [`Reservation::failed`] or [`Reservation::give_back`] |
//! | whoever opens a session | [`arrived`] |
//! | a reset, an operator | [`reopen`], [`unlock`] |
//! | `jobs` | [`forget`], [`alert`] |
//!
//! Invariants:
//! * **Nobody can lock a user out of a device of theirs.** Failures are counted in two kinds of bucket: for an account and
//!   one device with a valid cookie, and for the account and everybody else. The second never refuses the first (`BRU-02`).
//! * An attempt is reserved by one statement before anything is verified: of any number at once, on any number of nodes,
//!   only as many are verified as the bucket has left (`BRU-03`).
//! * A refused attempt computes nothing and counts for nothing (`BRU-04`).
//! * What was tried is written down in rows that are bounded in number; a name that nobody has is not, because it may be a
//!   password in the wrong field (`BRU-10`).
//! * A name that nobody has is counted, delayed and closed like one that somebody has.

mod alert;
mod arrive;
mod device_cookie;
mod forget;
mod list;
pub mod lockout;
mod network;
mod rate;
mod record;
mod reserve;
mod sql;
mod target;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use alert::{alert, answer_alert, unanswered_alerts};
pub use arrive::{arrived, welcome};
pub use device_cookie::{DeviceCookie, DeviceNonce, LIFETIME as DEVICE_LIFETIME};
pub use forget::{MOST_ROWS, RETENTION, crop, forget};
pub use record::{AttemptId, AttemptKind, Reason, note, note_in};
pub use reserve::{Locked, Refused, Reservation, reopen, reopen_all, reserve, unlock};
pub use sql::STATEMENTS;
pub use target::{Attempts, Target};

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list::mine)).routes(routes!(list::of_all))
}
