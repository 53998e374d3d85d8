//! The conferences of all calls, as a pure state machine.
//!
//! **Invariant: nothing here does input or output, reads a clock or draws a random number.** The
//! user agent says who comes and goes, and does what the [`Effect`]s say.
//!
//! ```text
//!  first participant ─► waiting ─ two are in, one of whom may start it ─► running ─► over
//!                          │                                               ▲  │
//!                          └────────────── nobody is left ─────────────────┘  └ nobody is left,
//!                                                                 or one with endConferenceOnExit
//! ```
//!
//! A name is one conference of one account at a time. What concerns the conference as a whole
//! (size, recording, callbacks) is what its first participant said.

mod callback;
mod participant;
mod room;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::Sid;
use crate::run::{ConferenceEnd, ConferenceNotice, ConferencePlan, Event, Recording};
use crate::webhook::{CallContext, Request};

pub use participant::Member;

use participant::Participant;
use room::{End, Room};

/// Most conferences at a time.
pub const CONFERENCES_MAX: usize = 10_000;

/// All conferences. `K` tells the legs apart.
#[derive(Debug)]
pub struct Conferences<K> {
    rooms: HashMap<Sid, Room<K>>,
    /// Those that can be joined, by account and name.
    names: HashMap<(Sid, String), Sid>,
    seats: HashMap<K, Sid>,
}

/// Something to do, in the order given.
#[derive(Clone, Debug)]
pub enum Effect<K> {
    /// Make a request whose answer does not matter
    /// ([`Client::status_callback`](crate::webhook::Client::status_callback)).
    Callback {
        /// Whose account it is about.
        call: Arc<CallContext>,
        /// The request.
        request: Box<Request>,
    },
    /// Close the room: nobody is in it.
    Close {
        /// The conference.
        room: Sid,
    },
    /// Record the room. Then [`Conferences::recording_started`] and [`Conferences::recorded`].
    Record {
        /// The conference.
        room: Sid,
        /// Whether silence is cut off.
        trim_silence: bool,
    },
    /// Put a leg into the room, or change how it takes part.
    Seat {
        /// The leg.
        key: K,
        /// The conference.
        room: Sid,
        /// How it takes part.
        member: Member<K>,
    },
    /// End the recording of the room. Then [`Conferences::recorded`].
    StopRecording {
        /// The conference.
        room: Sid,
    },
    /// Tell the run of a leg.
    Tell {
        /// The leg.
        key: K,
        /// What.
        event: Event,
    },
    /// Take a leg out of the room.
    Unseat {
        /// The leg.
        key: K,
        /// The conference.
        room: Sid,
    },
}

impl<K> Default for Conferences<K> {
    fn default() -> Self {
        Self {
            rooms: HashMap::new(),
            names: HashMap::new(),
            seats: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Conferences<K> {
    /// A leg joins ([`Action::JoinConference`](crate::run::Action::JoinConference)). `fresh` is the
    /// identifier of the conference if it is a new one.
    pub fn join(
        &mut self,
        key: K,
        call: &Arc<CallContext>,
        plan: &ConferencePlan,
        fresh: Sid,
    ) -> Vec<Effect<K>> {
        match self.admit(key, call, plan, fresh) {
            Ok(effects) => effects,
            Err(end) => vec![ended(key, end)],
        }
    }

    fn admit(
        &mut self,
        key: K,
        call: &Arc<CallContext>,
        plan: &ConferencePlan,
        fresh: Sid,
    ) -> Result<Vec<Effect<K>>, ConferenceEnd> {
        if self.seats.contains_key(&key) {
            return Err(ConferenceEnd::Left);
        }
        let name = (call.account_sid, plan.name.clone());
        let sid = match self.names.get(&name) {
            Some(sid) => *sid,
            None if plan.coach.is_some() => return Err(ConferenceEnd::NobodyToCoach),
            None if self.rooms.len() >= CONFERENCES_MAX => return Err(ConferenceEnd::Full),
            None => {
                self.rooms.insert(fresh, Room::new(fresh, call, plan));
                self.names.insert(name, fresh);
                fresh
            }
        };
        let room = self.rooms.get_mut(&sid).ok_or(ConferenceEnd::Full)?;
        let participant = Participant::new(key, call.call_sid, plan);
        let effects = room.join(participant, plan.coach)?;
        self.seats.insert(key, sid);
        Ok(effects)
    }

    /// A leg goes ([`Action::LeaveConference`](crate::run::Action::LeaveConference), or it is
    /// gone).
    pub fn leave(&mut self, key: K) -> Vec<Effect<K>> {
        let Some(sid) = self.seats.remove(&key) else {
            return Vec::new();
        };
        let Some(room) = self.rooms.get_mut(&sid) else {
            return Vec::new();
        };
        let (mut effects, over) = room.leave(key);
        if let Some(end) = over {
            effects.extend(self.end(sid, &end));
        }
        effects
    }

    fn end(&mut self, sid: Sid, end: &End) -> Vec<Effect<K>> {
        let Some(room) = self.rooms.get_mut(&sid) else {
            return Vec::new();
        };
        let (effects, gone) = room.end(end);
        for key in gone {
            self.seats.remove(&key);
        }
        // A name is free with its end, also while the recording is still being written.
        self.names.remove(&room.name());
        if !room.awaits_recording() {
            self.rooms.remove(&sid);
        }
        effects
    }

    /// A participant begins or ceases to speak.
    pub fn speaks(&mut self, key: K, speaks: bool) -> Vec<Effect<K>> {
        let sid = self.seats.get(&key);
        sid.and_then(|sid| self.rooms.get_mut(sid))
            .map(|room| room.speaks(key, speaks))
            .unwrap_or_default()
    }

    /// Whether anybody wants to know who speaks in the conference of this leg.
    pub fn wants_speakers(&self, key: K) -> bool {
        let sid = self.seats.get(&key);
        sid.and_then(|sid| self.rooms.get(sid))
            .is_some_and(Room::wants_speakers)
    }

    /// The recording of a room has begun.
    pub fn recording_started(&self, sid: Sid, recording: &Recording) -> Vec<Effect<K>> {
        let room = self.rooms.get(&sid);
        room.map(|room| room.recording_started(recording))
            .unwrap_or_default()
    }

    /// The recording of a room is written; `None` if nothing is in it.
    pub fn recorded(&mut self, sid: Sid, recording: Option<&Recording>) -> Vec<Effect<K>> {
        let Some(room) = self.rooms.get_mut(&sid) else {
            return Vec::new();
        };
        let effects = room.recorded(recording);
        if room.is_over() {
            self.rooms.remove(&sid);
        }
        effects
    }

    /// The conference that a leg is in.
    pub fn of(&self, key: K) -> Option<Sid> {
        self.seats.get(&key).copied()
    }

    /// How many conferences there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none, and nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }
}

fn ended<K>(key: K, end: ConferenceEnd) -> Effect<K> {
    tell(key, ConferenceNotice::Ended(end))
}

fn tell<K>(key: K, notice: ConferenceNotice) -> Effect<K> {
    let event = Event::Conference(notice);
    Effect::Tell { key, event }
}
