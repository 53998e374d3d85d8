//! Whether somebody speaks.

/// Mean amplitude below which nothing is speech: about -50 dBm0.
const LEVEL_MIN: f32 = 80.0;

/// How far speech is above the noise of the line: 9 dB.
const ABOVE_NOISE: f32 = 2.8;

/// How fast the estimate of the noise rises where there is no speech, in a frame: it doubles in
/// about a third of a second.
const RISE_QUIET: f32 = 1.05;

/// How fast it rises under speech: a sound that lasts for 10 s without a breath is noise.
const RISE_SPEECH: f32 = 1.004;

/// The loudest noise that is believed in; a fan is less, and music on hold counts as speech.
const NOISE_MAX: f32 = 1500.0;

/// Frames in a row that have to be loud: 60 ms. Clicks are shorter, words are longer.
const ONSET: u8 = 3;

/// Frames for which speech goes on after the last loud one: 200 ms, a pause within a word.
const HANGOVER: u8 = 10;

/// Follows a stream of frames and tells speech from silence, by its strength above the noise.
#[derive(Debug)]
pub struct VoiceActivity {
    /// Mean amplitude of the line's noise.
    noise: f32,
    /// Loud frames in a row.
    loud: u8,
    /// Frames for which speech still goes on.
    left: u8,
}

impl Default for VoiceActivity {
    fn default() -> Self {
        Self::new()
    }
}

impl VoiceActivity {
    /// A stream that was silent so far.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            noise: LEVEL_MIN,
            loud: 0,
            left: 0,
        }
    }

    /// Takes the next frame of 20 ms; whether somebody speaks.
    ///
    /// Speech begins with its third loud frame and ends 200 ms after the last.
    pub fn push(&mut self, frame: &[i16]) -> bool {
        let level = level(frame);
        let is_loud = level > LEVEL_MIN && level > self.noise * ABOVE_NOISE;
        let rise = if is_loud { RISE_SPEECH } else { RISE_QUIET };
        // What is quieter than the noise is the noise.
        self.noise = (self.noise * rise).min(level.max(LEVEL_MIN)).min(NOISE_MAX);
        self.loud = if is_loud {
            self.loud.saturating_add(1)
        } else {
            0
        };
        if self.loud >= ONSET {
            self.left = HANGOVER;
        } else {
            self.left = self.left.saturating_sub(1);
        }
        self.left > 0
    }
}

/// Mean distance of the samples from their mean, so that an offset of the line is not heard.
fn level(frame: &[i16]) -> f32 {
    let count = frame.len().max(1) as f32;
    let mean = frame.iter().map(|&sample| f32::from(sample)).sum::<f32>() / count;
    let apart = frame.iter().map(|&sample| (f32::from(sample) - mean).abs());
    apart.sum::<f32>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a buzz with some overtones.
    fn buzz(size: f64) -> Vec<i16> {
        (0..160)
            .map(|index| {
                let turn = std::f64::consts::TAU * f64::from(index) / 64.0;
                (size * (turn.sin() + 0.5 * (3.0 * turn).sin())) as i16
            })
            .collect()
    }

    fn noise(seed: &mut u32, size: i32) -> Vec<i16> {
        (0..160)
            .map(|_| {
                *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (((*seed >> 16) as i32 - 32_768) * size / 32_768) as i16
            })
            .collect()
    }

    #[test]
    fn silence_and_an_offset_are_no_speech() {
        let mut activity = VoiceActivity::new();
        for frame in [vec![0; 160], vec![3000; 160], vec![], vec![i16::MIN; 320]] {
            for _ in 0..50 {
                assert!(!activity.push(&frame));
            }
        }
    }

    #[test]
    fn speech_begins_after_60_ms_and_ends_200_ms_after_its_end() {
        let mut activity = VoiceActivity::new();
        let spoken: Vec<bool> = (0..20).map(|_| activity.push(&buzz(3000.0))).collect();
        assert_eq!(spoken[..3], [false, false, true]);
        assert!(spoken[2..].iter().all(|&speech| speech));
        let after: Vec<bool> = (0..20).map(|_| activity.push(&[0; 160])).collect();
        assert_eq!(after.iter().position(|&speech| !speech), Some(9));
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut activity = VoiceActivity::new();
        for _ in 0..10 {
            assert!(!activity.push(&buzz(20_000.0)));
            assert!(!activity.push(&buzz(20_000.0)));
            assert!(!activity.push(&[0; 160]));
        }
    }

    #[test]
    fn noise_of_the_line_becomes_silence_and_speech_above_it_is_heard() {
        let mut activity = VoiceActivity::new();
        let mut seed = 1;
        let mut last = true;
        for _ in 0..1000 {
            last = activity.push(&noise(&mut seed, 600));
        }
        assert!(!last, "noise was still speech after 20 s");
        let loud = (0..10).filter(|_| {
            let both = buzz(4000.0).into_iter().zip(noise(&mut seed, 600));
            let both: Vec<i16> = both.map(|(voice, noise)| voice + noise).collect();
            activity.push(&both)
        });
        assert_eq!(loud.count(), 8);
    }

    #[test]
    fn a_long_sentence_stays_speech() {
        let mut activity = VoiceActivity::new();
        // Syllables of 160 ms with 60 ms between them, for 30 s.
        let mut missed = 0;
        for frame in 0..1500 {
            let sound = if frame % 11 < 8 {
                buzz(3000.0)
            } else {
                vec![0; 160]
            };
            missed += u32::from(!activity.push(&sound) && frame > 2);
        }
        assert_eq!(missed, 0);
    }
}
