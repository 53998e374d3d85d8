//! The clock of a media thread: a tick each 20 ms, at times that do not drift.

use std::time::{Duration, Instant};

/// Ticks at absolute times.
///
/// All clocks of an engine count from one moment, so that a session that goes from one thread to
/// another finds the same count there. Each ticks at a phase of its own, so that threads do not all
/// send at the same time.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    next: Instant,
    count: u64,
}

/// What time it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// A tick, after so many that are left out since they are too far past.
    Tick {
        /// Ticks left out.
        skipped: u64,
    },
    /// Nothing for so long.
    Wait(Duration),
}

impl Clock {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            next: start + TICK,
            count: 0,
        }
    }

    /// The thread has slept without sessions: ticks that have passed are of no interest.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.next < now {
            let passed = (now - self.next).as_nanos() / TICK.as_nanos() + 1;
            self.advance(u64::try_from(passed).unwrap_or(u64::MAX));
        }
    }

    /// Whether a tick is due. One that is late is made up for at once, so that peers get what they
    /// wait for; but after a pause of the machine nobody waits for what would come in a burst.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Wait(self.next - now);
        }
        let late = (now - self.next).as_nanos() / TICK.as_nanos();
        let late = u64::try_from(late).unwrap_or(u64::MAX);
        let skipped = if late > MADE_UP { late } else { 0 };
        self.advance(skipped + 1);
        Due::Tick { skipped }
    }

    /// How long it is until the next tick.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// Ticks since the beginning, those left out too.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn advance(&mut self, ticks: u64) {
        self.count += ticks;
        let millis = (self.count + 1).saturating_mul(TICK.as_millis() as u64);
        self.next = self.start + Duration::from_millis(millis);
    }
}

/// The length of a frame.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// Late ticks that are made up for: 100 ms, less than peers buffer at most.
const MADE_UP: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(clock.due(start), Due::Wait(TICK));
        let mut now = start;
        for turn in 1..=1000_u32 {
            // Each comes a little late; the times that are due stay where they were.
            now = start + TICK * turn + Duration::from_millis(3);
            assert_eq!(clock.due(now), Due::Tick { skipped: 0 });
        }
        assert_eq!(clock.due(now), Due::Wait(Duration::from_millis(17)));
        assert_eq!(clock.count(), 1000);
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_not() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let late = start + TICK * 4;
        for _ in 0..4 {
            assert_eq!(clock.due(late), Due::Tick { skipped: 0 });
        }
        assert!(matches!(clock.due(late), Due::Wait(_)));
        let very_late = late + TICK * 101;
        assert_eq!(clock.due(very_late), Due::Tick { skipped: 100 });
        assert!(matches!(clock.due(very_late), Due::Wait(_)));
        assert_eq!(clock.count(), 105);
    }

    #[test]
    fn clocks_that_have_slept_count_the_same() {
        let start = Instant::now();
        let (mut one, mut two) = (Clock::new(start), Clock::new(start));
        let now = start + TICK * 50 + Duration::from_millis(7);
        two.resume(now);
        while let Due::Tick { .. } = one.due(now) {}
        assert_eq!(one.count(), two.count());
        assert_eq!(one.remaining(now), two.remaining(now));
        assert_eq!(two.remaining(now), Duration::from_millis(13));
        two.resume(now);
        assert_eq!(one.count(), two.count());
    }
}
