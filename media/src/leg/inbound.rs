//! The stream from the peer: from packets to frames.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::codec::{Codec, Decoder, FRAME_MILLIS};
use crate::convert::{Between, samples};
use crate::desk::Desk;
use crate::jitter::{JitterBuffer, Kind, Pulled, Pushed};
use crate::keys::{KeyEvent, KeyReader};
use crate::rtcp::{Heard, Reception};
use crate::rtp::Header;
use crate::srtp::{Srtp, SrtpKeys};
use crate::{Depth, Peer, SrtpPair};

/// What comes from the peer.
pub(crate) struct Inbound {
    codecs: Vec<(u8, Codec)>,
    events: Option<u8>,
    srtp: Option<(SrtpKeys, Srtp)>,
    /// The stream that is listened to.
    ssrc: Option<u32>,
    /// Another stream that may take its place.
    rival: Option<(u32, u16)>,
    /// The codec of the last packet with sound.
    codec: Option<Codec>,
    /// The tick of the last packet.
    heard: Option<u64>,
    buffer: JitterBuffer,
    /// The buffer is filled: somebody listens.
    decodes: bool,
    decoders: Decoders,
    /// Frames in a row that stand in for missing ones.
    concealed: u32,
    keys: KeyReader,
    pub(crate) reception: Reception,
    /// Losses of the streams before this one.
    lost_before: u32,
    /// How much sound is in a packet.
    length: Length,
    report: Option<(u32, Instant)>,
}

/// A packet of the peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) header: Header,
    pub(crate) what: What,
    pub(crate) payload: Range<usize>,
    /// The key that it is the first packet of.
    pub(crate) pressed: Option<char>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Key(KeyEvent),
    Sound(Codec),
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            codecs: Vec::new(),
            events: None,
            srtp: None,
            ssrc: None,
            rival: None,
            codec: None,
            heard: None,
            buffer: JitterBuffer::new(),
            decodes: false,
            decoders: Decoders::default(),
            concealed: CONCEALED_MAX,
            keys: KeyReader::default(),
            reception: Reception::default(),
            lost_before: 0,
            length: Length::default(),
            report: None,
        }
    }

    /// Takes on what the peer says it sends.
    pub(crate) fn configure(&mut self, peer: &Peer) {
        self.codecs.clear();
        self.codecs.push((peer.payload, peer.codec));
        let others = peer.also_received.iter().take(CODECS_MAX - 1);
        self.codecs.extend(others);
        self.events = peer.events;
        let codecs = &self.codecs;
        let spoken = |codec: Codec| codecs.iter().any(|(_, known)| *known == codec);
        self.decoders.list.retain(|(codec, _)| spoken(*codec));
        self.codec = self.codec.filter(|codec| spoken(*codec));
        let keys = peer.srtp.as_ref().map(|SrtpPair { theirs, .. }| theirs);
        if self.srtp.as_ref().map(|(keys, _)| keys) != keys {
            self.srtp = keys.map(|keys| (keys.clone(), Srtp::new(keys)));
        }
    }

    /// The stream that is listened to.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// The codec that the peer speaks now.
    pub(crate) fn codec(&self) -> Option<Codec> {
        let first = || self.codecs.first().map(|(_, codec)| *codec);
        self.codec.or_else(first)
    }

    /// Milliseconds in a packet of the peer, once it has sent some.
    pub(crate) fn millis(&self) -> Option<u32> {
        self.length.millis
    }

    /// The tick of the last packet.
    pub(crate) fn heard(&self) -> Option<u64> {
        self.heard
    }

    /// Somebody listens, or nobody any more.
    pub(crate) fn listen(&mut self, on: bool) {
        if self.decodes != on {
            self.decodes = on;
            self.buffer.restart();
            self.decoders.ready.clear();
            self.concealed = CONCEALED_MAX;
        }
    }

    /// How much of its sound may wait.
    pub(crate) fn set_depth(&mut self, depth: Depth) {
        self.buffer.set_depth(depth);
    }

    /// Opens a protected packet; false if it is not authentic.
    pub(crate) fn unprotect(&mut self, packet: &mut Vec<u8>) -> bool {
        match &mut self.srtp {
            Some((_, srtp)) => srtp.unprotect(packet).is_ok(),
            None => true,
        }
    }

    /// Opens a protected report; false if it is not authentic.
    pub(crate) fn unprotect_report(&mut self, packet: &mut Vec<u8>) -> bool {
        match &mut self.srtp {
            Some((_, srtp)) => srtp.unprotect_rtcp(packet).is_ok(),
            None => true,
        }
    }

    /// Reads a packet that is known to be the peer's.
    pub(crate) fn accept(
        &mut self,
        header: Header,
        payload: Range<usize>,
        packet: &[u8],
        desk: &mut Desk,
    ) -> Option<Arrival> {
        let body = packet.get(payload.clone())?;
        let Some(what) = self.read(header.payload_type, body) else {
            self.pass_over(&header, desk);
            return None;
        };
        if !self.is_listened_to(&header, desk.tick) {
            return None;
        }
        self.heard = Some(desk.tick);
        let (kind, millis) = match what {
            What::Key(event) => {
                // All packets of a key have the timestamp of its beginning.
                let timestamp = header.timestamp.wrapping_add(u32::from(event.duration));
                self.count(&header, timestamp, desk);
                (Kind::Other, 0)
            }
            What::Sound(codec) => {
                self.codec = Some(codec);
                self.count(&header, header.timestamp, desk);
                let millis = codec.millis(body);
                self.length.see(millis);
                (Kind::Sound(codec), millis)
            }
        };
        if self.decodes && self.buffer.push(header.sequence, kind, millis, body) == Pushed::Late {
            desk.tally.lost += 1;
        }
        let pressed = match what {
            What::Key(event) => self
                .keys
                .read(header.timestamp, header.marker, event, desk.tick),
            What::Sound(_) => None,
        };
        Some(Arrival {
            header,
            what,
            payload,
            pressed,
        })
    }

    /// Counts a packet of the stream that is listened to, whatever becomes of it (RFC 3550 §A.1).
    pub(crate) fn count(&mut self, header: &Header, timestamp: u32, desk: &Desk) {
        if self.ssrc != Some(header.ssrc) {
            return;
        }
        let clock = self.codec().map_or(8000, Codec::clock_rate);
        let since = desk.now.saturating_duration_since(desk.epoch);
        let arrival = since.as_micros() * u128::from(clock) / 1_000_000;
        self.reception
            .count(header.sequence, timestamp, arrival as u32);
    }

    /// What a packet is, if it is something that we know.
    fn read(&self, payload_type: u8, body: &[u8]) -> Option<What> {
        if self.events == Some(payload_type) {
            return KeyEvent::parse(body).map(What::Key);
        }
        let mut codecs = self.codecs.iter();
        let known = codecs.find(|(known, _)| *known == payload_type);
        known.map(|(_, codec)| What::Sound(*codec))
    }

    /// A packet of which nothing is heard, such as comfort noise: it is not lost, and takes its
    /// place in the stream.
    fn pass_over(&mut self, header: &Header, desk: &Desk) {
        if self.ssrc == Some(header.ssrc) {
            self.heard = Some(desk.tick);
            self.count(header, header.timestamp, desk);
            if self.decodes {
                self.buffer.push(header.sequence, Kind::Other, 0, &[]);
            }
        }
    }

    /// The next frame at `rate`, or silence; whether anything is heard in it.
    pub(crate) fn frame(&mut self, rate: u32, out: &mut Vec<i16>) -> bool {
        out.clear();
        let wanted = samples(rate);
        self.buffer.tick();
        let codec = self.codec();
        while self.decoders.ready.len() < wanted {
            match (self.buffer.pull(), codec) {
                (Pulled::Sound(codec, payload), _) => {
                    self.decoders.append(codec, Piece::Heard(payload), rate);
                    self.concealed = 0;
                }
                (Pulled::Lost, Some(codec)) => {
                    let millis = self.length.millis.unwrap_or(FRAME_MILLIS);
                    let piece = match self.buffer.peek() {
                        Some((next, payload)) if next == codec => Piece::Before(payload, millis),
                        _ => Piece::Lost(millis),
                    };
                    self.decoders.append(codec, piece, rate);
                }
                (Pulled::Dry, Some(codec)) if self.concealed < CONCEALED_MAX => {
                    self.concealed += 1;
                    self.decoders.append(codec, Piece::Lost(FRAME_MILLIS), rate);
                    break;
                }
                (Pulled::Dry, _) => break,
                (Pulled::Lost | Pulled::Other, _) => {}
            }
        }
        let ready = &mut self.decoders.ready;
        let heard = !ready.is_empty();
        out.extend(ready.drain(..wanted.min(ready.len())));
        out.resize(wanted, 0);
        heard
    }

    /// Losses since this was last asked.
    pub(crate) fn losses(&mut self) -> u64 {
        u64::from(self.reception.losses())
    }

    /// The jitter of what came last and the losses of all that came, if anything did.
    pub(crate) fn quality(&self) -> Option<(Duration, u32)> {
        let clock = self.codec().map_or(8000, Codec::clock_rate);
        let micros = self.reception.jitter_micros(clock)?;
        let lost = self.lost_before.saturating_add(self.reception.lost());
        Some((Duration::from_micros(micros), lost))
    }

    /// A sender report came.
    pub(crate) fn reported(&mut self, ssrc: u32, middle: u32, now: Instant) {
        if self.ssrc == Some(ssrc) {
            self.report = Some((middle, now));
        }
    }

    /// What our next report says of the last of theirs.
    pub(crate) fn last_report(&self, now: Instant) -> Option<Heard> {
        self.report.map(|(report, then)| Heard {
            report,
            ago: now.saturating_duration_since(then),
        })
    }

    /// Whether a packet is of the stream that is listened to. Another one takes its place with its
    /// second packet, or at once if there is nothing else.
    fn is_listened_to(&mut self, header: &Header, now: u64) -> bool {
        if self.ssrc == Some(header.ssrc) {
            self.rival = None;
            return true;
        }
        let idle = self
            .heard
            .is_none_or(|heard| now.saturating_sub(heard) > RIVAL_WAITS);
        let follows = self.rival.is_some_and(|(ssrc, sequence)| {
            ssrc == header.ssrc && header.sequence.wrapping_sub(sequence) < 100
        });
        if self.ssrc.is_some() && !idle && !follows {
            self.rival = Some((header.ssrc, header.sequence));
            return false;
        }
        if self.ssrc.is_some() {
            self.buffer.restart();
            self.keys.restart();
        }
        self.lost_before = self.lost_before.saturating_add(self.reception.lost());
        self.reception.restart();
        self.length = Length::default();
        self.report = None;
        self.ssrc = Some(header.ssrc);
        self.rival = None;
        true
    }
}

/// Packets become samples at the rate of the session.
#[derive(Default)]
struct Decoders {
    list: Vec<(Codec, Decoder)>,
    between: Between,
    own: Vec<i16>,
    ready: Vec<i16>,
}

/// What is heard next.
enum Piece<'a> {
    /// A packet.
    Heard(&'a [u8]),
    /// The packet before this one, which is missing, and its milliseconds.
    Before(&'a [u8], u32),
    /// So many milliseconds of which nothing is known.
    Lost(u32),
}

impl Decoders {
    fn append(&mut self, codec: Codec, piece: Piece<'_>, rate: u32) {
        if !self.list.iter().any(|(known, _)| *known == codec) {
            self.list.push((codec, Decoder::new(codec)));
        }
        let decoder = self.list.iter_mut().find(|(known, _)| *known == codec);
        let Some((_, decoder)) = decoder else {
            return;
        };
        let from = codec.sample_rate();
        self.own.clear();
        let out = if from == rate {
            &mut self.ready
        } else {
            &mut self.own
        };
        match piece {
            Piece::Heard(payload) => decoder.decode(payload, out),
            Piece::Before(next, millis) => decoder.recover(next, millis, out),
            Piece::Lost(millis) => decoder.conceal(millis, out),
        }
        if from == rate {
            return;
        }
        self.between.process(&self.own, from, rate, &mut self.ready);
    }
}

/// How much sound a stream has in its packets: what several in a row say, since the last one before
/// a pause may be shorter.
#[derive(Debug, Default)]
struct Length {
    millis: Option<u32>,
    /// Another length, and how many packets in a row had it.
    other: (u32, u32),
}

impl Length {
    fn see(&mut self, millis: u32) {
        if self.millis.is_none_or(|known| known == millis) {
            self.millis = Some(millis);
            self.other = (0, 0);
            return;
        }
        let (other, count) = self.other;
        let count = if other == millis { count + 1 } else { 1 };
        self.other = (millis, count);
        if count >= LENGTHS {
            self.millis = Some(millis);
        }
    }
}

/// Packets in a row after which a stream has another length.
const LENGTHS: u32 = 3;

/// Payload types that a peer may use; more are not read.
const CODECS_MAX: usize = 8;

/// Frames that stand in for missing ones before there is silence.
const CONCEALED_MAX: u32 = 3;

/// Ticks without a packet after which another stream is taken at once.
const RIVAL_WAITS: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_packets_is_what_several_say() {
        let mut length = Length::default();
        let mut see = |millis: &[u32]| {
            for millis in millis {
                length.see(*millis);
            }
            length.millis
        };
        assert_eq!(see(&[]), None);
        assert_eq!(see(&[30]), Some(30));
        assert_eq!(see(&[30, 7, 30, 20, 20, 30]), Some(30));
        assert_eq!(see(&[20, 20, 20]), Some(20));
        assert_eq!(see(&[30, 40, 30, 40, 30, 40]), Some(20));
    }
}
