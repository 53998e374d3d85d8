//! Placeholder: from one rate to another.

/// Linear.
#[derive(Debug)]
pub struct Resampler {
    from: u32,
    to: u32,
    phase: u32,
    last: i16,
}

impl Resampler {
    /// A resampler.
    pub fn new(from: u32, to: u32) -> Self {
        Self {
            from,
            to,
            phase: 0,
            last: 0,
        }
    }

    /// Appends the samples at the new rate.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        for sample in input {
            while self.phase < self.to {
                let (a, b) = (i64::from(self.last), i64::from(*sample));
                let mixed = a + (b - a) * i64::from(self.phase) / i64::from(self.to);
                out.push(mixed as i16);
                self.phase += self.from;
            }
            self.phase -= self.to;
            self.last = *sample;
        }
    }
}
