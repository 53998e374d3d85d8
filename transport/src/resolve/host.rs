//! What a host part may be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host of a URI or a Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// In lower case, without a final dot.
    Name(String),
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address with or without brackets (RFC 3261 §25.1).
    /// A name has to look like one, so that rubbish costs no query.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(ip.into()));
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse::<Ipv6Addr>() {
            return Some(Self::Address(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let labels = name.split('.').all(is_label);
        // toplabel: at least its first character is a letter.
        let top = name
            .rsplit('.')
            .next()
            .and_then(|label| label.bytes().next());
        let is_name =
            name.len() <= NAME_MAX && labels && top.is_some_and(|byte| !byte.is_ascii_digit());
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

/// RFC 1035 §2.3.4. Underscores are not in the grammar and are in use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// RFC 1035 §2.3.4, less the root.
const NAME_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        let name = |name: &str| Some(Host::Name(name.into()));
        assert_eq!(Host::parse("Example.COM."), name("example.com"));
        assert_eq!(Host::parse("pbx"), name("pbx"));
        assert_eq!(
            Host::parse("_sip._udp.example.com"),
            name("_sip._udp.example.com")
        );
        for text in ["192.0.2.1", "2001:db8::1", "[2001:db8::1]"] {
            assert!(
                matches!(Host::parse(text), Some(Host::Address(_))),
                "{text}"
            );
        }
        for text in [
            "",
            ".",
            "a..b",
            "1.2.3",
            "999.1.1.1",
            "a b",
            "a\0b",
            "exämple.com",
            "[::1",
            "[x]",
            "a/b",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        assert_eq!(
            Host::parse(&"a.".repeat(127)),
            name("a.".repeat(127).trim_end_matches('.'))
        );
        assert_eq!(Host::parse(&"a".repeat(64)), None);
        assert_eq!(Host::parse(&"a.".repeat(128)), None);
    }
}
