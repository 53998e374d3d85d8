//! The stream to the peer: sound of our own, keys, and packets of a partner, under one source and
//! one row of sequence numbers.

use std::time::Duration;

use crate::codec::{Codec, Encoder};
use crate::keys::KeyEvent;
use crate::rtcp::Sent;
use crate::rtp::{HEADER, Header, before};
use crate::srtp::{Srtp, SrtpKeys};
use crate::{Packing, Peer, SrtpPair};

use super::packer::Packer;

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
    packing: Packing,
    packer: Packer,
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
            packing: Packing::default(),
            packer: Packer::new(Codec::Pcmu, Packing::default()),
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
        if self.codec != peer.codec || self.packing != peer.packing {
            self.packing = peer.packing;
            self.packer = Packer::new(peer.codec, peer.packing);
        }
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
        self.packer.pass(ticks);
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

    /// Takes a frame of sound, which goes into packets.
    pub(crate) fn sound(&mut self, frame: &[i16]) {
        let timestamp = self.own_timestamp();
        self.packer.add(frame, timestamp);
    }

    /// The next packet with sound that is full; whether there is one.
    pub(crate) fn packet(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(timestamp) = self.packer.ready() else {
            return false;
        };
        let marker = std::mem::take(&mut self.marker);
        self.own(marker, self.payload, timestamp, out);
        self.encoder.encode(self.packer.take(), out);
        self.finish(timestamp, out);
        true
    }

    /// Whether a packet has begun that is not full.
    pub(crate) fn is_partial(&self) -> bool {
        self.packer.is_partial()
    }

    /// Whether packets of a partner, with so much sound in each, may be handed on as they are.
    pub(crate) fn takes(&self, codec: Codec, millis: Option<u32>) -> bool {
        // Of a partner who has said nothing it is not known; its first packet tells.
        let fits = |millis| self.packing.takes(codec, millis);
        self.codec == codec && millis.is_none_or(fits)
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
mod tests;
