//! When two URIs mean the same (RFC 3261 §19.1.4, RFC 3966 §4).

use crate::ascii::hex_digit;
use crate::host::same_host;
use crate::{Params, Scheme, Uri};

impl Uri<'_> {
    /// Whether two URIs are equivalent (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other => self.raw == other.raw,
            // RFC 3966 §4: the same number, and the same parameters in any order.
            Scheme::Tel => {
                let covers = |a: Params<'_>, b: Params<'_>| {
                    a.iter().all(|(name, value)| {
                        b.get(name).is_some_and(|other| same_value(value, other))
                    })
                };
                tel_digits(self.user).eq(tel_digits(other.user))
                    && covers(self.params, other.params)
                    && covers(other.params, self.params)
            }
            Scheme::Sip | Scheme::Sips => {
                same_text(self.user, other.user)
                    && same_text(self.password, other.password)
                    && same_host(self.host, other.host)
                    && self.port == other.port
                    && params_match(self.params, other.params)
                    && params_match(other.params, self.params)
                    && headers_match(self, other)
            }
        }
    }
}

/// The digits of a telephone number without visual separators (RFC 3966 §4).
fn tel_digits(user: Option<&[u8]>) -> impl Iterator<Item = u8> + '_ {
    user.unwrap_or_default()
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'))
        .map(u8::to_ascii_lowercase)
}

/// RFC 3261 §19.1.4: a parameter in both must match; `user`, `ttl`, `method`, `maddr` and
/// `transport` must not stand in one only.
fn params_match(a: Params<'_>, b: Params<'_>) -> bool {
    a.iter().all(|(name, value)| {
        let strict: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];
        match b.get(name) {
            None => !strict.iter().any(|s| s.eq_ignore_ascii_case(name)),
            Some(other) => same_value(value, other),
        }
    })
}

/// Name and value of a header component, as [`units`].
type Pair = (Vec<(u8, bool)>, Option<Vec<(u8, bool)>>);

/// Parameter values, which are compared without case.
fn same_value(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            let small = |(byte, escaped): (u8, bool)| (byte.to_ascii_lowercase(), escaped);
            units(a).map(small).eq(units(b).map(small))
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn same_text(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => units(a).eq(units(b)),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The bytes that `text` means. An escape is the byte it stands for, but a reserved byte and its
/// escape stay apart (RFC 3261 §19.1.4).
fn units(text: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (byte, after)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            rest = after;
            let byte = high << 4 | low;
            return Some((byte, matches!(byte, b'%') || is_reserved(byte)));
        }
        Some((byte, false))
    })
}

/// `reserved` of RFC 3261 §25.1.
fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b','
    )
}

/// RFC 3261 §19.1.4: header components are never ignored; their order does not matter.
fn headers_match(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let sorted = |uri: &Uri<'_>| {
        let mut pairs: Vec<Pair> = uri
            .header_pairs()
            .map(|(name, value)| {
                let name = units(name).map(|(byte, escaped)| (byte.to_ascii_lowercase(), escaped));
                (name.collect(), value.map(|value| units(value).collect()))
            })
            .collect();
        pairs.sort();
        pairs
    };
    a.headers.is_none() == b.headers.is_none() && sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).expect(text)
    }

    /// The examples of RFC 3261 §19.1.4.
    #[test]
    fn equivalence() {
        let same = [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtLanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;newparam=5",
            ),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a%3Bb@h", "sip:a%3bb@h"),
            ("tel:+1-201-555-0123;a=b;c", "tel:+12015550123;C;A=B"),
            ("sip:a@[2001:db8:0::1]", "sip:a@[2001:DB8::1]"),
            ("sip:[2001:db8:::192.0.2.1]", "sip:[2001:db8::192.0.2.1]"),
        ];
        for (a, b) in same {
            assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
            assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
        }
        let different = [
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:bob@biloxi.com",
                "sip:bob@biloxi.com:6000;transport=tcp",
            ),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:a%3bb@h", "sip:a;b@h"),
            (
                "tel:123;phone-context=a.example",
                "tel:123;phone-context=b.example",
            ),
            ("tel:123;phone-context=a.example", "tel:123"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
        ];
        for (a, b) in different {
            assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        }
    }
}
