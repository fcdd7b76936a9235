//! `Authorization: Bearer` (RFC 6750, section 2.1). A token in the query or in a form is never looked at.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use gatepost_kernel::Secret;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::Problem;

/// The longest token that is looked at, in bytes. Ours are under 2 KiB.
const MAX_TOKEN: usize = 8 * 1024;

/// The token of the `Authorization` header, not yet believed.
///
/// As an extractor it answers 401 when there is none; `Option<BearerToken>` leaves that to the handler. A header
/// that is malformed is refused either way.
#[derive(Clone)]
pub struct BearerToken(pub Secret<String>);

impl BearerToken {
    /// The token's text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Reads the header. `None` when there is no `Authorization`, or one of another scheme.
    ///
    /// The scheme is matched in any case (RFC 9110, section 11.1). After it stand exactly one space and one
    /// `token68`; anything else is a bad token, not an absent one.
    ///
    /// # Errors
    /// `invalid_token` (401) for a header that is malformed; `invalid_request` (400) for more than one.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(Problem::ambiguous_credentials()),
            (Some(value), None) => match parse(value) {
                Parsed::Bearer(token) => Ok(Some(Self(Secret::new(token.to_owned())))),
                Parsed::Other => Ok(None),
                Parsed::Malformed => Err(Problem::invalid_bearer()),
            },
        }
    }
}

enum Parsed<'a> {
    Bearer(&'a str),
    Other,
    Malformed,
}

fn parse(value: &HeaderValue) -> Parsed<'_> {
    let Ok(text) = value.to_str() else { return Parsed::Malformed };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.is_empty()
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    {
        return Parsed::Malformed;
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Parsed::Other;
    }
    if rest.len() <= MAX_TOKEN && is_token68(rest) { Parsed::Bearer(rest) } else { Parsed::Malformed }
}

/// RFC 9110, section 11.2: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

impl<S: Send + Sync> FromRequestParts<S> for BearerToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_headers(&parts.headers)?.ok_or_else(Problem::unauthenticated)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for BearerToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::from_headers(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProblemType;

    fn read(values: &[&[u8]]) -> Result<Option<String>, ProblemType> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        match BearerToken::from_headers(&headers) {
            Ok(token) => Ok(token.map(|token| token.expose().to_owned())),
            Err(problem) => Err(problem.kind()),
        }
    }

    #[test]
    fn the_scheme_is_matched_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(
                read(&[format!("{scheme} a.b-c_d~e+f/g==").as_bytes()]),
                Ok(Some("a.b-c_d~e+f/g==".into()))
            );
        }
    }

    #[test]
    fn another_scheme_is_no_bearer_token() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"Basic dXNlcjpwYXNz"]), Ok(None));
        assert_eq!(read(&[b"DPoP abc"]), Ok(None));
    }

    #[test]
    fn jwt_05_a_malformed_header_is_a_bad_token() {
        let cases: [&[u8]; 14] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer  a",
            b"Bearer a b",
            b"Bearer a ",
            b"Bearer a\tb",
            b"Bearer\ta",
            b"Bearer a,b",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer \"a\"",
            b"Bearer \xc3\xa4",
            b" Bearer a",
        ];
        for case in cases {
            assert_eq!(
                read(&[case]),
                Err(ProblemType::InvalidAccessToken),
                "{:?}",
                case.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn jwt_05_a_huge_token_is_a_bad_token() {
        let fits = format!("Bearer {}", "a".repeat(MAX_TOKEN));
        assert!(matches!(read(&[fits.as_bytes()]), Ok(Some(_))));
        let huge = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(read(&[huge.as_bytes()]), Err(ProblemType::InvalidAccessToken));
        let mebibyte = format!("Bearer {}", "a".repeat(1 << 20));
        assert_eq!(read(&[mebibyte.as_bytes()]), Err(ProblemType::InvalidAccessToken));
    }

    #[test]
    fn jwt_05_two_headers_are_refused_even_when_they_agree() {
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), Err(ProblemType::InvalidRequest));
        assert_eq!(read(&[b"Basic YTpi", b"Bearer a"]), Err(ProblemType::InvalidRequest));
    }
}
