//! Conditional requests (RFC 9110 section 13): `ETag`, `If-None-Match`, `If-Match`.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use gatepost_problem::{Json, Problem, ProblemType};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::Refused;

/// What a request demands of the version of a resource. A version is the row's `version`, its `ETag` is strong.
#[derive(Clone, Copy)]
pub struct Preconditions {
    expected: Option<i64>,
    known: Option<i64>,
}

impl Preconditions {
    /// The version that `If-Match` names: change that one or answer 412.
    pub const fn expected(&self) -> Option<i64> {
        self.expected
    }

    /// Whether the object has the version that the client expects.
    ///
    /// # Errors
    /// [`Refused::VersionMismatch`].
    pub fn require(&self, version: i64) -> Result<(), Refused> {
        match self.expected {
            Some(expected) if expected != version => Err(Refused::VersionMismatch),
            Some(_) | None => Ok(()),
        }
    }

    /// The answer to a read: 304 without a body when the client has this version already.
    pub fn answer<T: Serialize>(&self, version: i64, body: impl FnOnce() -> T) -> Response {
        if self.known == Some(version) {
            return (StatusCode::NOT_MODIFIED, [etag(version)]).into_response();
        }
        ([etag(version)], Json(body())).into_response()
    }

    /// The answer to a change: the object as it is now.
    pub fn changed<T: Serialize>(&self, version: i64, body: T) -> Response {
        ([etag(version)], Json(body)).into_response()
    }
}

/// The answer to what made an object: 201 with the object and its first `ETag`.
pub fn created<T: Serialize>(version: i64, body: T) -> Response {
    (StatusCode::CREATED, [etag(version)], Json(body)).into_response()
}

fn etag(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"{version}\""));
    // Digits between quotes are always a header value.
    (ETAG, value.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")))
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let expected = match tag(&parts.headers, &IF_MATCH) {
            Tag::Absent | Tag::Any => None,
            Tag::Version(version) => Some(version),
            // A tag that is not one of ours cannot match.
            Tag::Foreign => return Err(Problem::new(ProblemType::VersionMismatch)),
        };
        let known = match tag(&parts.headers, &IF_NONE_MATCH) {
            Tag::Version(version) => Some(version),
            Tag::Absent | Tag::Any | Tag::Foreign => None,
        };
        Ok(Self { expected, known })
    }
}

enum Tag {
    Absent,
    Any,
    Version(i64),
    Foreign,
}

fn tag(headers: &HeaderMap, name: &HeaderName) -> Tag {
    let Some(value) = headers.get(name) else { return Tag::Absent };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Tag::Any;
    }
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|digits| digits.parse().ok())
        .map_or(Tag::Foreign, Tag::Version)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(name: HeaderName, value: &str) -> Result<Preconditions, Problem> {
        let (mut parts, ()) = http::Request::builder().header(name, value).body(()).unwrap().into_parts();
        Preconditions::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn if_match_names_a_version_or_any() {
        let seven = of(IF_MATCH, "\"7\"").await.ok().unwrap();
        assert_eq!(seven.expected(), Some(7));
        assert!(seven.require(7).is_ok() && matches!(seven.require(8), Err(Refused::VersionMismatch)));
        assert!(of(IF_MATCH, "*").await.ok().unwrap().require(8).is_ok());
        assert_eq!(of(IF_MATCH, "*").await.ok().unwrap().expected(), None);
        assert_eq!(of(IF_MATCH, "W/\"7\"").await.err().unwrap().status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(of(IF_MATCH, "\"x\"").await.err().unwrap().status(), StatusCode::PRECONDITION_FAILED);
    }

    #[tokio::test]
    async fn a_client_that_has_the_version_gets_no_body() {
        let preconditions = of(IF_NONE_MATCH, "\"7\"").await.ok().unwrap();
        assert_eq!(preconditions.answer(7, || "body").status(), StatusCode::NOT_MODIFIED);
        let answer = preconditions.answer(8, || "body");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[ETAG], "\"8\"");
    }
}
