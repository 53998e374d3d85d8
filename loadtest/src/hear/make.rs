use std::f64::consts::TAU;

use super::Sound;

/// The amplitude of what is made: loud, with room for two of them to be mixed.
const AMPLITUDE: f64 = 9000.0;

/// Taps on each side of a resampling filter, in periods of the lower rate.
const TAPS: f64 = 16.0;

impl Sound {
    /// Nothing, for so many seconds.
    #[must_use]
    pub fn silence(rate: u32, seconds: f64) -> Self {
        Self::of(rate, seconds, |_| 0.0)
    }

    /// A sine.
    #[must_use]
    pub fn tone(rate: u32, hz: u32, seconds: f64) -> Self {
        Self::of(rate, seconds, |time| (TAU * f64::from(hz) * time).sin())
    }

    /// A sine that rises from `from` to `to` Hz: like nothing else but itself, and only at one place.
    #[must_use]
    pub fn sweep(rate: u32, from: f64, to: f64, seconds: f64) -> Self {
        Self::of(rate, seconds, |time| {
            let slope = (to - from) / seconds;
            (TAU * (from * time + slope * time * time / 2.0)).sin()
        })
    }

    fn of(rate: u32, seconds: f64, wave: impl Fn(f64) -> f64) -> Self {
        let count = (f64::from(rate) * seconds).round() as usize;
        let sample = |index| wave(index as f64 / f64::from(rate)) * AMPLITUDE;
        Self {
            rate,
            samples: (0..count).map(|index| sample(index) as i16).collect(),
        }
    }

    /// This, and then `next`.
    ///
    /// # Panics
    ///
    /// When they are of two rates.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        assert_eq!(self.rate, next.rate, "two rates");
        self.samples.extend_from_slice(&next.samples);
        self
    }

    /// Silence at the end, up to so many seconds.
    #[must_use]
    pub fn padded(mut self, seconds: f64) -> Self {
        let count = (f64::from(self.rate) * seconds) as usize;
        self.samples.resize(count.max(self.samples.len()), 0);
        self
    }

    /// So often, one after the other.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.samples = self.samples.repeat(count);
        self
    }

    /// At another rate, by a windowed sinc.
    #[must_use]
    pub fn at_rate(&self, rate: u32) -> Self {
        if rate == self.rate {
            return self.clone();
        }
        let (from, to) = (f64::from(self.rate), f64::from(rate));
        // The pass band ends at half the lower rate; the filter is as long as that needs.
        let cut = (to / from).min(1.0);
        let half = TAPS / cut;
        let count = (self.samples.len() as f64 * to / from) as usize;
        let at = |index: usize| {
            let centre = index as f64 * from / to;
            let first = (centre - half).ceil().max(0.0) as usize;
            let last = ((centre + half) as usize).min(self.samples.len().saturating_sub(1));
            let sum: f64 = (first..=last)
                .map(|place| {
                    let distance = centre - place as f64;
                    let window = 0.5 + 0.5 * (TAU * distance / (2.0 * half)).cos();
                    f64::from(self.samples[place]) * cut * sinc(distance * cut) * window
                })
                .sum();
            sum.clamp(-32_768.0, 32_767.0) as i16
        };
        Self {
            rate,
            samples: (0..count).map(at).collect(),
        }
    }
}

fn sinc(x: f64) -> f64 {
    let angle = TAU / 2.0 * x;
    if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_rate_is_the_same_sound() {
        let original = Sound::tone(22_050, 440, 1.0);
        for rate in [8000, 16_000, 48_000] {
            let sound = original.at_rate(rate);
            assert!((sound.seconds() - 1.0).abs() < 0.001);
            assert!(sound.share(440) > 0.98, "{sound:?}");
            assert!((sound.level() / original.level() - 1.0).abs() < 0.05);
        }
    }

    #[test]
    fn what_is_too_high_is_left_out() {
        let sound = Sound::tone(22_050, 6000, 1.0).at_rate(8000);
        assert!(sound.level() < 200.0, "{}", sound.level());
    }
}
