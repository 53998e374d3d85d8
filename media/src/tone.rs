//! Placeholder: tones.

use crate::pcm::Pcm;

/// A tone with its pauses.
#[derive(Clone, Debug)]
pub struct Cadence {
    hertz: f64,
    at: u32,
}

impl Cadence {
    /// Fills 8 kHz samples, from where the last call ended.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            let angle = f64::from(self.at) / 8000.0 * std::f64::consts::TAU;
            *sample = ((angle * self.hertz).sin() * 8000.0) as i16;
            self.at = self.at.wrapping_add(1);
        }
    }

    /// Begins anew.
    pub fn restart(&mut self) {
        self.at = 0;
    }
}

/// What is heard while a phone rings in a country.
pub fn ring_tone(_country: &str) -> Option<Cadence> {
    Some(Cadence {
        hertz: 425.0,
        at: 0,
    })
}

/// The beep before a recording.
pub fn beep() -> Pcm {
    let mut samples = vec![0; 4000];
    Cadence {
        hertz: 1000.0,
        at: 0,
    }
    .fill(&mut samples);
    Pcm {
        rate: 8000,
        samples: samples.into(),
    }
}
