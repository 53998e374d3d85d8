//! Sessions that come and go.

use std::net::IpAddr;
use std::time::Duration;

use media::codec::Codec;
use media::{Config, Engine, Event, OpenError, PlayId, RtpPorts, TapId, Track, Tracks};

use crate::support::*;

#[test]
fn as_many_as_there_may_be() {
    let config = Config {
        sessions: 3,
        ..Config::default()
    };
    let engine = Engine::start(config).unwrap();
    let mut sessions: Vec<_> = (0..3).map(|number| open(&engine, number).0).collect();
    assert!(engine.is_full());
    assert_eq!(engine.counters().ports, 6);
    let refused = engine.open(LOCALHOST, 1, Box::new(nobody));
    assert!(matches!(refused, Err(OpenError::Full)));
    sessions.pop();
    eventually("a place is free", || !engine.is_full());
    open(&engine, 1);
    sessions.clear();
    eventually("all are closed", || engine.counters().sessions == 0);
    assert_eq!(engine.counters().ports, 0);
}

#[test]
fn ports_run_out_and_come_back() {
    let ports = RtpPorts {
        first: 31_000,
        last: 31_003,
    };
    let config = Config {
        ports,
        ..Config::default()
    };
    let engine = Engine::start(config).unwrap();
    let one = open(&engine, 1);
    let two = open(&engine, 2);
    for (session, _) in [&one, &two] {
        assert_eq!(session.local().port() % 2, 0);
        assert!((31_000..=31_002).contains(&session.local().port()));
    }
    let refused = engine.open(LOCALHOST, 1, Box::new(nobody));
    assert!(matches!(refused, Err(OpenError::NoPort)));
    assert_eq!(engine.counters().sessions, 2, "what failed is not counted");
    drop(one);
    eventually("its port is free", || {
        engine.open(LOCALHOST, 1, Box::new(nobody)).is_ok()
    });
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    let refused = engine.open(elsewhere, 1, Box::new(nobody));
    assert!(matches!(refused, Err(OpenError::Io(_))), "{refused:?}");
}

#[test]
fn a_sink_that_panics_costs_nobody_else() {
    let engine = engine();
    let bad = engine
        .open(LOCALHOST, 1, Box::new(|_| panic!("on purpose")))
        .unwrap();
    let _bad_phone = Phone::connected(&bad, Codec::Pcmu);
    bad.play(PlayId(1), vec![sound(500.0, 40)], 1);
    let (good, events) = open(&engine, 1);
    let mut phone = Phone::connected(&good, Codec::Pcmu);
    std::thread::sleep(Duration::from_millis(200));
    good.play(PlayId(1), vec![sound(500.0, 200)], 1);
    events.next();
    assert!(phone.heard().len() >= 1600);
}

#[test]
fn a_sink_may_drop_the_last_engine() {
    let (tell, told) = std::sync::mpsc::channel();
    let engine = engine();
    let held = std::sync::Arc::new(std::sync::Mutex::new(None));
    let given = std::sync::Arc::clone(&held);
    let sink = move |_| {
        drop(given.lock().unwrap().take());
        tell.send(()).unwrap();
    };
    let session = engine.open(LOCALHOST, 1, Box::new(sink)).unwrap();
    let _phone = Phone::connected(&session, Codec::Pcmu);
    *held.lock().unwrap() = Some(engine);
    session.play(PlayId(1), vec![sound(500.0, 40)], 1);
    told.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_thousand_that_come_and_go() {
    let engine = Engine::start(Config {
        workers: 2,
        ..Config::default()
    })
    .unwrap();
    for round in 0..20 {
        let sessions: Vec<_> = (0..50).map(|number| open(&engine, number).0).collect();
        for pair in sessions.chunks(2) {
            let _one = Phone::connected(&pair[0], Codec::Pcmu);
            pair[0].bridge(&pair[1]);
            pair[1].play(PlayId(round), vec![sound(500.0, 100)], 0);
        }
    }
    eventually("all are closed", || engine.counters().sessions == 0);
    assert_eq!(engine.counters().commands_lost, 0);
}

#[test]
fn sessions_of_two_engines_do_not_meet() {
    let (one, two) = (engine(), engine());
    let (here, _) = open(&one, 1);
    let (_there, _) = open(&one, 1);
    let (stranger, _) = open(&two, 1);
    let mut phone = Phone::connected(&here, Codec::Pcmu);
    here.bridge(&stranger);
    let room = two.room(media::RoomSpec::default(), Box::new(nobody));
    let refused = here.join(&room, media::Member::default());
    assert_eq!(refused, Err(media::RoomError::Closed));
    listen(&mut [&mut phone], 20);
    assert!(phone.packets.len() <= 1, "nobody is there");
}

#[test]
fn a_thread_with_too_much_to_do_still_listens() {
    let engine = engine();
    let (session, events) = open(&engine, 1);
    Phone::connected(&session, Codec::Pcmu);
    // Each tick takes longer than there is time for.
    let slow = |_: Track, _: Duration, _: &[u8; 160]| std::thread::sleep(Duration::from_millis(25));
    session.tap(TapId(1), Tracks::Inbound, Box::new(slow));
    eventually("it is behind", || engine.counters().ticks_skipped > 0);
    session.play(PlayId(1), vec![sound(500.0, 60)], 1);
    let told = events.next();
    assert!(matches!(told, Event::Done(PlayId(1), _)), "{told:?}");
    drop(session);
    eventually("it is closed", || engine.counters().sessions == 0);
}
