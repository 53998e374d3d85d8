//! Tones that tell a caller how the call goes: ringing, busy, and the beep before a recording.

mod countries;

use std::f64::consts::TAU;

use crate::pcm::{NARROW, Pcm};

pub use countries::ring_tone;

/// Amplitude of a tone: -10 dBm0, the middle of what ITU-T E.180 §5 recommends. Several at once
/// share the power.
const LEVEL: f64 = 7200.0;

/// How deep one frequency modulates another.
const DEPTH: f64 = 0.9;

/// Samples over which a tone swells and dies down.
const EDGE: u64 = 40;

/// Pitch of the beep before a recording.
const BEEP_HZ: f64 = 1000.0;

/// Length of it.
const BEEP_MILLIS: u64 = 400;

/// A tone that comes and goes for ever, at 8 kHz.
#[derive(Clone, Debug)]
pub struct Cadence {
    steps: &'static [Step],
    /// Where [`fill`](Self::fill) goes on, in samples since the beginning.
    position: u64,
}

/// A part of a cadence.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    sound: Sound,
    millis: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sound {
    Silence,
    /// One frequency.
    Single(f64),
    /// Two frequencies together.
    Both(f64, f64),
    /// The first, its strength going up and down at the second.
    Modulated(f64, f64),
}

impl Cadence {
    const fn new(steps: &'static [Step]) -> Self {
        Self { steps, position: 0 }
    }

    /// The sample at a position.
    #[must_use]
    pub fn at(&self, position: u64) -> i16 {
        let mut rest = position % self.period();
        for step in self.steps {
            let length = step.samples();
            if rest < length {
                return step.sound.at(rest, length);
            }
            rest -= length;
        }
        0
    }

    /// Fills `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.at(self.position);
            self.position = (self.position + 1) % self.period();
        }
    }

    /// Begins again.
    pub fn restart(&mut self) {
        self.position = 0;
    }

    /// Samples until it repeats.
    #[must_use]
    pub fn period(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| step.samples())
            .sum::<u64>()
            .max(1)
    }
}

impl Step {
    const fn on(sound: Sound, millis: u64) -> Self {
        Self { sound, millis }
    }

    const fn off(millis: u64) -> Self {
        Self {
            sound: Sound::Silence,
            millis,
        }
    }

    const fn samples(self) -> u64 {
        self.millis * NARROW as u64 / 1000
    }
}

impl Sound {
    /// The sample at `index` of `length`.
    fn at(self, index: u64, length: u64) -> i16 {
        let turn = |hertz: f64| (TAU * hertz * index as f64 / f64::from(NARROW)).sin();
        let sample = match self {
            Self::Silence => return 0,
            Self::Single(hertz) => turn(hertz),
            Self::Both(one, other) => (turn(one) + turn(other)) * std::f64::consts::FRAC_1_SQRT_2,
            Self::Modulated(hertz, slow) => {
                turn(hertz) * (1.0 + DEPTH * turn(slow)) / (1.0 + DEPTH)
            }
        };
        let inside = index.min(length.saturating_sub(index + 1)).min(EDGE);
        (LEVEL * sample * inside as f64 / EDGE as f64).round() as i16
    }
}

/// The busy tone of North America.
#[must_use]
pub const fn busy() -> Cadence {
    Cadence::new(const { &[Step::on(Sound::Both(480.0, 620.0), 500), Step::off(500)] })
}

/// The beep before a recording.
#[must_use]
pub fn beep() -> Pcm {
    let length = BEEP_MILLIS * u64::from(NARROW) / 1000;
    let samples: Vec<i16> = (0..length)
        .map(|index| Sound::Single(BEEP_HZ).at(index, length))
        .collect();
    Pcm::new(NARROW, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amplitude of a frequency in the sound.
    fn strength(pcm: &[i16], hertz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (index, &sample) in pcm.iter().enumerate() {
            let angle = TAU * hertz * index as f64 / 8000.0;
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
        }
        2.0 * re.hypot(im) / pcm.len() as f64
    }

    fn play(mut cadence: Cadence, millis: usize) -> Vec<i16> {
        let mut out = vec![1; 8 * millis];
        // In frames, as the engine does it.
        out.chunks_mut(160).for_each(|frame| cadence.fill(frame));
        out
    }

    #[test]
    fn the_american_ring_tone_is_two_tones_for_two_seconds_of_six() {
        let heard = play(ring_tone("us").unwrap(), 12_000);
        let (on, off) = (&heard[..16_000], &heard[16_000..48_000]);
        assert!(strength(on, 440.0) > 4800.0 && strength(on, 480.0) > 4800.0);
        assert!(strength(on, 425.0) < 100.0);
        assert!(off.iter().all(|&sample| sample == 0));
        assert_eq!(heard[..48_000], heard[48_000..]);
    }

    #[test]
    fn the_british_ring_tone_rings_twice() {
        let heard = play(ring_tone("uk").unwrap(), 3000);
        let loud = |millis: usize| {
            let around = &heard[8 * millis - 80..8 * millis + 80];
            around.iter().any(|&sample| sample.abs() > 1000)
        };
        assert_eq!(
            [200, 500, 800, 1500, 2900].map(loud),
            [true, false, true, false, false]
        );
    }

    #[test]
    fn a_modulated_tone_goes_up_and_down() {
        let heard = play(ring_tone("in").unwrap(), 400);
        assert!(strength(&heard, 400.0) > 3000.0);
        // Its side bands are half the depth of it.
        let side = strength(&heard, 375.0) / strength(&heard, 400.0);
        assert!((0.35..0.55).contains(&side), "{side}");
    }

    #[test]
    fn begins_again_where_asked() {
        let mut cadence = busy();
        let (mut one, mut other) = ([0; 777], [0; 777]);
        cadence.fill(&mut one);
        cadence.restart();
        cadence.fill(&mut other);
        assert_eq!(one, other);
        assert_eq!(cadence.at(500), one[500]);
        assert_eq!(cadence.at(u64::MAX), cadence.at(u64::MAX % 8000));
    }

    #[test]
    fn the_beep_is_short_and_pure() {
        let beep = beep();
        assert_eq!((beep.rate, beep.samples.len()), (8000, 3200));
        assert!(strength(&beep.samples, 1000.0) > 7000.0);
        assert_eq!(
            (beep.samples.first(), beep.samples.last()),
            (Some(&0), Some(&0))
        );
    }
}
