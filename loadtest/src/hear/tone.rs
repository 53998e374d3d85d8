use std::f64::consts::TAU;

use super::{SILENCE, Sound, level};

/// Long enough to tell tones apart that differ by 25 Hz.
const PIECE: f64 = 0.04;

/// The share of a piece's energy that makes it the tone's own.
const OWN: f64 = 0.7;

/// The share of a piece's energy that says the tone is in it, among others.
const AMONG: f64 = 0.1;

impl Sound {
    /// The share of the whole energy that a tone has.
    #[must_use]
    pub fn share(&self, hz: u32) -> f64 {
        let (mut tone, mut all) = (0.0, 0.0);
        for piece in self.pieces(PIECE) {
            tone += energy_at(piece, self.rate, f64::from(hz));
            all += energy(piece);
        }
        if all > 0.0 { tone / all } else { 0.0 }
    }

    /// How many seconds of it are this tone and hardly anything else.
    #[must_use]
    pub fn seconds_of(&self, hz: u32) -> f64 {
        self.seconds_with(hz, OWN)
    }

    /// How many seconds of it have this tone in them, perhaps beside others.
    #[must_use]
    pub fn seconds_among(&self, hz: u32) -> f64 {
        self.seconds_with(hz, AMONG)
    }

    fn seconds_with(&self, hz: u32, share: f64) -> f64 {
        let has = |piece: &&[i16]| {
            level(piece) >= SILENCE
                && energy_at(piece, self.rate, f64::from(hz)) >= share * energy(piece)
        };
        self.pieces(PIECE).filter(has).count() as f64 * PIECE
    }

    /// The strongest frequency, to 10 Hz, and its share of the energy.
    #[must_use]
    pub fn loudest(&self) -> (u32, f64) {
        let shares = (10..350).map(|tens| (tens * 10, self.share(tens * 10)));
        shares
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .unwrap_or((0, 0.0))
    }
}

pub(super) fn energy(samples: &[i16]) -> f64 {
    samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum()
}

/// The energy of the sine of this frequency that fits best (Goertzel).
pub(super) fn energy_at(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let turn = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + turn * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - turn * last * before;
    2.0 * power / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_its_own_and_no_other() {
        let sound = Sound::tone(8000, 440, 1.0);
        assert!(sound.share(440) > 0.98);
        assert!(sound.share(480) < 0.1, "{}", sound.share(480));
        assert!(sound.seconds_of(440) > 0.9);
        assert!(sound.seconds_of(1000) < 0.01);
        assert_eq!(sound.loudest().0, 440);
    }

    #[test]
    fn two_tones_are_heard_beside_each_other() {
        let (one, other) = (Sound::tone(8000, 440, 1.0), Sound::tone(8000, 1000, 1.0));
        let both = one.samples.iter().zip(&other.samples);
        let both = Sound {
            rate: 8000,
            samples: both.map(|(one, other)| one + other).collect(),
        };
        assert!(both.seconds_among(440) > 0.9 && both.seconds_among(1000) > 0.9);
        assert!(both.seconds_of(440) < 0.1);
        assert!(both.seconds_among(700) < 0.1);
    }

    #[test]
    fn silence_has_no_tone() {
        let silence = Sound::silence(8000, 1.0);
        assert!(silence.seconds_among(440) < 0.01 && silence.share(440) < 0.01);
    }
}
