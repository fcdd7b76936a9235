//! Usernames.

use super::IdentifierError;

const TOO_SHORT: IdentifierError = IdentifierError::new("too_short", "A username has at least 3 characters.");
const TOO_LONG: IdentifierError = IdentifierError::new("too_long", "A username has at most 32 characters.");
const SYNTAX: IdentifierError = IdentifierError::new(
    "invalid_username",
    "A username holds letters a to z, digits, dots, hyphens and underscores, and starts and ends with a letter or digit.",
);

/// A username: 3 to 32 of `[A-Za-z0-9._-]`, with a letter or digit at both ends. Unique without regard to case.
///
/// It holds no `@`, so that it can never be taken for a mail address, and nothing outside ASCII, so that two names
/// never look alike. A sign at an end is lost in prose ("ask ada."), so there is none.
#[derive(Clone)]
pub struct Username {
    typed: String,
    canonical: String,
}

impl Username {
    /// Reads a username. Nothing is trimmed: a space is refused like any other character.
    ///
    /// # Errors
    ///
    /// `too_short`, `too_long` or `invalid_username`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.len() > 32 {
            // In bytes: a shorter text with more bytes is outside ASCII and refused in any case.
            return Err(if text.chars().take(33).count() > 32 { TOO_LONG } else { SYNTAX });
        }
        if text.chars().count() < 3 {
            return Err(TOO_SHORT);
        }
        let bytes = text.as_bytes();
        let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let are_known = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        if !are_known || !is_alphanumeric(bytes.first()) || !is_alphanumeric(bytes.last()) {
            return Err(SYNTAX);
        }
        Ok(Self { typed: text.to_owned(), canonical: text.to_ascii_lowercase() })
    }

    /// The username as its owner typed it. For display.
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The form that is unique: lower case. For lookups and indexes.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> &'static str {
        Username::parse(text).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn reg_02_a_username_is_unique_without_regard_to_case() {
        let name = Username::parse("Ada.Lovelace").unwrap();
        assert_eq!((name.as_typed(), name.canonical()), ("Ada.Lovelace", "ada.lovelace"));
    }

    #[test]
    fn a_username_is_short_plain_and_begins_and_ends_with_a_letter_or_digit() {
        for text in ["ada", "a-b", "A_1", "007", &"a".repeat(32)] {
            assert_eq!(code(text), "ok", "{text}");
        }
        for text in
            [".ada", "ada.", "_ada", "ada-", "ad a", " ada", "ada ", "a@b", "ada\n", "a/b", "a\0b", "---"]
        {
            assert_eq!(code(text), "invalid_username", "{text:?}");
        }
        for (text, expected) in [("", "too_short"), ("ab", "too_short"), ("éé", "too_short")] {
            assert_eq!(code(text), expected, "{text:?}");
        }
        assert_eq!(code(&"a".repeat(33)), "too_long");
        assert_eq!(code(&"é".repeat(20)), "invalid_username");
        assert_eq!(code(&"é".repeat(500_000)), "too_long");
    }

    #[test]
    fn reg_03_no_username_looks_like_another() {
        for text in ["аda", "mıke", "mi\u{212a}e", "ada\u{200b}", "\u{202e}ada", "ａda", "a＠b"] {
            assert_eq!(code(text), "invalid_username", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reg_02_canonicalisation_is_idempotent(text in "[A-Za-z0-9._-]{1,34}") {
            if let Ok(name) = Username::parse(&text) {
                let again = Username::parse(name.canonical()).unwrap();
                prop_assert_eq!(again.canonical(), name.canonical());
            }
        }

        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = Username::parse(&text);
        }
    }
}
