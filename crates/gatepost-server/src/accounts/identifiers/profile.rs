//! What people say about themselves. It is shown to others, so it must not break the page or the line it stands in.

use url::Url;

use super::IdentifierError;
use super::text::{is_bidi_control, is_invisible, is_line_break};

/// A first or last name: 1 to 100 code points.
#[derive(Clone)]
pub struct PersonName(String);

/// What somebody writes about themselves: 1 to 500 code points. May have several lines.
#[derive(Clone)]
pub struct Bio(String);

/// What somebody calls a device: 1 to 64 code points.
#[derive(Clone)]
pub struct DeviceName(String);

/// The address of a picture: `https`, at most 500 bytes, no user information.
///
/// The server never fetches it. Other schemes (`javascript:`, `data:`) would run in the page that shows it.
#[derive(Clone)]
pub struct AvatarUrl(String);

const EMPTY: IdentifierError =
    IdentifierError::new("too_short", "This must not be empty; send null to clear it.");
const CHARACTERS: IdentifierError = IdentifierError::new(
    "invalid_characters",
    "This must not hold line breaks, control characters or characters that turn the text around.",
);

impl PersonName {
    /// Reads a name. White space around it is dropped.
    ///
    /// # Errors
    ///
    /// `too_short` when nothing visible is in it, `too_long`, or `invalid_characters`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        const TOO_LONG: IdentifierError =
            IdentifierError::new("too_long", "A name has at most 100 characters.");
        one_line(text, 100, TOO_LONG).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeviceName {
    /// Reads a name. White space around it is dropped.
    ///
    /// # Errors
    ///
    /// `too_short` when nothing visible is in it, `too_long`, or `invalid_characters`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        const TOO_LONG: IdentifierError =
            IdentifierError::new("too_long", "A device name has at most 64 characters.");
        one_line(text, 64, TOO_LONG).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Bio {
    /// Reads a text. White space around it is dropped, and CR LF becomes LF.
    ///
    /// # Errors
    ///
    /// `too_short` when nothing visible is in it, `too_long`, or `invalid_characters`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        const TOO_LONG: IdentifierError =
            IdentifierError::new("too_long", "This text has at most 500 characters.");
        several_lines(text, 500, TOO_LONG).map(Self)
    }

    /// The text. Its only line break is LF.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AvatarUrl {
    const LONGEST: usize = 500;

    /// Reads a URL, in the form in which browsers write it.
    ///
    /// # Errors
    ///
    /// `too_long` or `invalid_url`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        const TOO_LONG: IdentifierError = IdentifierError::new("too_long", "A URL has at most 500 bytes.");
        const SYNTAX: IdentifierError = IdentifierError::new(
            "invalid_url",
            "This must be a complete https:// URL without a user name or a password.",
        );
        if text.len() > Self::LONGEST {
            return Err(TOO_LONG);
        }
        // The WHATWG parser repairs slashes and drops tabs and line breaks. What needs a repair is refused, so that
        // nobody else repairs it differently.
        let is_odd = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c) || c == '\\';
        let (scheme, rest) = text.split_once("://").ok_or(SYNTAX)?;
        if !scheme.eq_ignore_ascii_case("https") || rest.starts_with('/') || text.contains(is_odd) {
            return Err(SYNTAX);
        }
        let url = Url::parse(text).map_err(|_| SYNTAX)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(SYNTAX);
        }
        let url = String::from(url);
        if url.len() > Self::LONGEST { Err(TOO_LONG) } else { Ok(Self(url)) }
    }

    /// The URL in ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One line of visible text, of 1 to `longest` code points: a name, a title. White space around it is dropped.
///
/// # Errors
///
/// `too_short` when nothing visible is in it, `too_long` as it was handed in, or `invalid_characters`.
pub fn one_line(text: &str, longest: usize, too_long: IdentifierError) -> Result<String, IdentifierError> {
    let text = bounded(text, longest, too_long)?;
    let is_foreign = |c: char| c.is_control() || is_line_break(c) || is_bidi_control(c);
    if text.contains(is_foreign) { Err(CHARACTERS) } else { Ok(text.to_owned()) }
}

/// A text of 1 to `longest` code points that may have several lines: a description. White space around it is dropped, and
/// CR LF becomes LF.
///
/// # Errors
///
/// `too_short` when nothing visible is in it, `too_long` as it was handed in, or `invalid_characters`.
pub fn several_lines(
    text: &str,
    longest: usize,
    too_long: IdentifierError,
) -> Result<String, IdentifierError> {
    const CHARACTERS: IdentifierError = IdentifierError::new(
        "invalid_characters",
        "This must not hold control characters or characters that turn the text around.",
    );
    let text = bounded(text, longest, too_long)?.replace("\r\n", "\n");
    let is_foreign =
        |c: char| is_bidi_control(c) || (c != '\n' && c != '\t' && (c.is_control() || is_line_break(c)));
    if text.contains(is_foreign) { Err(CHARACTERS) } else { Ok(text) }
}

/// A text without the white space around it, of 1 to `longest` code points, with something to see in it.
///
/// Spaces inside and joiners stay: names in many scripts need them.
fn bounded(text: &str, longest: usize, too_long: IdentifierError) -> Result<&str, IdentifierError> {
    // A code point has at most four bytes: what is longer need not be counted.
    if text.len() > longest * 4 {
        return Err(too_long);
    }
    // Only spaces: a line break or a control character at an end is refused, not dropped.
    let text = text.trim_matches(|c: char| c.is_whitespace() && !c.is_control() && !is_line_break(c));
    if text.chars().count() > longest {
        return Err(too_long);
    }
    if text
        .chars()
        .all(|c| (c.is_whitespace() && !is_line_break(c)) || (is_invisible(c) && !is_bidi_control(c)))
    {
        return Err(EMPTY);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Result<String, &'static str> {
        PersonName::parse(text).map(|name| name.0).map_err(|error| error.code())
    }

    fn avatar(text: &str) -> Result<String, &'static str> {
        AvatarUrl::parse(text).map(|url| url.0).map_err(|error| error.code())
    }

    #[test]
    fn a_name_is_any_visible_line_of_text() {
        for text in
            ["Ada", "Jean-Luc", "O'Brien", "李", "María José", "عبد الله", "نرگس\u{200c}ها", "👩\u{200d}🚀"]
        {
            assert_eq!(name(text).as_deref(), Ok(text));
        }
        assert_eq!(name("  Ada\u{a0} ").as_deref(), Ok("Ada"));
        // Escaping is the page's business; a text is not refused because it looks like markup.
        assert_eq!(name("<b>Ada</b>").as_deref(), Ok("<b>Ada</b>"));
    }

    #[test]
    fn a_name_cannot_break_or_turn_a_line() {
        for c in [
            '\0', '\r', '\n', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}',
            '\u{2067}', '\u{200f}', '\u{61c}',
        ] {
            for text in [format!("Ada{c}Lovelace"), format!("Ada{c}"), format!("{c}Ada")] {
                assert_eq!(name(&text), Err("invalid_characters"), "{text:?}");
            }
        }
    }

    #[test]
    fn a_name_with_nothing_to_see_is_empty() {
        for text in ["", " ", "\u{a0}\u{3000}", "\u{200b}", "\u{3164}", "\u{2800} \u{feff}"] {
            assert_eq!(name(text), Err("too_short"), "{text:?}");
        }
    }

    #[test]
    fn http_08_lengths_are_counted_in_code_points_and_bounded_in_bytes() {
        assert!(name(&"😀".repeat(100)).is_ok());
        assert_eq!(name(&"😀".repeat(101)), Err("too_long"));
        assert_eq!(name(&"a".repeat(101)), Err("too_long"));
        assert_eq!(name(&" ".repeat(1_000_000)), Err("too_long"));
        assert!(Bio::parse(&"é".repeat(500)).is_ok());
        assert_eq!(Bio::parse(&"é".repeat(501)).unwrap_err().code(), "too_long");
        assert!(DeviceName::parse(&"é".repeat(64)).is_ok());
        assert_eq!(DeviceName::parse(&"é".repeat(65)).unwrap_err().code(), "too_long");
    }

    #[test]
    fn a_bio_may_have_lines() {
        assert_eq!(Bio::parse("one\r\ntwo\n\tthree").unwrap().as_str(), "one\ntwo\n\tthree");
        for text in ["one\rtwo", "one\0two", "one\u{202e}two", "one\u{2028}two"] {
            assert_eq!(Bio::parse(text).unwrap_err().code(), "invalid_characters", "{text:?}");
        }
    }

    #[test]
    fn ses_09_an_avatar_is_an_https_url_and_nothing_else() {
        for text in [
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "data:image/svg+xml,<svg onload=alert(1)>",
            "http://a.example/x.png",
            "//a.example/x.png",
            "/x.png",
            "https:a.example",
            "https:/a.example",
            "https:///a.example",
            "https:\\\\a.example",
            "https://a.example\\@b.example/",
            "https://",
            "https://user@a.example/",
            "https://user:pw@a.example/",
            "https://@a.example/",
            " https://a.example/",
            "https://a.exam\tple/",
            "java\nscript://a",
            "https://a.example/\u{202e}gnp.x",
            "https://a b.example/",
            "https://a.example:99999/",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(avatar(text), Err("invalid_url"), "{text:?}");
        }
    }

    #[test]
    fn an_avatar_is_kept_as_browsers_write_it() {
        assert_eq!(
            avatar("HTTPS://A.example/ü.png?s=1#x").as_deref(),
            Ok("https://a.example/%C3%BC.png?s=1#x")
        );
        assert_eq!(avatar("https://a.example/@ada.png").as_deref(), Ok("https://a.example/@ada.png"));
        assert_eq!(avatar(&format!("https://a.example/{}", "a".repeat(482))).map(|url| url.len()), Ok(500));
        assert_eq!(avatar(&format!("https://a.example/{}", "a".repeat(483))), Err("too_long"));
        assert_eq!(avatar(&format!("https://a.example/{}", "ü".repeat(200))), Err("too_long"));
    }

    proptest! {
        #[test]
        fn what_was_accepted_is_accepted_unchanged(text in r"[ \n\ta-zé👩\x{200d}\x{200b}]{0,30}") {
            if let Ok(first) = name(&text) {
                prop_assert_eq!(name(&first), Ok(first.clone()));
            }
            if let Ok(first) = Bio::parse(&text) {
                prop_assert_eq!(Bio::parse(first.as_str()).unwrap().0, first.0);
            }
        }

        #[test]
        fn an_accepted_avatar_is_accepted_unchanged(text in r"https://\PC{1,20}") {
            if let Ok(first) = avatar(&text) {
                prop_assert_eq!(avatar(&first), Ok(first.clone()));
                prop_assert!(first.starts_with("https://") && first.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            let _ = (PersonName::parse(&text), Bio::parse(&text), DeviceName::parse(&text), AvatarUrl::parse(&text));
            let _ = AvatarUrl::parse(&format!("https://{text}"));
        }
    }
}
