//! What a user agent says of a device, in words that its user recognises.

use std::sync::LazyLock;

use woothee::parser::Parser;

/// The longest user agent that is read, in bytes. The patterns take time in proportion to it.
const LONGEST: usize = 256;
/// The longest name that is made of one.
const LONGEST_NAME: usize = 32;

static PARSER: LazyLock<Parser> = LazyLock::new(Parser::new);

/// A device, as its user agent describes it. A client can say what it likes here: it helps the user to tell their
/// devices apart, and decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The browser or program, such as `Firefox` or `curl`.
    pub browser: Option<String>,
    /// The system that it runs on, such as `Linux`.
    pub os: Option<String>,
}

impl Agent {
    /// Reads the text of a `User-Agent` header (RFC 9110 section 10.1.5).
    pub fn of(user_agent: &str) -> Self {
        let end = (0..=LONGEST.min(user_agent.len())).rev().find(|at| user_agent.is_char_boundary(*at));
        let text = &user_agent[..end.unwrap_or(0)];
        let known = |name: &str| (!matches!(name, "" | "UNKNOWN")).then(|| name.to_owned());
        // Programs and crawlers know best what they are called.
        let parsed = PARSER.parse(text).filter(|parsed| !matches!(parsed.category, "misc" | "crawler"));
        let browser = parsed.as_ref().and_then(|parsed| known(parsed.name)).or_else(|| product(text));
        Self { browser, os: parsed.as_ref().and_then(|parsed| known(parsed.os)) }
    }

    /// One line: `Firefox on Linux`. `None` when nothing is known.
    pub fn name(&self) -> Option<String> {
        match (&self.browser, &self.os) {
            (Some(browser), Some(os)) => Some(format!("{browser} on {os}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

/// The first product token: programs that are no browsers call themselves `name/version`.
fn product(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        .take(LONGEST_NAME)
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn devices_have_readable_names() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Version/18.5 Mobile/15E148 Safari/604.1";
        for (agent, name) in [
            (linux, Some("Firefox on Linux")),
            (phone, Some("Safari on iPhone")),
            ("curl/8.5.0", Some("curl")),
            ("gatepost-testkit", Some("gatepost-testkit")),
            ("<script>alert(1)</script>", None),
            ("", None),
        ] {
            assert_eq!(Agent::of(agent).name().as_deref(), name, "{agent}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_calls_itself_makes_a_short_name(agent in "\\PC{0,600}") {
            let name = Agent::of(&agent).name().unwrap_or_default();
            prop_assert!(name.chars().count() <= 80, "{name}");
        }
    }
}
