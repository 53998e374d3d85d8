//! What is counted and timed in a run.

use std::collections::BTreeMap;
use std::ops::Range;

use hdrhistogram::Histogram;

use super::call::MARKS;
use super::config::Kind;
use super::report::{Counts, Quantiles, Second};
use super::schedule::Steps;
use super::seen::Method;

/// The longest time that a histogram tells apart, in nanoseconds.
const LONGEST: u64 = 200_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// Times in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u32>);

impl Times {
    /// `digits` significant ones.
    fn new(digits: u8) -> Self {
        // From a nanosecond, a bound above twice that and up to five digits are always accepted.
        Self(Histogram::new_with_bounds(1, LONGEST, digits).expect("these bounds are sound"))
    }

    pub(super) fn add(&mut self, time: u64) {
        self.0.saturating_record(time);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        // Of the same bounds, so everything fits.
        self.0.add(&other.0).unwrap_or_default();
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let us = |time: u64| time as f64 / 1000.0;
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Quantiles {
            count: self.0.len(),
            mean: self.0.mean() / 1000.0,
            min: us(self.0.min()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: us(self.0.max()),
        })
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) begin: u64,
    /// The measured window, in times of the clock.
    pub(super) window: Range<u64>,
    pub(super) intended: u64,
    pub(super) shed: u64,
    pub(super) in_progress: u64,
    pub(super) in_progress_max: u64,
    pub(super) kinds: [Counts; Kind::ALL.len()],
    pub(super) within: Counts,
    pub(super) within_intended: u64,
    pub(super) within_retransmissions: u64,
    pub(super) within_received: u64,
    /// By method and status.
    responses: Vec<u64>,
    pub(super) unexpected: BTreeMap<(Method, u16), u64>,
    pub(super) requests_again: BTreeMap<Method, u64>,
    pub(super) responses_again: BTreeMap<u16, u64>,
    pub(super) retransmissions: u64,
    pub(super) duplicates: u64,
    pub(super) stray: u64,
    pub(super) malformed: u64,
    pub(super) received: u64,
    pub(super) receive_calls: u64,
    pub(super) extensions: [u64; 3],
    pub(super) invites: u64,
    pub(super) post_dial_180: Times,
    pub(super) post_dial_200: Times,
    pub(super) invite: Times,
    pub(super) call: Times,
    pub(super) added: Vec<Times>,
    pub(super) lag: Times,
    pub(super) seconds: Vec<Second>,
    second: Times,
    current: Second,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Good,
    Failed,
    TimedOut,
}

impl Tally {
    pub(super) fn new(begin: u64, window: Range<u64>) -> Self {
        let times = || Times::new(3);
        Self {
            begin,
            window,
            intended: 0,
            shed: 0,
            in_progress: 0,
            in_progress_max: 0,
            kinds: Default::default(),
            within: Counts::default(),
            within_intended: 0,
            within_retransmissions: 0,
            within_received: 0,
            responses: vec![0; Method::ALL.len() * 700],
            unexpected: BTreeMap::new(),
            requests_again: BTreeMap::new(),
            responses_again: BTreeMap::new(),
            retransmissions: 0,
            duplicates: 0,
            stray: 0,
            malformed: 0,
            received: 0,
            receive_calls: 0,
            extensions: [0; 3],
            invites: 0,
            post_dial_180: times(),
            post_dial_200: times(),
            invite: times(),
            call: times(),
            added: vec![times(); MARKS],
            lag: times(),
            seconds: Vec::new(),
            second: Times::new(2),
            current: Second::default(),
        }
    }

    /// Closes the seconds that are over.
    pub(super) fn roll(&mut self, now: u64, steps: &Steps) {
        while now >= self.begin + (self.seconds.len() as u64 + 1) * SECOND {
            self.close(steps);
        }
    }

    /// Closes the running second.
    pub(super) fn close(&mut self, steps: &Steps) {
        let mut second = std::mem::take(&mut self.current);
        second.t = self.seconds.len() as f64;
        second.rate = steps.rate(second.t + 0.5);
        second.in_progress = self.in_progress;
        if let Some(times) = self.second.quantiles() {
            second.p50 = Some(times.p50);
            second.p99 = Some(times.p99);
            second.max = Some(times.max);
            self.second = Times::new(2);
        }
        self.seconds.push(second);
    }

    pub(super) fn receive(&mut self, now: u64) {
        self.received += 1;
        self.within_received += u64::from(self.window.contains(&now));
    }

    pub(super) fn intend(&mut self, at: u64) {
        self.intended += 1;
        self.within_intended += u64::from(self.window.contains(&at));
    }

    pub(super) fn start(&mut self, kind: Kind, now: u64) {
        self.kinds[kind as usize].started += 1;
        self.within.started += u64::from(self.window.contains(&now));
        self.current.started += 1;
        self.in_progress += 1;
        self.in_progress_max = self.in_progress_max.max(self.in_progress);
    }

    /// `established`: it had been answered.
    pub(super) fn end(&mut self, kind: Kind, outcome: Outcome, established: bool, now: u64) {
        self.kinds[kind as usize].count(outcome, established);
        if self.window.contains(&now) {
            self.within.count(outcome, established);
        }
        if outcome == Outcome::Good {
            self.current.good += 1;
        } else {
            self.current.failed += 1;
        }
        self.in_progress -= 1;
    }

    /// A final 200 to an INVITE, so long after its intended time.
    pub(super) fn answered(&mut self, measured: bool, time: u64) {
        self.second.add(time);
        if measured {
            self.post_dial_200.add(time);
        }
    }

    pub(super) fn response(&mut self, method: Method, status: u16) {
        if let Some(count) = self
            .responses
            .get_mut(method as usize * 700 + usize::from(status))
        {
            *count += 1;
        }
    }

    pub(super) fn responses(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut all = BTreeMap::<String, BTreeMap<String, u64>>::new();
        for method in Method::ALL {
            for status in 100..700 {
                let count = self.responses[method as usize * 700 + status];
                if count > 0 {
                    let of_method = all.entry(method.name().to_owned()).or_default();
                    of_method.insert(status.to_string(), count);
                }
            }
        }
        all
    }

    pub(super) fn request_again(&mut self, method: Method, now: u64) {
        *self.requests_again.entry(method).or_default() += 1;
        self.again(now);
    }

    pub(super) fn response_again(&mut self, status: u16, now: u64) {
        *self.responses_again.entry(status).or_default() += 1;
        self.again(now);
    }

    fn again(&mut self, now: u64) {
        self.retransmissions += 1;
        self.current.retransmissions += 1;
        self.within_retransmissions += u64::from(self.window.contains(&now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_what_was_added() {
        let mut times = Times::new(3);
        assert!(times.quantiles().is_none());
        for us in 1..=1000_u64 {
            times.add(us * 1000);
        }
        let all = times.quantiles().unwrap();
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.002;
        assert_eq!(all.count, 1000);
        assert!(
            near(all.p50, 500.0) && near(all.p99, 990.0) && near(all.max, 1000.0),
            "{all:?}"
        );
        times.add(u64::MAX);
        assert!(times.quantiles().unwrap().max > 1e8);
    }

    #[test]
    fn seconds_and_window_hold_what_happened_in_them() {
        let steps: Steps = "3:10".parse().unwrap();
        let begin = 5 * SECOND;
        let mut tally = Tally::new(begin, begin + SECOND..begin + 2 * SECOND);
        for second in 0..3 {
            let now = begin + second * SECOND + 1;
            tally.roll(now, &steps);
            tally.intend(now);
            tally.start(Kind::Call, now);
            tally.response_again(200, now);
            let outcome = if second == 1 {
                Outcome::TimedOut
            } else {
                Outcome::Good
            };
            tally.end(Kind::Call, outcome, true, now);
        }
        tally.close(&steps);
        let good: Vec<u64> = tally.seconds.iter().map(|second| second.good).collect();
        assert_eq!(good, [1, 0, 1]);
        assert_eq!(
            (
                tally.within.started,
                tally.within.good,
                tally.within.timed_out
            ),
            (1, 0, 1)
        );
        assert_eq!(
            (tally.within_intended, tally.within_retransmissions),
            (1, 1)
        );
        assert_eq!((tally.retransmissions, tally.in_progress), (3, 0));
    }
}
