//! Password hashing as a service inside the process.
//!
//! A hash takes 20 ms of a core and 19 MiB. So it runs on a few threads of its own (PWD-07): the event loop
//! stays free, memory is bounded by the number of threads, and a flood of logins meets a bounded queue and
//! a short wait instead of a slow death. The threads are niced, so that token checks overtake them.
//!
//! [`Hasher::verify`] does the same work for an account that does not exist as for one that does (PWD-05,
//! PWD-06). A hash that is *dearer* than the current parameters cannot be hidden; it is replaced at the
//! first login.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepost_kernel::Random;
use tokio::sync::oneshot;

use super::config::PasswordConfig;
use super::params::HashParams;
use super::password::Password;
use super::pepper::{PepperId, Peppers};
use super::phc::PasswordHash;
use super::queue::{Claim, Job, Next, Queue};
use super::verify::{Tally, Workbench};

/// How long a thread keeps its memory when there is nothing to do.
const KEEP_MEMORY: Duration = Duration::from_secs(10);

/// How a [`Hasher`] is built.
#[derive(Clone)]
pub struct HasherSettings {
    /// What a new hash costs.
    pub params: HashParams,
    /// The keys that hashes depend on besides.
    pub peppers: Peppers,
    /// How many hashes run at the same time.
    pub permits: NonZeroUsize,
    /// How many more may wait.
    pub queue: usize,
    /// How long a caller waits for the start of the work.
    pub wait: Duration,
}

impl HasherSettings {
    /// The settings that follow from a configuration: a thread for each core, and as many waiting as those can
    /// hash within the wait (20 ms a hash).
    pub fn new(config: &PasswordConfig, peppers: Peppers) -> Self {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let permits = config.permits.unwrap_or_else(cores);
        let turns = usize::try_from(config.wait.as_millis() / 20).unwrap_or(usize::MAX).clamp(1, 1_000);
        Self {
            params: config.params,
            peppers,
            permits,
            queue: permits.get().saturating_mul(turns),
            wait: config.wait,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The queue is full, or the turn did not come in time. Answer 503 with `Retry-After`.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The stored hash needs a pepper key that was not given to this process.
    #[error("no pepper key named {0}")]
    UnknownPepper(PepperId),
    /// The computation itself failed.
    #[error("a password hash could not be computed")]
    Failed,
}

/// The outcome of [`Hasher::verify`].
#[derive(Debug)]
pub struct Verdict {
    /// Whether the password is the one that was stored.
    pub matched: bool,
    /// A better hash of the same password, to be stored in place of the old one.
    pub rehash: Option<PasswordHash>,
}

/// What the hasher does and did. Counters start at zero with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HasherStats {
    /// Requests that were computed.
    pub done: u64,
    /// Requests that were turned away or gave up waiting.
    pub rejected: u64,
    /// Requests in the queue now, including those that were given up and not yet passed over.
    pub waiting: usize,
    /// Argon2 computations, including those for accounts that do not exist.
    pub argon2: u64,
    /// The memory of all those computations added up, in KiB.
    pub memory_kib: u64,
    /// Their passes added up.
    pub passes: u64,
    /// Their lanes added up.
    pub lanes: u64,
    /// Computations in a scheme of another system.
    pub foreign: u64,
}

/// Computes and verifies password hashes. Cloning shares the threads; they end with the last clone.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    queue: Arc<Queue>,
    peppers: Arc<Peppers>,
    wait: Duration,
    tally: Arc<Tally>,
    rejected: AtomicU64,
}

impl Hasher {
    /// Starts the threads. Salts are drawn from `random`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(settings: HasherSettings, random: &Random) -> std::io::Result<Self> {
        let HasherSettings { params, peppers, permits, queue, wait } = settings;
        let peppers = Arc::new(peppers);
        let inner = Inner {
            peppers: Arc::clone(&peppers),
            queue: Arc::new(Queue::new(queue)),
            // An hour is for ever, and it cannot overflow a clock.
            wait: wait.min(Duration::from_secs(3_600)),
            tally: Arc::default(),
            rejected: AtomicU64::new(0),
        };
        for number in 0..permits.get() {
            let bench =
                Workbench::new(params, Arc::clone(&peppers), random.clone(), Arc::clone(&inner.tally));
            let queue = Arc::clone(&inner.queue);
            std::thread::Builder::new()
                .name(format!("gatepost-hash-{number}"))
                .spawn(move || work(&queue, bench))?;
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Whether it has what it takes to verify this hash: a hash of another installation may name a pepper that is not here.
    pub fn can_verify(&self, hash: &PasswordHash) -> bool {
        hash.pepper().is_none_or(|pepper| self.0.peppers.by_id(pepper).is_some())
    }

    /// A new hash with a fresh salt.
    ///
    /// # Errors
    /// [`HashError::Busy`] under load, [`HashError::Failed`] when the computation fails.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.run(move |bench| bench.hash(&password)).await
    }

    /// Whether this is the password of the account.
    ///
    /// `None` stands for an account that does not exist, has no password, or must not sign in whatever the password
    /// is: the work is done all the same, and the verdict is no. A match also brings a new hash when the stored
    /// one is not as new ones are; that doubles the time of this one login.
    ///
    /// # Errors
    /// [`HashError::Busy`] under load, [`HashError::UnknownPepper`] when the key of the stored hash is missing,
    /// [`HashError::Failed`] when the computation fails.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.run(move |bench| bench.verify(&password, stored.as_ref())).await
    }

    /// Whether this is any of the passwords that an account had. It takes one turn for all of them; only the
    /// first [`PasswordConfig::MAX_HISTORY`] are looked at.
    ///
    /// # Errors
    /// [`HashError::Busy`] under load, [`HashError::Failed`] when a computation fails.
    pub async fn verify_any(
        &self,
        password: Password,
        mut stored: Vec<PasswordHash>,
    ) -> Result<bool, HashError> {
        stored.truncate(PasswordConfig::MAX_HISTORY.into());
        self.run(move |bench| bench.matches_any(&password, &stored)).await
    }

    /// The numbers of this moment.
    pub fn stats(&self) -> HasherStats {
        let Inner { queue, tally, rejected, peppers: _, wait: _ } = &*self.0;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HasherStats {
            done: read(&tally.done),
            rejected: read(rejected),
            waiting: queue.len(),
            argon2: read(&tally.argon2),
            memory_kib: read(&tally.memory_kib),
            passes: read(&tally.passes),
            lanes: read(&tally.lanes),
            foreign: read(&tally.foreign),
        }
    }

    /// Does other work that takes long, such as judging a password, in a turn of its own: off the async threads, and
    /// no more of it at a time than of hashes.
    ///
    /// # Errors
    /// [`HashError::Busy`] under load, [`HashError::Failed`] when the work panics.
    pub async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        self.run(move |_| Ok(work())).await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Workbench) -> Result<T, HashError> + Send + 'static,
    {
        let outcome = self.queued(work).await;
        if matches!(outcome, Err(HashError::Busy)) {
            self.0.rejected.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn queued<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Workbench) -> Result<T, HashError> + Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let claim = Claim::default();
        let job = Job {
            deadline: Instant::now() + self.0.wait,
            claim: claim.clone(),
            work: Box::new(move |bench| {
                // A panic must not cost us the thread: each one is a permit.
                let outcome = catch_unwind(AssertUnwindSafe(|| work(bench)));
                bench.count_done();
                let _ = reply.send(outcome.unwrap_or(Err(HashError::Failed)));
            }),
        };
        if !self.0.queue.push(job) {
            return Err(HashError::Busy);
        }
        let caller = GiveUp(claim);
        let outcome = match tokio::time::timeout(self.0.wait, &mut answer).await {
            Ok(outcome) => outcome,
            Err(_) if caller.0.take() => return Err(HashError::Busy),
            // It has begun: the answer is near.
            Err(_) => answer.await,
        };
        // Without an answer the job was passed over: its time had come too late.
        outcome.unwrap_or(Err(HashError::Busy))
    }
}

/// When the caller goes away, so does the wish.
struct GiveUp(Claim);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The life of a hashing thread.
fn work(queue: &Queue, mut bench: Workbench) {
    step_back();
    while serve(queue, &mut bench, KEEP_MEMORY) {}
}

/// Does the next thing; false when there will be none.
fn serve(queue: &Queue, bench: &mut Workbench, keep_memory: Duration) -> bool {
    let patience = bench.holds_memory().then_some(keep_memory);
    match queue.next(patience) {
        Next::Work(job) => job(bench),
        Next::Idle => bench.release_memory(),
        Next::Stop => return false,
    }
    true
}

/// Lets the other threads go first. On Linux a priority belongs to a thread; elsewhere it would slow the whole process.
/// It is a courtesy: where it is refused, everything still works.
fn step_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

#[cfg(test)]
mod tests;
