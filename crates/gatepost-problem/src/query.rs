//! Query and path parameters.

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::decode::escaped;
use crate::decode::pairs::{Broken, MAX_PAIRS, Pairs};
use crate::{FieldError, Problem, ProblemType};

/// The longest query that is looked at, in bytes.
const MAX_QUERY: usize = 8 * 1024;

/// Query parameters, strictly read: unknown, repeated and ill-typed ones are refused, all at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

/// Path parameters. What does not parse names nothing, so the answer is 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

/// Reads a type from the text after the `?`.
///
/// # Errors
/// `invalid_request` (400) for a query that is not percent-encoded UTF-8, is longer than 8 KiB or has more than 100
/// parameters; `validation_failed` (422) with an entry for each parameter otherwise. No value is repeated.
pub fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let invalid = |detail: String| Problem::new(ProblemType::InvalidRequest).detail(detail);
    if query.len() > MAX_QUERY {
        return Err(invalid(format!("The query is longer than {MAX_QUERY} bytes.")));
    }
    let pairs = Pairs::parse(query.as_bytes()).map_err(|broken| match broken {
        Broken::TooMany => invalid(format!("The query has more than {MAX_PAIRS} parameters.")),
        Broken::Encoding => invalid("The query is not percent-encoded UTF-8.".to_owned()),
        Broken::Repeated(name) => {
            let pointer = format!("/{}", escaped(&name));
            Problem::validation(vec![FieldError::new(pointer, "repeated", "Send this parameter once.")])
        }
    })?;
    pairs.decode(true).map_err(Problem::validation)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[expect(clippy::disallowed_types, reason = "this is the wrapper that answers its rejections")]
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        match path {
            Ok(path) => Ok(Self(path.0)),
            Err(PathRejection::FailedToDeserializePathParams(error)) if is_ours(error.kind()) => {
                Err(Problem::internal(error))
            }
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Problem::not_found()),
            Err(other) => Err(Problem::internal(other)),
        }
    }
}

/// Whether the route and the handler's type disagree, which no client can bring about.
const fn is_ours(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::WrongNumberOfParameters { .. } | ErrorKind::UnsupportedType { .. })
}
