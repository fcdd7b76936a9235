//! A clock that stands still until it is turned.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gatepost_kernel::{Clock, Timestamp};

/// 2026-01-01T00:00:00Z: where every test begins.
const BEGINNING: Timestamp = Timestamp::from_secs(1_767_225_600);

/// The hand on the clock.
#[derive(Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock at the beginning.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(BEGINNING.as_micros())))
    }

    /// What the application reads.
    pub(crate) fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::from_fn(move || hand.now())
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Turns it forward.
    pub fn advance(&self, span: Duration) {
        self.0.store(self.now().plus(span).as_micros(), Ordering::SeqCst);
    }

    /// Turns it back. The application's clock stands still meanwhile.
    pub fn set_back(&self, span: Duration) {
        self.0.store(self.now().minus(span).as_micros(), Ordering::SeqCst);
    }
}
