//! Opus, by libopus (through the crate `opusic-c`, which builds it).
//!
//! The reference library and not one of the younger ports: it reads packets from anybody, and has
//! been fuzzed for a decade.

use std::fmt;

use opusic_c::{Application, Bitrate, Channels, InbandFec, SampleRate, Signal};

/// Samples in 20 ms at 16 kHz.
const FRAME: usize = 320;

/// Samples in the longest packet, 120 ms (RFC 6716 §3.2.5).
const PACKET_SAMPLES_MAX: usize = 6 * FRAME;

/// Bytes of the longest packet that we make; far from what 24 kbit/s needs, and less than an MTU.
const PACKET_BYTES_MAX: usize = 400;

/// RFC 6716 §2.1.1: 16 to 20 kbit/s are the sweet spot for wideband speech; a little more for music
/// on hold.
const BITRATE: u32 = 24_000;

/// Of 10. Most of the quality of speech, at half the cost of the default.
const COMPLEXITY: u8 = 5;

/// One direction of a leg to the peer.
pub(super) struct Encoder {
    /// None when there was no memory for it; then nothing is sent.
    inner: Option<opusic_c::Encoder>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { inner: open().ok() }
    }

    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let Some(encoder) = &mut self.inner else {
            return;
        };
        // The binding speaks of samples as the bits that they are.
        let mut frame = [0u16; FRAME];
        for (bits, &sample) in frame.iter_mut().zip(pcm) {
            *bits = sample as u16;
        }
        let mut packet = [0; PACKET_BYTES_MAX];
        if let Ok(length) = encoder.encode_to_slice(&frame, &mut packet) {
            out.extend(packet.iter().take(length));
        }
    }
}

fn open() -> Result<opusic_c::Encoder, opusic_c::ErrorCode> {
    let mut encoder =
        opusic_c::Encoder::new(Channels::Mono, SampleRate::Hz16000, Application::Voip)?;
    encoder.set_bitrate(Bitrate::Value(BITRATE))?;
    encoder.set_complexity(COMPLEXITY)?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_inband_fec(InbandFec::Off)?;
    Ok(encoder)
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opus::Encoder")
    }
}

/// One direction of a leg from the peer.
pub(super) struct Decoder {
    /// None when there was no memory for it; then silence is heard.
    inner: Option<opusic_c::Decoder>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            inner: opusic_c::Decoder::new(Channels::Mono, SampleRate::Hz16000).ok(),
        }
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        // An empty packet is the library's word for a lost one.
        if payload.is_empty() || !self.append::<PACKET_SAMPLES_MAX>(payload, out) {
            self.conceal(out);
        }
    }

    pub(super) fn conceal(&mut self, out: &mut Vec<i16>) {
        if !self.append::<FRAME>(&[], out) {
            out.extend([0; FRAME]);
        }
    }

    /// Says whether the packet could be read.
    fn append<const ROOM: usize>(&mut self, packet: &[u8], out: &mut Vec<i16>) -> bool {
        let mut samples = [0u16; ROOM];
        let decoded = self
            .inner
            .as_mut()
            .and_then(|decoder| decoder.decode_to_slice(packet, &mut samples, false).ok());
        let Some(count) = decoded else {
            return false;
        };
        out.extend(samples.iter().take(count).map(|&bits| bits as i16));
        true
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opus::Decoder")
    }
}
