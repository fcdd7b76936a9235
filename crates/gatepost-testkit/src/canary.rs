//! Secrets that went through the application must not lie anywhere in clear.

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

    fn contains(&self, needle: &[u8]) -> bool {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        find(&log, needle)
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
pub(crate) struct Secrets(Arc<Mutex<Vec<(&'static str, String)>>>);

/// Shorter texts would be found by chance.
const SHORTEST: usize = 10;

impl Secrets {
    pub(crate) fn note(&self, kind: &'static str, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !secrets.iter().any(|(_, known)| known == secret) {
            secrets.push((kind, secret.to_owned()));
        }
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

    /// Where a secret lies in clear, if one does.
    pub(crate) fn leak(&self, log: &LogBuffer, files: &[Vec<u8>]) -> Option<String> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, secret) in secrets.iter() {
            // The second half alone gives the first away.
            let half = &secret.as_bytes()[secret.len() / 2..];
            let needle = if secret.len() >= 4 * SHORTEST { half } else { secret.as_bytes() };
            if log.contains(needle) {
                return Some(format!("a {kind} is in the log"));
            }
            if files.iter().any(|file| find(file, needle)) {
                return Some(format!("a {kind} is in the database file"));
            }
        }
        None
    }
}

fn find(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_log_or_in_a_file_is_found() {
        let (log, secrets) = (LogBuffer::default(), Secrets::default());
        secrets.note_in(&serde_json::json!({ "user": { "password": "CANARY in a mine" } }));
        assert_eq!(secrets.leak(&log, &[b"CANARY in a coal mine".to_vec()]), None);
        assert!(secrets.leak(&log, &[b"... CANARY in a mine ...".to_vec()]).is_some());
        io::Write::write_all(&mut log.clone(), b"password=CANARY in a mine").unwrap();
        assert!(secrets.leak(&log, &[]).is_some());
    }
}
