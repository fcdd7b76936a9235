//! `WWW-Authenticate` (RFC 6750, section 3, and RFC 9470, section 3).

use http::HeaderValue;

use crate::ProblemType;

/// What a refused caller is told to bring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Challenge {
    /// No credentials came: the bare scheme, without an error (RFC 6750, section 3.1).
    Bearer,
    /// Credentials came in more than one way.
    InvalidRequest,
    /// A token came and is no good.
    InvalidToken,
    /// The token is good and lacks these scopes, separated by spaces.
    InsufficientScope(String),
    /// The session is good and its last proof of identity is too old; the age is in seconds.
    InsufficientUserAuthentication(Option<u32>),
}

impl Challenge {
    /// What a problem says when nobody chose. Every 401 carries a challenge (RFC 9110, section 15.5.2).
    pub(crate) fn default_for(kind: ProblemType) -> Option<Self> {
        if kind == ProblemType::InvalidAccessToken {
            Some(Self::InvalidToken)
        } else if kind == ProblemType::InsufficientUserAuthentication {
            Some(Self::InsufficientUserAuthentication(None))
        } else if kind == ProblemType::InsufficientScope {
            Some(Self::InsufficientScope(String::new()))
        } else if kind.status() == http::StatusCode::UNAUTHORIZED {
            Some(Self::Bearer)
        } else {
            None
        }
    }

    pub(crate) fn header(&self) -> HeaderValue {
        match self {
            Self::Bearer => HeaderValue::from_static("Bearer"),
            Self::InvalidRequest => HeaderValue::from_static(r#"Bearer error="invalid_request""#),
            Self::InvalidToken => HeaderValue::from_static(r#"Bearer error="invalid_token""#),
            Self::InsufficientScope(scope) => {
                let scope: String = scope.chars().filter(|&c| is_scope_char(c)).collect();
                let text = if scope.is_empty() {
                    r#"Bearer error="insufficient_scope""#.to_owned()
                } else {
                    format!(r#"Bearer error="insufficient_scope", scope="{scope}""#)
                };
                text.parse().unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
            }
            Self::InsufficientUserAuthentication(None) => {
                HeaderValue::from_static(r#"Bearer error="insufficient_user_authentication""#)
            }
            Self::InsufficientUserAuthentication(Some(max_age)) => {
                format!(r#"Bearer error="insufficient_user_authentication", max_age="{max_age}""#)
                    .parse()
                    .unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
            }
        }
    }
}

/// The characters of a scope list (RFC 6749, section 3.3): no quote and no backslash, so that nothing can end the
/// quoted string.
const fn is_scope_char(c: char) -> bool {
    matches!(c, ' ' | '!' | '#'..='[' | ']'..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_cannot_break_out_of_its_quotes() {
        let header = Challenge::InsufficientScope("a:b\", realm=\"x\r\nSet-Cookie: c\\d".to_owned()).header();
        assert_eq!(
            header.to_str().unwrap(),
            r#"Bearer error="insufficient_scope", scope="a:b, realm=xSet-Cookie: cd""#
        );
    }
}
