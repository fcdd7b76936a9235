//! Which passwords are good enough to be set.
//!
//! The default follows NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 §6.2: length and a block list, no rules
//! about character classes, no expiry. Policy is asked when a password is *set*; one that was set earlier
//! keeps working.

use zxcvbn::Score;

use super::blocklist::{self, BlockReason};
use super::password::Password;

/// The three rule books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordPolicy {
    /// At least 12 code points and not in the block list.
    #[default]
    Modern,
    /// As [`PasswordPolicy::Modern`], plus an upper-case letter, a lower-case letter, a digit and a special character. For
    /// operators who must show that rule; the standards forbid it (ASVS 6.2.5).
    Classic,
    /// NIST SP 800-63B-4 to the letter: at least 15 code points, or 8 for an account with a second factor.
    NistStrict,
}

/// What is known about the person and the service, so that their names are not accepted as passwords.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    /// The configured name of the application. "Gatepost" is always known.
    pub app_name: Option<&'a str>,
    /// The host of the public URL.
    pub public_host: Option<&'a str>,
    /// The e-mail address of the account.
    pub email: Option<&'a str>,
    /// The user name of the account.
    pub username: Option<&'a str>,
    /// Whether the account has a second factor.
    pub second_factor: bool,
}

/// One thing that is wrong with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer code points than the policy wants.
    TooShort {
        /// How many are needed.
        minimum: usize,
    },
    /// More than [`PasswordPolicy::MAX_CODE_POINTS`] code points.
    TooLong,
    /// In the block list, or as easy to guess.
    Blocklisted(BlockReason),
    /// Not all four character classes ([`PasswordPolicy::Classic`] only).
    Composition,
}

impl Weakness {
    /// The problem code that clients match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::Blocklisted(_) => "password_blocklisted",
            Self::Composition => "password_composition",
        }
    }

    /// A sentence for the person who chose the password. It never repeats any part of it.
    pub fn detail(&self) -> String {
        match self {
            Self::TooShort { minimum } => {
                format!("A password needs at least {minimum} characters; 15 or more are recommended.")
            }
            Self::TooLong => format!(
                "A password may have at most {} characters and {} bytes.",
                PasswordPolicy::MAX_CODE_POINTS,
                Password::MAX_BYTES
            ),
            Self::Blocklisted(reason) => reason.detail().to_owned(),
            Self::Composition => "A password needs an upper-case letter, a lower-case letter, a digit and a \
                                  special character."
                .to_owned(),
        }
    }
}

impl PasswordPolicy {
    /// The longest password that may be set, in code points. A longer one is refused, never cut (ASVS 6.2.9).
    pub const MAX_CODE_POINTS: usize = 256;

    /// The shortest password, in code points.
    pub const fn minimum(self, second_factor: bool) -> usize {
        match (self, second_factor) {
            (Self::Modern | Self::Classic, _) => 12,
            (Self::NistStrict, true) => 8,
            (Self::NistStrict, false) => 15,
        }
    }

    /// The zxcvbn score that is needed. Eight characters without any pattern score 2: a policy that allows them
    /// beside a second factor cannot ask for more.
    const fn least_score(self, context: &Context<'_>) -> Score {
        match (self, context.second_factor) {
            (Self::NistStrict, true) => Score::Two,
            (Self::NistStrict, false) | (Self::Modern | Self::Classic, _) => Score::Three,
        }
    }

    /// Judges a password that somebody wants to set. That takes less than 1 ms of computing for a usual one and
    /// about 15 ms for the worst.
    ///
    /// # Errors
    /// Everything that is wrong with it, so that one answer is enough to choose a better one.
    pub fn check(self, password: &Password, context: &Context<'_>) -> Result<(), Vec<Weakness>> {
        let length = password.code_points();
        if length > Self::MAX_CODE_POINTS {
            return Err(vec![Weakness::TooLong]);
        }
        let mut weaknesses = Vec::new();
        let minimum = self.minimum(context.second_factor);
        if length < minimum {
            weaknesses.push(Weakness::TooShort { minimum });
        }
        if self == Self::Classic && !has_four_classes(password.expose()) {
            weaknesses.push(Weakness::Composition);
        }
        if let Some(reason) =
            blocklist::reason_to_block(password.expose(), context, self.least_score(context))
        {
            weaknesses.push(Weakness::Blocklisted(reason));
        }
        if weaknesses.is_empty() { Ok(()) } else { Err(weaknesses) }
    }
}

/// Upper case, lower case, digit, and anything that is no letter and no digit.
fn has_four_classes(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().any(char::is_numeric)
        && text.chars().any(|c| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Secret;

    use super::*;

    fn context() -> Context<'static> {
        Context {
            app_name: Some("Acme Fleet"),
            public_host: Some("login.northwind.example"),
            email: Some("jane.doe+news@mail.example"),
            username: Some("speedy"),
            second_factor: false,
        }
    }

    fn codes_with(policy: PasswordPolicy, text: &str, context: &Context<'_>) -> Vec<&'static str> {
        let password = Password::parse(Secret::new(text.to_owned())).unwrap();
        match policy.check(&password, context) {
            Ok(()) => Vec::new(),
            Err(weaknesses) => weaknesses.iter().map(Weakness::code).collect(),
        }
    }

    fn codes(text: &str) -> Vec<&'static str> {
        codes_with(PasswordPolicy::Modern, text, &context())
    }

    #[test]
    fn pwd_01_good_passwords_need_no_digit_and_no_capital() {
        for text in [
            "correct horse battery staple",
            "vjmzk wqtpl xhbrd",
            "Tr0ub4dor&3xyz",
            "мой дядя самых честных правил",
            "\u{1f980}\u{1f98a}\u{1f427}\u{1f40c}\u{1f419}\u{1f984}\u{1f995}\u{1f41d}\u{1f998}\u{1f99c}\u{1f433}\u{1f43f}",
        ] {
            assert_eq!(codes(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn pwd_01_the_floor_counts_code_points_and_says_the_number() {
        assert_eq!(codes("vjmzkwqtplx"), ["password_too_short"]);
        assert_eq!(codes("vjmzkwqtplxh"), Vec::<&str>::new());
        // 12 code points in 23 bytes; decomposed it would be 23 code points.
        assert_eq!(codes("vjmzk\u{e4}q\u{f6}plx"), ["password_too_short"]);
        assert_eq!(codes("vjmzka\u{308}qo\u{308}plx"), ["password_too_short"]);
        assert!(Weakness::TooShort { minimum: 12 }.detail().contains("12"));
    }

    #[test]
    fn pwd_01_sixty_four_and_256_code_points_are_accepted_and_257_are_not() {
        let phrase: String = "vjmzk wqtpl xhbrd ngcsy ".chars().cycle().take(256).collect();
        for length in [64, 100, 256] {
            let text: String = phrase.chars().take(length).collect();
            assert_eq!(codes(&text), Vec::<&str>::new(), "{length}");
        }
        assert_eq!(codes(&format!("{phrase}x")), ["password_too_long"]);
        // 256 code points of four bytes are exactly the 1,024 bytes that a password may have.
        let faces: String = (0..256).filter_map(|i| char::from_u32(0x1f400 + (i * 37) % 256)).collect();
        assert_eq!((faces.chars().count(), faces.len()), (256, 1_024));
        assert_eq!(codes(&faces), Vec::<&str>::new());
    }

    #[test]
    fn pwd_01_guessable_passwords_are_blocked() {
        for text in [
            "password1234",
            "Password1234!",
            "P@$$w0rd2026!",
            "123456789012",
            "aaaaaaaaaaaa",
            "abcdefghijkl",
            "qwertyuiop12",
            "abcabcabcabc",
            "iloveyou2026!!!",
            "jennifer19871231!",
            "drowssap20262026",
            "999888777666",
            "            ",
        ] {
            assert_eq!(codes(text), ["password_blocklisted"], "{text}");
        }
    }

    #[test]
    fn pwd_01_the_names_of_person_and_service_are_blocked() {
        for text in [
            "Gatepost2026!!",
            "g4t3p0st-2026-",
            "gatepostgatepost",
            "Acme-Fleet-2026",
            "acmefleet99!!",
            "northwind1984?",
            "jane.doe2026",
            "JaneDoe!!1990",
            "janejanejane1",
            "!!!!speedy1234",
        ] {
            assert_eq!(codes(text), ["password_blocklisted"], "{text}");
        }
        // For somebody else the same word is as good as any other.
        assert_eq!(codes_with(PasswordPolicy::Modern, "vjmzkwq-83-plxh", &context()), Vec::<&str>::new());
        let owner = Context { username: Some("vjmzkwqplxh"), ..context() };
        assert_eq!(codes_with(PasswordPolicy::Modern, "vjmzkwqplxh83", &owner), ["password_blocklisted"]);
        assert_eq!(codes("vjmzkwqplxh83"), Vec::<&str>::new());
    }

    #[test]
    fn pwd_01_all_weaknesses_are_reported_at_once() {
        assert_eq!(
            codes_with(PasswordPolicy::Classic, "password", &context()),
            ["password_too_short", "password_composition", "password_blocklisted"]
        );
        assert_eq!(codes(""), ["password_too_short"]);
    }

    #[test]
    fn pwd_01_only_the_classic_policy_wants_four_classes() {
        let classic = |text| codes_with(PasswordPolicy::Classic, text, &context());
        assert_eq!(classic("correct horse battery staple"), ["password_composition"]);
        assert_eq!(classic("Correct horse battery staple 7"), Vec::<&str>::new());
        assert_eq!(classic("Correcthorsebatterystaple7"), ["password_composition"]);
        assert_eq!(classic("Correct horse battery staple"), ["password_composition"]);
        assert_eq!(classic("CORRECT HORSE BATTERY STAPLE 7"), ["password_composition"]);
    }

    #[test]
    fn pwd_01_nist_strict_wants_fifteen_or_a_second_factor_and_eight() {
        let strict = |text, second_factor| {
            codes_with(PasswordPolicy::NistStrict, text, &Context { second_factor, ..context() })
        };
        assert_eq!(strict("vjmzkwqtplxhbr", false), ["password_too_short"]);
        assert_eq!(strict("vjmzkwqtplxhbrd", false), Vec::<&str>::new());
        assert_eq!(strict("vjmzkwqt", true), Vec::<&str>::new());
        assert_eq!(strict("vjmzkwq", true), ["password_too_short"]);
        for text in ["password", "12345678", "Gatepost1!", "abcdefgh", "monkey99!", "jane2026"] {
            assert_eq!(strict(text, true), ["password_blocklisted"], "{text}");
        }
    }

    #[test]
    fn pwd_09_no_sentence_repeats_the_password() {
        for text in ["Gatepost2026!!", "janedoe", "speedyspeedy12", "monkey", "northwind1984?"] {
            let password = Password::parse(Secret::new(text.to_owned())).unwrap();
            for weakness in PasswordPolicy::Classic.check(&password, &context()).unwrap_err() {
                let said = format!("{} {weakness:?}", weakness.detail()).to_lowercase();
                for part in [text, "gatepost", "jane", "speedy", "monkey", "northwind", "2026"] {
                    assert!(!said.contains(&part.to_lowercase()), "{said}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "\\PC{0,80}", email in "\\PC{0,20}@x") {
            if let Ok(password) = Password::parse(Secret::new(text)) {
                let _ = PasswordPolicy::Modern.check(&password, &Context { email: Some(&email), ..context() });
            }
        }
    }
}
