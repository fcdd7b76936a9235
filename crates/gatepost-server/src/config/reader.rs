//! Reads typed settings, collects what is wrong, and goes on.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_kernel::Secret;

use super::problem::{Complaint, ConfigProblem, Source, did_you_mean, quote};
use super::raw::Raw;
use super::setting::{Setting, file_twin};
use super::span::{parse_span, span_text};
use super::value::Value;
use super::{secret, settings};

/// Hands out typed values. A value that is refused is recorded, and the default is returned in its place, so
/// that one start shows every problem. What was read counts only when [`Reader::finish`] has nothing to report.
pub(crate) struct Reader<'a> {
    raw: &'a Raw,
    problems: Vec<ConfigProblem>,
    read: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(raw: &'a Raw) -> Self {
        Self { raw, problems: raw.problems().to_vec(), read: BTreeSet::new() }
    }

    /// Every problem, in the order of reading.
    pub(crate) fn finish(self) -> Vec<ConfigProblem> {
        self.problems
    }

    /// The keys that were read so far.
    #[cfg(test)]
    pub(crate) fn keys_read(&self) -> &BTreeSet<&'static str> {
        &self.read
    }

    /// A value of any type that is written as text. `None` when it is unset.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.value(key, |value| parse(value.text()?))
    }

    /// A text that must not be empty. `None` when it is unset.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, |text| match text {
            "" => Err(Complaint::new("is empty").hint("remove it to leave it unset")),
            text => Ok(text.to_owned()),
        })
    }

    /// True or false.
    pub(crate) fn bool(&mut self, key: &'static str) -> bool {
        self.value(key, Value::bool).unwrap_or_default()
    }

    /// A whole number within a range, both ends included.
    pub(crate) fn integer<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + TryFrom<i64> + fmt::Display,
    {
        let parse = |value: &Value| {
            let given = value.integer()?;
            T::try_from(given).ok().filter(|number| range.contains(number)).ok_or_else(|| {
                Complaint::new(format!("{given} is not between {} and {}", range.start(), range.end()))
            })
        };
        self.value(key, parse).unwrap_or(*range.start())
    }

    /// A length of time within a range, both ends included: `"15m"`, `"30 s"`, or a number of seconds.
    pub(crate) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Duration {
        let parse = |value: &Value| {
            let span = match value {
                Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
                Value::Untyped(_) | Value::Text(_) | Value::Bool(_) | Value::List(_) | Value::Other(_) => {
                    parse_span(value.text()?)
                }
            };
            let span = span.ok_or_else(|| {
                Complaint::new("is not a length of time")
                    .hint("write a number and a unit (ms, s, m, h, d): \"15m\"")
            })?;
            if range.contains(&span) {
                return Ok(span);
            }
            let [given, low, high] = [span, *range.start(), *range.end()].map(span_text);
            Err(Complaint::new(format!("{given} is not between {low} and {high}")))
        };
        self.value(key, parse).unwrap_or(*range.start())
    }

    /// One of a fixed list of spellings. The first one stands in when even the default is refused.
    pub(crate) fn choice<T: Copy, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&str, T); N],
    ) -> T {
        const { assert!(N > 0, "a choice needs something to choose from") };
        let parse = |text: &str| {
            if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
                return Ok(*value);
            }
            let names = choices.map(|(name, _)| name);
            let complaint = Complaint::new(format!("{} is not one of {}", quote(text), names.join(", ")));
            Err(match did_you_mean(text, names.into_iter()) {
                Some(name) => complaint.hint(format!("did you mean `{name}`?")),
                None => complaint,
            })
        };
        self.parsed(key, parse).unwrap_or(choices[0].1)
    }

    /// A list, each item parsed on its own.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let parse = |value: &Value| value.list()?.iter().map(|item| parse(item)).collect();
        self.value(key, parse).unwrap_or_default()
    }

    /// An IP address and a port. `None` when it is unset.
    pub(crate) fn socket_addr(&mut self, key: &'static str) -> Option<SocketAddr> {
        self.parsed(key, |text| {
            text.parse().map_err(|_| {
                Complaint::new(format!("{} is not an IP address and a port", quote(text)))
                    .hint("write it as \"127.0.0.1:8080\" or \"[::1]:8080\"")
            })
        })
    }

    /// A path. Relative paths count from the working directory.
    pub(crate) fn path(&mut self, key: &'static str) -> PathBuf {
        self.text(key).map(PathBuf::from).unwrap_or_default()
    }

    /// A secret, from its own key or from the file that its `_file` twin names. `None` when it is unset.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret<String>> {
        self.declared(key)?;
        let twin = file_twin(key);
        let result = match (self.raw.get(key), self.raw.get(&twin)) {
            (None, None) => return None,
            (Some(direct), Some(file)) => Err(Complaint::new(format!(
                "is set twice: directly ({}) and through `{twin}` ({})",
                direct.source, file.source
            ))
            .hint("keep one of them")),
            (Some(direct), None) => direct.value.text().map(|text| Secret::new(text.to_owned())),
            (None, Some(file)) => file.value.text().and_then(secret::read_file),
        };
        match result {
            Ok(value) if value.expose().is_empty() => {
                self.refuse(key, Complaint::new("is empty").hint("remove it to leave it unset"));
                None
            }
            Ok(value) => Some(value),
            Err(complaint) => {
                self.refuse(key, complaint);
                None
            }
        }
    }

    /// A secret that keys something: at least 32 bytes, none that everybody knows, never on the command line.
    pub(crate) fn secret_key(&mut self, key: &'static str) -> Option<Secret<String>> {
        let value = self.secret(key)?;
        if matches!(self.source(key), Source::Flag(_)) {
            let complaint =
                Complaint::new("is a secret and every user of this machine can read command lines");
            self.refuse(key, complaint.hint(format!("name a file that holds it with `{}`", file_twin(key))));
            return None;
        }
        match secret::weakness(value.expose()) {
            None => Some(value),
            Some(complaint) => {
                self.refuse(key, complaint);
                None
            }
        }
    }

    /// Records a problem with a setting, where its value was given.
    pub(crate) fn refuse(&mut self, key: &str, complaint: Complaint) {
        let Complaint { message, hint } = complaint;
        self.problems.push(ConfigProblem { key: key.to_owned(), source: self.source(key), message, hint });
    }

    /// Whether nothing is wrong with these settings, so that comparing them means something.
    pub(crate) fn are_sound(&self, keys: &[&str]) -> bool {
        self.raw.is_whole() && !self.problems.iter().any(|problem| keys.contains(&problem.key.as_str()))
    }

    /// Where the value of a setting, or the path of its file, came from.
    pub(crate) fn source(&self, key: &str) -> Source {
        let given = self.raw.get(key).or_else(|| self.raw.get(&file_twin(key)));
        given.map_or(Source::Default, |given| given.source.clone())
    }

    /// The given value if it is accepted, else the default.
    fn value<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, Complaint>) -> Option<T> {
        let setting = self.declared(key)?;
        if let Some(given) = self.raw.get(key) {
            match parse(&given.value) {
                Ok(value) => return Some(value),
                Err(complaint) => self.refuse(key, complaint),
            }
        }
        match parse(&setting.default_value()?) {
            Ok(value) => Some(value),
            Err(complaint) => {
                let Complaint { message, hint } = complaint;
                self.problems.push(ConfigProblem {
                    key: key.to_owned(),
                    source: Source::Default,
                    message,
                    hint,
                });
                None
            }
        }
    }

    /// The declaration of a key. Reading what nobody declared is a mistake of ours; a test finds it.
    fn declared(&mut self, key: &'static str) -> Option<&'static Setting> {
        self.read.insert(key);
        let setting = settings().find(|setting| setting.key == key);
        if setting.is_none() {
            self.refuse(key, Complaint::new("is read but not declared"));
        }
        setting
    }
}
