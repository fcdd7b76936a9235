//! The lock-out: how long whoever failed must wait. Pure: no database, no clock, no HTTP.
//!
//! `docs/adr/` says why there are two kinds of bucket; NIST SP 800-63B-4 section 3.2.2 where the ceiling comes from.

use std::time::Duration;

use gatepost_kernel::Timestamp;

/// After so many failures in a row a device cookie is worth nothing any more (OWASP, "Slow Down Online Guessing Attacks
/// with Device Cookies").
pub const DEVICE_CEILING: i64 = 10;
/// After so many failures in a row nobody without a valid device cookie can sign in with the password, until another
/// proof is given (NIST SP 800-63B-4 section 3.2.2).
pub const CEILING: i64 = 100;
/// Whoever mistypes so often waits for nothing.
pub const FREE: i64 = 4;
/// The longest wait between two attempts.
pub const LONGEST: Duration = Duration::from_secs(900);
/// Failures are forgotten so long after the last one; those that closed a bucket are not.
pub const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long everybody without a device cookie waits after this many failures in a row: 0, 0, 0, 0, 1, 2, 4, … 900
/// seconds.
pub fn delay(failures: i64) -> Duration {
    let beyond = failures.saturating_sub(FREE);
    if beyond <= 0 {
        return Duration::ZERO;
    }
    // Ten doublings reach further than the longest wait.
    let doublings = u32::try_from(beyond - 1).unwrap_or(u32::MAX).min(10);
    Duration::from_secs(1 << doublings).min(LONGEST)
}

/// Which of the two buckets of an account counts an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One device that has signed in to this account before: nobody else's failures touch it.
    Device,
    /// Everybody else together.
    Everybody,
}

/// The failures in a row, as a bucket keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Attempts that were reserved and not settled otherwise.
    pub failures: i64,
    /// Nobody tries before this.
    pub blocked_until: Timestamp,
    /// When the last attempt was reserved.
    pub last_at: Timestamp,
}

impl Bucket {
    /// A bucket that nobody has failed in.
    pub const EMPTY: Self =
        Self { failures: 0, blocked_until: Timestamp::from_secs(0), last_at: Timestamp::from_secs(0) };

    /// Counts an attempt as failed before anybody knows how it ends, or refuses it; then nothing has changed.
    #[must_use]
    pub fn reserve(self, kind: Kind, now: Timestamp) -> Option<Self> {
        if self.refusal(kind, now).is_some() {
            return None;
        }
        let failures = match kind {
            Kind::Everybody if self.last_at <= now.minus(MEMORY) => 1,
            Kind::Everybody | Kind::Device => self.failures + 1,
        };
        let wait = match kind {
            Kind::Everybody => delay(failures),
            Kind::Device => Duration::ZERO,
        };
        Some(Self { failures, blocked_until: now.plus(wait), last_at: now })
    }

    /// How long to wait for the next attempt, if there can be none now. A closed bucket does not open by waiting: its
    /// answer is [`MEMORY`].
    pub fn refusal(&self, kind: Kind, now: Timestamp) -> Option<Duration> {
        let ceiling = match kind {
            Kind::Device => DEVICE_CEILING,
            Kind::Everybody => CEILING,
        };
        if self.failures >= ceiling {
            return Some(MEMORY);
        }
        (self.blocked_until > now).then(|| self.blocked_until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bru_01_the_waits_are_those_that_are_promised() {
        let waits: Vec<_> = (0..=17).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(delay(100), LONGEST);
        assert_eq!(delay(i64::MAX), LONGEST);
    }

    #[test]
    fn bru_01_a_hundred_failures_close_the_door_and_waiting_does_not_open_it() {
        let (mut bucket, mut now, mut tries) = (Bucket::EMPTY, Timestamp::from_secs(1_000_000), 0);
        loop {
            match bucket.reserve(Kind::Everybody, now) {
                Some(next) => (bucket, tries) = (next, tries + 1),
                None if bucket.failures >= CEILING => break,
                None => now = bucket.blocked_until,
            }
        }
        assert_eq!(tries, CEILING);
        assert!(bucket.reserve(Kind::Everybody, now.plus(MEMORY * 400)).is_none());
    }

    #[test]
    fn bru_02_a_device_never_waits_and_has_ten_tries() {
        let (mut bucket, now) = (Bucket::EMPTY, Timestamp::from_secs(1_000_000));
        for _ in 0..DEVICE_CEILING {
            bucket = bucket.reserve(Kind::Device, now).unwrap();
        }
        assert!(bucket.reserve(Kind::Device, now.plus(MEMORY * 100)).is_none());
    }

    proptest! {
        #[test]
        fn bru_04_a_refused_attempt_changes_nothing_and_the_wait_only_shrinks(
            failures in FREE..CEILING - 1, steps in prop::collection::vec(0..400_u64, 1..40),
        ) {
            let start = Timestamp::from_secs(1_000_000);
            let bucket = Bucket { failures, blocked_until: start, last_at: start };
            let bucket = bucket.reserve(Kind::Everybody, start).unwrap();
            let (mut now, mut last) = (start, Duration::MAX);
            for step in steps {
                now = now.plus(Duration::from_secs(step));
                let Some(wait) = bucket.refusal(Kind::Everybody, now) else { break };
                prop_assert!(wait <= last && bucket.reserve(Kind::Everybody, now).is_none());
                last = wait;
            }
        }

        #[test]
        fn no_more_than_a_hundred_and_a_few_attempts_fit_into_a_day(starts in 0..1_000_000_i64) {
            let (begin, mut bucket) = (Timestamp::from_secs(starts), Bucket::EMPTY);
            let (mut now, mut tries) = (begin, 0);
            while now < begin.plus(MEMORY) {
                match bucket.reserve(Kind::Everybody, now) {
                    Some(next) => (bucket, tries) = (next, tries + 1),
                    None => now = now.plus(Duration::from_secs(1)),
                }
            }
            prop_assert!(tries <= CEILING);
        }
    }
}
