//! The source of the workspace, for the rules that the compiler does not know.

use std::path::{Path, PathBuf};

/// A source file without its tests and comments.
pub(crate) struct File {
    /// Relative to the workspace, with slashes.
    pub(crate) path: String,
    pub(crate) code: String,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file that is compiled into a library or program of ours; not the testkit and not the chores.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("crates")).unwrap() {
        let package = entry.unwrap().path();
        if !package.ends_with("gatepost-testkit") {
            collect(&root, &package.join("src"), &mut files);
        }
    }
    files.sort_by(|a: &File, b| a.path.cmp(&b.path));
    assert!(files.len() > 100, "only {} source files were found", files.len());
    files
}

/// Those of the server.
pub(crate) fn server_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.starts_with("crates/gatepost-server/")).collect()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // A folder of unit tests.
            if !path.ends_with("tests") {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let code = without_tests_and_comments(&std::fs::read_to_string(&path).unwrap());
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(File { path, code });
        }
    }
}

/// Unit tests stand at the end of their file, and comments on lines of their own: where a `//` stands behind code, it may
/// be part of a literal, and stays.
fn without_tests_and_comments(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The text between a mark and the next end, for each place where the mark stands.
pub(crate) fn between<'a>(text: &'a str, mark: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).filter_map(move |rest| rest.split(end).next())
}

#[test]
fn comments_and_tests_are_left_out_and_literals_are_not() {
    let text = "/// a\nlet x = \"https://x\"; // b\n    // c\nend();\n#[cfg(test)]\nmod tests {\n d();\n}\n";
    assert_eq!(without_tests_and_comments(text), "let x = \"https://x\"; // b\nend();");
}

/// Whether a name stands in the code, and not only as the beginning of a longer one.
pub(crate) fn names(code: &str, name: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|letter: char| letter == '_' || letter.is_alphanumeric());
    code.split(name).skip(1).any(|rest| !goes_on(rest))
}
