//! The headers that tell a browser how little it may do with an answer.
//!
//! The sets below are the whole truth; a test compares them byte for byte. A route may bring its own
//! `Content-Security-Policy` (the interactive documentation) or `Cache-Control` (the key set); everything else
//! is the same everywhere, so that no route can forget it.

use axum::response::{IntoResponseParts, ResponseParts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gatepost_kernel::Random;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};

/// On every answer.
pub const EVERYWHERE: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// On every answer when the public URL is https (RFC 6797).
pub const HTTPS: (HeaderName, HeaderValue) =
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));

/// On HTML.
pub const HTML: [(HeaderName, HeaderValue); 4] = [
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), \
             publickey-credentials-create=(self)",
        ),
    ),
];

/// The policy of HTML, before and after the nonce of the page.
pub const HTML_POLICY: [&str; 2] = [
    "default-src 'none'; script-src 'nonce-",
    "' 'strict-dynamic'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'",
];

/// The policy of everything that is not HTML: it is data, and it is never framed.
pub const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Unless the route says otherwise, nothing is kept by any cache.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The nonce of one HTML page: 128 random bits. A page that has scripts draws one, writes it into its script
/// tags and returns it beside its body: `(nonce, Html(page))`.
#[derive(Clone, Debug)]
pub struct PageNonce(String);

impl PageNonce {
    /// Draws a nonce for one answer.
    pub fn generate(random: &Random) -> Self {
        Self(STANDARD_NO_PAD.encode(random.bytes::<16>()))
    }

    /// The text of the `nonce` attribute.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IntoResponseParts for PageNonce {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut answer: ResponseParts) -> Result<ResponseParts, Self::Error> {
        answer.extensions_mut().insert(self);
        Ok(answer)
    }
}

/// Writes the header set of an answer. HTML without a nonce of its own gets a fresh one: its scripts do not run.
pub(super) fn apply(headers: &mut HeaderMap, extensions: &mut Extensions, https: bool, random: &Random) {
    if https {
        headers.insert(HTTPS.0, HTTPS.1);
    }
    for (name, value) in EVERYWHERE {
        headers.insert(name, value);
    }
    let is_html = headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
    });
    if is_html {
        for (name, value) in HTML {
            headers.insert(name, value);
        }
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            let nonce = extensions.remove::<PageNonce>().unwrap_or_else(|| PageNonce::generate(random));
            let [before, after] = HTML_POLICY;
            let policy = HeaderValue::try_from([before, nonce.as_str(), after].concat());
            // Base64 is always a header value; the strictest policy is the answer to what cannot happen.
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.unwrap_or(API_POLICY));
        }
    } else {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(API_POLICY);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(content_type: &'static str, nonce: Option<PageNonce>, https: bool) -> Vec<String> {
        let (mut headers, mut extensions) = (HeaderMap::new(), Extensions::new());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        nonce.map(|nonce| extensions.insert(nonce));
        apply(&mut headers, &mut extensions, https, &Random::from_fn(|buffer| buffer.fill(0)));
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn ses_08_the_header_set_of_html_byte_for_byte() {
        let policy = "content-security-policy: default-src 'none'; script-src 'nonce-AQEBAQEBAQEBAQEBAQEBAQ' \
            'strict-dynamic'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
            form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
            require-trusted-types-for 'script'";
        let nonce = PageNonce::generate(&Random::from_fn(|buffer| buffer.fill(1)));
        assert_eq!(
            applied("text/html; charset=utf-8", Some(nonce), true),
            [
                "cache-control: no-store",
                policy,
                "content-type: text/html; charset=utf-8",
                "cross-origin-opener-policy: same-origin",
                "cross-origin-resource-policy: same-origin",
                "permissions-policy: camera=(), microphone=(), geolocation=(), \
                 publickey-credentials-get=(self), publickey-credentials-create=(self)",
                "referrer-policy: no-referrer",
                "strict-transport-security: max-age=31536000; includeSubDomains",
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
            ]
        );
    }

    #[test]
    fn ses_08_the_header_set_of_the_api_byte_for_byte() {
        assert_eq!(
            applied("application/problem+json", None, false),
            [
                "cache-control: no-store",
                "content-security-policy: default-src 'none'; frame-ancestors 'none'",
                "content-type: application/problem+json",
                "referrer-policy: no-referrer",
                "x-content-type-options: nosniff",
            ]
        );
    }

    #[test]
    fn ses_08_html_without_a_nonce_runs_no_script() {
        let lines = applied("Text/HTML", None, false);
        assert!(
            lines
                .iter()
                .any(|line| line.contains("script-src 'nonce-AAAAAAAAAAAAAAAAAAAAAA' 'strict-dynamic'"))
        );
    }

    #[test]
    fn a_route_may_say_how_long_its_answer_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        apply(&mut headers, &mut Extensions::new(), false, &Random::system());
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=300");
    }
}
