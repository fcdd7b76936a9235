//! Loads a release build of Gatepost over loopback and prints what came out, beside the limit that the same machine
//! reached in the same run. `cargo xtask bench` builds everything, starts PostgreSQL and calls this program;
//! `docs/reference/benchmarks.md` says what each number means.
//!
//! It never judges: an aim that was missed is printed, and the exit code stays 0.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod botnet;
mod client;
mod crowd;
mod embedded;
mod limits;
mod load;
mod mail;
mod operations;
mod people;
mod process;
mod report;
mod subject;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use self::report::Report;
use self::subject::{Postgres, Subject};

/// What a step answers.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Gatepost beside its limits.
#[derive(Parser)]
struct Arguments {
    /// Shorter rounds: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Only these operations.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Operation>,
    /// Leave PostgreSQL out.
    #[arg(long)]
    sqlite_only: bool,
    /// Leave SQLite out.
    #[arg(long, conflicts_with = "sqlite_only")]
    postgres_only: bool,
    /// Where to write the figures as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    /// The server to measure; by default the `gatepost` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The URL of a PostgreSQL role that may create databases.
    #[arg(long, requires = "postgres_programs")]
    postgres: Option<String>,
    /// The folder that holds `pgbench`.
    #[arg(long)]
    postgres_programs: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program becomes when it starts itself.
#[derive(Subcommand)]
enum Role {
    /// The limit of `me`: serves one constant.
    #[command(hide = true)]
    ConstantServer {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        etag: String,
        #[arg(long)]
        body: String,
    },
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Login,
    Me,
    Task,
    Refresh,
    Register,
    Start,
    Memory,
    Mail,
    Botnet,
}

/// How long to look.
#[derive(Clone, Copy)]
struct Plan {
    /// At the beginning of each round, not measured.
    warm_up: Duration,
    /// One round.
    round: Duration,
    /// Subject and limit take turns so often.
    rounds: usize,
    /// After the last login, before memory is looked at.
    rest: Duration,
    /// How often the server is started.
    starts: usize,
    /// How many mails are owed at the same time.
    mails: usize,
    /// How often the server is killed.
    kills: usize,
    /// How often a botnet comes in a day without having been told to.
    knocks: u32,
}

const THOROUGH: Plan = Plan {
    warm_up: Duration::from_millis(700),
    round: Duration::from_millis(2_500),
    rounds: 3,
    rest: Duration::from_secs(30),
    starts: 15,
    mails: 2_000,
    kills: 50,
    knocks: 20_000,
};

const QUICK: Plan = Plan {
    warm_up: Duration::from_millis(300),
    round: Duration::from_millis(700),
    rounds: 2,
    rest: Duration::from_secs(12),
    starts: 5,
    mails: 500,
    kills: 10,
    knocks: 10_000,
};

/// How many connections load the server.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::ConstantServer { listen, etag, body }) => limits::constant_server(listen, &etag, body),
        None => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatepost-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The load generator has one thread: it shares the cores with what it measures.
fn run(arguments: &Arguments) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &Arguments) -> Result {
    let plan = if arguments.quick { QUICK } else { THOROUGH };
    let server = match &arguments.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("gatepost"),
    };
    let is_wanted = |operation: Operation| arguments.only.is_empty() || arguments.only.contains(&operation);
    let mut subjects = Vec::new();
    if !arguments.postgres_only {
        subjects.push(Subject::on_sqlite(&server)?);
    }
    if !arguments.sqlite_only {
        let (Some(url), Some(programs)) = (&arguments.postgres, &arguments.postgres_programs) else {
            return Err("without --postgres and --postgres-programs, say --sqlite-only".into());
        };
        let postgres = Postgres { url: url.clone(), programs: programs.clone() };
        subjects.push(Subject::on_postgres(&server, postgres).await?);
    }
    let mut report = Report::new(arguments.quick);
    for subject in &subjects {
        operations::measure(subject, &plan, &is_wanted, &mut report).await?;
    }
    report.save(&arguments.json)?;
    println!("\n{report}");
    println!("written to {}", arguments.json.display());
    Ok(())
}
