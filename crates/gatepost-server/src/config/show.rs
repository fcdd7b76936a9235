//! The configuration as text: an example to start from, and the effective one with its sources.

use std::fmt::Write as _;

use super::problem::{Source, may_hold_credentials};
use super::raw::Raw;
use super::setting::{Kind, Setting};
use super::settings;
use super::value::Value;

/// How wide the text is.
const WIDTH: usize = 100;

/// A configuration file with every setting, its meaning and its default.
///
/// Settings are commented out with a `#` that no space follows; removing all of those changes nothing, because
/// every value is the default. A setting without a default shows an example in its text.
pub fn example() -> String {
    let mut out = String::from(
        "# The configuration of Gatepost. Every setting is optional and shown with its default.\n\
         # Stronger than this file: the environment (GATEPOST_TOKENS_ACCESS_TTL sets access_ttl in [tokens]),\n\
         # and stronger still: command line flags. A secret can also come from a file: add _file to its name.\n",
    );
    let mut section = "";
    for setting in in_file_order() {
        let (table, name) = split(setting.key);
        if table != section {
            section = table;
            // Writing to a String cannot fail, here and below.
            let _ = write!(out, "\n[{table}]\n");
        }
        out.push('\n');
        wrap(&mut out, setting.doc);
        match setting.default_value() {
            Some(value) => {
                let _ = writeln!(out, "#{name} = {}", value.to_toml());
            }
            None => {
                let example = Value::from_toml_text(setting.example).map(|value| value.to_toml());
                let _ = writeln!(out, "# For example: {name} = {}", example.unwrap_or_default());
            }
        }
    }
    out
}

/// The effective configuration with the source of each value. Secrets are replaced by `[redacted]`.
///
/// It works on a configuration that does not load, so that an operator can see what the server sees.
pub fn show(raw: &Raw) -> String {
    let mut rows = Vec::new();
    let mut section = "";
    for setting in in_file_order() {
        let (table, _) = split(setting.key);
        if table != section {
            section = table;
            rows.push((format!("\n[{table}]"), None));
        }
        rows.extend(effective(setting, raw));
    }
    let width =
        rows.iter().filter(|(_, source)| source.is_some()).map(|(text, _)| text.chars().count()).max();
    let width = width.unwrap_or_default().min(WIDTH / 2);
    let mut out = String::new();
    for (text, source) in rows {
        let _ = match source {
            Some(source) => writeln!(out, "{text:<width$}  # {source}"),
            None => writeln!(out, "{text}"),
        };
    }
    out
}

/// The lines of one setting: its value, its `_file` twin, or that it is unset.
fn effective(setting: &Setting, raw: &Raw) -> Vec<(String, Option<Source>)> {
    let shown = |key: &str, kind| {
        let given = raw.get(key)?;
        let value = match kind {
            Kind::Secret => "\"[redacted]\"".to_owned(),
            Kind::Plain => plain(&given.value),
        };
        Some((format!("{} = {value}", split(key).1), Some(given.source.clone())))
    };
    let twin = setting.file_twin().and_then(|twin| shown(&twin, Kind::Plain));
    let lines: Vec<_> = shown(setting.key, setting.kind).into_iter().chain(twin).collect();
    if !lines.is_empty() {
        return lines;
    }
    let name = split(setting.key).1;
    let line = match setting.default_value() {
        Some(value) => (format!("{name} = {}", value.to_toml()), Some(Source::Default)),
        None => (format!("# {name} is not set"), None),
    };
    vec![line]
}

fn plain(value: &Value) -> String {
    let text = value.to_toml();
    if may_hold_credentials(&text) { "\"[redacted]\"".to_owned() } else { text }
}

/// The settings with those of one table together, the tables in the order in which they first appear, and what
/// stands outside of tables first, as TOML wants it.
fn in_file_order() -> Vec<&'static Setting> {
    let mut tables = vec![""];
    for setting in settings() {
        let (table, _) = split(setting.key);
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let of_table = |table| settings().filter(move |setting| split(setting.key).0 == table);
    tables.into_iter().flat_map(of_table).collect()
}

/// The table of a key and its name inside the table.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// Writes a comment in lines of readable length.
fn wrap(out: &mut String, text: &str) {
    let mut column = WIDTH;
    for (index, word) in text.split(' ').enumerate() {
        if column + 1 + word.chars().count() > WIDTH {
            out.push_str(if index == 0 { "#" } else { "\n#" });
            column = 1;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.chars().count();
    }
    out.push('\n');
}
