//! From one sample rate to another: a polyphase low-pass filter (a windowed sinc).
//!
//! For a ratio of L to M in lowest terms, the filter is cut into L phases; each output sample is
//! the inner product of one phase with the last samples of the input.

use std::f64::consts::PI;

/// The lowest rate that is understood; others are taken for the nearest of the range.
pub const RATE_MIN: u32 = 1000;

/// The highest.
pub const RATE_MAX: u32 = 384_000;

/// Zero crossings of the sinc on each side: about 70 dB from what would alias.
const CROSSINGS: usize = 16;

/// Where the filter begins to cut, of the lower half rate: 3.6 kHz of 4 kHz.
const CUTOFF: f64 = 0.9;

/// Shape of the Kaiser window.
const BETA: f64 = 7.0;

/// The most phases that are kept; a ratio with more uses the nearest of these. All ratios between
/// the usual rates need fewer.
const PHASES_MAX: usize = 512;

/// A stream on its way from one rate to another.
///
/// Each piece of input gives its share of output at once, and a frame between the rates of telephony
/// gives a frame; the sound is late by half the filter (2 ms between 8 and 16 kHz).
#[derive(Debug)]
pub struct Resampler {
    /// Empty where both rates are the same.
    filter: Vec<f32>,
    /// Taps in each phase of the filter; a multiple of the lanes of [`dot`].
    taps: usize,
    phases: usize,
    /// Output samples in a period of the ratio.
    up: u64,
    /// Input samples in it.
    down: u64,
    /// The last `taps - 1` samples, and what came after them.
    window: Vec<f32>,
    /// Where the next output stands, in units of one `up`th of an input sample.
    position: u64,
}

impl Resampler {
    /// A stream of silence so far. Both rates are brought into [`RATE_MIN`]..=[`RATE_MAX`].
    #[must_use]
    pub fn new(from: u32, to: u32) -> Self {
        let from = u64::from(from.clamp(RATE_MIN, RATE_MAX));
        let to = u64::from(to.clamp(RATE_MIN, RATE_MAX));
        let common = gcd(from, to);
        let (up, down) = (to / common, from / common);
        let (filter, taps, phases) = match up == down {
            true => (Vec::new(), 1, 1),
            false => design(up, down),
        };
        Self {
            filter,
            taps,
            phases,
            up,
            down,
            window: vec![0.0; taps - 1],
            position: 0,
        }
    }

    /// One whose sound is not late: the first output is the first input, and comes only when half
    /// the filter has been filled. For whole sounds, which end with [`finish`](Self::finish).
    pub(crate) fn aligned(from: u32, to: u32) -> Self {
        let mut resampler = Self::new(from, to);
        resampler
            .window
            .truncate((resampler.taps / 2).saturating_sub(1));
        resampler
    }

    /// How many output samples belong to `length` input samples.
    pub(crate) fn output_length(&self, length: usize) -> usize {
        (length as u64 * self.up).div_ceil(self.down) as usize
    }

    /// Fills up `out` to `length` samples with what is still in the filter, or cuts it there.
    pub(crate) fn finish(&mut self, length: usize, out: &mut Vec<i16>) {
        while out.len() < length {
            self.process(&[0; 256], out);
        }
        out.truncate(length);
    }

    /// Appends what `input` gives to `out`.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.filter.is_empty() {
            out.extend_from_slice(input);
            return;
        }
        self.window
            .extend(input.iter().map(|&sample| f32::from(sample)));
        loop {
            let first = (self.position / self.up) as usize;
            let Some(heard) = self.window.get(first..first + self.taps) else {
                break;
            };
            let part = (self.position % self.up) * self.phases as u64 / self.up;
            let start = part as usize * self.taps;
            let phase = self
                .filter
                .get(start..start + self.taps)
                .unwrap_or_default();
            out.push(dot(heard, phase).round() as i16);
            self.position += self.down;
        }
        let used = ((self.position / self.up) as usize).min(self.window.len());
        self.window.drain(..used);
        self.position -= used as u64 * self.up;
    }
}

/// A whole sound at another rate, neither late nor longer than it was.
#[must_use]
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut resampler = Resampler::aligned(from, to);
    let length = resampler.output_length(samples.len());
    let mut out = Vec::with_capacity(length + 256);
    resampler.process(samples, &mut out);
    resampler.finish(length, &mut out);
    out
}

/// The filter by phases, its taps a phase, and its phases.
fn design(up: u64, down: u64) -> (Vec<f32>, usize, usize) {
    let phases = (up as usize).min(PHASES_MAX);
    // Going down, the filter has to cut at the half rate of the output.
    let narrowing = (down as f64 / up as f64).max(1.0);
    let half = (CROSSINGS as f64 * narrowing).ceil() as usize;
    let taps = (2 * half).next_multiple_of(LANES);
    let cutoff = CUTOFF / narrowing;
    let top = bessel(BETA);
    let mut filter = Vec::with_capacity(phases * taps);
    for phase in 0..phases {
        let centre = (taps / 2) as f64 - 1.0 + phase as f64 / phases as f64;
        let row = (0..taps).map(|tap| {
            let at = tap as f64 - centre;
            sinc(cutoff * at) * kaiser(at / (taps / 2) as f64) / top
        });
        let row: Vec<f64> = row.collect();
        // Each phase passes the same direct current, or the phases would be heard as a tone.
        let sum: f64 = row.iter().sum();
        filter.extend(row.iter().map(|tap| (tap / sum) as f32));
    }
    (filter, taps, phases)
}

fn sinc(at: f64) -> f64 {
    let angle = PI * at;
    if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    }
}

/// The Kaiser window over -1..=1, not yet divided by its top; nothing outside.
fn kaiser(at: f64) -> f64 {
    let inside = 1.0 - at * at;
    if inside <= 0.0 {
        return 0.0;
    }
    bessel(BETA * inside.sqrt())
}

/// The modified Bessel function of the first kind and order zero, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..25 {
        let factor = x / (2.0 * f64::from(k));
        term *= factor * factor;
        sum += term;
    }
    sum
}

/// Additions that go on beside each other; the compiler makes vector instructions of them.
const LANES: usize = 8;

fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in one.chunks_exact(LANES).zip(other.chunks_exact(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sine(rate: u32, hertz: f64, length: usize) -> Vec<i16> {
        (0..length)
            .map(|index| {
                let turns = hertz * index as f64 / f64::from(rate);
                (10_000.0 * (2.0 * PI * turns).sin()).round() as i16
            })
            .collect()
    }

    /// Power of the difference to `wanted` beside the power of `wanted`, without the edges.
    fn error_decibels(heard: &[i16], wanted: &[i16]) -> f64 {
        let inner = 200..wanted.len().min(heard.len()) - 200;
        let power = |pcm: &mut dyn Iterator<Item = f64>| pcm.map(|x| x * x).sum::<f64>();
        let wrong = power(
            &mut inner
                .clone()
                .map(|i| f64::from(heard[i]) - f64::from(wanted[i])),
        );
        let right = power(&mut inner.map(|i| f64::from(wanted[i])));
        10.0 * (wrong / right).log10()
    }

    #[test]
    fn a_tone_is_the_same_tone_at_every_usual_rate() {
        for from in [
            8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
        ] {
            for to in [8000, 16_000] {
                for hertz in [300.0, 1000.0, 3000.0] {
                    let heard = resample(&sine(from, hertz, from as usize), from, to);
                    assert_eq!(heard.len(), to as usize);
                    let wrong = error_decibels(&heard, &sine(to, hertz, to as usize));
                    assert!(wrong < -45.0, "{from} to {to}, {hertz} Hz: {wrong:.1} dB");
                }
            }
        }
    }

    #[test]
    fn an_odd_rate_is_a_little_noisier() {
        let heard = resample(&sine(44_101, 1000.0, 44_101), 44_101, 8000);
        let wrong = error_decibels(&heard, &sine(8000, 1000.0, 8000));
        assert!(wrong < -35.0, "{wrong:.1} dB");
    }

    #[test]
    fn what_the_lower_rate_cannot_say_is_gone() {
        for (from, hertz) in [(16_000, 5000.0), (44_100, 6000.0), (48_000, 13_000.0)] {
            let heard = resample(&sine(from, hertz, from as usize), from, 8000);
            let loudest = heard[200..7800]
                .iter()
                .map(|sample| sample.unsigned_abs())
                .max();
            assert!(loudest < Some(20), "{hertz} Hz: {loudest:?}");
        }
    }

    #[test]
    fn a_frame_of_telephony_gives_a_frame() {
        for (from, to) in [
            (8000, 16_000),
            (16_000, 8000),
            (8000, 8000),
            (48_000, 16_000),
        ] {
            let mut resampler = Resampler::new(from, to);
            let mut out = Vec::new();
            for frames in 1..100 {
                resampler.process(&vec![50; from as usize / 50], &mut out);
                assert_eq!(out.len(), frames * to as usize / 50);
            }
            assert_eq!(out.last(), Some(&50));
        }
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> = (0..4000)
            .map(|index| if index % 40 < 20 { i16::MAX } else { i16::MIN })
            .collect();
        let heard = resample(&square, 8000, 16_000);
        for (index, &sample) in heard.iter().enumerate().skip(100).take(7000) {
            if matches!(index % 80, 10..30) {
                assert!(sample > 20_000, "{index}: {sample}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn pieces_make_the_same_as_the_whole(
            pieces in vec(vec(any::<i16>(), 0..300), 0..8),
            from in prop::sample::select(vec![8000u32, 16_000, 22_050, 44_100, 44_101]),
            to in prop::sample::select(vec![8000u32, 16_000]),
        ) {
            let mut whole = Vec::new();
            Resampler::new(from, to).process(&pieces.concat(), &mut whole);
            let mut resampler = Resampler::new(from, to);
            let mut out = Vec::new();
            for piece in &pieces {
                resampler.process(piece, &mut out);
            }
            prop_assert_eq!(out, whole);
        }

        #[test]
        fn any_rates_are_taken(
            from in prop_oneof![Just(0), Just(u32::MAX), 0..400_000u32],
            to in prop::sample::select(vec![0u32, 8000, 16_000, u32::MAX]),
            samples in vec(any::<i16>(), 0..50),
        ) {
            let out = resample(&samples, from, to);
            prop_assert!(out.len() <= samples.len() * 384 + 1);
        }
    }
}
