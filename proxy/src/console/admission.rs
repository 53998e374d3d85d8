//! What keeps recording cheap under load: a sampler and a sieve, both without locks.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

/// Admits at most so many new calls in each second.
#[derive(Debug)]
pub(super) struct Sampler {
    per_second: u32,
    /// The second in the upper half, how many it admitted in the lower.
    window: AtomicU64,
}

impl Sampler {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            window: AtomicU64::new(0),
        }
    }

    /// Asks for admission at `uptime`, any monotonic time.
    pub(super) fn admits(&self, uptime: Duration) -> bool {
        let second = uptime.as_secs() << 32;
        let next = |window: u64| {
            let admitted = if window & !LOWER == second {
                window & LOWER
            } else {
                0
            };
            (admitted < u64::from(self.per_second)).then_some(second | (admitted + 1))
        };
        self.window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

/// Tells which Call-IDs are certainly not recorded: a counting Bloom filter with one hash.
///
/// With 200 calls in 4,096 slots, 19 of 20 unrecorded calls are told without a lock.
#[derive(Debug)]
pub(super) struct Sieve {
    hasher: foldhash::fast::RandomState,
    slots: Box<[AtomicU16]>,
}

impl Sieve {
    pub(super) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU16::new(0)).collect();
        Self {
            hasher: foldhash::fast::RandomState::default(),
            slots,
        }
    }

    /// `false`: certainly not recorded.
    pub(super) fn may_contain(&self, key: &[u8]) -> bool {
        self.slot(key).load(Ordering::Relaxed) > 0
    }

    /// Exactly one `remove` for each `insert`.
    pub(super) fn insert(&self, key: &[u8]) {
        let before = self.slot(key).fetch_add(1, Ordering::Relaxed);
        debug_assert!(before < u16::MAX, "more calls than the log may hold");
    }

    pub(super) fn remove(&self, key: &[u8]) {
        let before = self.slot(key).fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "removed what was never inserted");
    }

    fn slot(&self, key: &[u8]) -> &AtomicU16 {
        // The remainder is below SLOTS, the length of the slice.
        &self.slots[self.hasher.hash_one(key) as usize % SLOTS]
    }
}

const LOWER: u64 = 0xffff_ffff;
const SLOTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampler_admits_so_many_a_second() {
        let sampler = Sampler::new(3);
        let admitted = |at_ms: u64| {
            (0..10)
                .filter(|_| sampler.admits(Duration::from_millis(at_ms)))
                .count()
        };
        assert_eq!(admitted(0), 3);
        assert_eq!(admitted(999), 0);
        assert_eq!(admitted(1000), 3);
        assert_eq!(admitted(7300), 3);
        assert!(!Sampler::new(0).admits(Duration::ZERO));
    }

    #[test]
    fn sieve_counts() {
        let sieve = Sieve::new();
        assert!(!sieve.may_contain(b"a"));
        sieve.insert(b"a");
        sieve.insert(b"a");
        sieve.remove(b"a");
        assert!(sieve.may_contain(b"a"));
        sieve.remove(b"a");
        assert!(!sieve.may_contain(b"a"));
    }
}
