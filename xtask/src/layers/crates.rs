//! The arrows between our crates.

use serde::Deserialize;

/// What one crate may depend on.
struct Rule {
    name: &'static str,
    /// In normal and build dependencies. An arrow of ARCHITECTURE.md section 1 may skip a floor, so the list is
    /// all that lies below.
    may_use: &'static [&'static str],
    /// In dev-dependencies, beside the above.
    tests_may_use: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule { name: "gatepost-kernel", may_use: &[], tests_may_use: &[] },
    Rule { name: "gatepost-db", may_use: &["gatepost-kernel"], tests_may_use: &["gatepost-testkit"] },
    Rule { name: "gatepost-predict", may_use: &["gatepost-kernel"], tests_may_use: &[] },
    Rule { name: "gatepost-problem", may_use: &["gatepost-kernel"], tests_may_use: &[] },
    Rule { name: "gatepost-token", may_use: &["gatepost-kernel"], tests_may_use: &[] },
    Rule { name: "gatepost-guard", may_use: &["gatepost-token", "gatepost-kernel"], tests_may_use: &[] },
    Rule { name: "gatepost-server", may_use: BELOW_THE_SERVER, tests_may_use: &["gatepost-testkit"] },
    Rule { name: "gatepost", may_use: FROM_THE_SERVER_DOWN, tests_may_use: &["gatepost-testkit"] },
    Rule { name: "gatepost-testkit", may_use: FROM_THE_SERVER_DOWN, tests_may_use: &[] },
    Rule { name: "gatepost-bench", may_use: FROM_THE_SERVER_DOWN, tests_may_use: &[] },
    Rule { name: "xtask", may_use: FROM_THE_SERVER_DOWN, tests_may_use: &[] },
];

const BELOW_THE_SERVER: &[&str] =
    &["gatepost-db", "gatepost-predict", "gatepost-problem", "gatepost-token", "gatepost-kernel"];

const FROM_THE_SERVER_DOWN: &[&str] = &[
    "gatepost-server",
    "gatepost-db",
    "gatepost-predict",
    "gatepost-problem",
    "gatepost-token",
    "gatepost-kernel",
];

/// The part of `cargo metadata` that matters here.
#[derive(Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Absent for a normal dependency.
    kind: Option<Kind>,
    /// Present for a crate of this workspace.
    path: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Dev,
    Build,
}

/// One line for each arrow that the rules do not know.
pub(super) fn violations(metadata: &Metadata) -> Vec<String> {
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = &package.name;
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            violations.push(format!("the crate `{name}` has no rule in xtask/src/layers/crates.rs"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            let target = dependency.name.as_str();
            let (allowed, what) = match dependency.kind {
                None => (rule.may_use.contains(&target), "depend on"),
                Some(Kind::Build) => (rule.may_use.contains(&target), "build-depend on"),
                Some(Kind::Dev) => {
                    (rule.may_use.contains(&target) || rule.tests_may_use.contains(&target), "dev-depend on")
                }
            };
            if !allowed {
                violations.push(format!("`{name}` must not {what} `{target}` (ARCHITECTURE.md section 1)"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(packages: Value) -> Vec<String> {
        violations(&serde_json::from_value(json!({ "packages": packages })).unwrap())
    }

    fn arrow(from: &str, kind: Option<&str>, to: &str) -> Vec<String> {
        check(json!([{ "name": from, "dependencies": [{ "name": to, "kind": kind, "path": "/x" }] }]))
    }

    #[test]
    fn an_arrow_that_points_up_is_named() {
        assert_eq!(
            arrow("gatepost-kernel", None, "gatepost-db"),
            ["`gatepost-kernel` must not depend on `gatepost-db` (ARCHITECTURE.md section 1)"]
        );
    }

    #[test]
    fn neighbours_do_not_know_each_other() {
        assert_eq!(arrow("gatepost-token", None, "gatepost-db").len(), 1);
        assert_eq!(arrow("gatepost-guard", None, "gatepost-server").len(), 1);
    }

    #[test]
    fn a_build_script_follows_the_same_rules() {
        assert_eq!(arrow("gatepost-db", Some("build"), "gatepost-testkit").len(), 1);
        assert_eq!(arrow("gatepost-db", Some("build"), "gatepost-kernel").len(), 0);
    }

    #[test]
    fn the_testkit_serves_the_tests_of_three_crates_only() {
        for name in ["gatepost", "gatepost-server", "gatepost-db"] {
            assert_eq!(arrow(name, Some("dev"), "gatepost-testkit").len(), 0, "{name}");
            assert_eq!(arrow(name, None, "gatepost-testkit").len(), 1, "{name}");
        }
        assert_eq!(arrow("gatepost-kernel", Some("dev"), "gatepost-testkit").len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        assert_eq!(check(json!([{ "name": "gatepost-extras", "dependencies": [] }])).len(), 1);
    }

    #[test]
    fn crates_of_others_are_no_arrows() {
        let dependency = json!({ "name": "serde", "kind": null, "path": null });
        assert!(check(json!([{ "name": "gatepost-kernel", "dependencies": [dependency] }])).is_empty());
    }

    #[test]
    fn the_rules_have_no_circle() {
        // Each rule lists all that lies below, so a circle would show as two crates that may use each other.
        for upper in RULES {
            for lower in RULES.iter().filter(|lower| upper.may_use.contains(&lower.name)) {
                assert!(!lower.may_use.contains(&upper.name), "{} and {}", upper.name, lower.name);
            }
        }
    }
}
