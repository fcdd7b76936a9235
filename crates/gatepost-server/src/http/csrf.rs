//! Requests that other sites make a browser send (OWASP, Cross-Site Request Forgery).
//!
//! A browser adds the session cookie to whatever request some page makes it send, so a request with the cookie proves
//! nothing about who wanted it. Two headers tell, which pages cannot forge: `Sec-Fetch-Site` (W3C Fetch Metadata) and
//! `Origin` (RFC 6454 section 7). Each one that is there must name this server's own pages. A browser that sends neither
//! must show a token that only our own pages can read: the cookie `__Host-csrf`, repeated in the header `X-CSRF-Token`
//! (a double-submit token, signed and bound to the session).
//!
//! An origin on the CORS allow-list is another origin all the same: its pages call with a bearer token. A request with
//! an `Authorization` header is exempt, because no browser adds that one by itself and the cookie is not looked at.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Purpose, TokenHash};
use gatepost_problem::{Problem, ProblemType};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::cookies::{CookieJar, CookieName};
use crate::keys::ServerKey;

/// The header that repeats the cookie.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SHOWN: Purpose = Purpose::new("csrf-token");

/// Judges whether a request comes from this server's own pages.
#[derive(Clone)]
pub struct CsrfGuard {
    key: hmac::Key,
    /// The origin of the issuer.
    origin: String,
    /// Without a public URL the server answers to several loopback names. Then the name that was asked for is its own.
    loopback: bool,
}

/// What the headers of a request say about the page behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// This server's own origin, or the user themselves.
    Ours,
    /// Any other origin, also one of the same site.
    Foreign,
    /// Neither header came: no browser, or an old one.
    Unsaid,
}

impl CsrfGuard {
    /// For the issuer at this address.
    pub fn new(key: ServerKey, issuer: &str) -> Self {
        let origin = url::Url::parse(issuer).map(|url| url.origin().ascii_serialization());
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.into_bytes().expose()),
            origin: origin.unwrap_or_else(|_| issuer.to_owned()),
            loopback: issuer.starts_with("http://"),
        }
    }

    /// The double-submit token of a session: what the cookie holds and the header repeats.
    pub fn token(&self, session: &TokenHash) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, session.as_bytes()))
    }

    /// Judges a request that comes with a session cookie. Methods that change nothing (RFC 9110 section 9.2.1) pass.
    ///
    /// # Errors
    /// 403 `csrf_rejected`.
    pub fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        cookies: CookieJar,
        session: &TokenHash,
    ) -> Result<(), Problem> {
        if method.is_safe() {
            return Ok(());
        }
        match self.site(headers) {
            Site::Ours => Ok(()),
            Site::Unsaid if self.shows_token(headers, cookies, session) => Ok(()),
            Site::Unsaid => {
                Err(rejected("neither Sec-Fetch-Site nor Origin came, and no token of the session"))
            }
            Site::Foreign => Err(rejected("the request comes from another site")),
        }
    }

    /// Judges a request that wants a session cookie. There is no session yet that a token could be bound to, so one of
    /// the two headers must be there: otherwise another site could sign its visitors in as somebody else.
    ///
    /// # Errors
    /// 403 `csrf_rejected`.
    pub fn check_sign_in(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self.site(headers) {
            Site::Ours => Ok(()),
            Site::Unsaid => Err(rejected("neither Sec-Fetch-Site nor Origin came")
                .detail("Send the header Origin when you ask for a browser session.")),
            Site::Foreign => Err(rejected("the request comes from another site")),
        }
    }

    /// Whether a request says that a page of another origin sent it. One that says nothing comes from no browser of today.
    pub(super) fn is_foreign(&self, headers: &HeaderMap) -> bool {
        match self.site(headers) {
            Site::Foreign => true,
            Site::Ours | Site::Unsaid => false,
        }
    }

    /// Where a request comes from.
    pub fn site(&self, headers: &HeaderMap) -> Site {
        let fetch = headers.get_all(SEC_FETCH_SITE).iter();
        // `none` is the user themselves: an address that was typed, a bookmark.
        let fetch = fetch.map(|site| site == "same-origin" || site == "none");
        let origins = headers.get_all(header::ORIGIN).iter().map(|origin| self.is_ours(origin, headers));
        let mut said = fetch.chain(origins).peekable();
        if said.peek().is_none() {
            Site::Unsaid
        } else if said.all(|ours| ours) {
            Site::Ours
        } else {
            Site::Foreign
        }
    }

    fn is_ours(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        if origin.as_bytes() == self.origin.as_bytes() {
            return true;
        }
        // The edge has checked that `Host` is a loopback name of this listener.
        self.loopback
            && headers.get(header::HOST).is_some_and(|host| {
                origin.as_bytes().strip_prefix(b"http://").is_some_and(|name| name == host.as_bytes())
            })
    }

    /// Whether the header repeats the cookie, and both are what was signed for this session. Compared in constant time.
    fn shows_token(&self, headers: &HeaderMap, cookies: CookieJar, session: &TokenHash) -> bool {
        let (Some(header), Some(cookie)) =
            (headers.get(X_CSRF_TOKEN), cookies.get(headers, CookieName::Csrf))
        else {
            return false;
        };
        let repeated = TokenHash::of(SHOWN, header.as_bytes()) == TokenHash::of(SHOWN, cookie.expose());
        let signed = URL_SAFE_NO_PAD
            .decode(cookie.expose().as_str())
            .is_ok_and(|signature| hmac::verify(&self.key, session.as_bytes(), &signature).is_ok());
        repeated && signed
    }
}

fn rejected(cause: &'static str) -> Problem {
    Problem::new(ProblemType::CsrfRejected).cause(cause)
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Secret;

    use super::*;
    use crate::keys::MasterKey;

    const ISSUER: &str = "https://auth.example.com";

    fn guard(issuer: &str) -> CsrfGuard {
        CsrfGuard::new(MasterKey::from_bytes(Secret::new([7; 32])).derive("csrf test"), issuer)
    }

    fn session(text: &str) -> TokenHash {
        TokenHash::of(Purpose::new("test"), text)
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn passes(issuer: &str, lines: &[(&'static str, &str)]) -> bool {
        let (guard, headers) = (guard(issuer), headers(lines));
        let judged = guard.check(&Method::POST, &headers, CookieJar::new(issuer), &session("mine"));
        if let Err(problem) = &judged {
            assert_eq!(problem.kind(), ProblemType::CsrfRejected);
        }
        judged.is_ok()
    }

    #[test]
    fn ses_06_only_our_own_pages_and_the_user_themselves_pass() {
        for ours in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "none")],
            &[("origin", ISSUER)],
            &[("origin", ISSUER), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(passes(ISSUER, ours), "{ours:?}");
        }
        for foreign in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", ISSUER)],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://auth.example.com")],
            &[("origin", "https://auth.example.com.evil.example")],
            &[("origin", "https://auth.example.com:8443")],
            &[("origin", "http://auth.example.com"), ("host", "auth.example.com")],
            &[("referer", "https://auth.example.com/")],
        ] {
            assert!(!passes(ISSUER, foreign), "{foreign:?}");
        }
    }

    #[test]
    fn ses_06_on_loopback_the_name_that_was_asked_for_is_ours() {
        let issuer = "http://127.0.0.1:8080";
        assert!(passes(issuer, &[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(!passes(issuer, &[("origin", "http://localhost:3000"), ("host", "localhost:8080")]));
        assert!(!passes(issuer, &[("origin", "https://localhost:8080"), ("host", "localhost:8080")]));
    }

    #[test]
    fn ses_06_without_both_headers_the_signed_token_of_this_very_session_is_required() {
        let token = guard(ISSUER).token(&session("mine"));
        let of_another = guard(ISSUER).token(&session("another"));
        let cookie = |token: &str| format!("__Host-csrf={token}");
        assert!(passes(ISSUER, &[("x-csrf-token", &token), ("cookie", &cookie(&token))]));
        for (header, cookie) in [
            (token.as_str(), String::new()),
            ("", cookie(&token)),
            (&of_another, cookie(&of_another)),
            (&of_another, cookie(&token)),
            (&token, cookie(&of_another)),
            (&token, format!("csrf={token}")),
            ("planted", cookie("planted")),
        ] {
            assert!(!passes(ISSUER, &[("x-csrf-token", header), ("cookie", &cookie)]), "{header} {cookie}");
        }
        // The token opens nothing for a page that says where it comes from.
        assert!(!passes(
            ISSUER,
            &[("x-csrf-token", &token), ("cookie", &cookie(&token)), ("sec-fetch-site", "cross-site")]
        ));
    }

    #[test]
    fn ses_06_methods_that_change_nothing_pass() {
        let foreign = headers(&[("sec-fetch-site", "cross-site")]);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let jar = CookieJar::new(ISSUER);
            assert!(guard(ISSUER).check(&method, &foreign, jar, &session("mine")).is_ok());
        }
    }

    #[test]
    fn ses_06_whoever_wants_a_cookie_must_say_where_they_come_from() {
        let check = |lines| guard(ISSUER).check_sign_in(&headers(lines)).is_ok();
        assert!(check(&[("origin", ISSUER)]));
        assert!(!check(&[]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
    }
}
