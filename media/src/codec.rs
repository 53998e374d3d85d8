//! The voice codecs of RTP, behind one encoder and one decoder.

mod conceal;
pub mod g711;
mod g722;
mod opus;

use conceal::Concealer;

/// Milliseconds of sound in a frame, and in an RTP packet that we send.
pub const FRAME_MILLIS: u32 = 20;

/// Milliseconds in the longest packet of Opus (RFC 6716 §2.1.4), and that a loss may stand for.
const PACKET_MILLIS_MAX: u32 = 120;

/// A voice codec that is spoken on a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus (RFC 6716), one channel.
    Opus,
}

impl Codec {
    /// Steps a second of the RTP timestamp. That of G.722 is 8000 by RFC 3551 §4.5.2, although it
    /// carries 16000 samples.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// Samples a second that [`Encoder`] takes and [`Decoder`] gives. Opus has no rate of its own
    /// (RFC 7587 §4.1); wideband is what our mixing knows.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 | Self::Opus => 16_000,
        }
    }

    /// Samples in a frame of 20 ms.
    #[must_use]
    pub const fn frame_samples(self) -> usize {
        (self.sample_rate() / 1000 * FRAME_MILLIS) as usize
    }

    /// Steps of the RTP timestamp in a frame of 20 ms.
    #[must_use]
    pub const fn frame_ticks(self) -> u32 {
        self.clock_rate() / 1000 * FRAME_MILLIS
    }

    /// Milliseconds of sound in a payload.
    #[must_use]
    pub fn millis(self, payload: &[u8]) -> u32 {
        match self {
            // 64 kbit/s.
            Self::Pcmu | Self::Pcma | Self::G722 => {
                u32::try_from(payload.len() / 8).unwrap_or(FRAME_MILLIS)
            }
            Self::Opus => opus::millis(payload),
        }
    }

    /// Its name in `a=rtpmap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// Its payload type by RFC 3551 §6, where it has one.
    #[must_use]
    pub const fn static_payload(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus => None,
        }
    }
}

/// Turns frames into payloads, with the state of one direction of one leg.
#[derive(Debug)]
pub struct Encoder {
    kind: EncoderKind,
}

#[derive(Debug)]
enum EncoderKind {
    Pcmu,
    Pcma,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// An encoder at the beginning of its stream.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let kind = match codec {
            Codec::Pcmu => EncoderKind::Pcmu,
            Codec::Pcma => EncoderKind::Pcma,
            Codec::G722 => EncoderKind::G722(Box::default()),
            Codec::Opus => EncoderKind::Opus(opus::Encoder::new()),
        };
        Self { kind }
    }

    /// Appends the payload of a frame at [`Codec::sample_rate`] to `out`.
    ///
    /// G.711 and G.722 take any length; Opus takes 10, 20, 40 and 60 ms, and makes 20 ms of all
    /// else: it fills up what is shorter and leaves out what is longer.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        match &mut self.kind {
            EncoderKind::Pcmu => g711::encode_ulaw(pcm, out),
            EncoderKind::Pcma => g711::encode_alaw(pcm, out),
            EncoderKind::G722(encoder) => encoder.encode(pcm, out),
            EncoderKind::Opus(encoder) => encoder.encode(pcm, out),
        }
    }
}

/// Turns payloads into samples, with the state of one direction of one leg.
#[derive(Debug)]
pub struct Decoder {
    kind: DecoderKind,
}

#[derive(Debug)]
enum DecoderKind {
    Pcmu(Concealer),
    Pcma(Concealer),
    G722(Box<g722::Decoder>, Concealer),
    Opus(opus::Decoder),
}

impl Decoder {
    /// A decoder at the beginning of its stream.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let concealer = || Concealer::new(codec.sample_rate());
        let kind = match codec {
            Codec::Pcmu => DecoderKind::Pcmu(concealer()),
            Codec::Pcma => DecoderKind::Pcma(concealer()),
            Codec::G722 => DecoderKind::G722(Box::default(), concealer()),
            Codec::Opus => DecoderKind::Opus(opus::Decoder::new()),
        };
        Self { kind }
    }

    /// Appends the samples of a payload to `out`.
    ///
    /// A payload of G.711 gives as many samples as it has bytes, one of G.722 twice as many, one of
    /// Opus at most 120 ms; one that is no Opus packet is concealed.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let before = out.len();
        let concealer = match &mut self.kind {
            DecoderKind::Pcmu(concealer) => {
                g711::decode_ulaw(payload, out);
                concealer
            }
            DecoderKind::Pcma(concealer) => {
                g711::decode_alaw(payload, out);
                concealer
            }
            DecoderKind::G722(decoder, concealer) => {
                decoder.decode(payload, out);
                concealer
            }
            DecoderKind::Opus(decoder) => return decoder.decode(payload, out),
        };
        concealer.heard(out.get_mut(before..).unwrap_or_default());
    }

    /// Appends so many milliseconds, 120 at most, in place of a packet that was lost.
    pub fn conceal(&mut self, millis: u32, out: &mut Vec<i16>) {
        let millis = millis.min(PACKET_MILLIS_MAX);
        match &mut self.kind {
            DecoderKind::Pcmu(concealer)
            | DecoderKind::Pcma(concealer)
            | DecoderKind::G722(_, concealer) => concealer.fill(millis, out),
            DecoderKind::Opus(decoder) => decoder.conceal(millis, out),
        }
    }

    /// Appends the same when the payload after the lost one is here: that of Opus may hold what was
    /// lost once more, at less quality (RFC 6716 §2.1.7).
    pub fn recover(&mut self, next: &[u8], millis: u32, out: &mut Vec<i16>) {
        match &mut self.kind {
            DecoderKind::Opus(decoder) => {
                decoder.recover(next, millis.min(PACKET_MILLIS_MAX), out);
            }
            _ => self.conceal(millis, out),
        }
    }
}

#[cfg(test)]
mod tests;
