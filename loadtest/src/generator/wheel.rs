/// Length of a tick in nanoseconds: a timer fires up to one later than it was set for.
const TICK: u64 = 1_000_000;
/// Ticks of one turn of the wheel.
const TICKS: u64 = 4096;
/// How many ticks ahead [`Wheel::wake`] looks.
const LOOK: u64 = 16;

/// What a timer is for. `transaction` tells it from an older one of the same call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) slot: u32,
    pub(super) number: u32,
    pub(super) due: Due,
    /// How often this one has fired before.
    pub(super) round: u8,
    /// When it was set for its first round.
    pub(super) since: u64,
    pub(super) transaction: u16,
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Caller: the INVITE again, or its end (RFC 3261 §17.1.1.2, timers A and B).
    Invite,
    /// Caller or callee: the request that is not an INVITE again, or its end (§17.1.2.2, timers E and F).
    Request,
    /// Caller: the CANCEL again, or its end.
    Cancelled,
    /// Callee: the final response again, or its end (§13.3.1.4; §17.2.1, timers G and H).
    Final,
    /// Callee: it rang long enough.
    Answer,
    /// Caller: it rang long enough to give up.
    GiveUp,
    /// Whoever hangs up, or the next request inside the dialog.
    Talked,
}

/// A hashed timer wheel. Timers are not taken off: who set one finds out whether it still means anything.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<(u64, Timer)>>,
    /// The first tick that has not been looked at.
    tick: u64,
    count: usize,
}

impl Wheel {
    pub(super) fn new(now: u64) -> Self {
        Self {
            slots: vec![Vec::new(); TICKS as usize],
            tick: now / TICK,
            count: 0,
        }
    }

    /// Sets a timer for a time of the clock in nanoseconds.
    pub(super) fn set(&mut self, at: u64, timer: Timer) {
        let tick = at.div_ceil(TICK).max(self.tick);
        self.slots[(tick % TICKS) as usize].push((tick, timer));
        self.count += 1;
    }

    /// Moves what is due to `due`.
    pub(super) fn expire(&mut self, now: u64, due: &mut Vec<Timer>) {
        let end = now / TICK;
        // After a whole turn every slot has been seen.
        let start = self.tick.max((end + 1).saturating_sub(TICKS));
        for tick in start..=end {
            let slot = &mut self.slots[(tick % TICKS) as usize];
            let before = slot.len();
            slot.retain(|(at, timer)| {
                if *at <= end {
                    due.push(*timer);
                }
                *at > end
            });
            self.count -= before - slot.len();
        }
        self.tick = self.tick.max(end + 1);
    }

    /// When to look again at the latest.
    pub(super) fn wake(&self) -> u64 {
        let ahead = (0..LOOK).find(|ahead| {
            let slot = &self.slots[((self.tick + ahead) % TICKS) as usize];
            !slot.is_empty()
        });
        (self.tick + ahead.unwrap_or(LOOK)) * TICK
    }

    /// Timers that are set, whether or not they still mean anything.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn timer(slot: u32) -> Timer {
        Timer {
            slot,
            number: 0,
            due: Due::Invite,
            round: 0,
            since: 0,
            transaction: 0,
        }
    }

    #[test]
    fn every_timer_fires_once_and_not_before_its_time() {
        let mut random = Random::new(5);
        let begin = 123_456_789;
        let mut wheel = Wheel::new(begin);
        let times: Vec<u64> = (0..2000)
            .map(|_| begin + random.next() % 40_000_000_000)
            .collect();
        for (slot, time) in times.iter().enumerate() {
            wheel.set(*time, timer(slot as u32));
        }
        let mut fired = vec![None; times.len()];
        let mut now = begin;
        let mut due = Vec::new();
        while now < begin + 41_000_000_000 {
            now += random.next() % 30_000_000;
            wheel.expire(now, &mut due);
            for timer in due.drain(..) {
                assert!(fired[timer.slot as usize].replace(now).is_none());
            }
        }
        for (time, fired) in times.iter().zip(fired) {
            let fired = fired.expect("it fires");
            assert!(
                (*time..*time + 32_000_000).contains(&fired),
                "{time} {fired}"
            );
        }
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let mut wheel = Wheel::new(0);
        for slot in 0..100 {
            wheel.set(u64::from(slot) * 100_000_000, timer(slot));
        }
        let mut due = Vec::new();
        wheel.expire(60_000_000_000, &mut due);
        assert_eq!(due.len(), 100);
    }

    #[test]
    fn the_wake_is_not_after_the_next_timer() {
        let mut wheel = Wheel::new(0);
        wheel.set(5_000_000, timer(0));
        assert_eq!(wheel.wake(), 5_000_000);
        let mut due = Vec::new();
        wheel.expire(5_000_000, &mut due);
        assert_eq!(due.len(), 1);
        assert!(wheel.wake() > 5_000_000);
    }
}
