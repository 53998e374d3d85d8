use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A load to be put on a subject: the keys of the generator that a profile may set. Lengths of time are written as
/// the generator reads them: `200ms`, `1..5s`, `~3s`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// Seconds and calls a second, or a ramp between two rates: `10:1000,5:1000-3000`.
    pub steps: String,
    /// How the time between two calls is drawn: `constant` or `poisson`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<String>,
    /// Kinds of calls and their weights; complete calls where it is empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mix: BTreeMap<String, u32>,
    /// How long it rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// How long they talk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// How long a cancelled call rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_after: Option<String>,
    /// The method of requests inside a call: `info`, `options` or `reinvite`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_dialog: Option<String>,
    /// How many of them there are in each call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_dialog_count: Option<u32>,
    /// The time between two of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_dialog_gap: Option<String>,
    /// Seconds cut from the begin of the measured window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<f64>,
    /// Seconds cut from its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<f64>,
    /// Seconds that calls have after the last arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<f64>,
    /// Calls in progress at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u64>,
}

impl Order {
    /// Complete calls at one rate, with the window that is measured in seconds.
    #[must_use]
    pub fn steady(rate: u64, window: f64) -> Self {
        let (warmup, cooldown) = (1.5, 0.5);
        Self {
            steps: format!("{}:{rate}", window + warmup + cooldown),
            warmup: Some(warmup),
            cooldown: Some(cooldown),
            drain: Some(3.0),
            ..Self::default()
        }
    }

    /// The seconds of its steps, without what follows the last arrival.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.ramps().iter().map(|ramp| ramp.seconds).sum()
    }

    /// The calls that its steps begin.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let each = |ramp: &Ramp| ramp.seconds * f64::midpoint(ramp.from, ramp.to);
        self.ramps().iter().map(each).sum::<f64>().round() as u64
    }

    /// The rate at this second.
    #[must_use]
    pub fn rate_at(&self, second: f64) -> f64 {
        let mut begin = 0.0;
        let mut last = 0.0;
        for ramp in self.ramps() {
            if second < begin + ramp.seconds {
                return ramp.from + (ramp.to - ramp.from) * (second - begin) / ramp.seconds;
            }
            begin += ramp.seconds;
            last = ramp.to;
        }
        last
    }

    /// The same load with a hundredth of the time and a handful of calls: for tests.
    #[must_use]
    pub fn tiny(mut self) -> Self {
        self.steps = "2:10".to_owned();
        self.warmup = Some(0.0);
        self.cooldown = Some(0.0);
        self.drain = Some(5.0);
        for length in [
            &mut self.ring,
            &mut self.hold,
            &mut self.cancel_after,
            &mut self.in_dialog_gap,
        ] {
            if length.is_some() {
                *length = Some("50ms".to_owned());
            }
        }
        self
    }

    fn ramps(&self) -> Vec<Ramp> {
        self.steps.split(',').filter_map(Ramp::read).collect()
    }
}

/// One of the steps.
struct Ramp {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Ramp {
    fn read(text: &str) -> Option<Self> {
        let (seconds, rates) = text.trim().split_once(':')?;
        let (from, to) = rates.split_once('-').unwrap_or((rates, rates));
        Some(Self {
            seconds: seconds.parse().ok()?,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
        })
    }
}

/// A length of time such as `200ms` or `1.5s`, in milliseconds; of `1s..5s` and `~3s` the mean.
#[must_use]
pub(super) fn milliseconds(text: &str) -> Option<f64> {
    let one = |text: &str| -> Option<f64> {
        if text == "0" {
            return Some(0.0);
        }
        if let Some(count) = text.strip_suffix("ms") {
            return count.parse().ok();
        }
        let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
        Some(seconds * 1000.0)
    };
    match text.split_once("..") {
        Some((from, to)) => Some(f64::midpoint(one(from)?, one(to)?)),
        None => one(text.trim_start_matches('~')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_a_length_a_count_and_a_rate_at_each_second() {
        let order = Order {
            steps: "10:100,4:100-300".to_owned(),
            ..Order::default()
        };
        assert_eq!(order.seconds(), 14.0);
        assert_eq!(order.calls(), 1800);
        assert_eq!(order.rate_at(5.0), 100.0);
        assert_eq!(order.rate_at(12.0), 200.0);
        assert_eq!(order.rate_at(99.0), 300.0);
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(milliseconds("200ms"), Some(200.0));
        assert_eq!(milliseconds("1s..5s"), Some(3000.0));
        assert_eq!(milliseconds("~1.5s"), Some(1500.0));
        assert_eq!(milliseconds("0"), Some(0.0));
        assert_eq!(milliseconds("3 min"), None);
    }
}
