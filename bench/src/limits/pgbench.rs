//! The limit of refreshing on PostgreSQL: `pgbench` with the server's own rotation, at READ COMMITTED, on a table of
//! the same shape beside the server's.

use std::path::PathBuf;
use std::process::Command;
use std::slice;
use std::time::Duration;

use gatepost_db::migrate;
use gatepost_db::{Db, Options, Target};
use gatepost_kernel::{Clock, Secret};
use gatepost_server::features::MIGRATIONS;
use tokio_postgres::{Client, NoTls};

use super::rotation;
use crate::crowd::LATER;
use crate::load::Sample;
use crate::subject::Postgres;
use crate::{CONNECTIONS, Plan, Result};

/// `pgbench`, ready to be run.
pub(crate) struct PgBench {
    program: PathBuf,
    url: String,
    script: PathBuf,
    client: Client,
}

impl PgBench {
    /// Makes the table, with one row for each client, and the script.
    pub(crate) async fn prepare(postgres: &Postgres, folder: &std::path::Path) -> Result<Self> {
        let url = postgres.limit();
        let target = Target::Postgres {
            url: Secret::new(url.clone()),
            connections: 1,
            statement_timeout: Duration::from_secs(5),
        };
        let db = Db::open(&target, Options::default()).await?;
        migrate::up(&db, slice::from_ref(&MIGRATIONS), &Clock::system(), None).await?;
        db.close().await;

        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(&rows(CONNECTIONS[2])).await?;
        let script = folder.join("rotation.sql");
        std::fs::write(&script, script_text(rotation()?.postgres()))?;
        // Where somebody linked the server's programs onto `PATH` one by one, this one may be elsewhere on it.
        let beside = postgres.programs.join("pgbench");
        let program = if beside.is_file() { beside } else { "pgbench".into() };
        Ok(Self { program, url, script, client })
    }

    /// One round with so many clients; how many a second rotated.
    pub(crate) async fn round(&self, clients: usize, plan: &Plan) -> Result<Sample> {
        let reset =
            format!("UPDATE refresh_families SET generation = 0, current_hash = {}", hash("0::bigint"));
        self.client.batch_execute(&reset).await?;
        // In whole seconds, which is what it takes; its own connecting is not in its figure.
        let seconds = plan.round.as_secs_f64().ceil().to_string();
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--define=g=0"])
            .args([format!("--client={clients}"), format!("--time={seconds}")])
            .arg("--file")
            .arg(&self.script)
            .arg(&self.url);
        // It must not stop the task that drives our own connection.
        let ran = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = ran.map_err(|error| format!("cannot run pgbench: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |name: &str| {
            let rest = said.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.split('/').next()?.parse::<f64>().ok()
        };
        let figures = (number("tps = "), number("number of transactions actually processed: "));
        let (true, (Some(rate), Some(done))) = (output.status.success(), figures) else {
            return Err(format!("pgbench failed: {said}{}", String::from_utf8_lossy(&output.stderr)).into());
        };
        let sum = "SELECT sum(generation)::bigint FROM refresh_families";
        let swapped: i64 = self.client.query_one(sum, &[]).await?.try_get(0)?;
        if (swapped as f64) < done {
            return Err(format!("pgbench ran {done} statements, of which only {swapped} swapped").into());
        }
        Ok(Sample::of_rate(rate))
    }
}

/// The bytes that stand for a generation, as SQL.
fn hash(number: &str) -> String {
    format!("decode(lpad(to_hex({number}), 64, '0'), 'hex')")
}

/// The key of a client's row, as SQL; keys of neighbours are far apart.
fn key(client: &str) -> String {
    format!("sha256(({client})::text::bytea)")
}

/// The rotation with its parameters filled in. `g` is the generation that the client has reached.
fn script_text(rotation: &str) -> String {
    let sealed = format!("decode('{}', 'hex')", "07".repeat(60));
    let parameters = [
        key(":client_id::bigint"),
        hash(":g::bigint"),
        hash(":g::bigint + 1"),
        sealed,
        hash("7::bigint"),
        ":g::bigint".to_owned(),
        format!("{LATER}::bigint"),
        "'gatepost'".to_owned(),
    ];
    let mut text = rotation.to_owned();
    for (position, value) in parameters.iter().enumerate() {
        text = text.replace(&format!("${}", position + 1), value);
    }
    format!("{text};\n\\set g :g + 1\n")
}

fn rows(clients: usize) -> String {
    let id = "md5(n::text)::uuid";
    let from = format!("FROM generate_series(0, {clients} - 1) AS n");
    format!(
        "INSERT INTO users (id, email, email_canonical, email_verified, is_active, auth_epoch, version, created_at, \
         updated_at) SELECT {id}, n || '@bench.example', n || '@bench.example', true, true, 0, 1, 0, 0 {from};
         INSERT INTO sessions (id, user_id, client_id, auth_epoch, method, created_at, proven_at, version) \
         SELECT {id}, {id}, 'gatepost', 0, 'password', 0, 0, 1 {from};
         INSERT INTO refresh_families (selector_hash, session_id, user_id, client_id, auth_epoch, current_hash, \
         generation, created_at, rotated_at, idle_until, absolute_until, status) \
         SELECT {key}, {id}, {id}, 'gatepost', 0, {first}, 0, 0, 0, {LATER}, {LATER}, 'active' {from};",
        key = key("n"),
        first = hash("0::bigint"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_the_rotation_is_filled_in() {
        let text = script_text(rotation().unwrap().postgres());
        assert!(!text.contains('$') && text.contains(":client_id"), "{text}");
    }
}
