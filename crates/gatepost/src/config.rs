//! `gatepost config`.

use std::fs::OpenOptions;
use std::io::Write as _;

use gatepost_server::config::{Config, example, show};

use crate::cli::{Config as Command, Everyday};
use crate::context::raw;
use crate::failure::Failure;

pub(crate) fn run(everyday: &Everyday, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Init { output: None } => print!("{}", example()),
        Command::Init { output: Some(path) } => {
            let failed = |error| Failure::io(format!("write {}", path.display()), &error);
            let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
            file.write_all(example().as_bytes()).map_err(failed)?;
            println!("wrote {}", path.display());
        }
        Command::Check => {
            Config::load(&raw(everyday)?)?;
            println!("the configuration is sound");
        }
        Command::Show { redacted: _ } => print!("{}", show(&raw(everyday)?)),
    }
    Ok(())
}
