//! Answers that still hold.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::lookup::{Answer, LookupError};

/// Records by name. No records: there are none, and we know it.
pub(super) struct Cache<T> {
    entries: DashMap<Box<str>, Entry<T>>,
    bounds: CacheBounds,
}

struct Entry<T> {
    records: Arc<[T]>,
    until: Instant,
}

/// How much is kept and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheBounds {
    pub(super) entries: usize,
    pub(super) ttl_min: Duration,
    pub(super) ttl_max: Duration,
    pub(super) negative_ttl_max: Duration,
    pub(super) stale_max: Duration,
}

/// What the cache knows.
pub(super) enum Known<T> {
    Fresh(Arc<[T]>),
    /// Out of date, but better than nothing if nobody answers.
    Stale(Arc<[T]>),
    Nothing,
}

impl<T> Cache<T> {
    pub(super) fn new(bounds: CacheBounds) -> Self {
        Self {
            entries: DashMap::new(),
            bounds,
        }
    }

    pub(super) fn known(&self, name: &str) -> Known<T> {
        let now = Instant::now();
        match self.entries.get(name) {
            Some(entry) if now < entry.until => Known::Fresh(Arc::clone(&entry.records)),
            Some(entry)
                if now < entry.until + self.bounds.stale_max && !entry.records.is_empty() =>
            {
                Known::Stale(Arc::clone(&entry.records))
            }
            _ => Known::Nothing,
        }
    }

    /// Keeps an answer, also that there is none. Failures are not answers.
    pub(super) fn keep(
        &self,
        name: &str,
        answer: Result<Answer<T>, LookupError>,
    ) -> Result<Arc<[T]>, LookupError> {
        let bounds = &self.bounds;
        let (records, ttl) = match answer {
            Ok(answer) => (
                answer.records.into(),
                answer.ttl.clamp(bounds.ttl_min, bounds.ttl_max),
            ),
            Err(LookupError::NotFound(ttl)) => {
                let ttl = ttl
                    .unwrap_or(NEGATIVE_TTL)
                    .clamp(bounds.ttl_min, bounds.negative_ttl_max);
                (Arc::from([]), ttl)
            }
            Err(error) => return Err(error),
        };
        let now = Instant::now();
        if self.entries.len() >= bounds.entries {
            self.entries.retain(|_, entry| now < entry.until);
        }
        // A flood of names that all hold is answered, but not remembered.
        if self.entries.len() < bounds.entries {
            let entry = Entry {
                records: Arc::clone(&records),
                until: now + ttl,
            };
            self.entries.insert(name.into(), entry);
        }
        Ok(records)
    }
}

/// For a "there is none" without a lifetime of its own.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: CacheBounds = CacheBounds {
        entries: 3,
        ttl_min: Duration::from_secs(1),
        ttl_max: Duration::from_secs(3_600),
        negative_ttl_max: Duration::from_secs(60),
        stale_max: Duration::from_secs(10),
    };

    fn answer(ttl: u64) -> Result<Answer<u8>, LookupError> {
        Ok(Answer {
            records: vec![1],
            ttl: Duration::from_secs(ttl),
        })
    }

    fn is_fresh(cache: &Cache<u8>, name: &str) -> bool {
        matches!(cache.known(name), Known::Fresh(_))
    }

    async fn seconds(count: u64) {
        tokio::time::advance(Duration::from_secs(count)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn lifetimes_are_kept_within_bounds() {
        let cache = Cache::new(BOUNDS);
        cache.keep("zero", answer(0)).expect("records");
        cache.keep("year", answer(31_536_000)).expect("records");
        cache
            .keep(
                "none",
                Err(LookupError::NotFound(Some(Duration::from_secs(86_400)))),
            )
            .expect("an answer");
        assert!(is_fresh(&cache, "zero"));
        seconds(1).await;
        assert!(!is_fresh(&cache, "zero"));
        assert!(matches!(cache.known("zero"), Known::Stale(_)));
        seconds(59).await;
        assert!(matches!(cache.known("none"), Known::Nothing));
        assert!(matches!(cache.known("zero"), Known::Nothing));
        seconds(3_539).await;
        assert!(is_fresh(&cache, "year"));
        seconds(1).await;
        assert!(!is_fresh(&cache, "year"));
    }

    #[tokio::test(start_paused = true)]
    async fn names_beyond_the_bound_push_out_only_what_is_over() {
        let cache = Cache::new(BOUNDS);
        for name in ["a", "b", "c", "d"] {
            cache.keep(name, answer(10)).expect("records");
        }
        assert!(is_fresh(&cache, "a") && !is_fresh(&cache, "d"));
        seconds(10).await;
        cache.keep("d", answer(10)).expect("records");
        assert!(is_fresh(&cache, "d"));
        assert_eq!(cache.entries.len(), 1);
    }

    #[tokio::test]
    async fn failures_are_not_kept() {
        let cache = Cache::<u8>::new(BOUNDS);
        cache
            .keep("a", Err(LookupError::Failed))
            .expect_err("a failure");
        assert!(matches!(cache.known("a"), Known::Nothing));
    }
}
