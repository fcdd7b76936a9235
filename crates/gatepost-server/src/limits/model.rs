//! The generic cell rate algorithm (ITU-T I.371, annex A), which is a token bucket that needs one number: the
//! *theoretical arrival time* (TAT), the moment at which a bucket will be full again. A bucket that nobody knows is full.
//!
//! Everything is in whole microseconds, so that the three stores, two of which compute in languages of their own, come to
//! the same answer.

use std::time::Duration;

use gatepost_kernel::Timestamp;

/// What an operator decided for one kind of request: so many in so much time, so many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Requests in a period. At least 1.
    pub count: u32,
    /// The period.
    pub period: Duration,
    /// How many may come at once after a pause. At least 1.
    pub burst: u32,
}

impl Rule {
    /// So many in a period, all of them at once if the client likes.
    pub const fn new(count: u32, period: Duration) -> Self {
        Self { count, period, burst: count }
    }

    /// At most so many at once.
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// The bucket of this rule.
    pub(super) fn bucket(&self) -> Bucket {
        let period = i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX);
        Bucket { interval: (period / i64::from(self.count.max(1))).max(1), burst: self.burst.max(1) }
    }
}

/// A bucket of tokens, in the terms of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Microseconds until the next token.
    interval: i64,
    /// Tokens in a full bucket.
    burst: u32,
}

impl Bucket {
    /// A bucket for the clients of several networks: so many times as large and as fast.
    pub(super) fn times(self, factor: u32) -> Self {
        Self {
            interval: (self.interval / i64::from(factor.max(1))).max(1),
            burst: self.burst.saturating_mul(factor),
        }
    }

    /// The part of one node when so many nodes count for themselves. A burst of less than one request would be none.
    pub(super) fn divided_by(self, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        Self { interval: self.interval.saturating_mul(nodes.into()), burst: (self.burst / nodes).max(1) }
    }

    /// Microseconds until the next token.
    pub(super) fn interval(self) -> i64 {
        self.interval
    }

    /// Microseconds until an empty bucket is full.
    pub(super) fn capacity(self) -> i64 {
        self.interval.saturating_mul(self.burst.into())
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Whether it may pass.
    pub(super) allowed: bool,
    /// How many more may pass right now.
    pub(super) remaining: u32,
    /// How long until one more may pass; zero when one may pass now.
    pub(super) retry_after: Duration,
    /// How long until the bucket is full.
    pub(super) reset: Duration,
}

/// Takes one token, if there is one: the TAT from now on, and the decision.
///
/// What a store says is not believed blindly: a TAT further away than an empty bucket, left behind by a clock that was
/// ahead or by a larger burst, is that of an empty bucket.
pub(super) fn decide(tat: Option<Timestamp>, now: Timestamp, bucket: Bucket) -> (Timestamp, Decision) {
    let used = used(tat, now, bucket);
    let after = used.saturating_add(bucket.interval);
    if after <= bucket.capacity() {
        (at(now, after), decision(true, after, bucket))
    } else {
        (at(now, used), decision(false, used, bucket))
    }
}

/// The decision of a store that keeps the TAT elsewhere, from the TAT that it has now.
pub(super) fn decided(allowed: bool, tat: Timestamp, now: Timestamp, bucket: Bucket) -> Decision {
    decision(allowed, used(Some(tat), now, bucket), bucket)
}

/// How far the bucket is from full, in microseconds.
fn used(tat: Option<Timestamp>, now: Timestamp, bucket: Bucket) -> i64 {
    let ahead = tat.map_or(0, |tat| tat.as_micros().saturating_sub(now.as_micros()));
    ahead.clamp(0, bucket.capacity())
}

fn decision(allowed: bool, used: i64, bucket: Bucket) -> Decision {
    let free = bucket.capacity().saturating_sub(used);
    let remaining = u32::try_from(free / bucket.interval).unwrap_or(u32::MAX);
    Decision {
        allowed,
        remaining,
        retry_after: micros(bucket.interval.saturating_sub(free)),
        reset: micros(used),
    }
}

fn at(now: Timestamp, ahead: i64) -> Timestamp {
    Timestamp::from_micros(now.as_micros().saturating_add(ahead))
}

fn micros(span: i64) -> Duration {
    Duration::from_micros(u64::try_from(span).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    /// The textbook's bucket: tokens drip in and are taken out. In units of 1/interval of a token, so that it is exact.
    struct Naive {
        level: i64,
        last: Timestamp,
    }

    impl Naive {
        fn full(bucket: Bucket) -> Self {
            Self { level: bucket.capacity(), last: NOW }
        }

        fn take(&mut self, now: Timestamp, bucket: Bucket) -> bool {
            let dripped = i64::try_from(now.since(self.last).as_micros()).unwrap();
            self.level = (self.level + dripped).min(bucket.capacity());
            self.last = now;
            let enough = self.level >= bucket.interval;
            if enough {
                self.level -= bucket.interval;
            }
            enough
        }
    }

    fn bucket() -> impl Strategy<Value = Bucket> {
        (1..5_000_i64, 1..40_u32).prop_map(|(interval, burst)| Bucket { interval, burst })
    }

    proptest! {
        #[test]
        fn it_decides_as_a_token_bucket_does(bucket in bucket(), pauses in prop::collection::vec(0..10_000_u64, 1..200)) {
            let (mut tat, mut now, mut naive) = (None, NOW, Naive::full(bucket));
            for pause in pauses {
                now = now.plus(Duration::from_micros(pause));
                let (next, decision) = decide(tat, now, bucket);
                prop_assert_eq!(decision.allowed, naive.take(now, bucket));
                prop_assert_eq!(i64::from(decision.remaining), naive.level / bucket.interval);
                prop_assert_eq!(decision, decided(decision.allowed, next, now, bucket));
                tat = Some(next);
            }
        }

        #[test]
        fn whoever_waits_as_told_passes_and_nobody_earlier(bucket in bucket(), taken in 1..60_u32) {
            let mut tat = None;
            for _ in 0..taken {
                tat = Some(decide(tat, NOW, bucket).0);
            }
            let (_, refused) = decide(tat, NOW, bucket);
            prop_assert_eq!(refused.allowed, refused.retry_after.is_zero() || taken < bucket.burst);
            if !refused.allowed {
                prop_assert!(decide(tat, NOW.plus(refused.retry_after), bucket).1.allowed);
                let early = refused.retry_after - Duration::from_micros(1);
                prop_assert!(!decide(tat, NOW.plus(early), bucket).1.allowed);
            }
        }

        #[test]
        fn no_stored_value_blocks_for_longer_than_an_empty_bucket(bucket in bucket(), tat in any::<i64>()) {
            let (next, decision) = decide(Some(Timestamp::from_micros(tat)), NOW, bucket);
            prop_assert!(decision.retry_after <= micros(bucket.interval));
            prop_assert!(next <= at(NOW, bucket.capacity()));
        }
    }

    #[test]
    fn thirty_in_five_minutes_with_a_burst_of_ten() {
        let bucket = Rule::new(30, Duration::from_secs(300)).burst(10).bucket();
        let mut tat = None;
        for remaining in (0..10).rev() {
            let (next, decision) = decide(tat, NOW, bucket);
            assert_eq!((decision.allowed, decision.remaining), (true, remaining));
            tat = Some(next);
        }
        let (_, refused) = decide(tat, NOW, bucket);
        assert_eq!((refused.allowed, refused.retry_after), (false, Duration::from_secs(10)));
        assert_eq!(refused.reset, Duration::from_secs(100));
    }

    #[test]
    fn several_nodes_share_and_several_networks_add_up() {
        let bucket = Rule::new(30, Duration::from_secs(300)).burst(10).bucket();
        assert_eq!(bucket.divided_by(3), Bucket { interval: 30_000_000, burst: 3 });
        assert_eq!(bucket.divided_by(100).burst, 1);
        assert_eq!(bucket.times(4), Bucket { interval: 2_500_000, burst: 40 });
    }

    #[test]
    fn the_largest_rule_does_not_overflow() {
        let bucket = Rule::new(u32::MAX, Duration::MAX).bucket().divided_by(u32::MAX).times(u32::MAX);
        assert!(
            decide(Some(Timestamp::from_micros(i64::MAX)), Timestamp::from_micros(i64::MIN), bucket).0
                >= Timestamp::from_micros(i64::MIN)
        );
        let smallest = Rule::new(0, Duration::ZERO).burst(0).bucket();
        assert_eq!((smallest.interval, smallest.burst), (1, 1));
    }
}
