//! `gatepost user export`.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use gatepost_server::App;
use gatepost_server::imports::{Export, Format};

use crate::failure::Failure;
use crate::import::FormatName;
use crate::output;

const AFTER_HELP: &str = "What is written can be read by `gatepost user import`. Second factors, API keys, sessions and what happened stay here.

In CSV, cells that a spreadsheet would take for a formula begin with an apostrophe; an import takes it off again.

Hashes that this installation made are peppered: they verify only under the same master key. Hashes that came from
elsewhere and were not used since verify anywhere.

Examples:
  gatepost user export --output users.csv
  gatepost user export --format jsonl --with-password-hashes --output users.jsonl";

/// What can be typed.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// How to write accounts; the ending of the file says it otherwise, and csv is the default
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// With the hashes of passwords: whoever gets the file can try passwords on them
    #[arg(long)]
    with_password_hashes: bool,
    /// Write to this file, which must not exist; only its owner may read it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(app: &App, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { format, with_password_hashes, output } = arguments;
    let named = output.as_deref().and_then(Format::of);
    let format = format.map(Format::from).or(named).unwrap_or(Format::Csv);
    let mut file = output.as_deref().map(create).transpose()?;
    if with_password_hashes {
        // Where standard error is closed, nobody wants to know.
        drop(writeln!(
            std::io::stderr(),
            "the hashes of passwords are in it: keep it as you keep the database, and delete it after use"
        ));
    }
    let written = write(Export::new(app, format, with_password_hashes), file.as_mut()).await;
    match (written, output) {
        (Ok(rows), Some(path)) => {
            output::line(format_args!("exported {rows} accounts to {}", path.display()))
        }
        (Ok(_), None) => Ok(()),
        (Err(failure), path) => {
            // Half a file looks like a whole one.
            if let Some(path) = path {
                drop(std::fs::remove_file(path));
            }
            Err(failure)
        }
    }
}

/// A file of one's own: it holds personal data.
fn create(path: &Path) -> Result<File, Failure> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| Failure::io(format_args!("create {}", path.display()), &error))
}

async fn write(mut export: Export<'_>, mut file: Option<&mut File>) -> Result<usize, Failure> {
    let mut rows = 0;
    while let Some(page) = export.next().await? {
        let text = page.text.expose().as_bytes();
        match &mut file {
            Some(file) => file.write_all(text).map_err(|error| Failure::io("write the accounts", &error))?,
            None => output::text(text)?,
        }
        rows += page.rows;
    }
    if let Some(file) = file {
        file.sync_all().map_err(|error| Failure::io("write the accounts", &error))?;
    }
    Ok(rows)
}
