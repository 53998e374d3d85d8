//! What is heard in place of a lost frame of a codec that cannot say it itself.
//!
//! In the manner of G.711 appendix I: the last period of the voice goes on, fades, and falls silent
//! after 60 ms, where a repeated period begins to sound like a machine.

/// Longest period of a voice, as a frequency: below 66 Hz nobody speaks.
const PITCH_MIN_HZ: usize = 66;

/// Shortest period.
const PITCH_MAX_HZ: usize = 200;

/// Milliseconds that are repeated at full strength.
const FULL_MILLIS: usize = 10;

/// Milliseconds after which nothing is left.
const FADED_MILLIS: usize = 60;

/// Milliseconds over which the voice takes over again from what was repeated.
const OVERLAP_MILLIS: usize = 4;

/// What was heard last, and how long it is missing.
#[derive(Debug)]
pub(super) struct Concealer {
    rate: usize,
    /// The last sound that did arrive, oldest first; as long as two of the longest periods.
    heard: Vec<i16>,
    /// Samples made up since then.
    missing: usize,
    /// The period that is repeated, chosen at the first lost frame.
    period: usize,
}

impl Concealer {
    pub(super) fn new(rate: u32) -> Self {
        let rate = rate as usize;
        Self {
            rate,
            heard: vec![0; 2 * rate / PITCH_MIN_HZ],
            missing: 0,
            period: rate / PITCH_MIN_HZ,
        }
    }

    /// Takes note of sound that arrived; after a loss its beginning is blended with what would have
    /// been repeated.
    pub(super) fn heard(&mut self, pcm: &mut [i16]) {
        if self.missing > 0 {
            let overlap = (self.rate * OVERLAP_MILLIS / 1000).min(pcm.len());
            for (index, sample) in pcm.iter_mut().take(overlap).enumerate() {
                let repeated = i64::from(self.repeated(self.missing + index));
                let (new, all) = (index as i64 + 1, overlap as i64 + 1);
                let blended = (i64::from(*sample) * new + repeated * (all - new)) / all;
                *sample = blended as i16;
            }
            self.missing = 0;
        }
        let kept = self.heard.len();
        match pcm.len().checked_sub(kept) {
            Some(early) => self.heard.copy_from_slice(&pcm[early..]),
            None => {
                self.heard.rotate_left(pcm.len());
                self.heard[kept - pcm.len()..].copy_from_slice(pcm);
            }
        }
    }

    /// Appends so many milliseconds of what might have been heard.
    pub(super) fn fill(&mut self, millis: u32, out: &mut Vec<i16>) {
        if self.missing == 0 {
            self.period = self.pitch();
        }
        let frame = self.rate / 1000 * millis as usize;
        let first = self.missing;
        out.extend((first..first + frame).map(|index| self.repeated(index)));
        // A leg that stays silent for days does not count on for ever.
        self.missing = (first + frame).min(self.rate);
    }

    /// The sample `index` after the last that arrived.
    fn repeated(&self, index: usize) -> i16 {
        let full = self.rate * FULL_MILLIS / 1000;
        let faded = self.rate * FADED_MILLIS / 1000;
        if index >= faded {
            return 0;
        }
        let start = self.heard.len() - self.period;
        let sample = i64::from(self.heard[start + index % self.period]);
        let left = (faded - index.max(full)) as i64;
        (sample * left / (faded - full) as i64) as i16
    }

    /// The period at which the last sound is most like itself.
    fn pitch(&self) -> usize {
        let longest = self.rate / PITCH_MIN_HZ;
        let shortest = self.rate / PITCH_MAX_HZ;
        let likeness = |period: usize| {
            let recent = &self.heard[self.heard.len() - longest..];
            let earlier = &self.heard[self.heard.len() - longest - period..];
            let (mut product, mut energy) = (0.0f32, 1.0f32);
            for (&now, &then) in recent.iter().zip(earlier) {
                let (now, then) = (f32::from(now), f32::from(then));
                product += now * then;
                energy += then * then;
            }
            product / energy.sqrt()
        };
        (shortest..=longest)
            .map(|period| (likeness(period), period))
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map_or(longest, |(_, period)| period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: usize, hertz: f64, length: usize) -> Vec<i16> {
        (0..length)
            .map(|index| {
                let turns = hertz * index as f64 / rate as f64;
                (8000.0 * (turns * std::f64::consts::TAU).sin()) as i16
            })
            .collect()
    }

    fn energy(pcm: &[i16]) -> f64 {
        pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum()
    }

    #[test]
    fn a_lost_frame_sounds_like_the_voice_before_it() {
        let all = voice(8000, 125.0, 160 * 5);
        let mut concealer = Concealer::new(8000);
        concealer.heard(&mut all[..640].to_vec());
        let mut made = Vec::new();
        concealer.fill(20, &mut made);
        let wanted = &all[640..];
        let wrong: Vec<i16> = made.iter().zip(wanted).map(|(a, b)| a - b).collect();
        assert!(
            energy(&wrong[..80]) < energy(&wanted[..80]) / 100.0,
            "first half strays"
        );
    }

    #[test]
    fn a_long_loss_falls_silent_and_stays_so() {
        let mut concealer = Concealer::new(16_000);
        concealer.heard(&mut voice(16_000, 150.0, 3200));
        let mut made = Vec::new();
        for _ in 0..200 {
            concealer.fill(20, &mut made);
        }
        assert_eq!(made.len(), 200 * 320);
        let energies: Vec<f64> = made.chunks(320).map(energy).collect();
        assert!(energies[0] > energies[1] && energies[1] > energies[2]);
        assert!(energies[3..].iter().all(|&energy| energy == 0.0));
    }

    #[test]
    fn sound_comes_back_without_a_step() {
        let mut concealer = Concealer::new(8000);
        concealer.heard(&mut vec![10_000; 400]);
        concealer.fill(20, &mut Vec::new());
        let mut back = vec![-10_000; 160];
        concealer.heard(&mut back);
        let steps = back.windows(2).map(|pair| (pair[0] - pair[1]).abs());
        assert!(steps.max() < Some(1000), "{:?}", &back[..40]);
        assert_eq!(back[40], -10_000);
    }

    #[test]
    fn takes_pieces_of_any_length() {
        let mut concealer = Concealer::new(8000);
        for length in [0, 1, 7, 5000, 0, 242, 243, 241] {
            concealer.heard(&mut vec![1; length]);
            concealer.fill(length as u32 % 70, &mut Vec::new());
        }
    }
}
