//! Requests that no page of another site may send, although they carry no cookie: what is done with a mailed link.

use axum::extract::FromRequestParts;
use gatepost_problem::{Problem, ProblemType};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::app::App;

/// Fetch Metadata (W3C), section 2.4. Browsers write it; a page cannot.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request that comes from our own pages, from pages that the operator named (`cors.allowed_origins`), or from no browser
/// at all. A handler that takes one answers 403 `csrf_rejected` to the pages of others: they have no business with the
/// links in somebody's mailbox.
pub struct OwnSite;

impl FromRequestParts<App> for OwnSite {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let allowed = &app.config.cors.allowed_origins;
        if is_foreign(&parts.headers, allowed) {
            return Err(Problem::new(ProblemType::CsrfRejected));
        }
        Ok(Self)
    }
}

fn is_foreign(headers: &HeaderMap, allowed: &[String]) -> bool {
    let is_cross_site = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site == "cross-site");
    is_cross_site && !is_named(headers, allowed)
}

/// Whether the page behind a request is of an origin that the operator named (`cors.allowed_origins`).
pub fn is_named(headers: &HeaderMap, allowed: &[String]) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| allowed.iter().any(|it| origin == it.as_str()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn rec_04_pages_of_other_sites_are_foreign_unless_the_operator_named_them() {
        let allowed = ["https://app.example.com".to_owned()];
        let foreign = |site: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            origin.map(|origin| headers.insert(header::ORIGIN, HeaderValue::from_static(origin)));
            is_foreign(&headers, &allowed)
        };
        for site in ["same-origin", "same-site", "none"] {
            assert!(!foreign(site, None), "{site}");
        }
        assert!(foreign("cross-site", None));
        assert!(foreign("cross-site", Some("https://evil.example")));
        assert!(foreign("cross-site", Some("null")));
        assert!(!foreign("cross-site", Some("https://app.example.com")));
        assert!(!is_foreign(&HeaderMap::new(), &allowed));
    }
}
