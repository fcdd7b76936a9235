//! `gatepost user import`.

mod screen;

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use gatepost_server::App;
use gatepost_server::imports::{self, Format, ImportError, OnExisting, Options, Report, Source, Tally};

use self::screen::Screen;
use crate::failure::{Failure, IO, REFUSED, TRY_AGAIN};
use crate::output;

const AFTER_HELP: &str = "Columns of CSV, or fields of a JSON object a line; only email must be given:
  email, email_verified, username, phone_number, first_name, last_name, bio, avatar_url, country, is_active,
  awaiting_approval, roles (a|b in CSV, an array in JSON), created_at (RFC 3339), password_hash (Argon2, bcrypt, PBKDF2,
  scrypt). An empty cell gives nothing; null in JSON clears.

An account is known by its address. A run that was ended, by whatever, goes on when the same command is given again.
Exit code 0: every row was good. 1: some were bad, each with a line on standard error. 75: stopped before the end.

Examples:
  gatepost user import users.csv --dry-run
  gatepost user import users.jsonl --errors bad-rows.txt
  ssh old-host dump-users | gatepost user import - --format csv";

/// What can be typed.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The file, or - for standard input, which cannot be gone on with
    file: PathBuf,
    /// How rows are written; the ending of the file says it otherwise
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// What to do with a row whose account is there already
    #[arg(long, value_enum, default_value = "update", value_name = "WHAT")]
    on_existing: OnExistingName,
    /// Let hashes take the place of passwords that are there, and end the sessions of those accounts
    #[arg(long)]
    replace_passwords: bool,
    /// Check every row and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin at the beginning, although this file was imported before
    #[arg(long)]
    again: bool,
    /// Add the lines about bad rows to this file
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

/// `csv`, `jsonl`.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FormatName {
    Csv,
    Jsonl,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::Jsonl,
        }
    }
}

/// `update`, `skip`, `error`.
#[derive(Clone, Copy, ValueEnum)]
enum OnExistingName {
    Update,
    Skip,
    Error,
}

impl From<OnExistingName> for OnExisting {
    fn from(name: OnExistingName) -> Self {
        match name {
            OnExistingName::Update => Self::Update,
            OnExistingName::Skip => Self::Skip,
            OnExistingName::Error => Self::Error,
        }
    }
}

pub(crate) async fn run(app: &App, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { file, format, on_existing, replace_passwords, dry_run, again, errors } = arguments;
    let is_stream = file == Path::new("-");
    let source = open(&file, is_stream, format)?;
    let options = Options { on_existing: on_existing.into(), replace_passwords, dry_run, again };
    let mut screen = Screen::new(source.size(), errors.as_deref())?;
    let stop = stopped_by_signal();
    let began = Instant::now();
    let ended = imports::run(app, source, options, &mut |happening| {
        screen.show(&happening);
        if stop.load(Ordering::Relaxed) || screen.has_failed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .await;
    screen.close()?;
    let report = ended.map_err(|error| failure(error, is_stream))?;
    conclude(&report, began.elapsed(), (dry_run, is_stream))
}

fn open(file: &Path, is_stream: bool, format: Option<FormatName>) -> Result<Source, Failure> {
    let format = format.map(Format::from).or_else(|| Format::of(file));
    let format = format.ok_or_else(|| {
        Failure::new(REFUSED, "it is not said how the rows are written")
            .hint("add --format csv or --format jsonl")
    })?;
    if is_stream {
        return Ok(Source::stream(std::io::stdin(), format));
    }
    Source::file(file, format).map_err(|error| Failure::io(format_args!("read {}", file.display()), &error))
}

/// Set once somebody wants the run to end. The second time it ends at once; what is durable by then stays.
fn stopped_by_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            signals += 1;
            set.store(true, Ordering::Relaxed);
            if signals > 1 {
                std::process::exit(TRY_AGAIN.into());
            }
            drop(writeln!(std::io::stderr(), "stopping behind the batch that is being written"));
        }
    });
    stop
}

/// Says what became of the rows.
fn conclude(report: &Report, took: Duration, (dry_run, is_stream): (bool, bool)) -> Result<(), Failure> {
    let Tally { created, updated, unchanged, skipped, bad } = report.tally;
    let rate = report.here.rows() as f64 / took.as_secs_f64().max(0.001);
    let dry = if dry_run { "dry run, nothing was written: " } else { "" };
    output::line(format_args!(
        "{dry}created {created}, updated {updated}, unchanged {unchanged}, skipped {skipped}, bad {bad} ({rate:.0} rows/s)"
    ))?;
    if report.stopped {
        let rows = report.tally.rows();
        return Err(
            Failure::new(TRY_AGAIN, format!("stopped behind row {rows}")).hint(how_to_go_on(is_stream))
        );
    }
    if bad > 0 {
        let rows = if bad == 1 { "row was" } else { "rows were" };
        return Err(Failure::new(REFUSED, format!("{bad} {rows} bad; all others are done"))
            .hint("mend them and import the file again: rows that are done change nothing"));
    }
    Ok(())
}

const fn how_to_go_on(is_stream: bool) -> &'static str {
    if is_stream {
        "give it all once more: rows that are done change nothing"
    } else {
        "give the same command again: it goes on from there"
    }
}

fn failure(error: ImportError, is_stream: bool) -> Failure {
    match error {
        ImportError::Columns(wrong) => {
            Failure::new(REFUSED, format!("nothing was imported: {}", wrong.join("; ")))
                .hint("`gatepost user import --help` lists what a file may give")
        }
        ImportError::Done(tally) => Failure::new(
            REFUSED,
            format!("this file was imported already: {} rows, {} bad", tally.rows(), tally.bad),
        )
        .hint("--again imports it once more; rows that are done change nothing"),
        ImportError::OtherOptions(options) => {
            Failure::new(REFUSED, format!("this file was begun with other options: {options}"))
                .hint("give the same to go on, or --again to begin at the beginning")
        }
        ImportError::Overtaken => {
            Failure::new(TRY_AGAIN, "another process imports this file").hint("wait until it is done")
        }
        ImportError::Read(error) => {
            Failure::new(IO, format!("cannot read the rows: {error}")).hint(how_to_go_on(is_stream))
        }
        ImportError::Db(error) => Failure::from(error).hint(how_to_go_on(is_stream)),
    }
}
