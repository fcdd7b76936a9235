//! The queue in front of the hashing threads: bounded, first come first served.
//!
//! A job that nobody waits for any more is never computed. Worker threads must notice that nothing came for a
//! while, which is why this is a lock and a condition variable and not a channel.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::verify::Workbench;

/// Work for a hashing thread.
pub(super) struct Job {
    /// Computing later than this helps nobody.
    pub(super) deadline: Instant,
    pub(super) claim: Claim,
    pub(super) work: Box<dyn FnOnce(&mut Workbench) + Send>,
}

/// Decides between the thread that starts a job and the caller who gives it up: whoever takes it first.
#[derive(Clone, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// True for the first who asks.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a worker does next.
pub(super) enum Next {
    /// This.
    Work(Box<dyn FnOnce(&mut Workbench) + Send>),
    /// Nothing came for as long as it would wait.
    Idle,
    /// The hasher is gone.
    Stop,
}

pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    capacity: usize,
}

struct State {
    jobs: VecDeque<Job>,
    open: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { jobs: VecDeque::new(), open: true };
        Self { state: Mutex::new(state), arrived: Condvar::new(), capacity }
    }

    /// Appends a job, or drops it and answers false when the queue is full.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.lock();
        if state.jobs.len() >= self.capacity {
            // Jobs that were given up keep their place until a worker passes; make room now.
            let now = Instant::now();
            state.jobs.retain(|waiting| !waiting.claim.is_taken() && waiting.deadline > now);
        }
        if state.jobs.len() >= self.capacity || !state.open {
            return false;
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Waits for a job that somebody still wants, at most `patience` if there is one.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            if !state.open {
                return Next::Stop;
            }
            while let Some(job) = state.jobs.pop_front() {
                if job.deadline > Instant::now() && job.claim.take() {
                    return Next::Work(job.work);
                }
            }
            match patience {
                None => state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let empty = |state: &mut State| state.jobs.is_empty() && state.open;
                    let waited = self.arrived.wait_timeout_while(state, patience, empty);
                    let (woken, result) = waited.unwrap_or_else(PoisonError::into_inner);
                    if result.timed_out() {
                        return Next::Idle;
                    }
                    state = woken;
                }
            }
        }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Sends the workers home.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.jobs.clear();
        drop(state);
        self.arrived.notify_all();
    }

    /// Nothing panics while the lock is held, so a poisoned lock would be sound as well.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(deadline: Instant) -> Job {
        Job { deadline, claim: Claim::default(), work: Box::new(|_| {}) }
    }

    fn is_work(next: &Next) -> bool {
        matches!(next, Next::Work(_))
    }

    #[test]
    fn pwd_07_a_job_that_is_late_or_given_up_is_passed_over() {
        let later = Instant::now() + Duration::from_secs(600);
        let queue = Queue::new(3);
        let given_up = job(later);
        given_up.claim.take();
        assert!(queue.push(job(Instant::now())) && queue.push(given_up) && queue.push(job(later)));
        assert!(is_work(&queue.next(Some(Duration::ZERO))));
        assert!(!is_work(&queue.next(Some(Duration::ZERO))));
    }

    #[test]
    fn pwd_07_a_full_queue_takes_a_job_only_in_place_of_a_dead_one() {
        let later = Instant::now() + Duration::from_secs(600);
        let queue = Queue::new(2);
        assert!(queue.push(job(Instant::now())) && queue.push(job(later)));
        assert!(queue.push(job(later)));
        assert!(!queue.push(job(later)));
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn a_claim_is_taken_once() {
        let claim = Claim::default();
        assert!(claim.take() && !claim.clone().take());
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_stops_its_workers() {
        let queue = Queue::new(2);
        queue.close();
        assert!(!queue.push(job(Instant::now() + Duration::from_secs(600))));
        assert!(matches!(queue.next(None), Next::Stop));
    }
}
