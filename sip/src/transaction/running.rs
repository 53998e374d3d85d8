//! The timers that a transaction has running: at most one that repeats and one that ends. Only the
//! earlier of the two is on the wheel.

use crate::arena::Key;
use crate::instant::Instant;
use crate::wheel::{TimerKey, Wheel};

use super::machine::{Change, Effects};
use super::timers::{Periods, ROUND_MAX, Timer};

/// What comes out of the wheel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Transaction(Key),
    User(u64),
}

#[derive(Debug)]
pub(super) struct Running {
    /// When the timer that repeats a message is due; [`NEVER`] where none runs.
    repeat_at: Instant,
    /// The same of the timer that ends a state.
    ending_at: Instant,
    /// The earlier of both, on the wheel.
    node: TimerKey,
    repeat: Timer,
    ending: Timer,
    /// How often the repeating timer was lengthened.
    round: u8,
    pub(super) reliable: bool,
}

impl Running {
    pub(super) const fn new(reliable: bool) -> Self {
        Self {
            repeat_at: NEVER,
            ending_at: NEVER,
            node: TimerKey::NONE,
            repeat: Timer::A,
            ending: Timer::B,
            round: 0,
            reliable,
        }
    }

    /// When the next timer is due.
    #[inline]
    pub(super) fn next(&self) -> Instant {
        self.repeat_at.min(self.ending_at)
    }

    /// Does what a step asks for of the timers. A timer that ends a state and takes no time is not
    /// started but returned: it has fired.
    #[inline]
    pub(super) fn apply(
        &mut self,
        effects: &Effects,
        periods: &Periods,
        now: Instant,
    ) -> Option<Timer> {
        match effects.repeat {
            Change::Keep => {}
            Change::Stop => self.repeat_at = NEVER,
            Change::Start(timer) => {
                self.round = 0;
                self.repeat = timer;
                self.repeat_at = after(now, periods.first(timer, self.reliable));
            }
            Change::Again(timer) | Change::Slow(timer) => {
                self.round = match effects.repeat {
                    Change::Slow(_) => ROUND_MAX,
                    _ => (self.round + 1).min(ROUND_MAX),
                };
                let delay = periods.delay(timer, self.round, self.reliable);
                self.repeat_at = after(now, delay.unwrap_or(u64::MAX));
            }
        }
        match effects.ending {
            Change::Keep => {}
            Change::Stop => self.ending_at = NEVER,
            Change::Start(timer) | Change::Again(timer) | Change::Slow(timer) => {
                let delay = periods.first(timer, self.reliable);
                if delay == 0 {
                    self.ending_at = NEVER;
                    return Some(timer);
                }
                self.ending = timer;
                self.ending_at = after(now, delay);
            }
        }
        None
    }

    /// Puts the earlier timer of `owner` on the wheel, which was set for `before` until now.
    #[inline]
    pub(super) fn rearm(&mut self, before: Instant, owner: Key, wheel: &mut Wheel<Due>) {
        let next = self.next();
        if next == before {
            return;
        }
        if before != NEVER {
            wheel.cancel(self.node);
        }
        if next != NEVER {
            self.node = wheel.insert(next, Due::Transaction(owner));
        }
    }

    /// The timer of `owner` that has come off the wheel; the other takes its place there.
    pub(super) fn fired(&mut self, owner: Key, wheel: &mut Wheel<Due>) -> Timer {
        let timer = if self.ending_at <= self.repeat_at {
            self.ending_at = NEVER;
            self.ending
        } else {
            self.repeat_at = NEVER;
            self.repeat
        };
        self.rearm(NEVER, owner, wheel);
        timer
    }

    pub(super) fn stop(&self, wheel: &mut Wheel<Due>) {
        if self.next() != NEVER {
            wheel.cancel(self.node);
        }
    }
}

/// `micros` after `now`, or never.
#[inline]
const fn after(now: Instant, micros: u64) -> Instant {
    Instant::from_micros(now.as_micros().saturating_add(micros))
}

const NEVER: Instant = Instant::from_micros(u64::MAX);
