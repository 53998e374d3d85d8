//! GSM 06.10 full rate at 13 kbit/s (ETSI EN 300 961), as it stands in `.gsm` files: frames of 33
//! bytes for 20 ms, each behind four bits of a signature.
//!
//! Names and arithmetic follow the recommendation, which defines every bit of the result.

use super::FileError;
use super::gather::Gather;
use crate::pcm::{NARROW, Pcm};

/// Bytes of a frame.
const FRAME: usize = 33;

/// The signature at the beginning of each frame.
const SIGNATURE: u16 = 0xD;

/// Samples of a frame.
const SAMPLES: usize = 160;

/// Samples of each of the four parts that have an excitation of their own.
const PART: usize = 40;

/// How far back the long term predictor looks.
const HISTORY: usize = 120;

pub(super) fn decode(bytes: &[u8], limit_seconds: u32) -> Result<Pcm, FileError> {
    let mut gather = Gather::new(limit_seconds);
    let mut decoder = Decoder::new();
    for frame in bytes.as_chunks::<FRAME>().0 {
        gather.push(&decoder.frame(frame)?, 1, NARROW)?;
    }
    Ok(gather.finish())
}

/// The state from one frame to the next.
struct Decoder {
    /// The last samples of the short term residual.
    drp: [i16; HISTORY],
    /// The lag of the part before.
    nrp: usize,
    /// The decoded log area ratios of the frame before.
    larpp: [i16; 8],
    /// The delay line of the short term filter.
    v: [i16; 9],
    /// The last sample before scaling, for the deemphasis.
    msr: i16,
}

impl Decoder {
    const fn new() -> Self {
        Self {
            drp: [0; HISTORY],
            nrp: 40,
            larpp: [0; 8],
            v: [0; 9],
            msr: 0,
        }
    }

    fn frame(&mut self, bytes: &[u8; FRAME]) -> Result<[i16; SAMPLES], FileError> {
        let mut bits = Bits { bytes, at: 0 };
        if bits.take(4) != SIGNATURE {
            return Err(FileError::Malformed);
        }
        let larpp = log_area_ratios(&mut bits);
        let mut samples = [0; SAMPLES];
        for part in samples.as_chunks_mut::<PART>().0 {
            *part = self.residual(&mut bits);
        }
        let before = std::mem::replace(&mut self.larpp, larpp);
        // §5.3.2 and §4.2.9.1: the coefficients go over from the frame before in three steps.
        let spans = [(0..13, 0), (13..27, 1), (27..40, 2), (40..SAMPLES, 3)];
        for (span, step) in spans {
            let rrp = std::array::from_fn(|index| {
                reflection(interpolate(before[index], larpp[index], step))
            });
            for sample in samples.get_mut(span).unwrap_or_default() {
                *sample = self.short_term(&rrp, *sample);
            }
        }
        Ok(samples.map(|sample| self.postprocess(sample)))
    }

    /// §5.3.1 and §5.3.2: the residual of a part, by its pulses and what was before.
    fn residual(&mut self, bits: &mut Bits<'_>) -> [i16; PART] {
        const QLB: [i16; 4] = [3277, 11_469, 21_299, 32_767];
        let nc = usize::from(bits.take(7));
        let gain = QLB[usize::from(bits.take(2) & 3)];
        let mut part = pulses(bits);
        if (PART..=HISTORY).contains(&nc) {
            self.nrp = nc;
        }
        for (k, sample) in part.iter_mut().enumerate() {
            let before = self.drp[HISTORY - self.nrp + k];
            *sample = sample.saturating_add(mult_r(gain, before));
        }
        self.drp.rotate_left(PART);
        self.drp[HISTORY - PART..].copy_from_slice(&part);
        part
    }

    /// §5.3.4: one sample through the lattice filter.
    fn short_term(&mut self, rrp: &[i16; 8], sample: i16) -> i16 {
        let mut sri = sample;
        for i in (0..8).rev() {
            sri = sri.saturating_sub(mult_r(rrp[i], self.v[i]));
            self.v[i + 1] = self.v[i].saturating_add(mult_r(rrp[i], sri));
        }
        self.v[0] = sri;
        sri
    }

    /// §5.3.5 to §5.3.7: deemphasis, and the 13 bits of the result.
    fn postprocess(&mut self, sample: i16) -> i16 {
        self.msr = sample.saturating_add(mult_r(self.msr, 28_180));
        self.msr.saturating_add(self.msr) & !7
    }
}

/// The fields of a frame, the highest bit first.
struct Bits<'a> {
    bytes: &'a [u8; FRAME],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> u16 {
        (0..count).fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u16::from(bit)
        })
    }
}

/// §5.2.8: the log area ratios by their codes: bits, offset B, least code and inverse of A.
fn log_area_ratios(bits: &mut Bits<'_>) -> [i16; 8] {
    const TABLE: [(usize, i16, i16, i16); 8] = [
        (6, 0, -32, 13_107),
        (6, 0, -32, 13_107),
        (5, 2048, -16, 13_107),
        (5, -2560, -16, 13_107),
        (4, 94, -8, 19_223),
        (4, -1792, -8, 17_476),
        (3, -341, -4, 31_454),
        (3, -1144, -4, 29_708),
    ];
    TABLE.map(|(count, b, mic, inva)| {
        let ratio = (bits.take(count) as i16 + mic) << 10;
        let ratio = mult_r(inva, ratio.saturating_sub(b << 1));
        ratio.saturating_add(ratio)
    })
}

/// §5.2.9.1: between the ratio of the frame before and that of this one.
fn interpolate(before: i16, now: i16, step: u8) -> i16 {
    match step {
        0 => ((before >> 2) + (now >> 2)).saturating_add(before >> 1),
        1 => (before >> 1) + (now >> 1),
        2 => ((before >> 2) + (now >> 2)).saturating_add(now >> 1),
        _ => now,
    }
}

/// §5.2.9.2: the reflection coefficient of a log area ratio.
fn reflection(ratio: i16) -> i16 {
    let magnitude = ratio.saturating_abs();
    let coefficient = match magnitude {
        ..11_059 => magnitude << 1,
        11_059..20_070 => magnitude + 11_059,
        _ => (magnitude >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -coefficient } else { coefficient }
}

/// §5.2.15 to §5.2.17: thirteen pulses on a grid.
fn pulses(bits: &mut Bits<'_>) -> [i16; PART] {
    const FAC: [i16; 8] = [
        18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767,
    ];
    let grid = usize::from(bits.take(2));
    let (exponent, mantissa) = exponent_and_mantissa(bits.take(6) as i16);
    let fac = FAC[usize::from(mantissa as u16 & 7)];
    let shift = 6 - exponent;
    let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
    let mut part = [0; PART];
    for sample in part.iter_mut().skip(grid).step_by(3).take(13) {
        let code = bits.take(3) as i16;
        let pulse = mult_r(fac, ((code << 1) - 7) << 12);
        *sample = pulse.saturating_add(half) >> shift;
    }
    part
}

/// The block amplitude by its code.
fn exponent_and_mantissa(code: i16) -> (i16, i16) {
    let mut exponent = if code > 15 { (code >> 3) - 1 } else { 0 };
    let mut mantissa = code - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, mantissa - 8)
}

/// The product of two fractions, rounded.
fn mult_r(one: i16, other: i16) -> i16 {
    let product = (i32::from(one) * i32::from(other) + 16_384) >> 15;
    product.min(i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with random fields, as libgsm decodes them: FNV-1a over all samples.
    #[test]
    fn decodes_every_bit_as_libgsm_does() {
        let mut seed = 12_345u32;
        let mut decoder = Decoder::new();
        let mut sum = 0xCBF2_9CE4_8422_2325u64;
        let mut last = [0; SAMPLES];
        for _ in 0..500 {
            let mut frame = [0; FRAME];
            for byte in &mut frame {
                seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                *byte = (seed >> 16) as u8;
            }
            frame[0] = 0xD0 | frame[0] & 0x0F;
            last = decoder.frame(&frame).unwrap();
            for byte in last.iter().flat_map(|sample| sample.to_le_bytes()) {
                sum = (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
            }
        }
        assert_eq!(last[..8], LAST);
        assert_eq!(sum, SUM);
    }

    const LAST: [i16; 8] = [10_408, 5112, 3720, 5408, 7968, 5040, 8704, 10_496];
    const SUM: u64 = 0x1690_C94B_5DA5_84EA;

    #[test]
    fn a_frame_without_its_signature_ends_the_file() {
        assert_eq!(decode(&[0; 66], 10), Err(FileError::Malformed));
        assert_eq!(decode(&[0xD0; 65], 10).unwrap().samples.len(), 160);
    }
}
