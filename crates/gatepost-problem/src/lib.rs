//! The error edge: what a client reads when something is refused, and the axum extractors that refuse.
//!
//! There are two dialects, and a router picks one through its result alias:
//!
//! | | refusals | extractors |
//! |---|---|---|
//! | `/api/v1/**` | [`ApiResult`], [`Problem`] (RFC 9457) | [`Json`], [`OptionalJson`], [`Query`], [`Path`], [`BearerToken`] |
//! | `/oauth/**` | [`OAuthResult`], [`OAuthError`] (RFC 6749) | [`Form`] |
//!
//! [`ProblemType`] is the one table of codes. [`Check`] collects the bad fields of a request, so that they are
//! reported at once.
//!
//! Two rules hold everywhere. The error behind a refusal goes into the response's extensions ([`Cause`]), where the
//! request log finds it, and has no path into a body. And no value that a client sent is repeated to it: a refusal
//! says which field is wrong and what is expected there.
//!
//! ```
//! use gatepost_problem::{ApiResult, Json, Path, Problem, ProblemType};
//!
//! #[derive(serde::Deserialize)]
//! struct Request { title: String }
//!
//! async fn rename(Path(id): Path<u64>, Json(request): Json<Request>) -> ApiResult<Json<String>> {
//!     if id == 0 {
//!         return Err(Problem::new(ProblemType::NotOwner));
//!     }
//!     Ok(Json(request.title))
//! }
//! # let _: axum::Router = axum::Router::new().route("/tasks/{id}", axum::routing::patch(rename));
//! ```

mod bearer;
mod body;
mod cause;
mod challenge;
mod decode;
mod field;
mod form;
mod json;
mod oauth;
mod problem;
mod query;
pub mod request_id;
mod table;

pub use bearer::BearerToken;
pub use body::{BODY_READ_TIME, BodyLimit, DEFAULT_BODY_LIMIT};
pub use cause::{Cause, Code};
pub use field::{Check, FieldError, Fields, Invalid};
pub use form::{Form, parse_form};
pub use json::{Json, OptionalJson, json_bytes, parse_json};
pub use oauth::{OAuthCode, OAuthError};
pub use problem::{Problem, method_not_allowed, not_found};
pub use query::{Path, Query, parse_query};
pub use table::ProblemType;

/// What a handler under `/api/v1` returns.
pub type ApiResult<T> = Result<T, Problem>;

/// What a handler under `/oauth` returns.
pub type OAuthResult<T> = Result<T, OAuthError>;
