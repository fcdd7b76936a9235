//! The second factor: whose rights hang on it, and how exact clocks must be.

use super::problem::{Complaint, quote};
use super::reader::Reader;
use super::setting::Setting;

/// What the operator decides about the second factor.
#[derive(Clone, Debug)]
pub struct SecondFactorConfig {
    /// Roles that count only in sessions that showed a second factor.
    pub required_for: Vec<String>,
    /// How many steps of thirty seconds a code may be early or late: 0 or 1 (RFC 6238 section 5.2).
    pub totp_window: u8,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "second_factor.required_for",
        "[]",
        "Roles that count only in a session that showed a second factor, such as [\"admin\"]. Without one their holders sign \
         in as if they had the others alone, and can enrol.",
    ),
    Setting::new(
        "totp.window",
        "1",
        "How many steps of 30 seconds an authenticator's clock may be early or late, 0 or 1.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> SecondFactorConfig {
    SecondFactorConfig {
        required_for: reader.list("second_factor.required_for", role),
        totp_window: reader.integer("totp.window", 0..=1),
    }
}

/// A name that a role may have.
fn role(text: &str) -> Result<String, Complaint> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(format!("{} is not the name of a role", quote(text))))
    }
}
