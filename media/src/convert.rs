//! Frames from one rate to another.

use crate::resample::Resampler;

/// Turns frames of 20 ms at one rate into frames at another, one for one.
#[derive(Debug, Default)]
pub(crate) struct Converter {
    resampler: Option<(u32, u32, Resampler)>,
    ready: Vec<i16>,
}

impl Converter {
    /// The frame at `to`. What a resampler keeps back at first comes as silence.
    pub(crate) fn frame(&mut self, input: &[i16], from: u32, to: u32, out: &mut Vec<i16>) {
        out.clear();
        if from == to {
            self.resampler = None;
            self.ready.clear();
            out.extend_from_slice(input);
            return;
        }
        if !matches!(self.resampler, Some((a, b, _)) if (a, b) == (from, to)) {
            self.resampler = Some((from, to, Resampler::new(from, to)));
            self.ready.clear();
        }
        if let Some((.., resampler)) = &mut self.resampler {
            resampler.process(input, &mut self.ready);
        }
        let wanted = samples(to);
        let lacking = wanted.saturating_sub(self.ready.len());
        out.resize(lacking, 0);
        out.extend(self.ready.drain(..wanted - lacking));
        // A resampler that gives a sample too many now and then must not add up to a delay.
        if self.ready.len() > wanted {
            self.ready.drain(..self.ready.len() - wanted);
        }
    }
}

/// Samples of a frame.
pub(crate) const fn samples(rate: u32) -> usize {
    rate as usize / 50
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_for_one() {
        let mut converter = Converter::default();
        let mut out = Vec::new();
        for (from, to) in [(8000, 16_000), (16_000, 8000), (8000, 8000), (48_000, 8000)] {
            for _ in 0..50 {
                converter.frame(&vec![1000; samples(from)], from, to, &mut out);
                assert_eq!(out.len(), samples(to), "{from} {to}");
            }
            let last = out.iter().map(|sample| (sample - 1000).abs()).max();
            assert!(last < Some(60), "{from} {to}: {last:?}");
        }
    }
}
