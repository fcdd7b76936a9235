//! Who somebody is, as values that are right by construction: addresses, usernames, and what a profile holds.
//!
//! Each type has one way in, `parse`, and a parsed value needs no second look. The rules they share:
//!
//! * Length comes first, in bytes, before anything that costs more than a glance (normalisation of a megabyte is
//!   a way to stop a server).
//! * What must be unique has a canonical form for the unique index and keeps the spelling that its owner typed.
//! * An empty text is refused, not taken for "unset": a client clears a field with `null`.
//! * These are personal data, so none of them has a `Debug` that shows the value.

mod address;
mod country;
mod login;
mod phone;
mod profile;
mod text;
mod username;

use std::borrow::Cow;

use gatepost_problem::Invalid;

pub use self::address::Email;
pub use self::country::Country;
pub use self::login::LoginIdentifier;
pub use self::phone::PhoneNumber;
pub use self::profile::{AvatarUrl, Bio, DeviceName, PersonName, one_line, several_lines};
pub use self::username::Username;

/// Why a text is not what it should be. It never holds the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct IdentifierError {
    code: &'static str,
    detail: &'static str,
}

impl IdentifierError {
    /// An error of a field of your own: a stable slug, and one sentence that says what is expected.
    pub const fn new(code: &'static str, detail: &'static str) -> Self {
        Self { code, detail }
    }

    /// The stable slug: `invalid_email`, `invalid_username`, `invalid_phone_number`, `invalid_url`,
    /// `invalid_country`, `too_long`, `too_short` or `invalid_characters`.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// One sentence that says what is expected.
    pub const fn detail(&self) -> &'static str {
        self.detail
    }
}

impl Invalid for IdentifierError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.detail)
    }
}

/// `Debug` that names the type and nothing else.
macro_rules! hide_from_debug {
    ($($name:ident),+ $(,)?) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        })+
    };
}
hide_from_debug!(Email, Username, PhoneNumber, PersonName, Bio, AvatarUrl, DeviceName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_not_in_the_debug_output() {
        let login = LoginIdentifier::parse("ada@example.com").unwrap();
        assert_eq!(format!("{login:?}"), "Email(Email(…))");
        assert_eq!(format!("{:?}", PersonName::parse("Ada").unwrap()), "PersonName(…)");
    }

    #[test]
    fn an_error_answers_as_a_field_error() {
        let mut check = gatepost_problem::Check::new();
        assert!(check.field("/email", Email::parse("ada")).is_none());
        let problem = check.finish().unwrap_err();
        assert_eq!(
            (problem.errors()[0].pointer.as_str(), problem.errors()[0].code),
            ("/email", "invalid_email")
        );
    }
}
