//! Offers and answers of one dialog (RFC 3264), and what follows from them for the media.

use std::net::SocketAddr;

use ::media::codec::{Codec, FRAME_MILLIS};
use ::media::srtp::Crypto;
use ::media::{Packing, SrtpPair};
use bytes::Bytes;

use super::crypto::{OwnKey, answers_ours};
use super::description::Stream;
use super::format::Format;
use super::write::{self, Own};
use super::{Description, Direction, Origin};

/// What both sides agreed on, for the media of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// Where the peer wants RTP, unless it wants none.
    pub(crate) remote: Option<SocketAddr>,
    /// Where it wants RTCP.
    pub(crate) rtcp: Option<SocketAddr>,
    /// RTCP goes both ways over the ports of RTP.
    pub(crate) rtcp_mux: bool,
    /// How much sound it wants in a packet.
    pub(crate) packing: Packing,
    /// The codec that we send, under this payload type.
    pub(crate) codec: Codec,
    pub(crate) payload: u8,
    /// Payload type of telephone events, if the peer has them.
    pub(crate) events: Option<u8>,
    /// What the peer may send beside.
    pub(crate) received: Vec<(u8, Codec)>,
    /// Whether the peer sends.
    pub(crate) sends: bool,
    pub(crate) srtp: Option<SrtpPair>,
}

/// What we bring into a description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours<'a> {
    /// Where our media are, as the peer is told.
    pub(crate) rtp: SocketAddr,
    /// What we speak, the best first.
    pub(crate) codecs: &'a [Codec],
    /// What is offered before all others.
    pub(crate) prefer: Option<Codec>,
}

/// The descriptions of one dialog.
#[derive(Debug)]
pub(crate) struct Negotiation {
    origin: Origin,
    key: OwnKey,
    /// Our offers ask for SRTP.
    secure: bool,
    /// What we said last.
    told: Option<Bytes>,
    /// The streams of the session in their order, as they are refused (RFC 3264 §8: a stream is
    /// never taken away), and which of them is the one we take part in.
    streams: Vec<Refused>,
    own: usize,
    /// The payload types of the session: none of them changes its meaning (RFC 3264 §8.3.2).
    names: Vec<(u8, Format)>,
    /// The payload types of an offer of ours that has no answer yet.
    offered: Vec<(u8, Format)>,
    agreed: Option<Agreed>,
}

#[derive(Debug)]
struct Refused {
    kind: String,
    proto: String,
    formats: Vec<String>,
}

/// What we can take of a stream, in its writer's order.
pub(super) struct Choice {
    pub(super) formats: Vec<(u8, Format)>,
    pub(super) codec: Codec,
    payload: u8,
    pub(super) rtcp_mux: bool,
    pub(super) crypto: Option<Crypto>,
}

impl Negotiation {
    /// No descriptions yet. `key` is our side's SRTP key of this dialog; `secure` makes our offers
    /// ask for SRTP.
    pub(crate) fn new(origin: Origin, key: [u8; 30], secure: bool) -> Self {
        Self {
            origin,
            key: OwnKey(key),
            secure,
            told: None,
            streams: Vec::new(),
            own: 0,
            names: Vec::new(),
            offered: Vec::new(),
            agreed: None,
        }
    }

    /// What is in force.
    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// The codec that our answer to an offer will be about; `None` if it has nothing for us.
    pub(crate) fn preview(offer: &Description, codecs: &[Codec]) -> Option<Codec> {
        choose(offer, codecs).map(|(_, choice)| choice.codec)
    }

    /// Our answer to an offer (RFC 3264 §6): one stream is taken, its codecs in the offer's order.
    /// `None`: there is nothing in common, and all stays as it was.
    pub(crate) fn answer(&mut self, offer: &Description, ours: &Ours<'_>) -> Option<Bytes> {
        let (own, choice) = choose(offer, ours.codecs)?;
        let stream = offer.streams.get(own)?;
        let line = choice.crypto.as_ref();
        let crypto = line.map(|line| self.key.answer(line));
        self.own = own;
        self.streams = offer.streams.iter().map(Refused::of).collect();
        self.offered.clear();
        self.remember(&choice.formats);
        self.agreed = Some(Agreed {
            srtp: line.map(|line| self.key.pair(line)),
            ..agreed(stream, &choice, &choice.formats)
        });
        let own_stream = Own {
            proto: &stream.proto,
            rtp: ours.rtp,
            formats: &choice.formats,
            direction: stream.direction.mirrored(),
            // What we send is what we ask for: both ways are the same then.
            ptime: stream.packing.millis(choice.codec),
            rtcp_mux: choice.rtcp_mux,
            crypto,
        };
        Some(self.say(&offer.time, &own_stream))
    }

    /// An offer of our own (RFC 3264 §5, §8): all that we can do.
    pub(crate) fn offer(&mut self, ours: &Ours<'_>) -> Bytes {
        if self.streams.is_empty() {
            self.streams.push(Refused {
                kind: "audio".to_owned(),
                proto: if self.secure { "RTP/SAVP" } else { "RTP/AVP" }.to_owned(),
                formats: Vec::new(),
            });
            self.own = 0;
        }
        let formats = self.offer_formats(ours);
        let proto = self.proto();
        self.remember(&formats);
        self.offered.clone_from(&formats);
        let own_stream = Own {
            proto: &proto,
            rtp: ours.rtp,
            formats: &formats,
            direction: Direction::Both,
            ptime: FRAME_MILLIS,
            // RFC 5761 §5.1.1: what is in force is asked for again, and we begin with it nowhere.
            rtcp_mux: self.muxes(),
            crypto: (is_secure(&proto) == Some(true)).then(|| self.key.offer()),
        };
        self.say("0 0", &own_stream)
    }

    /// The peer's answer to our offer; `false`: it is of no use, and all stays as it was.
    pub(crate) fn answered(&mut self, answer: &Description) -> bool {
        let Some(stream) = answer.streams.get(self.own) else {
            return false;
        };
        let offered: Vec<_> = self.offered.iter().map(|(_, format)| *format).collect();
        let codecs: Vec<_> = offered.iter().filter_map(|format| format.voice()).collect();
        let Some(choice) = Choice::of(stream, &codecs) else {
            return false;
        };
        let secure = is_secure(&stream.proto);
        let strange = |line: &Crypto| !answers_ours(line);
        if secure != is_secure(&self.proto()) || choice.crypto.as_ref().is_some_and(strange) {
            return false;
        }
        // We receive what we offered under the numbers of our offer, and send under theirs.
        let mut received: Vec<_> = self
            .offered
            .iter()
            .filter(|(_, format)| choice.formats.iter().any(|(_, taken)| taken == format))
            .copied()
            .collect();
        for format in &choice.formats {
            if received.iter().all(|(payload, _)| *payload != format.0) {
                received.push(*format);
            }
        }
        self.agreed = Some(Agreed {
            srtp: choice.crypto.as_ref().map(|line| self.key.pair(line)),
            rtcp_mux: choice.rtcp_mux && self.muxes(),
            ..agreed(stream, &choice, &received)
        });
        true
    }

    fn muxes(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.rtcp_mux)
    }

    /// What an offer says: what is known in this session keeps its number, and nothing takes the
    /// number of something else.
    fn offer_formats(&self, ours: &Ours<'_>) -> Vec<(u8, Format)> {
        let first = ours.prefer.filter(|codec| ours.codecs.contains(codec));
        let others = ours
            .codecs
            .iter()
            .copied()
            .filter(|codec| Some(*codec) != first);
        let voices: Vec<_> = first.into_iter().chain(others).collect();
        let clocks = [8_000, 48_000]
            .into_iter()
            .filter(|clock| voices.iter().any(|codec| codec.clock_rate() == *clock))
            .map(Format::Events);
        let wanted = voices
            .iter()
            .map(|codec| Format::Voice(*codec))
            .chain(clocks);
        let mut formats: Vec<(u8, Format)> = Vec::new();
        for format in wanted {
            let known = self.names.iter().find(|(_, known)| *known == format);
            let free = |payload: &u8| {
                let named = self.names.iter().chain(&formats);
                named.into_iter().all(|(taken, _)| taken != payload)
            };
            let payload = known
                .map(|(payload, _)| *payload)
                .or_else(|| Some(format.payload()).filter(free))
                .or_else(|| DYNAMIC.into_iter().find(free));
            formats.extend(payload.map(|payload| (payload, format)));
        }
        formats
    }

    fn remember(&mut self, formats: &[(u8, Format)]) {
        for format in formats {
            if !self.names.contains(format) && self.names.len() < NAMES_MAX {
                self.names.push(*format);
            }
        }
    }

    fn proto(&self) -> String {
        self.streams
            .get(self.own)
            .map_or_else(|| "RTP/AVP".to_owned(), |stream| stream.proto.clone())
    }

    /// Writes a description; its version counts the changes (RFC 3264 §8).
    fn say(&mut self, time: &str, own: &Own<'_>) -> Bytes {
        let mut body = self.write(time, own);
        if self.told.as_ref() != Some(&body) {
            self.origin.version += 1;
            body = self.write(time, own);
        }
        self.told = Some(body.clone());
        body
    }

    fn write(&self, time: &str, own: &Own<'_>) -> Bytes {
        let mut text = write::session(&self.origin, own.rtp.ip(), time);
        for (at, stream) in self.streams.iter().enumerate() {
            if at == self.own {
                write::own_stream(&mut text, own);
            } else {
                write::refused(&mut text, &stream.kind, &stream.proto, &stream.formats);
            }
        }
        Bytes::from(text)
    }
}

impl Choice {
    /// `None` if there is nothing in it for us.
    pub(super) fn of(stream: &Stream, codecs: &[Codec]) -> Option<Self> {
        if stream.kind != "audio" || stream.port == 0 {
            return None;
        }
        let crypto = match is_secure(&stream.proto)? {
            true => Some(stream.crypto.first()?.clone()),
            false => None,
        };
        let mut formats: Vec<(u8, Format)> = Vec::new();
        for (payload, format) in stream.known() {
            let ours = format.voice().is_none_or(|codec| codecs.contains(&codec));
            if ours && formats.iter().all(|(_, taken)| *taken != format) {
                formats.push((payload, format));
            }
        }
        let (payload, codec) = formats
            .iter()
            .find_map(|(payload, format)| Some((*payload, format.voice()?)))?;
        // RFC 5761 §4: RTCP has the numbers of these payload types.
        let apart = formats.iter().all(|(payload, _)| !RTCP.contains(payload));
        Some(Self {
            formats,
            codec,
            payload,
            rtcp_mux: stream.rtcp_mux && apart,
            crypto,
        })
    }
}

impl Refused {
    fn of(stream: &Stream) -> Self {
        Self {
            kind: stream.kind.clone(),
            proto: stream.proto.clone(),
            formats: stream.formats.clone(),
        }
    }
}

/// The stream that we take part in, and what we can take of it.
fn choose(offer: &Description, codecs: &[Codec]) -> Option<(usize, Choice)> {
    let mut streams = offer.streams.iter().enumerate();
    streams.find_map(|(at, stream)| Some((at, Choice::of(stream, codecs)?)))
}

/// What follows for the media; `received` are the payload types that the peer may send.
pub(super) fn agreed(stream: &Stream, choice: &Choice, received: &[(u8, Format)]) -> Agreed {
    // Events go with the codec of their clock (RFC 4733 §2.5.1.2); some peers have one clock only.
    let clock = choice.codec.clock_rate();
    let events = |fits: fn(u32, u32) -> bool| {
        let mut formats = choice.formats.iter();
        formats.find(move |(_, format)| matches!(format, Format::Events(of) if fits(*of, clock)))
    };
    let events = events(|of, clock| of == clock).or_else(|| events(|_, _| true));
    Agreed {
        remote: stream.remote(),
        rtcp: stream.remote_rtcp(),
        rtcp_mux: choice.rtcp_mux,
        packing: stream.packing,
        codec: choice.codec,
        payload: choice.payload,
        events: events.map(|(payload, _)| *payload),
        received: received
            .iter()
            .filter_map(|(payload, format)| Some((*payload, format.voice()?)))
            .filter(|pair| *pair != (choice.payload, choice.codec))
            .collect(),
        sends: stream.direction.sends(),
        srtp: None,
    }
}

/// Whether RTP of this kind is protected; `None` where it is no RTP that we speak.
fn is_secure(proto: &str) -> Option<bool> {
    let is = |name: &str| proto.eq_ignore_ascii_case(name);
    if ["RTP/AVP", "RTP/AVPF"].iter().any(|name| is(name)) {
        Some(false)
    } else if ["RTP/SAVP", "RTP/SAVPF"].iter().any(|name| is(name)) {
        Some(true)
    } else {
        None
    }
}

/// The dynamic payload types (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// Payload types that look like RTCP.
const RTCP: std::ops::RangeInclusive<u8> = 64..=95;

/// Payload types that a session may give a meaning: those of its codecs and events, some times
/// over.
const NAMES_MAX: usize = 32;
