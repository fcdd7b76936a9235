//! Requests that no page of another site may send, although they carry no cookie: what is done with a mailed link.

use axum::extract::FromRequestParts;
use gatepost_problem::{Problem, ProblemType};
use http::request::Parts;
use http::{HeaderMap, header};

use super::csrf::CsrfGuard;
use crate::app::App;

/// A request that comes from our own pages, from pages that the operator named (`cors.allowed_origins`), or from no browser
/// at all. A handler that takes one answers 403 `csrf_rejected` to the pages of others: they have no business with the
/// links in somebody's mailbox.
pub struct OwnSite;

impl FromRequestParts<App> for OwnSite {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if is_foreign(&app.csrf, &parts.headers, &app.config.cors.allowed_origins) {
            return Err(Problem::new(ProblemType::CsrfRejected));
        }
        Ok(Self)
    }
}

fn is_foreign(guard: &CsrfGuard, headers: &HeaderMap, allowed: &[String]) -> bool {
    !is_named(headers, allowed) && guard.is_foreign(headers)
}

/// Whether the page behind a request is of an origin that the operator named (`cors.allowed_origins`).
pub fn is_named(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    origins.peek().is_some() && origins.all(|it| allowed.iter().any(|origin| it == origin))
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Secret;
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::keys::MasterKey;

    const ISSUER: &str = "https://auth.example.com";
    const NAMED: &str = "https://app.example.com";

    fn foreign(lines: &[(&'static str, &'static str)]) -> bool {
        let guard = CsrfGuard::new(MasterKey::from_bytes(Secret::new([7; 32])).derive("csrf test"), ISSUER);
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_foreign(&guard, &headers, &[NAMED.to_owned()])
    }

    #[test]
    fn rec_04_pages_of_other_sites_are_foreign_unless_the_operator_named_them() {
        for ours in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", ISSUER)],
            &[("sec-fetch-site", "same-origin"), ("origin", ISSUER)],
            &[("origin", NAMED)],
            &[("sec-fetch-site", "same-site"), ("origin", NAMED)],
            &[("sec-fetch-site", "cross-site"), ("origin", NAMED)],
        ] {
            assert!(!foreign(ours), "{ours:?}");
        }
        for theirs in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://other.example.com")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", NAMED), ("origin", "https://evil.example")],
        ] {
            assert!(foreign(theirs), "{theirs:?}");
        }
    }
}
