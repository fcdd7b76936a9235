//! The laws of group commit, on one batch at a time: no threads, hence no luck.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::{Constraint, Statement, params};

const TABLES: &str = "CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT; \
    INSERT INTO parents (id) VALUES (1); \
    CREATE TABLE notes (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL \
        REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED) STRICT";
static INSERT: Statement = Statement::new("INSERT", "INSERT INTO notes (id, parent) VALUES (?1, ?2)");
static INSERT_OR_ROLLBACK: Statement =
    Statement::new("INSERT_OR_ROLLBACK", "INSERT OR ROLLBACK INTO notes (id, parent) VALUES (?1, 1)");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Refuse,
    Panic,
    Duplicate,
    /// Its broken reference shows only when the batch commits.
    Orphan,
}

#[derive(Debug)]
enum Refused {
    Itself,
    Db(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

type Answer = oneshot::Receiver<Result<i64, Refused>>;
type Hooks = Arc<Mutex<Vec<i64>>>;

const TAKEN: i64 = 0;
const EVERYTHING: Limits = Limits { jobs: usize::MAX, work: Duration::MAX };

fn database() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let connection = super::super::connect(&folder.path().join("gatepost.db")).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.execute(INSERT.sqlite(), [TAKEN, 1]).unwrap();
    (folder, connection)
}

fn job(kind: Kind, id: i64, hooks: &Hooks) -> (Job, Answer) {
    let hooks = Arc::clone(hooks);
    Job::new(Mode::Write, move |tx| {
        let hooks = Arc::clone(&hooks);
        tx.after_commit(move || hooks.lock().unwrap().push(id));
        let parent = if kind == Kind::Orphan { 99 } else { 1 };
        tx.execute(&INSERT, &params![id, parent])?;
        match kind {
            Kind::Insert | Kind::Orphan => Ok(id),
            Kind::Refuse => Err(Refused::Itself),
            Kind::Panic => panic!("by order of the test"),
            Kind::Duplicate => tx.execute(&INSERT, &params![TAKEN, 1_i64]).map(|_| id).map_err(Refused::Db),
        }
    })
}

/// Runs the jobs as one batch, all of which was queued before it began.
fn run_batch(connection: &mut Connection, jobs: Vec<Job>) -> Result<Option<Job>, Untrusted> {
    let (queue, queued) = async_channel::unbounded();
    let mut jobs = jobs.into_iter();
    let first = jobs.next().unwrap();
    for job in jobs {
        queue.try_send(job).unwrap();
    }
    commit_batch(connection, first, &queued, &Options::default(), &EVERYTHING)
}

fn ids(connection: &Connection) -> Vec<i64> {
    let mut rows = connection.prepare("SELECT id FROM notes WHERE id <> 0 ORDER BY id").unwrap();
    let ids = rows.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

fn is_constraint(answer: &Result<i64, Refused>, wanted: Constraint) -> bool {
    matches!(answer, Err(Refused::Db(DbError::Constraint { kind, .. })) if *kind == wanted)
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![
        6 => Just(Kind::Insert),
        2 => Just(Kind::Refuse),
        1 => Just(Kind::Panic),
        1 => Just(Kind::Duplicate),
        1 => Just(Kind::Orphan),
    ];
    prop::collection::vec(kind, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_kept_as_its_jobs_decided_or_failed_as_a_whole(kinds in kinds()) {
        let (_folder, mut connection) = database();
        let hooks = Hooks::default();
        let (jobs, mut answers): (Vec<_>, Vec<_>) =
            (1..).zip(&kinds).map(|(id, &kind)| job(kind, id, &hooks)).unzip();

        prop_assert!(matches!(run_batch(&mut connection, jobs), Ok(None)));

        let mut kept = Vec::new();
        let fails = kinds.contains(&Kind::Orphan);
        for ((id, kind), answer) in (1..).zip(&kinds).zip(&mut answers) {
            let answer = answer.try_recv().expect("every job is answered once the batch has ended");
            if fails {
                // Also those that had decided on an error: they may have seen a neighbour's row.
                prop_assert!(is_constraint(&answer, Constraint::ForeignKey), "{kind:?}: {answer:?}");
                continue;
            }
            match kind {
                Kind::Insert => {
                    prop_assert_eq!(answer.unwrap(), id);
                    kept.push(id);
                }
                Kind::Refuse => prop_assert!(matches!(answer, Err(Refused::Itself))),
                Kind::Panic => prop_assert!(matches!(answer, Err(Refused::Db(DbError::Panicked(_))))),
                Kind::Duplicate => prop_assert!(is_constraint(&answer, Constraint::Unique)),
                Kind::Orphan => unreachable!("it fails the batch"),
            }
        }
        prop_assert_eq!(ids(&connection), kept.clone());
        prop_assert_eq!(&*hooks.lock().unwrap(), &kept);

        let (next, mut answer) = job(Kind::Insert, 1_000, &hooks);
        prop_assert!(matches!(run_batch(&mut connection, vec![next]), Ok(None)));
        prop_assert_eq!(answer.try_recv().unwrap().unwrap(), 1_000);
    }
}

#[test]
fn nobody_has_an_answer_and_no_hook_has_run_when_the_batch_commits() {
    let (_folder, mut connection) = database();
    let hooks = Hooks::default();
    let kinds = [Kind::Insert, Kind::Refuse, Kind::Panic, Kind::Duplicate, Kind::Insert];
    let (jobs, answers): (Vec<_>, Vec<_>) = (1..).zip(kinds).map(|(id, kind)| job(kind, id, &hooks)).unzip();
    let answers = Arc::new(Mutex::new(answers));
    let early = Arc::new(Mutex::new(None));
    let watch = {
        let (answers, early, hooks) = (Arc::clone(&answers), Arc::clone(&early), Arc::clone(&hooks));
        move || {
            let answered =
                answers.lock().unwrap().iter_mut().filter_map(|answer| answer.try_recv().ok()).count();
            *early.lock().unwrap() = Some(answered + hooks.lock().unwrap().len());
            false
        }
    };
    connection.commit_hook(Some(watch)).unwrap();

    assert!(matches!(run_batch(&mut connection, jobs), Ok(None)));

    assert_eq!(*early.lock().unwrap(), Some(0), "the batch committed, and nobody knew before");
    assert!(answers.lock().unwrap().iter_mut().all(|answer| answer.try_recv().is_ok()));
}

#[test]
fn when_the_engine_gives_up_the_transaction_everybody_in_it_hears_that() {
    let (_folder, mut connection) = database();
    let hooks = Hooks::default();
    let (neighbour, mut neighbours_answer) = job(Kind::Insert, 1, &hooks);
    let (guilty, mut answer) = Job::new(Mode::Write, |tx| {
        // Dropping the error does not help.
        drop(tx.execute(&INSERT_OR_ROLLBACK, &params![TAKEN]));
        Ok::<i64, Refused>(2)
    });
    assert!(matches!(run_batch(&mut connection, vec![neighbour, guilty]), Ok(None)));
    assert!(is_constraint(&neighbours_answer.try_recv().unwrap(), Constraint::Unique));
    assert!(is_constraint(&answer.try_recv().unwrap(), Constraint::Unique));
    assert!(ids(&connection).is_empty() && hooks.lock().unwrap().is_empty());

    let (next, mut answer) = job(Kind::Insert, 3, &hooks);
    assert!(matches!(run_batch(&mut connection, vec![next]), Ok(None)));
    assert_eq!(answer.try_recv().unwrap().unwrap(), 3);
}

#[test]
fn a_migration_does_not_share_a_batch() {
    let (_folder, mut connection) = database();
    let hooks = Hooks::default();
    let (first, _answer) = job(Kind::Insert, 1, &hooks);
    let (migration, _answer) = Job::new(Mode::Migration, |_| Ok::<i64, Refused>(0));
    let carried = run_batch(&mut connection, vec![first, migration]);
    assert!(matches!(carried, Ok(Some(Job { mode: Mode::Migration, .. }))));
}

#[test]
fn an_answer_that_panics_when_dropped_does_not_end_the_thread() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("by order of the test");
        }
    }
    let (_folder, mut connection) = database();
    let (bomb, answer) = Job::new(Mode::Write, |_| Ok::<_, Refused>(Bomb));
    drop(answer);
    // The caller is gone already; only a job that had begun gets this far.
    bomb.settle(Ok(()));
    let (mut begun, answer) = Job::new(Mode::Write, |_| Ok::<_, Refused>(Bomb));
    begun.run(&mut connection);
    drop(answer);
    begun.settle(Ok(()));
}

#[test]
fn only_an_unconfirmed_sync_is_fatal_and_a_full_disk_is_not() {
    let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    assert!(is_failed_fsync(&failure(ffi::SQLITE_IOERR_FSYNC)));
    assert!(is_failed_fsync(&failure(ffi::SQLITE_IOERR_DIR_FSYNC)));
    assert!(!is_failed_fsync(&failure(ffi::SQLITE_IOERR_WRITE)));
    assert!(!is_failed_fsync(&failure(ffi::SQLITE_FULL)));
    assert!(matches!(engine("test")(failure(ffi::SQLITE_FULL)), DbError::StorageFull));
}
