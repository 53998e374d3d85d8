//! Just enough reading of SIP text for a view: it must cope with messages that the parser refuses.

use sip::HeaderName;

/// The lines of a message with their ends, which may be CRLF, LF or CR.
///
/// A bare CR or LF counts as an end so that no line can hide a header from redaction.
pub(super) fn lines(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .iter()
            .position(|&byte| byte == b'\r' || byte == b'\n')
            .unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let width = if tail.starts_with(b"\r\n") {
            2
        } else {
            tail.len().min(1)
        };
        let (line_end, tail) = tail.split_at(width);
        rest = tail;
        Some((line, line_end))
    })
}

/// A header line as name and value, both trimmed; `None` for folded and other lines.
pub(super) fn header_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return None;
    }
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    Some((
        name.trim_ascii(),
        value.get(1..).unwrap_or_default().trim_ascii(),
    ))
}

/// The head of the message: what stands before the first empty line, and the body behind it.
pub(super) fn split_body(message: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for (line, end) in lines(message) {
        at += line.len() + end.len();
        if line.is_empty() && at > end.len() {
            return message.split_at(at);
        }
    }
    (message, &[])
}

/// The value of the first header with this name; folds are left out.
pub(super) fn header(message: &[u8], name: HeaderName) -> Option<&[u8]> {
    let (head, _) = split_body(message);
    lines(head)
        .skip(1)
        .filter_map(|(line, _)| header_line(line))
        .find(|(found, _)| HeaderName::of(found) == name)
        .map(|(_, value)| value)
}

/// The method in the start line of a request.
pub(super) fn request_method(message: &[u8]) -> Option<&[u8]> {
    let first = start_line(message).split(|&byte| byte == b' ').next()?;
    let is_response = first
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
    (!is_response && !first.is_empty()).then_some(first)
}

/// The Request-URI.
pub(super) fn request_uri(message: &[u8]) -> Option<&[u8]> {
    request_method(message)?;
    start_line(message).split(|&byte| byte == b' ').nth(1)
}

/// The method in CSeq: what a response answers (RFC 3261 §8.1.1.5).
pub(super) fn cseq_method(message: &[u8]) -> Option<&[u8]> {
    let value = header(message, HeaderName::CSeq)?;
    value
        .split(u8::is_ascii_whitespace)
        .rfind(|word| !word.is_empty())
}

/// An INVITE outside a dialog.
pub(super) fn begins_call(message: &[u8]) -> bool {
    request_method(message) == Some(b"INVITE")
        && !header(message, HeaderName::To).is_some_and(|to| contains_ignore_case(to, b";tag="))
}

/// The URI inside a From or To value: what stands in angle brackets behind the display name, or
/// what stands before the parameters (RFC 3261 §20.10).
pub(super) fn address_uri(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        rest.get(end + 1..)
    });
    let addr = quoted.unwrap_or(value);
    match addr.iter().position(|&byte| byte == b'<') {
        Some(open) => {
            let inner = addr.get(open + 1..).unwrap_or_default();
            let end = inner
                .iter()
                .rposition(|&byte| byte == b'>')
                .unwrap_or(inner.len());
            inner.get(..end).unwrap_or_default()
        }
        None => addr
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii(),
    }
}

/// Whether the value of a header is a secret.
pub(super) fn is_secret_header(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    let start = name.len().saturating_sub(AUTHORIZATION.len());
    name.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(AUTHORIZATION))
}

fn start_line(message: &[u8]) -> &[u8] {
    lines(message)
        .map(|(line, _)| line)
        .next()
        .unwrap_or_default()
}

fn contains_ignore_case(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

const AUTHORIZATION: &[u8] = b"authorization";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_every_byte() {
        for text in ["", "a", "a\r\nb\n\rc\r", "\r\n\r\n", "a\r\n\r\nb"] {
            let joined: Vec<u8> = lines(text.as_bytes())
                .flat_map(|(line, end)| [line, end].concat())
                .collect();
            assert_eq!(joined, text.as_bytes());
        }
    }

    #[test]
    fn views_of_an_invite() {
        let invite =
            b"INVITE sip:x@y;a=b SIP/2.0\r\nf : \"a <b>\" <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\n\
            CSeq: 1\t INVITE\r\n\r\nTo: <sip:x@y>;tag=2\r\n";
        assert_eq!(request_method(invite), Some(&b"INVITE"[..]));
        assert_eq!(request_uri(invite), Some(&b"sip:x@y;a=b"[..]));
        assert_eq!(
            header(invite, HeaderName::From).map(address_uri),
            Some(&b"sip:a@b"[..])
        );
        assert_eq!(cseq_method(invite), Some(&b"INVITE"[..]));
        assert!(begins_call(invite));
        assert!(!begins_call(
            b"INVITE sip:x@y SIP/2.0\r\nt: <sip:x@y>;TAG=2\r\n\r\n"
        ));
        assert!(!begins_call(b"BYE sip:x@y SIP/2.0\r\n\r\n"));
        assert_eq!(address_uri(b"sip:a@b;tag=1"), b"sip:a@b");
        assert_eq!(address_uri(b"<sip:<script>@b>;tag=1"), b"sip:<script>@b");
        assert_eq!(address_uri(b"\"unclosed"), b"\"unclosed");
        assert_eq!(request_method(b"SIP/2.0 200 OK\r\n"), None);
    }

    #[test]
    fn body_is_found_behind_the_first_empty_line() {
        assert_eq!(
            split_body(b"A b\r\nC: d\r\n\r\nv=0\r\n\r\n"),
            (&b"A b\r\nC: d\r\n\r\n"[..], &b"v=0\r\n\r\n"[..])
        );
        assert_eq!(split_body(b"A b\r\nC: d"), (&b"A b\r\nC: d"[..], &b""[..]));
        assert_eq!(split_body(b""), (&b""[..], &b""[..]));
    }

    #[test]
    fn secret_headers() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "X-Api-Authorization",
            " Authorization ",
        ] {
            assert!(is_secret_header(name.as_bytes()), "{name}");
        }
        assert!(!is_secret_header(b"WWW-Authenticate"));
        assert!(!is_secret_header(b""));
    }
}
