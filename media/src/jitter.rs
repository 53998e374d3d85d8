//! The jitter buffer: packets wait a little, so that late ones are still heard in their turn.
//!
//! It is a ring of [`SLOTS`] packets by sequence number. It begins to give when it holds as much
//! sound as its target. A packet that comes too late, or a buffer that runs dry and is filled again
//! at once, raises the target; a long time without either lowers it, and what it holds beyond its
//! target all the time (a peer whose clock is faster than ours) is left out a packet at a time.

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
            target_ms: TARGET_MS_FIRST,
            filling: true,
            waited: 0,
            dry: DRY_SHORT,
            calm: 0,
            least_ms: u32::MAX,
            window: 0,
        }
    }

    /// Forgets all packets: another stream begins. What was learnt of the network stays.
    pub(crate) fn restart(&mut self) {
        let target_ms = self.target_ms;
        for slot in &mut self.slots {
            slot.full = false;
        }
        *self = Self {
            target_ms,
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
            self.packet_ms = millis.min(TARGET_MS_MAX);
        }
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
            self.target_ms = (self.target_ms - TICK_MS).max(TARGET_MS_MIN);
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
        self.target_ms.max(self.packet_ms + TICK_MS)
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
        self.target_ms = (self.target_ms + TICK_MS).min(TARGET_MS_MAX);
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

/// What it holds before it gives: at first, and at least, and at most.
const TARGET_MS_FIRST: u32 = 40;
const TARGET_MS_MIN: u32 = 40;
const TARGET_MS_MAX: u32 = 200;

/// Ticks without trouble after which the target is lowered: ten seconds.
const CALM: u32 = 500;

/// Ticks over which it is seen whether too much waits: two seconds.
const WINDOW: u32 = 100;

/// Ticks after which an empty buffer means a peer that was silent rather than a slow network.
const DRY_SHORT: u32 = 10;

/// A packet so far back is of a stream that has begun anew (RFC 3550 §A.1: `MAX_MISORDER`).
const RESTART: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Kind = Kind::Sound(Codec::Pcmu);

    fn push(buffer: &mut JitterBuffer, sequence: u16) -> Pushed {
        buffer.push(sequence, SOUND, 20, &sequence.to_be_bytes())
    }

    /// One tick of a reader: what it heard.
    fn tick(buffer: &mut JitterBuffer) -> Option<Result<u16, ()>> {
        buffer.tick();
        match buffer.pull() {
            Pulled::Sound(_, payload) => Some(Ok(u16::from_be_bytes([payload[0], payload[1]]))),
            Pulled::Lost => Some(Err(())),
            Pulled::Dry | Pulled::Other => None,
        }
    }

    #[test]
    fn begins_with_its_target_and_goes_on_in_order() {
        let mut buffer = JitterBuffer::new();
        push(&mut buffer, 0xffff);
        assert_eq!(tick(&mut buffer), None);
        push(&mut buffer, 1);
        push(&mut buffer, 0);
        assert_eq!(tick(&mut buffer), Some(Ok(0xffff)));
        assert_eq!(tick(&mut buffer), Some(Ok(0)));
        assert_eq!(tick(&mut buffer), Some(Ok(1)));
        assert_eq!(tick(&mut buffer), None);
    }

    #[test]
    fn long_packets_wait_for_each_other() {
        for (millis, length) in [(40_u32, 2), (60, 3), (120, 6)] {
            let mut buffer = JitterBuffer::new();
            let (mut ready, mut dry) = (0, 0);
            for turn in 0..300_u32 {
                // Every other packet comes a tick late.
                let late = turn / length % 2;
                if turn % length == late {
                    let sequence = (turn / length) as u16;
                    buffer.push(sequence, SOUND, millis, &[]);
                }
                buffer.tick();
                if ready == 0 {
                    match buffer.pull() {
                        Pulled::Sound(..) => ready = millis,
                        _ => dry += 1,
                    }
                }
                ready = ready.saturating_sub(TICK_MS);
            }
            assert!(dry <= length + 1, "{millis}: {dry}");
        }
    }

    #[test]
    fn what_stands_behind_a_loss() {
        let mut buffer = JitterBuffer::new();
        for sequence in [10, 12, 13] {
            push(&mut buffer, sequence);
        }
        assert_eq!(tick(&mut buffer), Some(Ok(10)));
        assert_eq!(buffer.peek(), None);
        assert_eq!(tick(&mut buffer), Some(Err(())));
        assert_eq!(buffer.peek(), Some((Codec::Pcmu, &[0, 12][..])));
        assert_eq!(tick(&mut buffer), Some(Ok(12)));
    }

    #[test]
    fn a_lone_packet_is_not_kept_for_ever() {
        let mut buffer = JitterBuffer::new();
        push(&mut buffer, 7);
        let heard: Vec<_> = (0..4).filter_map(|_| tick(&mut buffer)).collect();
        assert_eq!(heard, [Ok(7)]);
    }

    #[test]
    fn lost_late_and_double() {
        let mut buffer = JitterBuffer::new();
        for sequence in [10, 11, 13, 14] {
            assert_eq!(push(&mut buffer, sequence), Pushed::Kept);
        }
        assert_eq!(push(&mut buffer, 13), Pushed::Duplicate);
        assert_eq!(tick(&mut buffer), Some(Ok(10)));
        assert_eq!(tick(&mut buffer), Some(Ok(11)));
        assert_eq!(tick(&mut buffer), Some(Err(())));
        assert_eq!(push(&mut buffer, 12), Pushed::Late);
        assert_eq!(tick(&mut buffer), Some(Ok(13)));
    }

    #[test]
    fn an_earlier_packet_may_still_be_the_first() {
        let mut buffer = JitterBuffer::new();
        push(&mut buffer, 5);
        push(&mut buffer, 4);
        assert_eq!(tick(&mut buffer), Some(Ok(4)));
        assert_eq!(tick(&mut buffer), Some(Ok(5)));
    }

    #[test]
    fn the_target_follows_the_network() {
        let mut buffer = JitterBuffer::new();
        assert_eq!(buffer.target_ms, 40);
        // Packets come in fours, after three ticks and after five: at first it runs dry.
        let mut sequence = 0;
        let mut dry = Vec::new();
        for turn in 0..400 {
            if [0, 5].contains(&(turn % 8)) {
                for _ in 0..4 {
                    push(&mut buffer, sequence);
                    sequence += 1;
                }
            }
            if tick(&mut buffer).is_none() {
                dry.push(turn);
            }
        }
        assert_eq!(dry, [4]);
        assert_eq!(buffer.target_ms, 60);
        // Smooth for half a minute: back to the least.
        for _ in 0..2500 {
            push(&mut buffer, sequence);
            sequence += 1;
            tick(&mut buffer);
        }
        assert_eq!(buffer.target_ms, TARGET_MS_MIN);
    }

    #[test]
    fn a_faster_peer_does_not_fill_it() {
        let mut buffer = JitterBuffer::new();
        let mut sequence: u16 = 0;
        let mut most = 0;
        for turn in 0..20_000 {
            push(&mut buffer, sequence);
            sequence = sequence.wrapping_add(1);
            if turn % 400 == 0 {
                push(&mut buffer, sequence);
                sequence = sequence.wrapping_add(1);
            }
            tick(&mut buffer);
            most = most.max(buffer.held);
        }
        assert!(most < 8, "{most}");
    }

    #[test]
    fn an_outage_takes_its_time_once() {
        let mut buffer = JitterBuffer::new();
        for sequence in 0..5 {
            push(&mut buffer, sequence);
        }
        for _ in 0..20 {
            tick(&mut buffer);
        }
        let (mut lost, mut most) = (0, 0);
        for sequence in 20..60 {
            push(&mut buffer, sequence);
            lost += usize::from(tick(&mut buffer) == Some(Err(())));
            most = most.max(buffer.held);
        }
        assert!(lost <= 2 && most <= 3, "{lost} {most}");
    }

    #[test]
    fn a_burst_keeps_the_newest() {
        let mut buffer = JitterBuffer::new();
        for sequence in 0..40 {
            assert_eq!(push(&mut buffer, sequence), Pushed::Kept);
            assert!(buffer.held <= SLOTS);
        }
        assert_eq!(tick(&mut buffer), Some(Ok(24)));
        // A jump ahead leaves all behind that there was.
        push(&mut buffer, 5000);
        assert_eq!(tick(&mut buffer), Some(Ok(5000)));
        assert_eq!(buffer.held, 0);
        assert_eq!(buffer.held_ms, 0);
    }

    #[test]
    fn a_stream_that_begins_anew() {
        let mut buffer = JitterBuffer::new();
        for sequence in 5000..5005 {
            push(&mut buffer, sequence);
        }
        assert_eq!(tick(&mut buffer), Some(Ok(5000)));
        assert_eq!(push(&mut buffer, 100), Pushed::Kept);
        push(&mut buffer, 101);
        assert_eq!(tick(&mut buffer), Some(Ok(100)));
    }

    #[test]
    fn events_hold_their_place() {
        let mut buffer = JitterBuffer::new();
        push(&mut buffer, 1);
        buffer.push(2, Kind::Other, 0, b"");
        push(&mut buffer, 3);
        assert_eq!(tick(&mut buffer), Some(Ok(1)));
        assert_eq!(buffer.pull(), Pulled::Other);
        assert_eq!(tick(&mut buffer), Some(Ok(3)));
    }

    #[test]
    fn anything_may_come() {
        let mut state = 1_u32;
        let mut buffer = JitterBuffer::new();
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sequence = (state >> 16) as u16;
            let near = if state & 8 == 0 {
                sequence
            } else {
                sequence % 40
            };
            match state % 3 {
                0 => {
                    buffer.push(near, SOUND, 20, &[1, 2]);
                }
                1 => buffer.tick(),
                _ => {
                    buffer.pull();
                }
            }
            let full = buffer.slots.iter().filter(|slot| slot.full);
            assert_eq!(full.clone().count(), buffer.held);
            assert_eq!(full.map(|slot| slot.millis).sum::<u32>(), buffer.held_ms);
        }
    }
}
