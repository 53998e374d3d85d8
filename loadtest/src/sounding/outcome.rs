use std::fmt;

use super::Order;
use super::stream::Heard;

/// What was received in all calls together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packets {
    /// How many.
    pub received: u64,
    /// Those that are missing in the sequence.
    pub lost: u64,
    /// How far the time between two packets is from what their timestamps say, in microseconds: half of them, 99 of a
    /// hundred, and the worst.
    pub off_us: [u64; 3],
}

impl From<Heard> for Packets {
    fn from(heard: Heard) -> Self {
        Self {
            received: heard.packets,
            lost: heard.lost,
            off_us: [0.5, 0.99, 1.0].map(|share| heard.off_us.value_at_quantile(share)),
        }
    }
}

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, lost, .. } = self;
        let [middle, late, worst] = self.off_us.map(|us| us as f64 / 1000.0);
        writeln!(f, "packets     {received} received, {lost} lost")?;
        writeln!(
            f,
            "off by      p50 {middle:.2} ms, p99 {late:.2} ms, worst {worst:.2} ms"
        )
    }
}

/// What came of an [`Order`].
#[derive(Debug)]
pub struct Outcome {
    /// Calls that were to be made.
    pub calls: usize,
    /// Those that were answered.
    pub answered: usize,
    /// Those that were ended by the executor.
    pub ended: usize,
    /// Those that were refused.
    pub refused: usize,
    /// The most at a time.
    pub most: usize,
    /// Packets that came.
    pub packets: Packets,
    /// Recording callbacks, actions, and status callbacks that came.
    pub callbacks: [usize; 3],
    /// KiB before the first call, at most while they were, and after the last.
    pub kib_before: u64,
    /// At most while there were calls.
    pub kib_during: u64,
    /// After the last.
    pub kib_after: u64,
    /// Hundredths of a core for each call, while all were up.
    pub cpu_percent_per_call: f64,
    /// How long all were up.
    pub window_seconds: f64,
    /// Sessions of media that the executor says are left.
    pub sessions_after: Option<u64>,
}

impl Outcome {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            calls: order.calls,
            answered: 0,
            ended: 0,
            refused: 0,
            most: 0,
            packets: Packets::default(),
            callbacks: [0; 3],
            kib_before: 0,
            kib_during: 0,
            kib_after: 0,
            cpu_percent_per_call: 0.0,
            window_seconds: 0.0,
            sessions_after: None,
        }
    }

    /// Whether everybody got through, nothing that had to come is missing, and no session is left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.answered == self.calls
            && self.ended == self.calls
            && self.callbacks.iter().all(|came| *came == self.calls)
            && self.sessions_after == Some(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calls,
            answered,
            ended,
            refused,
            most,
            ..
        } = self;
        let [tapes, actions, ends] = self.callbacks;
        writeln!(
            f,
            "calls       {calls}: answered {answered}, refused {refused}, ended {ended}, at most {most} at a time"
        )?;
        write!(f, "{}", self.packets)?;
        writeln!(
            f,
            "callbacks   {tapes} recordings, {actions} actions, {ends} ends, of {calls} each"
        )?;
        let left = self.sessions_after;
        let left = left.map_or_else(|| "not known".to_owned(), |left| left.to_string());
        writeln!(
            f,
            "memory      {} KiB before, {} at most, {} after; sessions left {left}",
            self.kib_before, self.kib_during, self.kib_after
        )?;
        write!(
            f,
            "processor   {:.3} % of a core for a call, over {:.0} s with all of them",
            self.cpu_percent_per_call, self.window_seconds
        )
    }
}
