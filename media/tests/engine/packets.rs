//! How much sound is in a packet, and what shares a port with it.

use std::time::Duration;

use media::codec::{Codec, Encoder};
use media::{Config, Engine, Packing, PlayId, Session};

use crate::support::*;

/// Lets a session know a phone that wants packets of such a length.
fn wants(session: &Session, phone: &Phone, millis: u32) {
    let mut peer = phone.peer();
    peer.packing = Packing {
        wanted: Some(millis),
        most: None,
    };
    session.connect(peer);
}

#[test]
fn packets_are_as_long_as_the_peer_wants() {
    punctually(|| {
        let engine = engine();
        for (codec, millis) in [
            (Codec::Pcmu, 10),
            (Codec::G722, 30),
            (Codec::Pcma, 40),
            (Codec::Pcmu, 60),
        ] {
            let (session, events) = open(&engine, 1);
            let mut phone = Phone::new(&session, codec);
            session.play(PlayId(1), vec![sound(500.0, 1190)], 1);
            wants(&session, &phone, millis);
            events.next();
            let packets = 1190_usize.div_ceil(millis as usize);
            phone.until(packets);
            phone.listen();
            assert!(
                phone
                    .packets
                    .iter()
                    .all(|it| it.payload.len() == millis as usize * 8),
                "{codec:?} {millis}"
            );
            // The last is filled up with silence, and nothing follows it.
            assert!(phone.packets.len() <= packets + 4);
            for pair in phone.packets[1..].windows(2) {
                let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
                assert_eq!(step % (millis * 8), 0, "{codec:?} {millis}");
            }
            phone.check_stream();
            let found = purity(&phone.heard(), 500.0, codec.sample_rate());
            assert!(found > 0.95, "{codec:?} {millis}: {found}");
        }
    });
}

/// A phone sends packets of `millis` for a second.
fn send(phone: &mut Phone, millis: usize) {
    let frames = 1000 / millis;
    let start = std::time::Instant::now();
    for number in 0..frames {
        let samples: Vec<i16> = (0..millis * 8)
            .map(|at| {
                let time = (number * millis * 8 + at) as f64 / 8000.0;
                ((time * 500.0 * std::f64::consts::TAU).sin() * 6000.0) as i16
            })
            .collect();
        let mut payload = Vec::new();
        Encoder::new(phone.codec).encode(&samples, &mut payload);
        phone.send(phone.codec.static_payload().unwrap(), false, &payload);
        phone.timestamp = phone.timestamp.wrapping_add(millis as u32 * 8);
        let next = start + Duration::from_millis((millis * (number + 1)) as u64);
        std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
        phone.listen();
    }
}

#[test]
fn packets_are_handed_on_only_where_their_length_fits() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::new(&two, Codec::Pcmu);
        wants(&two, &right, 40);
        one.bridge(&two);
        right.until(3);
        right.forget();
        // Frames of 20 ms are put together.
        send(&mut left, 20);
        right.listen();
        right.check_stream();
        assert!(right.packets.len() > 20);
        let long = |packet: &Packet| packet.payload.len() == 320;
        assert!(right.packets.iter().all(long));
        let found = purity(&right.heard(), 500.0, 8000);
        assert!(found > 0.95, "{found}");
        assert_eq!(engine.counters().packets_relayed, 0);
        // What has the length already goes on as it is.
        send(&mut left, 40);
        right.listen();
        assert!(right.packets.iter().all(long));
        assert!(engine.counters().packets_relayed > 15);
        right.check_stream();
        // Who wants nothing is given what comes.
        let before = engine.counters().packets_relayed;
        send(&mut right, 10);
        eventually("all are handed on", || {
            engine.counters().packets_relayed == before + 100
        });
    });
}

#[test]
fn reports_share_the_port() {
    punctually(|| {
        let config = Config {
            reports: Duration::from_millis(200),
            ..Config::default()
        };
        let engine = Engine::start(config).unwrap();
        let (session, _events) = open(&engine, 1);
        let phone = Phone::new(&session, Codec::Pcmu);
        let mut peer = phone.peer();
        peer.rtcp_mux = true;
        session.connect(peer);
        session.play(PlayId(1), vec![sound(500.0, 60_000)], 1);
        phone.socket.set_nonblocking(false).unwrap();
        let wait = Some(Duration::from_secs(10));
        phone.socket.set_read_timeout(wait).unwrap();
        let report = || {
            let mut buffer = [0; 500];
            loop {
                let (length, from) = phone.socket.recv_from(&mut buffer).unwrap();
                assert_eq!(from, phone.target, "all from the port of RTP");
                if buffer[1] == 200 {
                    return buffer[..length].to_vec();
                }
            }
        };
        assert_eq!(report()[0], 0x80, "nothing was heard of yet");
        // Sound of the phone, and a report of its own on the same port.
        let voice = phone.packet(0, false, &[0xff; 160]);
        phone.socket.send_to(&voice, phone.target).unwrap();
        let mut own = vec![0x80, 200, 0, 6];
        own.extend(phone.ssrc.to_be_bytes());
        own.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        own.extend([0; 12]);
        phone.socket.send_to(&own, phone.target).unwrap();
        let answer = loop {
            let next = report();
            if next[0] == 0x81 && next[44..48] != [0; 4] {
                break next;
            }
        };
        assert_eq!(answer[28..32], phone.ssrc.to_be_bytes());
        assert_eq!(answer[44..48], [3, 4, 5, 6], "the middle of its time");
        assert_eq!(engine.counters().packets_received, 1);
        assert_eq!(engine.counters().packets_refused, 0);
    });
}
