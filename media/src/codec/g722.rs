//! G.722 at 64 kbit/s (mode 1), by the crate `audio-codec`.
//!
//! The crate is young, so it is pinned to one version and stays behind these two types; the tests
//! hold it to the quality of the standard.

use std::fmt;

use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

/// Two samples become one byte.
pub(super) struct Encoder(G722Encoder);

impl Default for Encoder {
    fn default() -> Self {
        Self(G722Encoder::with_options(
            Bitrate::Mode1_64000,
            false,
            false,
        ))
    }
}

impl Encoder {
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        // The codec takes samples in pairs; one that is over is left out.
        let pairs = &pcm[..pcm.len() & !1];
        let start = out.len();
        out.resize(start + self.0.max_encode_bytes(pairs.len()), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = self.0.encode_into(pairs, room).unwrap_or(0);
        out.truncate(start + written);
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("g722::Encoder")
    }
}

/// One byte becomes two samples.
pub(super) struct Decoder(G722Decoder);

impl Default for Decoder {
    fn default() -> Self {
        Self(G722Decoder::with_options(
            Bitrate::Mode1_64000,
            false,
            false,
        ))
    }
}

impl Decoder {
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let start = out.len();
        out.resize(start + self.0.max_decode_samples(payload.len()), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = self.0.decode_into(payload, room).unwrap_or(0);
        out.truncate(start + written);
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("g722::Decoder")
    }
}
