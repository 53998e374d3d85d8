//! Line ends, NULs, and what stands around a message.

use bytes::Bytes;
use sip::frame::{Frame, Framer};
use sip::{EditError, Limits, ParseError};

use crate::support::{SMUGGLED, Stream, Verdict, invite, parse, request};

#[test]
fn bare_line_ends_are_refused_everywhere() {
    let good = invite("X-A: 1\r\n", "Content-Length: 0\r\n", "");
    assert_eq!(Verdict::of(&good), Verdict::Accept);
    let header_end = good.len();
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&good[at..header_end], b"\r\n") {
        at += found;
        for replacement in [&b"\n"[..], b"\r", b"\n\r", b"\r\r\n", b"\n\n"] {
            let bytes = [&good[..at], replacement, &good[at + 2..]].concat();
            assert_ne!(
                Verdict::of(&bytes),
                Verdict::Accept,
                "{}",
                bytes.escape_ascii()
            );
        }
        at += 2;
    }
}

#[test]
fn body_may_hold_any_line_end() {
    let body = "a\nb\rc\r\n\r\n\0";
    let bytes = invite("", "Content-Length: 10\r\n", body);
    assert_eq!(request(&bytes).headers.body(), body.as_bytes());
}

#[test]
fn nul_is_refused_in_start_line_and_names() {
    for bytes in [
        b"INVITE\0 sip:a@b SIP/2.0\r\n\r\n".as_slice(),
        b"INVITE sip:a\0@b SIP/2.0\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\0\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nX\0Y: 1\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n\0: 1\r\n\r\n",
    ] {
        assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn nul_in_a_value_ends_nothing() {
    let bytes = invite("X-A: 1\0\r\nX-B: 2\r\n", "", "");
    let mut odd = request(&bytes);
    assert_eq!(odd.headers.named(b"x-a").next(), Some(&b"1\0"[..]));
    assert_eq!(odd.headers.named(b"x-b").next(), Some(&b"2"[..]));
    // But no edit of ours writes one.
    assert_eq!(odd.headers.set(b"X-A", b"1\0"), Err(EditError::Value));
    assert_eq!(&odd.to_bytes()[..], bytes);
}

#[test]
fn leading_line_ends_are_skipped_and_not_sent_on() {
    let good = invite("", "Content-Length: 0\r\n", "");
    for lead in ["\r\n", "\r\n\r\n\r\n", "\n", "\r\r"] {
        let bytes = [lead.as_bytes(), &good].concat();
        assert_eq!(&request(&bytes).to_bytes()[..], good);
    }
    for empty in ["", "\r\n", "\r\n\r\n", "\n"] {
        assert_eq!(parse(empty.as_bytes()).unwrap_err(), ParseError::Empty);
    }
}

#[test]
fn octets_behind_the_body_are_not_sent_on() {
    let good = invite("", "Content-Length: 4\r\n", "body");
    let bytes = [&good, SMUGGLED.as_bytes()].concat();
    assert_eq!(&request(&bytes).to_bytes()[..], good);
}

#[test]
fn keep_alives_between_messages() {
    let message = invite("", "Content-Length: 0\r\n", "");
    let bytes = [
        b"\r\n\r\n",
        &message[..],
        b"\r\n\r\n",
        b"\r\n",
        &message,
        b"\r\n",
    ]
    .concat();
    let stream = Stream::of(&bytes);
    let whole = Frame::Message(Bytes::from(message));
    let expected = [Frame::Ping, whole.clone(), Frame::Ping, Frame::Pong, whole];
    assert_eq!(stream.frames, expected);
    // A keep-alive that may still become the double one is no message that a deadline waits for.
    assert!(!stream.partial);
}

#[test]
fn stream_of_line_feeds_ends_at_the_limit() {
    let mut framer = Framer::new(Limits::default());
    let line = b"X-A: 1\n".repeat(100);
    let mut read = 0;
    let error = loop {
        framer.push(&line);
        read += line.len();
        if let Some(frame) = framer.next_frame() {
            break frame.unwrap_err();
        }
        assert!(read < 20_000, "the header section has a limit");
    };
    assert_eq!(error.error, ParseError::HeaderSectionTooLarge);
    assert!(error.head.len() <= Limits::default().header_section_bytes);
}
