//! The cookies of this server: which there are, how they are set and how they are read.
//!
//! Over https a cookie has the prefix `__Host-` and `Secure`: browsers then accept it only from this very host, for every
//! path, over TLS, so that no sibling domain can plant one (draft-ietf-httpbis-rfc6265bis section 4.1.3.2). On a loopback
//! address over plain http, where browsers would drop such a cookie, it goes without both.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use gatepost_kernel::Secret;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::app::App;

/// The cookies that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieName {
    /// A browser session.
    Session,
    /// Ties the steps of one sign-in to one browser.
    PreAuth,
    /// A browser that has signed in to an account before.
    Device,
    /// The half of the double-submit token that scripts of our own pages can read.
    Csrf,
    /// The key to the local mailbox, for its pages only.
    Mailbox,
}

impl CookieName {
    const fn bare(self) -> &'static str {
        match self {
            Self::Session => "sid",
            Self::PreAuth => "pre",
            Self::Device => "dc",
            Self::Csrf => "csrf",
            Self::Mailbox => "mailbox",
        }
    }

    /// Where it is sent. A cookie with the prefix `__Host-` has to be for every path.
    const fn path(self) -> &'static str {
        match self {
            Self::Session | Self::PreAuth | Self::Device | Self::Csrf => "/",
            Self::Mailbox => "/dev/mailbox",
        }
    }

    /// The prefix that it has over https.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session | Self::PreAuth | Self::Device | Self::Csrf => "__Host-",
            Self::Mailbox => "__Secure-",
        }
    }

    /// Which requests that begin on other sites carry it. Links of others lead into the application, and never into the
    /// mailbox.
    const fn same_site(self) -> &'static str {
        match self {
            Self::Session | Self::PreAuth | Self::Device | Self::Csrf => "Lax",
            Self::Mailbox => "Strict",
        }
    }

    /// Only the double-submit token is for scripts.
    const fn is_for_scripts(self) -> bool {
        matches!(self, Self::Csrf)
    }
}

/// How this server writes and reads its cookies.
#[derive(Clone, Copy, Debug)]
pub struct CookieJar {
    secure: bool,
}

/// The longest value that is looked at. Ours have at most some 200 characters.
const MAX_VALUE: usize = 512;

impl CookieJar {
    /// For the issuer at this address.
    pub fn new(issuer: &str) -> Self {
        Self { secure: issuer.starts_with("https://") }
    }

    /// The `Set-Cookie` value for a cookie of ours. The value is base64url and dots; without `max_age` the browser forgets
    /// it when it closes.
    pub fn set(&self, name: CookieName, value: &str, max_age: Option<Duration>) -> HeaderValue {
        let (prefix, secure) = if self.secure { (name.prefix(), "; Secure") } else { ("", "") };
        let http_only = if name.is_for_scripts() { "" } else { "; HttpOnly" };
        let (bare, path, same_site) = (name.bare(), name.path(), name.same_site());
        let mut text =
            format!("{prefix}{bare}={value}; Path={path}{secure}{http_only}; SameSite={same_site}");
        if let Some(age) = max_age {
            text.push_str(&format!("; Max-Age={}", age.as_secs()));
        }
        let mut header =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("invalid=; Max-Age=0"));
        header.set_sensitive(true);
        header
    }

    /// The `Set-Cookie` value that makes the browser forget a cookie.
    pub fn clear(&self, name: CookieName) -> HeaderValue {
        self.set(name, "", Some(Duration::ZERO))
    }

    /// The value of a cookie. The first one of that name counts: with the prefix there is only one, and without it, on
    /// loopback, browsers send the more specific path first.
    pub fn get(&self, headers: &HeaderMap, name: CookieName) -> Option<Secret<String>> {
        let prefix = if self.secure { name.prefix() } else { "" };
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(prefix)?.strip_prefix(name.bare())?.strip_prefix('='))
            .find(|value| !value.is_empty() && value.len() <= MAX_VALUE)
            .map(|value| Secret::new(value.to_owned()))
    }
}

/// The cookies of ours that came with a request.
pub struct Cookies {
    jar: CookieJar,
    headers: HeaderMap,
}

impl Cookies {
    /// The value of a cookie, if it was sent.
    pub fn get(&self, name: CookieName) -> Option<Secret<String>> {
        self.jar.get(&self.headers, name)
    }
}

impl FromRequestParts<App> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::COOKIE).iter();
        let headers = lines.map(|line| (header::COOKIE, line.clone())).collect();
        Ok(Self { jar: app.cookies, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    fn value(jar: CookieJar, lines: &[&'static str]) -> Option<String> {
        jar.get(&sent(lines), CookieName::Session).map(|value| value.expose().clone())
    }

    #[test]
    fn ses_02_a_session_cookie_has_exactly_these_attributes() {
        let jar = CookieJar::new("https://auth.example.com");
        assert_eq!(
            jar.set(CookieName::Session, "abc", None),
            "__Host-sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        let remembered = jar.set(CookieName::Session, "abc", Some(Duration::from_secs(60)));
        assert_eq!(remembered, "__Host-sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert_eq!(
            CookieJar::new("http://127.0.0.1:8080").set(CookieName::Csrf, "abc", None),
            "csrf=abc; Path=/; SameSite=Lax"
        );
        assert_eq!(
            jar.set(CookieName::Mailbox, "abc", None),
            "__Secure-mailbox=abc; Path=/dev/mailbox; Secure; HttpOnly; SameSite=Strict"
        );
    }

    #[test]
    fn ses_01_a_cookie_without_the_prefix_counts_for_nothing_over_https() {
        let jar = CookieJar::new("https://auth.example.com");
        assert_eq!(value(jar, &["sid=planted"]), None);
        assert_eq!(value(jar, &["sid=planted; __Host-sid=ours"]), Some("ours".to_owned()));
        assert_eq!(value(jar, &["a=b", "x=y; __Host-sid=ours"]), Some("ours".to_owned()));
    }

    #[test]
    fn what_is_empty_too_long_or_another_cookie_is_not_read() {
        let jar = CookieJar::new("http://127.0.0.1:8080");
        assert_eq!(value(jar, &["sid=", "sidx=1; xsid=2; sid"]), None);
        let long: &'static str = Box::leak(format!("sid={}", "a".repeat(MAX_VALUE + 1)).into_boxed_str());
        assert_eq!(value(jar, &[long]), None);
    }
}
