//! Mail addresses.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization as _;

use super::IdentifierError;
use super::text::{is_bidi_control, is_invisible};

/// RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its two brackets.
const LONGEST: usize = 254;
/// RFC 5321, section 4.5.3.1.1.
const LONGEST_LOCAL: usize = 64;

const TOO_LONG: IdentifierError = IdentifierError::new("too_long", "A mail address has at most 254 bytes.");
const SYNTAX: IdentifierError = IdentifierError::new("invalid_email", "This is not a mail address.");
const LOCAL: IdentifierError = IdentifierError::new(
    "invalid_email",
    "The part before the @ may hold ASCII letters, digits, dots and some signs.",
);
const DOMAIN: IdentifierError =
    IdentifierError::new("invalid_email", "The part after the @ must be a domain name, such as example.com.");
const LOOKALIKE: IdentifierError = IdentifierError::new(
    "invalid_email",
    "The address holds invisible characters or characters that only look like @ or a dot.",
);

/// A mail address, as typed and in canonical form.
///
/// The canonical form decides who is who: surrounding spaces and one dot after the domain are dropped, the local
/// part is lower case, and the domain is lower-case A-labels (UTS 46). Strictly, RFC 5321 lets a host tell `Ada`
/// from `ada`; no mail host of note does, and people do not either.
///
/// Narrower than RFC 5322, on purpose:
///
/// * The local part is a dot-atom of ASCII characters. Quoted strings and comments are how one parser sees another
///   domain than the next; letters outside ASCII are how two addresses look alike (SMTPUTF8 is not offered).
/// * The domain has at least two labels, the last of which is not a number. `localhost` and address literals
///   (`[192.0.2.1]`) are refused: mail to them leaves through the server's own network.
/// * Characters that compatibility normalisation turns into `@`, a dot, a quote, a space or a control character
///   are refused, so that nothing later in the way of the address can read another one (CVE-2019-19844).
#[derive(Clone)]
pub struct Email {
    typed: String,
    canonical: String,
    local_len: usize,
}

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// `too_long` above 254 bytes, else `invalid_email`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let typed = text.trim_matches(' ');
        if typed.len() > LONGEST {
            return Err(TOO_LONG);
        }
        if !is_plain(typed) {
            return Err(LOOKALIKE);
        }
        // A second @ ends up in the domain, where it is refused like any other sign.
        let (local, domain) = typed.split_once('@').ok_or(SYNTAX)?;
        if !is_dot_atom(local) {
            return Err(LOCAL);
        }
        let domain = canonical_domain(domain)?;
        let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
        if canonical.len() > LONGEST {
            return Err(TOO_LONG); // A-labels are longer than what they stand for
        }
        Ok(Self { typed: typed.to_owned(), canonical, local_len: local.len() })
    }

    /// The address as its owner typed it, without surrounding spaces. For display.
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The form that is unique. For lookups and indexes.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The address to send mail to: the local part as typed (its case may matter to its host), the domain in
    /// A-labels, which every mail host understands.
    pub fn mailbox(&self) -> String {
        format!("{}@{}", self.local(), self.domain())
    }

    /// The part before the `@`, as typed.
    pub fn local(&self) -> &str {
        &self.typed[..self.local_len]
    }

    /// The part after the `@`, in canonical form.
    pub fn domain(&self) -> &str {
        &self.canonical[self.local_len + 1..]
    }
}

/// Whether an address holds nothing that is invisible or becomes a sign of syntax when it is normalised.
fn is_plain(text: &str) -> bool {
    let is_syntax = |c: &char| matches!(c, '@' | '.' | '"') || c.is_control() || c.is_whitespace();
    let is_hidden = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c) || is_bidi_control(c);
    !text.contains(is_hidden) && text.nfkc().filter(is_syntax).eq(text.chars().filter(is_syntax))
}

/// `dot-atom-text` of RFC 5322, section 3.2.3, in ASCII and of the length that RFC 5321 allows.
fn is_dot_atom(local: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= LONGEST_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// The lower-case A-label form of a domain that mail can be sent to.
fn canonical_domain(domain: &str) -> Result<String, IdentifierError> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| DOMAIN)?;
    // UTS 46 also reads an ideographic full stop as a dot. No sign of syntax may come from anywhere but a dot.
    if ascii.matches('.').count() != domain.matches('.').count() {
        return Err(LOOKALIKE);
    }
    let (_, top) = ascii.rsplit_once('.').ok_or(DOMAIN)?;
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DOMAIN); // RFC 3696, section 2; without it, 192.0.2.1 would be a name
    }
    Ok(ascii.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Result<String, &'static str> {
        Email::parse(text).map(|email| email.canonical().to_owned()).map_err(|error| error.code())
    }

    #[test]
    fn reg_02_every_spelling_of_an_address_is_one_address() {
        for text in ["A@X.com", "a@x.com ", "a@x.com.", "  a@x.COM", "a@X.com. "] {
            assert_eq!(canonical(text).as_deref(), Ok("a@x.com"), "{text:?}");
        }
        for text in [
            "ada@bücher.example",
            "ada@BÜCHER.example",
            "ada@bu\u{308}cher.example",
            "ada@xn--bcher-kva.example",
        ] {
            assert_eq!(canonical(text).as_deref(), Ok("ada@xn--bcher-kva.example"), "{text:?}");
        }
    }

    #[test]
    fn reg_02_the_original_spelling_is_kept() {
        let email = Email::parse(" Ada.Lovelace@Bücher.example. ").unwrap();
        assert_eq!(email.as_typed(), "Ada.Lovelace@Bücher.example.");
        assert_eq!(email.mailbox(), "Ada.Lovelace@xn--bcher-kva.example");
        assert_eq!((email.local(), email.domain()), ("Ada.Lovelace", "xn--bcher-kva.example"));
    }

    #[test]
    fn reg_03_a_local_part_outside_ascii_is_refused() {
        for text in ["mıke@x.com", "mi\u{212a}e@x.com", "é@x.com", "e\u{301}@x.com", "ада@x.com", "ſ@x.com"]
        {
            assert_eq!(canonical(text), Err("invalid_email"), "{text:?}");
        }
    }

    #[test]
    fn reg_03_what_normalises_to_syntax_is_refused() {
        for text in [
            "a＠x.com",
            "a@x．com",
            "a@x\u{2024}com",
            "a@x\u{fe6b}evil.com",
            "a@b＠x.com",
            "a＂@x.com",
            "a@x\u{2026}com",
            "a@\u{ff41}\u{ff0e}com",
            "a@\u{2488}com", // DIGIT ONE FULL STOP becomes `1.`
            "a@x\u{2001}.com",
            "a@x\u{a8}.com", // DIAERESIS becomes a space and a combining mark
        ] {
            assert!(!is_plain(text), "{text:?}");
            assert_eq!(canonical(text), Err("invalid_email"), "{text:?}");
        }
        // Full stops that only UTS 46 takes for one.
        for text in ["a@x。com", "a@x\u{ff61}com", "a@x.y。com"] {
            assert_eq!(canonical(text), Err("invalid_email"), "{text:?}");
        }
    }

    #[test]
    fn reg_03_invisible_and_bidi_characters_are_refused() {
        for c in [
            '\u{200b}', '\u{200d}', '\u{ad}', '\u{2060}', '\u{feff}', '\u{202e}', '\u{2066}', '\u{200e}',
            '\0', '\n', '\t', '\u{7f}', '\u{85}',
        ] {
            for text in [format!("a{c}b@x.com"), format!("ab@x{c}y.com"), format!("ab@xy.com{c}")] {
                assert_eq!(canonical(&text), Err("invalid_email"), "{text:?}");
            }
        }
    }

    #[test]
    fn reg_03_there_is_one_at_sign_and_no_quoted_string() {
        for text in [
            "a@b@x.com",
            "\"a@b\"@x.com",
            "\"a b\"@x.com",
            "a(c)@x.com",
            "<a@x.com>",
            "Ada <a@x.com>",
            "a@x.com,b@x.com",
            "a b@x.com",
        ] {
            assert_eq!(canonical(text), Err("invalid_email"), "{text:?}");
        }
    }

    #[test]
    fn a_local_part_is_a_dot_atom() {
        for text in ["a.b+c_d-e@x.com", "!#$%&'*+-/=?^_`{|}~@x.com", "1@x.com"] {
            assert_eq!(canonical(text).as_deref(), Ok(text));
        }
        let long = "a".repeat(65);
        for local in ["", ".a", "a.", "a..b", "a\\b", "a:b", "a;b", &long] {
            assert_eq!(canonical(&format!("{local}@x.com")), Err("invalid_email"), "{local:?}");
        }
        assert!(Email::parse(&format!("{}@x.com", "a".repeat(64))).is_ok());
    }

    #[test]
    fn a_domain_is_a_name_with_a_dot() {
        let (label, domain) = ("a".repeat(64), format!("{}com", "a.".repeat(126)));
        for domain in [
            "",
            ".",
            "localhost",
            "x",
            ".com",
            "x..com",
            "x.com..",
            "-x.com",
            "x-.com",
            "x_y.com",
            "127.0.0.1",
            "[127.0.0.1]",
            "[IPv6:::1]",
            "x.com:25",
            "x.com/y",
            "x.1",
            "xn--a.com",
            "x.c%6fm",
            &format!("{label}.com"),
            &domain,
        ] {
            assert!(Email::parse(&format!("a@{domain}")).is_err(), "{domain:?}");
        }
        for domain in ["x.co", "1.x.com", "a-b.example", "x.xn--p1ai"] {
            assert!(Email::parse(&format!("a@{domain}")).is_ok(), "{domain:?}");
        }
    }

    #[test]
    fn http_08_a_long_address_is_refused_for_its_length_alone() {
        let fits = format!("{}@{}.{}.{}.com", "a".repeat(64), "b".repeat(63), "c".repeat(63), "d".repeat(57));
        assert_eq!((fits.len(), canonical(&fits).is_ok()), (254, true));
        assert_eq!(canonical(&fits.replace("com", "come")), Err("too_long"));
        // U+FDFA becomes eighteen characters when it is normalised; it must not come to that.
        assert_eq!(canonical(&"\u{fdfa}".repeat(350_000)), Err("too_long"));
        // Short as typed, too long in A-labels.
        let grows = format!("{}@{}.com", "a".repeat(64), ["ü"; 25].join("."));
        assert_eq!((grows.len(), canonical(&grows)), (143, Err("too_long")));
    }

    proptest! {
        #[test]
        fn reg_02_canonicalisation_is_idempotent(text in r"[a-zA-Z0-9.+_]{1,9}@[a-zA-Z0-9äßéＡıа-я-]{1,9}\.[a-zA-Zéа-я]{2,6}\.?") {
            if let Ok(email) = Email::parse(&text) {
                for spelling in [email.canonical(), email.as_typed(), &email.mailbox()] {
                    prop_assert_eq!(canonical(spelling), Ok(email.canonical().to_owned()));
                }
            }
        }

        #[test]
        fn reg_02_letter_case_never_makes_another_address(text in r"[a-zA-Z0-9.+_-]{1,12}@[a-zA-Z0-9-]{1,9}\.[a-zA-Z]{2,6}") {
            prop_assert_eq!(canonical(&text), canonical(&text.to_ascii_uppercase()));
        }

        #[test]
        fn reg_03_an_accepted_address_is_printable_ascii_with_one_at_sign(text in r"\PC{0,20}@\PC{0,20}\.\PC{0,5}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.canonical().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(email.canonical().matches('@').count(), 1);
                prop_assert_eq!(email.mailbox().matches('@').count(), 1);
            }
        }

        #[test]
        fn parsing_never_panics(text in any::<String>(), domain in any::<String>()) {
            let _ = Email::parse(&text);
            let _ = Email::parse(&format!("a@{domain}.com"));
        }
    }
}
