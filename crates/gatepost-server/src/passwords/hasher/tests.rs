use std::sync::atomic::AtomicUsize;
use std::sync::{Condvar, Mutex};

use gatepost_kernel::Secret;
use tokio::task::yield_now;

use super::*;

const TYPED: &str = "CANARY correct horse";

fn password() -> Password {
    Password::parse(Secret::new(TYPED.to_owned())).unwrap()
}

fn cheap() -> HasherSettings {
    HasherSettings {
        params: HashParams::below_the_floor(64, 1, 1).unwrap(),
        peppers: Peppers::default(),
        permits: NonZeroUsize::new(2).unwrap(),
        queue: 8,
        wait: Duration::from_secs(600),
    }
}

/// Stops each new hash where it draws its salt, until it is let through.
#[derive(Clone, Default)]
struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    passes: Mutex<usize>,
    opened: Condvar,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

impl Gate {
    fn random(&self) -> Random {
        let gate = Arc::clone(&self.0);
        Random::from_fn(move |bytes| {
            let inside = gate.inside.fetch_add(1, Ordering::SeqCst) + 1;
            gate.most_inside.fetch_max(inside, Ordering::SeqCst);
            let mut passes =
                gate.opened.wait_while(gate.passes.lock().unwrap(), |passes| *passes == 0).unwrap();
            *passes -= 1;
            drop(passes);
            bytes.fill(1);
            gate.inside.fetch_sub(1, Ordering::SeqCst);
        })
    }

    fn let_through(&self, number: usize) {
        *self.0.passes.lock().unwrap() += number;
        self.0.opened.notify_all();
    }

    /// Until so many hashes stand at the gate.
    async fn reached_by(&self, number: usize) {
        until(|| self.0.inside.load(Ordering::SeqCst) >= number).await;
    }
}

/// Lets the others run until something is so. What is not so after a minute never will be.
async fn until(mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "it never came to pass");
        yield_now().await;
    }
}

fn spawn_hash(hasher: &Hasher) -> tokio::task::JoinHandle<Result<PasswordHash, HashError>> {
    let hasher = hasher.clone();
    tokio::spawn(async move { hasher.hash(password()).await })
}

#[tokio::test]
async fn pwd_07_a_flood_runs_on_the_permits_fills_the_queue_and_the_rest_is_busy() {
    let gate = Gate::default();
    let hasher = Hasher::start(cheap(), &gate.random()).unwrap();
    let first: Vec<_> = (0..2).map(|_| spawn_hash(&hasher)).collect();
    gate.reached_by(2).await;
    let rest: Vec<_> = (0..1_998).map(|_| spawn_hash(&hasher)).collect();
    until(|| hasher.stats().rejected >= 1_990).await;
    assert_eq!(hasher.stats().waiting, 8);
    gate.let_through(2_000);
    let (mut done, mut busy) = (0, 0);
    for task in first.into_iter().chain(rest) {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => {
                assert_eq!(error, HashError::Busy);
                busy += 1;
            }
        }
    }
    assert_eq!((done, busy), (10, 1_990));
    assert_eq!(gate.0.most_inside.load(Ordering::SeqCst), 2);
    let stats = hasher.stats();
    assert_eq!((stats.done, stats.rejected, stats.argon2, stats.waiting), (10, 1_990, 10, 0));
}

#[tokio::test]
async fn pwd_07_whoever_waits_too_long_is_told_and_never_computed() {
    let gate = Gate::default();
    let settings = HasherSettings { permits: NonZeroUsize::MIN, wait: Duration::from_millis(20), ..cheap() };
    let hasher = Hasher::start(settings, &gate.random()).unwrap();
    let running = spawn_hash(&hasher);
    gate.reached_by(1).await;
    assert_eq!(hasher.hash(password()).await.unwrap_err(), HashError::Busy);
    assert_eq!(hasher.stats().rejected, 1);
    gate.let_through(2);
    // What has begun is finished, however long it takes.
    running.await.unwrap().unwrap();
    assert!(hasher.hash(password()).await.is_ok());
    assert_eq!(hasher.stats().argon2, 2);
}

#[tokio::test]
async fn pwd_07_a_caller_who_went_away_costs_no_hash_and_no_place() {
    let gate = Gate::default();
    let hasher =
        Hasher::start(HasherSettings { permits: NonZeroUsize::MIN, queue: 1, ..cheap() }, &gate.random())
            .unwrap();
    let running = spawn_hash(&hasher);
    gate.reached_by(1).await;
    let leaving = spawn_hash(&hasher);
    until(|| hasher.stats().waiting >= 1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    // The only place was taken; now it is free again.
    let next = spawn_hash(&hasher);
    yield_now().await;
    gate.let_through(2);
    running.await.unwrap().unwrap();
    next.await.unwrap().unwrap();
    assert_eq!(hasher.stats().argon2, 2);
}

#[tokio::test]
async fn jobs_are_served_in_the_order_of_their_arrival() {
    let gate = Gate::default();
    let hasher =
        Hasher::start(HasherSettings { permits: NonZeroUsize::MIN, ..cheap() }, &gate.random()).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = vec![spawn_hash(&hasher)];
    let watched = hasher.clone();
    gate.reached_by(1).await;
    for number in 0..6 {
        let (hasher, order) = (hasher.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let noted = move |bench: &mut Workbench| {
                order.lock().unwrap().push(number);
                bench.hash(&password())
            };
            hasher.run(noted).await
        }));
        until(|| watched.stats().waiting > number).await;
    }
    gate.let_through(7);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

/// The effort of one login: how often which work was done.
async fn effort(hasher: &Hasher, stored: Option<PasswordHash>) -> HasherStats {
    let before = hasher.stats();
    let verdict = hasher.verify(password(), stored).await.unwrap();
    assert!(!verdict.matched && verdict.rehash.is_none());
    let after = hasher.stats();
    HasherStats {
        done: after.done - before.done,
        rejected: after.rejected - before.rejected,
        waiting: after.waiting - before.waiting,
        argon2: after.argon2 - before.argon2,
        memory_kib: after.memory_kib - before.memory_kib,
        passes: after.passes - before.passes,
        lanes: after.lanes - before.lanes,
        foreign: after.foreign - before.foreign,
    }
}

fn other_password() -> Password {
    Password::parse(Secret::new("another password".to_owned())).unwrap()
}

#[tokio::test]
async fn pwd_05_06_unknown_known_and_passwordless_accounts_take_the_same_work() {
    let hasher = Hasher::start(cheap(), &Random::system()).unwrap();
    let known = hasher.hash(other_password()).await.unwrap();
    let nobody = effort(&hasher, None).await;
    assert_eq!((nobody.argon2, nobody.memory_kib, nobody.passes, nobody.lanes), (1, 64, 1, 1));
    assert_eq!(effort(&hasher, Some(known)).await, nobody);
}

#[tokio::test]
async fn pwd_06_an_old_hash_is_padded() {
    let settings = HasherSettings { params: HashParams::default(), ..cheap() };
    let hasher = Hasher::start(settings, &Random::system()).unwrap();
    let nobody = effort(&hasher, None).await;
    // A tenth of the usual work, in another shape.
    let weak = HashParams::below_the_floor(2_048, 2, 1).unwrap();
    let weak = PasswordHash::own(weak, None, [1; 16], [2; 32]);
    let old = effort(&hasher, Some(weak)).await;
    assert_eq!(old.argon2, 2);
    let bcrypt = "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C";
    let bcrypt = effort(&hasher, Some(PasswordHash::parse(bcrypt).unwrap())).await;
    assert_eq!((bcrypt.foreign, bcrypt.argon2), (1, 1));
    assert!(bcrypt.memory_kib <= nobody.memory_kib);
}

#[tokio::test]
async fn pwd_02_a_match_brings_the_better_hash_in_the_same_call() {
    let hasher = Hasher::start(cheap(), &Random::system()).unwrap();
    let weak = Hasher::start(
        HasherSettings { params: HashParams::below_the_floor(8, 1, 1).unwrap(), ..cheap() },
        &Random::system(),
    );
    let old = weak.unwrap().hash(password()).await.unwrap();
    let verdict = hasher.verify(password(), Some(old)).await.unwrap();
    let better = verdict.rehash.unwrap();
    assert!(verdict.matched && better.expose().contains("$m=64,t=1,p=1$"));
    let again = hasher.verify(password(), Some(better.clone())).await.unwrap();
    assert!(again.matched && again.rehash.is_none());
    assert!(hasher.verify_any(password(), vec![better]).await.unwrap());
}

#[tokio::test]
async fn the_history_takes_one_turn_and_has_an_end() {
    let hasher = Hasher::start(cheap(), &Random::system()).unwrap();
    let other = hasher.hash(other_password()).await.unwrap();
    let mine = hasher.hash(password()).await.unwrap();
    let mut history = vec![other; 9];
    history.push(mine.clone());
    let before = hasher.stats();
    assert!(hasher.verify_any(password(), history.clone()).await.unwrap());
    let after = hasher.stats();
    assert_eq!((after.done - before.done, after.argon2 - before.argon2), (1, 10));
    history.insert(0, history[0].clone());
    assert!(!hasher.verify_any(password(), history).await.unwrap(), "the eleventh is not looked at");
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_no_thread() {
    let hasher =
        Hasher::start(HasherSettings { permits: NonZeroUsize::MIN, ..cheap() }, &Random::system()).unwrap();
    let lost: Result<(), _> = hasher.run(|_| panic!("on purpose")).await;
    assert_eq!(lost.unwrap_err(), HashError::Failed);
    assert!(hasher.hash(password()).await.is_ok());
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let hasher = Hasher::start(cheap(), &Random::system()).unwrap();
    let (one, two) = (hasher.hash(password()).await.unwrap(), hasher.hash(password()).await.unwrap());
    assert_ne!(one.expose(), two.expose());
}

#[tokio::test]
async fn pwd_09_nothing_printable_carries_the_password_or_the_hash() {
    let hasher = Hasher::start(cheap(), &Random::system()).unwrap();
    let hash = hasher.hash(other_password()).await.unwrap();
    let old = PasswordHash::own(HashParams::below_the_floor(8, 1, 1).unwrap(), None, [1; 16], [2; 32]);
    let verdict = Verdict { matched: true, rehash: Some(hash.clone()) };
    let said = format!("{verdict:?} {old:?} {:?} {}", hasher.stats(), HashError::Busy);
    assert!(!said.contains(hash.expose()) && !said.contains("argon2id$") && !said.contains("CANARY"));
}

#[test]
fn the_queue_holds_what_the_wait_can_hash() {
    let config = PasswordConfig { permits: NonZeroUsize::new(4), ..PasswordConfig::default() };
    let settings = HasherSettings::new(&config, Peppers::default());
    assert_eq!((settings.permits.get(), settings.queue), (4, 200));
    let never = PasswordConfig { wait: Duration::ZERO, ..config };
    assert_eq!(HasherSettings::new(&never, Peppers::default()).queue, 4);
}

#[test]
fn an_idle_thread_gives_its_memory_back() {
    let queue = Queue::new(1);
    let HasherSettings { params, peppers, .. } = cheap();
    let mut bench = Workbench::new(params, Arc::new(peppers), Random::system(), Arc::default());
    bench.hash(&password()).unwrap();
    assert!(bench.holds_memory());
    assert!(serve(&queue, &mut bench, Duration::ZERO));
    assert!(!bench.holds_memory());
    queue.close();
    assert!(!serve(&queue, &mut bench, Duration::ZERO));
}
