//! The document and the router are the same: every operation has a route, and every route an operation or a reason.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_testkit::{Engine, Setup, TestApp};
use http::Method;

use crate::api::Api;
use crate::source;

/// Routes for browsers and machines that are no operations of the API.
pub(crate) const UNDOCUMENTED: &[(&str, &str)] = &[
    ("/accept-invitation", "a page"),
    ("/account-links.css", "an asset of pages"),
    ("/confirm-email", "a page"),
    ("/dev/mailbox", "a page for whoever develops on this machine"),
    ("/dev/mailbox/{id}", "likewise"),
    ("/docs", "a page"),
    ("/docs/", "a page"),
    ("/docs/problems", "a page"),
    ("/docs/{*file}", "the assets of a page"),
    ("/forgot-password", "a page"),
    ("/livez", "for orchestrators; it stands beside the application, on whatever listener its host chose"),
    ("/metrics", "for Prometheus; likewise"),
    ("/openapi.json", "the document itself"),
    ("/readyz", "for orchestrators; likewise"),
    ("/reset-password", "a page"),
    ("/secure-account", "a page"),
    ("/setup", "a page"),
    ("/setup/style.css", "an asset of a page"),
    ("/undo-email", "a page"),
    ("/verify-email", "a page"),
    ("/version", "for operators; likewise"),
];

#[tokio::test]
async fn every_operation_is_routed_and_no_other_method_is() {
    let app = TestApp::start(Engine::Sqlite, "routes", Setup::new()).await;
    let api = Api::of(&app).await;
    let mut methods: BTreeMap<&str, BTreeSet<Method>> = BTreeMap::new();
    let operations = api.operations();
    for operation in &operations {
        methods.entry(operation.path).or_default().insert(operation.method.clone());
    }
    for (template, methods) in methods {
        let path = template.replace("{id}", "019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10").replace("{name}", "user");
        assert!(!path.contains('{'), "{template} has a parameter that this test cannot fill");
        // No operation has it, so the answer tells what the router knows of the path.
        let answer = app.call("PROPFIND".parse().unwrap(), &path).send().await;
        answer.assert_refused(405, "method_not_allowed");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{template}");
        let allowed: BTreeSet<Method> =
            answer.header("allow").split(',').map(|method| method.trim().parse().unwrap()).collect();
        let mut expected = methods.clone();
        if expected.contains(&Method::GET) {
            expected.insert(Method::HEAD);
        }
        assert_eq!(allowed, expected, "{template}: the router's methods, and the document's");
        let every = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for other in every.into_iter().filter(|method| !expected.contains(method)) {
            app.call(other, &path).send().await.assert_refused(405, "method_not_allowed");
        }
    }
    for nothing in ["/", "/api", "/api/v1", "/api/v1/nothing", "/oauth/nothing", "/api/v1/users/me/nothing"] {
        app.get(nothing).send().await.assert_refused(404, "not_found");
    }
}

/// A handler that is written, described and never mounted would be missing from both, so the source is asked.
#[tokio::test]
async fn every_described_handler_is_mounted() {
    let app = TestApp::start(Engine::Sqlite, "described handlers", Setup::new()).await;
    let api = Api::of(&app).await;
    let mounted: BTreeSet<_> = api.operations().iter().map(|operation| operation.id.to_owned()).collect();
    let mut described = BTreeSet::new();
    for file in source::server_files() {
        for attribute in source::between(&file.code, "#[utoipa::path(", "async fn ") {
            let id = source::between(attribute, "operation_id = \"", "\"").next();
            described
                .insert(id.unwrap_or_else(|| panic!("an operation in {} has no id", file.path)).to_owned());
        }
    }
    assert_eq!(described, mounted);
}

#[test]
fn a_route_that_is_no_operation_has_a_reason() {
    let mut found = BTreeSet::new();
    for file in source::server_files() {
        for route in source::between(&file.code, ".route(", ",") {
            found.insert(route.trim().trim_matches('"').to_owned());
        }
        for other in [".route_service(", ".nest_service(", ".fallback_service("] {
            assert!(!file.code.contains(other), "{} mounts a service that no test here looks at", file.path);
        }
    }
    assert!(found.iter().eq(UNDOCUMENTED.iter().map(|(path, _)| path)), "{found:#?}");
}
