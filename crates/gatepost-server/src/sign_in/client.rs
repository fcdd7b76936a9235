//! Which application calls `/oauth/token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_problem::{OAuthCode, OAuthError, OAuthResult};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::sessions::FIRST_PARTY;

/// The client credentials in a form body (RFC 6749 section 2.3.1).
#[derive(Default)]
pub(super) struct FormClient<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) secret: Option<&'a str>,
}

/// The client behind a token request. There is one, the first party; it is public, so it has no secret, and it need
/// not name itself.
pub(super) fn identify(headers: &HeaderMap, form: &FormClient<'_>) -> OAuthResult<&'static str> {
    let secret = form.secret.unwrap_or_default();
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = sent.next() else {
        return known(form.id.unwrap_or(FIRST_PARTY), secret, false);
    };
    if sent.next().is_some() {
        return Err(OAuthError::new(OAuthCode::InvalidRequest).description("Send one Authorization header."));
    }
    let basic =
        header.to_str().ok().and_then(basic_credentials).ok_or_else(|| OAuthError::invalid_client(true))?;
    if !secret.is_empty() {
        return Err(OAuthError::new(OAuthCode::InvalidRequest)
            .description("Send the client's credentials in the header or in the body, not in both."));
    }
    let (id, secret) = basic;
    // An interactive page that has no client configured sends an empty name.
    let id = if id.is_empty() { form.id.unwrap_or(FIRST_PARTY) } else { &id };
    known(id, &secret, true)
}

fn known(id: &str, secret: &str, basic: bool) -> OAuthResult<&'static str> {
    if id == FIRST_PARTY && secret.is_empty() {
        Ok(FIRST_PARTY)
    } else {
        Err(OAuthError::invalid_client(basic))
    }
}

/// Name and secret of `Basic base64(name:secret)`.
pub(crate) fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(header: Option<&str>, id: Option<&str>, secret: Option<&str>) -> Result<&'static str, OAuthCode> {
        let mut headers = HeaderMap::new();
        if let Some(credentials) = header {
            let value = format!("Basic {}", STANDARD.encode(credentials));
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        }
        identify(&headers, &FormClient { id, secret }).map_err(|error| error.code())
    }

    #[test]
    fn the_first_party_need_not_name_itself() {
        for (header, id) in
            [(None, None), (None, Some("gatepost")), (Some("gatepost:"), None), (Some(":"), None)]
        {
            assert_eq!(with(header, id, None), Ok("gatepost"));
        }
    }

    #[test]
    fn op_07_an_unknown_client_a_made_up_secret_and_two_methods_are_refused() {
        assert_eq!(with(None, Some("other"), None), Err(OAuthCode::InvalidClient));
        assert_eq!(with(None, Some("gatepost"), Some("guess")), Err(OAuthCode::InvalidClient));
        assert_eq!(with(Some("gatepost:guess"), None, None), Err(OAuthCode::InvalidClient));
        assert_eq!(with(Some("gatepost:"), None, Some("guess")), Err(OAuthCode::InvalidRequest));
    }

    #[test]
    fn op_07_two_authorization_headers_are_refused() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(AUTHORIZATION, HeaderValue::from_static("Basic Og=="));
        }
        let refused = identify(&headers, &FormClient::default()).map_err(|error| error.code());
        assert_eq!(refused, Err(OAuthCode::InvalidRequest));
    }

    #[test]
    fn a_header_that_is_not_basic_is_no_client() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        let refused = identify(&headers, &FormClient::default()).map_err(|error| error.code());
        assert_eq!(refused, Err(OAuthCode::InvalidClient));
    }
}
