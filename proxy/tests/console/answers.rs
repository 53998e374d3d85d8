//! What HTTP answers.

use super::*;

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
