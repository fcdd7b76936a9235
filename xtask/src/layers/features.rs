//! The order of the server's features: a later one may use an earlier one, never the other way.
//!
//! The order is read from `features.rs`, between two marking comments. Inside, each line names one feature:
//! the first word on it that is a folder of the server. The rest of the line is free, so the block may be a
//! list of modules, a table of constants or the arguments of a macro.
//!
//! ```text
//! // order: begin
//! feature("audit", audit::STATEMENTS),
//! feature("outbox", outbox::STATEMENTS),
//! // order: end
//! ```

use std::path::{Path, PathBuf};

use super::source;

const BEGIN: &str = "// order: begin";
const END: &str = "// order: end";

/// Folders that every feature may use and that are no features. `app` is a file.
const SHARED: [&str; 3] = ["app", "config", "http"];

/// The table of contents knows all features, so a feature that used it would know the later ones too.
const CONTENTS: &str = "features";

/// Compares what the files of the server name with the order. The paths are relative to its `src`.
pub(super) fn violations(contents: &str, files: &[(PathBuf, String)]) -> Vec<String> {
    let Some(block) = block(contents) else {
        return vec![format!(
            "features.rs needs the lines `{BEGIN}` and `{END}` around the list of features"
        )];
    };
    let mut folders: Vec<&str> = files.iter().filter_map(|(path, _)| folder(path)).collect();
    folders.dedup(); // The files come sorted.
    let mut order: Vec<&str> = block
        .lines()
        .filter_map(|line| source::words(line).find(|word| folders.contains(word) && !SHARED.contains(word)))
        .collect();
    order.dedup(); // An entry that the formatter broke into several lines.

    let mut violations = Vec::new();
    for (at, name) in order.iter().enumerate() {
        if order[..at].contains(name) {
            violations.push(format!("features.rs lists `{name}` twice"));
        }
    }
    for folder in folders {
        if !SHARED.contains(&folder) && !order.contains(&folder) {
            violations.push(format!("the folder `{folder}` is no feature of features.rs"));
        }
    }
    let is_code = |path: &Path| {
        !path.components().any(|part| part.as_os_str() == "tests") && !path.ends_with("tests.rs")
    };
    for (path, text) in files.iter().filter(|(path, _)| is_code(path)) {
        let Some(feature) = folder(path).filter(|folder| order.contains(folder)) else {
            continue;
        };
        for name in source::names_at_root(text, depth(path)) {
            if let Some(what) = forbidden(feature, &name, &order) {
                violations.push(format!("{}: `{feature}` must not use {what}", path.display()));
            }
        }
    }
    violations
}

/// What is wrong with `feature` naming `name`, if anything.
fn forbidden(feature: &str, name: &str, order: &[&str]) -> Option<String> {
    if name == "*" {
        return Some("`crate::*`, which is everything".to_owned());
    }
    if name == CONTENTS {
        return Some(format!("`{CONTENTS}`, which knows the later features"));
    }
    let position = |wanted: &str| order.iter().position(|listed| *listed == wanted);
    (position(name)? > position(feature)?).then(|| format!("`{name}`, a later feature"))
}

/// The lines between the marks, without comments. `None` when a mark is missing.
fn block(contents: &str) -> Option<String> {
    let mut lines = contents.lines().skip_while(|line| line.trim() != BEGIN).skip(1);
    let mut block = String::new();
    loop {
        let line = lines.next()?.trim();
        if line == END {
            return Some(block);
        }
        block.push_str(line.split("//").next().unwrap_or_default());
        block.push('\n');
    }
}

/// The folder of `src` that the file lies in, if it lies in one.
fn folder(path: &Path) -> Option<&str> {
    let mut parts = path.iter();
    let first = parts.next()?.to_str()?;
    parts.next().map(|_| first)
}

/// How many modules lie between the crate's root and the code in this file.
fn depth(path: &Path) -> usize {
    let parts = path.iter().count();
    if path.ends_with("mod.rs") { parts - 1 } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "use crate::{late, early};\n// order: begin\n// late comes last\n\
                        feature(\"early\", early::STATEMENTS),\nfeature(\n    \"middle\",\n    middle::STATEMENTS,\n),\n\n    late,\n// order: end\n";

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let mut all: Vec<(PathBuf, String)> = ["early", "middle", "late", "http"]
            .map(|name| (PathBuf::from(name).join("mod.rs"), String::new()))
            .into_iter()
            .chain(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())))
            .collect();
        all.sort();
        violations(LIST, &all)
    }

    #[test]
    fn a_later_feature_may_use_an_earlier_one_and_what_is_shared() {
        assert!(
            check(&[("late/a.rs", "use crate::{early::X, middle, http, config, app::App, late};")])
                .is_empty()
        );
    }

    #[test]
    fn an_earlier_feature_must_not_use_a_later_one() {
        assert_eq!(
            check(&[("early/sql.rs", "use crate::middle::User;")]),
            ["early/sql.rs: `early` must not use `middle`, a later feature"]
        );
        assert_eq!(check(&[("middle/a.rs", "fn f() { super::super::late::g() }")]).len(), 1);
        assert_eq!(check(&[("middle/a/mod.rs", "fn f() { super::super::late::g() }")]).len(), 1);
    }

    #[test]
    fn the_table_of_contents_and_globs_are_closed_to_features() {
        assert_eq!(check(&[("late/a.rs", "use crate::features::ALL;")]).len(), 1);
        assert_eq!(check(&[("late/a.rs", "use crate::*;")]).len(), 1);
    }

    #[test]
    fn tests_may_use_everything() {
        assert!(
            check(&[("early/tests.rs", "use crate::late;"), ("early/tests/a.rs", "use crate::late;")])
                .is_empty()
        );
    }

    #[test]
    fn shared_folders_are_not_checked() {
        assert!(
            check(&[("http/router.rs", "use crate::features;"), ("app.rs", "use crate::late;")]).is_empty()
        );
    }

    #[test]
    fn a_folder_that_is_not_listed_is_named() {
        assert_eq!(check(&[("extra/mod.rs", "")]), ["the folder `extra` is no feature of features.rs"]);
    }

    #[test]
    fn a_feature_stands_in_the_list_once() {
        let files = [("early/mod.rs".into(), String::new()), ("late/mod.rs".into(), String::new())];
        let contents = "// order: begin\nearly,\nlate,\nearly,\n// order: end";
        assert_eq!(violations(contents, &files), ["features.rs lists `early` twice"]);
    }

    #[test]
    fn the_marks_are_required() {
        assert_eq!(violations("early,", &[]).len(), 1);
        assert_eq!(violations("// order: begin\nearly,", &[]).len(), 1);
    }
}
