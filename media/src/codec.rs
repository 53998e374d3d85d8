//! Placeholder until the codecs land: G.711 alone.

/// A voice codec.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Opus.
    Opus,
}

impl Codec {
    /// The RTP clock.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            _ => 8000,
        }
    }

    /// Samples a second.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 | Self::Opus => 16_000,
        }
    }

    /// The encoding name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The static payload type.
    pub const fn static_payload(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus => None,
        }
    }
}

/// Encodes frames.
#[derive(Debug)]
pub struct Encoder(Codec);

impl Encoder {
    /// An encoder.
    pub fn new(codec: Codec) -> Self {
        Self(codec)
    }

    /// Encodes one frame of 20 ms.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        match self.0 {
            Codec::Pcma => out.extend(pcm.iter().map(|s| alaw(*s))),
            _ => out.extend(pcm.iter().map(|s| ulaw(*s))),
        }
    }
}

/// Decodes frames.
#[derive(Debug)]
pub struct Decoder(Codec);

impl Decoder {
    /// A decoder.
    pub fn new(codec: Codec) -> Self {
        Self(codec)
    }

    /// Decodes a payload.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        match self.0 {
            Codec::Pcma => out.extend(payload.iter().map(|b| unalaw(*b))),
            _ => out.extend(payload.iter().map(|b| unulaw(*b))),
        }
    }

    /// Stands in for a lost frame.
    pub fn conceal(&mut self, out: &mut Vec<i16>) {
        out.extend(std::iter::repeat_n(0, self.0.sample_rate() as usize / 50));
    }
}

fn ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80u8 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = (31 - magnitude.leading_zeros() as i32 - 7).max(0);
    let mantissa = (magnitude >> (exponent + 3)) & 15;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

fn unulaw(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 15) << 3) + 132) << ((byte >> 4) & 7);
    let value = magnitude - 132;
    (if byte & 0x80 != 0 { -value } else { value }) as i16
}

fn alaw(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80u8 } else { 0 };
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 3;
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = 15 - magnitude.leading_zeros() as i16 - 4;
        exponent << 4 | (magnitude >> exponent) & 15
    };
    (sign | code as u8) ^ 0x55
}

fn unalaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = (i32::from(byte >> 4 & 7), i32::from(byte & 15));
    let magnitude = if exponent == 0 {
        (mantissa << 4) + 8
    } else {
        ((mantissa << 4) + 0x108) << (exponent - 1)
    };
    (if byte & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }) as i16
}
