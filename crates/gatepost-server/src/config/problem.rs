//! What is wrong with a configuration, where it was written, and what to write instead.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file, with the line (from 1).
    File {
        /// The path as it was given.
        path: PathBuf,
        /// The line of the value, counted from 1; 0 when it belongs to no line.
        line: usize,
    },
    /// The environment variable with this name.
    Environment(String),
    /// The command line flag with this name, `--listen`.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. It never holds the value of a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigProblem {
    /// The key of the setting, or the name as it was written when no setting has it.
    pub key: String,
    /// Where the value came from.
    pub source: Source,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, self.key.as_str()) {
            (Source::File { .. }, "") => write!(f, "{}", self.source)?,
            (Source::Environment(name) | Source::Flag(name), key) if name == key => write!(f, "{name}")?,
            (source, key) => write!(f, "{key} ({source})")?,
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n     hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, at once.
///
/// `Display` is the text for the operator: one numbered paragraph a problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigProblems(pub(super) Vec<ConfigProblem>);

impl Deref for ConfigProblems {
    type Target = [ConfigProblem];

    fn deref(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            1 => writeln!(f, "The configuration has 1 problem:")?,
            count => writeln!(f, "The configuration has {count} problems:")?,
        }
        for (index, problem) in self.iter().enumerate() {
            write!(f, "\n{:>3}. {problem}\n", index + 1)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

/// What a parser says about a value, before anybody adds the key and the source.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A plain value between backticks: cut to a readable length, control characters escaped, and not shown at all
/// when it may hold credentials (`https://user:password@host`).
pub(crate) fn quote(value: &str) -> String {
    const SHOWN: usize = 80;
    if may_hold_credentials(value) {
        return "the value (not shown, it may hold credentials)".to_owned();
    }
    let mut text: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

/// Whether a text looks like a URL with user information in it.
pub(crate) fn may_hold_credentials(value: &str) -> bool {
    value.contains('@') && value.contains(':')
}

/// The candidate that somebody may have meant. A name without its section finds the setting of any section.
pub(crate) fn did_you_mean<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Names longer than this are no typing mistakes, and measuring distances costs the product of the lengths.
    const LONGEST: usize = 64;
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let tolerated = (given.len() / 3).clamp(1, 4);
    candidates
        .filter_map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            let distance = strsim::damerau_levenshtein(&given, &lower);
            let same_leaf = lower.rsplit('.').next() == given.rsplit('.').next();
            let rank =
                if distance <= tolerated { distance } else { same_leaf.then_some(tolerated + distance)? };
            Some((rank, candidate))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, candidate)| candidate)
}
