//! A transaction function on its way to an engine thread, and its answer on the way back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::tx::{Executor, Hook};
use crate::{DbError, WriteTx};

/// How the engine wraps a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// A snapshot that cannot write.
    Read,
    /// One statement that cannot write.
    ReadOne,
    /// A serializable transaction.
    Write,
    /// One statement that compares and swaps, at READ COMMITTED.
    Cas,
    /// A migration: alone, READ COMMITTED, without time limits, foreign keys checked at its end.
    Migration,
}

impl Mode {
    pub(crate) const fn writes(self) -> bool {
        match self {
            Self::Read | Self::ReadOne => false,
            Self::Write | Self::Cas | Self::Migration => true,
        }
    }
}

/// Whether the transaction function wants its changes kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Undo,
}

/// The part of a job that does not depend on its types.
trait Work: Send {
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Verdict;
    fn settle(self: Box<Self>, end: Result<(), DbError>);
    fn is_abandoned(&self) -> bool;
}

struct Task<F, T, E> {
    function: F,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Work for Task<F, T, E>
where
    F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<DbError> + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Verdict {
        let outcome = (self.function)(tx);
        let verdict = if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo };
        self.outcome = Some(outcome);
        verdict
    }

    fn settle(self: Box<Self>, end: Result<(), DbError>) {
        let answer = match end {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(DbError::Closed.into())),
            Err(error) => Err(error.into()),
        };
        // The caller may have gone away; then nobody needs the answer.
        drop(self.answer.send(answer));
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// A transaction function in a queue.
pub(crate) struct Job {
    pub(crate) mode: Mode,
    queued: Instant,
    work: Box<dyn Work>,
}

/// What running a job's function once came to.
pub(crate) enum Ran {
    /// It wants its changes kept; these hooks follow the commit.
    Keep(Vec<Hook>),
    /// Its changes are to be undone.
    Undo {
        /// How to settle it: `Ok` sends the error that the function itself returned.
        answer: Result<(), DbError>,
        /// The statement that failed on the way, if one did: the engine may run the function again.
        cause: Option<DbError>,
    },
}

impl Job {
    pub(crate) fn new<T, E>(
        mode: Mode,
        function: impl FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, E>>)
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let task = Task { function, outcome: None, answer };
        (Self { mode, queued: Instant::now(), work: Box::new(task) }, receiver)
    }

    /// Whether it makes no sense to begin: the caller has gone, or has waited longer than `limit`.
    pub(crate) fn is_stale(&self, limit: Duration) -> bool {
        self.work.is_abandoned() || self.queued.elapsed() > limit
    }

    /// Runs the function once in the engine's transaction.
    pub(crate) fn run(&mut self, executor: &mut dyn Executor) -> Ran {
        let mut tx = WriteTx::new(executor);
        let verdict = catch_unwind(AssertUnwindSafe(|| self.work.run(&mut tx)));
        let cause = tx.poison().cloned();
        match (verdict, cause) {
            (Err(payload), _) => {
                let panicked = DbError::Panicked(panic_text(payload.as_ref()).into());
                Ran::Undo { answer: Err(panicked), cause: None }
            }
            (Ok(Verdict::Undo), cause) => Ran::Undo { answer: Ok(()), cause },
            // The function dropped the error of a statement: its answer would be built on nothing.
            (Ok(Verdict::Keep), Some(error)) => Ran::Undo { answer: Err(error.clone()), cause: Some(error) },
            (Ok(Verdict::Keep), None) => Ran::Keep(tx.into_hooks()),
        }
    }

    /// Sends the answer: the function's own on `Ok`, the error otherwise.
    pub(crate) fn settle(self, end: Result<(), DbError>) {
        // Here the caller's code runs once more: the conversion of an error, and the drop of what nobody awaits.
        // The thread outlives a panic in it; the caller hears that there is no answer.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.work.settle(end))) {
            tracing::error!(
                panic = panic_text(payload.as_ref()),
                "an answer panicked on its way to its caller"
            );
        }
    }
}

/// Runs the hooks that follow a commit; one that panics takes nobody with it.
pub(crate) fn run_hooks(hooks: Vec<Hook>) {
    for hook in hooks {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(hook)) {
            tracing::error!(panic = panic_text(payload.as_ref()), "a hook after a commit panicked");
        }
    }
}

/// What a panic said, if it is a literal of the code. A computed message may quote a value, and values may be secrets.
fn panic_text(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a computed message, withheld")
}
