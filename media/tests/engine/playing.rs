//! Plays, keys, feeds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::codec::Codec;
use media::tone::ring_tone;
use media::{Direction, Event, Feed, Outcome, Peer, PlayId, Source};

use crate::support::*;

#[test]
fn a_tone_then_silence_then_another() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let silence = Source::Silence(Duration::from_millis(400));
        session.play(
            PlayId(1),
            vec![sound(440.0, 600), silence, sound(880.0, 600)],
            1,
        );
        session.play(PlayId(2), vec![sound(1320.0, 600)], 1);
        assert_eq!(events.next(), Event::Done(PlayId(1), Outcome::Finished));
        assert_eq!(events.next(), Event::Done(PlayId(2), Outcome::Finished));
        // The first packet may be the one that opens the way, if the play came a tick later.
        phone.until(110);
        phone.check_stream();
        assert!(phone.packets[0].marker);
        let later = phone.packets.iter().skip(1).filter(|packet| packet.marker);
        assert!(later.count() <= 1);
        let all = phone.heard();
        let start = all.iter().position(|sample| sample.abs() > 100).unwrap();
        let part = |from: usize, to: usize| &all[start + from * 8..start + to * 8];
        assert!(share(part(50, 550), 440.0, 8000) > 0.95);
        assert!(level(part(610, 990)) < 20.0);
        assert!(share(part(1050, 1550), 880.0, 8000) > 0.95);
        assert!(share(part(1650, 2150), 1320.0, 8000) > 0.95);
        // Nothing is sent when there is nothing to say.
        listen(&mut [&mut phone], 30);
        assert!(phone.packets.len() <= 1, "{}", phone.packets.len());
    });
}

#[test]
fn every_codec_carries_sound() {
    punctually(|| {
        let engine = engine();
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
            let (session, events) = open(&engine, 1);
            let mut phone = Phone::connected(&session, codec);
            session.play(PlayId(1), vec![sound(700.0, 1000)], 1);
            events.next();
            phone.until(50);
            phone.check_stream();
            let all = phone.heard();
            let rate = codec.sample_rate();
            let found = purity(&all, 700.0, rate);
            assert!(found > 0.9, "{codec:?}: {found}");
        }
    });
}

#[test]
fn stopped_at_once_and_the_next_begins() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcma);
        session.play(PlayId(1), vec![sound(500.0, 200)], 0);
        session.play(PlayId(2), vec![sound(900.0, 500)], 1);
        phone.until(50);
        assert_eq!(events.all(), [], "without end");
        assert!(purity(&phone.heard(), 500.0, 8000) > 0.95);
        session.stop(PlayId(1));
        assert_eq!(events.next(), Event::Done(PlayId(2), Outcome::Finished));
        let all = phone.heard();
        assert!(share(&all[all.len() - 3000..all.len() - 400], 900.0, 8000) > 0.95);
        session.stop(PlayId(9));
        listen(&mut [&mut phone], 5);
        assert_eq!(events.all(), [], "what was stopped tells nothing");
    });
}

#[test]
fn a_ring_tone_goes_on() {
    punctually(|| {
        let engine = engine();
        let (session, _events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        session.play(PlayId(1), vec![Source::Tone(ring_tone("de").unwrap())], 1);
        phone.until(40);
        phone.check_stream();
        let all = phone.heard();
        assert!(share(&all[2000..5000], 425.0, 8000) > 0.9);
    });
}

#[test]
fn keys_as_events() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        session.keys(PlayId(7), "1w#");
        assert_eq!(events.next(), Event::Done(PlayId(7), Outcome::Finished));
        phone.listen();
        phone.check_stream();
        let mut keys: Vec<(u32, u8, Vec<Packet>)> = Vec::new();
        for packet in phone.packets.iter().filter(|it| it.payload_type == EVENTS) {
            match keys.last_mut() {
                Some((timestamp, _, list)) if *timestamp == packet.timestamp => {
                    list.push(packet.clone());
                }
                _ => keys.push((packet.timestamp, packet.payload[0], vec![packet.clone()])),
            }
        }
        let codes: Vec<u8> = keys.iter().map(|(_, code, _)| *code).collect();
        assert_eq!(codes, [1, 11]);
        for (_, _, packets) in &keys {
            assert!(packets[0].marker && !packets[1].marker);
            let ends = packets
                .iter()
                .filter(|packet| packet.payload[1] & 0x80 != 0);
            assert_eq!(ends.count(), 3);
            let durations = packets
                .iter()
                .map(|it| u16::from_be_bytes([it.payload[2], it.payload[3]]));
            assert_eq!(
                durations.collect::<Vec<_>>(),
                [160, 320, 480, 640, 800, 800, 800]
            );
        }
        // Half a second between them, and the key itself.
        let apart = keys[1].0.wrapping_sub(keys[0].0);
        assert!((4000 + 1000..4000 + 3000).contains(&apart), "{apart}");
    });
}

#[test]
fn keys_as_tones_for_a_peer_without_events() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcmu);
        session.connect(Peer::new(phone.address(), Codec::Pcmu));
        session.keys(PlayId(7), "5");
        events.next();
        phone.listen();
        assert!(phone.packets.iter().all(|packet| packet.payload_type == 0));
        let all = phone.heard();
        let start = all.iter().position(|sample| sample.abs() > 1000).unwrap();
        let key = &all[start..start + 720];
        let (row, column) = (share(key, 770.0, 8000), share(key, 1336.0, 8000));
        assert!(
            row > 0.3 && column > 0.3 && row + column > 0.9,
            "{row} {column}"
        );
    });
}

#[test]
fn a_feed_with_marks() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let feed = Feed::new(8000, Duration::from_secs(5), move |mark| {
            list.lock().unwrap().push(mark);
        });
        session.play(PlayId(3), vec![Source::Feed(feed.clone())], 1);
        phone.until(10);
        assert!(level(&phone.heard()) < 20.0, "silence while it is empty");
        let Source::Pcm(pcm) = sound(600.0, 1000) else {
            unreachable!();
        };
        feed.push(&pcm.samples[..4000]);
        feed.mark("half".to_owned());
        feed.push(&pcm.samples[4000..]);
        feed.mark("all".to_owned());
        assert_eq!(*told.lock().unwrap(), [""; 0]);
        phone.until(60);
        assert_eq!(*told.lock().unwrap(), ["half", "all"]);
        phone.check_stream();
        let all = phone.heard();
        let start = all.iter().position(|sample| sample.abs() > 100).unwrap();
        assert!(
            share(&all[start..start + 7600], 600.0, 8000) > 0.95,
            "without a gap"
        );
        // What is cleared is not heard.
        feed.push(&pcm.samples);
        feed.mark("cleared".to_owned());
        feed.clear();
        assert_eq!(told.lock().unwrap().len(), 3);
        phone.forget();
        phone.until(20);
        let all = phone.heard();
        assert!(level(&all[1000..]) < 20.0);
        feed.end();
        assert_eq!(events.next(), Event::Done(PlayId(3), Outcome::Finished));
    });
}

#[test]
fn nothing_goes_to_a_peer_that_holds() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        session.play(PlayId(1), vec![sound(500.0, 1500)], 1);
        phone.until(10);
        let mut held = phone.peer();
        held.direction = Direction::Receive;
        session.connect(held);
        listen(&mut [&mut phone], 10);
        phone.forget();
        listen(&mut [&mut phone], 20);
        assert_eq!(phone.packets, []);
        // What is played goes on all the same, and is heard again afterwards.
        session.connect(phone.peer());
        assert_eq!(events.next(), Event::Done(PlayId(1), Outcome::Finished));
        phone.listen();
        assert!(
            (5..60).contains(&phone.packets.len()),
            "{}",
            phone.packets.len()
        );
        assert!(phone.packets[0].marker || phone.packets.len() > 1);
    });
}

#[test]
fn nothing_is_played_before_there_is_a_peer() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        session.play(PlayId(1), vec![sound(500.0, 200)], 1);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(events.all(), []);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        assert_eq!(events.next(), Event::Done(PlayId(1), Outcome::Finished));
        assert!(share(&phone.heard()[..1600], 500.0, 8000) > 0.9);
    });
}

#[test]
fn too_much_is_refused() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        for number in 0..70 {
            session.play(PlayId(number), vec![sound(500.0, 200)], 0);
        }
        let Event::Done(PlayId(64), Outcome::Failed(_)) = events.next() else {
            panic!("the first that has no place");
        };
        session.keys(PlayId(200), &"1".repeat(1000));
        for _ in 0..5 {
            events.next();
        }
        let failed = events.next();
        assert!(matches!(
            failed,
            Event::Done(PlayId(200), Outcome::Failed(_))
        ));
    });
}
