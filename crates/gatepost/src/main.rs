//! The command line of Gatepost: it parses, calls and prints; what it calls lives in `gatepost-server`.

mod api_keys;
mod audit;
mod cli;
mod config;
mod context;
mod doctor;
mod export;
mod failure;
mod import;
mod keys;
mod logging;
mod mail;
mod migrate;
mod output;
mod owner;
mod secret_input;
mod serve;
mod user;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                // Where standard error is closed, the exit code is all that can be said.
                drop(writeln!(std::io::stderr(), "{failure}"));
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { everyday, command } = cli;
    // What needs neither configuration nor runtime.
    match &command {
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "gatepost", &mut script);
            return output::text(&script);
        }
        Some(Command::Openapi) => return output::json(&gatepost_server::http::openapi()),
        Some(Command::Config { command }) => return config::run(&everyday, command),
        _ => {}
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::internal)?;
    if let Some(Command::Doctor) = command {
        // What is wrong with the configuration is one of its findings.
        return runtime.block_on(doctor::run(&everyday));
    }
    let config = context::load(&everyday)?;
    runtime.block_on(async {
        match command.unwrap_or(Command::Serve) {
            Command::Serve => serve::run(config).await,
            Command::Migrate { command } => migrate::run(config, command).await,
            Command::SetupLink => owner::print_new_link(config).await,
            Command::User { command } => user::run(config, command).await,
            Command::Keys { command } => keys::run(config, command).await,
            Command::Mail { command } => mail::run(config, command).await,
            Command::Audit { command } => audit::run(config, command).await,
            Command::Config { .. } | Command::Doctor | Command::Openapi | Command::Completions { .. } => {
                Ok(())
            }
        }
    })
}
