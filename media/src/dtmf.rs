//! The keys of a telephone as pairs of tones in the sound (ITU-T Q.23 and Q.24).

mod detector;

use std::f64::consts::TAU;

pub use detector::Detector;

/// The tone of each row of keys.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];

/// The tone of each column.
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The keys by row and column.
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// How strong the tone of a row is sent: -9 dBm0, in the middle of what ETSI ES 201 235-2 allows.
const ROW_LEVEL: f64 = 8100.0;

/// How strong that of a column is sent: 2 dB more, since lines dampen higher tones.
const COLUMN_LEVEL: f64 = 10_200.0;

/// Milliseconds over which a tone swells and dies down, so that it does not click.
const EDGE_MILLIS: u32 = 2;

/// The longest tone that is made.
const MILLIS_MAX: u32 = 10_000;

/// The sound of a key for `millis` (10 s at most) at `rate` samples a second; nothing for what is
/// no key.
#[must_use]
pub fn tone(key: char, rate: u32, millis: u32) -> Vec<i16> {
    let Some((row, column)) = frequencies(key) else {
        return Vec::new();
    };
    let rate = rate.clamp(8000, 48_000);
    let length = rate / 1000 * millis.min(MILLIS_MAX);
    let edge = rate / 1000 * EDGE_MILLIS;
    (0..length)
        .map(|index| {
            let at = f64::from(index) / f64::from(rate);
            let both =
                ROW_LEVEL * (TAU * row * at).sin() + COLUMN_LEVEL * (TAU * column * at).sin();
            let inside = index.min(length - 1 - index).min(edge);
            (both * f64::from(inside) / f64::from(edge)).round() as i16
        })
        .collect()
}

fn frequencies(key: char) -> Option<(f64, f64)> {
    let key = key.to_ascii_uppercase();
    KEYS.iter().zip(ROWS).find_map(|(keys, row)| {
        let column = keys.iter().position(|&one| one == key)?;
        Some((row, *COLUMNS.get(column)?))
    })
}

#[cfg(test)]
mod tests;
