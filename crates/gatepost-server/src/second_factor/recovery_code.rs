//! Recovery codes: for the day when the authenticator is lost. Pure: no database, no clock, no HTTP.

use gatepost_kernel::{Random, Secret};

/// How many there are in a set.
pub(super) const SET: usize = 10;
/// 80 bits: beyond guessing, however many are tried (NIST SP 800-63B-4 section 3.1.2 asks for 20).
const LENGTH: usize = 10;
/// Crockford's base32: no letter that looks like a digit, and no `U`, so that few words come about by chance.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Five bits each.
const LETTERS: usize = 16;
/// So that people keep their place while they type.
const GROUP: usize = 4;

/// One recovery code. Its text is four groups of four letters: `7QF2-9KXM-0B4T-HWCV`.
#[derive(Clone)]
pub(super) struct RecoveryCode(Secret<[u8; LENGTH]>);

impl RecoveryCode {
    /// A new one.
    pub(super) fn draw(random: &Random) -> Self {
        Self(Secret::new(random.bytes()))
    }

    /// Reads a code as people type it: in any letter case, with or without dashes and spaces, and with the letters that
    /// look like the digits that were meant.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > super::CODE_LENGTH {
            return None;
        }
        let mut code = Secret::new([0; LENGTH]);
        let (mut bits, mut held, mut letters) = (0_u32, 0_u32, 0);
        for letter in text.bytes().filter(|letter| !matches!(letter, b'-' | b' ')) {
            bits = (bits << 5) | value(letter)?;
            held += 5;
            letters += 1;
            if letters > LETTERS {
                return None;
            }
            if held >= 8 {
                held -= 8;
                let byte = u8::try_from((bits >> held) & 0xff).ok()?;
                bits &= (1 << held) - 1;
                *code.expose_mut().get_mut((letters * 5) / 8 - 1)? = byte;
            }
        }
        (letters == LETTERS).then_some(Self(code))
    }

    /// The text to be shown, once.
    pub(super) fn to_text(&self) -> Secret<String> {
        let mut text = String::with_capacity(LETTERS + LETTERS / GROUP);
        let (mut bits, mut held) = (0_u32, 0_u32);
        let mut letters = 0;
        for byte in self.0.expose() {
            bits = (bits << 8) | u32::from(*byte);
            held += 8;
            while held >= 5 {
                held -= 5;
                if letters > 0 && letters % GROUP == 0 {
                    text.push('-');
                }
                text.push(char::from(ALPHABET[usize::try_from((bits >> held) & 31).unwrap_or_default()]));
                bits &= (1 << held) - 1;
                letters += 1;
            }
        }
        Secret::new(text)
    }

    /// The bytes, to be hashed.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }
}

/// What a letter stands for.
fn value(letter: u8) -> Option<u32> {
    let meant = match letter.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    let position = ALPHABET.iter().position(|known| *known == meant)?;
    u32::try_from(position).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<[u8; LENGTH]> {
        RecoveryCode::parse(text).map(|code| *code.0.expose())
    }

    #[test]
    fn mfa_07_a_code_has_eighty_bits_in_four_groups() {
        let code = RecoveryCode::draw(&Random::from_fn(|buffer| buffer.fill(0xa5)));
        assert_eq!(code.to_text().expose(), "MPJT-B9D5-MPJT-B9D5");
        assert_eq!(code.bytes().len() * 8, 80);
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = read("MP1T-B0D5-MPJT-B9D5").unwrap();
        for typed in ["mp1tb0d5mpjtb9d5", "mpIt bOd5 mpjt b9d5", " MPLT-BoD5-mpjt-b9d5 "] {
            assert_eq!(read(typed), Some(code), "{typed}");
        }
        for other in
            ["", "MP1T-B0D5-MPJT-B9D", "MP1T-B0D5-MPJT-B9D55", "MP1T-B0D5-MPJT-B9DU", "MP1T_B0D5_MPJT_B9D5"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(
            read(&format!("{}MP1TB0D5MPJTB9D5", "-".repeat(60))),
            None,
            "it is bounded before it is read"
        );
    }

    proptest! {
        #[test]
        fn a_code_reads_back_as_itself_and_nothing_else_does(bytes: [u8; LENGTH], noise in "\\PC{0,70}") {
            let text = RecoveryCode(Secret::new(bytes)).to_text();
            prop_assert_eq!(read(text.expose()), Some(bytes));
            if let Some(code) = RecoveryCode::parse(&noise) {
                prop_assert_eq!(read(code.to_text().expose()), read(&noise));
            }
        }
    }
}
