//! Secrets are taken out before anything is stored, so that nothing can leak later.
//!
//! What counts as a secret: the value of a header whose name ends in `Authorization`, keys in a
//! session description (`k=`, RFC 4566 §5.12; `a=crypto:`, RFC 4568), a password in a URI or URL
//! (RFC 3261 §19.1.1 and RFC 3986 §3.2.1), and a `password` attribute of TwiML.

use bytes::Bytes;

use super::wire;

/// What stands in the place of a secret.
const REDACTED: &[u8] = b"[redacted]";

/// A SIP message without its secrets.
pub(super) fn message(message: &[u8]) -> Bytes {
    let mut shown = Vec::with_capacity(message.len());
    let mut folding_secret = false;
    for (line, end) in wire::lines(message) {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        match wire::header_line(line) {
            _ if folded && folding_secret => shown.extend_from_slice(b" [redacted]"),
            Some((name, value)) if wire::is_secret_header(name) => {
                shown.extend_from_slice(name);
                shown.extend_from_slice(b": ");
                shown.extend_from_slice(&credentials(value));
                folding_secret = true;
            }
            _ => {
                folding_secret = false;
                push_line(&mut shown, line);
            }
        }
        shown.extend_from_slice(end);
    }
    password_bytes(shown).into()
}

/// The value of an `Authorization` header: only its scheme stays (RFC 3261 §25.1 `credentials`).
pub(super) fn credentials(value: &[u8]) -> Vec<u8> {
    let scheme = value
        .split(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default();
    let mut shown = Vec::with_capacity(scheme.len() + 1 + REDACTED.len());
    if scheme.len() < value.len() && sip::is_token(scheme) {
        shown.extend_from_slice(scheme);
        shown.push(b' ');
    }
    shown.extend_from_slice(REDACTED);
    shown
}

/// A TwiML document without the values of its `password` attributes.
pub(super) fn document(body: &[u8]) -> Bytes {
    let mut shown = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, value, after)) = password_attribute(rest) {
        shown.extend_from_slice(before);
        if !value.is_empty() {
            shown.extend_from_slice(REDACTED);
        }
        rest = after;
    }
    shown.extend_from_slice(rest);
    password_bytes(shown).into()
}

/// Text without the passwords in its URIs.
pub(super) fn passwords(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    // A password is replaced whole, from an ASCII byte to an ASCII byte, so UTF-8 stays valid.
    String::from_utf8(password_bytes(text.into_bytes()))
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Bytes without the passwords in their URIs: `scheme:user:password@host`.
pub(super) fn password_bytes(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut searched = bytes.len();
    while let Some(at) = bytes[..searched].iter().rposition(|&byte| byte == b'@') {
        let start = bytes[..at].iter().rposition(|byte| ENDS_URI.contains(byte));
        let start = start.map_or(0, |end| end + 1);
        if let Some(password) = password_start(&bytes[start..at]) {
            bytes.splice(start + password..at, REDACTED.iter().copied());
        }
        searched = start;
    }
    bytes
}

/// Where the password begins in `run`, the text before an `@` up to a byte that no URI contains.
fn password_start(run: &[u8]) -> Option<usize> {
    let find = |word: &[u8]| {
        let at = run
            .windows(word.len())
            .rposition(|window| window.eq_ignore_ascii_case(word));
        at.map(|at| at + word.len())
    };
    let authority = find(b"://").filter(|&at| !run[at..].iter().any(|byte| b"/?#".contains(byte)));
    let userinfo = authority
        .or_else(|| find(b"sip:"))
        .or_else(|| find(b"sips:"))?;
    let colon = run[userinfo..].iter().position(|&byte| byte == b':')?;
    Some(userinfo + colon + 1)
}

fn push_line(shown: &mut Vec<u8>, line: &[u8]) {
    for key in SDP_KEYS {
        if line.len() > key.len() && line.starts_with(key) {
            shown.extend_from_slice(key);
            shown.extend_from_slice(REDACTED);
            return;
        }
    }
    shown.extend_from_slice(line);
}

/// The text up to and with the opening quote, the value, and the rest from the closing quote on.
fn password_attribute(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut from = 0;
    loop {
        let name = from
            + text
                .get(from..)?
                .windows(PASSWORD.len())
                .position(|w| w.eq_ignore_ascii_case(PASSWORD))?;
        from = name + PASSWORD.len();
        let rest = &text[from..];
        let equals = rest.iter().position(|byte| !byte.is_ascii_whitespace());
        let Some(equals) = equals.filter(|&at| rest[at] == b'=') else {
            continue;
        };
        let value = rest[equals + 1..]
            .iter()
            .position(|byte| !byte.is_ascii_whitespace());
        let Some(open) = value.map(|at| equals + 1 + at) else {
            continue;
        };
        let quote = rest[open];
        if quote != b'"' && quote != b'\'' {
            continue;
        }
        let start = from + open + 1;
        let end = text[start..]
            .iter()
            .position(|&byte| byte == quote)
            .map_or(text.len(), |at| start + at);
        return Some((&text[..start], &text[start..end], &text[end..]));
    }
}

const PASSWORD: &[u8] = b"password";

/// Lines of a session description that carry keys.
const SDP_KEYS: [&[u8]; 2] = [b"k=", b"a=crypto:"];

/// Bytes that cannot stand in a URI before its `@`, so that a search backwards stops there.
const ENDS_URI: &[u8] = b" \t\r\n<>\"'@";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        String::from_utf8_lossy(&message(text.as_bytes())).into_owned()
    }

    #[test]
    fn credentials_keep_only_their_scheme() {
        assert_eq!(
            shown(
                "A b\r\nAuthorization: Digest username=\"a\",\r\n response=\"s3\"\r\nX-A: 1\r\n 2\r\n"
            ),
            "A b\r\nAuthorization: Digest [redacted]\r\n [redacted]\r\nX-A: 1\r\n 2\r\n"
        );
        assert_eq!(
            shown("proxy-AUTHORIZATION : s3\r\n"),
            "proxy-AUTHORIZATION: [redacted]\r\n"
        );
        assert_eq!(
            shown("A: b\rAuthorization: Basic s3\r"),
            "A: b\rAuthorization: Basic [redacted]\r"
        );
    }

    #[test]
    fn keys_of_a_session_description() {
        assert_eq!(
            shown(
                "v=0\r\na=crypto:1 AES_CM inline:abc\r\nk=base64:abc\r\na=rtpmap:0 PCMU/8000\r\n"
            ),
            "v=0\r\na=crypto:[redacted]\r\nk=[redacted]\r\na=rtpmap:0 PCMU/8000\r\n"
        );
    }

    #[test]
    fn passwords_in_uris() {
        for (text, expected) in [
            ("sip:alice:s3@host", "sip:alice:[redacted]@host"),
            (
                "<SIPS:alice:s3;x?y@host:5061>",
                "<SIPS:alice:[redacted]@host:5061>",
            ),
            (
                "https://u:s3@host/p?q=a:b@c",
                "https://u:[redacted]@host/p?q=a:b@c",
            ),
            ("sip:alice@host:5060", "sip:alice@host:5060"),
            (
                "sip:a:1@h, <sip:b:2@h>",
                "sip:a:[redacted]@h, <sip:b:[redacted]@h>",
            ),
            ("Call-ID: 12:34@host", "Call-ID: 12:34@host"),
            ("ä:ö@ü sip:é:ñ@ß", "ä:ö@ü sip:é:[redacted]@ß"),
            ("To:sip:a/b:c,d@h", "To:sip:a/b:[redacted]@h"),
            ("http://host:80/a@b", "http://host:80/a@b"),
            ("@@@", "@@@"),
        ] {
            assert_eq!(passwords(text.to_owned()), expected);
        }
    }

    #[test]
    fn password_attributes() {
        let body = br#"<Sip username="u" password = "s3">sip:a@b</Sip><Sip password='x' passwords=y PASSWORD="">"#;
        assert_eq!(
            &document(body)[..],
            &br#"<Sip username="u" password = "[redacted]">sip:a@b</Sip><Sip password='[redacted]' passwords=y PASSWORD="">"#[..]
        );
        assert_eq!(
            &document(b"<Sip password=\"cut")[..],
            b"<Sip password=\"[redacted]"
        );
        assert_eq!(&document(b"password")[..], b"password");
    }
}
