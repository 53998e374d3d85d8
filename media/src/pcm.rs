//! A piece of sound in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::resample;

/// Rate of narrowband sound, in samples a second.
pub const NARROW: u32 = 8000;

/// Rate of wideband sound, in samples a second.
pub const WIDE: u32 = 16000;

/// Mono sound; a copy shares the samples.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pcm {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub samples: Arc<[i16]>,
}

impl Pcm {
    /// Sound of `samples` at `rate` samples a second.
    #[must_use]
    pub fn new(rate: u32, samples: impl Into<Arc<[i16]>>) -> Self {
        Self {
            rate,
            samples: samples.into(),
        }
    }

    /// How long it lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let rate = u64::from(self.rate.max(1));
        let samples = self.samples.len() as u64;
        Duration::from_micros(samples.saturating_mul(1_000_000) / rate)
    }

    /// The same sound at another rate; itself where the rate is that already.
    #[must_use]
    pub fn at_rate(&self, rate: u32) -> Self {
        if rate == self.rate {
            return self.clone();
        }
        Self::new(rate, resample::resample(&self.samples, self.rate, rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_as_long_as_its_samples() {
        assert_eq!(
            Pcm::new(NARROW, vec![0; 12_000]).duration(),
            Duration::from_millis(1500)
        );
        assert_eq!(Pcm::new(0, vec![]).duration(), Duration::ZERO);
    }

    #[test]
    fn keeps_its_duration_at_another_rate() {
        let sound = Pcm::new(NARROW, vec![100; 8000]);
        let wide = sound.at_rate(WIDE);
        assert_eq!((wide.rate, wide.samples.len()), (WIDE, 16_000));
        assert!(Arc::ptr_eq(&sound.samples, &sound.at_rate(NARROW).samples));
    }
}
