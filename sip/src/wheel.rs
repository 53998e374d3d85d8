//! A hashed timer wheel: insert and cancel in constant time, no allocation once it is warm.
//!
//! ```text
//! cursor ──► │ 0 │ 1 │ 2 │ … │ 4095 │   one slot a tick of 10 ms, 40.96 s a round
//!              │       │
//!              ▼       ▼
//!            node ⇄ node ⇄ node          each knows its absolute tick; nodes of later rounds stay
//! ```
//!
//! Every protocol timer (64·T1 = 32 s) fires in its first round. Only longer ones (Timer C, session
//! timers) are looked at once a round while they wait.

use crate::arena::{Arena, Key};
use crate::instant::Instant;

/// Names a timer until it has fired or been cancelled; after that it is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey(Key);

impl TimerKey {
    /// A key that names no timer.
    pub const NONE: Self = Self(Key::NONE);
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
    nodes: Arena<Node<T>>,
    heads: Box<[u32; SLOTS]>,
    /// One bit a slot: whether its list has a node.
    occupied: [u64; WORDS],
    /// One bit a word of `occupied`: whether it has a bit.
    words: u64,
    /// The last tick that was processed.
    cursor: u64,
}

#[derive(Debug)]
struct Node<T> {
    tick: u64,
    next: u32,
    previous: u32,
    value: T,
}

impl<T> Wheel<T> {
    /// Memory of one timer.
    pub(crate) const TIMER_BYTES: usize = Arena::<Node<T>>::SLOT_BYTES;

    /// An empty wheel at time zero.
    pub fn new() -> Self {
        Self {
            nodes: Arena::new(),
            heads: Box::new([NIL; SLOTS]),
            occupied: [0; WORDS],
            words: 0,
            cursor: 0,
        }
    }

    /// Timers that wait.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no timer waits.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Lets `value` come out of [`Wheel::advance`] at `at`; at the next tick if that has passed.
    pub fn insert(&mut self, at: Instant, value: T) -> TimerKey {
        let tick = tick_after(at).max(self.cursor + 1);
        let slot = slot_of(tick);
        let next = self.head(slot);
        let key = self.nodes.insert(Node {
            tick,
            next,
            previous: NIL,
            value,
        });
        match self.nodes.at_mut(next) {
            Some(node) => node.previous = key.index,
            None => self.mark(slot),
        }
        self.set_head(slot, key.index);
        TimerKey(key)
    }

    /// Takes a timer back, unless it has fired or been cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.unlink(key.0).map(|node| node.value)
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
            self.fire_slot(slot_of(due), target, fire);
            tick = due + 1;
        }
        self.nodes.release_if_empty();
    }

    /// No timer fires before this instant. It is exact for timers of the coming 40.96 s; beyond
    /// that it may name an earlier moment, at which nothing fires.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let first = self.cursor + 1;
        let tick = self.next_occupied(first, self.cursor + SLOTS as u64)?;
        Some(Instant::from_micros(tick.saturating_mul(TICK_MICROS)))
    }

    fn fire_slot(&mut self, slot: usize, target: u64, fire: &mut impl FnMut(T)) {
        let mut index = self.head(slot);
        while let Some((key, node)) = self.nodes.at(index) {
            index = node.next;
            if node.tick > target {
                continue;
            }
            if let Some(node) = self.unlink(key) {
                fire(node.value);
            }
        }
    }

    fn unlink(&mut self, key: Key) -> Option<Node<T>> {
        let node = self.nodes.remove(key)?;
        match self.nodes.at_mut(node.previous) {
            Some(previous) => previous.next = node.next,
            None => {
                let slot = slot_of(node.tick);
                self.set_head(slot, node.next);
                if node.next == NIL {
                    self.clear(slot);
                }
            }
        }
        if let Some(next) = self.nodes.at_mut(node.next) {
            next.previous = node.previous;
        }
        Some(node)
    }

    /// The first tick of `first..=last` whose slot has a node; the range is at most one round.
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

    fn head(&self, slot: usize) -> u32 {
        self.heads.get(slot).copied().unwrap_or(NIL)
    }

    fn set_head(&mut self, slot: usize, index: u32) {
        if let Some(head) = self.heads.get_mut(slot) {
            *head = index;
        }
    }

    /// Notes that a slot has a node.
    fn mark(&mut self, slot: usize) {
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
            self.words |= 1 << (slot / 64);
        }
    }

    /// Notes that a slot has no node any more.
    fn clear(&mut self, slot: usize) {
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
            if *word == 0 {
                self.words &= !(1 << (slot / 64));
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

const SLOTS: usize = 64 * WORDS;
/// Words of the map of slots: as many as a word has bits.
const WORDS: usize = 64;
const TICK_MICROS: u64 = 10_000;
const NIL: u32 = u32::MAX;

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
