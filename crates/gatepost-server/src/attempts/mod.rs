//! Attempts: who tried to get in, and how long whoever fails must wait.
//!
//! | who comes | what it calls here |
//! |---|---|
//! | whoever verifies a password | [`reserve`] before, then [`Reservation::succeeded`], [`Reservation::failed`] or [`Reservation::give_back`] |
//! | a reset, an operator | [`reopen`] |
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

mod device_cookie;
mod forget;
pub mod lockout;
mod network;
mod record;
mod reserve;
mod sql;
mod target;

pub use device_cookie::{DeviceCookie, DeviceNonce, LIFETIME as DEVICE_LIFETIME};
pub use forget::{MOST_ROWS, RETENTION, crop, forget};
pub use record::{AttemptId, AttemptKind, Reason, note, note_in};
pub use reserve::{Locked, Refused, Reservation, reopen, reserve};
pub use sql::STATEMENTS;
pub use target::{Attempts, Target};
