//! Recordings.

use std::time::Duration;

use media::codec::Codec;
use media::{Event, PlayId, RecordEnd, RecordId, RecordReason, RecordSpec, RecordTracks};

use crate::support::*;

fn recorded(events: &Events) -> RecordEnd {
    loop {
        if let Event::Recorded(_, end) = events.next() {
            return end;
        }
    }
}

#[test]
fn what_the_peer_says_until_a_key() {
    punctually(|| {
        let folder = Folder::new("key");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let spec = RecordSpec {
            finish_on: "#".to_owned(),
            ..RecordSpec::new(folder.file("a.wav"))
        };
        session.record(RecordId(1), spec);
        talk(&mut [&mut phone], 100, |_, tick| {
            Some(tone(600.0, tick, Codec::Pcmu))
        });
        phone.send(EVENTS, true, &[1, 0x8a, 3, 32]);
        std::thread::sleep(Duration::from_millis(60));
        phone.timestamp += 8000;
        phone.send(EVENTS, true, &[11, 0x8a, 3, 32]);
        assert_eq!(events.next(), Event::Digit { key: '1' });
        assert_eq!(events.next(), Event::Digit { key: '#' });
        let Event::Recorded(RecordId(1), end) = events.next() else {
            panic!("the end of the recording");
        };
        assert_eq!(end.reason, RecordReason::Key('#'));
        let [samples] = &wav(&end.file)[..] else {
            panic!("one channel");
        };
        assert_eq!(end.duration.as_millis() as usize, samples.len() / 8);
        assert!(
            (15_000..20_000).contains(&samples.len()),
            "{}",
            samples.len()
        );
        let sounds = samples
            .iter()
            .position(|sample| sample.abs() > 500)
            .unwrap();
        assert!(sounds < 2400, "after {sounds}");
        let found = share(&samples[sounds + 400..sounds + 14_400], 600.0, 8000);
        assert!(found > 0.97, "without a gap: {found}");
    });
}

#[test]
fn silence_ends_it_and_is_left_out() {
    punctually(|| {
        let folder = Folder::new("silence");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcma);
        let spec = RecordSpec {
            silence: Some(Duration::from_secs(1)),
            trim: true,
            ..RecordSpec::new(folder.file("a.wav"))
        };
        session.record(RecordId(1), spec.clone());
        talk(&mut [&mut phone], 150, |_, tick| {
            let loud = (30..80).contains(&tick) && tick % 8 != 7;
            Some(if loud {
                tone(300.0, tick, Codec::Pcma)
            } else {
                vec![0; 160]
            })
        });
        let end = recorded(&events);
        assert_eq!((end.reason, end.heard), (RecordReason::Silence, true));
        assert!(
            (900..1900).contains(&end.duration.as_millis()),
            "{:?}",
            end.duration
        );
        // Nobody speaks, and nothing even comes.
        session.record(RecordId(2), spec);
        let end = recorded(&events);
        assert_eq!((end.reason, end.heard), (RecordReason::Silence, false));
        assert_eq!(end.duration, Duration::ZERO);
    });
}

#[test]
fn a_beep_first_and_no_longer_than_it_may_be() {
    punctually(|| {
        let folder = Folder::new("beep");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        let spec = RecordSpec {
            beep: true,
            max: Duration::from_secs(1),
            ..RecordSpec::new(folder.file("a.wav"))
        };
        session.record(RecordId(1), spec);
        talk(&mut [&mut phone], 110, |_, tick| {
            Some(tone(600.0, tick, Codec::Pcmu))
        });
        let end = recorded(&events);
        assert_eq!(end.reason, RecordReason::MaxLength);
        assert_eq!(end.duration, Duration::from_secs(1));
        assert_eq!(wav(&end.file)[0].len(), 8000);
        assert!(share(&wav(&end.file)[0], 600.0, 8000) > 0.95);
        let heard = phone.heard();
        assert!(
            heard.iter().filter(|sample| sample.abs() > 500).count() > 400,
            "a beep"
        );
    });
}

#[test]
fn both_sides_mixed_and_apart() {
    punctually(|| {
        let folder = Folder::new("both");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        for (number, what) in [
            (1, RecordTracks::Both),
            (2, RecordTracks::Dual),
            (3, RecordTracks::Outbound),
        ] {
            let spec = RecordSpec {
                what,
                ..RecordSpec::new(folder.file(&format!("{number}.wav")))
            };
            session.record(RecordId(number), spec);
        }
        session.play(PlayId(1), vec![sound(1100.0, 3000)], 1);
        talk(&mut [&mut phone], 100, |_, tick| {
            Some(tone(500.0, tick, Codec::Pcmu))
        });
        for number in [1, 2, 3] {
            session.stop_record(RecordId(number));
        }
        let mut ends: Vec<_> = (0..3).map(|_| recorded(&events)).collect();
        ends.sort_by(|one, other| one.file.cmp(&other.file));
        assert!(ends.iter().all(|end| end.reason == RecordReason::Stopped));
        let shares =
            |samples: &[i16]| (purity(samples, 500.0, 8000), purity(samples, 1100.0, 8000));
        let mixed = wav(&ends[0].file);
        let (said, heard) = shares(&mixed[0]);
        assert!(said > 0.4 && heard > 0.4, "{said} {heard}");
        let dual = wav(&ends[1].file);
        assert_eq!(dual.len(), 2);
        assert_eq!(dual[0].len(), dual[1].len());
        let (own, other) = (shares(&dual[0]), shares(&dual[1]));
        assert!(own.0 > 0.95 && own.1 < 0.01, "{own:?}");
        assert!(other.1 > 0.95 && other.0 < 0.01, "{other:?}");
        let outbound = wav(&ends[2].file);
        assert!(shares(&outbound[0]).1 > 0.95);
    });
}

/// All that its end tells of is in the file, whose header knows of it. How much that is depends on the machine's
/// pauses.
fn is_complete(end: &RecordEnd) {
    let samples = wav(&end.file)[0].len();
    assert!(samples > 0);
    assert_eq!(samples as u128 / 8, end.duration.as_millis());
}

#[test]
fn hung_up_and_unwritable() {
    punctually(|| {
        let folder = Folder::new("hung-up");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        session.record(RecordId(1), RecordSpec::new(folder.file("a.wav")));
        session.record(RecordId(2), RecordSpec::new(folder.file("nowhere/b.wav")));
        talk(&mut [&mut phone], 50, |_, tick| {
            Some(tone(600.0, tick, Codec::Pcmu))
        });
        drop(session);
        let mut ends = [recorded(&events), recorded(&events)];
        ends.sort_by(|one, other| one.file.cmp(&other.file));
        assert_eq!(ends[0].reason, RecordReason::HungUp);
        is_complete(&ends[0]);
        assert!(matches!(ends[1].reason, RecordReason::Failed(_)));
    });
}

#[test]
fn the_end_of_the_engine_completes_files() {
    punctually(|| {
        let folder = Folder::new("engine-end");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let mut phone = Phone::connected(&session, Codec::Pcmu);
        session.record(RecordId(1), RecordSpec::new(folder.file("a.wav")));
        talk(&mut [&mut phone], 30, |_, tick| {
            Some(tone(600.0, tick, Codec::Pcmu))
        });
        drop(engine);
        let end = recorded(&events);
        assert_eq!(end.reason, RecordReason::HungUp);
        is_complete(&end);
        session.play(PlayId(1), vec![], 1);
    });
}

#[test]
fn two_that_end_in_the_same_tick() {
    punctually(|| {
        let folder = Folder::new("two");
        let engine = engine();
        let (session, events) = open(&engine, 1);
        let _phone = Phone::connected(&session, Codec::Pcmu);
        for number in [1, 2] {
            let spec = RecordSpec {
                max: Duration::from_millis(100),
                ..RecordSpec::new(folder.file(&format!("{number}.wav")))
            };
            session.record(RecordId(number), spec);
        }
        for _ in 0..2 {
            let end = recorded(&events);
            assert_eq!(end.reason, RecordReason::MaxLength);
            assert_eq!(end.duration, Duration::from_millis(100));
            assert_eq!(wav(&end.file)[0].len(), 800);
        }
    });
}
