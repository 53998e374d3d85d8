//! Content-Length that two elements could read differently: any doubt ends the stream, and nothing
//! behind it is ever a message.

use bytes::Bytes;
use sip::frame::Framer;
use sip::{Limits, Method, ParseError};

use crate::support::{SMUGGLED, Stream, Verdict, invite, request};

/// Nothing behind the doubtful message is ever a message.
#[track_caller]
fn doubt(length: &str) {
    let bytes = invite("", length, SMUGGLED);
    assert!(
        matches!(Verdict::of(&bytes), Verdict::Answer(400 | 513)),
        "{length:?}"
    );
    let stream = Stream::of(&bytes);
    assert_eq!(stream.messages().count(), 0, "{length:?}");
    assert!(stream.error.is_some(), "{length:?}");
}

#[track_caller]
fn doubt_on_stream(length: &str) {
    let bytes = invite("", length, SMUGGLED);
    let stream = Stream::of(&bytes);
    assert_eq!(stream.messages().count(), 0, "{length:?}");
    assert!(stream.error.is_some(), "{length:?}");
}

#[test]
fn length_of_4_gigabytes_reserves_nothing() {
    let mut framer = Framer::new(Limits::default());
    framer.push(&invite("", "Content-Length: 4294967295\r\n", ""));
    let before = framer.buffer_mut().capacity();
    let error = framer.next_frame().unwrap().unwrap_err();
    assert_eq!(error.error, ParseError::BodyTooLarge);
    assert_eq!(error.error.status().0, 513);
    assert!(framer.buffer_mut().capacity() <= before);
    assert!(
        framer.next_frame().is_none(),
        "the framing is lost for good"
    );
    // What was read is enough for the one answer.
    let head = sip::salvage(error.head, &Limits::default()).unwrap();
    assert_eq!(head.method(), Method::Invite);
}

#[test]
fn length_over_32_bits_does_not_wrap() {
    doubt("Content-Length: 4294967328\r\n"); // 2^32 + 32
    doubt("Content-Length: 18446744073709551648\r\n"); // 2^64 + 32
    doubt("Content-Length: 99999999999999999999999999999999\r\n");
}

#[test]
fn length_with_a_sign_is_refused() {
    doubt("Content-Length: +10\r\n");
    doubt("Content-Length: -1\r\n");
}

#[test]
fn length_with_a_leading_zero_is_refused() {
    doubt("Content-Length: 010\r\n");
    doubt("Content-Length: 00\r\n");
}

#[test]
fn length_as_a_list_is_refused() {
    doubt("Content-Length: 10, 10\r\n");
    doubt("Content-Length: 10,\r\n");
}

#[test]
fn length_in_another_notation_is_refused() {
    for value in [
        "0x10", "1e1", "five", "10.", "1 0", "\"10\"", "10;x", "10\x0b", "10\0", "",
    ] {
        doubt(&format!("Content-Length: {value}\r\n"));
    }
}

#[test]
fn length_twice_is_refused() {
    doubt("Content-Length: 10\r\nContent-Length: 11\r\n");
    doubt("Content-Length: 10\r\nContent-Length: 10\r\n");
    doubt("Content-Length: 10\r\nl: 0\r\n");
    doubt("l: 10\r\nX: y\r\nCONTENT-length : 10\r\n");
}

#[test]
fn length_on_a_fold_is_refused() {
    doubt("Content-Length:\r\n 10\r\n");
    doubt("Content-Length: 10\r\n \r\n");
    doubt("Content-Length: 1\r\n 0\r\n");
}

#[test]
fn length_inside_a_fold_is_none() {
    // The continuation belongs to X-A, so this message has no length at all.
    doubt_on_stream("X-A: 1\r\n Content-Length: 10\r\n");
}

#[test]
fn length_before_a_blank_is_read() {
    for name in [
        "Content-Length ",
        "Content-Length\t",
        "l ",
        "content-LENGTH \t ",
    ] {
        let bytes = invite("", &format!("{name}: 4\r\n"), "body");
        assert_eq!(request(&bytes).headers.body(), b"body");
        assert_eq!(Stream::of(&bytes).messages().next().unwrap()[..], bytes[..]);
    }
}

#[test]
fn length_under_a_name_that_another_reader_would_take_for_it_is_refused() {
    for name in [
        "Content-Length\u{a0}",
        "Content-Length\x01",
        "Content-Length\x0b",
        "Content-Length\0",
        "\u{feff}Content-Length",
        "Content -Length",
        "\x0cContent-Length",
        "l\x01",
        "\"l\"",
    ] {
        doubt_on_stream(&format!("{name}: 10\r\n"));
        // Beside a true one as well.
        doubt_on_stream(&format!("{name}: 10\r\nContent-Length: 0\r\n"));
    }
}

#[test]
fn length_behind_a_bare_line_end_is_refused() {
    for line in [
        "X-A: 1\nContent-Length: 10\r\nContent-Length: 0\r\n",
        "X-A: 1\rContent-Length: 10\r\nContent-Length: 0\r\n",
        "X-A: 1\nContent-Length: 0\r\n",
        "Content-Length: 0\n\r\n",
        "Content-Length: 10\r\r\n",
    ] {
        doubt_on_stream(line);
    }
}

#[test]
fn length_that_is_true_frames_two_messages() {
    let bytes = invite("", "Content-Length: 0\r\n", SMUGGLED);
    assert_eq!(Stream::of(&bytes).messages().count(), 2);
}

#[test]
fn body_limit_holds_for_a_datagram_too() {
    let limits = Limits {
        body_bytes: 3,
        ..Limits::default()
    };
    for length in ["Content-Length: 4\r\n", ""] {
        let bytes = Bytes::from(invite("", length, "body"));
        assert_eq!(
            sip::parse(bytes, &limits).unwrap_err(),
            ParseError::BodyTooLarge
        );
    }
}
