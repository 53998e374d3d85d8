//! Opus, by libopus (through the crate `opusic-c`, which builds it).
//!
//! The reference library and not one of the younger ports: it reads packets from anybody, and has
//! been fuzzed for a decade.

use std::fmt;

use opusic_c::{Application, Bitrate, Channels, InbandFec, SampleRate, Signal};

/// Samples in a millisecond at 16 kHz.
const MILLI: usize = 16;

/// Samples in 20 ms.
const FRAME: usize = 20 * MILLI;

/// Samples in the longest frame, 60 ms.
const FRAME_MAX: usize = 3 * FRAME;

/// Samples in the longest packet, 120 ms (RFC 6716 §3.2.5).
const PACKET_SAMPLES_MAX: usize = 6 * FRAME;

/// Bytes of the longest packet that we make; far from what 24 kbit/s needs in 60 ms, and less than
/// an MTU.
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
        let length = match pcm.len() {
            whole if [FRAME / 2, FRAME * 2, FRAME_MAX].contains(&whole) => whole,
            _ => FRAME,
        };
        // The binding speaks of samples as the bits that they are.
        let mut frame = [0u16; FRAME_MAX];
        for (bits, &sample) in frame.iter_mut().zip(pcm.iter().take(length)) {
            *bits = sample as u16;
        }
        let frame = frame.get(..length).unwrap_or_default();
        let mut packet = [0; PACKET_BYTES_MAX];
        if let Ok(length) = encoder.encode_to_slice(frame, &mut packet) {
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
        if payload.is_empty() || !self.append(payload, PACKET_SAMPLES_MAX, false, out) {
            self.conceal(20, out);
        }
    }

    pub(super) fn conceal(&mut self, millis: u32, out: &mut Vec<i16>) {
        let samples = room(millis);
        if !self.append(&[], samples, false, out) {
            out.resize(out.len() + samples, 0);
        }
    }

    /// In place of a packet that was lost: what the next one holds of it.
    pub(super) fn recover(&mut self, next: &[u8], millis: u32, out: &mut Vec<i16>) {
        if next.is_empty() || !self.append(next, room(millis), true, out) {
            self.conceal(millis, out);
        }
    }

    /// Says whether the packet could be read. `lost`: the one before it is wanted instead, of so
    /// many samples.
    fn append(&mut self, packet: &[u8], room: usize, lost: bool, out: &mut Vec<i16>) -> bool {
        let mut samples = [0u16; PACKET_SAMPLES_MAX];
        let decoded = self.inner.as_mut().and_then(|decoder| {
            let samples = samples.get_mut(..room)?;
            decoder.decode_to_slice(packet, samples, lost).ok()
        });
        let Some(count) = decoded else {
            return false;
        };
        out.extend(samples.iter().take(count).map(|&bits| bits as i16));
        true
    }
}

/// The samples of a loss; the library makes up whole steps of 2.5 ms, and we of 10.
fn room(millis: u32) -> usize {
    let tens = (millis as usize).div_ceil(10);
    (tens * 10 * MILLI).clamp(FRAME / 2, PACKET_SAMPLES_MAX)
}

/// Milliseconds of sound in a packet (RFC 6716 §3.1, §3.2); 20 if it says no length that there is.
pub(super) fn millis(packet: &[u8]) -> u32 {
    const FRAME_MILLIS: u32 = 20;
    let Some(first) = packet.first() else {
        return FRAME_MILLIS;
    };
    // 12 configurations of SILK, four of both, 16 of CELT.
    let config = first >> 3;
    let tenths = match (config, config % 4) {
        (16.., 0) => 25,
        (16.., 1) => 50,
        (0..12, 0) | (12..16, 0 | 2) | (16.., 2) => 100,
        (0..12, 2) => 400,
        (0..12, 3) => 600,
        _ => 200,
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |second| u32::from(second & 0x3f)),
    };
    match frames * tenths / 10 {
        millis @ 1..=120 => millis,
        _ => FRAME_MILLIS,
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opus::Decoder")
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn tone(hertz: f64, size: f64, frame: usize) -> Vec<i16> {
        (frame * FRAME..(frame + 1) * FRAME)
            .map(|at| (size * (at as f64 / 16_000.0 * hertz * std::f64::consts::TAU).sin()) as i16)
            .collect()
    }

    fn energy(samples: &[i16]) -> f64 {
        samples.iter().map(|&it| f64::from(it).powi(2)).sum()
    }

    #[test]
    fn the_next_packet_brings_back_the_lost_one() {
        // A peer that expects losses.
        let mut encoder = open().unwrap();
        encoder.set_inband_fec(InbandFec::Mode1).unwrap();
        encoder.set_packet_loss(25).unwrap();
        let mut encoder = Encoder {
            inner: Some(encoder),
        };
        // Something loud begins in the packet that is lost: nobody can guess it.
        let loud = 20;
        let packets: Vec<_> = (0..40)
            .map(|frame| {
                let mut packet = Vec::new();
                let size = if frame < loud { 300.0 } else { 9000.0 };
                encoder.encode(&tone(400.0, size, frame), &mut packet);
                packet
            })
            .collect();
        let lost = |recovers: bool| {
            let mut decoder = Decoder::new();
            let mut before = Vec::new();
            for packet in &packets[..loud] {
                decoder.decode(packet, &mut before);
            }
            let mut made = Vec::new();
            if recovers {
                decoder.recover(&packets[loud + 1], 20, &mut made);
            } else {
                decoder.conceal(20, &mut made);
            }
            assert_eq!(made.len(), FRAME);
            energy(&made)
        };
        let (recovered, concealed) = (lost(true), lost(false));
        assert!(recovered > concealed * 20.0, "{recovered} {concealed}");
    }

    #[test]
    fn what_cannot_be_recovered_is_concealed() {
        let mut decoder = Decoder::new();
        for (next, millis, samples) in [
            (&[][..], 20, 320),
            (&[0xff; 3], 20, 320),
            (&[3], 60, 960),
            (&[0x80, 1, 2], 7, 160),
            (&[], 120, 1920),
        ] {
            let mut out = Vec::new();
            decoder.recover(next, millis, &mut out);
            assert_eq!(out.len(), samples, "{next:?}");
        }
    }

    proptest! {
        #[test]
        fn the_length_is_what_the_library_says(payload in vec(any::<u8>(), 1..300)) {
            let mut out = Vec::new();
            if Decoder::new().append(&payload, PACKET_SAMPLES_MAX, false, &mut out) {
                prop_assert_eq!(millis(&payload) as usize, out.len() / MILLI);
            }
        }
    }
}
