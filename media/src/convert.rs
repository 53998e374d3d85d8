//! Sound from one rate to another, where the rates may change on the way.

use crate::resample::Resampler;

/// A resampler that begins anew when its rates change.
#[derive(Debug, Default)]
pub(crate) struct Between(Option<(u32, u32, Resampler)>);

impl Between {
    /// Appends sound at `from` samples a second to `out` at `to`. True if it begins with it.
    pub(crate) fn process(
        &mut self,
        input: &[i16],
        from: u32,
        to: u32,
        out: &mut Vec<i16>,
    ) -> bool {
        let anew = !matches!(self.0, Some((a, b, _)) if (a, b) == (from, to));
        if anew {
            self.forget();
        }
        let begin = || (from, to, Resampler::new(from, to));
        let (.., resampler) = self.0.get_or_insert_with(begin);
        resampler.process(input, out);
        anew
    }

    /// Forgets what it keeps back.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Turns frames of 20 ms at one rate into frames at another, one for one.
#[derive(Debug, Default)]
pub(crate) struct Converter {
    between: Between,
    ready: Vec<i16>,
}

impl Converter {
    /// The frame at `to`. What a resampler keeps back at first comes as silence.
    pub(crate) fn frame(&mut self, input: &[i16], from: u32, to: u32, out: &mut Vec<i16>) {
        out.clear();
        if from == to {
            self.between.forget();
            self.ready.clear();
            out.extend_from_slice(input);
            return;
        }
        let before = self.ready.len();
        if self.between.process(input, from, to, &mut self.ready) {
            self.ready.drain(..before);
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

    #[test]
    fn other_rates_begin_anew() {
        let mut between = Between::default();
        let mut out = Vec::new();
        let frame = [1000; 160];
        assert!(between.process(&frame, 8000, 16_000, &mut out));
        let first = out.len();
        assert!(!between.process(&frame, 8000, 16_000, &mut out));
        assert!(between.process(&frame, 8000, 48_000, &mut out));
        between.forget();
        out.clear();
        assert!(between.process(&frame, 8000, 16_000, &mut out));
        assert_eq!(out.len(), first);
    }
}
