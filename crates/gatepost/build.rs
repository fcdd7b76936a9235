//! Tells the version its commit, when the build knows one.

use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok();
    let commit = commit
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let version = match commit.as_deref().map(str::trim) {
        Some(commit) if !commit.is_empty() => format!("{version} ({commit})"),
        _ => version,
    };
    // Not GATEPOST_…: `cargo run` hands these variables on, and the program would take it for a setting.
    println!("cargo::rustc-env=VERSION_AND_COMMIT={version}");
    println!("cargo::rerun-if-changed=build.rs");
    // A file that is not there would have this run at every build.
    for file in ["../../.git/HEAD", "../../.git/refs/heads"] {
        if std::path::Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}
