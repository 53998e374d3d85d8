//! G.711: a sample in a byte, by the µ-law or the A-law.
//!
//! Decoding looks up a table; encoding finds the segment by counting leading zeros.

/// Half of the smallest µ-law step times 33, added so that the segments begin at powers of two.
const BIAS: u16 = 132;

/// The largest magnitude that the µ-law tells apart.
const CLIP: u16 = 32_635;

/// What A-law bytes are inverted with on the wire.
const EVEN_BITS: u8 = 0x55;

static ULAW: [i16; 256] = table_ulaw();
static ALAW: [i16; 256] = table_alaw();

/// The µ-law byte of silence.
pub const ULAW_SILENCE: u8 = 0xFF;

/// The µ-law byte of a sample.
#[must_use]
pub const fn ulaw(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs();
    let magnitude = if magnitude > CLIP { CLIP } else { magnitude } + BIAS;
    // 132..=32767: the highest bit is one of 7..=14.
    let segment = 8 - magnitude.leading_zeros() as u16;
    let step = (magnitude >> (segment + 3)) & 0x0F;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) as u8 | step as u8)
}

/// The A-law byte of a sample.
#[must_use]
pub const fn alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, !sample as u16)
    } else {
        (0x80, sample as u16)
    };
    let bits = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        // 256..=32767: the highest bit is one of 8..=14.
        let segment = 8 - magnitude.leading_zeros() as u16;
        (segment << 4) as u8 | ((magnitude >> (segment + 3)) & 0x0F) as u8
    };
    (sign | bits) ^ EVEN_BITS
}

/// The sample of a µ-law byte.
#[must_use]
pub fn from_ulaw(byte: u8) -> i16 {
    ULAW[usize::from(byte)]
}

/// The sample of an A-law byte.
#[must_use]
pub fn from_alaw(byte: u8) -> i16 {
    ALAW[usize::from(byte)]
}

/// Appends the µ-law bytes of `pcm`.
pub fn encode_ulaw(pcm: &[i16], out: &mut Vec<u8>) {
    out.extend(pcm.iter().map(|&sample| ulaw(sample)));
}

/// Appends the A-law bytes of `pcm`.
pub fn encode_alaw(pcm: &[i16], out: &mut Vec<u8>) {
    out.extend(pcm.iter().map(|&sample| alaw(sample)));
}

/// Appends the samples of µ-law bytes.
pub fn decode_ulaw(bytes: &[u8], out: &mut Vec<i16>) {
    out.extend(bytes.iter().map(|&byte| from_ulaw(byte)));
}

/// Appends the samples of A-law bytes.
pub fn decode_alaw(bytes: &[u8], out: &mut Vec<i16>) {
    out.extend(bytes.iter().map(|&byte| from_alaw(byte)));
}

const fn table_ulaw() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let bits = !(byte as u8);
        let step = (bits & 0x0F) as i16;
        let magnitude = ((step << 3) + BIAS as i16) << ((bits >> 4) & 7);
        let magnitude = magnitude - BIAS as i16;
        table[byte] = if bits & 0x80 == 0 {
            magnitude
        } else {
            -magnitude
        };
        byte += 1;
    }
    table
}

const fn table_alaw() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let bits = byte as u8 ^ EVEN_BITS;
        let step = (bits & 0x0F) as i16;
        let magnitude = match (bits >> 4) & 7 {
            0 => (step << 4) + 8,
            segment => ((step << 4) + 0x108) << (segment - 1),
        };
        table[byte] = if bits & 0x80 == 0 {
            -magnitude
        } else {
            magnitude
        };
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decision values of a law by the tables of G.711, times `unit`: a first chord of steps of
    /// two, and seven chords of sixteen steps, each twice as wide.
    fn thresholds(first: &[i32], unit: i32) -> Vec<i32> {
        let chords = (0..7).flat_map(|chord| [4 << chord; 16]);
        let mut at = 0;
        std::iter::once(0)
            .chain(first.iter().copied().chain(chords).map(|width| {
                at += width;
                at * unit
            }))
            .collect()
    }

    /// Table 2 of G.711 has a first step of 1 and then fifteen of 2, in units of a 14-bit sample.
    fn thresholds_ulaw() -> Vec<i32> {
        let mut first = [2; 16];
        first[0] = 1;
        thresholds(&first, 4)
    }

    /// Table 1 has 32 steps of 2 before its chords, in units of a 13-bit sample.
    fn thresholds_alaw() -> Vec<i32> {
        let mut widths = thresholds(&[2; 32], 8);
        widths.truncate(129);
        widths
    }

    #[test]
    fn every_ulaw_byte_is_the_middle_of_its_interval() {
        let edges = thresholds_ulaw();
        for byte in 0..=255u8 {
            let index = usize::from(!byte & 0x7F);
            // Table 2a: the first value is 0 and not the middle of its half interval.
            let middle = match index {
                0 => 0,
                _ => i32::midpoint(edges[index], edges[index + 1]),
            };
            let expected = if byte & 0x80 == 0 { -middle } else { middle };
            assert_eq!(i32::from(from_ulaw(byte)), expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn every_alaw_byte_is_the_middle_of_its_interval() {
        let edges = thresholds_alaw();
        for byte in 0..=255u8 {
            let index = usize::from((byte ^ 0x55) & 0x7F);
            let middle = i32::midpoint(edges[index], edges[index + 1]);
            let expected = if byte & 0x80 == 0 { -middle } else { middle };
            assert_eq!(i32::from(from_alaw(byte)), expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn every_sample_falls_into_the_interval_that_the_tables_name() {
        let (ulaw_edges, alaw_edges) = (thresholds_ulaw(), thresholds_alaw());
        let interval = |edges: &[i32], value: i32| {
            let above = edges.partition_point(|&edge| edge <= value);
            (above - 1).min(127) as u8
        };
        for sample in i16::MIN..=i16::MAX {
            let value = i32::from(sample);
            let sign = if sample < 0 { 0x80 } else { 0 };
            let expected = !(sign | interval(&ulaw_edges, value.abs()));
            assert_eq!(ulaw(sample), expected, "µ-law of {sample}");
            // The tables leave open where a value on an edge belongs; below zero it is the lower.
            let magnitude = if sample < 0 { -value - 1 } else { value };
            let expected = (0x80 - sign) | interval(&alaw_edges, magnitude);
            assert_eq!(alaw(sample), expected ^ 0x55, "A-law of {sample}");
        }
    }

    #[test]
    fn every_byte_survives_a_round() {
        for byte in 0..=255u8 {
            assert_eq!(alaw(from_alaw(byte)), byte);
            // µ-law has a negative zero, which no sample can say.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(ulaw(from_ulaw(byte)), expected);
        }
        assert_eq!(from_ulaw(ULAW_SILENCE), 0);
    }
}
