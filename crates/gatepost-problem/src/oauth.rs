//! Error answers of `/oauth/**` (RFC 6749, section 5.2).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::cause::{Cause, Code};
use crate::problem::retry_after;

/// The `error` codes that the token endpoint answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OAuthCode {
    /// The request is malformed or repeats a parameter.
    InvalidRequest,
    /// The client is unknown or did not prove itself.
    InvalidClient,
    /// The password, code or refresh token is no good.
    InvalidGrant,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// The server does not know, or does not offer, this grant.
    UnsupportedGrantType,
    /// The scope is unknown, malformed or wider than what was granted.
    InvalidScope,
    /// The password was right and a second factor is needed. Ours; RFC 6749, section 8.5, allows more codes.
    MfaRequired,
    /// Not now. Borrowed from RFC 6749, section 4.1.2.1, where the authorization endpoint has it.
    TemporarilyUnavailable,
    /// The server failed. From the same section.
    ServerError,
}

impl OAuthCode {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::MfaRequired,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The value of `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::MfaRequired => "mfa_required",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The status that goes with it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::MfaRequired => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error answer of `/oauth/**`: `{"error", "error_description"}`.
pub struct OAuthError(Box<Inner>);

struct Inner {
    code: OAuthCode,
    status: StatusCode,
    description: Option<Cow<'static, str>>,
    extra: BTreeMap<&'static str, Value>,
    basic: bool,
    retry_after: Option<u32>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

impl From<OAuthCode> for OAuthError {
    fn from(code: OAuthCode) -> Self {
        Self::new(code)
    }
}

impl OAuthError {
    /// An error with this code and its usual status.
    pub fn new(code: OAuthCode) -> Self {
        Self(Box::new(Inner {
            code,
            status: code.status(),
            description: None,
            extra: BTreeMap::new(),
            basic: false,
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 401 `invalid_client`. `basic` says whether the client tried HTTP Basic; then the answer must name that
    /// scheme (RFC 6749, section 5.2).
    pub fn invalid_client(basic: bool) -> Self {
        let mut error = Self::new(OAuthCode::InvalidClient);
        error.0.basic = basic;
        error
    }

    /// 429 for too many attempts. RFC 6749 has no code for it; `temporarily_unavailable` says what to do.
    pub fn too_many_attempts(retry_after: u32) -> Self {
        Self::new(OAuthCode::TemporarilyUnavailable)
            .status(StatusCode::TOO_MANY_REQUESTS)
            .retry_after(retry_after)
            .description("Too many attempts. Wait for Retry-After seconds.")
    }

    /// 500 `server_error`. The error goes to the log and nowhere else.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(OAuthCode::ServerError).cause(cause)
    }

    /// A status other than the usual one, such as 413 or 415 with `invalid_request`.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Says what happened, for developers. What RFC 6749 does not allow in it is replaced. Must not hold a secret.
    #[must_use]
    pub fn description(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.description = Some(text.into());
        self
    }

    /// Adds a member, such as the `challenge` of `mfa_required`. The two standard names are taken, and such an
    /// addition is dropped.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if !["error", "error_description"].contains(&name) {
            self.0.extra.insert(name, value.into());
        }
        self
    }

    /// Sets `Retry-After`, in seconds. Without it a 503 says 1 and a 429 says 60.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Adds a response header, such as `RateLimit`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Remembers the error behind it for the log. It never reaches a body.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(Cause::new(cause));
        self
    }

    /// Its code.
    pub fn code(&self) -> OAuthCode {
        self.0.code
    }

    /// The status that it will be answered with.
    pub fn response_status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let Inner { code, status, description, extra, basic, retry_after: chosen, headers, cause } = *self.0;
        let body = Body { error: code.as_str(), error_description: description.map(printable), extra };
        // Nothing in the body has a map with keys other than strings, so this cannot fail.
        let mut response = (status, serde_json::to_vec(&body).unwrap_or_default()).into_response();
        let map = response.headers_mut();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        map.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if basic {
            map.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="oauth", charset="UTF-8""#));
        }
        if let Some(seconds) = retry_after(status, chosen) {
            map.insert(RETRY_AFTER, seconds.into());
        }
        for (name, value) in headers {
            map.append(name, value);
        }
        response.extensions_mut().insert(Code(code.as_str()));
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// RFC 6749, section 5.2, allows printable ASCII without the quote and the backslash.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    if text.chars().all(allowed) {
        text
    } else {
        text.chars().map(|c| if allowed(c) { c } else { '?' }).collect::<String>().into()
    }
}

/// An error answer of the OAuth endpoints (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
struct Body {
    /// The code.
    #[schema(value_type = String, example = "invalid_grant")]
    error: &'static str,
    /// What happened, for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    error_description: Option<Cow<'static, str>>,
    #[serde(flatten)]
    #[schema(ignore)]
    extra: BTreeMap<&'static str, Value>,
}

impl PartialSchema for OAuthError {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for OAuthError {
    fn name() -> Cow<'static, str> {
        "OAuthError".into()
    }
}

impl fmt::Debug for OAuthError {
    /// The code and the description; not the extra members, which may hold a challenge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthError")
            .field("code", &self.0.code)
            .field("status", &self.0.status)
            .field("description", &self.0.description)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())
    }
}

impl Error for OAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| &*cause.0 as &(dyn Error + 'static))
    }
}
