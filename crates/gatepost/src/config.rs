//! `gatepost config`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use gatepost_server::config::{Config, example, show};

use crate::cli::{Config as Command, Everyday};
use crate::context::raw;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(everyday: &Everyday, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Init { output: None } => output::text(example().as_bytes()),
        Command::Init { output: Some(path) } => {
            let failed = |error| Failure::io(format!("write {}", path.display()), &error);
            // It may come to hold secrets.
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            file.write_all(example().as_bytes()).map_err(failed)?;
            output::line(format_args!("wrote {}", path.display()))
        }
        Command::Check => {
            Config::load(&raw(everyday)?)?;
            output::line("the configuration is sound")
        }
        Command::Show { redacted: _ } => output::text(show(&raw(everyday)?).as_bytes()),
    }
}
