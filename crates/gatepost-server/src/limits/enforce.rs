//! The layer around the routes.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use gatepost_problem::{OAuthError, Problem, ProblemType};
use http::HeaderMap;
use http::header::FORWARDED;

use super::headers::Standing;
use super::table::{Counted, Limit, counted};
use crate::app::App;
use crate::http::ClientAddress;

/// Counts a request against the limit of its route before anything else is done for it, and refuses it in the dialect of
/// its path.
pub(crate) async fn enforce(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let standing = match counted(request.method(), path) {
        Counted::Exempt => None,
        Counted::Against(limit) => app.limits.admit(limit, client, app.clock.now()).await,
    };
    let Some(standing) = standing else { return next.run(request).await };
    if !standing.is_allowed() {
        suspect_a_proxy(&app, request.headers());
    }
    if standing.is_allowed() {
        let mut answer = next.run(request).await;
        for (name, value) in standing.fields() {
            answer.headers_mut().append(name, value);
        }
        answer
    } else if request.uri().path().starts_with("/oauth/") {
        oauth_refusal(&standing).into_response()
    } else {
        refusal(&standing).into_response()
    }
}

/// Says once what an operator sees who put a proxy in front and did not name it: everybody is refused together.
fn suspect_a_proxy(app: &App, headers: &HeaderMap) {
    let forwarded = headers.contains_key("x-forwarded-for") || headers.contains_key(FORWARDED);
    if forwarded && app.config.server.trusted_proxies.is_empty() && app.limits.is_first_suspicion() {
        tracing::warn!(
            "a request was refused that came through a proxy, and trusted_proxies is empty: if the proxy is yours, name \
             it there, or all its clients share one limit"
        );
    }
}

/// 429 `rate_limited`.
pub(crate) fn refusal(standing: &Standing) -> Problem {
    let refusal = Problem::new(ProblemType::RateLimited)
        .retry_after(standing.retry_after())
        .cause(cause(standing.limit));
    standing.fields().into_iter().fold(refusal, |refusal, (name, value)| refusal.header(name, value))
}

/// The same in the dialect of RFC 6749.
pub(crate) fn oauth_refusal(standing: &Standing) -> OAuthError {
    let refusal = OAuthError::too_many_attempts(standing.retry_after()).cause(cause(standing.limit));
    standing.fields().into_iter().fold(refusal, |refusal, (name, value)| refusal.header(name, value))
}

/// For the log line.
fn cause(limit: Limit) -> String {
    format!("the limit `{}` of this client is used up", limit.name())
}
