//! What a payload type means.

use ::media::codec::Codec;

/// The meaning of a payload type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// A voice codec.
    Voice(Codec),
    /// Telephone events (RFC 4733) on this clock.
    Events(u32),
}

impl Format {
    /// The format of an `rtpmap` encoding in lower case.
    pub(super) fn of_encoding(encoding: &str) -> Option<Self> {
        Some(match encoding.trim_end_matches("/1") {
            "pcmu/8000" => Self::Voice(Codec::Pcmu),
            "pcma/8000" => Self::Voice(Codec::Pcma),
            // RFC 3551 §4.5.2: its RTP clock is 8000 by an old mistake.
            "g722/8000" => Self::Voice(Codec::G722),
            "opus/48000/2" => Self::Voice(Codec::Opus),
            "telephone-event/8000" => Self::Events(8_000),
            "telephone-event/48000" => Self::Events(48_000),
            _ => return None,
        })
    }

    /// The format of a payload type without `rtpmap` (RFC 3551 §6).
    pub(super) fn of_static(payload: u8) -> Option<Self> {
        VOICES
            .into_iter()
            .find(|codec| codec.static_payload() == Some(payload))
            .map(Self::Voice)
    }

    /// The codec, if it is voice.
    pub(super) fn voice(self) -> Option<Codec> {
        match self {
            Self::Voice(codec) => Some(codec),
            Self::Events(_) => None,
        }
    }

    /// The `rtpmap` encoding.
    pub(super) fn encoding(self) -> &'static str {
        match self {
            Self::Voice(Codec::Pcmu) => "PCMU/8000",
            Self::Voice(Codec::Pcma) => "PCMA/8000",
            Self::Voice(Codec::G722) => "G722/8000",
            Self::Voice(Codec::Opus) => "opus/48000/2",
            Self::Events(48_000) => "telephone-event/48000",
            Self::Events(_) => "telephone-event/8000",
        }
    }

    /// The `fmtp` parameters, if it has some.
    pub(super) fn parameters(self) -> Option<&'static str> {
        match self {
            // The sixteen keys (RFC 4733 §3.2).
            Self::Events(_) => Some("0-15"),
            // RFC 7587 §6.1: nothing above wideband is of use to us, and no second channel.
            Self::Voice(Codec::Opus) => Some("maxplaybackrate=16000;stereo=0;useinbandfec=1"),
            Self::Voice(_) => None,
        }
    }

    /// The payload type that we offer it under.
    pub(super) fn payload(self) -> u8 {
        match self {
            Self::Voice(codec) => codec.static_payload().unwrap_or(OPUS),
            Self::Events(48_000) => EVENTS_48000,
            Self::Events(_) => EVENTS_8000,
        }
    }
}

/// All that can be spoken.
const VOICES: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// Dynamic payload types of our own offers.
const OPUS: u8 = 111;
const EVENTS_8000: u8 = 101;
const EVENTS_48000: u8 = 110;
