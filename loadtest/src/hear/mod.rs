//! Sound as the tests hear it: what was played, what arrived, and how like each other the two are.
//!
//! Everything is mono, 16 bit, and made or read here from files of other programs. Nothing of the product's own
//! sound code is used: this module has to be able to find its bugs.

mod correlation;
mod digits;
mod make;
mod programs;
mod tone;
mod wav;

pub use correlation::Likeness;
pub use wav::channels;

use std::path::Path;
use std::time::Duration;

/// What counts as silence: 46 dB below full scale. The quietest step of µ-law and comfort noise are far below.
const SILENCE: f64 = 164.0;

/// A piece that is judged as a whole: 20 ms, as in a packet.
const FRAME: f64 = 0.02;

/// A piece of sound.
#[derive(Clone, Eq, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub samples: Vec<i16>,
}

impl Sound {
    /// The first channel of a WAV file, as much of it as is there: a file may still be growing.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        channels(&bytes)?.into_iter().next()
    }

    /// How long it is.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The part between two times, in seconds; what lies outside is left out.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        let place = |seconds: f64| {
            let sample = (seconds.max(0.0) * f64::from(self.rate)).round() as usize;
            sample.min(self.samples.len())
        };
        let (from, to) = (place(from), place(to));
        Self {
            rate: self.rate,
            samples: self.samples[from..to.max(from)].to_vec(),
        }
    }

    /// All after this time, in seconds.
    #[must_use]
    pub fn after(&self, from: f64) -> Self {
        self.part(from, self.seconds())
    }

    /// The root of the mean square: a sine of full scale has 23170.
    #[must_use]
    pub fn level(&self) -> f64 {
        level(&self.samples)
    }

    /// The share of frames that are silent; nothing at all is silence.
    #[must_use]
    pub fn silent_share(&self) -> f64 {
        let frames = self.frames().map(|frame| level(frame) < SILENCE);
        let (all, silent) = frames.fold((0_u32, 0_u32), |(all, silent), is_silent| {
            (all + 1, silent + u32::from(is_silent))
        });
        if all == 0 {
            return 1.0;
        }
        f64::from(silent) / f64::from(all)
    }

    /// How many seconds of it are not silent.
    #[must_use]
    pub fn loud_seconds(&self) -> f64 {
        self.frames()
            .filter(|frame| level(frame) >= SILENCE)
            .count() as f64
            * FRAME
    }

    /// The stretches that are not silent, as pairs of seconds; gaps shorter than `bridged` do not part them.
    #[must_use]
    pub fn stretches(&self, bridged: Duration) -> Vec<(f64, f64)> {
        let mut stretches: Vec<(f64, f64)> = Vec::new();
        for (index, frame) in self.frames().enumerate() {
            if level(frame) < SILENCE {
                continue;
            }
            let begin = index as f64 * FRAME;
            match stretches.last_mut() {
                Some(last) if begin - last.1 <= bridged.as_secs_f64() => last.1 = begin + FRAME,
                _ => stretches.push((begin, begin + FRAME)),
            }
        }
        stretches
    }

    fn frames(&self) -> impl Iterator<Item = &[i16]> {
        self.pieces(FRAME)
    }

    /// Whole pieces of so many seconds.
    fn pieces(&self, seconds: f64) -> impl Iterator<Item = &[i16]> {
        let length = (f64::from(self.rate) * seconds) as usize;
        self.samples.chunks_exact(length.max(1))
    }
}

impl std::fmt::Debug for Sound {
    /// What there is to say about it in a failure; never the samples.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stretches = self.stretches(Duration::from_millis(100));
        let shown: Vec<String> = stretches
            .iter()
            .take(12)
            .map(|(from, to)| {
                let (hz, share) = self.part(*from, *to).loudest();
                format!("{from:.2}–{to:.2} s mostly {hz} Hz ({share:.2})")
            })
            .collect();
        write!(
            f,
            "{:.2} s at {} Hz, loud: {shown:?}, keys {:?}",
            self.seconds(),
            self.rate,
            self.digits()
        )
    }
}

fn level(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let squares: f64 = samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum();
    (squares / samples.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_sound_are_told_apart() {
        let sound = Sound::silence(8000, 1.0)
            .then(&Sound::tone(8000, 440, 0.5))
            .then(&Sound::silence(8000, 0.5));
        assert!((sound.silent_share() - 0.75).abs() < 0.02, "{sound:?}");
        assert!((sound.loud_seconds() - 0.5).abs() < 0.03);
        let stretches = sound.stretches(Duration::from_millis(100));
        assert_eq!(stretches.len(), 1, "{stretches:?}");
        assert!((stretches[0].0 - 1.0).abs() < 0.03 && (stretches[0].1 - 1.5).abs() < 0.03);
        assert!(Sound::silence(8000, 0.0).silent_share() > 0.99);
    }

    #[test]
    fn a_failure_tells_what_was_heard() {
        let told = format!("{:?}", Sound::tone(8000, 700, 1.0));
        assert!(told.contains("mostly 700 Hz"), "{told}");
    }
}
