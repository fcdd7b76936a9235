//! Form bodies of `/oauth/**` (RFC 6749, section 3.2).

use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::body::{self, BodyLimit, Unread};
use crate::decode::pairs::{Broken, MAX_PAIRS, Pairs};
use crate::{OAuthCode, OAuthError};

/// A form body, read as RFC 6749 wants it. Refusals speak its dialect ([`OAuthError`]).
///
/// Unknown parameters are ignored and a parameter without a value counts as absent (section 3.2); a repeated one is
/// refused. The content type must be `application/x-www-form-urlencoded`, the body plain, at most [`BodyLimit`]
/// bytes and 100 parameters, and whole after 15 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<T>(pub T);

/// Reads a type from the bytes of a form.
///
/// # Errors
/// `invalid_request` for broken percent-encoding, text that is not UTF-8, repeated or too many parameters, and
/// parameters that do not fit the type. No value is repeated.
pub fn parse_form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, OAuthError> {
    let invalid = |text: String| OAuthError::new(OAuthCode::InvalidRequest).description(text);
    let pairs = Pairs::parse(bytes).map_err(|broken| {
        invalid(match broken {
            Broken::TooMany => format!("More than {MAX_PAIRS} parameters."),
            Broken::Encoding => "The form is not percent-encoded UTF-8.".to_owned(),
            Broken::Repeated(name) => format!("The parameter '{name}' is repeated."),
        })
    })?;
    pairs.without_empty().decode(false).map_err(|errors| {
        let all = errors.iter().map(|e| format!("'{}': {}", e.pointer.trim_start_matches('/'), e.detail));
        invalid(all.collect::<Vec<_>>().join(" "))
    })
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = OAuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, OAuthError> {
        let (parts, body) = request.into_parts();
        let refuse = |status, text: &'static str| {
            OAuthError::new(OAuthCode::InvalidRequest).status(status).description(text)
        };
        if !body::is_plain(&parts.headers) {
            return Err(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the form without a Content-Encoding.",
            ));
        }
        if !body::has_type(&parts.headers, "application/x-www-form-urlencoded") {
            return Err(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the form with Content-Type: application/x-www-form-urlencoded.",
            ));
        }
        let bytes =
            body::read(&parts.headers, body, BodyLimit::of(&parts.extensions)).await.map_err(|reason| {
                match reason {
                    Unread::TooLarge => refuse(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."),
                    Unread::TooSlow => {
                        refuse(StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive.")
                    }
                    Unread::Broken => refuse(StatusCode::BAD_REQUEST, "The form ended early."),
                }
            })?;
        parse_form(&bytes).map(Self)
    }
}
