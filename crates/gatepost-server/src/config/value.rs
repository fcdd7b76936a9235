//! A configuration value before anybody believed it.

use std::borrow::Cow;
use std::fmt::Write as _;

use toml::de::{DeInteger, DeValue};

use super::problem::{Complaint, quote};

/// A value as it was given. It may be a secret, so it has no `Debug`.
pub(crate) enum Value {
    /// From the environment or a flag, where everything is text.
    Untyped(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML array that holds strings only.
    List(Vec<String>),
    /// Anything else in TOML, by the name of its type. No setting takes one.
    Other(&'static str),
}

impl Value {
    /// Takes a value from a parsed TOML document.
    pub(crate) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => integer(number).map_or(Self::Other("a huge integer"), Self::Integer),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map_or(Self::Other("a list with something else than texts"), Self::List),
        }
    }

    /// Parses TOML text that holds one value, such as the default of a setting.
    pub(crate) fn from_toml_text(text: &str) -> Option<Self> {
        DeValue::parse(text).ok().map(|value| Self::from_toml(value.get_ref()))
    }

    /// The value as TOML text.
    pub(crate) fn to_toml(&self) -> String {
        match self {
            Self::Untyped(text) | Self::Text(text) => toml_string(text),
            Self::Integer(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| toml_string(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Other(what) => toml_string(what),
        }
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Result<&str, Complaint> {
        match self {
            Self::Untyped(text) | Self::Text(text) => Ok(text),
            Self::Integer(_) | Self::Bool(_) | Self::List(_) | Self::Other(_) => Err(self.is_not("a text")),
        }
    }

    /// The value as a whole number.
    pub(crate) fn integer(&self) -> Result<i64, Complaint> {
        match self {
            Self::Integer(number) => Ok(*number),
            Self::Untyped(text) => text
                .trim()
                .parse()
                .map_err(|_| Complaint::new(format!("{} is not a whole number", quote(text)))),
            Self::Text(_) | Self::Bool(_) | Self::List(_) | Self::Other(_) => {
                Err(self.is_not("a whole number").hint("write the number without quotes"))
            }
        }
    }

    /// The value as a boolean.
    pub(crate) fn bool(&self) -> Result<bool, Complaint> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Untyped(text) => match text.trim() {
                "true" => Ok(true),
                "false" => Ok(false),
                other => Err(Complaint::new(format!("{} is neither true nor false", quote(other)))
                    .hint("write true or false")),
            },
            Self::Integer(_) | Self::Text(_) | Self::List(_) | Self::Other(_) => {
                Err(self.is_not("true or false").hint("write true or false, without quotes"))
            }
        }
    }

    /// The value as a list. Outside the file, items are separated by commas.
    pub(crate) fn list(&self) -> Result<Vec<Cow<'_, str>>, Complaint> {
        match self {
            Self::List(items) => Ok(items.iter().map(|item| Cow::Borrowed(item.as_str())).collect()),
            Self::Untyped(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(Cow::Borrowed)
                .collect()),
            Self::Integer(_) | Self::Text(_) | Self::Bool(_) | Self::Other(_) => Err(self
                .is_not("a list of texts")
                .hint("write it in brackets: [\"one\", \"two\"]; in the environment: one,two")),
        }
    }

    /// Says which type was expected and which was given, without the value: it may be a secret.
    fn is_not(&self, expected: &str) -> Complaint {
        let given = match self {
            Self::Untyped(_) | Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(what) => what,
        };
        Complaint::new(format!("expects {expected}, but this is {given}"))
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A TOML basic string. Control characters are escaped, so that a value cannot draw on a terminal.
fn toml_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
