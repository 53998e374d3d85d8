//! How well the peers of sessions that have ended were received.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What came of the peers' streams, counted when their sessions ended. Sessions to which nothing came
/// are not counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quality {
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, in microseconds.
    pub jitter: Histogram,
    /// Packets that should have come and did not, or came only when they were given up.
    pub lost: Histogram,
}

/// How many values were within which bounds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Histogram {
    /// How many were within the bound of the same place and above the one before; the last is all
    /// above.
    pub counts: [u64; BOUNDS + 1],
    /// All values together.
    pub sum: u64,
}

impl Quality {
    /// Upper bounds of [`Quality::jitter`], in microseconds.
    pub const JITTER_BOUNDS: [u64; BOUNDS] = [
        500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    ];

    /// Upper bounds of [`Quality::lost`].
    pub const LOST_BOUNDS: [u64; BOUNDS] = [0, 1, 2, 5, 10, 50, 100, 500, 1000, 5000];
}

/// The same, as threads add to it.
#[derive(Default)]
pub(crate) struct QualityCells {
    jitter: HistogramCells,
    lost: HistogramCells,
}

#[derive(Default)]
struct HistogramCells {
    counts: [AtomicU64; BOUNDS + 1],
    sum: AtomicU64,
}

impl QualityCells {
    /// A session has ended.
    pub(crate) fn ended(&self, jitter: Duration, lost: u32) {
        let micros = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
        self.jitter.add(&Quality::JITTER_BOUNDS, micros);
        self.lost.add(&Quality::LOST_BOUNDS, lost.into());
    }

    pub(crate) fn read(&self) -> Quality {
        Quality {
            jitter: self.jitter.read(),
            lost: self.lost.read(),
        }
    }
}

impl HistogramCells {
    fn add(&self, bounds: &[u64], value: u64) {
        let place = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    fn read(&self) -> Histogram {
        Histogram {
            counts: self.counts.each_ref().map(|count| count.load(Relaxed)),
            sum: self.sum.load(Relaxed),
        }
    }
}

/// Bounds of a histogram.
const BOUNDS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_counted_where_it_belongs() {
        let cells = QualityCells::default();
        cells.ended(Duration::ZERO, 0);
        cells.ended(Duration::from_micros(500), 1);
        cells.ended(Duration::from_micros(501), 3);
        cells.ended(Duration::from_secs(9), u32::MAX);
        let Quality { jitter, lost } = cells.read();
        assert_eq!(jitter.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(jitter.sum, 9_001_001);
        assert_eq!(lost.counts, [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(lost.sum, 4 + u64::from(u32::MAX));
    }

    #[test]
    fn bounds_rise() {
        assert!(Quality::JITTER_BOUNDS.is_sorted_by(|a, b| a < b));
        assert!(Quality::LOST_BOUNDS.is_sorted_by(|a, b| a < b));
    }
}
