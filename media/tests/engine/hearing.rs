//! What a session hears: keys, speech, taps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::codec::{Codec, Decoder};
use media::{Event, Peer, PlayId, TapId, Track, Tracks, dtmf};

use crate::support::*;

/// The packets of a key as a phone sends them, three at the end.
fn press(phone: &mut Phone, code: u8, keep: impl Fn(usize) -> bool) {
    for at in 0..8_usize {
        let end = if at >= 5 { 0x8a } else { 0x0a };
        let duration = (at.min(5) as u16 + 1) * 160;
        let [d0, d1] = duration.to_be_bytes();
        if keep(at) {
            phone.send(EVENTS, at == 0, &[code, end, d0, d1]);
        } else {
            phone.sequence = phone.sequence.wrapping_add(1);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..10 {
        phone.wait();
    }
}

#[test]
fn keys_are_told_once_whatever_is_lost() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        press(&mut phone, 1, |_| true);
        press(&mut phone, 1, |at| at < 5); // No end.
        std::thread::sleep(Duration::from_millis(200));
        press(&mut phone, 2, |at| at >= 6); // Nothing but ends.
        press(&mut phone, 11, |at| at == 3);
        press(&mut phone, 16, |_| true); // Flash is no key.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(events.keys(), "112#");
    });
}

#[test]
fn keys_in_the_sound_of_a_peer_without_events() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::new(&session, Codec::Pcma);
        session.connect(Peer::new(phone.address(), Codec::Pcma));
        let mut samples = Vec::new();
        for key in "14#".chars() {
            samples.extend(dtmf::tone(key, 8000, 120));
            samples.extend([0; 960]);
        }
        let frames: Vec<_> = samples.chunks(160).map(<[i16]>::to_vec).collect();
        talk(&mut [&mut phone], frames.len() + 10, |_, tick| {
            frames.get(tick).cloned()
        });
        assert_eq!(events.keys(), "14#");
    });
}

#[test]
fn no_keys_in_the_sound_of_a_peer_with_events() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        // Somebody listens, so that the sound is looked at at all.
        session.tap(TapId(1), Tracks::Both, Box::new(|_, _, _: &[u8; 160]| {}));
        let samples = dtmf::tone('5', 8000, 400);
        talk(&mut [&mut phone], 30, |_, tick| {
            samples.chunks(160).nth(tick).map(<[i16]>::to_vec)
        });
        assert_eq!(events.keys(), "");
    });
}

#[test]
fn speech_while_it_is_listened_for() {
    punctually(|| {
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let voice = |tick: usize| {
            let syllable = 0.4 + 0.6 * ((tick % 12) as f64 / 12.0);
            let frame = tone(210.0, tick, Codec::Pcmu);
            let other = tone(640.0, tick, Codec::Pcmu);
            let mixed = frame.iter().zip(other);
            mixed
                .map(|(a, b)| (f64::from(a + b) * syllable * 0.8) as i16)
                .collect::<Vec<_>>()
        };
        let script = |_: usize, tick: usize| {
            Some(if (40..110).contains(&tick) {
                voice(tick)
            } else {
                vec![0; 160]
            })
        };
        talk(&mut [&mut phone], 150, script);
        assert_eq!(events.all(), [], "nobody asked");
        session.listen(true);
        talk(&mut [&mut phone], 170, script);
        let turns = [true, false].map(|started| Event::Speech { started });
        assert_eq!(events.all(), turns);
        session.listen(false);
        talk(&mut [&mut phone], 80, script);
        assert_eq!(events.all(), []);
    });
}

#[test]
fn taps_hear_both_tracks() {
    punctually(|| {
        let engine = engine();
        let (session, _events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::G722);
        let frames = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&frames);
        let sink = move |track: Track, since: Duration, payload: &[u8; 160]| {
            list.lock().unwrap().push((track, since, *payload));
        };
        session.tap(TapId(1), Tracks::Both, Box::new(sink));
        session.play(PlayId(1), vec![sound(900.0, 5000)], 1);
        talk(&mut [&mut phone], 100, |_, tick| {
            Some(tone(500.0, tick, Codec::G722))
        });
        session.untap(TapId(1));
        std::thread::sleep(Duration::from_millis(100));
        let count = frames.lock().unwrap().len();
        std::thread::sleep(Duration::from_millis(200));
        let frames = frames.lock().unwrap();
        assert_eq!(frames.len(), count, "untapped");
        for (track, hertz) in [(Track::Inbound, 500.0), (Track::Outbound, 900.0)] {
            let mut decoder = Decoder::new(Codec::Pcmu);
            let mut samples = Vec::new();
            let mut times = Vec::new();
            for (_, since, payload) in frames.iter().filter(|(its, ..)| *its == track) {
                decoder.decode(payload, &mut samples);
                times.push(since.as_millis());
            }
            let expected: Vec<u128> = (0..times.len() as u128).map(|tick| tick * 20).collect();
            assert_eq!(times, expected, "{track:?}");
            let found = purity(&samples, hertz, 8000);
            assert!(found > 0.9, "{track:?}: {found}");
        }
    });
}

#[test]
fn silence_is_told_once() {
    punctually(|| {
        let config = media::Config {
            quiet: Duration::from_millis(500),
            ..media::Config::default()
        };
        let engine = media::Engine::start(config).unwrap();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        assert_eq!(events.next(), Event::Quiet);
        listen(&mut [&mut phone], 50);
        assert_eq!(events.all(), []);
        talk(&mut [&mut phone], 5, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        assert_eq!(events.next(), Event::Quiet, "anew");
        // A peer that holds us is expected to be silent.
        let mut peer = phone.peer();
        peer.direction = media::Direction::Send;
        session.connect(peer);
        listen(&mut [&mut phone], 50);
        assert_eq!(events.all(), []);
    });
}
