//! Answers to requests that lack what an answer needs, and limits with the status that names them.

use bytes::Bytes;
use sip::{HeaderName, Limits, ParseError, Reply};

use crate::support::{Verdict, invite, request, response};

#[test]
fn answer_to_a_request_without_any_one_header() {
    let whole = String::from_utf8(invite("Max-Forwards: 70\r\n", "", "")).unwrap();
    for name in ["To", "From", "Call-ID", "CSeq", "Via", "Max-Forwards"] {
        let lines = whole.split_inclusive("\r\n");
        let rest: String = lines
            .filter(|line| !line.starts_with(&format!("{name}:")))
            .collect();
        let rest = rest.into_bytes();
        // The verdict builds the answer and reads it again.
        let expected = match name {
            "Max-Forwards" => Verdict::Accept,
            _ => Verdict::Answer(400),
        };
        assert_eq!(Verdict::of(&rest), expected, "{name}");
    }
    assert_eq!(
        Verdict::of(b"INVITE sip:a@b SIP/2.0\r\n\r\n"),
        Verdict::Answer(400)
    );
}

#[test]
fn answer_keeps_each_header_in_its_place() {
    let bytes = invite(
        "v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKs2\r\nTimestamp: 7\r\n",
        "",
        "",
    );
    let asked = request(&bytes);
    let reply = Reply::new(&asked, 180, "Ringing")
        .to_tag(b"t1")
        .header("X-A", "1")
        .build();
    assert_eq!(
        &reply.to_bytes()[..],
        b"SIP/2.0 180 Ringing\r\n\
          Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKs1\r\n\
          v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKs2\r\n\
          From: <sip:a@example.org>;tag=1\r\n\
          To: <sip:b@example.com>;tag=t1\r\n\
          Call-ID: s1\r\n\
          CSeq: 1 INVITE\r\n\
          X-A: 1\r\n\
          Content-Length: 0\r\n\r\n"
    );
    let trying = Reply::new(&asked, 100, "Trying").to_tag(b"t1").build();
    assert_eq!(trying.headers.named(b"Timestamp").next(), Some(&b"7"[..]));
    assert_eq!(
        trying.headers.first(HeaderName::To),
        Some(&b"<sip:b@example.com>"[..])
    );
}

#[test]
fn answer_cannot_be_split() {
    let asked = request(&invite("", "", ""));
    let reply = Reply::new(&asked, 400, "Bad\r\nX-Evil: 1")
        .to_tag(b"t\r\nX-Evil: 1")
        .header("X-A", "1\r\nX-Evil: 1")
        .header("X-A\r\nX-Evil", "1")
        .build();
    let sent = response(&reply.to_bytes());
    assert_eq!((sent.status(), sent.reason()), (400, &b""[..]));
    assert_eq!(
        sent.headers.named(b"X-Evil").count() + sent.headers.named(b"X-A").count(),
        0
    );
}

#[test]
fn answer_with_any_status_is_a_response() {
    let asked = request(&invite("", "", ""));
    for (status, sent) in [
        (0, 100),
        (99, 100),
        (100, 100),
        (699, 699),
        (700, 699),
        (65535, 699),
    ] {
        let reply = Reply::new(&asked, status, "x").build();
        assert_eq!(response(&reply.to_bytes()).status(), sent);
    }
}

#[test]
fn salvaged_request_has_what_could_be_read() {
    let bytes = invite(
        "X Bad: 1\r\nX-Good: 2\r\n",
        "Content-Length: five\r\n",
        "body",
    );
    let head = sip::salvage(Bytes::from(bytes), &Limits::default()).unwrap();
    assert_eq!(head.headers.named(b"X-Good").count(), 1);
    assert_eq!(head.headers.first(HeaderName::CallId), Some(&b"s1"[..]));
    assert_eq!(head.headers.body(), b"");
    // Lines before a bare line end are whole, the ones behind it are not read.
    let bytes = invite("X-Good: 1\r\nX-Bad: 2\nX-Late: 3\r\n", "", "");
    let head = sip::salvage(Bytes::from(bytes), &Limits::default()).unwrap();
    assert_eq!(head.headers.named(b"X-Good").count(), 1);
    assert_eq!(head.headers.named(b"X-Late").count(), 0);
}

#[test]
fn limits_are_answered_with_their_status() {
    let limits = Limits {
        message_bytes: 1000,
        header_section_bytes: 600,
        header_bytes: 200,
        headers: 10,
        via_values: 2,
        uri_bytes: 40,
        method_bytes: 8,
        body_bytes: 50,
    };
    let fault = |bytes: Vec<u8>| sip::parse(Bytes::from(bytes), &limits).unwrap_err();
    let long = "x".repeat(190);
    let answerable = [
        (
            invite(&format!("X-A: {long}yyyyyy\r\n"), "", ""),
            ParseError::HeaderTooLarge,
            513,
        ),
        (
            invite(&"X: y\r\n".repeat(6), "", ""),
            ParseError::HeadersTooMany,
            513,
        ),
        (
            invite(&format!("X-A: {long}\r\n").repeat(3), "", ""),
            ParseError::HeaderSectionTooLarge,
            513,
        ),
        (
            invite("", "", &"b".repeat(51)),
            ParseError::BodyTooLarge,
            513,
        ),
        (
            invite("", "", &"b".repeat(900)),
            ParseError::MessageTooLarge,
            513,
        ),
    ];
    for (bytes, error, status) in answerable {
        assert_eq!(fault(bytes.clone()), error);
        assert_eq!(error.status().0, status);
        let head = sip::salvage(Bytes::from(bytes), &limits).expect("something to answer");
        assert_eq!(
            head.headers.first(HeaderName::CallId),
            Some(&b"s1"[..]),
            "{error:?}"
        );
    }
    let uri = format!("INVITE sip:{long}@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n");
    assert_eq!(fault(uri.clone().into_bytes()), ParseError::UriTooLarge);
    assert_eq!(ParseError::UriTooLarge.status().0, 414);
    assert!(sip::salvage(Bytes::from(uri), &limits).is_some());
    let method = b"SUBSCRIBE sip:a@b SIP/2.0\r\n\r\n".to_vec();
    assert_eq!(fault(method), ParseError::MethodTooLarge);
    let vias = invite("Via: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n", "", "");
    let parsed = match sip::parse(Bytes::from(vias), &limits) {
        Ok(sip::Message::Request(request)) => request,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        sip::check_request(&parsed, &limits),
        Err(sip::Fault::ViaTooMany)
    );
}

#[test]
fn largest_message_fits_the_index_and_one_byte_more_does_not() {
    let limits = Limits {
        message_bytes: usize::MAX,
        body_bytes: usize::MAX,
        ..Limits::default()
    };
    let head = invite("", "", "");
    let fill = |total: usize| {
        let mut bytes = head.clone();
        bytes.resize(total, b'x');
        Bytes::from(bytes)
    };
    let Ok(sip::Message::Request(request)) = sip::parse(fill(65_535), &limits) else {
        panic!("65,535 bytes are a message");
    };
    assert_eq!(request.headers.body().len(), 65_535 - head.len());
    assert_eq!(request.wire_len(), 65_535);
    assert_eq!(
        sip::parse(fill(65_536), &limits).unwrap_err(),
        ParseError::MessageTooLarge
    );
    assert!(sip::salvage(fill(70_000), &limits).is_some());
}
