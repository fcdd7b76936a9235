//! Which pages of other origins may read our answers: none, until the operator names them.
//!
//! An origin is compared byte for byte with the allow-list; `null` is never allowed, because sandboxed frames and
//! local files share it. `Access-Control-Allow-Credentials` is never sent: pages of other origins call with a
//! bearer token, and the cookies of the hosted pages stay with the hosted pages. A route that answers the same to
//! everybody (the key set) may send `*` itself; that answer is left alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// What a preflight is told: methods, request headers, and for how many seconds the browser may remember it.
pub(super) const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, If-Match, X-API-Key"),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
];

/// The answer headers that a page may read besides the safelisted ones (Fetch standard, section 3.3.3).
const EXPOSED: HeaderValue =
    HeaderValue::from_static("ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id");

/// The origins whose pages may read answers. Empty by default.
#[derive(Clone, Debug, Default)]
pub struct CorsPolicy(Arc<[HeaderValue]>);

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin: write scheme, host and, where it is not the default, port, as in `https://app.example.com`"
)]
pub struct NotAnOrigin(pub String);

impl CorsPolicy {
    /// Allows exactly these origins.
    ///
    /// # Errors
    /// [`NotAnOrigin`] for `*`, for `null`, and for whatever is not spelled as browsers send it (RFC 6454
    /// section 6.2): such an entry would never match, and the operator should hear of it.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAnOrigin> {
        origins
            .into_iter()
            .map(|origin| {
                url::Url::parse(origin)
                    .ok()
                    .filter(|url| matches!(url.scheme(), "https" | "http"))
                    .filter(|url| url.origin().ascii_serialization() == origin)
                    .and_then(|_| HeaderValue::from_str(origin).ok())
                    .ok_or_else(|| NotAnOrigin(origin.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The request's origin, when its pages may read the answer.
    pub(super) fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut sent = request.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
        self.0.iter().find(|allowed| *allowed == origin).cloned()
    }

    /// Writes the headers of an answer. `allowed` is what [`allowed`](Self::allowed) said of the request.
    pub(super) fn apply(&self, allowed: Option<HeaderValue>, answer: &mut HeaderMap) {
        if self.0.is_empty() || answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        // Also on answers to other origins: a shared cache must not serve those to an allowed one, nor the reverse.
        answer.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = allowed {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Whether a request asks for permission instead of for an answer (Fetch standard, section 4.8).
pub(super) fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
    method == Method::OPTIONS && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(policy: &CorsPolicy, origins: &[&str]) -> HeaderMap {
        let mut request = HeaderMap::new();
        for origin in origins {
            request.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let mut answer = HeaderMap::new();
        policy.apply(policy.allowed(&request), &mut answer);
        answer
    }

    #[test]
    fn ses_07_nobody_is_allowed_by_default() {
        assert!(answer(&CorsPolicy::default(), &["https://app.example"]).is_empty());
    }

    #[test]
    fn ses_07_only_an_exact_origin_is_allowed_and_never_with_credentials() {
        let policy = CorsPolicy::new(["https://app.example", "http://localhost:5173"]).unwrap();
        let allowed = answer(&policy, &["https://app.example"]);
        assert_eq!(allowed[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(allowed[header::VARY], "Origin");
        assert!(!allowed.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        for refused in [
            &["https://evil"][..],
            &["null"],
            &["*"],
            &["https://app.example.evil"],
            &["https://evilapp.example"],
            &["http://app.example"],
            &["https://APP.example"],
            &["https://app.example:443"],
            &["https://app.example/"],
            &["https://app.example", "https://evil"],
            &[],
        ] {
            let refused = answer(&policy, refused);
            assert!(!refused.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{refused:?}");
            assert_eq!(refused[header::VARY], "Origin");
        }
    }

    #[test]
    fn ses_07_a_list_with_a_wildcard_null_or_a_url_is_refused() {
        for wrong in
            ["*", "null", "https://app.example/", "https://app.example:443", "app.example", "file:///", ""]
        {
            assert_eq!(CorsPolicy::new([wrong]).unwrap_err(), NotAnOrigin(wrong.to_owned()));
        }
    }

    #[test]
    fn an_answer_that_is_open_to_everybody_stays_so() {
        let policy = CorsPolicy::new(["https://app.example"]).unwrap();
        let mut answer = HeaderMap::new();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        policy.apply(None, &mut answer);
        assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!answer.contains_key(header::VARY));
    }
}
