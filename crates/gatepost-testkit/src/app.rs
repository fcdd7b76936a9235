//! The application under test.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use gatepost_db::testing::{Engine, Scratch, patient, scratch};
use gatepost_db::{Db, Options, Param, Statement, migrate};
use gatepost_kernel::{Random, Secret};
use gatepost_server::app::{Ingredients, StartError};
use gatepost_server::config::{Config, Raw};
use gatepost_server::features::MIGRATIONS;
use gatepost_server::http::{HttpParts, finish, router};
use gatepost_server::keys::MasterKey;
use gatepost_server::passwords::HashParams;
use gatepost_server::{App, Extension};
use http::Method;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::canary::{LogBuffer, Secrets};
use crate::client::Call;
use crate::clock::ManualClock;

/// How the application is set up, where a test wants it otherwise.
#[derive(Clone, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    extension: Extension,
}

impl Setup {
    /// As shipped, but for cheap hashes.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this setting, written as on the command line.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With what an application around Gatepost adds.
    #[must_use]
    pub fn extended(mut self, extension: Extension) -> Self {
        self.extension = extension;
        self
    }

    /// As this function makes it.
    #[must_use]
    pub fn changed(self, change: fn(Self) -> Self) -> Self {
        change(self)
    }

    fn config(&self, data_dir: PathBuf) -> Config {
        let variables = self.settings.iter().map(|(key, value)| {
            let name = format!("GATEPOST_{}", key.to_ascii_uppercase().replace('.', "_"));
            (std::ffi::OsString::from(name), std::ffi::OsString::from(value))
        });
        let raw = Raw::new().env(variables);
        let mut config = Config::load(&raw).unwrap_or_else(|problems| panic!("{problems}"));
        let is_set = |name: &str| self.settings.iter().any(|(key, _)| key == name);
        config.server.data_dir = data_dir;
        // Tests count hashes; nobody attacks these. A test that needs slow ones says so.
        if !is_set("password.hash.memory_kib") {
            config.passwords.params = HashParams::below_the_floor(64, 1, 1).unwrap();
        }
        // The machine that runs the tests may be slow; a test that is about the wait sets its own.
        if !is_set("password.hash.wait") {
            config.passwords.wait = std::time::Duration::from_secs(60);
        }
        if !is_set("limits.redis_timeout") {
            config.limits.redis_timeout = std::time::Duration::from_secs(60);
        }
        // All tests come from one address. A test that is about limits says `limits.exempt` is empty.
        if !is_set("limits.exempt") {
            config.limits.exempt = ["0.0.0.0/0", "::/0"].map(|all| all.parse().unwrap()).into();
        }
        config
    }
}

/// What outlives a node: where its database is, what it must not do.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) secrets: Secrets,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    pub(crate) fn failed(&self, what: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// What a node is started with.
struct Plan<'a> {
    db: Db,
    data_dir: PathBuf,
    setup: &'a Setup,
    seed: u64,
    clock: &'a ManualClock,
    watch: Watch,
    master: MasterKey,
}

/// One server process, as far as a test can tell: caches and threads of its own.
#[derive(Clone)]
pub struct Node {
    /// The application, for what HTTP cannot reach.
    pub app: App,
    router: Router,
    watch: Watch,
}

impl Node {
    async fn start(plan: Plan<'_>) -> Result<Self, StartError> {
        let Plan { db, data_dir, setup, seed, clock, watch, master } = plan;
        let rng = Mutex::new(ChaCha20Rng::seed_from_u64(seed));
        let random = Random::from_fn(move |buffer| {
            rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buffer);
        });
        let app = App::start(Ingredients {
            config: setup.config(data_dir),
            issuer: "http://127.0.0.1:8080".to_owned(),
            db,
            clock: clock.clock(),
            random,
            master,
            extension: setup.extension.clone(),
        })
        .await?;
        let router = finish(router(app.clone()), HttpParts::new(app.clock.clone(), app.random.clone()));
        Ok(Self { app, router, watch })
    }

    /// A request to be put together.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(self.router.clone(), self.watch.clone(), method, path)
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// `POST`.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// `PUT`.
    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// `PATCH`.
    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Asserts that an answer like this never passes: for a value that no answer carries.
    pub fn is_secret(&self, kind: &'static str, secret: &str) {
        self.watch.secrets.note(kind, secret);
    }
}

/// What every node seals its secrets under.
pub fn master_key() -> MasterKey {
    MasterKey::from_bytes(Secret::new([42; 32]))
}

/// An application on a database of its own.
pub struct TestApp {
    node: Node,
    /// The hand on the clock of every node.
    pub clock: ManualClock,
    /// Which database this is.
    pub engine: Engine,
    setup: Setup,
    scratch: Scratch,
    log: LogBuffer,
    /// Where in the log this application begins.
    start: usize,
}

impl Deref for TestApp {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl TestApp {
    /// Starts an application with an empty database. Its randomness follows from the name.
    pub async fn start(engine: Engine, name: &str, setup: Setup) -> Self {
        let log = LogBuffer::install();
        // Every write function runs twice, to prove that a rerun is harmless.
        let scratch = scratch(engine, Options { rehearse: true, ..patient() }).await;
        let clock = ManualClock::new();
        migrate::up(&scratch.db, std::slice::from_ref(&MIGRATIONS), &clock.clock(), None).await.unwrap();
        let watch = Watch { secrets: Secrets::default(), failures: Arc::default() };
        let start = log.len();
        let (db, seed, master) = (scratch.db.clone(), seed(name), master_key());
        let data_dir = scratch.folder.path().join("data");
        let node = Node::start(Plan { db, data_dir, setup: &setup, seed, clock: &clock, watch, master })
            .await
            .unwrap();
        Self { node, clock, engine, setup, scratch, log, start }
    }

    /// A second node on the same database, with its own connections, caches and keys in memory.
    pub async fn second_node(&self) -> Node {
        self.try_second_node(master_key()).await.unwrap()
    }

    /// A second node that was given this master key.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn try_second_node(&self, master: MasterKey) -> Result<Node, StartError> {
        let db = Db::open(&self.scratch.target, patient()).await.unwrap();
        let (seed, watch) = (seed("the second node"), self.node.watch.clone());
        let data_dir = self.scratch.folder.path().join("data");
        Node::start(Plan { db, data_dir, setup: &self.setup, seed, clock: &self.clock, watch, master }).await
    }

    /// Where the database is, for another process.
    pub fn target(&self) -> &gatepost_db::Target {
        &self.scratch.target
    }

    /// The database, to look behind the scenes.
    pub fn db(&self) -> &Db {
        &self.scratch.db
    }

    /// The number that a query finds.
    pub async fn number(&self, sql: &'static str, params: &[Param<'_>]) -> i64 {
        self.db().read_one(statement(sql), params, |row| row.get(0)).await.unwrap().unwrap()
    }

    /// The text that a query finds, if it finds a row.
    pub async fn text(&self, sql: &'static str, params: &[Param<'_>]) -> Option<String> {
        self.db().read_one(statement(sql), params, |row| row.get(0)).await.unwrap()
    }

    /// The bytes that a query finds, if it finds a row.
    pub async fn bytes(&self, sql: &'static str, params: &[Param<'_>]) -> Option<Vec<u8>> {
        self.db().read_one(statement(sql), params, |row| row.get(0)).await.unwrap()
    }

    /// Runs a statement behind the application's back, which its caches do not notice.
    pub async fn execute(&self, sql: &'static str, params: &[Param<'static>]) -> u64 {
        let (statement, params) = (statement(sql), params.to_vec());
        self.db().write(move |tx| tx.execute(statement, &params)).await.unwrap_or_else(|e| panic!("{e:?}"))
    }
}

/// The statement of a text: one each, because engines keep what they have prepared.
fn statement(sql: &'static str) -> &'static Statement {
    static KNOWN: Mutex<BTreeMap<&str, &Statement>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(sql).or_insert_with(|| Box::leak(Box::new(Statement::new("test", sql))))
}

/// FNV-1a: names give seeds.
fn seed(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let failures = self.node.watch.failures.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.is_empty(), "answers that no client should see: {failures:#?}");
        let mut files = Vec::new();
        if self.engine == Engine::Sqlite {
            for entry in std::fs::read_dir(self.scratch.folder.path()).unwrap() {
                let path = entry.unwrap().path();
                // What lies in the data directory itself, such as the local mailbox, is not the database.
                if path.is_file() {
                    files.push(std::fs::read(path).unwrap());
                }
            }
        }
        if let Some(leak) = self.node.watch.secrets.leak(&self.log, self.start, &files) {
            panic!("{leak}");
        }
    }
}
