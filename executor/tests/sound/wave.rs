//! Sounds made and measured.

use std::f64::consts::TAU;

/// A tone of a quarter of the full scale.
pub(crate) fn tone(hertz: f64, rate: u32, millis: u32) -> Vec<i16> {
    let count = u64::from(rate) * u64::from(millis) / 1000;
    (0..count as usize)
        .map(|at| sample(&[hertz], rate, at))
        .collect()
}

/// One sample of some tones at a time, together a quarter of the full scale.
pub(crate) fn sample(hertz: &[f64], rate: u32, at: usize) -> i16 {
    let time = at as f64 / f64::from(rate);
    let sum: f64 = hertz.iter().map(|hertz| (TAU * hertz * time).sin()).sum();
    (sum * 8000.0 / hertz.len() as f64) as i16
}

/// A WAV file of one channel.
pub(crate) fn wav(samples: &[i16], rate: u32) -> Vec<u8> {
    let bytes = 2 * samples.len() as u32;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(bytes + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(2 * rate).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// How much of a sound is one tone, from 0 to 1 (Goertzel).
pub(crate) fn share_of(hertz: f64, samples: &[i16], rate: u32) -> f64 {
    let turn = TAU * hertz / f64::from(rate);
    let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), turn * n as f64);
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        energy += sample * sample;
    }
    let count = samples.len() as f64;
    2.0 * (real * real + imaginary * imaginary) / (count * energy.max(1.0))
}

/// The mean amplitude.
pub(crate) fn loudness(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).abs()).sum();
    sum / (samples.len() as f64).max(1.0)
}
