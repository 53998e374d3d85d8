//! A hashed timer wheel: insert and cancel in constant time, no allocation once it is warm.
//!
//! ```text
//! cursor ──► │ 0 │ 1 │ 2 │ … │ 4095 │   one slot a tick of 10 ms, 40.96 s a round
//!              │       │
//!              ▼       ▼
//!            chunk ⇄ chunk            8 timers each, side by side: firing reads memory in order
//! ```
//!
//! Every protocol timer (64·T1 = 32 s) fires in its first round. Only longer ones (Timer C, session
//! timers) are looked at once a round while they wait; each slot keeps them in a list apart.

use crate::instant::Instant;

/// Names a timer until it has fired or been cancelled; after that it is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    /// The chunk and the place in it.
    place: u32,
    serial: u32,
}

impl TimerKey {
    /// A key that names no timer: there is no such place.
    pub const NONE: Self = Self {
        place: u32::MAX,
        serial: 0,
    };
}

impl Default for TimerKey {
    fn default() -> Self {
        Self::NONE
    }
}

/// Timers that each carry a `T`.
///
/// A timer fires on the first tick at or after its time: never early, at most 10 ms late. The order
/// of timers of one tick is unspecified, but it is a function of the calls made.
#[derive(Debug)]
pub struct Wheel<T> {
    /// Chunks by blocks, none of which ever moves. Chunks in no list have `next` to the following one of
    /// these, from `free`.
    blocks: Vec<Box<Block<T>>>,
    free: u32,
    slots: Box<[Slot; SLOTS]>,
    /// One bit a slot: whether it has a timer.
    occupied: [u64; WORDS],
    /// One bit a word of `occupied`: whether it has a bit.
    words: u64,
    /// The last tick that was processed.
    cursor: u64,
    len: usize,
    /// Tells the timers of one place apart: a key is ambiguous only after 2^32 further timers.
    serial: u32,
}

/// The first chunks of two lists: the timers of this round, and those of later ones.
#[derive(Clone, Copy, Debug)]
struct Slot {
    near: u32,
    far: u32,
}

/// It stays in its list until its last timer has gone, so it is kept by at most eight times the
/// memory of the timers that it has.
#[derive(Debug)]
struct Chunk<T> {
    cells: [Cell<T>; CELLS],
    next: u32,
    previous: u32,
    slot: u16,
    far: bool,
    /// Cells in use since the chunk was taken; the rest is empty.
    used: u8,
    /// Timers that wait.
    live: u8,
}

type Block<T> = [Chunk<T>; BLOCK];

#[derive(Debug)]
struct Cell<T> {
    serial: u32,
    round: u32,
    value: Option<T>,
}

impl<T> Wheel<T> {
    /// Memory of one timer where they are many.
    pub(crate) const TIMER_BYTES: usize = size_of::<Chunk<T>>() / CELLS;

    /// An empty wheel at time zero.
    pub fn new() -> Self {
        let empty = Slot {
            near: NIL,
            far: NIL,
        };
        Self {
            blocks: Vec::new(),
            free: NIL,
            slots: Box::new([empty; SLOTS]),
            occupied: [0; WORDS],
            words: 0,
            cursor: 0,
            len: 0,
            serial: 0,
        }
    }

    /// Timers that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `value` come out of [`Wheel::advance`] at `at`; at the next tick if that has passed.
    #[inline]
    pub fn insert(&mut self, at: Instant, value: T) -> TimerKey {
        let tick = tick_after(at).max(self.cursor + 1);
        let (slot, far) = (slot_of(tick), tick - self.cursor > SLOTS as u64);
        let mut index = self.head(slot, far);
        if self.is_full(index) {
            index = self.add_chunk(slot, far, index);
        }
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let Some(chunk) = self.chunk_mut(index) else {
            return TimerKey::NONE;
        };
        let place = index * CELLS as u32 + u32::from(chunk.used);
        if let Some(cell) = chunk.cells.get_mut(usize::from(chunk.used)) {
            cell.serial = serial;
            cell.round = round_of(tick);
            cell.value = Some(value);
        }
        chunk.used += 1;
        chunk.live += 1;
        self.len += 1;
        TimerKey { place, serial }
    }

    /// Takes a timer back, unless it has fired or been cancelled before.
    #[inline]
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let index = key.place / CELLS as u32;
        let chunk = self.chunk_mut(index)?;
        let cell = chunk.cells.get_mut(key.place as usize % CELLS)?;
        if cell.serial != key.serial {
            return None;
        }
        let value = cell.value.take()?;
        chunk.live -= 1;
        if chunk.live == 0 {
            self.drop_chunk(index);
        }
        self.len -= 1;
        Some(value)
    }

    /// Moves time on to `now` and hands out every timer that is due. Time never moves back.
    pub fn advance(&mut self, now: Instant, fire: &mut impl FnMut(T)) {
        let target = now.as_micros() / TICK_MICROS;
        if target <= self.cursor {
            return;
        }
        // A clock that jumps by more than a round meets every slot just once.
        let first = (self.cursor + 1).max(target.saturating_sub(SLOTS as u64 - 1));
        self.cursor = target;
        let mut tick = first;
        while let Some(due) = self.next_occupied(tick, target) {
            let slot = slot_of(due);
            self.fire_list(self.head(slot, false), target, fire);
            self.fire_list(self.head(slot, true), target, fire);
            tick = due + 1;
        }
        if self.is_empty() && self.blocks.len() > IDLE_BLOCKS {
            self.blocks = Vec::new();
            self.free = NIL;
        }
    }

    /// No timer fires before this instant. It is exact for timers of the coming 40.96 s; beyond
    /// that it may name an earlier moment, at which nothing fires.
    #[inline]
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.cursor + 1;
        let tick = self.next_occupied(first, self.cursor + SLOTS as u64)?;
        Some(Instant::from_micros(tick.saturating_mul(TICK_MICROS)))
    }

    /// Fires what is due of a list.
    fn fire_list(&mut self, head: u32, target: u64, fire: &mut impl FnMut(T)) {
        let mut next = head;
        while let Some(chunk) = self.chunk_mut(next) {
            let index = std::mem::replace(&mut next, chunk.next);
            let latest = round_at(u64::from(chunk.slot), target);
            let before = chunk.live;
            for cell in chunk.cells.iter_mut().take(usize::from(chunk.used)) {
                if latest.is_some_and(|latest| cell.round <= latest)
                    && let Some(value) = cell.value.take()
                {
                    chunk.live -= 1;
                    fire(value);
                }
            }
            let (fired, empty) = (before - chunk.live, chunk.live == 0);
            self.len -= usize::from(fired);
            if empty {
                self.drop_chunk(index);
            }
        }
    }

    /// The first tick of `first..=last` whose slot has a timer; the range is at most one round.
    #[inline]
    fn next_occupied(&self, first: u64, last: u64) -> Option<u64> {
        debug_assert!(last - first.min(last) < SLOTS as u64);
        let slot = slot_of(first);
        let ahead = self.occupied.get(slot / 64)? >> (slot % 64);
        let distance = if ahead != 0 {
            ahead.trailing_zeros() as usize
        } else {
            // The words after the first one, around to the first one itself.
            let turn = (slot / 64 + 1) % WORDS;
            let words = self.words.rotate_right(turn as u32);
            if words == 0 {
                return None;
            }
            let word = (turn + words.trailing_zeros() as usize) % WORDS;
            let bit = self.occupied.get(word)?.trailing_zeros() as usize;
            (word * 64 + bit).wrapping_sub(slot) % SLOTS
        };
        let found = first + distance as u64;
        (found <= last).then_some(found)
    }

    /// Puts an empty chunk before the first one of a list.
    #[cold]
    fn add_chunk(&mut self, slot: usize, far: bool, next: u32) -> u32 {
        if self.free == NIL {
            self.grow();
        }
        let taken = self.free;
        if let Some(chunk) = self.chunk_mut(taken) {
            let free = chunk.next;
            (chunk.next, chunk.previous) = (next, NIL);
            (chunk.slot, chunk.far, chunk.used) = (slot as u16, far, 0);
            self.free = free;
        }
        if let Some(follower) = self.chunk_mut(next) {
            follower.previous = taken;
        }
        self.set_head(slot, far, taken);
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
            self.words |= 1 << (slot / 64);
        }
        taken
    }

    /// Adds a block of free chunks.
    #[cold]
    fn grow(&mut self) {
        let base = self.blocks.len() * BLOCK;
        // Every user bounds its timers far below this, which would be a hundred gigabytes.
        assert!(base + BLOCK < NIL as usize / CELLS, "2^32 timers");
        let mut next = base as u32;
        self.blocks.push(Box::new(std::array::from_fn(|at| {
            next += 1;
            Chunk {
                cells: std::array::from_fn(|_| Cell {
                    serial: 0,
                    round: 0,
                    value: None,
                }),
                next: if at + 1 == BLOCK { NIL } else { next },
                previous: NIL,
                slot: 0,
                far: false,
                used: 0,
                live: 0,
            }
        })));
        self.free = base as u32;
    }

    /// Takes an empty chunk out of its list.
    fn drop_chunk(&mut self, index: u32) {
        let free = self.free;
        let Some(chunk) = self.chunk_mut(index) else {
            return;
        };
        let (next, previous) = (chunk.next, chunk.previous);
        let (slot, far) = (usize::from(chunk.slot), chunk.far);
        chunk.next = free;
        self.free = index;
        if let Some(follower) = self.chunk_mut(next) {
            follower.previous = previous;
        }
        if let Some(leader) = self.chunk_mut(previous) {
            leader.next = next;
            return;
        }
        self.set_head(slot, far, next);
        if next == NIL
            && self.head(slot, !far) == NIL
            && let Some(word) = self.occupied.get_mut(slot / 64)
        {
            *word &= !(1 << (slot % 64));
            if *word == 0 {
                self.words &= !(1 << (slot / 64));
            }
        }
    }

    /// Whether a chunk takes no more timers; none at all takes none.
    #[inline]
    fn is_full(&self, index: u32) -> bool {
        let chunk = self.chunk(index);
        chunk.is_none_or(|chunk| usize::from(chunk.used) >= CELLS)
    }

    #[inline]
    fn chunk(&self, index: u32) -> Option<&Chunk<T>> {
        let block = self.blocks.get(index as usize / BLOCK)?;
        block.get(index as usize % BLOCK)
    }

    #[inline]
    fn chunk_mut(&mut self, index: u32) -> Option<&mut Chunk<T>> {
        let block = self.blocks.get_mut(index as usize / BLOCK)?;
        block.get_mut(index as usize % BLOCK)
    }

    #[inline]
    fn head(&self, slot: usize, far: bool) -> u32 {
        self.slots.get(slot).map_or(NIL, |slot| match far {
            true => slot.far,
            false => slot.near,
        })
    }

    fn set_head(&mut self, slot: usize, far: bool, index: u32) {
        if let Some(slot) = self.slots.get_mut(slot) {
            match far {
                true => slot.far = index,
                false => slot.near = index,
            }
        }
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The first tick that is not before `at`.
const fn tick_after(at: Instant) -> u64 {
    at.as_micros().div_ceil(TICK_MICROS)
}

const fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

/// Which round a tick is in. It saturates after 5,000 years.
const fn round_of(tick: u64) -> u32 {
    let round = tick / SLOTS as u64;
    if round < u32::MAX as u64 {
        round as u32
    } else {
        u32::MAX
    }
}

/// The last round in which `slot` comes by `target`, if it does.
const fn round_at(slot: u64, target: u64) -> Option<u32> {
    match target.checked_sub(slot) {
        Some(ticks) => Some(round_of(ticks)),
        None => None,
    }
}

const SLOTS: usize = 64 * WORDS;
/// Words of the map of slots: as many as a word has bits.
const WORDS: usize = 64;
/// Timers of a chunk.
const CELLS: usize = 8;
/// Chunks of a block.
const BLOCK: usize = 16;
const TICK_MICROS: u64 = 10_000;
const NIL: u32 = u32::MAX;
/// Blocks that an empty wheel may keep.
const IDLE_BLOCKS: usize = 8;

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn drain(wheel: &mut Wheel<u32>, now: Instant) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.advance(now, &mut |value| fired.push(value));
        fired.sort_unstable();
        fired
    }

    #[test]
    fn fires_never_early_and_at_most_a_tick_late() {
        let mut wheel = Wheel::new();
        wheel.insert(Instant::from_micros(25_001), 1);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_micros(30_000)));
        assert!(drain(&mut wheel, Instant::from_micros(29_999)).is_empty());
        assert_eq!(drain(&mut wheel, Instant::from_micros(30_000)), [1]);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn timer_c_waits_several_rounds() {
        let mut wheel = Wheel::new();
        let at = Instant::ZERO + Duration::from_secs(181);
        wheel.insert(at, 9);
        let mut woken = 0;
        while let Some(deadline) = wheel.next_deadline() {
            woken += 1;
            assert!(deadline <= at);
            let fired = drain(&mut wheel, deadline);
            assert_eq!(!fired.is_empty(), deadline == at);
        }
        assert!(woken <= 5, "{woken} wake-ups for one timer");
    }

    #[test]
    fn a_clock_jump_fires_everything_once() {
        let mut wheel = Wheel::new();
        for n in 0..10_000u32 {
            wheel.insert(Instant::from_micros(u64::from(n) * 37_003), n);
        }
        let all = drain(&mut wheel, Instant::ZERO + Duration::from_secs(100_000));
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_key_is_good_for_one_cancel() {
        let mut wheel = Wheel::new();
        let key = wheel.insert(Instant::from_micros(1), 1);
        assert_eq!(wheel.cancel(key), Some(1));
        assert_eq!(wheel.cancel(key), None);
        assert_eq!(wheel.cancel(TimerKey::NONE), None);
        let fired = wheel.insert(Instant::from_micros(1), 2);
        assert_eq!(drain(&mut wheel, Instant::from_micros(10_000)), [2]);
        wheel.insert(Instant::from_micros(1), 3);
        assert_eq!(wheel.cancel(fired), None);
        assert_eq!(wheel.len(), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance(u64),
        Jump,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u64..300_000_000).prop_map(Step::Insert),
            4 => (0u64..50_000).prop_map(Step::Insert),
            3 => any::<usize>().prop_map(Step::Cancel),
            5 => (0u64..2_000_000).prop_map(Step::Advance),
            1 => (0u64..100_000_000).prop_map(Step::Advance),
            2 => Just(Step::Jump),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// The wheel against a heap of (tick, value) and a set of cancelled values.
        #[test]
        fn behaves_like_a_heap(steps in steps()) {
            let mut wheel = Wheel::new();
            let mut heap = BinaryHeap::new();
            let mut keys: Vec<(TimerKey, u32, bool)> = Vec::new();
            let mut now = 0u64;
            for step in steps {
                match step {
                    Step::Insert(delay) => {
                        let value = keys.len() as u32;
                        let at = now + delay;
                        keys.push((wheel.insert(Instant::from_micros(at), value), value, true));
                        let tick = at.div_ceil(TICK_MICROS).max(now / TICK_MICROS + 1);
                        heap.push(Reverse((tick, value)));
                    }
                    Step::Cancel(pick) if !keys.is_empty() => {
                        let pick = pick % keys.len();
                        let (key, value, waits) = keys[pick];
                        prop_assert_eq!(wheel.cancel(key), waits.then_some(value));
                        keys[pick].2 = false;
                        heap.retain(|Reverse((_, other))| *other != value);
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => now += by,
                    Step::Jump => {
                        now = wheel.next_deadline().map_or(now, |at| at.as_micros().max(now));
                    }
                }
                let mut expected = Vec::new();
                while let Some(Reverse((tick, value))) = heap.peek().copied() {
                    if tick > now / TICK_MICROS {
                        break;
                    }
                    heap.pop();
                    keys[value as usize].2 = false;
                    expected.push(value);
                }
                expected.sort_unstable();
                prop_assert_eq!(drain(&mut wheel, Instant::from_micros(now)), expected);
                prop_assert_eq!(wheel.len(), heap.len());
                prop_assert_eq!(wheel.next_deadline().is_none(), heap.is_empty());
                if let (Some(deadline), Some(Reverse((tick, _)))) = (wheel.next_deadline(), heap.peek()) {
                    prop_assert!(deadline.as_micros() > now);
                    prop_assert!(deadline.as_micros() <= tick * TICK_MICROS);
                }
            }
        }
    }
}
