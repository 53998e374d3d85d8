//! Values of headers as webhooks take them, and texts as SIP takes them.

use std::net::IpAddr;

use sip::{Headers, NameAddr};

/// All headers of a message as the webhook client takes them.
pub(crate) fn header_list(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    headers
        .iter()
        .map(|header| (text(header.name), header.unfolded().into_owned()))
        .collect()
}

/// The address in a From or To value, as webhooks are told it.
pub(crate) fn shown_uri(value: &[u8]) -> String {
    let value = sip::unfold(value);
    match NameAddr::parse(&value) {
        Ok(parsed) => String::from_utf8_lossy(parsed.uri).into_owned(),
        Err(_) => String::from_utf8_lossy(&value).into_owned(),
    }
}

/// The address of a source as text in the headers of the proxy: `ip:port`, or the address alone.
pub(crate) fn source_ip(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let socket = text
        .parse::<std::net::SocketAddr>()
        .map(|socket| socket.ip());
    socket.or_else(|_| text.parse()).ok()
}

/// A text as the user part of a SIP URI (RFC 3261 §25.1).
pub(crate) fn escape_user(text: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'&')
        .remove(b'=')
        .remove(b'+')
        .remove(b'$')
        .remove(b',')
        .remove(b'/');
    percent_encoding::utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(
            shown_uri(b"\"A\" <sip:a@b;user=phone>;tag=1"),
            "sip:a@b;user=phone"
        );
        assert_eq!(shown_uri(b"\"A"), "\"A");
        assert_eq!(source_ip(b"[::1]:5060"), "::1".parse().ok());
        assert_eq!(source_ip(b"192.0.2.1:5060"), "192.0.2.1".parse().ok());
        assert_eq!(source_ip(b"192.0.2.1"), "192.0.2.1".parse().ok());
        assert_eq!(source_ip(b"x"), None);
        assert_eq!(escape_user("+1 555@\u{e9}"), "+1%20555%40%C3%A9");
    }
}
