//! The timers that a transaction has running: at most one that repeats and one that ends.

use crate::instant::Instant;
use crate::wheel::{TimerKey, Wheel};

use super::id::{ClientId, ServerId, TransactionId};
use super::machine::Action;
use super::timers::{ROUND_MAX, Timer, Timers};

/// What comes out of the wheel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Server(ServerId, Timer),
    Client(ClientId, Timer),
    User(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    repeat: TimerKey,
    ending: TimerKey,
    /// How often the repeating timer was lengthened.
    round: u8,
    pub(super) reliable: bool,
}

/// What starting a timer needs.
pub(super) struct Desk<'a> {
    pub(super) wheel: &'a mut Wheel<Due>,
    pub(super) timers: &'a Timers,
    pub(super) owner: TransactionId,
    pub(super) now: Instant,
}

impl Running {
    pub(super) const fn new(reliable: bool) -> Self {
        Self {
            repeat: TimerKey::NONE,
            ending: TimerKey::NONE,
            round: 0,
            reliable,
        }
    }

    /// Does the timer actions. A timer that takes no time is not started but returned: it has fired.
    pub(super) fn apply(&mut self, action: Action, desk: &mut Desk<'_>) -> Option<Timer> {
        let timer = match action {
            Action::Stop(timer) => {
                desk.wheel.cancel(*self.key(timer));
                return None;
            }
            Action::Start(timer) => {
                if timer.repeats() {
                    self.round = 0;
                }
                timer
            }
            Action::Again(timer) => {
                self.round = (self.round + 1).min(ROUND_MAX);
                timer
            }
            Action::Slow(timer) => {
                self.round = ROUND_MAX;
                timer
            }
            _ => return None,
        };
        desk.wheel.cancel(*self.key(timer));
        let delay = desk.timers.delay(timer, self.round, self.reliable)?;
        if delay.is_zero() {
            return Some(timer);
        }
        let due = match desk.owner {
            TransactionId::Server(id) => Due::Server(id, timer),
            TransactionId::Client(id) => Due::Client(id, timer),
        };
        *self.key(timer) = desk.wheel.insert(desk.now + delay, due);
        None
    }

    pub(super) fn stop_all(&self, wheel: &mut Wheel<Due>) {
        wheel.cancel(self.repeat);
        wheel.cancel(self.ending);
    }

    const fn key(&mut self, timer: Timer) -> &mut TimerKey {
        if timer.repeats() {
            &mut self.repeat
        } else {
            &mut self.ending
        }
    }
}
