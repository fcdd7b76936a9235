//! Every dependency says why it is here.

use crate::Result;

/// One line for each entry of `[workspace.dependencies]` without a reason: a comment at the end of its line.
/// Our own crates need none, because their descriptions say it.
///
/// # Errors
///
/// When the text is no TOML.
pub(super) fn violations(manifest: &str) -> Result<Vec<String>> {
    let parsed: toml::Table = manifest.parse()?;
    let dependencies = parsed
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies")?.as_table())
        .ok_or("Cargo.toml has no [workspace.dependencies]")?;
    let foreign = dependencies.iter().filter(|(_, dependency)| dependency.get("path").is_none());
    Ok(foreign
        .filter(|(name, _)| !section(manifest).any(|line| has_reason(line, name)))
        .map(|(name, _)| {
            format!(
                "Cargo.toml: the dependency `{name}` needs its reason: one line, `{name} = … # the reason`"
            )
        })
        .collect())
}

/// The lines of `[workspace.dependencies]`.
fn section(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]");
    lines.skip(1).take_while(|line| !line.starts_with('['))
}

fn has_reason(line: &str, name: &str) -> bool {
    let Some(value) = line.strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix('=')) else {
        return false;
    };
    comment(value).is_some_and(|reason| !reason.trim().is_empty())
}

/// What stands behind the first `#` outside of a string.
fn comment(line: &str) -> Option<&str> {
    let mut quote = None;
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') => return Some(&line[at + 1..]),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (Some(_) | None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dependencies: &str) -> Vec<String> {
        let manifest = format!(
            "[package.metadata]\nx = 1 # not here\n[workspace.dependencies]\n{dependencies}\n[profile.dev]\ny = 1 # nor here\n"
        );
        let violations = violations(&manifest).unwrap();
        violations.iter().filter_map(|line| Some(line.split('`').nth(1)?.to_owned())).collect()
    }

    #[test]
    fn a_dependency_without_a_reason_is_named() {
        assert_eq!(names("serde = \"1\"\nhttp = \"1\" # header names"), ["serde"]);
        assert_eq!(names("x = \"1\"\ny = \"1\"\n").len(), 2);
    }

    #[test]
    fn an_empty_comment_and_a_hash_in_a_string_are_no_reasons() {
        assert_eq!(names("serde = \"1\" #  "), ["serde"]);
        assert_eq!(names("serde = { version = \"1\", package = \"a # b\" }"), ["serde"]);
    }

    #[test]
    fn the_reason_of_a_longer_name_is_not_borrowed() {
        assert_eq!(names("http = \"1\"\nhttp-body = \"1\" # the body trait"), ["http"]);
    }

    #[test]
    fn a_dependency_of_several_lines_hides_its_reason() {
        assert_eq!(names("serde = { version = \"1\", features = [\n  \"derive\",\n] } # bodies"), ["serde"]);
    }

    #[test]
    fn our_own_crates_explain_themselves() {
        assert!(names("gatepost-db = { path = \"crates/gatepost-db\" }").is_empty());
    }
}
