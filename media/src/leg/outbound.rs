//! The stream to the peer: sound of our own, keys, and packets of a partner, under one source and
//! one row of sequence numbers.

use std::time::Duration;

use crate::codec::{Codec, Encoder};
use crate::keys::KeyEvent;
use crate::rtcp::Sent;
use crate::rtp::{HEADER, Header, before};
use crate::srtp::{Srtp, SrtpKeys};
use crate::{Peer, SrtpPair};

/// One stream of RTP packets.
pub(crate) struct Outbound {
    pub(crate) ssrc: u32,
    sequence: u16,
    /// The timestamp of this tick; it goes on while nothing is sent.
    timestamp: u32,
    /// The highest timestamp that was sent.
    newest: Option<u32>,
    /// The next packet is the first after a pause.
    marker: bool,
    codec: Codec,
    payload: u8,
    pub(crate) events: Option<u8>,
    encoder: Encoder,
    srtp: Option<(SrtpKeys, Srtp)>,
    relay: Option<Relay>,
    /// The last tick in which a packet was handed on.
    relayed: Option<u64>,
    key: Option<Key>,
    packets: u32,
    octets: u32,
}

/// How the numbers of a partner's stream become ours.
#[derive(Clone, Copy, Debug)]
struct Relay {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// What comes before this number was ours.
    first: u16,
}

/// A key on its way to the peer.
#[derive(Clone, Copy, Debug)]
struct Key {
    /// The timestamp that a partner gave it, if it is a partner's.
    theirs: Option<u32>,
    ours: u32,
    /// Sound waits until this tick.
    until: u64,
}

impl Outbound {
    /// A stream with random beginnings.
    pub(crate) fn new(random: u128) -> Self {
        Self {
            ssrc: random as u32,
            sequence: (random >> 32) as u16 & 0x7fff,
            timestamp: (random >> 48) as u32,
            newest: None,
            marker: true,
            codec: Codec::Pcmu,
            payload: 0,
            events: None,
            encoder: Encoder::new(Codec::Pcmu),
            srtp: None,
            relay: None,
            relayed: None,
            key: None,
            packets: 0,
            octets: 0,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes on what the peer wants.
    pub(crate) fn configure(&mut self, peer: &Peer) {
        if self.codec != peer.codec {
            if self.codec.clock_rate() != peer.codec.clock_rate() && self.packets > 0 {
                // RFC 7160 §4.1: timestamps of one source have one clock.
                self.ssrc = self.ssrc.wrapping_mul(0x9e37_79b1).wrapping_add(1);
                self.newest = None;
                self.key = None;
                self.packets = 0;
                self.octets = 0;
            }
            self.codec = peer.codec;
            self.encoder = Encoder::new(peer.codec);
            self.marker = true;
        }
        self.relay = None;
        self.payload = peer.payload;
        self.events = peer.events;
        let keys = peer.srtp.as_ref().map(|SrtpPair { ours, .. }| ours);
        if self.srtp.as_ref().map(|(keys, _)| keys) != keys {
            self.srtp = keys.map(|keys| (keys.clone(), Srtp::new(keys)));
        }
    }

    /// Time passes, by so many ticks.
    pub(crate) fn pass(&mut self, ticks: u64) {
        let passed = (ticks as u32).wrapping_mul(self.step());
        self.timestamp = self.timestamp.wrapping_add(passed);
    }

    /// Nothing is sent in this tick.
    pub(crate) fn pause(&mut self) {
        self.marker = true;
    }

    /// Whether a packet was handed on lately, so that silence of our own has no place.
    pub(crate) fn is_relaying(&self, now: u64) -> bool {
        self.relayed
            .is_some_and(|last| now.saturating_sub(last) <= RELAY_PAUSE)
    }

    /// Whether a partner's key is being sent.
    pub(crate) fn is_keying(&self, now: u64) -> bool {
        self.key.is_some_and(|key| now < key.until)
    }

    /// A packet with a frame of sound.
    pub(crate) fn sound(&mut self, frame: &[i16], out: &mut Vec<u8>) {
        let timestamp = self.own_timestamp();
        let marker = std::mem::replace(&mut self.marker, false);
        self.own(marker, self.payload, timestamp, out);
        self.encoder.encode(frame, out);
        self.finish(timestamp, out);
    }

    /// A packet of a key of ours that has been pressed for so many ticks; nothing for a peer that
    /// does not know them.
    pub(crate) fn key(&mut self, event: u8, ticks: u16, first: bool, end: bool, out: &mut Vec<u8>) {
        let Some(payload) = self.events else {
            return out.clear();
        };
        let start = match self.key {
            Some(key) if !first => key.ours,
            _ => self.own_timestamp(),
        };
        self.key = Some(Key {
            theirs: None,
            ours: start,
            until: 0,
        });
        let duration = u32::from(ticks) * self.step();
        let event = KeyEvent {
            event,
            end,
            volume: KEY_VOLUME,
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
        };
        self.own(first, payload, start, out);
        out.extend_from_slice(&event.to_bytes());
        self.finish(start, out);
    }

    /// A packet of a partner's key, whose sound is decoded and encoded again.
    pub(crate) fn foreign_key(
        &mut self,
        header: &Header,
        clock: u32,
        event: KeyEvent,
        now: u64,
        out: &mut Vec<u8>,
    ) {
        let Some(payload) = self.events else {
            return out.clear();
        };
        let known = self.key.filter(|key| key.theirs == Some(header.timestamp));
        let start = known.map_or_else(|| self.own_timestamp(), |key| key.ours);
        self.key = Some(Key {
            theirs: Some(header.timestamp),
            ours: start,
            until: now + if event.end { END_PAUSE } else { KEY_PAUSE },
        });
        let duration = u64::from(event.duration) * u64::from(self.codec.clock_rate())
            / u64::from(clock.max(1));
        let event = KeyEvent {
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
            ..event
        };
        self.own(known.is_none(), payload, start, out);
        out.extend_from_slice(&event.to_bytes());
        self.finish(start, out);
    }

    /// A partner's packet under our numbers. Losses and order stay as they are, for the peer to see.
    /// False if it has no place.
    pub(crate) fn relay(
        &mut self,
        header: &Header,
        key: bool,
        payload: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> bool {
        let payload_type = if key {
            let Some(events) = self.events else {
                return false;
            };
            events
        } else {
            self.payload
        };
        let known = self.relay.filter(|relay| self.goes_on(relay, header));
        let mut relay = known.unwrap_or_else(|| Relay {
            ssrc: header.ssrc,
            sequence: self.sequence.wrapping_sub(header.sequence),
            timestamp: self.own_timestamp().wrapping_sub(header.timestamp),
            first: self.sequence,
        });
        let sequence = header.sequence.wrapping_add(relay.sequence);
        let timestamp = header.timestamp.wrapping_add(relay.timestamp);
        if before(sequence, relay.first) {
            return false;
        }
        if sequence.wrapping_sub(relay.first) > FIRST_KEPT {
            relay.first = sequence.wrapping_sub(FIRST_KEPT / 2);
        }
        if !before(sequence, self.sequence) {
            self.sequence = sequence.wrapping_add(1);
        }
        self.relay = Some(relay);
        self.relayed = Some(now);
        let own = Header {
            marker: header.marker || known.is_none() && !key,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.marker = false;
        own.write(out);
        out.extend_from_slice(payload);
        self.finish(timestamp, out);
        !out.is_empty()
    }

    /// What a sender report tells, if anything was sent.
    pub(crate) fn sent(&self, now: Duration) -> Option<Sent> {
        (self.packets > 0).then_some(Sent {
            now,
            timestamp: self.timestamp,
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// Protects an RTCP packet, if the peer wants that.
    pub(crate) fn protect_report(&mut self, packet: &mut Vec<u8>) {
        if let Some((_, srtp)) = &mut self.srtp
            && srtp.protect_rtcp(packet).is_err()
        {
            packet.clear();
        }
    }

    /// Whether the numbers of a partner's stream still go on from where they were.
    fn goes_on(&self, relay: &Relay, header: &Header) -> bool {
        let sequence = header.sequence.wrapping_add(relay.sequence);
        let timestamp = header.timestamp.wrapping_add(relay.timestamp);
        let step = sequence.wrapping_sub(self.sequence) as i16;
        let jump = timestamp.wrapping_sub(self.timestamp) as i32;
        relay.ssrc == header.ssrc
            && step.unsigned_abs() < SEQUENCE_JUMP
            && jump.unsigned_abs() < self.codec.clock_rate() * JUMP_SECONDS
    }

    /// Begins a packet of our own; a relay begins anew after it.
    fn own(&mut self, marker: bool, payload_type: u8, timestamp: u32, out: &mut Vec<u8>) {
        self.relay = None;
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        header.write(out);
    }

    fn finish(&mut self, timestamp: u32, out: &mut Vec<u8>) {
        // What is protected is longer, and what was sent already is not sent again: neither counts.
        let octets = out.len().saturating_sub(HEADER) as u32;
        if let Some((_, srtp)) = &mut self.srtp
            && srtp.protect(out).is_err()
        {
            return out.clear();
        }
        let newer = |newest: u32| timestamp.wrapping_sub(newest) as i32 > 0;
        if self.newest.is_none_or(newer) {
            self.newest = Some(timestamp);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets);
    }

    /// The timestamp of what we say now: that of the tick, unless a partner with a faster clock has
    /// been there already.
    fn own_timestamp(&self) -> u32 {
        match self.newest {
            Some(newest) if self.timestamp.wrapping_sub(newest) as i32 <= 0 => {
                newest.wrapping_add(self.step())
            }
            _ => self.timestamp,
        }
    }

    fn step(&self) -> u32 {
        self.codec.clock_rate() / 50
    }
}

/// Ticks without a partner's packet after which silence is sent.
const RELAY_PAUSE: u64 = 5;

/// Ticks that sound waits for the next packet of a partner's key.
const KEY_PAUSE: u64 = 5;

/// Ticks that sound waits for the packet of an end to be repeated.
const END_PAUSE: u64 = 2;

/// How loud a key of ours is, in negative dBm0.
const KEY_VOLUME: u8 = 10;

/// Numbers for which it is remembered where a relay began.
const FIRST_KEPT: u16 = 10_000;

/// A step that is no loss, but another stream: 20 s of packets.
const SEQUENCE_JUMP: u16 = 1000;

/// The same for timestamps.
const JUMP_SECONDS: u32 = 20;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn outbound() -> Outbound {
        let mut outbound = Outbound::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let address: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let mut peer = Peer::new(address, Codec::Pcma);
        peer.events = Some(101);
        outbound.configure(&peer);
        outbound
    }

    fn foreign(sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc,
        }
    }

    fn read(packet: &[u8]) -> Header {
        Header::parse(packet).unwrap().0
    }

    #[test]
    fn own_and_relayed_packets_are_one_stream() {
        let mut outbound = outbound();
        let mut out = Vec::new();
        let mut all = Vec::new();
        for tick in 0..3 {
            outbound.pass(1);
            outbound.sound(&[0; 160], &mut out);
            all.push(read(&out));
            assert_eq!(all[tick].marker, tick == 0);
        }
        for number in 0..3_u16 {
            outbound.pass(1);
            let header = foreign(700 + number, 90_000 + u32::from(number) * 160, 5);
            assert!(outbound.relay(&header, false, b"voice", 10, &mut out));
            assert!(out.ends_with(b"voice"));
            all.push(read(&out));
            assert_eq!(read(&out).marker, number == 0);
        }
        // Another stream of the partner, then our own again.
        outbound.pass(1);
        assert!(outbound.relay(&foreign(9, 9, 6), false, b"", 11, &mut out));
        all.push(read(&out));
        outbound.pass(1);
        outbound.sound(&[0; 160], &mut out);
        all.push(read(&out));
        for pair in all.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
            assert_eq!(pair[1].ssrc, pair[0].ssrc);
            assert_eq!(pair[1].payload_type, 8);
        }
    }

    #[test]
    fn losses_and_order_of_a_relay_stay() {
        let mut outbound = outbound();
        let mut out = Vec::new();
        let mut sequences = Vec::new();
        for sequence in [65_534, 65_535, 1, 0, 3] {
            assert!(outbound.relay(&foreign(sequence, 0, 5), false, b"", 1, &mut out));
            sequences.push(read(&out).sequence);
        }
        let first = sequences[0];
        let steps: Vec<u16> = sequences.iter().map(|it| it.wrapping_sub(first)).collect();
        assert_eq!(steps, [0, 1, 3, 2, 5]);
        // One that belongs before the beginning has no number left.
        assert!(!outbound.relay(&foreign(65_500, 0, 5), false, b"", 1, &mut out));
        outbound.sound(&[0; 160], &mut out);
        assert_eq!(read(&out).sequence.wrapping_sub(first), 6);
        // A long call does not forget where it is.
        for number in 0..50_000_u32 {
            outbound.pass(1);
            let header = foreign(number as u16, number * 160, 5);
            assert!(outbound.relay(&header, false, b"", 1, &mut out), "{number}");
        }
    }

    #[test]
    fn a_faster_partner_does_not_turn_time_back() {
        let mut outbound = outbound();
        let mut out = Vec::new();
        outbound.relay(&foreign(1, 1000, 5), false, b"", 1, &mut out);
        outbound.relay(&foreign(2, 1160, 5), false, b"", 1, &mut out);
        outbound.relay(&foreign(3, 1320, 5), false, b"", 1, &mut out);
        let last = read(&out).timestamp;
        outbound.pass(1);
        outbound.sound(&[0; 160], &mut out);
        assert_eq!(read(&out).timestamp, last.wrapping_add(160));
    }

    #[test]
    fn keys() {
        let mut outbound = outbound();
        let mut out = Vec::new();
        let mut all = Vec::new();
        for tick in 1..=7_u16 {
            outbound.pass(1);
            outbound.key(11, tick.min(5), tick == 1, tick >= 5, &mut out);
            let (header, payload) = Header::parse(&out).unwrap();
            all.push((header, KeyEvent::parse(&out[payload]).unwrap()));
        }
        let (first, _) = all[0];
        for (at, (header, event)) in all.iter().enumerate() {
            assert_eq!(header.timestamp, first.timestamp);
            assert_eq!(header.sequence, first.sequence.wrapping_add(at as u16));
            assert_eq!(header.marker, at == 0);
            assert_eq!(header.payload_type, 101);
            assert_eq!((event.event, event.end), (11, at >= 4));
            assert_eq!(event.duration, 160 * (at as u16 + 1).min(5));
        }
        outbound.pass(1);
        outbound.key(1, 1, true, false, &mut out);
        assert_ne!(read(&out).timestamp, first.timestamp);
        outbound.events = None;
        outbound.key(1, 1, true, false, &mut out);
        assert!(out.is_empty());
        assert!(!outbound.relay(&foreign(1, 1, 1), true, b"1234", 1, &mut out));
    }

    #[test]
    fn a_partner_s_key_by_another_clock() {
        let mut outbound = outbound();
        let mut out = Vec::new();
        let event = KeyEvent {
            event: 3,
            end: false,
            volume: 8,
            duration: 960,
        };
        outbound.foreign_key(&foreign(1, 500, 9), 48_000, event, 20, &mut out);
        let start = read(&out);
        assert!(start.marker && outbound.is_keying(21));
        assert_eq!(KeyEvent::parse(&out[12..]).unwrap().duration, 160);
        outbound.pass(2);
        let end = KeyEvent { end: true, ..event };
        outbound.foreign_key(&foreign(3, 500, 9), 48_000, end, 22, &mut out);
        let last = read(&out);
        assert_eq!(last.timestamp, start.timestamp);
        assert_eq!(last.sequence, start.sequence.wrapping_add(1));
        assert!(!last.marker && outbound.is_keying(23) && !outbound.is_keying(24));
    }
}
