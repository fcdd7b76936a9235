//! Which credential a request brings in its headers.

use gatepost_kernel::Secret;
use gatepost_problem::{BearerToken, Problem};
use http::{HeaderMap, HeaderName};

use crate::api_keys;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The credential of a request, not yet believed.
pub enum Credential {
    /// What may be an access token.
    AccessToken(BearerToken),
    /// What may be an API key.
    ApiKey(Secret<String>),
}

impl Credential {
    /// Reads `Authorization: Bearer` and `X-API-Key`. `None` when there is neither; an `Authorization` of another scheme is
    /// a proxy's business.
    ///
    /// A text after `Bearer` that begins as API keys do is one. Whatever stands in `X-API-Key` is meant as one, so an access
    /// token there is a bad key.
    ///
    /// # Errors
    /// `invalid_request` (400) for more than one credential, even when they agree (RFC 6750, section 2); `invalid_token`
    /// (401) for a header that is malformed.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut keys = headers.get_all(X_API_KEY).iter();
        let bearer = BearerToken::from_headers(headers)?;
        match (bearer, keys.next(), keys.next()) {
            (None, None, _) => Ok(None),
            (Some(token), None, _) if api_keys::has_prefix(token.expose()) => Ok(Some(Self::ApiKey(token.0))),
            (Some(token), None, _) => Ok(Some(Self::AccessToken(token))),
            (None, Some(key), None) => {
                let key = key.to_str().map_err(|_| Problem::invalid_bearer())?;
                Ok(Some(Self::ApiKey(Secret::new(key.to_owned()))))
            }
            (_, Some(_), Some(_)) | (Some(_), Some(_), _) => Err(Problem::ambiguous_credentials()),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_problem::ProblemType;
    use http::header::AUTHORIZATION;

    use super::*;

    const KEY: &str = "gpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(headers: &[(HeaderName, &[u8])]) -> Result<&'static str, ProblemType> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), http::HeaderValue::from_bytes(value).unwrap()))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        match Credential::from_headers(&headers) {
            Ok(None) => Ok("nothing"),
            Ok(Some(Credential::AccessToken(_))) => Ok("a token"),
            Ok(Some(Credential::ApiKey(_))) => Ok("a key"),
            Err(problem) => Err(problem.kind()),
        }
    }

    #[test]
    fn az_08_a_key_comes_in_either_header_and_only_in_one() {
        let bearer = format!("Bearer {KEY}");
        let (bearer, key) = ((AUTHORIZATION, bearer.as_bytes()), (X_API_KEY, KEY.as_bytes()));
        let (jwt, basic) = ((AUTHORIZATION, &b"Bearer a.b.c"[..]), (AUTHORIZATION, &b"Basic YTpi"[..]));
        assert_eq!(read(&[]), Ok("nothing"));
        for (header, expected) in
            [(&bearer, "a key"), (&key, "a key"), (&jwt, "a token"), (&basic, "nothing")]
        {
            assert_eq!(read(std::slice::from_ref(header)), Ok(expected));
        }
        // A proxy may want a password of its own.
        assert_eq!(read(&[basic, key.clone()]), Ok("a key"));
        for ambiguous in
            [[bearer, key.clone()], [jwt.clone(), key.clone()], [key.clone(), key], [jwt.clone(), jwt]]
        {
            assert_eq!(read(&ambiguous), Err(ProblemType::InvalidRequest));
        }
    }

    #[test]
    fn jwt_05_a_malformed_header_is_a_bad_credential() {
        assert_eq!(read(&[(X_API_KEY, b"\xc3\xa4")]), Err(ProblemType::InvalidAccessToken));
        assert_eq!(
            read(&[(AUTHORIZATION, b"Bearer"), (X_API_KEY, KEY.as_bytes())]),
            Err(ProblemType::InvalidAccessToken)
        );
        // To be refused by whoever looks it up, without a query.
        assert_eq!(read(&[(X_API_KEY, b"")]), Ok("a key"));
    }
}
