use serde::{Deserialize, Serialize};

use crate::generator::Report;
use crate::load::bench::Bench;
use crate::load::{Order, Subject};

/// What is left of the calls when more come than one core can take.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Overload {
    /// Calls a second that go without a repeated message.
    pub capacity: f64,
    /// From half of that to five times that.
    pub points: Vec<Pressure>,
}

/// One multiple of the capacity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pressure {
    /// Of the capacity.
    pub factor: f64,
    /// Calls a second that were begun in the window.
    pub offered: f64,
    /// Calls a second that were complete.
    pub goodput: f64,
    /// INVITEs that were refused with 503.
    pub refused: u64,
    /// Calls that failed in any way, 503 among them.
    pub failed: u64,
    /// Calls that nobody answered in time.
    pub timed_out: u64,
    /// Calls that were answered and could not be ended.
    pub established_failed: u64,
    /// Calls that were answered and ended as they should.
    pub good: u64,
    /// Datagrams that the kernel dropped before the subject's socket.
    pub dropped: u64,
    /// Messages that had to be repeated.
    pub retransmissions: u64,
    /// From the intended time of the INVITE to its 200, 99 of 100 of the good calls, in µs.
    pub answered_p99: Option<f64>,
    /// The share of its core that the subject used.
    pub share: f64,
    /// Whether the generator kept up with its own schedule.
    pub generator_kept_up: bool,
}

/// The multiples.
const FACTORS: [f64; 5] = [0.5, 1.0, 2.0, 3.0, 5.0];

/// Puts multiples of its capacity on Hookswitch, each on a fresh one.
pub(crate) fn overload(bench: &mut Bench, capacity: f64) -> Overload {
    let mut points = Vec::new();
    let factors: &[f64] = if bench.scale.is_quick {
        &[1.0, 3.0]
    } else {
        &FACTORS
    };
    for &factor in factors {
        let rate = (capacity * factor).max(1.0) as u64;
        // Long enough for queues to fill; what is lost is begged for after 0.5, 1, 2, 4 s.
        let order = Order {
            hold: Some("200ms".to_owned()),
            drain: Some(8.0),
            calls_max: Some(1_000_000),
            ..Order::steady(rate, bench.scale.window)
        };
        match bench.fresh("overload", Subject::Hookswitch, &order) {
            Ok(outcome) => points.push(Pressure::of(factor, &outcome)),
            Err(failure) => bench.trouble(&format!("overload, {factor} times"), &failure),
        }
    }
    Overload { capacity, points }
}

impl Pressure {
    fn of(factor: f64, report: &Report) -> Self {
        let answered = report.latency.post_dial_200.as_ref();
        Self {
            factor,
            offered: report.window.started_per_s(),
            goodput: report.window.goodput_per_s,
            refused: report.received("INVITE", 503),
            failed: report.calls.failed,
            timed_out: report.calls.timed_out,
            established_failed: report.calls.established_failed,
            good: report.calls.good,
            dropped: report.kernel.target_drops,
            retransmissions: report.retransmissions_total,
            answered_p99: answered.map(|times| times.p99),
            share: report.subject().cpu_share,
            generator_kept_up: !report.generator_saturated,
        }
    }

    /// Of the calls that were answered, the share that could be ended.
    #[must_use]
    pub fn dialogs_kept(&self) -> f64 {
        self.good as f64 / (self.good + self.established_failed).max(1) as f64
    }
}

impl Overload {
    /// The lowest goodput above the capacity against the highest of all.
    #[must_use]
    pub fn kept(&self) -> Option<f64> {
        let peak = self
            .points
            .iter()
            .map(|point| point.goodput)
            .reduce(f64::max)?;
        let above = self.points.iter().filter(|point| point.factor > 1.0);
        let lowest = above.map(|point| point.goodput).reduce(f64::min)?;
        (peak > 0.0).then(|| lowest / peak)
    }

    /// The lowest share of answered calls that could be ended.
    #[must_use]
    pub fn dialogs_kept(&self) -> Option<f64> {
        self.points
            .iter()
            .map(Pressure::dialogs_kept)
            .reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_only_on_the_schedule_were_not_begun() {
        let mut report = Report::of_nothing();
        report.window.seconds = 5.0;
        report.window.rate_per_s = 60_000.0;
        report.window.started = 200_000;
        let pressure = Pressure::of(5.0, &report);
        assert!((pressure.offered - 40_000.0).abs() < 0.1, "{pressure:?}");
    }
}
