//! `cargo xtask <command>`: the checks and chores of this repository.
//!
//! They are written in Rust so that a contributor installs nothing but a Rust toolchain (and PostgreSQL, which
//! the tests talk to). Each command is one module with one `run` function; [`COMMANDS`] is the table that both
//! the dispatch and the help text come from.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod bench;
mod layers;
mod openapi;
mod packages;
mod postgres;
mod suite;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a chore answers. The text of the error is all that the reader gets to see, so it says what to do.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    /// `Ok(false)` means that the command ran, has said what is wrong, and fails.
    run: fn(Vec<String>) -> Result<bool>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        arguments: "[--sqlite-only] [arguments of the test runner]",
        about: "Run the whole suite on SQLite and on a private PostgreSQL cluster",
        run: suite::run,
    },
    Command {
        name: "layers",
        arguments: "",
        about: "Check the arrows between crates and features, and the reasons of dependencies",
        run: layers::run,
    },
    Command {
        name: "openapi",
        arguments: "",
        about: "Write docs/reference/openapi.json from the code",
        run: openapi::run,
    },
    Command {
        name: "bench",
        arguments: "[--quick] [--only login,me,refresh,register,start,memory,mail,botnet] [--json FILE] [--sqlite-only]",
        about: "Load the release build on both databases, beside the limits of this machine",
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: there is no command `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    match (command.run)(arguments.collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text =
        String::from("Checks and chores of this repository.\n\nUsage: cargo xtask <command>\n\nCommands:\n");
    for Command { name, arguments, about, .. } in COMMANDS {
        let usage = format!("{name} {arguments}");
        text.push_str(&format!("  {}\n      {about}\n", usage.trim_end()));
    }
    text
}

/// The root of the workspace: the parent of this package.
fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// The cargo that started us, so that the toolchain stays the same.
fn cargo() -> std::process::Command {
    let program = environment("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = std::process::Command::new(program);
    cargo.current_dir(workspace_root());
    cargo
}

/// Runs a program to its end; true when it ended well.
fn succeeds(command: &mut std::process::Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a program of its own; cargo talks to it in variables"
)]
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_command() {
        for command in COMMANDS {
            assert!(help().contains(&format!("\n  {}", command.name)), "{}", command.name);
        }
    }
}
