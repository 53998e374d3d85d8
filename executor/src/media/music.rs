//! The music of those who wait: a plucked figure over four chords, made here so that it is nobody
//! else's.

use std::f32::consts::TAU;
use std::sync::OnceLock;

use ::media::pcm::{NARROW, Pcm, WIDE};

/// One round of it, to be repeated without end.
pub(super) fn loop_of(rate: u32) -> Pcm {
    static NARROWBAND: OnceLock<Pcm> = OnceLock::new();
    static WIDEBAND: OnceLock<Pcm> = OnceLock::new();
    if rate == WIDE {
        WIDEBAND.get_or_init(|| compose(WIDE)).clone()
    } else {
        NARROWBAND.get_or_init(|| compose(NARROW)).clone()
    }
}

fn compose(rate: u32) -> Pcm {
    let beat = (rate as f32 * BEAT_SECS) as usize;
    let notes: Vec<f32> = CHORDS
        .iter()
        .flat_map(|chord| FIGURE.iter().filter_map(|&tone| chord.get(tone).copied()))
        .collect();
    let mut sound = vec![0.0; beat * notes.len()];
    let length = sound.len();
    for (at, note) in notes.iter().enumerate() {
        // A note rings on over the next ones, and over the seam.
        for step in 0..beat * RINGING_BEATS {
            let time = step as f32 / rate as f32;
            let attack = (time / ATTACK_SECS).min(1.0);
            let fade = (-time * DECAY).exp();
            let tone = (TAU * note * time).sin() + 0.3 * (2.0 * TAU * note * time).sin();
            if let Some(sample) = sound.get_mut((at * beat + step) % length) {
                *sample += LOUDNESS * attack * fade * tone;
            }
        }
    }
    let samples: Vec<i16> = sound.iter().map(|sample| *sample as i16).collect();
    Pcm::new(rate, samples)
}

/// C, A minor, F, G: four tones each, in hertz.
const CHORDS: [[f32; 4]; 4] = [
    [261.63, 329.63, 392.0, 523.25],
    [220.0, 261.63, 329.63, 440.0],
    [174.61, 261.63, 349.23, 440.0],
    [196.0, 293.66, 392.0, 493.88],
];

/// The order in which the tones of a chord are plucked.
const FIGURE: [usize; 8] = [0, 2, 1, 3, 2, 1, 3, 2];

const BEAT_SECS: f32 = 0.4;
const ATTACK_SECS: f32 = 0.01;
const RINGING_BEATS: usize = 4;

/// A note falls to a third in 0.4 seconds.
const DECAY: f32 = 2.5;

/// About -18 dB of full scale with four notes ringing.
const LOUDNESS: f32 = 2200.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_heard_all_the_time_and_never_clipped() {
        for rate in [NARROW, WIDE] {
            let sound = loop_of(rate);
            let second = rate as usize;
            for part in sound.samples.chunks(second) {
                let peak = part.iter().map(|sample| sample.unsigned_abs()).max();
                assert!((1000..20_000).contains(&peak.unwrap()), "{peak:?}");
            }
            // The seam is no click.
            let (first, last) = (sound.samples[0], sound.samples[sound.samples.len() - 1]);
            assert!((i32::from(first) - i32::from(last)).abs() < 3000);
        }
    }
}
