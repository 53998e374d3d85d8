use super::tone::{energy, energy_at};
use super::{SILENCE, Sound, level};

const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Two of these in a row are a key (ITU-T Q.24 takes tones of 40 ms and more).
const PIECE: f64 = 0.02;

impl Sound {
    /// The keys that are heard in it as tones (ITU-T Q.23).
    #[must_use]
    pub fn digits(&self) -> String {
        let mut keys = String::new();
        let (mut last, mut held) = (None, None);
        for piece in self.pieces(PIECE) {
            let key = key(piece, self.rate);
            if key.is_some() && key == last && key != held {
                held = key;
                keys.extend(key);
            }
            if key.is_none() && last.is_none() {
                held = None;
            }
            last = key;
        }
        keys
    }

    /// A key as tones of 100 ms with 100 ms of silence behind.
    ///
    /// # Panics
    ///
    /// When there is no such key.
    #[must_use]
    pub fn key(rate: u32, key: char) -> Self {
        let place = |row: usize| KEYS[row].iter().position(|other| *other == key);
        let (row, column) = (0..4)
            .find_map(|row| Some((row, place(row)?)))
            .unwrap_or_else(|| panic!("no key {key}"));
        let tone = |hz: f64| Self::tone(rate, hz as u32, 0.1);
        let (low, high) = (tone(LOW[row]), tone(HIGH[column]));
        let both = low.samples.iter().zip(&high.samples);
        Self {
            rate,
            samples: both.map(|(low, high)| low / 2 + high / 2).collect(),
        }
        .padded(0.2)
    }
}

fn key(samples: &[i16], rate: u32) -> Option<char> {
    let strongest = |group: &[f64; 4]| {
        let energies = group.map(|hz| energy_at(samples, rate, hz));
        let best = (0..4).max_by(|one, other| energies[*one].total_cmp(&energies[*other]))?;
        Some((best, energies[best]))
    };
    if level(samples) < SILENCE {
        return None;
    }
    let (row, low) = strongest(&LOW)?;
    let (column, high) = strongest(&HIGH)?;
    let all = energy(samples);
    let is_key = low + high > 0.8 * all && low > 0.1 * all && high > 0.1 * all;
    is_key.then_some(KEYS[row][column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_heard_once() {
        for rate in [8000, 16_000, 48_000] {
            let keys = "1234567890*#ABCD5511";
            let pieces = keys.chars().map(|key| Sound::key(rate, key));
            let sound = pieces.fold(Sound::silence(rate, 0.13), |sound, key| sound.then(&key));
            assert_eq!(sound.digits(), keys);
        }
    }

    #[test]
    fn a_tone_or_a_sweep_is_no_key() {
        assert_eq!(Sound::tone(8000, 697, 1.0).digits(), "");
        assert_eq!(Sound::sweep(8000, 300.0, 3000.0, 2.0).digits(), "");
    }
}
