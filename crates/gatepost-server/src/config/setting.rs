//! What a setting is: its name, its default and the sentence that explains it.

use std::fmt;

use super::value::Value;

/// One setting. A feature declares its settings in one table and reads them in one function; the name of the
/// environment variable, the example file, the reference page and the list of known keys come from the table.
pub struct Setting {
    /// The dotted key, as written in the file: `password.policy`.
    pub key: &'static str,
    /// The default as TOML text, or empty when the setting is unset by default.
    pub default: &'static str,
    /// For a setting that is unset by default: what a value looks like, as TOML text.
    pub example: &'static str,
    /// What it does, in one to three sentences.
    pub doc: &'static str,
    /// Whether its value may be shown.
    pub kind: Kind,
}

/// Whether the value of a setting may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Anybody who sees the configuration may see it.
    Plain,
    /// Never shown. Has a twin that ends in `_file` and names the file that holds the value.
    Secret,
}

impl Setting {
    /// A setting with a default, given as TOML text.
    pub(crate) const fn new(key: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { key, default, example: "", doc, kind: Kind::Plain }
    }

    /// A setting that is unset by default.
    pub(crate) const fn unset(key: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self { key, default: "", example, doc, kind: Kind::Plain }
    }

    /// A secret. Secrets have no defaults: a default that everybody knows is no secret.
    pub(crate) const fn secret(key: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self { key, default: "", example, doc, kind: Kind::Secret }
    }

    /// The environment variable that sets it: `GATEPOST_PASSWORD_POLICY`.
    pub fn env_name(&self) -> String {
        env_name(self.key)
    }

    /// For a secret, the key that names the file with the value: `database_url_file`.
    pub fn file_twin(&self) -> Option<String> {
        match self.kind {
            Kind::Plain => None,
            Kind::Secret => Some(file_twin(self.key)),
        }
    }

    /// Every key that the file may use for it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.key.to_owned()).chain(self.file_twin())
    }

    /// The default as a value; `None` when it is unset by default.
    pub(crate) fn default_value(&self) -> Option<Value> {
        if self.default.is_empty() { None } else { Value::from_toml_text(self.default) }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// What every variable of ours starts with.
pub(crate) const ENV_PREFIX: &str = "GATEPOST_";

/// The environment variable of a key.
pub(crate) fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// The key that names the file with the value of a secret.
pub(crate) fn file_twin(key: &str) -> String {
    format!("{key}_file")
}
