//! `/docs`: the interactive documentation. Swagger UI with assets that are compiled in.
//!
//! The page has a policy of its own: it may run the scripts and styles that this server serves and talk to this server,
//! nothing else. It accepts bearer tokens only; no cookie opens anything from there. `docs.enabled = false` removes it.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use gatepost_problem::{Path, Problem, ProblemType};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa_swagger_ui::oauth;

use crate::app::App;

/// Swagger UI builds its styles at run time, so style attributes and sheets cannot be pinned; scripts can.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

static CONFIG: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> = LazyLock::new(|| {
    let authorize = oauth::Config::new().client_id("gatepost");
    Arc::new(
        utoipa_swagger_ui::Config::with_oauth_config(["/openapi.json"], authorize)
            .try_it_out_enabled(true)
            // Swagger UI would have a server of its makers judge the document, and show its badge.
            .validator_url("none")
            .persist_authorization(false)
            .display_request_duration(true),
    )
});

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| async { asset("index.html") }))
        .route("/docs/problems", get(problems))
        .route("/docs/{*file}", get(|Path(file): Path<String>| async move { asset(&file) }))
}

fn asset(path: &str) -> Response {
    match utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => {
            let kind = match file.content_type {
                text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
                other => other,
            };
            let headers = [
                (CONTENT_TYPE, HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("text/plain"))),
                (CONTENT_SECURITY_POLICY, POLICY),
                (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => Problem::not_found().into_response(),
        Err(error) => Problem::internal(error.to_string()).into_response(),
    }
}

/// What each problem means: where the `type` of a problem points.
async fn problems() -> Response {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\"><title>Problems</title>\
         <h1>Problems</h1><dl>",
    );
    let mut anchors = BTreeSet::new();
    // By code, so that two types that share one stand together under its anchor.
    let mut kinds = ProblemType::ALL.to_vec();
    kinds.sort_by_key(|kind| (kind.code(), kind.status()));
    for kind in kinds {
        let (code, status, title, doc) = (kind.code(), kind.status().as_u16(), kind.title(), kind.doc());
        // Two types may share a code; a place in a page has one name.
        let id = if anchors.insert(code) { format!(" id=\"{code}\"") } else { String::new() };
        page.push_str(&format!("<dt{id}><code>{code}</code> ({status}): {title}</dt><dd>{doc}</dd>"));
    }
    page.push_str("</dl></html>");
    axum::response::Html(page).into_response()
}
