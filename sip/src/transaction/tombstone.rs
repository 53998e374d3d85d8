//! Finished transactions, which shrink to what absorbing retransmissions needs.
//!
//! A tombstone is an entry whose request is freed: key, peer, one timer and the message that answers
//! a retransmission (the last response, or the ACK). Tombstones yield to the limits, oldest first.

use crate::arena::Key;

use super::event::{CreateError, Event};
use super::id::TransactionId;
use super::layer::Layer;
use super::machine::Stage;

impl<P: Clone> Layer<P> {
    /// Does what a change of stage asks for.
    #[inline]
    pub(super) fn settle(&mut self, key: Key, was: Stage, is: Stage) {
        match (was, is) {
            (Stage::Live, Stage::Tombstone) => {
                self.counters.live -= 1;
                self.counters.tombstones += 1;
                self.bury(key);
            }
            (_, Stage::Ended) => self.end(key, was),
            _ => {}
        }
    }

    /// Removes a transaction whose stage was `was` until now, and says so.
    pub(super) fn end(&mut self, key: Key, was: Stage) {
        if let Some(id) = self.forget(key, was) {
            self.events.push_back(Event::Ended(id));
        }
    }

    /// Removes a transaction whose stage was `was`; returns what its user knows it by.
    pub(super) fn forget(&mut self, key: Key, was: Stage) -> Option<TransactionId> {
        let record = self.table.get(key)?;
        let known = (!record.internal).then(|| record.machine.id(key));
        record.running.stop(&mut self.wheel);
        self.counters.bytes -= Self::RECORD_BYTES + record.held();
        self.table.remove(key);
        match was {
            Stage::Live => self.counters.live -= 1,
            Stage::Tombstone => {
                self.counters.tombstones -= 1;
                self.clear_graveyard();
            }
            Stage::Ended => debug_assert!(false, "ended twice"),
        }
        known
    }

    /// Drops ended tombstones from the old end of the order.
    fn clear_graveyard(&mut self) {
        while let Some(&oldest) = self.graveyard.front()
            && !self.exists(oldest)
        {
            self.graveyard.pop_front();
        }
    }

    /// Makes room for one transaction more: tombstones yield, live ones do not.
    pub(super) fn make_room(&mut self) -> Result<(), CreateError> {
        if self.counters.live >= self.limits.transactions {
            return Err(CreateError::Full);
        }
        while self.counters.bytes >= self.limits.bytes {
            if !self.evict_oldest() {
                return Err(CreateError::Full);
            }
        }
        Ok(())
    }

    fn bury(&mut self, key: Key) {
        self.graveyard.push_back(key);
        while self.graveyard.len() > self.limits.tombstones {
            self.evict_oldest();
        }
    }

    /// Removes the oldest tombstone before its time; false when there is none.
    fn evict_oldest(&mut self) -> bool {
        let Some(oldest) = self.graveyard.pop_front() else {
            return false;
        };
        if self.exists(oldest) {
            self.counters.tombstones_evicted += 1;
            self.end(oldest, Stage::Tombstone);
        }
        true
    }

    fn exists(&self, key: Key) -> bool {
        self.table.get(key).is_some()
    }
}
