//! The queues of all calls, as a pure state machine.
//!
//! **Invariant: nothing here does input or output, reads a clock or draws a random number.** The
//! user agent says who comes and goes and when, and does what the [`Effect`]s say.
//!
//! A *waiter* stands in a queue (`<Enqueue>`); a *dialler* takes the head of it (`<Dial>` with a
//! `<Queue>`), or waits for somebody to come. The two are a pair from then on:
//!
//! ```text
//!  waiter  ─ enqueue ─► stands ─┐                ┌─ Connect ─► ready ─┐
//!                               ├─► pair: hears ─┘                    ├─► bridged ─► over
//!  dialler ─ dial ────► waits ──┘                       DialAnswered ─┘
//! ```
//!
//! If the dialler goes before the bridge, the waiter is the head again; if the waiter goes, the
//! dialler waits for the next one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use sip::Instant;

use crate::Sid;
use crate::run::{
    DialId, DialOutcome, DialQueuePlan, DialReason, EnqueuePlan, Event, QueueEnd, QueuePlace,
    QueueReason,
};
use crate::twiml::QUEUE_SIZE_MAX;
use crate::webhook::{CallContext, Hook};

/// Most queues at a time. Beyond it an empty one is forgotten for a new one.
pub const QUEUES_MAX: usize = 10_000;

/// How many may wait in a queue of which no document says more.
pub const QUEUE_SIZE: u32 = 100;

/// All queues. `K` tells the legs apart.
#[derive(Debug)]
pub struct Queues<K> {
    queues: HashMap<(Sid, String), Queue<K>>,
    /// Where a leg stands, or whom it takes.
    places: HashMap<K, (Sid, String)>,
}

/// Something to do, in the order given.
#[derive(Clone, Debug)]
pub enum Effect<K> {
    /// The two talk no longer.
    Part {
        /// Who took the other from the queue.
        dialler: K,
        /// Who was in it.
        waiter: K,
    },
    /// Tell the run of a leg.
    Tell {
        /// The leg.
        key: K,
        /// What.
        event: Event,
    },
}

#[derive(Debug)]
struct Queue<K> {
    sid: Sid,
    size_max: u32,
    waiters: VecDeque<Waiter<K>>,
    diallers: VecDeque<Dialler<K>>,
    pairs: Vec<Pair<K>>,
    /// Who was dequeued, and how long they had waited altogether.
    served: u32,
    waited: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Waiter<K> {
    key: K,
    call: Sid,
    since: Instant,
}

#[derive(Clone, Debug)]
struct Dialler<K> {
    key: K,
    call: Sid,
    dial: DialId,
    whisper: Option<Hook>,
}

#[derive(Clone, Debug)]
struct Pair<K> {
    waiter: Waiter<K>,
    dialler: Dialler<K>,
    waited: Duration,
    bridged_at: Option<Instant>,
}

impl<K> Default for Queues<K> {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            places: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Queues<K> {
    /// A leg comes ([`Action::Enqueue`](crate::run::Action::Enqueue)). `fresh` is the identifier
    /// of the queue if it is a new one.
    pub fn enqueue(
        &mut self,
        key: K,
        call: &CallContext,
        plan: &EnqueuePlan,
        fresh: Sid,
        now: Instant,
    ) -> Vec<Effect<K>> {
        let name = (call.account_sid, plan.name.clone());
        if self.places.contains_key(&key) || !self.make(&name, fresh) {
            return vec![left(key, QueueReason::Refused, None, Duration::ZERO)];
        }
        let Some(queue) = self.queues.get_mut(&name) else {
            return Vec::new();
        };
        if let Some(size) = plan.size_max {
            queue.size_max = size.min(QUEUE_SIZE_MAX);
        }
        if queue.waiters.len() >= queue.size_max as usize {
            return vec![left(key, QueueReason::Full, None, Duration::ZERO)];
        }
        queue.waiters.push_back(Waiter {
            key,
            call: call.call_sid,
            since: now,
        });
        self.places.insert(key, name);
        queue.pair(now, Some(key))
    }

    /// Makes a queue if there is none of this name. `false`: there are too many.
    fn make(&mut self, name: &(Sid, String), fresh: Sid) -> bool {
        if self.queues.contains_key(name) {
            return true;
        }
        if self.queues.len() >= QUEUES_MAX {
            let idle = self.queues.iter().find(|(_, queue)| queue.is_idle());
            let Some(idle) = idle.map(|(name, _)| name.clone()) else {
                return false;
            };
            self.queues.remove(&idle);
        }
        self.queues.insert(name.clone(), Queue::new(fresh));
        true
    }

    /// A leg takes the head of a queue, or waits for somebody to come
    /// ([`Action::DialQueue`](crate::run::Action::DialQueue)).
    pub fn dial(
        &mut self,
        key: K,
        call: &CallContext,
        plan: &DialQueuePlan,
        now: Instant,
    ) -> Vec<Effect<K>> {
        let name = (call.account_sid, plan.name.clone());
        let taken = self.places.contains_key(&key);
        let Some(queue) = self.queues.get_mut(&name).filter(|_| !taken) else {
            return vec![dial_ended(key, plan.id, failed(DialReason::NoQueue))];
        };
        if queue.diallers.len() >= DIALLERS_MAX {
            return vec![dial_ended(key, plan.id, failed(DialReason::Refused))];
        }
        queue.diallers.push_back(Dialler {
            key,
            call: call.call_sid,
            dial: plan.id,
            whisper: plan.whisper.clone(),
        });
        self.places.insert(key, name);
        queue.pair(now, None)
    }

    /// Where a waiter stands ([`Action::AskQueue`](crate::run::Action::AskQueue)).
    pub fn place(&self, key: K, now: Instant) -> Option<QueuePlace> {
        self.queues.get(self.places.get(&key)?)?.place(key, now)
    }

    /// A waiter may be bridged ([`Action::Connect`](crate::run::Action::Connect)).
    pub fn ready(&mut self, waiter: K) -> Vec<Effect<K>> {
        let pair = self.queue(waiter).and_then(|queue| {
            let mut pairs = queue.pairs.iter();
            pairs.find(|pair| pair.waiter.key == waiter && pair.bridged_at.is_none())
        });
        let event = Event::DialAnswered;
        pair.map(|pair| Effect::Tell {
            key: pair.dialler.key,
            event,
        })
        .into_iter()
        .collect()
    }

    /// A dialler is bridged now ([`Action::Bridge`](crate::run::Action::Bridge)): with whom.
    pub fn bridge(&mut self, dialler: K, now: Instant) -> Option<K> {
        let queue = self.queue(dialler)?;
        let mut pairs = queue.pairs.iter_mut();
        let pair = pairs.find(|pair| pair.dialler.key == dialler)?;
        pair.bridged_at.get_or_insert(now);
        Some(pair.waiter.key)
    }

    /// Whether a leg takes somebody from a queue.
    pub fn is_dialler(&self, key: K) -> bool {
        let queue = self.places.get(&key).and_then(|name| self.queues.get(name));
        queue.is_some_and(|queue| queue.has_dialler(key))
    }

    /// A dialler goes ([`Action::CancelDial`](crate::run::Action::CancelDial), or it is gone).
    pub fn cancel(&mut self, dialler: K, now: Instant) -> Vec<Effect<K>> {
        let Some(queue) = self.queue(dialler) else {
            return Vec::new();
        };
        if let Some(at) = queue.diallers.iter().position(|d| d.key == dialler) {
            let gone = queue.diallers.remove(at);
            self.places.remove(&dialler);
            let ended = gone.map(|gone| (gone.dial, failed(DialReason::Cancelled)));
            return ended
                .map(|(dial, outcome)| dial_ended(dialler, dial, outcome))
                .into_iter()
                .collect();
        }
        let Some(at) = queue.pairs.iter().position(|p| p.dialler.key == dialler) else {
            return Vec::new();
        };
        let pair = queue.pairs.swap_remove(at);
        if pair.bridged_at.is_some() {
            return self.part(&pair, DialReason::Cancelled, QueueReason::Bridged, now);
        }
        queue.served = queue.served.saturating_sub(1);
        queue.waited = queue.waited.saturating_sub(pair.waited);
        queue.waiters.push_front(pair.waiter);
        let mut effects = vec![dial_ended(
            dialler,
            pair.dialler.dial,
            failed(DialReason::Cancelled),
        )];
        effects.extend(queue.pair(now, Some(pair.waiter.key)));
        self.places.remove(&dialler);
        effects
    }

    /// A waiter goes ([`Action::LeaveQueue`](crate::run::Action::LeaveQueue), or it is gone).
    pub fn leave(&mut self, waiter: K, now: Instant) -> Vec<Effect<K>> {
        let Some(queue) = self.queue(waiter) else {
            return Vec::new();
        };
        let sid = Some(queue.sid);
        if let Some(at) = queue.waiters.iter().position(|w| w.key == waiter) {
            let gone = queue.waiters.remove(at);
            self.places.remove(&waiter);
            let waited = gone.map_or(Duration::ZERO, |gone| now - gone.since);
            return vec![left(waiter, QueueReason::Left, sid, waited)];
        }
        let Some(at) = queue.pairs.iter().position(|p| p.waiter.key == waiter) else {
            return Vec::new();
        };
        let pair = queue.pairs.swap_remove(at);
        if pair.bridged_at.is_some() {
            return self.part(&pair, DialReason::CalleeHungUp, QueueReason::Bridged, now);
        }
        let mut effects = vec![
            left(waiter, QueueReason::Left, sid, pair.waited),
            Effect::Tell {
                key: pair.dialler.key,
                event: Event::DialQueueWaits,
            },
        ];
        queue.diallers.push_front(pair.dialler);
        effects.extend(queue.pair(now, None));
        self.places.remove(&waiter);
        effects
    }

    /// Two who talked talk no longer.
    fn part(
        &mut self,
        pair: &Pair<K>,
        reason: DialReason,
        end: QueueReason,
        now: Instant,
    ) -> Vec<Effect<K>> {
        let (waiter, dialler) = (pair.waiter.key, pair.dialler.key);
        let sid = self.queue(waiter).map(|queue| queue.sid);
        self.places.remove(&waiter);
        self.places.remove(&dialler);
        let outcome = DialOutcome {
            call_sid: Some(pair.waiter.call),
            answered: true,
            bridged: true,
            duration: pair.bridged_at.map_or(Duration::ZERO, |at| now - at),
            reason,
            queue: sid.map(|sid| (sid, pair.waited)),
            ..DialOutcome::default()
        };
        vec![
            Effect::Part { dialler, waiter },
            left(waiter, end, sid, pair.waited),
            dial_ended(dialler, pair.dialler.dial, outcome),
        ]
    }

    /// How many queues there are, and how many wait in them.
    pub fn count(&self) -> (usize, usize) {
        let waiting = self.queues.values().map(|queue| queue.waiters.len()).sum();
        (self.queues.len(), waiting)
    }

    fn queue(&mut self, key: K) -> Option<&mut Queue<K>> {
        self.queues.get_mut(self.places.get(&key)?)
    }
}

impl<K: Copy + Eq> Queue<K> {
    fn new(sid: Sid) -> Self {
        Self {
            sid,
            size_max: QUEUE_SIZE,
            waiters: VecDeque::new(),
            diallers: VecDeque::new(),
            pairs: Vec::new(),
            served: 0,
            waited: Duration::ZERO,
        }
    }

    fn is_idle(&self) -> bool {
        self.waiters.is_empty() && self.diallers.is_empty() && self.pairs.is_empty()
    }

    fn has_dialler(&self, key: K) -> bool {
        self.diallers.iter().any(|dialler| dialler.key == key)
            || self.pairs.iter().any(|pair| pair.dialler.key == key)
    }

    /// Brings those together who wait for each other. `new` is a waiter who has to be told where
    /// it stands, unless its turn comes at once.
    fn pair(&mut self, now: Instant, new: Option<K>) -> Vec<Effect<K>> {
        let mut effects = Vec::new();
        while !self.waiters.is_empty() && !self.diallers.is_empty() {
            let (Some(waiter), Some(dialler)) =
                (self.waiters.pop_front(), self.diallers.pop_front())
            else {
                break;
            };
            let waited = now - waiter.since;
            self.served = self.served.saturating_add(1);
            self.waited = self.waited.saturating_add(waited);
            effects.push(Effect::Tell {
                key: waiter.key,
                event: Event::Dequeued {
                    by: dialler.call,
                    queue: self.sid,
                    waited,
                    whisper: dialler.whisper.clone(),
                },
            });
            let early_media = false;
            effects.push(Effect::Tell {
                key: dialler.key,
                event: Event::DialRinging { early_media },
            });
            self.pairs.push(Pair {
                waiter,
                dialler,
                waited,
                bridged_at: None,
            });
        }
        if let Some(key) = new
            && let Some(place) = self.place(key, now)
        {
            let event = Event::Enqueued(place);
            effects.push(Effect::Tell { key, event });
        }
        effects
    }

    fn place(&self, key: K, now: Instant) -> Option<QueuePlace> {
        let at = self.waiters.iter().position(|waiter| waiter.key == key)?;
        let waiter = self.waiters.get(at)?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(QueuePlace {
            sid: self.sid,
            position: count(at + 1),
            waited: now - waiter.since,
            average: self.waited.checked_div(self.served).unwrap_or_default(),
            size: count(self.waiters.len()),
            size_max: self.size_max,
        })
    }
}

fn left<K>(key: K, reason: QueueReason, sid: Option<Sid>, waited: Duration) -> Effect<K> {
    let event = Event::QueueEnded(QueueEnd {
        reason,
        sid,
        waited,
    });
    Effect::Tell { key, event }
}

fn dial_ended<K>(key: K, dial: DialId, outcome: DialOutcome) -> Effect<K> {
    let event = Event::DialEnded(dial, vec![outcome]);
    Effect::Tell { key, event }
}

fn failed(reason: DialReason) -> DialOutcome {
    DialOutcome {
        reason,
        ..DialOutcome::default()
    }
}

/// Diallers that wait for somebody to come into one queue.
const DIALLERS_MAX: usize = 1000;
