//! Phone numbers.

use super::IdentifierError;

const SYNTAX: IdentifierError = IdentifierError::new(
    "invalid_phone_number",
    "A phone number is written as + and 8 to 15 digits, country code first, without spaces: +4930123456.",
);

/// A phone number in the form of ITU-T E.164: `+` and 8 to 15 digits, the first of which is not 0.
///
/// It is profile data and identifies nobody: numbers are reassigned. Each number has one spelling, so the text is
/// its own canonical form.
#[derive(Clone)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number. Spaces, hyphens and brackets are refused, so that nothing has to be guessed.
    ///
    /// # Errors
    ///
    /// `invalid_phone_number`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = text.strip_prefix('+').ok_or(SYNTAX)?;
        let is_number = (8..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Ok(Self(text.to_owned())) } else { Err(SYNTAX) }
    }

    /// The number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_phone_number_is_a_plus_and_8_to_15_digits() {
        for text in ["+12345678", "+123456789012345", "+4930123456"] {
            assert!(PhoneNumber::parse(text).is_ok_and(|number| number.as_str() == text), "{text}");
        }
        for text in [
            "",
            "+",
            "+1234567",
            "+1234567890123456",
            "4930123456",
            "+0930123456",
            "+49 30 123456",
            "+49-30-123456",
            "++4930123456",
            "+49301234٥6",
            "+4930123456 ",
            "004930123456",
            "+49(30)123456",
        ] {
            assert_eq!(
                PhoneNumber::parse(text).err().map(|error| error.code()),
                Some("invalid_phone_number"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = PhoneNumber::parse(&text);
            let _ = PhoneNumber::parse(&format!("+{text}"));
        }
    }
}
