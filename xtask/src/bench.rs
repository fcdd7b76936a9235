//! `cargo xtask bench`: builds the server and the load generator in release, starts PostgreSQL as in production, and
//! runs the one against the other. What the numbers mean stands in `docs/reference/benchmarks.md`.

use crate::postgres::{Cluster, Fsync};
use crate::{Result, cargo, packages, succeeds};

/// Runs the benchmarks; true when they ran, whatever they showed.
///
/// # Errors
///
/// When PostgreSQL cannot be started, or there is no mail server.
pub(crate) fn run(arguments: Vec<String>) -> Result<bool> {
    let build = ["build", "--release", "--package", "gatepost", "--package", "gatepost-bench"];
    if !succeeds(cargo().args(build)) {
        return Ok(false);
    }
    if wants_a_mail_server(&arguments) {
        packages::ensure()?;
    }
    let sqlite_only = arguments.iter().any(|argument| argument == "--sqlite-only");
    let cluster = if sqlite_only { None } else { Some(Cluster::start(Fsync::On)?) };
    let mut bench = cargo();
    bench.args(["run", "--release", "--quiet", "--package", "gatepost-bench", "--"]);
    if let Some(cluster) = &cluster {
        bench.arg("--postgres").arg(cluster.url()).arg("--postgres-programs").arg(cluster.programs());
    }
    Ok(succeeds(bench.args(arguments)))
}

fn wants_a_mail_server(arguments: &[String]) -> bool {
    let mut chosen = arguments.iter().skip_while(|argument| !argument.starts_with("--only")).take(2);
    let is_all = !arguments.iter().any(|argument| argument.starts_with("--only"));
    is_all || chosen.any(|argument| argument.split([',', '=']).any(|operation| operation == "mail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_wanted_where_mail_is_measured() {
        let wants =
            |line: &str| wants_a_mail_server(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(wants("") && wants("--quick") && wants("--only login,mail") && wants("--quick --only=mail"));
        assert!(!wants("--only login") && !wants("--only=login --json mail"));
    }
}
