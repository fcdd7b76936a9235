//! From text to a type, naming everything that does not fit.
//!
//! serde stops at the first error. A person who fills a form wants all of them, so decoding is repeated: the
//! field that failed is noted, and in the next round it is answered with a [`Blank`](blank::Blank) value, so that
//! decoding gets to the next error. The happy path is one round and pays nothing for this.
//!
//! The error type keeps what a type *expects* and never what *came*: serde's own messages quote the input, which
//! may be a password.

pub(crate) mod blank;
pub(crate) mod json;
pub(crate) mod pairs;
mod scan;
pub(crate) mod shape;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::field::FieldError;

/// The most entries of one answer. Beyond that, a client is not helped by more.
const MAX_ERRORS: usize = 64;

/// The most rounds, so that a wrong body costs a small multiple of a right one.
const MAX_ROUNDS: usize = 16;

/// The most text that is read again for the sake of more entries, in bytes.
const ROUND_BUDGET: usize = 128 * 1024;

/// Longer field names are cut before they are repeated to the client.
const MAX_NAME: usize = 64;

/// Why a value does not fit its type.
#[derive(Debug)]
pub(crate) enum Fault {
    Missing(&'static str),
    Unknown(String),
    WrongType(String),
    BadValue(String),
    /// A type's own objection. Its text may quote the value, so it is not kept.
    Objection,
    /// The text is not what it was when its syntax was checked. Cannot happen.
    Garbled,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not fit")
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Objection
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongType(in_plain_words(&expected.to_string()).into_owned())
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::BadValue(in_plain_words(&expected.to_string()).into_owned())
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::BadValue(in_plain_words(&expected.to_string()).into_owned())
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::BadValue(format!("one of {}", known.join(", ")))
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown(name.to_owned())
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }
}

/// serde's names of Rust types, for people who write JSON.
fn in_plain_words(expected: &str) -> Cow<'_, str> {
    match expected {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "usize" => "a whole number that is not negative".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "an array".into(),
        "a map" => "an object".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ if expected.starts_with("enum ") || expected.ends_with(" enum") => "one of the known values".into(),
        _ => expected.into(),
    }
}

/// A client's own name for a field, cut to a length that is fit to be repeated.
fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// A name as a step of an RFC 6901 pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// One step of an RFC 6901 pointer.
#[derive(PartialEq)]
pub(crate) enum Step<'de> {
    Name(Cow<'de, str>),
    Index(usize),
}

impl Step<'_> {
    fn into_owned(self) -> Step<'static> {
        match self {
            Self::Name(name) => Step::Name(Cow::Owned(name.into_owned())),
            Self::Index(index) => Step::Index(index),
        }
    }
}

fn pointer(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Name(name) => text.push_str(&escaped(&shown(name))),
            Step::Index(index) => text.push_str(&index.to_string()),
        }
    }
    text
}

/// What was found so far, over all rounds.
#[derive(Default)]
pub(crate) struct Findings {
    errors: BTreeMap<String, FieldError>,
    /// The paths that are answered with blanks: at most one for each round.
    blanked: Vec<Vec<Step<'static>>>,
    /// Decoding will not get to the end: look ahead for unknown fields, wherever it gets.
    is_last_round: bool,
}

impl Findings {
    fn add(&mut self, at: String, code: &'static str, detail: String) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.entry(at).or_insert_with_key(|at| FieldError::new(at.clone(), code, detail));
        }
    }

    fn unknown(&mut self, at: String) {
        self.add(at, "unknown_field", "This field is not known here.".to_owned());
    }

    fn into_errors(self) -> Vec<FieldError> {
        self.errors.into_values().collect()
    }

    fn has_blanks(&self) -> bool {
        !self.blanked.is_empty()
    }

    /// Whether the value there is to be answered with a blank. This is asked for each value of the later rounds, so
    /// it compares from the last step, where neighbours differ, and builds no text.
    fn is_blanked(&self, path: &[Step<'_>]) -> bool {
        self.blanked
            .iter()
            .any(|blanked| blanked.len() == path.len() && blanked.iter().rev().eq(path.iter().rev()))
    }

    /// Notes why a round failed. `false` when another round would fail in the same way.
    fn note(&mut self, mut path: Vec<Step<'_>>, fault: Fault) -> bool {
        let (code, detail) = match fault {
            Fault::Missing(name) => {
                path.push(Step::Name(Cow::Borrowed(name)));
                ("required", "This field is required.".to_owned())
            }
            Fault::Unknown(name) => {
                path.push(Step::Name(Cow::Owned(name)));
                self.unknown(pointer(&path));
                return false;
            }
            Fault::WrongType(expected) => ("invalid_type", format!("Expected {expected}.")),
            Fault::BadValue(expected) => ("invalid_value", format!("Expected {expected}.")),
            Fault::Objection => ("invalid_value", "This value is not valid here.".to_owned()),
            Fault::Garbled => return false,
        };
        self.add(pointer(&path), code, detail);
        let is_new = !self.is_blanked(&path);
        self.blanked.push(path.into_iter().map(Step::into_owned).collect());
        is_new
    }
}

/// Decodes in rounds until nothing new is found. `size` is the length of the text, in bytes.
///
/// `round` gets the findings and answers the value, or where it failed and why.
pub(crate) fn decode<'de, T>(
    size: usize,
    mut round: impl FnMut(&mut Findings) -> Result<T, (Vec<Step<'de>>, Fault)>,
) -> Result<T, Vec<FieldError>> {
    let mut findings = Findings::default();
    for _ in 0..(ROUND_BUDGET / size.max(1)).clamp(1, MAX_ROUNDS) {
        match round(&mut findings) {
            Ok(value) if findings.errors.is_empty() => return Ok(value),
            Ok(_) => return Err(findings.into_errors()),
            Err((path, fault)) => {
                if !findings.note(path, fault) {
                    break;
                }
            }
        }
    }
    findings.is_last_round = true;
    if let Err((path, fault)) = round(&mut findings) {
        findings.note(path, fault);
    }
    Err(findings.into_errors())
}
