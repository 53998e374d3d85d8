//! What filters refused and dropped, by filter and reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Reason;

/// All counters of a process; outlives every chain, so that a reload loses nothing.
///
/// The label set is closed: a reason that a filter did not declare counts as `other`.
#[derive(Debug, Default)]
pub struct Counters {
    filters: Mutex<Vec<Counts>>,
}

/// The counters of one filter.
#[derive(Clone, Debug)]
pub struct Counts(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    filter: &'static str,
    reasons: Vec<(Reason, AtomicU64)>,
}

/// One counter as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The filter.
    pub filter: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// How often.
    pub value: u64,
}

impl Counters {
    /// The counters of `filter`, which may be made for each of `reasons`; the same ones whenever
    /// it is asked for by this name.
    pub fn filter(&self, filter: &'static str, reasons: &[Reason]) -> Counts {
        let mut filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = filters.iter().find(|counts| counts.0.filter == filter) {
            return known.clone();
        }
        let common = [Reason::FILTER_PANIC, Reason::WAIT_TIMEOUT, Reason::OTHER];
        let mut cells: Vec<(Reason, AtomicU64)> = Vec::new();
        for &reason in reasons.iter().chain(&common) {
            if cells.iter().all(|(known, _)| *known != reason) {
                cells.push((reason, AtomicU64::new(0)));
            }
        }
        let counts = Counts(Arc::new(Cells {
            filter,
            reasons: cells,
        }));
        filters.push(counts.clone());
        counts
    }

    /// Every counter as it stands, those at zero too.
    pub fn snapshot(&self) -> Vec<Count> {
        let filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |counts: &Counts| {
            let filter = counts.0.filter;
            let count = move |(reason, cell): &(Reason, AtomicU64)| Count {
                filter,
                reason: reason.0,
                value: cell.load(Ordering::Relaxed),
            };
            counts.0.reasons.iter().map(count).collect::<Vec<_>>()
        };
        filters.iter().flat_map(counts).collect()
    }
}

impl Counts {
    /// Counts one; returns how many of this reason there are now.
    pub fn add(&self, reason: Reason) -> u64 {
        self.add_many(reason, 1)
    }

    /// Counts `number`; returns how many of this reason there are now.
    pub(crate) fn add_many(&self, reason: Reason, number: u64) -> u64 {
        let cells = &self.0.reasons;
        let cell = cells
            .iter()
            .find(|(known, _)| *known == reason)
            // `other` is the last one.
            .or_else(|| cells.last());
        cell.map_or(0, |(_, cell)| {
            cell.fetch_add(number, Ordering::Relaxed) + number
        })
    }

    /// Counts one and says whether to log it: the 1st, 2nd, 4th, 8th … of its reason, so that a
    /// flood cannot fill the log.
    pub fn add_and_sample(&self, reason: Reason) -> bool {
        self.add(reason).is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_and_shared() {
        let counters = Counters::default();
        let one = counters.filter("f", &[Reason("a")]);
        let two = counters.filter("f", &[]);
        assert_eq!(one.add(Reason("a")), 1);
        assert_eq!(two.add(Reason("a")), 2);
        assert_eq!(one.add(Reason("never declared")), 1);
        let value = |reason| {
            let all = counters.snapshot();
            all.iter().find(|c| c.reason == reason).map(|c| c.value)
        };
        assert_eq!(value("a"), Some(2));
        assert_eq!(value("other"), Some(1));
        assert_eq!(value("filter_panic"), Some(0));
        assert_eq!(value("never declared"), None);
    }
}
