//! Sound that comes in pieces, brought to one channel and one of our rates.

use super::FileError;
use crate::pcm::{NARROW, Pcm, WIDE};
use crate::resample::{RATE_MAX, RATE_MIN, Resampler};

/// What was decoded so far, within its limit.
pub(super) struct Gather {
    limit_seconds: u32,
    /// The rate that the sound comes at; none before the first piece.
    rate: u32,
    /// From the rate of the pieces, and which that is.
    resampler: Option<(u32, Resampler)>,
    /// Samples that went into the resampler, and what stood in `samples` before.
    heard: usize,
    start: usize,
    samples: Vec<i16>,
}

impl Gather {
    pub(super) const fn new(limit_seconds: u32) -> Self {
        Self {
            limit_seconds,
            rate: NARROW,
            resampler: None,
            heard: 0,
            start: 0,
            samples: Vec::new(),
        }
    }

    /// Takes the next piece, samples of all channels in turn.
    pub(super) fn push(
        &mut self,
        interleaved: &[i16],
        channels: usize,
        rate: u32,
    ) -> Result<(), FileError> {
        if channels == 0 || !(RATE_MIN..=RATE_MAX).contains(&rate) {
            return Err(FileError::Unsupported);
        }
        if interleaved.is_empty() {
            return Ok(());
        }
        if self
            .resampler
            .as_ref()
            .is_none_or(|(from, _)| *from != rate)
        {
            self.begin(rate);
        }
        let Some((_, resampler)) = &mut self.resampler else {
            return Err(FileError::Malformed);
        };
        let mono = match channels {
            1 => None,
            _ => Some(mix(interleaved, channels)),
        };
        let mono = mono.as_deref().unwrap_or(interleaved);
        resampler.process(mono, &mut self.samples);
        self.heard += mono.len();
        let length = self.start + resampler.output_length(self.heard);
        match length as u64 > u64::from(self.limit_seconds) * u64::from(self.rate) {
            true => Err(FileError::TooLong),
            false => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Pcm {
        self.end();
        Pcm::new(self.rate, self.samples)
    }

    /// Goes on with pieces at another rate; the first rate says which the sound has.
    fn begin(&mut self, rate: u32) {
        self.end();
        if self.resampler.is_none() {
            self.rate = if rate > NARROW { WIDE } else { NARROW };
        }
        self.resampler = Some((rate, Resampler::aligned(rate, self.rate)));
        self.heard = 0;
        self.start = self.samples.len();
    }

    fn end(&mut self) {
        if let Some((_, resampler)) = &mut self.resampler {
            let length = self.start + resampler.output_length(self.heard);
            resampler.finish(length, &mut self.samples);
        }
    }
}

/// The mean of all channels.
fn mix(interleaved: &[i16], channels: usize) -> Vec<i16> {
    let mean = |frame: &[i16]| {
        let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
        (sum / channels as i64) as i16
    };
    interleaved.chunks_exact(channels).map(mean).collect()
}
