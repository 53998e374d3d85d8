//! Conferences.

use media::codec::Codec;
use media::{
    Config, Depth, Engine, Event, Member, Outcome, PlayId, RecordId, RecordReason, RecordSpec,
    RoomError, RoomSpec, Session,
};

use crate::support::*;

const HERTZ: [f64; 4] = [400.0, 700.0, 1000.0, 1500.0];

/// Phones with a tone each, all in one room.
fn members(engine: &Engine, codecs: &[Codec]) -> (Vec<Session>, Vec<Phone>) {
    let sessions: Vec<_> = (0..codecs.len() as u64)
        .map(|number| open(engine, number).0)
        .collect();
    let phones = sessions.iter().zip(codecs);
    let phones = phones
        .map(|(session, codec)| Phone::connected(session, *codec))
        .collect();
    (sessions, phones)
}

/// Lets all talk for a while and says of each which of the tones it hears.
fn hears(phones: &mut [Phone]) -> Vec<Vec<usize>> {
    let codecs: Vec<_> = phones.iter().map(|phone| phone.codec).collect();
    let say = |phone: usize, tick: usize| Some(tone(HERTZ[phone], tick, codecs[phone]));
    talk(&mut phones.iter_mut().collect::<Vec<_>>(), 15, say);
    phones.iter_mut().for_each(Phone::forget);
    talk(
        &mut phones.iter_mut().collect::<Vec<_>>(),
        40,
        |phone, tick| say(phone, tick + 15),
    );
    let heard = |phone: &mut Phone| {
        let all = phone.heard();
        let rate = phone.codec.sample_rate();
        let part = &all[all.len() / 4..];
        (0..HERTZ.len())
            .filter(|number| level(part) > 100.0 && share(part, HERTZ[*number], rate) > 0.1)
            .collect()
    };
    phones.iter_mut().map(heard).collect()
}

#[test]
fn each_hears_the_others() {
    punctually(|| {
        let engine = Engine::start(Config {
            workers: 2,
            ..Config::default()
        })
        .unwrap();
        let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Pcmu];
        let (sessions, mut phones) = members(&engine, &codecs);
        let room = engine.room(RoomSpec::default(), Box::new(nobody));
        for session in &sessions {
            session.join(&room, Member::default()).unwrap();
        }
        assert_eq!((room.members(), engine.counters().rooms), (4, 1));
        assert_eq!(
            hears(&mut phones),
            [vec![1, 2, 3], vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 2]]
        );
        // One is muted.
        sessions[0].set_member(Member {
            muted: true,
            ..Member::default()
        });
        assert_eq!(
            hears(&mut phones),
            [vec![1, 2, 3], vec![2, 3], vec![1, 3], vec![1, 2]]
        );
        sessions[1].leave();
        assert_eq!(hears(&mut phones), [vec![2, 3], vec![], vec![3], vec![2]]);
        assert_eq!(room.members(), 3);
        drop(room);
        assert_eq!(engine.counters().rooms, 0);
        assert!(hears(&mut phones).iter().all(Vec::is_empty));
    });
}

#[test]
fn a_coach_is_heard_by_one() {
    punctually(|| {
        let engine = engine();
        let (sessions, mut phones) = members(&engine, &[Codec::Pcmu; 3]);
        let room = engine.room(RoomSpec::default(), Box::new(nobody));
        for session in &sessions[..2] {
            session.join(&room, Member::default()).unwrap();
        }
        let coach = Member {
            coach: Some(sessions[1].id()),
            ..Member::default()
        };
        sessions[2].join(&room, coach).unwrap();
        assert_eq!(hears(&mut phones), [vec![1], vec![0, 2], vec![0, 1]]);
        sessions[2].set_member(Member::default());
        assert_eq!(hears(&mut phones), [vec![1, 2], vec![0, 2], vec![0, 1]]);
    });
}

/// Frames that another hears of twelve that a member of this depth says all at once.
fn heard_of_a_burst(depth: Depth) -> usize {
    let engine = engine();
    let (sessions, mut phones) = members(&engine, &[Codec::Pcmu; 2]);
    let room = engine.room(RoomSpec::default(), Box::new(nobody));
    let member = Member {
        depth,
        ..Member::default()
    };
    sessions[0].join(&room, member).unwrap();
    sessions[1].join(&room, Member::default()).unwrap();
    phones[1].until(10);
    phones[1].forget();
    for tick in 0..12 {
        phones[0].say(&tone(HERTZ[0], tick, Codec::Pcmu));
    }
    phones[1].until(40);
    let frames = phones[1].heard();
    let loud = frames.chunks(160).filter(|frame| level(frame) > 1000.0);
    loud.count()
}

#[test]
fn a_member_is_as_late_as_its_depth() {
    punctually(|| {
        let depths = [Depth::Off, Depth::Small, Depth::Medium, Depth::Large];
        let heard = depths.map(heard_of_a_burst);
        // A burst that the system breaks in two is heard a little longer.
        assert!(heard[0] + 3 < heard[3], "{heard:?}");
        assert!(heard[..3].iter().all(|less| *less < heard[3]), "{heard:?}");
    });
}

#[test]
fn no_more_than_there_are_places() {
    punctually(|| {
        let engine = engine();
        let (sessions, _phones) = members(&engine, &[Codec::Pcmu; 3]);
        let spec = RoomSpec {
            members_max: 2,
            ..RoomSpec::default()
        };
        let room = engine.room(spec, Box::new(nobody));
        sessions[0].join(&room, Member::default()).unwrap();
        sessions[1].join(&room, Member::default()).unwrap();
        let full = sessions[2].join(&room, Member::default());
        assert_eq!(full, Err(RoomError::Full));
        sessions[0].leave();
        eventually("a place is free", || room.members() == 1);
        sessions[2].join(&room, Member::default()).unwrap();
        let mut sessions = sessions;
        sessions.clear();
        eventually("all are free", || room.members() == 0);
    });
}

#[test]
fn only_the_loudest_are_mixed() {
    punctually(|| {
        let engine = engine();
        let (sessions, mut phones) = members(&engine, &[Codec::Pcmu; 4]);
        let spec = RoomSpec {
            loudest: 2,
            ..RoomSpec::default()
        };
        let room = engine.room(spec, Box::new(nobody));
        for session in &sessions {
            session.join(&room, Member::default()).unwrap();
        }
        let say = |phone: usize, tick: usize| {
            let quieter = [1, 4, 1, 4][phone];
            let frame = tone(HERTZ[phone], tick, Codec::Pcmu);
            Some(frame.iter().map(|sample| sample / quieter).collect())
        };
        talk(&mut phones.iter_mut().collect::<Vec<_>>(), 60, say);
        let all = phones[1].heard();
        let heard = &all[all.len() / 2..];
        let shares: Vec<f64> = HERTZ
            .iter()
            .map(|hertz| share(heard, *hertz, 8000))
            .collect();
        assert!(shares[0] > 0.4 && shares[2] > 0.4, "{shares:?}");
        assert!(shares[3] < 0.005, "{shares:?}");
    });
}

#[test]
fn beeps_announcements_and_a_recording() {
    punctually(|| {
        let folder = Folder::new("room");
        let engine = engine();
        let (sessions, mut phones) = members(&engine, &[Codec::Pcmu; 2]);
        let (tell, events) = std::sync::mpsc::channel();
        let sink = move |event| {
            tell.send(event).ok();
        };
        let events = Events(events);
        let room = engine.room(RoomSpec::default(), Box::new(sink));
        sessions[0].join(&room, Member::default()).unwrap();
        phones[0].until(20);
        assert!(level(&phones[0].heard()) < 20.0, "alone");
        let beep = Member {
            beep_on_enter: true,
            beep_on_exit: true,
            ..Member::default()
        };
        sessions[1].join(&room, beep).unwrap();
        phones[0].until(60);
        assert!(level(&phones[0].heard()) > 100.0, "somebody has come");
        room.record(RecordId(5), RecordSpec::new(folder.file("room.wav")));
        room.play(PlayId(6), vec![sound(1500.0, 600)], 1);
        assert_eq!(events.next(), Event::Done(PlayId(6), Outcome::Finished));
        phones.iter_mut().for_each(Phone::listen);
        for phone in &mut phones {
            phone.check_stream();
            let all = phone.heard();
            let last = &all[all.len() - 4000..all.len() - 480];
            assert!(share(last, 1500.0, 8000) > 0.9);
        }
        assert_eq!(hears(&mut phones), [vec![1], vec![0]]);
        room.stop_record(RecordId(5));
        let Event::Recorded(RecordId(5), end) = events.next() else {
            panic!("recorded");
        };
        assert_eq!(end.reason, RecordReason::Stopped);
        let samples = &wav(&end.file)[0];
        assert!(share(&samples[1000..4000], 1500.0, 8000) > 0.9);
        let talk = &samples[samples.len() - 6000..samples.len() - 1000];
        let both = (share(talk, HERTZ[0], 8000), share(talk, HERTZ[1], 8000));
        assert!(both.0 > 0.4 && both.1 > 0.4, "{both:?}");
        phones.iter_mut().for_each(Phone::forget);
        sessions[1].leave();
        phones[0].until(30);
        assert!(level(&phones[0].heard()) > 100.0, "somebody has left");
    });
}

#[test]
fn from_a_bridge_to_a_room_and_back() {
    punctually(|| {
        let engine = Engine::start(Config {
            workers: 3,
            ..Config::default()
        })
        .unwrap();
        let (sessions, mut phones) = members(&engine, &[Codec::Pcmu; 3]);
        sessions[0].bridge(&sessions[1]);
        assert_eq!(hears(&mut phones), [vec![1], vec![0], vec![]]);
        let room = engine.room(RoomSpec::default(), Box::new(nobody));
        sessions[1].join(&room, Member::default()).unwrap();
        sessions[2].join(&room, Member::default()).unwrap();
        assert_eq!(hears(&mut phones), [vec![], vec![2], vec![1]]);
        sessions[0].bridge(&sessions[2]);
        assert_eq!(hears(&mut phones), [vec![2], vec![], vec![0]]);
        assert_eq!(room.members(), 1);
    });
}
