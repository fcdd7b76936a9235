//! What is measured, and in which order.

use std::time::Duration;

use crate::crowd::Crowd;
use crate::load::{Sample, Script, median, round};
use crate::people::{
    Login, MakeTask, Me, Refresh, Register, logins, move_in, see_the_lock_out, sign_in, sign_in_among,
};
use crate::process::Process;
use crate::report::{Aim, Pair, Report, Row};
use crate::subject::Subject;
use crate::{CONNECTIONS, Operation, Plan, Result, botnet, limits, mail};

/// Those that want users who have moved in.
const INHABITED: [Operation; 7] = [
    Operation::Login,
    Operation::Me,
    Operation::Task,
    Operation::Refresh,
    Operation::Register,
    Operation::Start,
    Operation::Memory,
];

/// Measures the wanted operations on one database.
pub(crate) async fn measure(
    subject: &Subject,
    plan: &Plan,
    is_wanted: &dyn Fn(Operation) -> bool,
    report: &mut Report,
) -> Result {
    eprintln!("\n{}", subject.engine());
    if INHABITED.into_iter().any(is_wanted) {
        inhabited(subject, plan, is_wanted, report).await?;
    }
    if is_wanted(Operation::Mail) {
        mail::measure(subject, plan, report).await?;
    }
    if is_wanted(Operation::Botnet) {
        botnet::measure(subject, plan, report).await?;
    }
    Ok(())
}

async fn inhabited(
    subject: &Subject,
    plan: &Plan,
    is_wanted: &dyn Fn(Operation) -> bool,
    report: &mut Report,
) -> Result {
    let (server, _) = subject.start(&[]).await?;
    let bench = Bench { subject, plan };
    if is_wanted(Operation::Memory) {
        // The first readiness check has its answer; what it took is settled.
        tokio::time::sleep(Duration::from_secs(2)).await;
        bench.memory(&server, "idle, before the first login", report)?;
    }
    move_in(&server).await?;
    let mut people = match subject.sqlite_file() {
        Some(file) => sign_in_among(&server, &mut Crowd::beside(&file)?).await?,
        None => sign_in(&server).await?,
    };
    if is_wanted(Operation::Me) {
        bench.me(&server, &people, Cache::On, report).await?;
    }
    if is_wanted(Operation::Task) {
        bench.task(&server, &people, report).await?;
    }
    if is_wanted(Operation::Refresh) {
        bench.refresh(&server, &people, report).await?;
    }
    if is_wanted(Operation::Login) {
        bench.login(&server, report).await?;
    }
    if is_wanted(Operation::Register) {
        bench.register(&server, report).await?;
    }
    if is_wanted(Operation::Memory) {
        round(&server, &mut logins(CONNECTIONS[2]), plan).await?;
        tokio::time::sleep(plan.rest).await;
        let what = if plan.rest >= Duration::from_secs(30) {
            "idle, 30 s after the last login"
        } else {
            "idle, soon after the last login"
        };
        bench.memory(&server, what, report)?;
    }
    server.stop().await?;

    if is_wanted(Operation::Me) {
        let (server, _) = subject.start(&[("GATEPOST_USERS_CACHE", "false")]).await?;
        // Another port is another issuer: the old tokens are not valid there.
        people = sign_in(&server).await?;
        bench.me(&server, &people, Cache::Off, report).await?;
        server.stop().await?;
    }
    if is_wanted(Operation::Start) {
        bench.start(report).await?;
    }
    Ok(())
}

/// Whether users are kept in memory between requests.
#[derive(Clone, Copy)]
enum Cache {
    On,
    Off,
}

struct Bench<'a> {
    subject: &'a Subject,
    plan: &'a Plan,
}

impl Bench<'_> {
    fn row(&self, operation: &'static str, connections: usize) -> Row {
        let engine = self.subject.engine();
        Row { engine, operation, connections, figures: Vec::new(), aims: Vec::new() }
    }

    /// Rounds of the subject and its limit, in turns.
    async fn pair<S: Script>(
        &self,
        server: &Process,
        scripts: &mut Vec<S>,
        mut limit: impl AsyncFnMut() -> Result<crate::load::Sample>,
    ) -> Result<(Pair, f64)> {
        let mut pair = Pair::default();
        server.forget_peak();
        for _ in 0..self.plan.rounds {
            pair.limit.merge(limit().await?);
            pair.subject.merge(round(server, scripts, self.plan).await?);
        }
        Ok((pair, server.memory()?.1))
    }

    async fn login(&self, server: &Process, report: &mut Report) -> Result {
        see_the_lock_out(server).await?;
        for connections in CONNECTIONS {
            let mut scripts = logins(connections);
            let (pair, peak) = self.pair(server, &mut scripts, async || limits::hashes(self.plan)).await?;
            let mut row = self.row("login", connections);
            row.figures = pair.figures(peak);
            if connections > 1 {
                row.aims.push(Aim::at_least("of the limit", 0.9, pair.ratio()));
            }
            if connections == 16 {
                // Sixteen callers on two cores: each waits for eight hashes, its own among them.
                let hash_ms = 1_000.0 * limits::cores() as f64 / pair.limit.per_second();
                let hashes = pair.subject.quantile(0.99) / (8.0 * hash_ms);
                row.aims.push(Aim::at_most("p99 in times of 8 hashes", 1.2, hashes));
            }
            report.add(row);
        }
        Ok(())
    }

    async fn register(&self, server: &Process, report: &mut Report) -> Result {
        for connections in CONNECTIONS {
            let newcomer = |number| Register::new(&format!("new-{connections}-{number}@bench.example"));
            let mut scripts = (0..connections).map(newcomer).collect();
            let (pair, peak) = self.pair(server, &mut scripts, async || limits::hashes(self.plan)).await?;
            let mut row = self.row("register", connections);
            row.figures = pair.figures(peak);
            if connections > 1 {
                row.aims.push(Aim::at_least("of the limit", 0.9, pair.ratio()));
            }
            report.add(row);
        }
        Ok(())
    }

    async fn me(&self, server: &Process, people: &[Login], cache: Cache, report: &mut Report) -> Result {
        let Some(somebody) = people.first() else { return Err("nobody is signed in".into()) };
        let copied = limits::Copied::from(server, Me::of(somebody).request()).await?;
        let constant = limits::start_constant(&copied).await?;
        for connections in CONNECTIONS {
            let mut scripts: Vec<_> = people.iter().take(connections).map(Me::of).collect();
            let mut same: Vec<_> = people.iter().take(connections).map(Me::of).collect();
            let (pair, peak) = self
                .pair(server, &mut scripts, async || round(&constant, &mut same, self.plan).await)
                .await?;
            let (name, aim) = match cache {
                Cache::On => ("me, cached", 0.8),
                Cache::Off => ("me, live", 0.5),
            };
            let mut row = self.row(name, connections);
            row.figures = pair.figures(peak);
            row.aims.push(Aim::at_least("of the limit", aim, pair.ratio()));
            report.add(row);
        }
        Ok(())
    }

    /// One durable transaction: whether the caller still may, the row, and its audit row. It has no limit beside it, the aim is a
    /// figure.
    async fn task(&self, server: &Process, people: &[Login], report: &mut Report) -> Result {
        for connections in CONNECTIONS {
            let mut scripts: Vec<_> = people.iter().take(connections).map(MakeTask::of).collect();
            let mut made = Sample::default();
            server.forget_peak();
            for _ in 0..self.plan.rounds {
                made.merge(round(server, &mut scripts, self.plan).await?);
            }
            let mut row = self.row("task", connections);
            row.figures = vec![
                ("per_second", made.per_second()),
                ("p50_ms", made.quantile(0.5)),
                ("p99_ms", made.quantile(0.99)),
                ("errors", made.errors as f64),
                ("server_cpu_us", median(&made.cpu)),
                ("peak_mib", server.memory()?.1),
            ];
            if connections == 64 && self.subject.postgres.is_none() {
                row.aims.push(Aim::at_least("a second", 8_000.0, made.per_second()));
            }
            report.add(row);
        }
        Ok(())
    }

    async fn refresh(&self, server: &Process, people: &[Login], report: &mut Report) -> Result {
        let folder = self.subject.folder.path();
        let mut scripts: Vec<_> = people.iter().map(Refresh::of).collect();
        if let Some(postgres) = &self.subject.postgres {
            let limit = limits::PgBench::prepare(postgres, folder).await?;
            for connections in CONNECTIONS {
                let mut some = scripts.drain(..connections).collect();
                let (pair, peak) =
                    self.pair(server, &mut some, async || limit.round(connections, self.plan).await).await?;
                scripts.splice(..0, some);
                let mut row = self.row("refresh", connections);
                row.figures = pair.figures(peak);
                row.aims.push(Aim::at_least("of the limit", 0.5, pair.ratio()));
                report.add(row);
            }
            return Ok(());
        }
        let mut limit = limits::BareWriter::start(folder).await?;
        for connections in CONNECTIONS {
            let mut some = scripts.drain(..connections).collect();
            let (pair, peak) =
                self.pair(server, &mut some, async || limit.round(connections, self.plan).await).await?;
            scripts.splice(..0, some);
            let mut row = self.row("refresh", connections);
            row.figures = pair.figures(peak);
            if connections == 64 {
                row.aims.push(Aim::at_least("a second", 10_000.0, pair.subject.per_second()));
                row.aims.push(Aim::at_least("of the limit", 0.35, pair.ratio()));
            }
            report.add(row);
        }
        Ok(())
    }

    /// From the start of the process to the first 200 of `/readyz`, on a database that is there.
    async fn start(&self, report: &mut Report) -> Result {
        let mut millis = Vec::new();
        for _ in 0..self.plan.starts {
            let (server, took) = self.subject.start(&[]).await?;
            millis.push(took.as_secs_f64() * 1_000.0);
            server.stop().await?;
        }
        let mut row = self.row("start", 0);
        let slowest = millis.iter().copied().fold(0.0, f64::max);
        row.figures = vec![("median_ms", median(&millis)), ("slowest_ms", slowest)];
        row.aims.push(Aim::at_most("ms to ready", 100.0, median(&millis)));
        report.add(row);
        Ok(())
    }

    fn memory(&self, server: &Process, what: &'static str, report: &mut Report) -> Result {
        let (resident, peak) = server.memory()?;
        let mut row = self.row(what, 0);
        row.figures = vec![("resident_mib", resident), ("peak_mib", peak)];
        row.aims.push(Aim::at_most("MiB resident", 25.0, resident));
        report.add(row);
        Ok(())
    }
}
