//! Placeholder: keys as tones.

/// Finds keys in sound.
#[derive(Debug, Default)]
pub struct Detector;

impl Detector {
    /// A detector.
    pub fn new() -> Self {
        Self
    }

    /// The key that begins in these samples at 8 kHz.
    pub fn push(&mut self, _pcm: &[i16]) -> Option<char> {
        None
    }
}

/// The tone of a key.
pub fn tone(key: char, rate: u32, millis: u32) -> Vec<i16> {
    let rows = [697.0, 770.0, 852.0, 941.0];
    let columns = [1209.0, 1336.0, 1477.0, 1633.0];
    let Some(place) = "123A456B789C*0#D".find(key) else {
        return vec![0; (rate * millis / 1000) as usize];
    };
    let (row, column): (f64, f64) = (rows[place / 4], columns[place % 4]);
    (0..rate * millis / 1000)
        .map(|at| {
            let angle = f64::from(at) / f64::from(rate) * std::f64::consts::TAU;
            (((angle * row).sin() + (angle * column).sin()) * 8000.0) as i16
        })
        .collect()
}
