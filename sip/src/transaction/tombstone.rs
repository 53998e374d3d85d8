//! Finished transactions, which shrink to what absorbing retransmissions needs.
//!
//! A tombstone is an entry whose request is freed: key, peer, one timer and the message that answers
//! a retransmission (the last response, or the ACK). Tombstones yield to the limits, oldest first.

use std::collections::VecDeque;

use super::event::{CreateError, Event};
use super::id::TransactionId;
use super::layer::Layer;
use super::machine::Stage;

/// Tombstones in the order of their making. Ended ones stay in it until they are the oldest.
pub(super) type Graveyard = VecDeque<TransactionId>;

impl<P: Clone> Layer<P> {
    /// Does what a change of stage asks for.
    pub(super) fn settle(&mut self, id: TransactionId, was: Stage, is: Stage) {
        match (was, is) {
            (Stage::Live, Stage::Tombstone) => {
                self.counters.live -= 1;
                self.counters.tombstones += 1;
                self.bury(id);
            }
            (_, Stage::Ended) => self.end(id, was),
            _ => {}
        }
    }

    /// Removes a transaction whose stage was `was` until now, and says so.
    pub(super) fn end(&mut self, id: TransactionId, was: Stage) {
        if self.forget(id, was) {
            self.events.push_back(Event::Ended(id));
        }
    }

    /// Removes a transaction whose stage was `was`; says whether its user knows it.
    pub(super) fn forget(&mut self, id: TransactionId, was: Stage) -> bool {
        let (running, held, known) = match id {
            TransactionId::Server(id) => match self.servers.remove(id.0) {
                Some(entry) => (entry.value.running, entry.held(), true),
                None => return false,
            },
            TransactionId::Client(id) => match self.clients.remove(id.0) {
                Some(entry) => (entry.value.running, entry.held(), !entry.value.internal),
                None => return false,
            },
        };
        running.stop_all(&mut self.wheel);
        self.counters.bytes -= held;
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

    fn bury(&mut self, id: TransactionId) {
        self.graveyard.push_back(id);
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

    fn exists(&self, id: TransactionId) -> bool {
        match id {
            TransactionId::Server(id) => self.servers.get(id.0).is_some(),
            TransactionId::Client(id) => self.clients.get(id.0).is_some(),
        }
    }
}
