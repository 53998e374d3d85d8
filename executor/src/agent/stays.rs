//! Conferences and queues: what legs of different calls have to do with each other.
//!
//! The state of all conferences and queues is in [`Core`]; a call that changes it gets effects that
//! may be about any leg of any call. They are put aside as [`Errand`]s, which the agent runs once
//! the call at hand has come to rest.

use std::sync::Arc;

use ::media::{Depth, Member, RecordEnd, RecordId};

use crate::conference;
use crate::media::Hall;
use crate::observer::CallEvent;
use crate::queue;
use crate::run::{ConferencePlan, DialQueuePlan, EnqueuePlan, Event};
use crate::twiml::JitterBuffer;
use crate::webhook::CallContext;
use crate::{Sid, SidKind, Warning};

use super::call::Call;
use super::core::Core;
use super::journal::LegTag;
use super::script::call_back;
use super::{Agent, LegKey};

/// Something to be done to a leg, or to a room.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Two who meet by a queue talk.
    Bridge(LegKey, LegKey),
    /// Something of a conference.
    Conference(conference::Effect<LegKey>),
    /// Something of a queue.
    Queue(queue::Effect<LegKey>),
}

impl Core {
    fn conference(&mut self, effects: Vec<conference::Effect<LegKey>>) {
        self.errands
            .extend(effects.into_iter().map(Errand::Conference));
    }

    fn queue(&mut self, effects: Vec<queue::Effect<LegKey>>) {
        self.errands.extend(effects.into_iter().map(Errand::Queue));
    }

    /// A leg is out of whatever it was in.
    pub(crate) fn gone(&mut self, key: LegKey) {
        let effects = self.conferences.leave(key);
        self.conference(effects);
        let now = self.now;
        let cancelled = self.queues.cancel(key, now);
        self.queue(cancelled);
        let left = self.queues.leave(key, now);
        self.queue(left);
    }

    /// A participant begins or ceases to speak.
    pub(crate) fn speaks(&mut self, key: LegKey, speaks: bool) {
        let effects = self.conferences.speaks(key, speaks);
        self.conference(effects);
    }

    /// The recording of a room is over, and its file complete.
    pub(crate) fn hall_recorded(&mut self, sid: Sid, end: &RecordEnd) {
        let Some(hall) = self.halls.get_mut(&sid) else {
            return;
        };
        let recording = hall.recorded(end);
        if hall.is_over() {
            self.halls.remove(&sid);
        }
        let effects = self.conferences.recorded(sid, recording.as_ref());
        self.conference(effects);
    }

    /// What concerns a conference as a whole.
    fn hall_effect(&mut self, effect: conference::Effect<LegKey>) {
        match effect {
            conference::Effect::Callback { call, request } => {
                call_back(self, &tag_of(&call), &call, *request);
            }
            conference::Effect::Close { room } => {
                if let Some(hall) = self.halls.get_mut(&room) {
                    hall.close();
                    if hall.is_over() {
                        self.halls.remove(&room);
                    }
                }
            }
            conference::Effect::Record { room, trim_silence } => {
                self.record_hall(room, trim_silence)
            }
            conference::Effect::StopRecording { room } => {
                if let Some(hall) = self.halls.get(&room) {
                    hall.stop_record(HALL_TAPE);
                }
            }
            conference::Effect::Seat { .. }
            | conference::Effect::Tell { .. }
            | conference::Effect::Unseat { .. } => {}
        }
    }

    fn record_hall(&mut self, room: Sid, trim: bool) {
        let Some(hall) = self.halls.get_mut(&room) else {
            return;
        };
        let effects = match hall.record(&self.studio, HALL_TAPE, trim) {
            Ok(recording) => self.conferences.recording_started(room, &recording),
            Err(error) => {
                tracing::error!(conference = %room, %error, "a conference is not recorded");
                self.conferences.recorded(room, None)
            }
        };
        self.conference(effects);
    }
}

impl Agent {
    /// Does what calls have left to be done to others.
    pub(super) fn run_errands(&mut self) {
        while let Some(errand) = self.core.errands.pop_front() {
            match errand {
                Errand::Bridge(one, other) => {
                    let legs = (self.session(one), self.session(other));
                    if let (Some(one), Some(other)) = legs {
                        one.bridge(other);
                    }
                }
                Errand::Queue(queue::Effect::Part { dialler, .. }) => {
                    if let Some(session) = self.session(dialler) {
                        session.unbridge();
                    }
                }
                Errand::Queue(queue::Effect::Tell { key, event })
                | Errand::Conference(conference::Effect::Tell { key, event }) => {
                    self.tell(key, event);
                }
                Errand::Conference(conference::Effect::Seat { key, room, member }) => {
                    self.seat(key, room, member);
                }
                Errand::Conference(conference::Effect::Unseat { key, .. }) => {
                    if let Some(leg) = self.leg(key) {
                        leg.seat = None;
                        if let Some(session) = leg.session() {
                            session.leave();
                        }
                    }
                }
                Errand::Conference(effect) => self.core.hall_effect(effect),
            }
        }
    }

    fn leg(&mut self, key: LegKey) -> Option<&mut super::leg::Leg> {
        self.calls.get_mut(&key.call)?.legs.get_mut(&key.leg)
    }

    fn session(&self, key: LegKey) -> Option<&::media::Session> {
        self.calls.get(&key.call)?.legs.get(&key.leg)?.session()
    }

    fn tell(&mut self, key: LegKey, event: Event) {
        let Some(call) = self.calls.get_mut(&key.call) else {
            return;
        };
        call.tell(key.leg, event);
        call.pump(&mut self.core);
        if call.is_over() {
            self.calls.remove(&key.call);
        }
    }

    /// Puts a leg into a room, or changes how it takes part.
    fn seat(&mut self, key: LegKey, room: Sid, member: conference::Member<LegKey>) {
        let coach = member
            .coach
            .and_then(|coach| Some(self.session(coach)?.id()));
        let speakers = self.core.conferences.wants_speakers(key);
        let Some(leg) = self
            .calls
            .get_mut(&key.call)
            .and_then(|call| call.legs.get_mut(&key.leg))
        else {
            return;
        };
        let (account, call) = (leg.account, leg.sid);
        let Some(session) = leg.media.as_ref().and_then(|media| media.session()) else {
            return;
        };
        let member = Member {
            muted: member.muted,
            coach,
            beep_on_enter: member.beep_on_enter,
            beep_on_exit: member.beep_on_exit,
            depth: depth(member.jitter_buffer),
        };
        if leg.seat == Some(room) {
            return session.set_member(member);
        }
        let core = &mut self.core;
        let hall = core
            .halls
            .entry(room)
            .or_insert_with(|| Hall::open(&core.studio, room, account, call));
        session.listen(speakers);
        match hall.seat(session, member) {
            Ok(()) => leg.seat = Some(room),
            Err(error) => {
                // The conference has let it in: only its own bound can be above the room's.
                tracing::error!(conference = %room, %error, "a participant has no place");
            }
        }
    }
}

impl Call {
    pub(super) fn leg_key(&self, leg: u32) -> LegKey {
        LegKey {
            call: self.key,
            leg,
        }
    }

    pub(super) fn enqueue(&self, core: &mut Core, leg: u32, plan: &EnqueuePlan) {
        let fresh = Sid::new(SidKind::Queue, core.random.bytes());
        let context = self.context_of(leg);
        let effects = core
            .queues
            .enqueue(self.leg_key(leg), context, plan, fresh, core.now);
        core.queue(effects);
    }

    pub(super) fn ask_queue(&mut self, core: &Core, leg: u32) {
        if let Some(place) = core.queues.place(self.leg_key(leg), core.now) {
            self.tell(leg, Event::QueuePlace(place));
        }
    }

    pub(super) fn leave_queue(&self, core: &mut Core, leg: u32) {
        let effects = core.queues.leave(self.leg_key(leg), core.now);
        core.queue(effects);
    }

    pub(super) fn dial_queue(&self, core: &mut Core, leg: u32, plan: &DialQueuePlan) {
        let context = self.context_of(leg);
        let effects = core.queues.dial(self.leg_key(leg), context, plan, core.now);
        core.queue(effects);
    }

    /// Connects a leg and who it was to talk with: of a queue, or of its `<Dial>`.
    pub(super) fn bridge(&mut self, core: &mut Core, leg: u32) {
        let key = self.leg_key(leg);
        match core.queues.bridge(key, core.now) {
            Some(other) => core.errands.push_back(Errand::Bridge(key, other)),
            None => self.connect(core, leg),
        }
    }

    /// Gives a `<Dial>` up, whomever it is of.
    pub(super) fn give_dial_up(&mut self, core: &mut Core, leg: u32) {
        let key = self.leg_key(leg);
        if core.queues.is_dialler(key) {
            let effects = core.queues.cancel(key, core.now);
            return core.queue(effects);
        }
        self.cancel_dial(core, leg);
    }

    /// The document that a leg was to hear before it is bridged is at its end.
    pub(super) fn heard_out(&mut self, core: &mut Core, leg: u32) {
        let effects = core.queues.ready(self.leg_key(leg));
        if effects.is_empty() {
            return self.callee_passed(leg);
        }
        core.queue(effects);
    }

    pub(super) fn join_conference(&mut self, core: &mut Core, leg: u32, plan: &ConferencePlan) {
        let fresh = Sid::new(SidKind::Conference, core.random.bytes());
        if let Some(found) = self.legs.get_mut(&leg)
            && let Err(error) = found.open_media(core)
        {
            let warning = Warning::new(crate::ErrorCode::INTERNAL, format!("no media: {error}"));
            self.record(core, leg, CallEvent::Notice(warning));
        }
        let context = Arc::clone(self.context_of(leg));
        let effects = core
            .conferences
            .join(self.leg_key(leg), &context, plan, fresh);
        core.conference(effects);
    }

    pub(super) fn leave_conference(&self, core: &mut Core, leg: u32) {
        let effects = core.conferences.leave(self.leg_key(leg));
        core.conference(effects);
    }
}

fn depth(size: JitterBuffer) -> Depth {
    match size {
        JitterBuffer::Large => Depth::Large,
        JitterBuffer::Medium => Depth::Medium,
        JitterBuffer::Off => Depth::Off,
        JitterBuffer::Small => Depth::Small,
    }
}

/// What a record about a call is marked with.
fn tag_of(call: &CallContext) -> LegTag {
    LegTag {
        call: call.parent_call_sid.unwrap_or(call.call_sid),
        leg: call.call_sid,
        sip_call_id: call.sip.call_id.clone().unwrap_or_default().into(),
    }
}

/// The one recording of a room.
const HALL_TAPE: RecordId = RecordId(1);
