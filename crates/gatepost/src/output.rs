//! Standard output: the answer of a command, and nothing else.

use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;

use crate::failure::Failure;

/// Prints a line. `println!` would panic when the reader has gone, as in `gatepost user list | head -1`.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(Failure::output)
}

/// Prints a text that ends its own lines.
pub(crate) fn text(text: &[u8]) -> Result<(), Failure> {
    std::io::stdout().write_all(text).map_err(Failure::output)
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(Failure::internal)?)
}

/// Prints a value as JSON for people.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(Failure::internal)?)
}
