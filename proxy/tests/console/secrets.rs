//! What is shown of what strangers say, and what is not.

use super::*;

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
