//! The mail server that both are measured with, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;

/// How long nothing may arrive before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server. Killed when dropped.
pub(super) struct MailServer {
    child: Child,
    pub(super) port: u16,
    folder: TempDir,
}

/// A mail that the server acknowledged.
pub(super) struct Taken {
    /// In seconds of a clock that only goes forward.
    at: f64,
    /// The same at each attempt to deliver it.
    pub(super) id: String,
    pub(super) to: String,
}

impl MailServer {
    /// Starts it at a free port.
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?;
        // Debian's own interpreter is the one that has Debian's packages.
        let child = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("server.py")])
            .arg(folder.path().join("taken"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let child = child.map_err(|error| format!("no Python for the mail server: {error}"))?;
        let mut server = Self { child, port: 0, folder };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        server.port = line.trim().parse().map_err(|_| "no mail server: install python3-aiosmtpd")?;
        Ok(server)
    }

    /// What tells Gatepost to use it.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        [
            ("GATEPOST_MAIL_SMTP_HOST", format!("127.0.0.1:{}", self.port)),
            ("GATEPOST_MAIL_SMTP_TLS", "none".to_owned()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("taken")
    }

    /// What it took so far, in order.
    pub(super) fn taken(&self) -> Result<Vec<Taken>> {
        let text = std::fs::read_to_string(self.file())?;
        // The last line may be on its way.
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        lines.map(|line| Taken::parse(line).ok_or_else(|| format!("no mail: {line}").into())).collect()
    }

    /// Waits until it has taken so many.
    pub(super) async fn wait_for(&self, count: usize) -> Result<Vec<Taken>> {
        let (mut reached, mut since) = (0, Instant::now());
        loop {
            let taken = self.taken()?;
            if taken.len() >= count {
                return Ok(taken);
            }
            if taken.len() > reached {
                (reached, since) = (taken.len(), Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("{reached} of {count} mails arrived").into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Taken {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (at, id, to) = (words.next()?.parse().ok()?, words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { at, id, to })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Mails a second between the first and the last, by the server's own clock.
pub(super) fn rate(taken: &[Taken]) -> f64 {
    match taken {
        [first, .., last] if last.at > first.at => (taken.len() - 1) as f64 / (last.at - first.at),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_the_spans_between_mails() {
        let taken =
            ["1.0 <a@x> a@x", "1.5 <b@x> b@x", "2.0 <c@x> c@x"].map(|line| Taken::parse(line).unwrap());
        assert_eq!(rate(&taken), 2.0);
        assert_eq!(rate(&taken[..1]), 0.0);
        assert!(Taken::parse("1.0 <a@x>").is_none());
    }
}
