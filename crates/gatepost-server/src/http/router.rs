//! The router of the whole application, and the document that describes it: both from the same declarations.

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use gatepost_problem::{OAuthError, Problem, method_not_allowed, not_found};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Flow, Http, HttpAuthScheme, OAuth2, Password, Scopes, SecurityRequirement,
    SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use super::docs;
use crate::app::App;
use crate::features;
use crate::limits::{self, Counted};

/// Every operation of the application, as a router to serve or to mount in another one.
///
/// An application that mounts it owns what surrounds it: put [`finish`](super::finish) around the whole.
pub fn router(app: App) -> Router {
    let (mut routes, document) = parts();
    if app.config.docs.enabled {
        let json: Bytes = serde_json::to_vec(&document).unwrap_or_default().into();
        let document = get(|State(json): State<Bytes>| openapi_json(json)).with_state(json);
        routes = routes.route("/openapi.json", document).merge(docs::routes());
    }
    routes = routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
    if app.config.limits.enabled {
        routes = routes.layer(from_fn_with_state(app.clone(), limits::enforce));
    }
    routes.with_state(app)
}

/// The OpenAPI 3.1 document of the application.
pub fn openapi() -> OpenApi {
    parts().1
}

fn parts() -> (Router<App>, OpenApi) {
    let (routes, mut document) = features::routes().split_for_parts();
    let mut description = Description::openapi();
    description.merge(document);
    document = description;
    SecuritySchemes.modify(&mut document);
    RateLimits.modify(&mut document);
    ApiKeysAreRefused.modify(&mut document);
    CookiesOpenThem.modify(&mut document);
    ProblemsHaveTheirType.modify(&mut document);
    (routes, document)
}

async fn openapi_json(document: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], document).into_response()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Gatepost",
        description = "The front door of an application: accounts, sign-in, sessions, roles.\n\n\
            Errors under `/api/v1` are `application/problem+json` (RFC 9457); switch on `code`. Errors under `/oauth` are those \
            of RFC 6749. Every answer carries `X-Request-Id`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, OAuthError)),
    tags(
        (name = "sign-up", description = "Accounts come to be"),
        (name = "sign-in", description = "Proofs become sessions, and sessions end"),
        (name = "recovery", description = "What travels through a mailbox: links that verify an address or reset a password"),
        (name = "account", description = "Your own account, and what you may see of others"),
        (name = "admin", description = "What administrators see and do"),
        (name = "tasks", description = "What you have to do"),
        (name = "items", description = "What you have"),
        (name = "second-factor", description = "Authenticators and recovery codes of your own account"),
        (name = "system", description = "What machines ask"),
    ),
)]
struct Description;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("An access token from `/api/v1/auth/login` or `/oauth/token`.".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let password =
            Flow::Password(Password::with_refresh_url("/oauth/token", Scopes::new(), "/oauth/token"));
        components.add_security_scheme("password", SecurityScheme::OAuth2(OAuth2::new([password])));
        let cookie = "A browser session, from `/api/v1/auth/login` with `\"session\": \"browser\"`. A request that changes \
            something must come from the server's own pages.";
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description("__Host-sid", cookie));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
        let header = "An API key from `/api/v1/api-keys`. `Authorization: Bearer gpk_…` does as well.";
        let api_key = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", header));
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(api_key));
    }
}

/// Every operation that counts against a limit can be refused because of it. Said here once, from the table of limits.
struct RateLimits;

impl Modify for RateLimits {
    fn modify(&self, document: &mut OpenApi) {
        for (method, path, counted) in limits::ROUTES {
            let Some(item) = document.paths.paths.get_mut(*path) else { continue };
            let operation = match (counted, *method) {
                (Counted::Exempt, _) => None,
                (Counted::Against(_), "GET") => item.get.as_mut(),
                (Counted::Against(_), "POST") => item.post.as_mut(),
                (Counted::Against(_), "PUT") => item.put.as_mut(),
                (Counted::Against(_), "PATCH") => item.patch.as_mut(),
                (Counted::Against(_), _) => item.delete.as_mut(),
            };
            let Some(operation) = operation else { continue };
            let (schema, code) = if path.starts_with("/oauth/") {
                ("OAuthError", "temporarily_unavailable")
            } else {
                ("Problem", "rate_limited")
            };
            operation.responses.responses.entry("429".to_owned()).or_insert_with(|| {
                ResponseBuilder::new()
                    .description(format!("`{code}`: wait for `Retry-After` seconds"))
                    .content("application/json", Content::new(Some(Ref::from_schema_name(schema))))
                    .into()
            });
        }
    }
}

/// An operation for sessions answers 403 to an API key. Said here once, and not at every operation.
struct ApiKeysAreRefused;

impl Modify for ApiKeysAreRefused {
    fn modify(&self, document: &mut OpenApi) {
        const REFUSED: &str = "`insufficient_scope`: an API key does not reach this operation";
        for operation in operations(document) {
            let takes =
                |scheme: &str| operation.security.iter().flatten().any(|way| demands(way, scheme).is_some());
            if !takes("bearer") || takes("api_key") {
                continue;
            }
            forbid(operation, REFUSED);
        }
    }
}

/// Whatever an access token opens, a session cookie does, too: `Caller` takes either. Then another site may be behind
/// the request.
struct CookiesOpenThem;

impl Modify for CookiesOpenThem {
    fn modify(&self, document: &mut OpenApi) {
        const REFUSED: &str = "`csrf_rejected`: another site had the session cookie sent along";
        for item in document.paths.paths.values_mut() {
            let changing = [&mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            let all = changing.into_iter().flatten().map(|operation| (operation, true));
            for (operation, changes) in all.chain(item.get.as_mut().map(|operation| (operation, false))) {
                let Some(ways) = &mut operation.security else { continue };
                let wanted =
                    ways.iter().enumerate().find_map(|(at, way)| Some((at, demands(way, "bearer")?)));
                let Some((at, permissions)) = wanted else { continue };
                ways.insert(at + 1, SecurityRequirement::new("cookie", permissions));
                if changes {
                    forbid(operation, REFUSED);
                }
            }
        }
    }
}

/// The permissions that a way in demands, if it is by this scheme.
fn demands(way: &SecurityRequirement, scheme: &str) -> Option<Vec<String>> {
    // The type shows its content only as JSON.
    let way = serde_json::to_value(way).ok()?;
    let permissions = way.get(scheme)?.as_array()?;
    Some(permissions.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Adds to what an operation says of 403, unless it names the code itself.
fn forbid(operation: &mut Operation, said: &str) {
    let code = said.split('`').nth(1).unwrap_or(said);
    match operation.responses.responses.get_mut("403") {
        Some(RefOr::T(response)) if !response.description.contains(code) => {
            response.description.push_str(&format!("; {said}"));
        }
        Some(RefOr::T(_) | RefOr::Ref(_)) => {}
        None => {
            let body = Content::new(Some(Ref::from_schema_name("Problem")));
            let refused = ResponseBuilder::new().description(said).content("application/json", body);
            operation.responses.responses.insert("403".to_owned(), refused.build().into());
        }
    }
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    })
}

/// Problems are `application/problem+json` (RFC 9457). Said here once, and not at every answer of every operation.
struct ProblemsHaveTheirType;

impl Modify for ProblemsHaveTheirType {
    fn modify(&self, document: &mut OpenApi) {
        let ours = document.paths.paths.iter_mut().filter(|(path, _)| !path.starts_with("/oauth/"));
        for (_, item) in ours {
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            for (status, response) in
                operations.into_iter().flatten().flat_map(|o| &mut o.responses.responses)
            {
                let is_refusal = status.starts_with(['4', '5']);
                if let RefOr::T(response) = response
                    && is_refusal
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response.content.insert("application/problem+json".to_owned(), content);
                }
            }
        }
    }
}
