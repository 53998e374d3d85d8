//! Header names that hide from a rule, and edits that could write what no parser would let in.

use sip::{EditError, HeaderName, ParseError};

use crate::support::{Verdict, invite, parse, request};

/// Every spelling either is refused with 400, or is the name that a strip rule removes.
#[test]
fn header_names_cannot_hide_from_a_strip_rule() {
    for line in ["X-Int :", "x-iNT\t:", "X-Int \t :", "X-INT:"] {
        let mut sent = request(&invite(&format!("{line} evil\r\n"), "", ""));
        assert_eq!(sent.headers.remove(b"X-Int"), 1, "{line:?}");
        assert!(memchr::memmem::find(&sent.to_bytes(), b"evil").is_none());
    }
    for line in [
        "X-Int\x01:",
        "X-Int\u{a0}:",
        "X-Int\0:",
        " X-Int:",
        "\tX-Int:",
        "X-Int\r\n :",
        "X-Int\x0b:",
        "X-Int\x7f:",
        "X-Int\u{2009}:",
        "X Int:",
        "X-Int",
        ":",
        " :",
    ] {
        let bytes = invite(&format!("{line} evil\r\n"), "Content-Length: 0\r\n", "");
        let first = format!("INVITE sip:a@b SIP/2.0\r\n{line} evil\r\n\r\n");
        if line.starts_with([' ', '\t']) {
            // Behind another header these continue its value, for every reader.
            assert_eq!(
                parse(first.as_bytes()).unwrap_err(),
                ParseError::HeaderName,
                "{line:?}"
            );
            assert_eq!(request(&bytes).headers.named(b"X-Int").count(), 0);
        } else {
            assert_eq!(Verdict::of(&bytes), Verdict::Answer(400), "{line:?}");
            assert!(parse(first.as_bytes()).is_err(), "{line:?}");
        }
    }
}

#[test]
fn controls_before_the_colon_make_no_known_header() {
    for byte in (0..=0xffu8).filter(|byte| !sip::is_token_byte(*byte)) {
        let mut bytes = b"OPTIONS sip:a@b SIP/2.0\r\nX: y\r\nTo".to_vec();
        bytes.push(byte);
        bytes.extend_from_slice(b": <sip:evil@b>\r\n\r\n");
        match byte {
            b' ' | b'\t' => assert!(request(&bytes).headers.first(HeaderName::To).is_some()),
            b':' => assert_eq!(
                request(&bytes).headers.first(HeaderName::To),
                Some(&b": <sip:evil@b>"[..]),
            ),
            _ => assert!(parse(&bytes).is_err(), "{byte:#x}"),
        }
    }
}

#[test]
fn edits_cannot_write_a_second_line() {
    let mut safe = request(&invite("X-A: 1\r\n", "", ""));
    for value in ["a\r\nX-Evil: 1", "a\rb", "a\nb", "a\0", "a\x7f", "a\r\n b"] {
        assert_eq!(
            safe.headers.set(b"X-A", value.as_bytes()),
            Err(EditError::Value)
        );
        assert_eq!(
            safe.headers.append(b"X-B", value.as_bytes()),
            Err(EditError::Value)
        );
        assert_eq!(
            safe.headers.set_value_at(0, value.as_bytes()),
            Err(EditError::Value)
        );
        let first = safe
            .headers
            .replace_first(HeaderName::Via, value.as_bytes());
        assert_eq!(first, Err(EditError::Value));
    }
    for name in ["", "X B", "X:B", "X\r\nB", "X-B ", "X\u{a0}"] {
        assert_eq!(
            safe.headers.append(name.as_bytes(), b"1"),
            Err(EditError::Name)
        );
        assert_eq!(
            safe.headers.rename_at(0, name.as_bytes()),
            Err(EditError::Name)
        );
    }
    for uri in ["", "sip:a b", "sip:a\r\nX: y", "<sip:a>", "sip:\"a\""] {
        assert_eq!(safe.set_uri(uri.as_bytes()), Err(EditError::Value));
    }
    assert_eq!(&safe.to_bytes()[..], invite("X-A: 1\r\n", "", ""));
}
