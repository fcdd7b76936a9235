//! Buckets in the process.

use gatepost_kernel::Timestamp;
use quick_cache::sync::{Cache, EntryAction, EntryResult};

use super::key::Key;
use super::model::{Bucket, Decision, decide};

/// The most buckets that are remembered, about 25 MiB when all are taken. Beyond it those are forgotten that were not
/// asked for again; a forgotten bucket is a full one, and the ceilings of the larger networks still hold.
const MOST: u64 = 200_000;
/// How many are made room for at the start. The room grows.
const EXPECTED: usize = 1_024;

/// Buckets in the process, a bounded number of them.
pub(super) struct Memory(Cache<Key, Timestamp>);

impl Memory {
    pub(super) fn new() -> Self {
        Self::of(MOST)
    }

    fn of(most: u64) -> Self {
        Self(Cache::with(EXPECTED, most, Default::default(), Default::default(), Default::default()))
    }

    /// Takes a token from a bucket. Racing requests take one after the other.
    pub(super) fn take(&self, key: Key, bucket: Bucket, now: Timestamp) -> Decision {
        let known = self.0.entry(&key, None, |_, tat| {
            let (next, decision) = decide(Some(*tat), now, bucket);
            *tat = next;
            EntryAction::Retain(decision)
        });
        match known {
            EntryResult::Retained(decision) => decision,
            EntryResult::Vacant(place) => {
                let (next, decision) = decide(None, now, bucket);
                // It fails only when the key was put in meanwhile by a way that this type does not have.
                let _ = place.insert(next);
                decision
            }
            // The callback never removes and the wait has no end.
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                decide(None, now, bucket).1
            }
        }
    }

    /// What is remembered of a bucket.
    pub(super) fn tat(&self, key: &Key) -> Option<Timestamp> {
        self.0.get(key)
    }

    /// Remembers a bucket as it is elsewhere.
    pub(super) fn note(&self, key: Key, tat: Timestamp) {
        self.0.insert(key, tat);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::super::model::Rule;
    use super::super::table::Limit;
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    fn key(number: u32) -> Key {
        Key::Network { limit: Limit::Login, address: Ipv4Addr::from_bits(number).into(), prefix: 32 }
    }

    fn bucket() -> Bucket {
        Rule::new(30, Duration::from_secs(300)).burst(10).bucket()
    }

    #[test]
    fn bru_10_a_million_clients_take_bounded_memory() {
        let memory = Memory::new();
        for number in 0..1_000_000 {
            assert!(memory.take(key(number), bucket(), NOW).allowed);
        }
        assert!(memory.0.len() <= 200_000, "{}", memory.0.len());
        assert!(memory.0.memory_used().total() < 64 << 20, "{:?}", memory.0.memory_used().total());
    }

    #[test]
    fn racing_requests_get_exactly_the_burst() {
        let memory = Memory::new();
        let allowed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..50).filter(|_| memory.take(key(1), bucket(), NOW).allowed).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(allowed, 10);
    }
}
