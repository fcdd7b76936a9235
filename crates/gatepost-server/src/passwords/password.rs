//! A password as it is hashed: normalised once, otherwise untouched.

use gatepost_kernel::Secret;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A password in Unicode Normalization Form C, at most [`Password::MAX_BYTES`] long as it was sent.
///
/// The same text typed on two systems may arrive composed or decomposed; NFC makes both the same bytes
/// (NIST SP 800-63B-4 §3.1.1.2). It is applied here, so setting and verifying cannot disagree. Nothing else
/// changes: spaces, NUL and case are part of the password.
#[derive(Clone)]
pub struct Password(Secret<String>);

/// The password is longer than [`Password::MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password is longer than {} bytes", Password::MAX_BYTES)]
pub struct TooLong;

impl Password {
    /// The longest password that is looked at, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1_024;

    /// Takes a password as it was typed.
    ///
    /// # Errors
    /// [`TooLong`] above [`Password::MAX_BYTES`], before any work is done on the text.
    pub fn parse(typed: Secret<String>) -> Result<Self, TooLong> {
        let text = typed.expose();
        if text.len() > Self::MAX_BYTES {
            return Err(TooLong);
        }
        if is_nfc(text) {
            return Ok(Self(typed));
        }
        // NFC grows UTF-8 at most threefold (UAX #15, table 4). With the room reserved, the buffer never
        // moves and leaves no copy behind.
        let mut composed = String::with_capacity(text.len() * 3);
        composed.extend(text.nfc());
        Ok(Self(Secret::new(composed)))
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Its length in Unicode code points, the unit in which people and standards count.
    pub fn code_points(&self) -> usize {
        self.expose().chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Password::parse(Secret::new(text.to_owned())).unwrap().expose().to_owned()
    }

    #[test]
    fn pwd_04_composed_and_decomposed_entry_are_one_password() {
        assert_eq!(parsed("cafe\u{301} au lait"), parsed("caf\u{e9} au lait"));
        assert_eq!(parsed("cafe\u{301}"), "caf\u{e9}");
    }

    #[test]
    fn pwd_04_nothing_but_the_normal_form_changes() {
        for text in
            ["  leading and trailing  ", "MiXeD", "nul\0inside", "\u{1f980}\u{200d}\u{fe0f}", "\u{ff21}", ""]
        {
            assert_eq!(parsed(text), text);
        }
    }

    #[test]
    fn pwd_03_a_long_password_is_refused_before_it_is_normalised() {
        assert!(Password::parse(Secret::new("a".repeat(1_024))).is_ok());
        assert_eq!(Password::parse(Secret::new("a".repeat(1_025))).err(), Some(TooLong));
        // Composed it would fit: the bytes that arrived are what counts.
        assert_eq!(Password::parse(Secret::new("e\u{301}".repeat(400))).err(), Some(TooLong));
        assert_eq!(Password::parse(Secret::new("a".repeat(10 << 20))).err(), Some(TooLong));
    }

    #[test]
    fn the_normal_form_grows_at_most_threefold() {
        // U+FB2C has the largest growth of all: 3 bytes become 6; U+1D160 4 bytes become 12.
        for worst in ["\u{fb2c}", "\u{1d160}", "\u{0390}", "\u{1f82}"] {
            let text = worst.repeat(200);
            assert!(parsed(&text).len() <= text.len() * 3);
        }
    }
}
