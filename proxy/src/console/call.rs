//! One recorded call: its newest and its first events, within a bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::CallEvent;
use super::summary::Summary;

/// A call in the log.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) key: Box<[u8]>,
    pub(super) summary: Summary,
    pub(super) events: Vec<Recorded>,
    /// Events that had to make room.
    pub(super) dropped: u64,
    began: Instant,
}

/// An event as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// From the begin of the call.
    pub(super) offset: Duration,
    /// Bytes that were cut.
    pub(super) cut: usize,
    pub(super) event: Arc<CallEvent>,
}

impl Call {
    pub(super) fn new(key: &[u8], summary: Summary, now: Instant) -> Self {
        Self {
            key: key.into(),
            summary,
            events: Vec::new(),
            dropped: 0,
            began: now,
        }
    }

    /// Adds an event and keeps at most `events_max`: the first three quarters, where the story
    /// begins, and the newest. Returns the change of weight: added and freed.
    pub(super) fn push(
        &mut self,
        event: CallEvent,
        cut: usize,
        now: Instant,
        events_max: usize,
    ) -> (usize, usize) {
        let offset = now.saturating_duration_since(self.began);
        self.summary.observe(&event, offset);
        let added = Recorded {
            offset,
            cut,
            event: Arc::new(event),
        };
        let added_weight = added.weight();
        let mut freed = 0;
        if self.events.len() >= events_max.max(1) {
            let oldest_of_the_newest = events_max / 4 * 3;
            freed = self
                .events
                .remove(oldest_of_the_newest.min(self.events.len() - 1))
                .weight();
            self.dropped += 1;
        }
        self.events.push(added);
        self.summary.events = self.events.len();
        (added_weight, freed)
    }

    /// The memory that the call takes.
    pub(super) fn weight(&self) -> usize {
        let events: usize = self.events.iter().map(Recorded::weight).sum();
        self.fixed_weight() + events
    }

    /// What it takes without its events.
    pub(super) fn fixed_weight(&self) -> usize {
        size_of::<Self>() + 2 * self.key.len() + self.summary.weight()
    }
}

impl Recorded {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.event.weight()
    }
}
