use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::random::Random;

/// How long something takes: always the same, evenly spread, or exponentially distributed.
///
/// Written `200ms` (or `1.5s`, or `0`), `1s..5s`, `~3s`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Span {
    /// Always this long.
    Fixed(Duration),
    /// Anything between the two with the same probability.
    Uniform(Duration, Duration),
    /// Exponentially distributed with this mean.
    Exponential(Duration),
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self::Fixed(Duration::ZERO);

    /// One length, in nanoseconds.
    pub(super) fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Fixed(length) => length.as_nanos() as u64,
            Self::Uniform(shortest, longest) => {
                let spread = longest.saturating_sub(shortest);
                (shortest + spread.mul_f64(random.unit())).as_nanos() as u64
            }
            Self::Exponential(mean) => mean.mul_f64(random.exponential()).as_nanos() as u64,
        }
    }

    /// What hardly any draw exceeds, in nanoseconds.
    pub(super) fn longest(self) -> u64 {
        let longest = match self {
            Self::Fixed(length) => length,
            Self::Uniform(_, longest) => longest,
            // One in five hundred million is longer.
            Self::Exponential(mean) => mean * 20,
        };
        longest.as_nanos() as u64
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length:?}"),
            Self::Uniform(shortest, longest) => write!(f, "{shortest:?}..{longest:?}"),
            Self::Exponential(mean) => write!(f, "~{mean:?}"),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(mean) = text.strip_prefix('~') {
            return Ok(Self::Exponential(duration(mean)?));
        }
        match text.split_once("..") {
            Some((shortest, longest)) => {
                let (shortest, longest) = (duration(shortest)?, duration(longest)?);
                if shortest > longest {
                    return Err(format!("{text}: the longer one comes second"));
                }
                Ok(Self::Uniform(shortest, longest))
            }
            None => Ok(Self::Fixed(duration(text)?)),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// The longest time that can be asked for: a day.
const LONGEST: f64 = 86_400.0;

/// Longer names first, so that `s` is not found in `ms`; and their length in seconds.
const UNITS: [(&str, f64); 5] = [
    ("ns", 1e-9),
    ("µs", 1e-6),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
];

fn duration(text: &str) -> Result<Duration, String> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (unit, seconds) = unit.copied().unwrap_or(("", 1.0));
    let (number, bare) = (&text[..text.len() - unit.len()], unit.is_empty());
    match number.trim().parse::<f64>() {
        // Only nothing needs no unit.
        Ok(value) if !bare || value == 0.0 => {
            let seconds = value * seconds;
            if (0.0..=LONGEST).contains(&seconds) {
                Ok(Duration::from_secs_f64(seconds))
            } else {
                Err(format!("{text}: from nothing to a day"))
            }
        }
        _ => Err(format!("{text}: not a time (200ms, 1.5s, 0)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["0ns", "30µs", "200ms", "1.5s", "1s..5s", "~3s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("0".parse(), Ok(Span::ZERO));
        assert_eq!("30us".parse::<Span>(), "0.03ms".parse());
        for wrong in ["", "5", "abc", "5s..1s", "-1s", "1e9s", "1s..", "nans"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn draws_keep_their_bounds_and_means() {
        let mut random = Random::new(1);
        let span: Span = "1s..3s".parse().unwrap();
        let draws: Vec<u64> = (0..10_000).map(|_| span.draw(&mut random)).collect();
        let within = 1_000_000_000..3_000_000_000;
        assert!(draws.iter().all(|draw| within.contains(draw)));
        let span: Span = "~2s".parse().unwrap();
        let mean = (0..50_000)
            .map(|_| span.draw(&mut random) as f64)
            .sum::<f64>()
            / 50_000.0;
        assert!((mean / 2e9 - 1.0).abs() < 0.05, "{mean}");
    }
}
