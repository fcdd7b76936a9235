//! The limit of refreshing on SQLite: one thread that does the server's own rotation with group commit, and clients
//! that wait for it on channels. No HTTP, no tokens, no signature; the same durability.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Instant;
use std::{slice, thread};

use async_channel::{Receiver, Sender};
use gatepost_db::migrate;
use gatepost_db::{Db, Options, Target};
use gatepost_kernel::Clock;
use gatepost_server::features::MIGRATIONS;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::rotation;
use crate::crowd::{Crowd, LATER, SEALED, hash, insert_session, key};
use crate::load::{Sample, Window};
use crate::{CONNECTIONS, Plan, Result};

/// The most rotations in one transaction, as in the server.
const BATCH: usize = 256;

/// The writer, and the rows that it rotates: one for each client.
pub(crate) struct BareWriter {
    jobs: Sender<Rotation>,
    generations: Vec<u64>,
    thread: Option<JoinHandle<Result>>,
}

struct Rotation {
    client: usize,
    generation: u64,
    answer: oneshot::Sender<()>,
}

impl BareWriter {
    /// Makes a database with the server's schema and starts the thread.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let path = folder.join("limit.db");
        drop(std::fs::remove_file(&path));
        let db = Db::open(&Target::Sqlite(path.clone()), Options::default()).await?;
        migrate::up(&db, slice::from_ref(&MIGRATIONS), &Clock::system(), None).await?;
        db.close().await;

        let clients = CONNECTIONS[2];
        let connection = Connection::open(&path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA mmap_size = 0",
        )?;
        let mut crowd = Crowd::beside(&path)?;
        for client in 0..clients {
            let user = insert_user(&connection, client)?;
            insert_session(&connection, &user, client)?;
            crowd.arrive()?;
        }
        let (jobs, queue) = async_channel::bounded(1_024);
        let thread = thread::spawn(move || write(&connection, &queue));
        Ok(Self { jobs, generations: vec![0; clients], thread: Some(thread) })
    }

    /// One round with so many clients.
    pub(crate) async fn round(&mut self, clients: usize, plan: &Plan) -> Result<Sample> {
        let window = Window::of(plan);
        let mut tasks = Vec::new();
        for (client, generation) in self.generations.iter().copied().enumerate().take(clients) {
            let jobs = self.jobs.clone();
            tasks.push(tokio::spawn(rotate(jobs, client, generation, window)));
        }
        let mut count = 0;
        for (generation, task) in self.generations.iter_mut().zip(tasks) {
            let Some((reached, counted)) = task.await? else {
                let why = self.thread.take().and_then(|thread| thread.join().ok()).and_then(Result::err);
                return Err(why.unwrap_or_else(|| "the bare writer has stopped".into()));
            };
            *generation = reached;
            count += counted;
        }
        Ok(Sample::of_rate(window.rate(count)))
    }
}

/// One client. `None` when the writer has stopped.
async fn rotate(
    jobs: Sender<Rotation>,
    client: usize,
    mut generation: u64,
    window: Window,
) -> Option<(u64, usize)> {
    let mut counted = 0;
    loop {
        let (answer, answered) = oneshot::channel();
        jobs.send(Rotation { client, generation, answer }).await.ok()?;
        answered.await.ok()?;
        generation += 1;
        let now = Instant::now();
        counted += usize::from(window.holds(now));
        if now >= window.to {
            return Some((generation, counted));
        }
    }
}

/// The life of the writer: take what is there, rotate, commit, answer. It ends when a rotation finds nothing to swap.
fn write(connection: &Connection, queue: &Receiver<Rotation>) -> Result {
    let mut rotate = connection.prepare(rotation()?.sqlite())?;
    let (mut begin, mut commit) = (connection.prepare("BEGIN IMMEDIATE")?, connection.prepare("COMMIT")?);
    let mut batch = Vec::new();
    while let Ok(first) = queue.recv_blocking() {
        begin.raw_execute()?;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let Rotation { client, generation, .. } = &job;
            let hashes = [key(*client), hash(*generation), hash(generation + 1)];
            let now = i64::try_from(*generation)?;
            let swapped = rotate.query_row(
                params![hashes[0], hashes[1], hashes[2], SEALED, hashes[0], now, LATER, "gatepost"],
                |row| row.get::<_, i64>(4),
            );
            swapped?;
            batch.push(job);
            if batch.len() < BATCH {
                next = queue.try_recv().ok();
            }
        }
        commit.raw_execute()?;
        for job in batch.drain(..) {
            // The client waits for it.
            let _ = job.answer.send(());
        }
    }
    Ok(())
}

fn insert_user(connection: &Connection, client: usize) -> Result<Vec<u8>> {
    let id = key(client)[16..].to_vec();
    connection.execute(
        "INSERT INTO users (id, email, email_canonical, email_verified, is_active, auth_epoch, version, created_at, \
         updated_at) VALUES (?1, ?2, ?2, 1, 1, 0, 1, 0, 0)",
        params![id, format!("user-{client}@bench.example")],
    )?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_servers_rotation_swaps_with_what_the_bare_writer_binds() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = BareWriter::start(folder.path()).await.unwrap();
        let moment = Duration::from_millis(1);
        let plan = Plan { warm_up: moment, round: moment, rounds: 1, ..crate::QUICK };
        writer.round(2, &plan).await.unwrap();
        assert!(writer.generations[0] > 0 && writer.generations[1] > 0);
    }
}
