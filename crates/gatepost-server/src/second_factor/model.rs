//! How often a code may be wrong, and how long things last. Pure: no database, no clock, no HTTP.

use std::time::Duration;

use gatepost_kernel::{Id, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::sessions::SecondFactor;

/// A kind of [`Id`]: one enrolled authenticator.
pub(super) enum CredentialKind {}
/// The id of an authenticator; what it shares with us is sealed to it.
pub(super) type CredentialId = Id<CredentialKind>;

/// How long a sign-in waits for its second factor.
pub(super) const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
/// How many wrong codes end it.
pub(super) const CHALLENGE_TRIES: i64 = 5;
/// How long an authenticator that was shown waits for its first code.
pub(super) const PENDING_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long an authenticator's codes are refused after too many wrong ones.
pub(super) const CLOSED: Duration = Duration::from_secs(24 * 60 * 60);
/// The shorter of the two spans in which wrong codes are counted.
pub(super) const QUARTER: Duration = Duration::from_secs(15 * 60);
/// The longer one.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Wrong codes of one account's authenticator. Whoever guesses knows the password already, so the limits are strict: with
/// three codes good at any time and twenty tries a day, guessing for a year succeeds once in about 46 accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    /// In the last [`QUARTER`].
    pub(super) within_quarter: i64,
    /// In the last [`DAY`].
    pub(super) within_day: i64,
}

impl Failures {
    /// Whether so many are too many (NIST SP 800-63B-4 section 3.2.2).
    pub(super) const fn are_too_many(self) -> bool {
        self.within_quarter >= 10 || self.within_day >= 20
    }
}

/// Which second factor somebody shows.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = SecondFactorMethod)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The code that an authenticator shows.
    Totp,
    /// One of the codes for the day when it is lost.
    RecoveryCode,
}

impl From<Method> for SecondFactor {
    fn from(method: Method) -> Self {
        match method {
            Method::Totp => Self::Totp,
            Method::RecoveryCode => Self::RecoveryCode,
        }
    }
}

/// A code, and what it claims to be.
#[derive(Clone)]
pub struct Presented {
    /// The factor.
    pub method: SecondFactor,
    /// As typed.
    pub code: Secret<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bru_07_ten_in_a_quarter_of_an_hour_or_twenty_in_a_day_are_too_many() {
        let failures = |within_quarter, within_day| Failures { within_quarter, within_day }.are_too_many();
        assert!(!failures(9, 19));
        assert!(failures(10, 10));
        assert!(failures(1, 20));
    }
}
