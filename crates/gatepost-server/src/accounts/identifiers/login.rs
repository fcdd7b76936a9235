//! What somebody types into the first field of a sign-in form.

use super::{Email, IdentifierError, Username};

/// A mail address or a username. The `@` tells them apart: every address has one, and no username does.
#[derive(Clone, Debug)]
pub enum LoginIdentifier {
    /// A mail address.
    Email(Email),
    /// A username.
    Username(Username),
}

impl LoginIdentifier {
    /// Reads an identifier. Spaces around it are dropped: keyboards add them.
    ///
    /// # Errors
    ///
    /// Those of [`Email::parse`] and [`Username::parse`]. A sign-in must answer them like an unknown user.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let text = text.trim_matches(' ');
        if text.contains('@') {
            Email::parse(text).map(Self::Email)
        } else {
            Username::parse(text).map(Self::Username)
        }
    }

    /// The form that is unique among its kind.
    pub fn canonical(&self) -> &str {
        match self {
            Self::Email(email) => email.canonical(),
            Self::Username(name) => name.canonical(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reg_02_any_variant_of_an_identifier_finds_its_user() {
        for text in ["ada@x.com", "ADA@X.COM", " Ada@x.com. "] {
            let login = LoginIdentifier::parse(text).unwrap();
            assert!(matches!(login, LoginIdentifier::Email(_)));
            assert_eq!(login.canonical(), "ada@x.com");
        }
        for text in ["ada", "ADA", " Ada "] {
            let login = LoginIdentifier::parse(text).unwrap();
            assert!(matches!(login, LoginIdentifier::Username(_)));
            assert_eq!(login.canonical(), "ada");
        }
    }

    #[test]
    fn a_phone_number_is_no_identifier() {
        assert!(LoginIdentifier::parse("+4930123456").is_err());
    }

    proptest! {
        #[test]
        fn an_identifier_is_never_both(text in r"[A-Za-z0-9.@_-]{0,20}") {
            prop_assert!(Email::parse(&text).is_err() || Username::parse(&text).is_err());
        }

        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = LoginIdentifier::parse(&text);
        }
    }
}
