//! Driving a transaction: an event goes into its machine, and what the machine says is done.

use bytes::Bytes;

use crate::arena::Key;
use crate::instant::Instant;

use super::derived::ack_for_wire;
use super::event::{CreateError, Event};
use super::fingerprint::Fingerprint;
use super::layer::Layer;
use super::machine::{Effects, Input, Report, Stage};
use super::record::Record;
use super::timers::Timer;

/// What comes with an event.
#[derive(Default)]
pub(super) struct Enclosed<'a> {
    /// What to send: the request of a client that begins, or a response of the user.
    pub(super) wire: Option<Bytes>,
    /// The To of a response, for its ACK.
    pub(super) to: &'a [u8],
}

/// What came of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// The enclosed message was sent, if there was one.
    pub(super) sent: bool,
    /// The response is for the user.
    pub(super) passed: bool,
}

impl<P: Clone> Layer<P> {
    /// Stores a transaction and begins it; `wire` is the request of a client.
    pub(super) fn begin(
        &mut self,
        print: Fingerprint,
        record: Record<P>,
        wire: Option<Bytes>,
        now: Instant,
    ) -> Result<Key, CreateError> {
        let key = self.table.insert(print, record);
        let key = key.ok_or(CreateError::Duplicate)?;
        self.counters.live += 1;
        self.counters.bytes += Self::RECORD_BYTES;
        self.drive(key, Input::BEGIN, Enclosed { wire, to: b"" }, now);
        Ok(key)
    }

    /// Does what the timer of a transaction asks for that has come off the wheel.
    pub(super) fn fire(&mut self, key: Key, now: Instant) {
        let Some(record) = self.table.get_mut(key) else {
            return;
        };
        let timer = record.running.fired(key, &mut self.wheel);
        let stage = record.machine.stage();
        // Nothing else comes of a tombstone's last timer.
        if stage == Stage::Tombstone && !timer.repeats() {
            return self.end(key, stage);
        }
        self.drive(key, Input::fired(timer), Enclosed::default(), now);
    }

    /// Feeds an event and what follows from it.
    pub(super) fn drive(
        &mut self,
        key: Key,
        input: Input,
        mut enclosed: Enclosed<'_>,
        now: Instant,
    ) -> Outcome {
        let (mut fired, passed) = self.step(key, input, &mut enclosed, now);
        while let Some(timer) = fired {
            (fired, _) = self.step(key, Input::fired(timer), &mut enclosed, now);
        }
        Outcome {
            sent: enclosed.wire.is_none(),
            passed,
        }
    }

    /// One step; returns a timer that took no time, and whether the user is to see a response.
    fn step(
        &mut self,
        key: Key,
        input: Input,
        enclosed: &mut Enclosed<'_>,
        now: Instant,
    ) -> (Option<Timer>, bool) {
        let Some(record) = self.table.get_mut(key) else {
            return (None, false);
        };
        let machine = record.machine;
        let effects = record.machine.step(input);
        let moved = record.machine != machine;
        if !moved && effects == Effects::NONE {
            return (None, false);
        }
        let held = record.held();
        if effects.send_ack && machine.stage() == Stage::Live {
            record.acknowledge(enclosed.to);
        }
        if (effects.send || effects.send_ack)
            && let Some(event) = record.send(key, enclosed.wire.take())
        {
            self.counters.retransmissions_sent += u64::from(input.is_timer());
            self.events.push_back(event);
        }
        if let Some(report) = effects.report {
            record.trying_due |= report == Report::TryingDue;
            if !record.internal {
                self.events.extend(report.event(record.machine.id(key)));
            }
        }
        let mut fired = None;
        if effects.moves_timers() {
            let before = record.running.next();
            fired = record.running.apply(&effects, &self.periods, now);
            record.running.rearm(before, key, &mut self.wheel);
        }
        if moved {
            record.let_go();
        }
        self.counters.bytes = self.counters.bytes - held + record.held();
        if moved {
            let is = record.machine.stage();
            self.settle(key, machine.stage(), is);
        }
        (fired, effects.pass)
    }
}

impl<P: Clone> Record<P> {
    /// Puts the ACK of a response in the place of the INVITE.
    #[cold]
    fn acknowledge(&mut self, to: &[u8]) {
        let invite = self.wire.as_ref();
        self.wire = invite.and_then(|wire| ack_for_wire(wire, to));
    }

    /// Drops what the new state has no use for.
    fn let_go(&mut self) {
        if !self.sends_again() {
            self.wire = None;
        }
        if self.machine.stage() != Stage::Live {
            self.cancel = None;
        }
    }

    /// Sends `wire`, or else what was sent before; keeps it as long as it may have to be repeated.
    #[inline]
    fn send(&mut self, key: Key, wire: Option<Bytes>) -> Option<Event<P>> {
        let wire = match wire {
            None => self.wire.clone()?,
            Some(wire) if self.sends_again() => self.wire.insert(wire).clone(),
            Some(wire) => wire,
        };
        Some(Event::Send {
            peer: self.peer.clone(),
            wire,
            transaction: self.machine.id(key),
        })
    }
}
