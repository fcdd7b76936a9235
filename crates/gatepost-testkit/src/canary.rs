//! Secrets that went through the application must not lie anywhere in clear.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged in this process, at the level of traces, libraries included.
#[derive(Clone, Default)]
pub(crate) struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    /// The buffer of this process. The first call installs it as the log.
    pub(crate) fn install() -> Self {
        static BUFFER: OnceLock<LogBuffer> = OnceLock::new();
        BUFFER
            .get_or_init(|| {
                let buffer = Self::default();
                let log = tracing_subscriber::fmt()
                    .with_max_level(tracing::Level::TRACE)
                    .with_ansi(false)
                    .with_writer(buffer.clone())
                    .try_init();
                log.expect("the log of a test process belongs to the testkit");
                buffer
            })
            .clone()
    }

    /// How much was logged so far.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn since(&self, start: usize) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[start..].to_vec()
    }
}

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogBuffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The secrets that were sent or received.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<HashSet<(&'static str, String)>>>);

/// Shorter texts would be found by chance.
const SHORTEST: usize = 10;

impl Secrets {
    pub(crate) fn note(&self, kind: &'static str, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, secret.to_owned()));
    }

    /// Notes every secret in a JSON body, wherever it stands.
    pub(crate) fn note_in(&self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member.as_str()) {
                        ("password" | "current_password" | "new_password", Some(text)) => {
                            self.note("password", text);
                        }
                        ("access_token", Some(text)) => self.note("access token", text),
                        ("refresh_token", Some(text)) => self.note("refresh token", text),
                        ("token", Some(text)) => self.note("token", text),
                        // Elsewhere a `key` is the id of one.
                        ("key", Some(text)) if text.starts_with("gpk_") => self.note("API key", text),
                        ("challenge", Some(text)) => self.note("challenge", text),
                        ("secret", Some(text)) => self.note("secret of an authenticator", text),
                        ("recovery_codes", None) => {
                            let codes = member.as_array().into_iter().flatten();
                            codes.filter_map(|code| code.as_str()).for_each(|code| {
                                self.note("recovery code", code);
                                self.note("recovery code", &code.replace('-', ""));
                            });
                        }
                        _ => self.note_in(member),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.note_in(item)),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }

    /// Where a secret lies in clear, if one does: in what was logged from `start` on, or in a file.
    pub(crate) fn leak(&self, log: &LogBuffer, start: usize, files: &[Vec<u8>]) -> Option<String> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = Index::of(secrets.iter().map(|(kind, secret)| {
            // The second half alone gives the first away.
            let half = &secret.as_bytes()[secret.len() / 2..];
            (*kind, if secret.len() >= 4 * SHORTEST { half } else { secret.as_bytes() })
        }));
        if let Some(kind) = index.first_in(&log.since(start)) {
            return Some(format!("a {kind} is in the log"));
        }
        let kind = files.iter().find_map(|file| index.first_in(file))?;
        Some(format!("a {kind} is in the database file"))
    }
}

/// Many needles, found in one pass over the hay: a race leaves thousands of tokens and megabytes of log.
struct Index<'a> {
    /// Whether some needle begins with four bytes of this hash.
    begins: Vec<bool>,
    by_head: HashMap<&'a [u8], Vec<(&'static str, &'a [u8])>>,
}

impl<'a> Index<'a> {
    fn of(needles: impl Iterator<Item = (&'static str, &'a [u8])>) -> Self {
        let mut index = Self { begins: vec![false; 1 << 20], by_head: HashMap::new() };
        for (kind, needle) in needles {
            index.begins[slot(needle)] = true;
            index.by_head.entry(&needle[..SHORTEST]).or_default().push((kind, needle));
        }
        index
    }

    fn first_in(&self, hay: &[u8]) -> Option<&'static str> {
        (0..(hay.len() + 1).saturating_sub(SHORTEST)).find_map(|at| {
            let rest = &hay[at..];
            if !self.begins[slot(rest)] {
                return None;
            }
            let candidates = self.by_head.get(&rest[..SHORTEST])?;
            candidates.iter().find(|(_, needle)| rest.starts_with(needle)).map(|(kind, _)| *kind)
        })
    }
}

/// A place among a million for the first four bytes.
fn slot(bytes: &[u8]) -> usize {
    let head = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    usize::try_from(head.wrapping_mul(0x9e37_79b1) >> 12).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_log_or_in_a_file_is_found() {
        let (log, secrets) = (LogBuffer::default(), Secrets::default());
        secrets.note_in(&serde_json::json!({ "user": { "password": "CANARY in a mine" } }));
        assert_eq!(secrets.leak(&log, 0, &[b"CANARY in a coal mine".to_vec()]), None);
        assert!(secrets.leak(&log, 0, &[b"... CANARY in a mine ...".to_vec()]).is_some());
        io::Write::write_all(&mut log.clone(), b"password=CANARY in a mine").unwrap();
        assert!(secrets.leak(&log, 0, &[]).is_some());
        assert_eq!(secrets.leak(&log, log.len(), &[]), None, "what another test logged before is not ours");
    }
}
