//! Two sessions that are connected.

use std::time::Duration;

use media::codec::Codec;
use media::{
    Config, Direction, Engine, Event, Peer, PlayId, RecordId, RecordSpec, RecordTracks, TapId,
    Tracks,
};

use crate::support::*;

#[test]
fn packets_are_handed_on_as_they_are() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        right.until(3);
        left.forget();
        // What no decoder and encoder would leave as it is, in sizes that no codec here makes.
        let payload = |number: u8| (0..100 + number).map(|at| at ^ number).collect::<Vec<u8>>();
        for number in 0..50 {
            left.send(0, false, &payload(number));
            left.wait();
            std::thread::sleep(Duration::from_millis(10));
        }
        right.listen();
        right.check_stream();
        let relayed: Vec<_> = right
            .packets
            .iter()
            .filter(|packet| packet.payload.len() != 160)
            .collect();
        let payloads: Vec<_> = relayed
            .iter()
            .map(|packet| packet.payload.clone())
            .collect();
        assert_eq!(payloads, (0..50).map(payload).collect::<Vec<_>>());
        assert!(relayed[0].marker && !relayed[1].marker);
        assert_ne!(relayed[0].ssrc, left.ssrc);
        for pair in relayed.windows(2) {
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        }
        eventually("counted", || engine.counters().packets_relayed == 50);
        // The other way nobody says anything: silence, without a gap.
        left.listen();
        left.check_stream();
        assert!(left.packets.len() > 15);
        assert!(level(&left.heard()) < 20.0);
    });
}

#[test]
fn losses_and_order_are_left_to_the_peer() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcma);
        let mut right = Phone::connected(&two, Codec::Pcma);
        one.bridge(&two);
        right.until(3);
        let start = left.sequence;
        for step in [0, 1, 3, 2, 6] {
            left.sequence = start.wrapping_add(step);
            left.send(8, false, &[step as u8; 80]);
            std::thread::sleep(Duration::from_millis(5));
        }
        right.listen();
        let relayed: Vec<_> = right
            .packets
            .iter()
            .filter(|it| it.payload.len() == 80)
            .collect();
        let first = relayed[0].sequence;
        let steps = relayed
            .iter()
            .map(|it| (it.sequence.wrapping_sub(first), it.payload[0]));
        assert_eq!(
            steps.collect::<Vec<_>>(),
            [(0, 0), (1, 1), (3, 3), (2, 2), (6, 6)]
        );
    });
}

#[test]
fn other_codecs_are_encoded_anew() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::G722);
        one.bridge(&two);
        talk(&mut [&mut left, &mut right], 100, |phone, tick| {
            Some(if phone == 0 {
                tone(500.0, tick, Codec::Pcmu)
            } else {
                tone(900.0, tick, Codec::G722)
            })
        });
        left.check_stream();
        right.check_stream();
        assert!(right.packets.iter().all(|packet| packet.payload_type == 9));
        let found = purity(&right.heard(), 500.0, 16_000);
        assert!(found > 0.9, "{found}");
        let found = purity(&left.heard(), 900.0, 8000);
        assert!(found > 0.9, "{found}");
        assert_eq!(engine.counters().packets_relayed, 0);
    });
}

#[test]
fn a_play_takes_the_place_of_the_partner_for_its_time() {
    punctually(|| {
        let engine = engine();
        let (one, events) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        let say = |phone: usize, tick: usize| (phone == 1).then(|| tone(400.0, tick, Codec::Pcmu));
        talk(&mut [&mut left, &mut right], 40, say);
        one.play(PlayId(1), vec![sound(1000.0, 600)], 1);
        talk(&mut [&mut left, &mut right], 80, |phone, tick| {
            say(phone, tick + 40)
        });
        assert_eq!(
            events.next(),
            Event::Done(PlayId(1), media::Outcome::Finished)
        );
        left.check_stream();
        let all = left.heard();
        let frames: Vec<u8> = all
            .chunks(160)
            .map(|frame| {
                match (
                    share(frame, 400.0, 8000) > 0.8,
                    share(frame, 1000.0, 8000) > 0.8,
                ) {
                    (true, false) => b'p',
                    (false, true) => b'o',
                    _ => b'-',
                }
            })
            .collect();
        let order = String::from_utf8(frames).unwrap();
        assert_eq!(order.matches('o').count(), 30, "{order}");
        let own = order.find('o').unwrap();
        assert!(order[..own].matches('p').count() > 25, "{order}");
        assert!(order[own + 30..].matches('p').count() > 25, "{order}");
    });
}

#[test]
fn a_recorded_bridge_still_hands_packets_on() {
    punctually(|| {
        let folder = Folder::new("bridge");
        let engine = engine();
        let (one, events) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        let spec = RecordSpec {
            what: RecordTracks::Dual,
            ..RecordSpec::new(folder.file("a.wav"))
        };
        one.record(RecordId(1), spec);
        talk(&mut [&mut left, &mut right], 100, |phone, tick| {
            Some(tone(
                if phone == 0 { 500.0 } else { 900.0 },
                tick,
                Codec::Pcmu,
            ))
        });
        one.stop_record(RecordId(1));
        let Event::Recorded(_, end) = events.next() else {
            panic!("recorded");
        };
        let channels = wav(&end.file);
        for (channel, hertz) in channels.iter().zip([500.0, 900.0]) {
            let found = purity(channel, hertz, 8000);
            assert!(found > 0.95, "{hertz}: {found}");
        }
        assert!(engine.counters().packets_relayed > 180);
        assert!(purity(&right.heard(), 500.0, 8000) > 0.95);
    });
}

/// One key, as five packets and three ends.
fn press(phone: &mut Phone, code: u8) {
    for at in 0..8_u16 {
        let [d0, d1] = ((at.min(5) + 1) * 160).to_be_bytes();
        let flags = if at >= 5 { 0x8a } else { 0x0a };
        phone.send(EVENTS, at == 0, &[code, flags, d0, d1]);
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..8 {
        phone.wait();
    }
}

#[test]
fn keys_go_on_and_are_told() {
    punctually(|| {
        let engine = engine();
        for other in [Codec::Pcmu, Codec::Pcma] {
            let (one, events) = open(&engine, 1);
            let (two, others) = open(&engine, 1);
            let mut left = Phone::connected(&one, Codec::Pcmu);
            let mut right = Phone::new(&two, other);
            let mut peer = right.peer();
            peer.events = Some(96);
            two.connect(peer);
            two.bridge(&one);
            talk(&mut [&mut left], 20, |_, tick| {
                Some(tone(500.0, tick, Codec::Pcmu))
            });
            press(&mut left, 4);
            talk(&mut [&mut left], 5, |_, tick| {
                Some(tone(500.0, tick, Codec::Pcmu))
            });
            press(&mut left, 11);
            talk(&mut [&mut left], 10, |_, tick| {
                Some(tone(500.0, tick, Codec::Pcmu))
            });
            assert_eq!(events.keys(), "4#");
            assert_eq!(others.keys(), "");
            right.check_stream();
            let keys: Vec<_> = right
                .packets
                .iter()
                .filter(|it| it.payload_type == 96)
                .collect();
            assert_eq!(keys.len(), 16, "{other:?}");
            let mut stamps: Vec<_> = keys
                .iter()
                .map(|key| (key.timestamp, key.payload[0]))
                .collect();
            stamps.dedup();
            let codes: Vec<u8> = stamps.iter().map(|(_, code)| *code).collect();
            assert_eq!(codes, [4, 11], "{other:?}");
            let ends = keys.iter().filter(|key| key.payload[1] & 0x80 != 0);
            assert_eq!(ends.count(), 6, "{other:?}");
            assert!(keys[0].marker && !keys[1].marker);
        }
    });
}

#[test]
fn keys_become_tones_for_a_peer_without_events() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::new(&two, Codec::Pcmu);
        two.connect(Peer::new(right.address(), Codec::Pcmu));
        two.bridge(&one);
        right.until(3);
        press(&mut left, 5);
        right.until(20);
        let all = right.heard();
        let start = all.iter().position(|sample| sample.abs() > 1000).unwrap();
        let key = &all[start..start + 720];
        let (row, column) = (share(key, 770.0, 8000), share(key, 1336.0, 8000));
        assert!(row > 0.3 && column > 0.3, "{row} {column}");
    });
}

#[test]
fn another_partner_and_none() {
    punctually(|| {
        let engine = engine();
        let sessions: Vec<_> = (0..3).map(|_| open(&engine, 1).0).collect();
        let [one, two, three] = &sessions[..] else {
            unreachable!();
        };
        // Before anybody is connected, and then again with another.
        one.bridge(two);
        one.bridge(three);
        let mut phones: Vec<_> = sessions
            .iter()
            .map(|session| Phone::connected(session, Codec::Pcmu))
            .collect();
        let [left, middle_one, right] = &mut phones[..] else {
            unreachable!();
        };
        let tones = |phone: usize, tick: usize| {
            Some(tone([400.0, 700.0, 1000.0][phone], tick, Codec::Pcmu))
        };
        talk(&mut [left, middle_one, right], 50, tones);
        assert!(purity(&left.heard(), 1000.0, 8000) > 0.9);
        assert!(purity(&right.heard(), 400.0, 8000) > 0.9);
        assert!(middle_one.heard().len() <= 160 * 2);
        one.unbridge();
        talk(&mut [left, middle_one, right], 10, tones);
        left.forget();
        right.forget();
        talk(&mut [left, middle_one, right], 20, tones);
        assert!(left.packets.len() + right.packets.len() <= 2);
        // The partner goes, and comes back in the shape of another.
        one.bridge(two);
        drop(sessions.into_iter().nth(1));
    });
}

#[test]
fn a_closed_partner_leaves_silence_behind() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        talk(&mut [&mut left, &mut right], 20, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        drop(two);
        eventually("it is closed", || engine.counters().sessions == 1);
        talk(&mut [&mut left], 5, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        left.forget();
        talk(&mut [&mut left], 30, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        assert!(left.packets.len() <= 1);
        one.play(PlayId(1), vec![sound(700.0, 500)], 1);
        left.until(20);
        assert!(purity(&left.heard(), 700.0, 8000) > 0.9);
    });
}

#[test]
fn a_peer_on_hold_is_sent_nothing() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        let mut held = right.peer();
        held.direction = Direction::Neither;
        two.connect(held);
        talk(&mut [&mut left, &mut right], 10, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        right.forget();
        left.forget();
        talk(&mut [&mut left, &mut right], 30, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        assert_eq!(right.packets, []);
        assert!(left.packets.len() > 25, "silence goes on");
        assert!(
            level(&left.heard()) < 20.0,
            "what a held peer sends is not heard"
        );
    });
}

#[test]
fn sessions_of_different_threads() {
    punctually(|| {
        let config = Config {
            workers: 4,
            ..Config::default()
        };
        let engine = Engine::start(config).unwrap();
        // Pairs from all threads to all threads, in both orders of age.
        let mut sessions: Vec<_> = (0..24).map(|number| open(&engine, number).0).collect();
        let mut phones: Vec<_> = sessions
            .iter()
            .map(|session| Phone::connected(session, Codec::Pcmu))
            .collect();
        for pair in 0..12 {
            let (one, two) = (&sessions[pair], &sessions[23 - pair]);
            match pair % 3 {
                0 => one.bridge(two),
                1 => two.bridge(one),
                // Both want it, at the same time.
                _ => {
                    one.bridge(two);
                    two.bridge(one);
                }
            }
        }
        let hertz = |phone: usize| 300.0 + 100.0 * phone as f64;
        let mut list: Vec<_> = phones.iter_mut().collect();
        talk(&mut list, 60, |phone, tick| {
            Some(tone(hertz(phone), tick, Codec::Pcmu))
        });
        for (number, phone) in phones.iter_mut().enumerate() {
            phone.check_stream();
            let found = purity(&phone.heard(), hertz(23 - number), 8000);
            assert!(found > 0.9, "{number}: {found}");
        }
        // Each with another partner, and back.
        for _ in 0..5 {
            for pair in 0..12 {
                sessions[pair].bridge(&sessions[(pair + 5) % 12 + 12]);
            }
            for pair in 0..12 {
                sessions[23 - pair].bridge(&sessions[pair]);
            }
        }
        let mut list: Vec<_> = phones.iter_mut().collect();
        listen(&mut list, 30);
        phones.iter_mut().for_each(Phone::forget);
        let mut list: Vec<_> = phones.iter_mut().collect();
        talk(&mut list, 60, |phone, tick| {
            Some(tone(hertz(phone), tick, Codec::Pcmu))
        });
        let mut right = 0;
        for (number, phone) in phones.iter_mut().enumerate() {
            right += usize::from(purity(&phone.heard(), hertz(23 - number), 8000) > 0.9);
        }
        assert_eq!(right, 24);
        // After all this moving, one that falls silent is still made up for.
        phones.iter_mut().for_each(Phone::forget);
        listen(&mut phones.iter_mut().collect::<Vec<_>>(), 40);
        for phone in &mut phones {
            assert!(phone.packets.len() > 20, "{}", phone.packets.len());
            phone.check_stream();
        }
        sessions.clear();
        eventually("all are closed", || engine.counters().sessions == 0);
    });
}

#[test]
fn a_listener_does_not_stop_the_relay() {
    punctually(|| {
        let engine = engine();
        let (one, _) = open(&engine, 1);
        let (two, _) = open(&engine, 1);
        let mut left = Phone::connected(&one, Codec::Pcmu);
        let mut right = Phone::connected(&two, Codec::Pcmu);
        one.bridge(&two);
        right.until(2);
        two.tap(TapId(1), Tracks::Both, Box::new(|_, _, _: &[u8; 160]| {}));
        talk(&mut [&mut left], 40, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        eventually("counted", || engine.counters().packets_relayed == 40);
    });
}
