//! The configuration as it was given: file, environment and flags laid over each other, nothing believed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problem::{ConfigProblem, Source, did_you_mean};
use super::setting::{ENV_PREFIX, Kind, Setting, env_name};
use super::value::Value;

/// Variables that start with `GATEPOST_` and are no settings.
pub const RESERVED_ENV: &[(&str, &str)] = &[
    ("GATEPOST_CONFIG", "the path of the configuration file"),
    ("GATEPOST_ADMIN_EMAIL", "the address of the first owner, for an unattended setup"),
    ("GATEPOST_ADMIN_PASSWORD", "the password of the first owner, for an unattended setup"),
    ("GATEPOST_ADMIN_PASSWORD_FILE", "the file with the password of the first owner"),
];

/// Variables that only test suites use.
const TEST_PREFIX: &str = "GATEPOST_TEST_";

/// A configuration file longer than this is some other file.
const LONGEST_FILE: usize = 256 * 1024;

/// The configuration as it was given. It holds secrets, so it has no `Debug`.
///
/// Add the layers from the weakest to the strongest: [`Raw::file`], [`Raw::env`], [`Raw::flags`].
///
/// ```
/// use gatepost_server::config::{Config, Raw};
///
/// let raw = Raw::new()
///     .file("gatepost.toml", "[tokens]\naccess_ttl = \"10m\"\n")
///     .env([("GATEPOST_TOKENS_ACCESS_TTL", "5m"), ("HOME", "/root")])
///     .flags([("listen", "127.0.0.1:9000", "--listen")]);
/// let config = Config::load(&raw).unwrap();
/// assert_eq!(config.tokens.access_ttl.as_secs(), 300);
/// ```
#[derive(Default)]
pub struct Raw {
    given: BTreeMap<String, Given>,
    problems: Vec<ConfigProblem>,
    whole: bool,
}

/// A value and where it came from.
pub(crate) struct Given {
    pub(crate) value: Value,
    pub(crate) source: Source,
}

impl Raw {
    /// Nothing given: every setting at its default.
    pub fn new() -> Self {
        Self { given: BTreeMap::new(), problems: Vec::new(), whole: true }
    }

    /// Adds the text of a TOML file. The path is only quoted in problems; nothing is read from it.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, text: &str) -> Self {
        let path = path.as_ref();
        let at = |line| Source::File { path: path.to_owned(), line };
        if text.len() > LONGEST_FILE {
            self.problem("", at(0), "is longer than 256 KiB".into(), None);
            self.whole = false;
            return self;
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut broken_lines = BTreeSet::new();
        for error in errors {
            // Only the message and the line: the parser's own `Display` quotes the line, which may hold a secret.
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            self.problem("", at(line), format!("is not valid TOML: {}", error.message()), None);
            self.whole = false;
            broken_lines.insert(line);
        }
        let known = Known::collect();
        let mut tables = vec![(String::new(), document.get_ref())];
        while let Some((prefix, table)) = tables.pop() {
            for (name, value) in table {
                let key = if prefix.is_empty() {
                    name.get_ref().to_string()
                } else {
                    format!("{prefix}.{}", name.get_ref())
                };
                let line = line_of(text, name.span().start);
                let source = at(line);
                match value.get_ref() {
                    // What the parser guessed on a broken line is no value of anybody's.
                    _ if broken_lines.contains(&line) => {}
                    DeValue::Table(inner) if known.is_section(&key) => tables.push((key, inner)),
                    _ if known.is_key(&key) => {
                        let value = Value::from_toml(value.get_ref());
                        self.given.insert(key, Given { value, source });
                    }
                    // The keys of an unknown table are named one by one: each of them gets its own hint.
                    DeValue::Table(inner) if !inner.is_empty() => tables.push((key, inner)),
                    DeValue::Table(_)
                    | DeValue::String(_)
                    | DeValue::Integer(_)
                    | DeValue::Float(_)
                    | DeValue::Boolean(_)
                    | DeValue::Datetime(_)
                    | DeValue::Array(_) => {
                        let hint = known.hint_for_key(&key);
                        self.problem(&key, source, "is not a setting".into(), hint);
                    }
                }
            }
        }
        self
    }

    /// Adds the environment. Variables that do not start with `GATEPOST_` are skipped.
    ///
    /// This crate never reads the environment itself: the binary passes `std::env::vars_os()`.
    #[must_use]
    pub fn env<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let known = Known::collect();
        for (name, value) in pairs {
            let (name, value): (OsString, OsString) = (name.into(), value.into());
            let name = name.to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
            let is_ours = !rest.is_empty()
                && !name.starts_with(TEST_PREFIX)
                && !RESERVED_ENV.iter().any(|(reserved, _)| *reserved == name)
                && !is_service_link(rest, &value);
            if !is_ours {
                continue;
            }
            let source = Source::Environment(name.clone());
            let Some(key) = known.env.get(&name) else {
                let hint = known.hint_for_env(&name);
                self.problem(&name, source, "is not a setting".into(), hint);
                continue;
            };
            let Some(value) = value.to_str() else {
                self.problem(key, source, "is not valid UTF-8".into(), None);
                continue;
            };
            // Container tools turn a missing value into an empty one, so empty means unset. Not for a secret: an
            // empty one means that the store that should have filled it in failed, and nobody wants a default then.
            if value.is_empty() && known.kind_of(key) == Kind::Plain {
                continue;
            }
            self.given.insert(key.clone(), Given { value: Value::Untyped(value.to_owned()), source });
        }
        self
    }

    /// Adds command line flags: the key of the setting, the value, and the flag as the user typed it.
    #[must_use]
    pub fn flags<K: AsRef<str>, V: Into<String>, F: Into<String>>(
        mut self,
        flags: impl IntoIterator<Item = (K, V, F)>,
    ) -> Self {
        let known = Known::collect();
        for (key, value, flag) in flags {
            let (key, source) = (key.as_ref(), Source::Flag(flag.into()));
            if known.is_key(key) {
                self.given.insert(key.to_owned(), Given { value: Value::Untyped(value.into()), source });
            } else {
                let hint = known.hint_for_key(key);
                self.problem(key, source, "is not a setting".into(), hint);
            }
        }
        self
    }

    /// The strongest value given for a key, if any.
    pub(crate) fn get(&self, key: &str) -> Option<&Given> {
        self.given.get(key)
    }

    /// What was wrong before any value was read: syntax and unknown names.
    pub(crate) fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// Whether the file could be read to its end, so that a missing setting is really missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    fn problem(&mut self, key: &str, source: Source, message: String, hint: Option<String>) {
        self.problems.push(ConfigProblem { key: key.to_owned(), source, message, hint });
    }
}

/// Every name that a setting goes by.
struct Known {
    keys: BTreeMap<String, &'static Setting>,
    env: BTreeMap<String, String>,
}

impl Known {
    fn collect() -> Self {
        let keys: BTreeMap<_, _> =
            super::settings().flat_map(|setting| setting.keys().map(move |key| (key, setting))).collect();
        let env = keys.keys().map(|key| (env_name(key), key.clone())).collect();
        Self { keys, env }
    }

    fn is_key(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    fn is_section(&self, name: &str) -> bool {
        self.keys.keys().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// A `_file` twin holds a path, which is not secret.
    fn kind_of(&self, key: &str) -> Kind {
        self.keys.get(key).filter(|setting| setting.key == key).map_or(Kind::Plain, |setting| setting.kind)
    }

    fn hint_for_key(&self, given: &str) -> Option<String> {
        if self.is_section(given) {
            return Some(format!("`{given}` is a section: write [{given}] and its settings below it"));
        }
        did_you_mean(given, self.keys.keys().map(String::as_str)).map(|key| format!("did you mean `{key}`?"))
    }

    fn hint_for_env(&self, given: &str) -> Option<String> {
        let reserved = RESERVED_ENV.iter().map(|(name, _)| *name);
        did_you_mean(given, self.env.keys().map(String::as_str).chain(reserved))
            .map(|name| format!("did you mean `{name}`?"))
    }
}

/// The line, counted from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Whether Kubernetes or Docker put this variable there because a service is called `gatepost` or `gatepost-…`:
/// `GATEPOST_SERVICE_HOST`, `GATEPOST_SERVICE_PORT_HTTP`, `GATEPOST_PORT=tcp://…`, `GATEPOST_PORT_8080_TCP_ADDR`.
/// Nobody wrote them, so they are no mistakes. `GATEPOST_PORT=8080` is one.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let rest = format!("_{rest}");
    let (mut after, mut is_link) = (rest.as_str(), false);
    while let Some((_, tail)) = after.split_once("_PORT_") {
        let mut parts = tail.split('_');
        let port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"));
        is_link |= port && protocol;
        after = tail;
    }
    let points_at_a_port = || {
        value
            .to_str()
            .is_some_and(|value| ["tcp://", "udp://", "sctp://"].iter().any(|s| value.starts_with(s)))
    };
    is_link
        || rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || (rest.ends_with("_PORT") && points_at_a_port())
}
