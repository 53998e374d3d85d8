//! What networks do to packets, and who may send them.

use std::net::UdpSocket;
use std::time::Duration;

use media::codec::Codec;
use media::{Config, Engine, Event, PlayId, RecordId, RecordSpec, Session, SrtpPair};

use crate::support::*;

fn record(session: &Session, folder: &Folder) {
    session.record(RecordId(1), RecordSpec::new(folder.file("a.wav")));
}

fn recorded(session: &Session, events: &Events) -> Vec<i16> {
    session.stop_record(RecordId(1));
    loop {
        if let Event::Recorded(_, end) = events.next() {
            return wav(&end.file).remove(0);
        }
    }
}

#[test]
fn a_peer_behind_nat_is_found_and_kept() {
    punctually(|| {
        let folder = Folder::new("nat");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcmu);
        let mut stranger = Phone::new(&session, Codec::Pcmu);
        // The description names a port at which nobody is.
        let nobody = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        let mut peer = phone.peer();
        peer.address = Some(nobody.local_addr().unwrap());
        session.connect(peer);
        session.play(PlayId(1), vec![sound(800.0, 60_000)], 1);
        record(&session, &folder);
        talk(&mut [&mut phone], 10, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        phone.forget();
        // Somebody else sends as much as it can.
        talk(&mut [&mut phone, &mut stranger], 80, |number, tick| {
            Some(tone([500.0, 1300.0][number], tick, Codec::Pcmu))
        });
        assert!(phone.packets.len() > 70);
        assert_eq!(stranger.packets, []);
        let samples = recorded(&session, &events);
        assert!(purity(&samples, 500.0, 8000) > 0.95);
        assert!(purity(&samples, 1300.0, 8000) < 0.01);
        assert!(engine.counters().packets_refused >= 80);
        // The phone gets another port from its NAT, and is found again.
        let mut moved = Phone::new(&session, Codec::Pcmu);
        moved.ssrc = phone.ssrc;
        moved.sequence = phone.sequence;
        talk(&mut [&mut moved], 130, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        assert!(
            (10..60).contains(&moved.packets.len()),
            "{}",
            moved.packets.len()
        );
    });
}

#[test]
fn lost_double_and_disordered_packets() {
    punctually(|| {
        let folder = Folder::new("loss");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        record(&session, &folder);
        let mut late: Option<Vec<u8>> = None;
        let start = std::time::Instant::now();
        for tick in 0..150_usize {
            let mut payload = Vec::new();
            let frame = tone(500.0, tick, Codec::Pcmu);
            media::codec::Encoder::new(Codec::Pcmu).encode(&frame, &mut payload);
            match tick % 10 {
                3 if tick % 50 == 3 => phone.sequence = phone.sequence.wrapping_add(1),
                5 => {
                    late = Some(phone.packet(0, false, &payload));
                    phone.sequence = phone.sequence.wrapping_add(1);
                }
                8 => {
                    let packet = phone.packet(0, false, &payload);
                    phone.socket.send_to(&packet, phone.target).unwrap();
                    phone.send(0, false, &payload);
                }
                _ => phone.send(0, false, &payload),
            }
            if tick % 10 == 6
                && let Some(packet) = late.take()
            {
                phone.socket.send_to(&packet, phone.target).unwrap();
            }
            phone.wait();
            let next = start + Duration::from_millis(20) * (tick as u32 + 1);
            std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
        }
        let samples = recorded(&session, &events);
        let frames = samples.chunks(160).filter(|frame| frame.len() == 160);
        let good = frames
            .filter(|frame| share(frame, 500.0, 8000) > 0.8)
            .count();
        // Three are lost, for which something stands in; what waits in the buffer is not heard.
        assert!((138..=150).contains(&good), "{good}");
    });
}

#[test]
fn packets_of_other_lengths() {
    punctually(|| {
        let folder = Folder::new("lengths");
        let engine = engine();
        for (length, count) in [(80, 200), (240, 66), (480, 33)] {
            let (session, events) = open(&engine, 1);
            let mut phone = Phone::connected(&session, Codec::Pcma);
            record(&session, &folder);
            let samples: Vec<i16> = (0..100)
                .flat_map(|tick| tone(500.0, tick, Codec::Pcma))
                .collect();
            let start = std::time::Instant::now();
            for (number, chunk) in samples.chunks(length).take(count).enumerate() {
                let mut payload = Vec::new();
                media::codec::Encoder::new(Codec::Pcma).encode(chunk, &mut payload);
                phone.send(8, false, &payload);
                phone.timestamp = phone.timestamp.wrapping_add(length as u32);
                let next = start + Duration::from_micros(125) * (length * (number + 1)) as u32;
                std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
            }
            let samples = recorded(&session, &events);
            let found = purity(&samples, 500.0, 8000);
            assert!(found > 0.9, "{length}: {found}");
        }
    });
}

#[test]
fn another_source_takes_over() {
    punctually(|| {
        let folder = Folder::new("source");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        record(&session, &folder);
        talk(&mut [&mut phone], 50, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        phone.ssrc ^= 0xffff;
        phone.sequence = 7;
        phone.timestamp = 12;
        talk(&mut [&mut phone], 50, |_, tick| {
            Some(tone(900.0, tick, Codec::Pcmu))
        });
        let samples = recorded(&session, &events);
        assert!(share(&samples[2000..6000], 500.0, 8000) > 0.9);
        assert!(share(&samples[10_000..14_000], 900.0, 8000) > 0.9);
    });
}

#[test]
fn what_is_no_rtp_is_refused() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let phone = Phone::connected(&session, Codec::Pcmu);
        let mut state = 1_u32;
        for length in 0..600 {
            let mut packet: Vec<u8> = (0..length % 80)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            // Half of them begin as RTP does.
            if let [first, second, ..] = &mut packet[..]
                && length % 2 == 0
            {
                *first = 0x80 | *first & 0x3f;
                *second = [0, EVENTS, 8, 0x80][length % 4];
            }
            phone.socket.send_to(&packet, phone.target).unwrap();
            let report = std::net::SocketAddr::new(LOCALHOST, phone.target.port() + 1);
            phone.socket.send_to(&packet, report).unwrap();
            if length % 50 == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // It still works.
        session.play(PlayId(1), vec![sound(500.0, 100)], 1);
        loop {
            if let Event::Done(..) = events.next() {
                break;
            }
        }
        assert!(engine.counters().packets_refused > 100);
    });
}

#[test]
fn reports_and_goodbye() {
    punctually(|| {
        let config = Config {
            reports: Duration::from_millis(400),
            ..Config::default()
        };
        let engine = Engine::start(config).unwrap();
        let (session, _events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcmu);
        let reports = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        reports
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut peer = phone.peer();
        peer.rtcp = Some(reports.local_addr().unwrap());
        session.connect(peer);
        session.play(PlayId(1), vec![sound(500.0, 5000)], 1);
        talk(&mut [&mut phone], 50, |_, tick| {
            // One in ten is not sent.
            (tick % 10 != 9).then(|| tone(500.0, tick, Codec::Pcmu))
        });
        phone.sequence = phone.sequence.wrapping_add(6);
        talk(&mut [&mut phone], 5, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        eventually("counted", || engine.counters().packets_lost == 6);
        let mut buffer = [0; 500];
        let length = reports.recv(&mut buffer).unwrap();
        let report = &buffer[..length];
        assert_eq!(
            (report[0], report[1]),
            (0x81, 200),
            "a sender report with a block"
        );
        phone.listen();
        assert_eq!(report[4..8], phone.packets[0].ssrc.to_be_bytes());
        assert_eq!(report[28..32], phone.ssrc.to_be_bytes());
        drop(session);
        loop {
            let length = reports.recv(&mut buffer).unwrap();
            let report = &buffer[..length];
            if report[length - 8..length - 4] == [0x81, 203, 0, 1] {
                return;
            }
        }
    });
}

#[test]
fn comfort_noise_is_not_lost() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let folder = Folder::new("noise");
        record(&session, &folder);
        for tick in 0..50 {
            if tick % 5 == 4 {
                // RFC 3389, which nobody has agreed on.
                phone.send(13, false, &[60]);
                phone.wait();
            } else {
                phone.say(&tone(500.0, tick, Codec::Pcmu));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        recorded(&session, &events);
        assert_eq!(engine.counters().packets_lost, 0);
        assert_eq!(engine.counters().packets_refused, 10);
    });
}

#[test]
fn reports_follow_the_peer() {
    punctually(|| {
        let config = Config {
            reports: Duration::from_millis(200),
            ..Config::default()
        };
        let engine = Engine::start(config).unwrap();
        let (session, _events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcmu);
        let bind = |host: [u8; 4]| {
            let socket = UdpSocket::bind((std::net::IpAddr::from(host), 0)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            socket
        };
        let (before, after) = (bind([127, 0, 0, 1]), bind([127, 0, 0, 2]));
        let mut peer = phone.peer();
        peer.rtcp = Some(before.local_addr().unwrap());
        session.connect(peer.clone());
        session.play(PlayId(1), vec![sound(500.0, 60_000)], 1);
        // Its own reports come from a port that is learnt.
        let report = std::net::SocketAddr::new(LOCALHOST, phone.target.port() + 1);
        before
            .send_to(&[0x80, 201, 0, 1, 0, 0, 0, 1], report)
            .unwrap();
        let mut buffer = [0; 500];
        before.recv(&mut buffer).unwrap();
        // A transfer: the peer is at another host now.
        let moved = UdpSocket::bind(("127.0.0.2", 0)).unwrap();
        peer.address = Some(moved.local_addr().unwrap());
        peer.rtcp = Some(after.local_addr().unwrap());
        session.connect(peer);
        let length = after.recv(&mut buffer).unwrap();
        assert_eq!(buffer[1], 200);
        assert!(length > 28);
        phone.forget();
    });
}

#[test]
fn protected_both_ways() {
    punctually(|| {
        use media::srtp::{Srtp, SrtpKeys, Suite};

        let folder = Folder::new("srtp");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcmu);
        let ours = SrtpKeys::new(Suite::AesCm128HmacSha1_80, [7; 30]);
        let theirs = SrtpKeys::new(Suite::AesCm128HmacSha1_80, [9; 30]);
        let mut peer = phone.peer();
        peer.srtp = Some(SrtpPair {
            ours: ours.clone(),
            theirs: theirs.clone(),
        });
        session.connect(peer.clone());
        record(&session, &folder);
        session.play(PlayId(1), vec![sound(800.0, 3000)], 1);
        let (mut protect, mut open) = (Srtp::new(&theirs), Srtp::new(&ours));
        let mut encoder = media::codec::Encoder::new(Codec::Pcmu);
        let mut decoder = media::codec::Decoder::new(Codec::Pcmu);
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        for tick in 0..80 {
            if tick == 40 {
                // The same description again keeps the contexts.
                session.connect(peer.clone());
            }
            let mut payload = Vec::new();
            encoder.encode(&tone(500.0, tick, Codec::Pcmu), &mut payload);
            let mut packet = phone.packet(0, false, &payload);
            // What is not protected is not heard.
            phone.socket.send_to(&packet, phone.target).unwrap();
            protect.protect(&mut packet).unwrap();
            phone.socket.send_to(&packet, phone.target).unwrap();
            phone.sequence = phone.sequence.wrapping_add(1);
            phone.wait();
            while let Ok((length, _)) = phone.socket.recv_from(&mut buffer) {
                let mut packet = buffer[..length].to_vec();
                assert!(length > 172);
                open.unprotect(&mut packet).unwrap();
                decoder.decode(&packet[12..], &mut heard);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(purity(&heard, 800.0, 8000) > 0.95);
        let samples = recorded(&session, &events);
        assert!(purity(&samples, 500.0, 8000) > 0.9);
        assert!(engine.counters().packets_refused >= 79);
    });
}
