use serde::{Deserialize, Serialize};

use super::profile::Expect;
use super::statistics::slope;
use super::{Engine, Subject};
use crate::generator::{Report, Second};

/// What a profile came to, whoever made the calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tally {
    /// The profile.
    pub profile: String,
    /// Who was called through.
    pub subject: Subject,
    /// Who made the calls.
    pub engine: Engine,
    /// Calls begun.
    pub started: u64,
    /// Calls that went as their kind should.
    pub good: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Those of them that had been answered; SIPp does not tell.
    pub established_failed: u64,
    /// Messages that a caller or callee had to repeat.
    pub retransmissions: u64,
    /// Datagrams that the kernel dropped at full buffers.
    pub dropped: u64,
    /// µs of processor time of the subject a call.
    pub cpu_us_per_call: f64,
    /// From the INVITE to its 200, µs: the middle, and 99 of 100. SIPp tells neither.
    pub answered_us: Option<(f64, f64)>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// What the generator has to say against its own figures.
    pub problems: Vec<String>,
}

/// One bound, and whether it held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asked, and what came.
    pub what: String,
    /// Whether it held.
    pub held: bool,
}

impl Tally {
    /// The generator's report as a tally.
    #[must_use]
    pub fn of(profile: &str, subject: Subject, report: &Report) -> Self {
        let answered = report.latency.post_dial_200.as_ref();
        Self {
            profile: profile.to_owned(),
            subject,
            engine: Engine::Generator,
            started: report.calls.started,
            good: report.calls.good,
            failed: report.calls.failed,
            established_failed: report.calls.established_failed,
            retransmissions: report.retransmissions_total,
            dropped: report.kernel.rcvbuf_errors,
            cpu_us_per_call: report.subject().cpu_us_per_call,
            answered_us: answered.map(|times| (times.p50, times.p99)),
            seconds: report.seconds.clone(),
            problems: report.problems.clone(),
        }
    }

    /// Holds it against what was expected. `warmup` is in seconds; memory is judged after it.
    #[must_use]
    pub fn judge(&self, expect: &Expect, warmup: f64) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict {
            what: format!(
                "{} of {} calls ended, good or bad",
                self.good + self.failed,
                self.started
            ),
            held: self.good + self.failed == self.started && self.started > 0,
        }];
        let mut at_most = |name: &str, value: f64, bound: Option<f64>, unit: &str| {
            if let Some(bound) = bound {
                let what = format!("{name} {value:.2} {unit}, at most {bound} {unit}");
                let held = value <= bound;
                verdicts.push(Verdict { what, held });
            }
        };
        let percent = |count: u64| 100.0 * count as f64 / self.started.max(1) as f64;
        at_most("failed", percent(self.failed), expect.failed_percent, "%");
        let answered = (self.good + self.established_failed).max(1);
        let lost = 100.0 * self.established_failed as f64 / answered as f64;
        at_most(
            "answered calls lost",
            lost,
            expect.established_failed_percent,
            "%",
        );
        let repeated = percent(self.retransmissions);
        at_most(
            "repeated messages",
            repeated,
            expect.retransmissions_percent,
            "%",
        );
        // A run without a single point after the warm-up has shown nothing.
        let growth = self.memory_growth(warmup).unwrap_or(f64::INFINITY);
        at_most(
            "memory",
            growth,
            expect.memory_percent_a_minute,
            "% a minute",
        );
        if let Some(bound) = expect.goodput_percent_of_peak {
            let kept = self.goodput_kept().unwrap_or(0.0);
            verdicts.push(Verdict {
                what: format!("goodput {kept:.0} % of its peak, at least {bound} %"),
                held: kept >= bound,
            });
        }
        verdicts
    }

    /// The lowest count of good calls in three seconds after the highest, while calls still begin, in per cent of it.
    #[must_use]
    pub fn goodput_kept(&self) -> Option<f64> {
        let begun = self.seconds.iter().take_while(|second| second.started > 0);
        let good: Vec<u64> = begun.map(|second| second.good).collect();
        let sums: Vec<u64> = good.windows(3).map(|three| three.iter().sum()).collect();
        let peak = sums.iter().copied().max().filter(|peak| *peak > 0)?;
        let after = sums.iter().skip_while(|sum| **sum < peak);
        Some(100.0 * after.copied().min()? as f64 / peak as f64)
    }

    /// Resident memory, second by second, in MiB.
    #[must_use]
    pub fn memory(&self) -> Vec<(f64, f64)> {
        let known = |second: &Second| {
            let kib = *second.watched_rss_kib.first()?;
            Some((second.t, kib as f64 / 1024.0))
        };
        self.seconds.iter().filter_map(known).collect()
    }

    /// How memory grows after the warm-up while calls still begin, in per cent of itself a minute.
    #[must_use]
    pub fn memory_growth(&self, warmup: f64) -> Option<f64> {
        let begun = self.seconds.iter().filter(|second| second.started > 0);
        let last = begun.map(|second| second.t).fold(0.0, f64::max);
        let level: Vec<(f64, f64)> = self
            .memory()
            .into_iter()
            .filter(|(second, _)| (warmup..=last).contains(second))
            .collect();
        let (_, first) = *level.first()?;
        Some(100.0 * 60.0 * slope(&level)? / first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(memory_kib: impl Fn(u64) -> u64) -> Tally {
        let second = |t: u64| Second {
            t: t as f64,
            started: 10,
            watched_rss_kib: vec![memory_kib(t)],
            ..Second::default()
        };
        Tally {
            profile: "soak".to_owned(),
            subject: Subject::Hookswitch,
            engine: Engine::Generator,
            started: 1000,
            good: 999,
            failed: 1,
            established_failed: 0,
            retransmissions: 5,
            dropped: 0,
            cpu_us_per_call: 1.0,
            answered_us: None,
            seconds: (0..120).map(second).collect(),
            problems: Vec::new(),
        }
    }

    fn bounds(failed: f64, memory: f64) -> Expect {
        Expect {
            failed_percent: Some(failed),
            retransmissions_percent: Some(0.5),
            memory_percent_a_minute: Some(memory),
            ..Expect::default()
        }
    }

    #[test]
    fn each_bound_is_held_against_the_run() {
        let held = |tally: &Tally, expect: &Expect| -> Vec<bool> {
            let verdicts = tally.judge(expect, 60.0);
            verdicts.iter().map(|verdict| verdict.held).collect()
        };
        // Memory climbs in the warm-up and is level after it.
        let level = tally(|t| 10_000 + 100 * t.min(60));
        assert_eq!(held(&level, &bounds(0.1, 0.1)), [true; 4]);
        assert_eq!(held(&level, &bounds(0.0, 0.1)), [true, false, true, true]);
        // It grows by 100 KiB a second from 16,000: 37 % a minute.
        let leak = tally(|t| 10_000 + 100 * t);
        assert_eq!(held(&leak, &bounds(0.1, 30.0)), [true, true, true, false]);
        assert_eq!(held(&leak, &bounds(0.1, 40.0)), [true; 4]);
    }
    #[test]
    fn goodput_is_judged_from_its_peak_on() {
        let mut run = tally(|_| 1);
        run.seconds.truncate(9);
        for (second, good) in run.seconds.iter_mut().zip([1, 1, 10, 10, 10, 9, 8, 7, 9]) {
            second.good = good;
        }
        assert_eq!(run.goodput_kept(), Some(80.0));
        // What ends after the last call has begun is no goodput under load.
        run.seconds
            .iter_mut()
            .skip(6)
            .for_each(|second| second.started = 0);
        assert_eq!(run.goodput_kept().map(f64::round), Some(97.0));
        run.seconds.clear();
        assert_eq!(run.goodput_kept(), None);
    }
}
