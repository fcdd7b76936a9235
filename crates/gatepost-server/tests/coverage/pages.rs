//! The pages: they come whole, with a policy of their own, and load nothing from anywhere else.

use std::collections::BTreeSet;

use gatepost_testkit::{Answer, Node, Setup, on_each_db};

use crate::source;

/// What a page names in `src` and `href`.
fn links(html: &str) -> BTreeSet<String> {
    let double = [" src=\"", " href=\""].into_iter().flat_map(|mark| source::between(html, mark, "\""));
    let single = [" src='", " href='"].into_iter().flat_map(|mark| source::between(html, mark, "'"));
    double.chain(single).map(str::to_owned).collect()
}

/// Asserts that a page refers to nothing but files of this server, and returns them.
async fn assets(node: &Node, base: &str, html: &str) -> Vec<(String, Answer)> {
    let mut found = Vec::new();
    // An empty icon keeps browsers from asking for one.
    for link in links(html).into_iter().filter(|link| link != "data:,") {
        let own = !link.contains("//") && !link.contains(':');
        assert!(own, "{base} loads {link}");
        let path = match link.strip_prefix("./") {
            Some(relative) => format!("{base}{relative}"),
            None if link.starts_with('/') => link.clone(),
            None => format!("{base}{link}"),
        };
        let answer = node.get(&path).send().await;
        assert_eq!(answer.status, 200, "{path}");
        found.push((path, answer));
    }
    found
}

fn without_docs(setup: Setup) -> Setup {
    setup.set("docs.enabled", "false")
}

on_each_db! {
    async fn the_documentation_is_whole_and_loads_nothing_from_elsewhere(app: TestApp) {
        let moved = app.get("/docs").send().await;
        assert_eq!((moved.status, moved.header("location")), (308, "/docs/"));
        let page = app.get("/docs/").send().await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let assets = assets(&app, "/docs/", &page.text()).await;
        assert!(assets.len() >= 5, "{} assets", assets.len());
        for (path, answer) in std::iter::once(("/docs/".to_owned(), page)).chain(assets) {
            let policy = answer.header("content-security-policy").to_owned();
            let directives: Vec<_> = policy.split(';').map(str::trim).collect();
            for directive in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
                assert!(directives.contains(&directive), "{path} has the policy {policy}");
            }
            assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            let kind = answer.header("content-type");
            assert!(!kind.is_empty() && kind != "text/plain", "{path} is {kind}");
        }
        app.get("/docs/nothing.js").send().await.assert_refused(404, "not_found");
    }

    async fn the_documentation_reads_our_document_and_signs_in_here(app: TestApp) {
        let script = app.get("/docs/swagger-initializer.js").send().await.text();
        assert!(script.contains("\"/openapi.json\""), "{script}");
        assert!(script.contains("initOAuth") && script.contains("\"clientId\": \"gatepost\""), "{script}");
        // Otherwise the page would ask a server of others to judge the document, for everybody on the internet to see.
        assert!(script.contains("\"validatorUrl\": \"none\""), "{script}");
        assert!(!script.contains("http:") && !script.contains("https:"), "{script}");
        let document = app.get("/openapi.json").send().await.json();
        let flow = &document["components"]["securitySchemes"]["password"]["flows"]["password"];
        assert_eq!(flow["tokenUrl"], "/oauth/token");
        assert!(document.get("servers").is_none(), "{}", document["servers"]);
    }

    async fn the_documentation_can_be_switched_off(app: TestApp = without_docs) {
        for path in ["/docs", "/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/problems", "/openapi.json"] {
            app.get(path).send().await.assert_refused(404, "not_found");
        }
    }

    async fn the_setup_page_runs_its_own_script_only(app: TestApp) {
        let mut nonces = BTreeSet::new();
        for _ in 0..2 {
            let page = app.get("/setup").send().await;
            assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
            let text = page.text();
            assert_eq!(text.matches("<script").count(), 1, "{text}");
            let nonce = source::between(&text, "<script nonce=\"", "\"").next().unwrap().to_owned();
            let policy = page.header("content-security-policy");
            assert!(policy.contains(&format!("script-src 'nonce-{nonce}' ")), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert!(!text.contains(" style=") && !text.contains(" onclick=") && !text.contains("javascript:"), "{text}");
            assert_eq!(page.header("referrer-policy"), "no-referrer");
            assert_eq!(page.header("cache-control"), "no-store");
            let assets = assets(&app, "/setup/", &text).await;
            assert_eq!(assets.len(), 1, "the style sheet");
            nonces.insert(nonce);
        }
        assert_eq!(nonces.len(), 2, "a nonce is used once");
        app.owner().await;
        app.get("/setup").send().await.assert_refused(404, "not_found");
    }

    async fn the_pages_behind_links_say_what_helps_and_take_another_link(app: TestApp) {
        let mut said = BTreeSet::new();
        for path in ["/accept-invitation", "/confirm-email", "/reset-password", "/secure-account", "/undo-email", "/verify-email"] {
            let text = app.get(path).send().await.text();
            let dead = source::between(&text, "data-dead=\"", "\"").next().unwrap().to_owned();
            assert!(dead.starts_with("This link does not work. It may have been used already"), "{path}: {dead}");
            assert!(said.insert(dead), "{path} says what another page says");
            // A message that scrolled out of sight is brought there by the focus, for which it must be able to have it.
            assert!(text.contains("<p id=\"problem\" role=\"alert\" tabindex=\"-1\"></p>"), "{path}");
            assert!(text.contains("problem.focus()") && text.contains("addEventListener(\"hashchange\""), "{path}");
        }
    }

    async fn the_pages_behind_links_run_their_own_script_only(app: TestApp) {
        for path in ["/accept-invitation", "/confirm-email", "/forgot-password", "/reset-password", "/secure-account", "/undo-email", "/verify-email"] {
            let page = app.get(path).send().await;
            assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
            let text = page.text();
            assert_eq!(text.matches("<script").count(), 1, "{text}");
            let gaps = ["title", "intro", "action", "token", "fields", "button", "done", "dead", "nonce"];
            assert!(gaps.iter().all(|gap| !text.contains(&format!("{{{gap}}}"))), "{path} has a gap");
            let nonce = source::between(&text, "<script nonce=\"", "\"").next().unwrap();
            let policy = page.header("content-security-policy");
            assert!(policy.contains(&format!("script-src 'nonce-{nonce}' ")), "{policy}");
            assert!(policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe"), "{policy}");
            for sink in [" style=", " onclick=", "javascript:", "innerHTML", "document.write", "eval("] {
                assert!(!text.contains(sink), "{path} has {sink}");
            }
            assert_eq!(page.header("referrer-policy"), "no-referrer");
            assert_eq!(page.header("cache-control"), "no-store");
            assert_eq!(page.header("x-frame-options"), "DENY");
            // Every field has its label, and the form goes to an operation.
            let ids: Vec<_> = source::between(&text, "<input id=\"", "\"").collect();
            for id in ids {
                assert!(text.contains(&format!("<label for=\"{id}\">")), "{path}: {id} has no label");
            }
            let action = source::between(&text, "action=\"", "\"").next().unwrap();
            assert_eq!(app.get(action).send().await.status, 405, "{path} posts to {action}");
            assert_eq!(assets(&app, path, &text).await.len(), 1, "the style sheet");
        }
    }
}
