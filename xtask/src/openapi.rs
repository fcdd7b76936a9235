//! `cargo xtask openapi`: writes the OpenAPI document of the code to its place among the documentation.
//!
//! The program prints the document; a test of the server compares it with the file.

use crate::{Result, cargo, workspace_root};

/// Where the document lies, below the root.
const FILE: &str = "docs/reference/openapi.json";

/// Writes the document.
///
/// # Errors
///
/// When the program does not build or run, or the file cannot be written.
pub(crate) fn run(arguments: Vec<String>) -> Result<bool> {
    if let Some(argument) = arguments.first() {
        return Err(format!("unexpected argument `{argument}`").into());
    }
    let output = cargo()
        .args(["run", "--quiet", "-p", "gatepost", "--", "openapi"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("`gatepost openapi` failed".into());
    }
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`gatepost openapi` printed no JSON: {error}"))?;
    if document.get("openapi").is_none() {
        return Err("`gatepost openapi` printed something else than an OpenAPI document".into());
    }
    let file = workspace_root().join(FILE);
    let mut text = String::from_utf8(output.stdout)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    std::fs::write(&file, text)?;
    println!("openapi: wrote {FILE}");
    Ok(true)
}
