//! JSON bodies in and out.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::{self, BodyLimit, Unread};
use crate::decode;
use crate::{Problem, ProblemType};

/// A JSON body, strictly read, and a JSON answer.
///
/// Reading refuses, with a [`Problem`] and before any of the type's own code runs: another content type or a
/// compressed body (415), more than [`BodyLimit`] bytes (413), a body that takes longer than 15 s (408), and whatever
/// [`parse_json`] refuses. `PATCH` may also say `application/merge-patch+json` (RFC 7396).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

/// The same for an operation that needs no body: an empty one is `None`, whatever its content type.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionalJson<T>(pub Option<T>);

/// Reads a type from the bytes of a JSON text.
///
/// The text must be UTF-8 without unpaired surrogates, with members that occur once, at most 32 levels deep.
/// Everything that does not fit the type is reported at once: unknown fields, missing ones and wrong types. No value
/// is ever repeated in the answer, for it may be a password.
///
/// # Errors
/// `malformed_body` (400) for the text; `validation_failed` (422) with an entry for each field.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let malformed = |detail| Problem::new(ProblemType::MalformedBody).detail(detail);
    let text =
        std::str::from_utf8(bytes).map_err(|_| malformed("The body is not valid UTF-8.".to_owned()))?;
    if text.trim_ascii().is_empty() {
        return Err(malformed("The body is empty. Send a JSON object.".to_owned()));
    }
    decode::shape::check(text).map_err(|what| malformed(format!("The body is not valid JSON: {what}.")))?;
    decode::json::from_str(text).map_err(Problem::validation)
}

/// The body of a request that must be JSON, read within the limits and not yet parsed. For handlers that need the
/// bytes too, such as the one that compares requests by `Idempotency-Key`.
///
/// # Errors
/// Those of [`Json`] up to parsing.
pub async fn json_bytes(request: Request) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    check_encoding(&parts.headers)?;
    check_type(&parts.method, &parts.headers)?;
    body::read(&parts.headers, body, BodyLimit::of(&parts.extensions)).await.map_err(unread)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    if body::is_plain(headers) {
        return Ok(());
    }
    // RFC 9110, section 15.5.16: this header says that it was the coding and not the type.
    Err(Problem::new(ProblemType::UnsupportedMediaType)
        .detail("Send the body without a Content-Encoding.")
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn check_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let merge_patch = method == Method::PATCH && body::has_type(headers, "application/merge-patch+json");
    if merge_patch || body::has_type(headers, "application/json") {
        return Ok(());
    }
    Err(Problem::new(ProblemType::UnsupportedMediaType)
        .detail("Send the body with Content-Type: application/json."))
}

fn unread(reason: Unread) -> Problem {
    match reason {
        Unread::TooLarge => Problem::new(ProblemType::BodyTooLarge),
        Unread::TooSlow => Problem::new(ProblemType::RequestTimeout),
        Unread::Broken => Problem::new(ProblemType::MalformedBody).detail("The body ended early."),
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse_json(&json_bytes(request).await?).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_encoding(&parts.headers)?;
        let bytes =
            body::read(&parts.headers, body, BodyLimit::of(&parts.extensions)).await.map_err(unread)?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_type(&parts.method, &parts.headers)?;
        parse_json(&bytes).map(|value| Self(Some(value)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    /// `Cache-Control: no-store`: what this server answers in JSON is about somebody. A handler whose answer is for
    /// everybody replaces the header.
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
                (headers, bytes).into_response()
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}
