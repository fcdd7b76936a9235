//! RFC 9457 problem details.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::cause::{Cause, Code};
use crate::challenge::Challenge;
use crate::field::FieldError;
use crate::table::ProblemType;
use crate::{ApiResult, request_id};

/// An error answer of `/api/v1/**`.
///
/// What the client reads (detail, errors, extra members) and what the operator reads (the cause) are different
/// fields, and only the former are rendered.
///
/// ```
/// use gatepost_problem::{Problem, ProblemType};
///
/// let problem = Problem::new(ProblemType::EmailTaken).detail("Sign in, or use another address.");
/// assert_eq!(problem.status(), 409);
/// ```
pub struct Problem(Box<Inner>);

struct Inner {
    kind: ProblemType,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    extra: BTreeMap<&'static str, Value>,
    retry_after: Option<u32>,
    challenge: Option<Challenge>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

impl From<ProblemType> for Problem {
    fn from(kind: ProblemType) -> Self {
        Self::new(kind)
    }
}

impl Problem {
    /// A problem of this type, with nothing to add.
    pub fn new(kind: ProblemType) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: None,
            errors: Vec::new(),
            extra: BTreeMap::new(),
            retry_after: None,
            challenge: Challenge::default_for(kind),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 422 `validation_failed` with an entry for each bad field.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(ProblemType::ValidationFailed);
        problem.0.errors = errors;
        problem
    }

    /// 500 `internal`. The error goes to the log and nowhere else.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ProblemType::Internal).cause(cause)
    }

    /// 404 `not_found`.
    pub fn not_found() -> Self {
        Self::new(ProblemType::NotFound)
    }

    /// 401 for a request without credentials: the bare challenge (RFC 6750, section 3.1).
    pub fn unauthenticated() -> Self {
        Self::new(ProblemType::AuthenticationRequired)
    }

    /// 401 for a bearer token that is no good. Why is for the log: use [`Problem::cause`].
    pub fn invalid_bearer() -> Self {
        Self::new(ProblemType::InvalidAccessToken)
    }

    /// 400 for credentials that were sent in more than one way (RFC 6750, section 3.1, `invalid_request`).
    pub fn ambiguous_credentials() -> Self {
        let mut problem = Self::new(ProblemType::InvalidRequest)
            .detail("Send credentials once, in one way: one Authorization header or one X-API-Key header.");
        problem.0.challenge = Some(Challenge::InvalidRequest);
        problem
    }

    /// 403 for a token that lacks a scope; `scope` is what it would take, separated by spaces.
    pub fn insufficient_scope(scope: impl Into<String>) -> Self {
        let mut problem = Self::new(ProblemType::InsufficientScope);
        problem.0.challenge = Some(Challenge::InsufficientScope(scope.into()));
        problem
    }

    /// 401 that asks for a proof of identity not older than `max_age` seconds (RFC 9470, section 3).
    pub fn step_up_required(max_age: u32) -> Self {
        let mut problem = Self::new(ProblemType::InsufficientUserAuthentication);
        problem.0.challenge = Some(Challenge::InsufficientUserAuthentication(Some(max_age)));
        problem
    }

    /// Says what happened this time, for people. Must not hold a secret.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the entries of bad fields (`validation_failed` and `invalid_input` have them).
    #[must_use]
    pub fn with_errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// Adds an extension member (RFC 9457, section 3.2), such as the `challenge` of `mfa_required`.
    /// The names of the standard members are taken, and such an addition is dropped.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        const TAKEN: [&str; 7] = ["type", "title", "status", "detail", "code", "request_id", "errors"];
        if !TAKEN.contains(&name) {
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

    /// Adds a response header, such as `Allow` or `RateLimit`.
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

    /// Its type.
    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The entries of bad fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
}

/// The `Retry-After` of an answer: the chosen one, or a default where the status demands one.
pub(crate) fn retry_after(status: StatusCode, chosen: Option<u32>) -> Option<u32> {
    chosen.or(match status {
        StatusCode::SERVICE_UNAVAILABLE => Some(1),
        StatusCode::TOO_MANY_REQUESTS => Some(60),
        _ => None,
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { kind, detail, errors, extra, retry_after: chosen, challenge, headers, cause } = *self.0;
        let status = kind.status();
        let body = Body {
            kind: kind.uri(),
            title: kind.title(),
            status: status.as_u16(),
            detail,
            code: kind.code(),
            request_id: request_id::current().map(|id| id.to_string()),
            errors: (!errors.is_empty()).then_some(errors),
            extra,
        };
        // Nothing in the body has a map with keys other than strings, so this cannot fail.
        let mut response = (status, serde_json::to_vec(&body).unwrap_or_default()).into_response();
        let map = response.headers_mut();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after(status, chosen) {
            map.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = challenge {
            map.insert(WWW_AUTHENTICATE, challenge.header());
        }
        for (name, value) in headers {
            map.append(name, value);
        }
        response.extensions_mut().insert(Code(kind.code()));
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// An error answer (RFC 9457). Clients switch on `code`.
#[derive(Serialize, ToSchema)]
struct Body {
    /// A reference to the documentation of this type of problem.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri-reference", example = "/docs/problems#validation_failed")]
    kind: &'static str,
    /// A summary of the type.
    #[schema(value_type = String, example = "Some fields are not valid")]
    title: &'static str,
    /// The HTTP status, repeated.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    detail: Option<Cow<'static, str>>,
    /// The stable code of the type.
    #[schema(value_type = String, example = "validation_failed")]
    code: &'static str,
    /// The id of the request, as in `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// Every bad field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    #[serde(flatten)]
    #[schema(ignore)]
    extra: BTreeMap<&'static str, Value>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FieldError::name().into_owned(), FieldError::schema()));
    }
}

impl fmt::Debug for Problem {
    /// The code, the detail and the fields; not the extension members, which may hold a challenge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("errors", &self.0.errors)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.code())
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| &*cause.0 as &(dyn Error + 'static))
    }
}

/// The fallback of a router: 404 `not_found`.
///
/// # Errors
/// Always.
pub async fn not_found() -> ApiResult<()> {
    Err(Problem::not_found())
}

/// The method fallback of a router: 405 `method_not_allowed`. axum adds `Allow`.
///
/// # Errors
/// Always.
pub async fn method_not_allowed() -> ApiResult<()> {
    Err(Problem::new(ProblemType::MethodNotAllowed))
}
