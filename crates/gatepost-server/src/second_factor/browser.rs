//! Which browser began a sign-in: its second step must come from there (`SES-01`, `MFA-02`).
//!
//! Whoever gets hold of a challenge, from a screen, a log or a page that they lured somebody to, cannot go on with it
//! elsewhere, and cannot have somebody else go on with theirs. `docs/adr/0021-the-browser-that-began.md` tells why the
//! three cases are as they are.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use gatepost_kernel::{OpaqueToken, Purpose, Random, Secret, TokenHash};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::app::App;
use crate::http::{CookieJar, CookieName};

const PREFIX: &str = "gpb";
const COOKIE: Purpose = Purpose::new("pre-auth-cookie");
const ORIGIN: Purpose = Purpose::new("pre-auth-origin");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who sent a request, as far as its headers say.
#[derive(Clone)]
pub struct Sender {
    kind: Kind,
    cookie: Option<TokenHash>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// No browser: it sent neither `Sec-Fetch-Site` nor `Origin`, and scripts cannot keep a browser from sending them.
    Program,
    /// A page of ours, which gets and sends our cookies.
    OurPage,
    /// A page of another origin: its browser keeps no cookie of ours, but says truthfully where the page is from.
    OtherPage(TokenHash),
}

/// What a challenge is bound to.
#[derive(Clone)]
pub(super) enum Tie {
    /// A program.
    Program,
    /// The browser with this cookie.
    Cookie(TokenHash),
    /// Pages of this origin.
    Origin(TokenHash),
}

impl Tie {
    /// Its name in the database, and its hash.
    pub(super) const fn columns(&self) -> (&'static str, Option<&TokenHash>) {
        match self {
            Self::Program => ("program", None),
            Self::Cookie(hash) => ("cookie", Some(hash)),
            Self::Origin(hash) => ("origin", Some(hash)),
        }
    }

    /// The tie that a row names.
    pub(super) fn from_columns(name: &str, hash: Option<TokenHash>) -> Option<Self> {
        match (name, hash) {
            ("program", None) => Some(Self::Program),
            ("cookie", Some(hash)) => Some(Self::Cookie(hash)),
            ("origin", Some(hash)) => Some(Self::Origin(hash)),
            _ => None,
        }
    }
}

impl Sender {
    /// Somebody who is no browser, whatever their headers say: `/oauth/token` sets no cookies.
    pub const PROGRAM: Self = Self { kind: Kind::Program, cookie: None };

    /// Whoever sent these headers.
    pub fn from_headers(headers: &HeaderMap, jar: &CookieJar) -> Self {
        Self::of(headers, jar.get(headers, CookieName::PreAuth).as_ref())
    }

    fn of(headers: &HeaderMap, cookie: Option<&Secret<String>>) -> Self {
        let cookie = cookie.filter(|value| OpaqueToken::has_shape(PREFIX, value.expose()));
        Self { kind: kind(headers), cookie: cookie.map(|value| TokenHash::of(COOKIE, value.expose())) }
    }

    /// What a sign-in that begins here is bound to, and the value of the cookie that this takes. A cookie that came along
    /// counts for nothing: somebody may have planted it.
    pub(super) fn tie(&self, random: &Random) -> (Tie, Option<OpaqueToken>) {
        match self.kind {
            Kind::Program => (Tie::Program, None),
            Kind::OurPage => {
                let cookie = OpaqueToken::generate(PREFIX, random);
                (Tie::Cookie(TokenHash::of(COOKIE, cookie.expose())), Some(cookie))
            }
            Kind::OtherPage(origin) => (Tie::Origin(origin), None),
        }
    }

    /// Whether a sign-in with this tie began here.
    pub(super) fn holds(&self, tie: &Tie) -> bool {
        match (tie, &self.kind) {
            (Tie::Program, Kind::Program) => true,
            (Tie::Cookie(hash), Kind::Program | Kind::OurPage | Kind::OtherPage(_)) => {
                self.cookie.as_ref() == Some(hash)
            }
            (Tie::Origin(hash), Kind::OtherPage(origin)) => hash == origin,
            (Tie::Program, Kind::OurPage | Kind::OtherPage(_))
            | (Tie::Origin(_), Kind::Program | Kind::OurPage) => false,
        }
    }
}

fn kind(headers: &HeaderMap) -> Kind {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN);
    let other = || match origin {
        // What has no origin to speak of (a sandbox, a file) must bring the cookie.
        None | Some("null") => Kind::OurPage,
        Some(origin) => Kind::OtherPage(TokenHash::of(ORIGIN, origin)),
    };
    match (text(SEC_FETCH_SITE), origin) {
        (Some("same-origin" | "none"), _) => Kind::OurPage,
        (Some(_), _) => other(),
        // Browsers before 2023 send no `Sec-Fetch-Site`.
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            if host.is_some() && host == text(header::HOST) { Kind::OurPage } else { other() }
        }
        (None, None) if headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN) => {
            Kind::OurPage
        }
        (None, None) => Kind::Program,
    }
}

impl FromRequestParts<App> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers, &app.cookies))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn sender(headers: &[(HeaderName, &'static str)], cookie: Option<&OpaqueToken>) -> Sender {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        Sender::of(&headers, cookie.map(|cookie| Secret::new(cookie.expose().to_owned())).as_ref())
    }

    fn begin(sender: &Sender) -> (Tie, Option<OpaqueToken>) {
        sender.tie(&Random::system())
    }

    #[test]
    fn mfa_02_what_a_page_of_ours_began_takes_the_cookie_that_it_got() {
        for headers in [
            &[(SEC_FETCH_SITE, "same-origin")] as &[_],
            &[(SEC_FETCH_SITE, "none")],
            &[(header::ORIGIN, "https://id.example"), (header::HOST, "id.example")],
            &[(SEC_FETCH_SITE, "cross-site"), (header::ORIGIN, "null")],
        ] {
            let (tie, cookie) = begin(&sender(headers, None));
            let other = OpaqueToken::generate(PREFIX, &Random::system());
            assert!(sender(headers, cookie.as_ref()).holds(&tie));
            assert!(!sender(headers, None).holds(&tie));
            assert!(!sender(headers, Some(&other)).holds(&tie));
            assert!(!sender(&[], None).holds(&tie), "a program went on with a browser's challenge");
        }
    }

    #[test]
    fn mfa_02_what_a_page_of_another_origin_began_only_that_origin_goes_on_with() {
        let app = &[(SEC_FETCH_SITE, "cross-site"), (header::ORIGIN, "https://app.example")];
        let old = &[(header::ORIGIN, "https://app.example"), (header::HOST, "id.example")];
        let evil = &[(SEC_FETCH_SITE, "cross-site"), (header::ORIGIN, "https://evil.example")];
        let (tie, cookie) = begin(&sender(app, None));
        assert!(cookie.is_none());
        assert!(sender(app, None).holds(&tie) && sender(old, None).holds(&tie));
        assert!(!sender(evil, None).holds(&tie) && !sender(&[], None).holds(&tie));
        assert!(!sender(&[(SEC_FETCH_SITE, "same-origin")], None).holds(&tie));
    }

    #[test]
    fn mfa_02_what_a_program_began_no_browser_goes_on_with() {
        let (tie, cookie) = begin(&sender(&[], None));
        assert!(cookie.is_none());
        assert!(sender(&[], None).holds(&tie));
        assert!(!sender(&[(SEC_FETCH_SITE, "same-origin")], None).holds(&tie));
        assert!(!sender(&[(header::ORIGIN, "https://evil.example")], None).holds(&tie));
    }

    #[test]
    fn ses_01_a_planted_cookie_is_replaced() {
        let ours = &[(SEC_FETCH_SITE, "same-origin")];
        let planted = OpaqueToken::generate(PREFIX, &Random::system());
        let (tie, cookie) = begin(&sender(ours, Some(&planted)));
        assert!(!sender(ours, Some(&planted)).holds(&tie));
        assert!(sender(ours, cookie.as_ref()).holds(&tie));
    }
}
