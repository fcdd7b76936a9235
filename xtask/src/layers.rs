//! `cargo xtask layers`: the rules of ARCHITECTURE.md that the compiler does not know.
//!
//! Each check is a function from data to a list of violations, so that a test can hand it a violating example.
//! This file only gathers the data.

mod crates;
mod features;
mod reasons;
mod source;

use std::path::{Path, PathBuf};

use crate::{Result, cargo, workspace_root};

/// Runs all checks and prints what is wrong; true when nothing is.
///
/// # Errors
///
/// When a file cannot be read or cargo cannot be run.
pub(crate) fn run(arguments: Vec<String>) -> Result<bool> {
    if let Some(argument) = arguments.first() {
        return Err(format!("unexpected argument `{argument}`").into());
    }
    let root = workspace_root();
    let mut violations = crates::violations(&metadata()?);
    violations.extend(reasons::violations(&std::fs::read_to_string(root.join("Cargo.toml"))?)?);

    let server = root.join("crates/gatepost-server/src");
    let features = server.join("features.rs");
    if features.exists() {
        let files = rust_files(&server)?;
        violations.extend(features::violations(&std::fs::read_to_string(features)?, &files));
    } else {
        println!("layers: gatepost-server has no features.rs yet, the order of features is not checked");
    }

    for violation in &violations {
        eprintln!("layers: {violation}");
    }
    if violations.is_empty() {
        println!("layers: every arrow points the right way");
    }
    Ok(violations.is_empty())
}

fn metadata() -> Result<crates::Metadata> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// All Rust files below `root`, by their paths relative to it, in a stable order.
fn rust_files(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.strip_prefix(root)?.to_path_buf(), std::fs::read_to_string(&path)?));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
