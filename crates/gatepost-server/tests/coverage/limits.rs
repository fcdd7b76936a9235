//! Every route counts against a limit, or is exempt on purpose.

use std::collections::BTreeSet;

use gatepost_server::limits::{Counted, ROUTES};
use gatepost_testkit::{Engine, Setup, TestApp};

use crate::api::Api;
use crate::routes::UNDOCUMENTED;

/// Routes that stand beside the application and are never limited: orchestrators and scrapers ask them for ever.
const BESIDE: &[&str] = &["/livez", "/metrics", "/readyz", "/version"];

#[tokio::test]
async fn every_route_has_its_line_in_the_table_of_limits() {
    let app = TestApp::start(Engine::Sqlite, "limits of routes", Setup::new()).await;
    let api = Api::of(&app).await;
    let operations = api.operations();
    let mut routes: BTreeSet<(String, String)> = operations
        .iter()
        .map(|operation| (operation.method.to_string(), operation.path.to_owned()))
        .collect();
    for (path, _) in UNDOCUMENTED.iter().filter(|(path, _)| !BESIDE.contains(path)) {
        routes.insert(("GET".to_owned(), (*path).to_owned()));
    }
    let lines: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let missing: Vec<_> = routes.difference(&lines).collect();
    assert!(missing.is_empty(), "limits/table.rs does not say what these count against: {missing:#?}");
    let stale: Vec<_> = lines.difference(&routes).collect();
    assert!(stale.is_empty(), "limits/table.rs has lines for routes that are not there: {stale:#?}");
}

#[tokio::test]
async fn no_operation_of_the_api_is_exempt_and_each_says_429() {
    let app = TestApp::start(Engine::Sqlite, "exempt routes", Setup::new()).await;
    let api = Api::of(&app).await;
    for operation in api.operations() {
        let line =
            ROUTES.iter().find(|(method, path, _)| operation.method == *method && operation.path == *path);
        assert!(matches!(line, Some((_, _, Counted::Against(_)))), "{}", operation.id);
        assert!(operation.statuses().contains_key(&429), "{} does not say 429", operation.id);
    }
}
