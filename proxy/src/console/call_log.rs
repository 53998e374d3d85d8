//! The memory of the console: the newest calls, each with its events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hashbrown::HashMap;

use super::admission::{Sampler, Sieve};
use super::call::{Call, Recorded};
use super::event::{CallEvent, Peer};
use super::summary::{About, Summary};
use super::text;

/// A bounded store of the newest calls, shared by all workers.
///
/// A worker that has nothing to record pays one atomic load ([`enabled`](Self::enabled)) when the
/// log is off, and a hash and one more when it is on; only events of recorded calls take the lock,
/// and they are copied and redacted before they do. Calls that arrive faster than
/// [`CallLogLimits::opened_per_second`] are counted, not recorded.
#[derive(Debug)]
pub struct CallLog {
    enabled: AtomicBool,
    limits: CallLogLimits,
    sampler: Sampler,
    sieve: Sieve,
    skipped: AtomicU64,
    began: Instant,
    store: Mutex<Store>,
}

/// What the log may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLogLimits {
    /// Calls; the oldest make room.
    pub calls: usize,
    /// Events of a call; the first three quarters and the newest stay.
    pub events: usize,
    /// Bytes of text in an event; the rest is cut.
    pub event_bytes: usize,
    /// Bytes altogether; the oldest calls make room.
    pub memory_bytes: usize,
    /// New calls in each second; the rest is only counted.
    pub opened_per_second: u32,
}

/// How the log fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls recorded since the start.
    pub recorded: u64,
    /// Calls not recorded because they came too fast.
    pub skipped: u64,
    /// Calls that made room for newer ones.
    pub evicted: u64,
    /// Calls held now.
    pub calls: usize,
    /// Events held now.
    pub events: usize,
    /// Bytes held now.
    pub bytes: usize,
}

/// All changes after a revision, newest call first.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    pub(super) revision: u64,
    pub(super) oldest: u64,
    pub(super) calls: Vec<Summary>,
}

/// Everything about one call.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) summary: Summary,
    pub(super) dropped: u64,
    pub(super) events: Vec<Recorded>,
}

impl CallLog {
    /// An empty log that records.
    pub fn new(limits: CallLogLimits) -> Self {
        let limits = CallLogLimits {
            calls: limits.calls.min(CALLS_MAX),
            ..limits
        };
        Self {
            enabled: AtomicBool::new(limits.calls > 0),
            limits,
            sampler: Sampler::new(limits.opened_per_second),
            sieve: Sieve::new(),
            skipped: AtomicU64::new(0),
            began: Instant::now(),
            store: Mutex::new(Store::default()),
        }
    }

    /// A log that records nothing.
    pub fn disabled() -> Self {
        Self::new(CallLogLimits {
            calls: 0,
            ..CallLogLimits::default()
        })
    }

    /// Whether anything is recorded at all.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Whether the call is recorded; rarely `true` for one that is not.
    pub fn wants(&self, call_id: &[u8]) -> bool {
        self.enabled() && self.sieve.may_contain(call_id)
    }

    /// Records an event. An INVITE outside a dialog opens its call; other events of calls that are
    /// not recorded are ignored.
    pub fn record(&self, call_id: &[u8], event: CallEvent) {
        if !self.enabled() {
            return;
        }
        if let Some((from, message)) = event.begins_call() {
            self.open(call_id, from.clone(), message);
        } else if self.sieve.may_contain(call_id) {
            self.add(call_id, event);
        }
    }

    /// Records an event that is made only if the call is recorded.
    pub fn record_with(&self, call_id: &[u8], event: impl FnOnce() -> CallEvent) {
        if self.wants(call_id) {
            self.record(call_id, event());
        }
    }

    /// Records an INVITE outside a dialog; `true` if its call is recorded from now on.
    ///
    /// One with a Call-ID that is recorded already (a retransmission, a second attempt with
    /// credentials, the same call at the next hop) is an event of that call.
    pub fn open(&self, call_id: &[u8], from: Peer, message: &Bytes) -> bool {
        self.open_with(call_id, from, || message.clone())
    }

    /// [`open`](Self::open) with a message that is made only if it is recorded.
    pub fn open_with(&self, call_id: &[u8], from: Peer, message: impl FnOnce() -> Bytes) -> bool {
        if !self.enabled() || call_id.len() > CALL_ID_BYTES_MAX {
            return false;
        }
        let event = || CallEvent::Received {
            from,
            message: message(),
        };
        let known = self.sieve.may_contain(call_id) && self.store().index.contains_key(call_id);
        if known {
            self.add(call_id, event());
            return true;
        }
        if !self.sampler.admits(self.began.elapsed()) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let now = Instant::now();
        let started_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let (event, cut) = event().bounded(self.limits.event_bytes);
        let mut summary = match &event {
            CallEvent::Received { message, .. } => Summary::of_invite(message),
            _ => Summary::default(),
        };
        summary.call_id = text::line(call_id);
        summary.started_ms = u64::try_from(started_ms.as_millis()).unwrap_or(u64::MAX);
        let mut call = Call::new(call_id, summary, now);
        call.push(event, cut, now, self.limits.events);
        self.store().insert(call, &self.limits, &self.sieve);
        true
    }

    /// Adds what was found out about a call; fields that are `None` stay as they were.
    pub fn describe(&self, call_id: &[u8], about: About) {
        if !self.wants(call_id) {
            return;
        }
        let mut store = self.store();
        store.change(call_id, |call| {
            let before = call.fixed_weight();
            call.summary
                .about
                .update(about)
                .then(|| (call.fixed_weight(), before))
        });
        store.make_room(&self.limits, &self.sieve);
    }

    /// How the log fares.
    pub fn counters(&self) -> Counters {
        let store = self.store();
        Counters {
            recorded: store.last_id,
            skipped: self.skipped.load(Ordering::Relaxed),
            evicted: store.last_id - store.calls.len() as u64,
            calls: store.calls.len(),
            events: store.calls.iter().map(|call| call.events.len()).sum(),
            bytes: store.bytes,
        }
    }

    /// The calls that changed after `revision`, newest first.
    pub(super) fn changed_after(&self, revision: u64) -> Changed {
        let store = self.store();
        let changed = |call: &&Call| call.summary.revision > revision;
        let calls = store.calls.iter().rev().filter(changed);
        Changed {
            revision: store.revision,
            oldest: store.oldest_id(),
            calls: calls.map(|call| call.summary.clone()).collect(),
        }
    }

    /// One call with its events.
    pub(super) fn story(&self, id: u64) -> Option<Story> {
        let store = self.store();
        let position = usize::try_from(id.checked_sub(store.oldest_id())?).ok()?;
        let call = store.calls.get(position)?;
        Some(Story {
            summary: call.summary.clone(),
            dropped: call.dropped,
            events: call.events.clone(),
        })
    }

    fn add(&self, call_id: &[u8], event: CallEvent) {
        let (event, cut) = event.bounded(self.limits.event_bytes);
        let now = Instant::now();
        let mut store = self.store();
        store.change(call_id, |call| {
            Some(call.push(event, cut, now, self.limits.events))
        });
        store.make_room(&self.limits, &self.sieve);
    }

    /// The store is valid after each statement that changes it, so a panic elsewhere in its holder
    /// does not matter.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CallLogLimits {
    fn default() -> Self {
        Self {
            calls: 200,
            events: 64,
            event_bytes: 16 << 10,
            memory_bytes: 32 << 20,
            opened_per_second: 20,
        }
    }
}

/// The calls, oldest first; their ids are consecutive.
#[derive(Debug, Default)]
struct Store {
    calls: VecDeque<Call>,
    index: HashMap<Box<[u8]>, u64, foldhash::fast::RandomState>,
    last_id: u64,
    revision: u64,
    bytes: usize,
}

impl Store {
    /// The id of the oldest call, or of the next one if there is none.
    fn oldest_id(&self) -> u64 {
        self.last_id + 1 - self.calls.len() as u64
    }

    fn insert(&mut self, mut call: Call, limits: &CallLogLimits, sieve: &Sieve) {
        if self.index.contains_key(&call.key) {
            return; // Another thread was faster with the same INVITE.
        }
        self.last_id += 1;
        self.revision += 1;
        call.summary.id = self.last_id;
        call.summary.revision = self.revision;
        self.bytes += call.weight();
        self.index.insert(call.key.clone(), self.last_id);
        sieve.insert(&call.key);
        self.calls.push_back(call);
        self.make_room(limits, sieve);
    }

    /// Changes a call by a function that returns the weight it added and the weight it freed, or
    /// `None` if it changed nothing.
    fn change(&mut self, call_id: &[u8], change: impl FnOnce(&mut Call) -> Option<(usize, usize)>) {
        let Some(&id) = self.index.get(call_id) else {
            return;
        };
        let position = usize::try_from(id - self.oldest_id()).unwrap_or(usize::MAX);
        let Some(call) = self.calls.get_mut(position) else {
            return;
        };
        debug_assert_eq!(call.summary.id, id);
        let Some((added, freed)) = change(call) else {
            return;
        };
        self.revision += 1;
        call.summary.revision = self.revision;
        self.bytes = self.bytes + added - freed;
    }

    fn make_room(&mut self, limits: &CallLogLimits, sieve: &Sieve) {
        while self.calls.len() > limits.calls || self.bytes > limits.memory_bytes {
            let Some(oldest) = self.calls.pop_front() else {
                return;
            };
            self.bytes -= oldest.weight();
            self.index.remove(&oldest.key);
            sieve.remove(&oldest.key);
        }
        debug_assert_eq!(self.calls.len(), self.index.len());
    }
}

/// The most that a configuration can ask for.
const CALLS_MAX: usize = 10_000;
/// A call with a longer Call-ID is not recorded.
const CALL_ID_BYTES_MAX: usize = 1024;
