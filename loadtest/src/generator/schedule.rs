use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::random::Random;

/// A stretch of the schedule: the rate goes evenly from one to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How long it lasts, in seconds.
    pub seconds: f64,
    /// Calls a second at its beginning.
    pub from: f64,
    /// Calls a second at its end.
    pub to: f64,
}

impl Step {
    /// How many calls it holds.
    fn calls(&self) -> f64 {
        self.seconds * (self.from + self.to) / 2.0
    }

    /// When so many of its calls have begun, in seconds from its beginning.
    fn time_of(&self, calls: f64) -> f64 {
        // calls = from·t + slope·t²/2, solved so that it holds for slope 0 too.
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * calls)
            .max(0.0)
            .sqrt();
        if calls <= 0.0 {
            0.0
        } else {
            (2.0 * calls / (self.from + root)).min(self.seconds)
        }
    }
}

/// Steps one after another, written `10:1000,5:1000-5000`: seconds, a colon, calls a second.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Steps(pub Vec<Step>);

impl Steps {
    /// One step of one rate.
    #[must_use]
    pub fn constant(seconds: f64, rate: f64) -> Self {
        Self(vec![Step {
            seconds,
            from: rate,
            to: rate,
        }])
    }

    /// The length of all of them, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.iter().map(|step| step.seconds).sum()
    }

    /// The rate asked for at a time from the beginning in seconds; 0 outside.
    #[must_use]
    pub fn rate(&self, at: f64) -> f64 {
        let mut start = 0.0;
        for step in &self.0 {
            if (start..start + step.seconds).contains(&at) {
                return step.from + (step.to - step.from) * (at - start) / step.seconds;
            }
            start += step.seconds;
        }
        0.0
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", step.seconds, step.from)?;
            if step.to != step.from {
                write!(f, "-{}", step.to)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = |part: &str| {
            let (seconds, rates) = part.split_once(':')?;
            let (from, to) = rates.split_once('-').unwrap_or((rates, rates));
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
            let (seconds, from, to) = (number(seconds)?, number(from)?, number(to)?);
            let sensible = seconds > 0.0 && from >= 0.0 && to >= 0.0;
            sensible.then_some(Step { seconds, from, to })
        };
        let steps: Option<Vec<Step>> = text.split(',').map(step).collect();
        steps
            .map(Self)
            .ok_or_else(|| format!("{text}: not steps (10:1000,5:1000-5000)"))
    }
}

impl TryFrom<String> for Steps {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Steps> for String {
    fn from(steps: Steps) -> Self {
        steps.to_string()
    }
}

/// How arrivals lie between each other.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// As if nobody knew of anybody else.
    Poisson,
}

/// The intended times of all calls, in nanoseconds from the beginning: it depends on nothing that happens in the run.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    steps: std::vec::IntoIter<Step>,
    current: Option<Step>,
    /// When the current step begins, in seconds.
    start: f64,
    /// Calls from the beginning of the current step to the next one.
    next: f64,
    arrivals: Arrivals,
    random: Random,
}

impl Schedule {
    pub(super) fn new(steps: &Steps, arrivals: Arrivals, seed: u64) -> Self {
        let mut steps = steps.0.clone().into_iter();
        let mut schedule = Self {
            current: steps.next(),
            steps,
            start: 0.0,
            next: 0.0,
            arrivals,
            random: Random::new(seed),
        };
        if arrivals == Arrivals::Poisson {
            schedule.next = schedule.random.exponential();
        }
        schedule
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let step = self.current?;
            let calls = step.calls();
            if self.next < calls {
                let at = self.start + step.time_of(self.next);
                self.next += match self.arrivals {
                    Arrivals::Constant => 1.0,
                    Arrivals::Poisson => self.random.exponential(),
                };
                return Some((at * 1e9) as u64);
            }
            self.next -= calls;
            self.start += step.seconds;
            self.current = self.steps.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(steps: &str, arrivals: Arrivals) -> Vec<u64> {
        Schedule::new(&steps.parse().unwrap(), arrivals, 1).collect()
    }

    #[test]
    fn a_constant_rate_is_even_and_exact() {
        let times = times("2:100", Arrivals::Constant);
        assert_eq!(times.len(), 200);
        for (index, time) in times.iter().enumerate() {
            assert!(time.abs_diff(index as u64 * 10_000_000) <= 1);
        }
    }

    #[test]
    fn a_ramp_holds_its_mean_rate_and_speeds_up() {
        let times = times("10:0-1000", Arrivals::Constant);
        assert_eq!(times.len(), 5000);
        let within = |from: u64, to: u64| {
            let range = from * 1_000_000_000..to * 1_000_000_000;
            times.iter().filter(|time| range.contains(time)).count()
        };
        assert!(within(0, 1).abs_diff(50) <= 1, "{}", within(0, 1));
        assert!(within(9, 10).abs_diff(950) <= 1, "{}", within(9, 10));
        assert!(times.is_sorted());
    }

    #[test]
    fn steps_follow_each_other() {
        let times = times("1:10,1:0,1:20", Arrivals::Constant);
        assert_eq!(times.len(), 30);
        assert!(times[10] >= 2_000_000_000);
    }

    #[test]
    fn poisson_has_the_mean_and_the_spread() {
        let times = times("100:1000", Arrivals::Poisson);
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 1e6 - 1.0).abs() < 0.02, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["10:1000", "10:1000,0.5:1000-5000,3:0"] {
            assert_eq!(text.parse::<Steps>().unwrap().to_string(), text);
        }
        for wrong in [
            "", "10", "10:", "0:5", "1:-5", "a:b", "1:5-", "1:5,,", "inf:1",
        ] {
            assert!(wrong.parse::<Steps>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_rate_at_a_time() {
        let steps: Steps = "10:100,10:100-300".parse().unwrap();
        assert_eq!(steps.rate(5.0), 100.0);
        assert_eq!(steps.rate(15.0), 200.0);
        assert_eq!(steps.rate(25.0), 0.0);
        assert_eq!(steps.seconds(), 20.0);
    }
}
