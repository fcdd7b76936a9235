//! The limit of refreshing on SQLite: one thread that does the server's own rotation with group commit, and clients
//! that wait for it on channels. No HTTP, no tokens, no signature; the same durability.

use std::path::Path;
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
use crate::load::{Sample, Window};
use crate::{CONNECTIONS, Plan, Result};

/// The most rotations in one transaction, as in the server.
const BATCH: usize = 256;

/// As long as a token of the server that was sealed for a replay.
const SEALED: [u8; 60] = [7; 60];

/// A time that no row has reached.
const LATER: i64 = i64::MAX / 2;

/// The writer, and the rows that it rotates: one for each client.
pub(crate) struct BareWriter {
    jobs: Sender<Rotation>,
    generations: Vec<u64>,
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
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA mmap_size = 0",
        )?;
        for client in 0..clients {
            insert(&connection, client)?;
        }
        let (jobs, queue) = async_channel::bounded(1_024);
        thread::spawn(move || write(&connection, &queue));
        Ok(Self { jobs, generations: vec![0; clients] })
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
            let (reached, counted) = task.await?.ok_or("the bare writer has stopped")?;
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
            let swapped = rotate
                .query_row(params![hashes[0], hashes[1], hashes[2], SEALED, hashes[0], now, LATER], |row| {
                    row.get::<_, i64>(4)
                });
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

/// A hash-like value that tells a client or a generation.
fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[24..].copy_from_slice(&number.to_be_bytes());
    hash
}

/// As in real life the keys of neighbours are far apart.
fn key(client: usize) -> [u8; 32] {
    hash((client as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn insert(connection: &Connection, client: usize) -> Result {
    let id = &key(client)[16..];
    connection.execute(
        "INSERT INTO users (id, email, email_canonical, email_verified, is_active, auth_epoch, version, created_at, \
         updated_at) VALUES (?1, ?2, ?2, 1, 1, 0, 1, 0, 0)",
        params![id, format!("user-{client}@bench.example")],
    )?;
    connection.execute(
        "INSERT INTO sessions (id, user_id, client_id, auth_epoch, method, created_at, proven_at, version) \
         VALUES (?1, ?1, 'gatepost', 0, 'password', 0, 0, 1)",
        params![id],
    )?;
    connection.execute(
        "INSERT INTO refresh_families (selector_hash, session_id, user_id, client_id, auth_epoch, current_hash, \
         generation, created_at, rotated_at, idle_until, absolute_until, status) \
         VALUES (?1, ?2, ?2, 'gatepost', 0, ?3, 0, 0, 0, ?4, ?4, 'active')",
        params![key(client), id, hash(0), LATER],
    )?;
    Ok(())
}
