//! `cargo xtask bench`: builds the server and the load generator in release, starts PostgreSQL as in production, and
//! runs the one against the other. What the numbers mean stands in `docs/reference/benchmarks.md`.

use crate::postgres::{Cluster, Fsync};
use crate::{Result, cargo, succeeds};

/// Runs the benchmarks; true when they ran, whatever they showed.
///
/// # Errors
///
/// When PostgreSQL cannot be started.
pub(crate) fn run(arguments: Vec<String>) -> Result<bool> {
    let build = ["build", "--release", "--package", "gatepost", "--package", "gatepost-bench"];
    if !succeeds(cargo().args(build)) {
        return Ok(false);
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
