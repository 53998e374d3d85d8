//! What a message says of itself at a glance, for those who may have no time to parse it.

use memchr::memchr;

use crate::ascii::{is_blank, trim};

/// The Call-ID of an INVITE that begins a dialog.
///
/// Reads no further than to Call-ID and To, whichever comes last, and checks nothing else. What it gives is the first
/// Call-ID of the parsed message, if that is one; `None` says only that [`crate::parse`] has to be asked.
pub fn opening_call_id(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(b"INVITE ")?;
    let (mut call_id, mut has_to) = (None, false);
    let (_, mut rest) = split_line(bytes)?;
    while call_id.is_none() || !has_to {
        let (line, next) = split_line(rest)?;
        let colon = memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.get(1..)?;
        // A line goes on where the next one begins with a blank (§7.3.1).
        let folds = next.first().is_none_or(|byte| is_blank(*byte));
        match name.first()?.to_ascii_lowercase() {
            b'c' | b'i' if is_named(name, b"Call-ID", b"i") => {
                if folds {
                    return None;
                }
                call_id = call_id.or_else(|| Some(trim(value)));
            }
            b't' if is_named(name, b"To", b"t") => {
                if folds || may_have_tag(value) {
                    return None;
                }
                has_to = true;
            }
            _ => {}
        }
        rest = next;
    }
    call_id
}

/// The first line without its CRLF, and what follows.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(memchr(b'\n', bytes)? + 1)?;
    Some((line.strip_suffix(b"\r\n")?, rest))
}

fn is_named(name: &[u8], long: &[u8], compact: &[u8]) -> bool {
    let name = trim(name);
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(compact)
}

/// Whether the letters are there at all: of a URI or of a display name, they cost no more than a parse.
fn may_have_tag(value: &[u8]) -> bool {
    value
        .windows(3)
        .any(|word| word.eq_ignore_ascii_case(b"tag"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(headers: &str) -> String {
        format!("INVITE sip:b@example.com SIP/2.0\r\n{headers}\r\n")
    }

    #[test]
    fn an_opening_invite_shows_its_call_id() {
        for headers in [
            "Via: SIP/2.0/UDP a\r\nTo: <sip:b@example.com>\r\nCall-ID: one@here\r\n",
            "i:one@here\r\nVia: SIP/2.0/UDP a\r\nt:sip:b@example.com\r\n",
            "call-id \t:  one@here \r\ntO : \"B\" <sip:b@example.com;x=1>;y=2\r\n",
        ] {
            let text = invite(headers);
            let call_id = opening_call_id(text.as_bytes());
            assert_eq!(call_id, Some(&b"one@here"[..]), "{headers}");
        }
    }

    #[test]
    fn the_first_of_two_counts() {
        let text = invite("Call-ID: one\r\nCall-ID: two\r\nTo: sip:b\r\n");
        assert_eq!(opening_call_id(text.as_bytes()), Some(&b"one"[..]));
    }

    #[test]
    fn what_needs_the_grammar_is_left_to_the_parser() {
        for headers in [
            "To: <sip:b@example.com>;tag=1\r\nCall-ID: one\r\n",
            "To: <sip:b@example.com>; TAG = 1\r\nCall-ID: one\r\n",
            "To: <sip:b@example.com>\r\n ;tag=1\r\nCall-ID: one\r\n",
            "To: <sip:b@example.com>\r\nCall-ID:\r\n one\r\n",
            "To: <sip:b@example.com>\nCall-ID: one\r\n",
            "To: <sip:b@example.com>\r\nSubject\r\nCall-ID: one\r\n",
            "Call-ID: one\r\n",
            "To: <sip:b@example.com>\r\n",
            "",
        ] {
            let text = invite(headers);
            assert_eq!(opening_call_id(text.as_bytes()), None, "{headers}");
        }
        let other = "BYE sip:b SIP/2.0\r\nTo: sip:b\r\nCall-ID: one\r\n\r\n";
        assert_eq!(opening_call_id(other.as_bytes()), None);
        let torn = "INVITE sip:b SIP/2.0\r\nTo: sip:b\r\nCall-ID: one";
        assert_eq!(opening_call_id(torn.as_bytes()), None);
    }
}
