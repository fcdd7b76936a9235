//! `cargo xtask test`: every test of the workspace, on both databases, and one honest line at the end.

mod summary;

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use self::summary::{Counts, Runner};
use crate::postgres::{Cluster, Fsync};
use crate::{Result, cargo, environment, packages};

/// Where the tests find PostgreSQL.
const POSTGRES_URL: &str = "GATEPOST_TEST_POSTGRES_URL";

/// Says that the missing URL is a decision, so that a test can tell it from a forgotten one.
const SQLITE_ONLY: &str = "GATEPOST_TEST_SQLITE_ONLY";

/// What the command line asks for.
#[derive(Default, PartialEq, Eq, Debug)]
struct Plan {
    sqlite_only: bool,
    /// `-p <package>` and the like; empty means the whole workspace.
    packages: Vec<String>,
    /// For the test runner, as they are.
    others: Vec<String>,
}

impl Plan {
    fn read(arguments: Vec<String>) -> Self {
        let mut plan = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--sqlite-only" => plan.sqlite_only = true,
                "-p" | "--package" => {
                    plan.packages.push(argument);
                    plan.packages.extend(arguments.next());
                }
                joined if joined.starts_with("--package=") => plan.packages.push(argument),
                // What follows is for the test binaries, whatever it looks like.
                "--" => {
                    plan.others.push(argument);
                    plan.others.extend(arguments.by_ref());
                }
                _ => plan.others.push(argument),
            }
        }
        plan
    }

    fn selection(&self) -> Vec<&str> {
        if self.packages.is_empty() {
            vec!["--workspace"]
        } else {
            self.packages.iter().map(String::as_str).collect()
        }
    }

    /// The runs, in order. Doc tests are a run of their own, because nextest has none. A filter is not passed
    /// on to them: it is written for the other runner.
    fn runs(&self, nextest: bool) -> Vec<(Runner, Vec<&str>)> {
        let others = self.others.iter().map(String::as_str);
        let (runner, words) = if nextest {
            // That no test ran is counted below, over all runs.
            (Runner::Nextest, vec!["nextest", "run", "--no-fail-fast", "--no-tests=pass"])
        } else {
            // `--tests`, because the default would run the doc tests here and once more below.
            (Runner::Libtest, vec!["test", "--no-fail-fast", "--tests"])
        };
        let mut runs = vec![(runner, words.into_iter().chain(self.selection()).chain(others).collect())];
        if self.others.is_empty() {
            let doc = ["test", "--no-fail-fast", "--doc"];
            runs.push((Runner::Libtest, doc.into_iter().chain(self.selection()).collect()));
        }
        runs
    }
}

/// Runs the suite; true when at least one test ran and none failed.
///
/// # Errors
///
/// When PostgreSQL cannot be started, or a runner not be run.
pub(crate) fn run(arguments: Vec<String>) -> Result<bool> {
    let plan = Plan::read(arguments);
    packages::ensure()?;
    let mut total = Counts::default();
    let cluster = if plan.sqlite_only {
        eprintln!(
            "\nxtask: WARNING: PostgreSQL IS NOT TESTED (--sqlite-only). Half of the promises are unchecked.\n"
        );
        total.skipped += 1;
        None
    } else {
        Some(Cluster::start(Fsync::Off)?)
    };
    if !plan.others.is_empty() {
        eprintln!("xtask: with a filter the doc tests are left out");
    }
    for (runner, words) in plan.runs(nextest_is_installed()) {
        let mut command = cargo();
        command.args(&words).env_remove(POSTGRES_URL).env_remove(SQLITE_ONLY);
        match &cluster {
            Some(cluster) => command.env(POSTGRES_URL, cluster.url()),
            None => command.env(SQLITE_ONLY, "1"),
        };
        let (ended_well, lines) = tee(&mut command)?;
        let mut counts = runner.counts(&lines);
        if !ended_well && counts.failed == 0 && !has_no_library(&lines) {
            eprintln!("xtask: `cargo {}` failed without naming a test; counted as 1 failed", words.join(" "));
            counts.failed = 1;
        }
        total += counts;
    }
    drop(cluster);

    if total.passed + total.failed == 0 {
        eprintln!("xtask: no test ran");
    }
    println!("{total}");
    Ok(total.failed == 0 && total.passed > 0)
}

/// A program such as xtask has no doc tests, and cargo takes the wish for them as an error.
fn has_no_library(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("error: no library targets found in package"))
}

fn nextest_is_installed() -> bool {
    cargo().args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Runs a command, shows what it prints while it prints, and returns whether it ended well, with its lines.
fn tee(command: &mut Command) -> Result<(bool, Vec<String>)> {
    if std::io::stderr().is_terminal() && environment("CARGO_TERM_COLOR").is_none() {
        // The runners see a pipe, and would think that nobody can see colours.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let lines = std::thread::scope(|scope| -> Result<Vec<String>> {
        let errors = scope.spawn(|| stderr.map_or(Ok(Vec::new()), |pipe| copy(pipe, std::io::stderr())));
        let mut lines = stdout.map_or(Ok(Vec::new()), |pipe| copy(pipe, std::io::stdout()))?;
        lines.extend(errors.join().map_err(|_| "the thread that copies the output panicked")??);
        Ok(lines)
    })?;
    Ok((child.wait()?.success(), lines))
}

fn copy(from: impl Read, mut to: impl Write) -> std::io::Result<Vec<String>> {
    let mut from = BufReader::new(from);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        lines.push(summary::plain(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> Plan {
        Plan::read(words.split_whitespace().map(String::from).collect())
    }

    #[test]
    fn without_arguments_everything_runs() {
        let plan = plan("");
        let runs = plan.runs(true);
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0].1, ["nextest", "run", "--no-fail-fast", "--no-tests=pass", "--workspace"]);
        assert_eq!(runs[1].1, ["test", "--no-fail-fast", "--doc", "--workspace"]);
    }

    #[test]
    fn without_nextest_no_doc_test_runs_twice() {
        let plan = plan("");
        let runs = plan.runs(false);
        assert_eq!(runs[0].1, ["test", "--no-fail-fast", "--tests", "--workspace"]);
        assert_eq!(runs[1].1, ["test", "--no-fail-fast", "--doc", "--workspace"]);
    }

    #[test]
    fn a_package_takes_the_place_of_the_workspace_in_both_runs() {
        let plan = plan("-p gatepost-kernel --package=gatepost-db --sqlite-only");
        assert!(plan.sqlite_only);
        for (_, words) in plan.runs(true) {
            assert!(words.ends_with(&["-p", "gatepost-kernel", "--package=gatepost-db"]), "{words:?}");
        }
    }

    #[test]
    fn a_filter_goes_to_the_runner_and_leaves_the_doc_tests_out() {
        let plan = plan("a_link_works_once -- --sqlite-only -p");
        assert!(!plan.sqlite_only);
        let runs = plan.runs(true);
        assert_eq!(runs.len(), 1);
        assert!(runs[0].1.ends_with(&["--workspace", "a_link_works_once", "--", "--sqlite-only", "-p"]));
    }
}
