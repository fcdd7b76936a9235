//! How many attempts fail on the whole server: somebody who tries each account once or twice is in no account's bucket.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gatepost_kernel::Timestamp;

/// So many failures within a minute are worth a line in the log.
pub(super) const MANY: u64 = 1_000;

/// Counts failures by the minute. Two threads at the turn of one may miscount by a few: it decides nothing.
#[derive(Default)]
pub(super) struct FailureRate {
    minute: AtomicI64,
    failures: AtomicU64,
}

impl FailureRate {
    /// Counts one; true for the one that makes them many, once in a minute.
    pub(super) fn count(&self, now: Timestamp) -> bool {
        let minute = now.as_secs().div_euclid(60);
        if self.minute.swap(minute, Ordering::Relaxed) != minute {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 == MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_said_once_in_a_minute() {
        let rate = FailureRate::default();
        let said = |second| {
            let now = Timestamp::from_secs(second);
            (0..MANY * 3).filter(|_| rate.count(now)).count()
        };
        assert_eq!(said(120), 1);
        assert_eq!(said(180), 1);
        assert_eq!((0..MANY - 1).filter(|_| rate.count(Timestamp::from_secs(240))).count(), 0);
    }
}
