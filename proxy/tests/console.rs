//! The console through its public API: what the log holds, what HTTP answers, over real sockets too.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookswitch::console::{
    About, Access, CallEvent, CallLog, CallLogLimits, Change, ChangeKind, Console, ConsoleApp,
    Example, ExecutorObserver, FilterHook, FilterStep, Info, Level, Peer, Registered,
    Registrations,
};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

const WIDE: CallLogLimits = CallLogLimits {
    calls: 1000,
    events: 64,
    event_bytes: 16 << 10,
    memory_bytes: 32 << 20,
    opened_per_second: u32::MAX,
};

fn peer(port: u16) -> Peer {
    Peer::new(
        sip::Transport::Udp,
        SocketAddr::from(([127, 0, 0, 1], port)),
    )
}

fn invite(extra: &str) -> CallEvent {
    let message = format!(
        "INVITE sip:bob@demo.example SIP/2.0\r\nFrom: <sip:alice@a.example>;tag=1\r\n\
         To: <sip:bob@demo.example>\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
    );
    CallEvent::Received {
        from: peer(5062),
        message: message.into(),
    }
}

fn note(bytes: usize) -> CallEvent {
    CallEvent::Note {
        text: "n".repeat(bytes),
    }
}

fn console(log: &Arc<CallLog>) -> Console {
    let access = Access::new("127.0.0.1:80".parse().unwrap(), None).unwrap();
    Console::new(log.clone(), access)
}

fn get(console: &Console, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path)
        .header("host", "localhost")
        .body(())
        .unwrap();
    let response = console.answer(&request.into_parts().0);
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status(), body)
}

fn ids(list: &Value) -> Vec<u64> {
    list["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_u64().unwrap())
        .collect()
}

// ---- bounds ----

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

// ---- what is shown ----

#[test]
fn secrets_are_not_recorded() {
    let log = Arc::new(CallLog::new(WIDE));
    log.record(
        b"a",
        invite(
            "Authorization: Digest username=\"a\", response=\"SECRET\"\r\n\
             Proxy-Authorization:Digest SECRET\r\nContact: <sip:a:SECRET@h>\r\n\r\n\
             a=crypto:1 AES inline:SECRET\r\nk=clear:SECRET\r\n",
        ),
    );
    let secret = || Some(b"Digest SECRET".to_vec());
    let step = FilterStep {
        name: "x_headers".into(),
        changes: vec![Change {
            kind: ChangeKind::Removed,
            header: "authorization".into(),
            before: secret(),
            after: None,
        }],
        nanos: 1,
        verdict: None,
    };
    log.record(
        b"a",
        CallEvent::Filters {
            chain: "in".into(),
            hook: FilterHook::Request,
            steps: vec![step],
        },
    );
    log.record(
        b"a",
        CallEvent::Webhook {
            id: 1,
            method: "POST".into(),
            url: "https://user:SECRET@h/".into(),
            parameters: vec![("From".into(), "sip:a:SECRET@h".into())],
            kind: "voice".into(),
        },
    );
    log.record(
        b"a",
        CallEvent::Twiml {
            id: 1,
            status: 200,
            content_type: "text/xml".into(),
            body: "<Dial><Sip username='u' password='SECRET'>sip:a@b</Sip></Dial>".into(),
            parameters: Vec::new(),
            elapsed: Duration::from_millis(3),
            error: None,
        },
    );
    let text = get(&console(&log), "/api/calls/1").1.to_string();
    assert!(!text.contains("SECRET"), "{text}");
    assert_eq!(text.matches("[redacted]").count(), 9, "{text}");
    assert!(text.contains("Digest [redacted]"));
}

#[test]
fn hostile_bytes_are_text() {
    let hostile = "<script>alert(1)</script>\u{1b}[2J\0\u{202e}\"";
    let bytes = [hostile.as_bytes(), b"\xff\xfe"].concat();
    let log = Arc::new(CallLog::new(WIDE));
    let message = [
        &b"INVITE sip:"[..],
        &bytes,
        b" SIP/2.0\r\nFrom: <sip:",
        &bytes,
        b">\r\n\r\n",
    ]
    .concat();
    log.record(
        &bytes,
        CallEvent::Received {
            from: peer(1).named(hostile),
            message: message.into(),
        },
    );
    let text = || hostile.to_owned();
    log.describe(
        &bytes,
        About {
            trunk: Some(text()),
            domain: Some(text()),
            call_sid: Some(text()),
            parent: Some(text()),
        },
    );
    let change = Change {
        kind: ChangeKind::Changed,
        header: text(),
        before: Some(bytes.clone()),
        after: Some(bytes.clone()),
    };
    let step = FilterStep {
        name: hostile.into(),
        changes: vec![change],
        nanos: 1,
        verdict: Some(text()),
    };
    let parameters = vec![(text(), text())];
    for event in [
        CallEvent::Filters {
            chain: hostile.into(),
            hook: FilterHook::Branch,
            steps: vec![step],
        },
        CallEvent::Forwarded {
            to: peer(2),
            message: bytes.clone().into(),
        },
        CallEvent::Response {
            from: peer(2),
            status: 200,
            message: bytes.clone().into(),
        },
        CallEvent::Answered {
            to: peer(1),
            status: 200,
            message: bytes.clone().into(),
        },
        CallEvent::Webhook {
            id: 1,
            method: text(),
            url: text(),
            parameters: parameters.clone(),
            kind: text(),
        },
        CallEvent::Twiml {
            id: 1,
            status: 200,
            content_type: text(),
            body: bytes.clone().into(),
            parameters,
            elapsed: Duration::ZERO,
            error: Some(text()),
        },
        CallEvent::Error {
            code: 1,
            level: Level::Error,
            text: text(),
        },
        CallEvent::Note { text: text() },
    ] {
        log.record(&bytes, event);
    }
    let console = console(&log);
    for path in ["/api/calls", "/api/calls/1"] {
        let (status, value) = get(&console, path);
        assert_eq!(status, StatusCode::OK);
        assert_plain(&value);
    }
    let (_, story) = get(&console, "/api/calls/1");
    assert_eq!(story["events"].as_array().unwrap().len(), 9);
    assert_eq!(
        story["call"]["call_id"],
        "<script>alert(1)</script>\\x1b[2J\\x00\\u{202e}\"\\xff\\xfe"
    );
}

/// No string holds a control character other than a line end, or one that turns the direction.
fn assert_plain(value: &Value) {
    match value {
        Value::String(text) => assert!(
            !text
                .chars()
                .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{text:?}"
        ),
        Value::Array(items) => items.iter().for_each(assert_plain),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            assert_plain(&json!(name));
            assert_plain(value);
        }),
        _ => {}
    }
}

#[test]
fn shapes_of_the_api() {
    let log = Arc::new(CallLog::new(WIDE));
    log.record(b"a@b", invite(""));
    log.describe(
        b"a@b",
        About {
            domain: Some("demo.example".into()),
            ..About::default()
        },
    );
    let answer = Bytes::from_static(b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n");
    log.record(
        b"a@b",
        CallEvent::Answered {
            to: peer(5062),
            status: 486,
            message: answer,
        },
    );
    let console = console(&log).info(|| Info {
        version: "1.2.3".into(),
        examples: vec![Example {
            label: "call".into(),
            command: "sipp".into(),
        }],
        ..Info::default()
    });

    let (_, list) = get(&console, "/api/calls");
    let call = &list["calls"][0];
    for (field, expected) in [
        ("id", json!(1)),
        ("call_id", json!("a@b")),
        ("from", json!("sip:alice@a.example")),
        ("to", json!("sip:bob@demo.example")),
        ("trunk", json!(null)),
        ("domain", json!("demo.example")),
        ("call_sid", json!(null)),
        ("parent", json!(null)),
        ("state", json!("failed")),
        ("status", json!(486)),
        ("duration_ms", json!(null)),
        ("events", json!(2)),
        ("errors", json!(0)),
        ("warnings", json!(0)),
    ] {
        assert_eq!(call[field], expected, "{field}");
    }
    assert!(call["started_ms"].as_u64().unwrap() > 1_600_000_000_000);

    let (_, story) = get(&console, "/api/calls/1");
    let event = &story["events"][1];
    assert_eq!(event["kind"], "answered");
    assert_eq!(event["method"], "INVITE");
    assert_eq!(
        event["to"],
        json!({ "transport": "UDP", "address": "127.0.0.1:5062", "name": null })
    );
    assert_eq!(
        event["message"],
        "SIP/2.0 486 Busy Here\nCSeq: 1 INVITE\n\n"
    );
    assert!(event["offset_us"].is_u64());

    let (_, info) = get(&console, "/api/info");
    assert_eq!(info["version"], "1.2.3");
    assert_eq!(
        info["examples"][0],
        json!({ "label": "call", "command": "sipp" })
    );
    assert_eq!(info["instance"], list["instance"]);
}

#[test]
fn registrations_are_shown_without_passwords() {
    let log = Arc::new(CallLog::new(WIDE));
    let console = console(&log).registrations(|most| {
        assert!(most > 100);
        Registrations {
            users: 1,
            bindings: 2,
            registrations: vec![Registered {
                user: "alice@demo.example".to_owned(),
                contact: "sip:alice:s3cret@10.0.0.1".to_owned(),
                source: "udp:198.51.100.7:5060".to_owned(),
                q: 0.5,
                expires_s: 600,
                agent: "Phone".to_owned(),
            }],
        }
    });
    let (_, shown) = get(&console, "/api/registrations");
    let place = &shown["registrations"][0];
    assert_eq!(place["contact"], "sip:alice:[redacted]@10.0.0.1");
    assert_eq!(place["user"], "alice@demo.example");
    assert_eq!(
        (&shown["users"], &shown["bindings"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&place["q"], &place["expires_s"]),
        (&json!(0.5), &json!(600))
    );
}

#[test]
fn the_cursor_brings_only_what_changed() {
    let log = Arc::new(CallLog::new(WIDE));
    let console = console(&log);
    for call in [b"a", b"b", b"c"] {
        log.record(call, invite(""));
    }
    let (_, list) = get(&console, "/api/calls");
    let next = format!("/api/calls?after={}", list["cursor"]);
    assert_eq!(ids(&get(&console, &next).1), [0u64; 0]);
    log.record(b"b", note(1));
    log.describe(b"c", About::default());
    assert_eq!(ids(&get(&console, &next).1), [2]);
    assert_eq!(
        get(&console, "/api/calls?after=x").0,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn routes() {
    let log = Arc::new(CallLog::new(WIDE));
    let console = console(&log)
        .metrics(|| "up 1".to_owned())
        .healthy(|| false);
    let ask = |method: Method, path: &str, host: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .body(());
        console.answer(&request.unwrap().into_parts().0)
    };
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/call.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/api/info", "application/json"),
        ("/api/registrations", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let response = ask(Method::GET, path, "127.0.0.1:8080");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), content_type);
        assert_eq!(header("content-length"), response.body().len().to_string());
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").starts_with("default-src 'self'; "));
        assert_eq!(
            ask(Method::GET, path, "evil.example").status(),
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let metrics = ask(Method::GET, "/metrics", "localhost");
    assert!(
        metrics
            .body()
            .starts_with(b"up 1\n# HELP hookswitch_console_")
    );
    assert_eq!(
        ask(Method::GET, "/healthz", "any.example").status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    for path in [
        "/x",
        "/api/calls/",
        "/api/calls/0",
        "/api/calls/1",
        "/api/calls/-1",
        "/api",
        "//",
    ] {
        assert_eq!(
            ask(Method::GET, path, "localhost").status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let refused = ask(Method::POST, "/", "localhost");
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_makes_no_markup_of_data() {
    let log = Arc::new(CallLog::new(WIDE));
    let console = console(&log);
    for path in [
        "/",
        "/app.js",
        "/call.js",
        "/dom.js",
        "/ladder.js",
        "/wire.js",
        "/style.css",
    ] {
        let request = Request::get(path)
            .header("host", "localhost")
            .body(())
            .unwrap();
        let text = String::from_utf8(console.answer(&request.into_parts().0).into_body()).unwrap();
        for forbidden in [
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "eval(",
            "document.write",
            " style=\"",
            "onclick=\"",
        ] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[test]
fn the_executor_tells_its_part() {
    use executor::webhook::{Direction, Exchange, FetchId, Method, Purpose};
    use executor::{
        CallEvent as Told, Ended, ErrorCode, Location, Observer, Record, Sid, SidKind, Started,
        Warning, WebhookReply, WebhookRequest,
    };

    let log = Arc::new(CallLog::new(WIDE));
    let observer = ExecutorObserver(log.clone());
    let (caller, callee) = (
        Sid::new(SidKind::Call, [1; 16]),
        Sid::new(SidKind::Call, [2; 16]),
    );
    let tell = |leg: Sid, call_id: &str, event: Told| {
        let at = std::time::SystemTime::now();
        observer.observe(&Record {
            at,
            call: caller,
            leg,
            sip_call_id: call_id.into(),
            event,
        });
    };
    log.record(b"in", invite(""));
    log.record(b"out", invite(""));
    let params = vec![("CallSid".to_owned(), caller.to_string())];
    let exchange = Exchange {
        status: Some(200),
        params,
        ..Exchange::default()
    };
    tell(
        caller,
        "in",
        Told::Started(Arc::new(Started {
            direction: Direction::Inbound,
            from: "sip:a".into(),
            to: "sip:b".into(),
            domain: "demo.example".into(),
            source: None,
        })),
    );
    tell(
        caller,
        "in",
        Told::WebhookRequested(Arc::new(WebhookRequest {
            id: FetchId(7),
            purpose: Purpose::Voice,
            method: Method::Post,
            url: "http://a/".into(),
            call_status: executor::webhook::CallStatus::Ringing,
            params: Vec::new(),
        })),
    );
    tell(
        caller,
        "in",
        Told::WebhookReplied(Arc::new(WebhookReply {
            id: FetchId(7),
            purpose: Purpose::Voice,
            exchange,
            content_type: Some("text/xml".into()),
            body: "<Response/>".into(),
            warnings: Vec::new(),
            error: None,
        })),
    );
    let place = Location { line: 2, column: 5 };
    tell(
        caller,
        "in",
        Told::Notice(Warning::at(ErrorCode::NOT_SUPPORTED, "odd", place)),
    );
    tell(callee, "out", Told::Answered);
    let ended = Ended {
        status: executor::webhook::CallStatus::Completed,
        sip_code: 200,
        duration: Duration::from_secs(3),
    };
    tell(callee, "out", Told::Ended(ended));
    tell(callee, "never seen", Told::Ended(ended));

    let console = console(&log);
    let (_, list) = get(&console, "/api/calls");
    let (out, into) = (&list["calls"][0], &list["calls"][1]);
    assert_eq!(out["parent"], into["call_sid"]);
    assert_eq!(out["call_sid"], callee.to_string());
    assert_eq!(
        (&out["state"], &out["duration_ms"]),
        (&json!("completed"), &json!(3000))
    );
    assert_eq!(
        (&into["domain"], &into["parent"]),
        (&json!("demo.example"), &json!(null))
    );
    assert_eq!((&into["warnings"], &into["errors"]), (&json!(1), &json!(0)));

    let (_, story) = get(&console, "/api/calls/1");
    let events = story["events"].as_array().unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["received", "webhook", "twiml", "error"]);
    assert_eq!(events[1]["purpose"], "voice");
    assert_eq!(events[1]["id"], events[2]["id"]);
    assert_eq!(events[2]["parameters"][0][1], caller.to_string());
    assert_eq!(events[3]["text"], "odd (2:5)");
}

// ---- over a socket ----

/// Sends raw requests, each on a connection of its own, to a console that pingora serves.
async fn exchange(console: Console, requests: &[&str]) -> Vec<String> {
    use pingora_core::apps::ServerApp;
    use pingora_core::protocols::l4::stream::Stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Arc::new(ConsoleApp::new(console));
    let (_stop, shutdown) = tokio::sync::watch::channel(false);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (app, shutdown) = (app.clone(), shutdown.clone());
            tokio::spawn(async move {
                let mut stream: Box<Stream> = Box::new(stream.into());
                while let Some(next) = app.process_new(stream, &shutdown).await {
                    stream = match next.into_any().downcast() {
                        Ok(stream) => stream,
                        Err(_) => return,
                    };
                }
            });
        }
    });
    let mut answers = Vec::new();
    for request in requests {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answers.push(String::from_utf8(answer).unwrap());
    }
    server.abort();
    answers
}

#[tokio::test]
async fn http_over_a_socket() {
    let log = Arc::new(CallLog::new(WIDE));
    log.record(b"a", invite(""));
    let answers = exchange(
        console(&log),
        &[
            "GET /api/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            "HEAD /api/calls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n",
            "garbage\r\n\r\n",
        ],
    )
    .await;
    let split = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        (head.to_owned(), body.to_owned())
    };
    let (head, body) = split(&answers[0]);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["calls"][0]["call_id"],
        "a"
    );
    let (head, empty) = split(&answers[1]);
    assert!(
        head.to_lowercase()
            .contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert_eq!(empty, "");
    assert!(answers[2].starts_with("HTTP/1.1 405 "), "{}", answers[2]);
    assert!(answers[3].starts_with("HTTP/1.1 403 "), "{}", answers[3]);
    assert!(!answers[4].contains(" 200 "), "{}", answers[4]);
}
