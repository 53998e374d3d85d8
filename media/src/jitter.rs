//! The jitter buffer: packets wait a little, so that late ones are still heard in their turn.
//!
//! It is a ring of [`SLOTS`] packets by sequence number. It begins to give when it holds as much
//! sound as its target. A packet that comes too late, or a buffer that runs dry and is filled again
//! at once, raises the target; a long time without either lowers it, and what it holds beyond its
//! target all the time (a peer whose clock is faster than ours) is left out a packet at a time. Its
//! [`Depth`] says how far the target goes.

use crate::Depth;
use crate::codec::Codec;
use crate::rtp::before;

/// The buffer of one direction.
#[derive(Debug)]
pub(crate) struct JitterBuffer {
    slots: [Slot; SLOTS],
    /// The sequence number to be given next, once there was a packet.
    next: Option<u16>,
    held: usize,
    held_ms: u32,
    /// What the last packet with sound held.
    packet_ms: u32,
    target_ms: u32,
    depth: Depth,
    /// It has run dry, or has not begun: it gives nothing until the target is there.
    filling: bool,
    /// Ticks since it began to fill, or since a packet came into the empty buffer.
    waited: u32,
    /// Ticks since it ran dry.
    dry: u32,
    /// Ticks without trouble.
    calm: u32,
    /// The least that it held in this window.
    least_ms: u32,
    window: u32,
}

#[derive(Debug, Default)]
struct Slot {
    full: bool,
    sequence: u16,
    kind: Kind,
    millis: u32,
    payload: Vec<u8>,
}

/// What a packet holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Something that takes a number and is not heard, such as a telephone event.
    #[default]
    Other,
    /// Sound.
    Sound(Codec),
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// It is here already.
    Duplicate,
    /// It waits for its turn.
    Kept,
    /// Its turn is over.
    Late,
}

/// What is next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Pulled<'a> {
    /// Nothing, and nothing is missing.
    Dry,
    /// A packet is missing whose successor is here.
    Lost,
    /// A packet that is not heard.
    Other,
    /// Sound.
    Sound(Codec, &'a [u8]),
}

impl JitterBuffer {
    pub(crate) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot::default()),
            next: None,
            held: 0,
            held_ms: 0,
            packet_ms: 0,
            target_ms: Depth::default().least_ms(),
            depth: Depth::default(),
            filling: true,
            waited: 0,
            dry: DRY_SHORT,
            calm: 0,
            least_ms: u32::MAX,
            window: 0,
        }
    }

    /// How much may wait from now on.
    pub(crate) fn set_depth(&mut self, depth: Depth) {
        self.depth = depth;
        self.target_ms = self.target_ms.clamp(depth.least_ms(), depth.most_ms());
        self.shorten();
    }

    /// Forgets all packets: another stream begins. What was learnt of the network stays.
    pub(crate) fn restart(&mut self) {
        let (target_ms, depth) = (self.target_ms, self.depth);
        for slot in &mut self.slots {
            slot.full = false;
        }
        *self = Self {
            target_ms,
            depth,
            slots: std::mem::replace(&mut self.slots, std::array::from_fn(|_| Slot::default())),
            ..Self::new()
        };
    }

    /// Takes a packet in. `millis` is how much sound it holds.
    pub(crate) fn push(
        &mut self,
        sequence: u16,
        kind: Kind,
        millis: u32,
        payload: &[u8],
    ) -> Pushed {
        let next = *self.next.get_or_insert(sequence);
        if before(sequence, next) {
            // Before the first is given, an earlier one may still become the first.
            let span = self.newest().unwrap_or(next).wrapping_sub(sequence);
            let fits = usize::from(span) < SLOTS;
            if next.wrapping_sub(sequence) > RESTART {
                self.restart();
                self.next = Some(sequence);
            } else if self.filling && self.dry >= DRY_SHORT && fits {
                self.next = Some(sequence);
            } else {
                self.trouble();
                return Pushed::Late;
            }
        } else if usize::from(sequence.wrapping_sub(next)) >= SLOTS {
            self.make_room(sequence);
        }
        if self.held == 0 {
            self.begin(sequence);
        }
        let Some(slot) = self.slots.get_mut(usize::from(sequence) % SLOTS) else {
            return Pushed::Late;
        };
        if slot.full {
            return Pushed::Duplicate;
        }
        slot.full = true;
        slot.sequence = sequence;
        slot.kind = kind;
        slot.millis = millis;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        self.held += 1;
        self.held_ms += millis;
        if kind != Kind::Other {
            self.packet_ms = millis.min(PACKET_MS_MAX);
        }
        self.shorten();
        Pushed::Kept
    }

    /// Once a tick, before the first [`pull`](Self::pull): time passes.
    pub(crate) fn tick(&mut self) {
        if self.held == 0 {
            self.dry = self.dry.saturating_add(1);
            return;
        }
        if self.filling {
            self.waited += 1;
            let enough = self.enough_ms();
            self.filling = self.held_ms < enough && self.waited * TICK_MS < enough;
            return;
        }
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 0;
            self.target_ms = self.target_ms.saturating_sub(TICK_MS);
            self.target_ms = self.target_ms.max(self.depth.least_ms());
        }
        self.least_ms = self.least_ms.min(self.held_ms);
        self.window += 1;
        if self.window >= WINDOW {
            if self.least_ms > self.enough_ms() + TICK_MS {
                self.leave_out();
            }
            self.window = 0;
            self.least_ms = u32::MAX;
        }
    }

    /// Takes the next packet out.
    pub(crate) fn pull(&mut self) -> Pulled<'_> {
        let Some(next) = self.next.filter(|_| !self.filling) else {
            return Pulled::Dry;
        };
        if self.held == 0 {
            self.filling = true;
            self.waited = 0;
            self.dry = 0;
            return Pulled::Dry;
        }
        self.next = Some(next.wrapping_add(1));
        let Some(slot) = self.slots.get_mut(usize::from(next) % SLOTS) else {
            return Pulled::Lost;
        };
        if !slot.full {
            return Pulled::Lost;
        }
        slot.full = false;
        self.held -= 1;
        self.held_ms -= slot.millis;
        match slot.kind {
            Kind::Other => Pulled::Other,
            Kind::Sound(codec) => Pulled::Sound(codec, &slot.payload),
        }
    }

    /// What it holds before it gives: who sends long packets leaves long pauses between them.
    fn enough_ms(&self) -> u32 {
        self.target_ms.max(self.packet_ms + self.depth.spare_ms())
    }

    /// The sound that [`pull`](Self::pull) would give now, if it is sound.
    pub(crate) fn peek(&self) -> Option<(Codec, &[u8])> {
        let next = usize::from(self.next?) % SLOTS;
        let slot = self.slots.get(next).filter(|slot| slot.full)?;
        match slot.kind {
            Kind::Other => None,
            Kind::Sound(codec) => Some((codec, &slot.payload)),
        }
    }

    /// The first packet after the buffer was empty. If it was empty for a moment only, that was the
    /// network, and more should have been waiting. What is missing before it has had its time
    /// while the buffer was dry, and is not waited for once more.
    fn begin(&mut self, sequence: u16) {
        if self.filling {
            if let Some(next) = &mut self.next {
                let missing = sequence.wrapping_sub(*next);
                let passed = u16::try_from(self.dry).unwrap_or(u16::MAX);
                *next = next.wrapping_add(missing.min(passed));
            }
            self.waited = 0;
            if self.dry < DRY_SHORT {
                self.trouble();
            }
        }
    }

    fn trouble(&mut self) {
        self.calm = 0;
        self.target_ms = (self.target_ms + TICK_MS).min(self.depth.most_ms());
    }

    /// Drops the oldest packets, so that one far ahead has a place.
    fn make_room(&mut self, sequence: u16) {
        let next = sequence.wrapping_sub(SLOTS as u16 - 1);
        for slot in &mut self.slots {
            if slot.full && before(slot.sequence, next) {
                slot.full = false;
                self.held -= 1;
                self.held_ms -= slot.millis;
            }
        }
        self.next = Some(next);
        // What is missing before the first that is here is not waited for.
        let first = self.slots.iter().filter(|slot| slot.full);
        let first = first.map(|slot| slot.sequence.wrapping_sub(next)).min();
        let ahead = first.unwrap_or(SLOTS as u16 - 1);
        self.next = Some(next.wrapping_add(ahead));
    }

    /// Drops the next packet.
    fn leave_out(&mut self) {
        if let Some(next) = self.next
            && let Some(slot) = self.slots.get_mut(usize::from(next) % SLOTS)
            && slot.full
        {
            slot.full = false;
            self.held -= 1;
            self.held_ms -= slot.millis;
            self.next = Some(next.wrapping_add(1));
        }
    }

    /// Drops the oldest packets, if more wait than the depth lets.
    fn shorten(&mut self) {
        let bound = self.depth.held_ms_max(self.packet_ms);
        while self.held_ms > bound
            && let Some(next) = self.next
        {
            self.leave_out();
            self.next = Some(next.wrapping_add(1));
        }
    }

    fn newest(&self) -> Option<u16> {
        let next = self.next?;
        let full = self.slots.iter().filter(|slot| slot.full);
        let ahead = full.map(|slot| slot.sequence.wrapping_sub(next)).max()?;
        Some(next.wrapping_add(ahead))
    }
}

/// Packets that wait: 320 ms of what nearly all peers send.
const SLOTS: usize = 16;

const TICK_MS: u32 = 20;

/// The longest packet that counts.
const PACKET_MS_MAX: u32 = 200;

/// Ticks without trouble after which the target is lowered: ten seconds.
const CALM: u32 = 500;

/// Ticks over which it is seen whether too much waits: two seconds.
const WINDOW: u32 = 100;

/// Ticks after which an empty buffer means a peer that was silent rather than a slow network.
const DRY_SHORT: u32 = 10;

/// A packet so far back is of a stream that has begun anew (RFC 3550 §A.1: `MAX_MISORDER`).
const RESTART: u16 = 100;

#[cfg(test)]
mod tests;
