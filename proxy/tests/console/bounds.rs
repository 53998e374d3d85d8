//! What the log holds, and how much.

use super::*;

#[test]
fn oldest_calls_make_room() {
    let log = Arc::new(CallLog::new(CallLogLimits { calls: 3, ..WIDE }));
    for call in 0..5 {
        log.record(format!("call-{call}").as_bytes(), invite(""));
    }
    let (_, list) = get(&console(&log), "/api/calls");
    assert_eq!(ids(&list), [5, 4, 3]);
    assert_eq!(list["oldest"], 3);
    assert!(!log.wants(b"call-0") && log.wants(b"call-4"));
    let counters = log.counters();
    assert_eq!(
        (counters.recorded, counters.evicted, counters.calls),
        (5, 2, 3)
    );
    log.record(b"call-0", note(1));
    assert_eq!(
        log.counters().events,
        3,
        "an event of a call that is gone is ignored"
    );
    assert_eq!(get(&console(&log), "/api/calls/2").0, StatusCode::NOT_FOUND);
    assert_eq!(get(&console(&log), "/api/calls/3").0, StatusCode::OK);
}

#[test]
fn memory_is_bounded() {
    let limits = CallLogLimits {
        memory_bytes: 200_000,
        event_bytes: 10_000,
        ..WIDE
    };
    let log = CallLog::new(limits);
    for call in 0..50 {
        let call_id = format!("call-{call}");
        log.record(call_id.as_bytes(), invite(""));
        for _ in 0..5 {
            log.record(call_id.as_bytes(), note(20_000));
        }
        assert!(log.counters().bytes <= limits.memory_bytes);
    }
    let counters = log.counters();
    assert!(counters.evicted > 40 && counters.calls > 1, "{counters:?}");
}

#[test]
fn one_call_larger_than_the_whole_memory_leaves_an_empty_log() {
    let log = CallLog::new(CallLogLimits {
        memory_bytes: 100,
        ..WIDE
    });
    log.record(b"a", invite(""));
    assert_eq!((log.counters().calls, log.counters().bytes), (0, 0));
}

#[test]
fn first_and_newest_events_of_a_call_stay() {
    let log = Arc::new(CallLog::new(CallLogLimits { events: 8, ..WIDE }));
    log.record(b"a", invite(""));
    for number in 1..20 {
        log.record(
            b"a",
            CallEvent::Note {
                text: number.to_string(),
            },
        );
    }
    let (_, story) = get(&console(&log), "/api/calls/1");
    let texts: Vec<&str> = story["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(texts, ["1", "2", "3", "4", "5", "18", "19"]);
    assert_eq!(story["dropped"], 12);
}

#[test]
fn an_event_is_cut_at_its_bound() {
    let log = Arc::new(CallLog::new(CallLogLimits {
        event_bytes: 1000,
        ..WIDE
    }));
    log.record(b"a", invite(&format!("X-Long: {}\r\n", "x".repeat(5000))));
    let parameters = (0..500)
        .map(|n| (format!("name-{n}"), String::new()))
        .collect();
    log.record(
        b"a",
        CallEvent::Webhook {
            id: 1,
            method: "POST".into(),
            url: "http://a/".into(),
            parameters,
            kind: "voice".into(),
        },
    );
    let (_, story) = get(&console(&log), "/api/calls/1");
    let (first, second) = (&story["events"][0], &story["events"][1]);
    assert_eq!(
        first["message"]
            .as_str()
            .unwrap()
            .replace('\n', "\r\n")
            .len(),
        1000
    );
    assert!(first["cut"].as_u64().unwrap() > 4000);
    assert!(second["parameters"].as_array().unwrap().len() < 100);
    assert!(second["cut"].as_u64().unwrap() > 0);
}

#[test]
fn calls_that_come_too_fast_are_counted() {
    let log = CallLog::new(CallLogLimits {
        opened_per_second: 5,
        ..WIDE
    });
    for call in 0..100 {
        log.record(format!("call-{call}").as_bytes(), invite(""));
    }
    let counters = log.counters();
    assert!((5..=15).contains(&counters.recorded), "{counters:?}");
    assert_eq!(counters.recorded + counters.skipped, 100);
}

#[test]
fn only_an_invite_outside_a_dialog_opens_a_call() {
    let log = CallLog::new(WIDE);
    let options = Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n");
    log.record(
        b"a",
        CallEvent::Received {
            from: peer(1),
            message: options,
        },
    );
    let inside = Bytes::from_static(b"INVITE sip:a SIP/2.0\r\nTo: <sip:a>;tag=1\r\n\r\n");
    log.record(
        b"a",
        CallEvent::Received {
            from: peer(1),
            message: inside,
        },
    );
    log.record(b"a", note(1));
    log.record(&[b'x'; 2000], invite(""));
    assert_eq!(log.counters().calls, 0);
}

#[test]
fn a_disabled_log_makes_no_event() {
    let log = CallLog::disabled();
    assert!(!log.enabled());
    log.record(b"a", invite(""));
    log.record_with(b"a", || panic!("made for nobody"));
    assert!(!log.open(
        b"a",
        peer(1),
        &Bytes::from_static(b"INVITE a SIP/2.0\r\n\r\n")
    ));
    assert_eq!(log.counters(), Default::default());
}

#[test]
fn two_threads_record_at_once() {
    let log = Arc::new(CallLog::new(CallLogLimits { calls: 50, ..WIDE }));
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                for call in 0..500 {
                    let own = format!("{thread}-{call}");
                    log.record(own.as_bytes(), invite(""));
                    log.record(own.as_bytes(), note(100));
                    log.record(b"shared", invite(""));
                    log.describe(
                        own.as_bytes(),
                        About {
                            trunk: Some(own.clone()),
                            ..About::default()
                        },
                    );
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let (_, list) = get(&console(&log), "/api/calls");
    let ids = ids(&list);
    assert_eq!(ids.len(), 50);
    assert!(
        ids.is_sorted_by(|newer, older| newer == &(older + 1)),
        "{ids:?}"
    );
    for id in ids {
        let (status, story) = get(&console(&log), &format!("/api/calls/{id}"));
        assert_eq!(
            (status, story["call"]["id"].as_u64()),
            (StatusCode::OK, Some(id))
        );
    }
    let counters = log.counters();
    assert_eq!(counters.recorded - counters.evicted, 50);
}
