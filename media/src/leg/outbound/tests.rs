//! One stream of packets, whoever's they are.

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

/// A frame that is a packet.
fn say(outbound: &mut Outbound, out: &mut Vec<u8>) {
    outbound.sound(&[0; 160]);
    assert!(outbound.packet(out));
    let packet = out.clone();
    assert!(!outbound.packet(out));
    assert_eq!(*out, packet);
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
        say(&mut outbound, &mut out);
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
    say(&mut outbound, &mut out);
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
    say(&mut outbound, &mut out);
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
    say(&mut outbound, &mut out);
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

#[test]
fn packets_of_the_length_that_is_wanted() {
    for (millis, packets) in [(10, 8), (20, 4), (30, 2), (40, 2), (60, 1)] {
        let mut outbound = outbound();
        let mut peer = Peer::new("192.0.2.1:4000".parse().unwrap(), Codec::Pcma);
        peer.packing.wanted = Some(millis);
        outbound.configure(&peer);
        let (mut out, mut all) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            outbound.pass(1);
            outbound.sound(&[0; 160]);
            while outbound.packet(&mut out) {
                assert_eq!(out.len(), HEADER + millis as usize * 8);
                all.push(read(&out));
            }
        }
        assert_eq!(all.len(), packets, "{millis}");
        for pair in all.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(
                pair[1].timestamp,
                pair[0].timestamp.wrapping_add(millis * 8)
            );
            assert!(!pair[1].marker);
        }
        assert!(outbound.takes(Codec::Pcma, Some(millis)));
        assert!(!outbound.takes(Codec::Pcma, Some(millis + 10)));
        assert!(!outbound.takes(Codec::Pcmu, Some(millis)));
    }
}

#[test]
fn what_was_sent_once_is_not_sent_again_under_srtp() {
    use crate::srtp::Suite;

    let mut outbound = outbound();
    let mut peer = Peer::new("192.0.2.1:4000".parse().unwrap(), Codec::Pcma);
    let keys = SrtpKeys::new(Suite::AesCm128HmacSha1_80, [3; 30]);
    peer.srtp = Some(SrtpPair {
        ours: keys.clone(),
        theirs: keys,
    });
    outbound.configure(&peer);
    let mut out = Vec::new();
    assert!(outbound.relay(&foreign(5, 160, 5), false, b"voice", 1, &mut out));
    assert!(!outbound.relay(&foreign(5, 160, 5), false, b"voice", 1, &mut out));
    assert!(out.is_empty());
    let sent = outbound.sent(Duration::ZERO).unwrap();
    assert_eq!((sent.packets, sent.octets), (1, 5));
}
