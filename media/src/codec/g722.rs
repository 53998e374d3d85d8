//! G.722 at 64 kbit/s (mode 1): the sound is split at 4 kHz, and each half is sent as the difference
//! to what the samples before it let expect, six bits for the lower half and two for the upper.
//!
//! Names and arithmetic follow the recommendation, which defines every bit. (The crate that offers
//! the codec, `audio-codec`, begins in other states and takes 100 ms to agree with its peer.)

/// Coefficients of the filter that splits the bands, half of its symmetric 24 (table 11/G.722).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band (table 14/G.722); the first is not used.
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Output levels of the lower band by the six bits of its code.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168,
    -2776, -2400, -2032, -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512,
    12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168,
    2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Output levels by the first four of them, on which the prediction stands.
const QM4: [i32; 16] = [
    0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584,
    1200, 0,
];

/// Output levels of the upper band.
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How the scale of the lower band goes on, by the same four bits.
const WL: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];

/// How that of the upper band goes on.
const WH: [i32; 4] = [798, -214, 798, -214];

/// The inverse logarithm by 32 steps.
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Two samples become one byte.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    window: Window,
    low: Band<LOW>,
    high: Band<HIGH>,
}

impl Encoder {
    /// Takes samples in pairs; one that is over is left out.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        out.extend(pcm.as_chunks().0.iter().map(|&pair| self.pair(pair)));
    }

    fn pair(&mut self, pair: [i16; 2]) -> u8 {
        let (odd, even) = self.window.push(pair.map(i32::from));
        let low = self.low.quantize((even + odd) >> 14);
        let high = self.high.quantize((even - odd) >> 14);
        high << 6 | low
    }
}

/// One byte becomes two samples.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    window: Window,
    low: Band<LOW>,
    high: Band<HIGH>,
}

impl Decoder {
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        out.extend(payload.iter().flat_map(|&code| self.code(code)));
    }

    fn code(&mut self, code: u8) -> [i16; 2] {
        let low = self.low.reconstruct(code & 0x3F);
        let high = self.high.reconstruct(code >> 6);
        let (second, first) = self.window.push([low + high, low - high]);
        [first, second].map(|sum| saturate(sum >> 11) as i16)
    }
}

/// The last 24 samples on their way through the filter of the bands.
#[derive(Debug, Default)]
struct Window([i32; 24]);

impl Window {
    /// Takes two samples; the sums over those at even places and over those at odd places.
    fn push(&mut self, pair: [i32; 2]) -> (i32, i32) {
        self.0.rotate_left(2);
        self.0[22..].copy_from_slice(&pair);
        let pairs = self.0.as_chunks::<2>().0.iter();
        pairs.zip(QMF.iter().zip(QMF.iter().rev())).fold(
            (0, 0),
            |(first, second), ([one, other], (front, back))| {
                (first + one * front, second + other * back)
            },
        )
    }
}

const LOW: bool = true;
const HIGH: bool = false;

/// One half of the sound: the scale of its differences, and what it is expected to go on with.
#[derive(Debug)]
struct Band<const IS_LOW: bool> {
    /// The scale as a logarithm.
    nb: i32,
    /// The scale.
    det: i32,
    /// The predicted sample, and the part of it that the zeros give.
    s: i32,
    sz: i32,
    /// Coefficients of the poles and of the zeros.
    a: [i32; 2],
    b: [i32; 6],
    /// The last reconstructed samples, partly reconstructed samples and differences, newest first.
    r: [i32; 2],
    p: [i32; 2],
    d: [i32; 6],
}

impl<const IS_LOW: bool> Default for Band<IS_LOW> {
    fn default() -> Self {
        Self {
            nb: 0,
            det: if IS_LOW { 32 } else { 8 },
            s: 0,
            sz: 0,
            a: [0; 2],
            b: [0; 6],
            r: [0; 2],
            p: [0; 2],
            d: [0; 6],
        }
    }
}

impl<const IS_LOW: bool> Band<IS_LOW> {
    /// The code of a sample (blocks 1 of the encoder, QUANTL and QUANTH).
    fn quantize(&mut self, sample: i32) -> u8 {
        let error = saturate(sample - self.s);
        let magnitude = if error < 0 { !error } else { error };
        let above = |level: &&i32| magnitude >= (**level * self.det) >> 12;
        let code = if IS_LOW {
            let level = 1 + Q6.iter().skip(1).take_while(above).count() as u8;
            match (error < 0, level) {
                (true, 1..=2) => 64 - level,
                (true, _) => 34 - level,
                (false, _) => 62 - level,
            }
        } else {
            let outer = [564].iter().take_while(above).count() as u8;
            if error < 0 { 1 - outer } else { 3 - outer }
        };
        self.adapt(code);
        code
    }

    /// The sample of a code (blocks 5 and 6 of the decoder).
    fn reconstruct(&mut self, code: u8) -> i32 {
        let level = if IS_LOW {
            at(&QM6, code)
        } else {
            at(&QM2, code)
        };
        let sample = self.s + ((self.det * level) >> 15);
        self.adapt(code);
        sample.clamp(-16_384, 16_383)
    }

    /// Scale and prediction go on with a code, here as at the peer (blocks 3 and 4).
    fn adapt(&mut self, code: u8) {
        let (level, step, most, exponent) = if IS_LOW {
            (at(&QM4, code >> 2), at(&WL, code >> 2), 18_432, 8)
        } else {
            (at(&QM2, code), at(&WH, code), 22_528, 10)
        };
        let difference = (self.det * level) >> 15;
        self.nb = (((self.nb * 127) >> 7) + step).clamp(0, most);
        let mantissa = at(&ILB, (self.nb >> 6) as u8 & 31);
        let shift = exponent - (self.nb >> 11);
        let scale = if shift < 0 {
            mantissa << -shift
        } else {
            mantissa >> shift
        };
        self.det = scale << 2;
        self.predict(difference);
    }

    /// The predictor takes a difference (block 4).
    fn predict(&mut self, difference: i32) {
        // RECONS, PARREC.
        let r = saturate(self.s + difference);
        let p = saturate(self.sz + difference);
        self.update_poles(p);
        // UPZERO: towards the differences that had the sign of this one.
        let gain = if difference == 0 { 0 } else { 128 };
        for (b, &d) in self.b.iter_mut().zip(&self.d) {
            let towards = if same_sign(d, difference) {
                gain
            } else {
                -gain
            };
            *b = saturate(towards + ((*b * 32_640) >> 15));
        }
        // DELAYA.
        self.r = [r, self.r[0]];
        self.p = [p, self.p[0]];
        self.d.rotate_right(1);
        self.d[0] = difference;
        // FILTEP, FILTEZ, PREDIC.
        let filter = |taps: &[i32], past: &[i32]| {
            let products = taps.iter().zip(past);
            let sum = products
                .map(|(tap, &sample)| (tap * saturate(2 * sample)) >> 15)
                .sum();
            saturate(sum)
        };
        self.sz = filter(&self.b, &self.d);
        self.s = saturate(filter(&self.a, &self.r) + self.sz);
    }

    /// UPPOL2 and UPPOL1; the second pole first, since it limits the first.
    fn update_poles(&mut self, p: i32) {
        let [a1, a2] = self.a;
        let like_last = same_sign(p, self.p[0]);
        let lean = saturate(a1 << 2);
        let lean = if like_last { -lean } else { lean }.min(32_767);
        let towards = if same_sign(p, self.p[1]) { 128 } else { -128 };
        let a2 = (towards + (lean >> 7) + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        let towards = if like_last { 192 } else { -192 };
        let limit = saturate(15_360 - a2);
        let a1 = saturate(towards + ((a1 * 32_640) >> 15)).clamp(-limit, limit);
        self.a = [a1, a2];
    }
}

const fn same_sign(one: i32, other: i32) -> bool {
    (one < 0) == (other < 0)
}

fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// An entry of a table; every code is within its table.
fn at(table: &[i32], index: u8) -> i32 {
    debug_assert!(usize::from(index) < table.len());
    table.get(usize::from(index)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, by which long results are compared.
    fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        })
    }

    fn next(seed: &mut u32) -> u32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *seed
    }

    fn decoded(payload: &[u8]) -> u64 {
        let mut pcm = Vec::new();
        Decoder::default().decode(payload, &mut pcm);
        assert_eq!(pcm.len(), 2 * payload.len());
        fnv(pcm.into_iter().flat_map(i16::to_le_bytes))
    }

    /// The sums are those of another implementation, SpanDSP, over the same samples.
    #[test]
    fn every_bit_is_that_of_another_implementation() {
        let mut seed = 1;
        let pcm: Vec<i16> = (0..16_000i32)
            .map(|index| {
                let triangle = ((index * 37) % 400 - 200).abs() * 120 - 12_000;
                let noise = ((next(&mut seed) >> 16) as i32 - 32_768).div_euclid(16);
                (triangle + noise) as i16
            })
            .collect();
        let mut encoder = Encoder::default();
        let mut payload = Vec::new();
        for frame in pcm.chunks(320) {
            encoder.encode(frame, &mut payload);
        }
        assert_eq!(payload.len(), 8000);
        assert_eq!(fnv(payload.iter().copied()), 0xFFA6_30AC_4C93_1D47);
        assert_eq!(decoded(&payload), 0xE69C_AF60_CCA7_E22A);
        let mut seed = 7;
        let random: Vec<u8> = (0..4000).map(|_| (next(&mut seed) >> 24) as u8).collect();
        // SpanDSP wraps 40 of these samples, which the recommendation limits.
        assert_eq!(decoded(&random), 0x9A5A_804A_2C17_5DBE);
    }
}
