//! The bodies that a user agent understands.

use bytes::Bytes;
use sip::{HeaderName, Headers};

/// A body whose type or coding we do not take: it is answered 415.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unsupported;

/// The session description in a message, alone or as a part of `multipart/mixed` (RFC 5621 §3.2).
pub(crate) fn description(headers: &Headers) -> Result<Option<Bytes>, Unsupported> {
    let body = headers.body_bytes();
    if body.is_empty() {
        return Ok(None);
    }
    let coding = headers.first(HeaderName::ContentEncoding);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Unsupported);
    }
    let kind = headers
        .first(HeaderName::ContentType)
        .unwrap_or(b"application/sdp");
    let kind = sip::unfold(kind);
    if is_type(&kind, b"application/sdp") {
        return Ok(Some(body));
    }
    if is_type(&kind, b"multipart/mixed") || is_type(&kind, b"multipart/alternative") {
        let boundary = boundary(&kind).ok_or(Unsupported)?;
        return part(&body, &boundary).map(Some).ok_or(Unsupported);
    }
    Err(Unsupported)
}

/// The key that an INFO carries: `application/dtmf-relay` has `Signal=5`, `application/dtmf` the
/// key alone. `Err`: the body is of another type.
pub(crate) fn key(headers: &Headers) -> Result<Option<char>, Unsupported> {
    let body = headers.body();
    if body.is_empty() {
        return Ok(None);
    }
    let kind = headers.first(HeaderName::ContentType).unwrap_or_default();
    let signal = if is_type(kind, b"application/dtmf-relay") {
        let mut lines = body.split(|&byte| matches!(byte, b'\r' | b'\n'));
        lines.find_map(|line| {
            let at = line.iter().position(|&byte| byte == b'=')?;
            let (name, value) = line.split_at(at);
            sip::trim(name)
                .eq_ignore_ascii_case(b"Signal")
                .then(|| sip::trim(&value[1..]))
        })
    } else if is_type(kind, b"application/dtmf") {
        Some(sip::trim(body))
    } else {
        return Err(Unsupported);
    };
    Ok(match signal {
        Some(b"10") => Some('*'),
        Some(b"11") => Some('#'),
        Some([key]) => {
            let key = char::from(key.to_ascii_uppercase());
            "0123456789*#ABCD".contains(key).then_some(key)
        }
        _ => None,
    })
}

fn is_type(value: &[u8], kind: &[u8]) -> bool {
    let end = value
        .iter()
        .position(|&byte| byte == b';')
        .unwrap_or(value.len());
    sip::trim(value.get(..end).unwrap_or_default()).eq_ignore_ascii_case(kind)
}

fn boundary(kind: &[u8]) -> Option<Vec<u8>> {
    let at = kind.iter().position(|&byte| byte == b';')?;
    let value = sip::Params::new(kind.get(at + 1..)).value(b"boundary")?;
    let bare = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(bare.unwrap_or(value));
    // RFC 2046 §5.1.1: 1 to 70 characters.
    (3..=72).contains(&delimiter.len()).then_some(delimiter)
}

fn part(body: &Bytes, delimiter: &[u8]) -> Option<Bytes> {
    let starts: Vec<_> = memchr_all(body, delimiter).take(PARTS_MAX + 1).collect();
    for pair in starts.windows(2) {
        let part = body.get(pair[0] + delimiter.len()..pair[1])?;
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        let (head, content) = split_head(part)?;
        let sdp = head.split(|&byte| byte == b'\n').any(|line| {
            let name = b"content-type:";
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
                && is_type(
                    line.get(name.len()..).unwrap_or_default(),
                    b"application/sdp",
                )
        });
        if sdp {
            // The line end before the next delimiter belongs to the delimiter.
            let content = content.strip_suffix(b"\r\n").unwrap_or(content);
            return Some(body.slice_ref(content));
        }
    }
    None
}

fn split_head(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr_all(part, b"\r\n\r\n").next()?;
    Some((part.get(..end)?, part.get(end + 4..)?))
}

fn memchr_all<'a>(text: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(needle.len())
        .enumerate()
        .filter(move |(_, at)| *at == needle)
        .map(|(at, _)| at)
}

/// Parts of a multipart body that are looked at.
const PARTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str, body: &str) -> Headers {
        let length = body.len();
        let text = format!(
            "INFO sip:a SIP/2.0\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        match sip::parse(text.into_bytes().into(), &sip::Limits::default()).unwrap() {
            sip::Message::Request(request) => request.headers,
            sip::Message::Response(_) => panic!(),
        }
    }

    #[test]
    fn a_description_alone_and_among_parts() {
        let alone = headers("Application/SDP; charset=utf-8", "v=0\r\n");
        assert_eq!(
            description(&alone),
            Ok(Some(Bytes::from_static(b"v=0\r\n")))
        );
        let parts = "--b\r\nContent-Type: application/isup\r\n\r\nx\r\n--b\r\n\
                     Content-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\n";
        let mixed = headers("multipart/mixed;boundary=\"b\"", parts);
        assert_eq!(
            description(&mixed),
            Ok(Some(Bytes::from_static(b"v=0\r\n")))
        );
        assert_eq!(description(&headers("text/plain", "x")), Err(Unsupported));
        assert_eq!(
            description(&headers("multipart/mixed", parts)),
            Err(Unsupported)
        );
        assert_eq!(description(&headers("text/plain", "")), Ok(None));
    }

    #[test]
    fn keys_in_info() {
        let relay = |signal: &str| {
            key(&headers(
                "application/dtmf-relay",
                &format!("Signal={signal}\r\nDuration=160\r\n"),
            ))
        };
        assert_eq!(relay("5"), Ok(Some('5')));
        assert_eq!(relay(" * "), Ok(Some('*')));
        assert_eq!(relay("11"), Ok(Some('#')));
        assert_eq!(relay("d"), Ok(Some('D')));
        assert_eq!(relay("x"), Ok(None));
        assert_eq!(key(&headers("application/dtmf", "7\r\n")), Ok(Some('7')));
        assert_eq!(key(&headers("text/plain", "7")), Err(Unsupported));
    }
}
