//! What the operator sees of a run: a bar or lines, and what is wrong with rows.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost_server::imports::{Checkpoint, Happening, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::Failure;

/// How often a run says where it is, where no terminal shows a bar.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What the operator sees of a run.
pub(super) struct Screen {
    size: Option<u64>,
    bar: Option<ProgressBar>,
    errors: Option<File>,
    /// Lines about bad rows of the batch that is being said.
    lines: String,
    said: Instant,
    /// Why the lines can no longer be written. The run ends: nobody would know which rows were bad.
    failed: Option<std::io::Error>,
}

impl Screen {
    pub(super) fn new(size: Option<u64>, errors: Option<&Path>) -> Result<Self, Failure> {
        let errors = errors.map(|path| {
            let mut options = std::fs::OpenOptions::new();
            let opened = options.create(true).append(true).read(true).mode(0o600).open(path);
            opened.map_err(|error| Failure::io(format_args!("write to {}", path.display()), &error))
        });
        let bar = std::io::stderr().is_terminal().then(|| bar(size));
        let errors = errors.transpose()?;
        Ok(Self { size, bar, errors, lines: String::new(), said: Instant::now(), failed: None })
    }

    /// Whether what is wrong with rows can no longer be written: then the run must end.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    pub(super) fn show(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Resumed(checkpoint) => self.resume(checkpoint),
            Happening::Bad(complaint) => {
                self.lines.push_str(&complaint.to_string());
                self.lines.push('\n');
            }
            Happening::Advanced(progress) => self.advance(*progress),
        }
    }

    fn resume(&mut self, checkpoint: &Checkpoint) {
        self.note(&format!(
            "this file was begun at {}: going on behind its first {} rows",
            checkpoint.started_at,
            checkpoint.tally.rows()
        ));
        // Whoever was killed may have committed a batch and not said what was wrong with it.
        let wanted = checkpoint.last_errors.as_bytes();
        let unsaid = self.errors.as_mut().map(|file| ends_with(file, wanted).map(|said| !said));
        match unsaid {
            Some(Ok(true)) => self.lines.push_str(&checkpoint.last_errors),
            Some(Ok(false)) | None => {}
            Some(Err(error)) => self.failed = Some(error),
        }
    }

    fn advance(&mut self, Progress { bytes, tally }: Progress) {
        self.say_lines();
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(format!("{} rows, {} bad", tally.rows(), tally.bad));
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            let part =
                self.size.map(|size| format!(" ({} %)", bytes * 100 / size.max(1))).unwrap_or_default();
            self.note(&format!("{} rows{part}, {} bad", tally.rows(), tally.bad));
        }
    }

    /// Writes the lines of a batch with one call, so that none is cut in two by whatever ends the program.
    fn say_lines(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return;
        }
        let written = match (&mut self.errors, &self.bar) {
            (Some(file), _) => file.write_all(lines.as_bytes()),
            (None, Some(bar)) => bar.suspend(|| std::io::stderr().write_all(lines.as_bytes())),
            (None, None) => std::io::stderr().write_all(lines.as_bytes()),
        };
        self.failed = written.err();
    }

    fn note(&self, what: &str) {
        // Where standard error is closed, nobody wants to know.
        let write = || drop(writeln!(std::io::stderr(), "{what}"));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn close(mut self) -> Result<(), Failure> {
        self.say_lines();
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        match self.failed {
            Some(error) => Err(Failure::io("write what is wrong with the rows", &error)
                .hint("what is done stays done; mend it and give the same command again")),
            None => Ok(()),
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    let template = match size {
        Some(_) => "{bar:30} {percent:>3} %  {msg}  {elapsed}, {eta} to go",
        None => "{spinner} {msg}  {elapsed}",
    };
    // A template that does not parse would be a mistake of ours; the plain bar says the same.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Whether these bytes are the last of a file.
fn ends_with(file: &mut File, wanted: &[u8]) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(from) = length.checked_sub(wanted.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::with_capacity(wanted.len());
    file.read_to_end(&mut end)?;
    Ok(end == wanted)
}
