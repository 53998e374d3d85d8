use std::time::Duration;

/// How many calls, how fast they begin, and how long each plays and records together.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The number of calls, all of them at a time.
    pub calls: usize,
    /// Calls begun a second.
    pub rate: f64,
    /// Seconds of a call: half of them played, half of them recorded.
    pub seconds: u64,
    /// Seconds after the last call for what is still to come, callbacks and freed memory.
    pub after: u64,
}

impl Order {
    /// Five hundred calls for a minute and the time that they take to begin.
    pub const WHOLE: Self = Self {
        calls: 500,
        rate: 50.0,
        seconds: 80,
        // What SIP keeps of a call for 64·T1 is gone by then.
        after: 40,
    };

    /// A handful of short ones, to see that it works.
    pub const TINY: Self = Self {
        calls: 6,
        rate: 10.0,
        seconds: 6,
        after: 8,
    };

    pub(super) fn half(&self) -> Duration {
        Duration::from_secs((self.seconds / 2).max(2))
    }

    pub(super) fn planned(&self) -> Duration {
        self.half() * 2 + Duration::from_secs_f64(self.calls as f64 / self.rate)
    }
}
