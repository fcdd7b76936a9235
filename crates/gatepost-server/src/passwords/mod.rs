//! Passwords: how they are judged, hashed and verified.
//!
//! * [`Password`] is a password in its normal form; [`PasswordPolicy`] judges it when it is set.
//! * [`PasswordHash`] is what is stored; [`Hasher`] computes and verifies it on threads of its own.

mod blocklist;
mod config;
mod hasher;
mod params;
mod password;
mod pepper;
mod phc;
mod policy;
mod queue;
mod sql;
mod stored;
mod verify;

pub use blocklist::BlockReason;
pub use config::PasswordConfig;
pub use hasher::{HashError, Hasher, HasherSettings, HasherStats, Verdict};
pub use params::{HashParams, HashParamsError};
pub use password::{Password, TooLong};
pub use pepper::{Pepper, PepperId, PepperIdError, Peppers};
pub use phc::{HashFormatError, PasswordHash};
pub use policy::{Context, PasswordPolicy, Weakness};
pub use sql::STATEMENTS;
pub use stored::{bring, forget, former_of, hash_of, hashes_of, is_still, set, upgrade, withdraw};
