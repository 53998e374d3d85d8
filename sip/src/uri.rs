//! URIs: sip, sips and tel, with the comparison rules of RFC 3261 §19.1.4.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use crate::ascii::{hex_digit, is_uri_text, number, percent_decode};
use crate::{Params, ViewError};

/// A URI that borrows its text.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// The whole URI as written.
    pub raw: &'a [u8],
    /// The scheme.
    pub scheme: Scheme,
    /// User part, still escaped; for tel the subscriber number.
    pub user: Option<&'a [u8]>,
    /// Password, still escaped.
    pub password: Option<&'a [u8]>,
    /// Host without brackets and port; empty for tel and other schemes.
    pub host: &'a [u8],
    /// Port, 1–65535.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params<'a>,
    /// The text behind `?`, if there is one.
    pub headers: Option<&'a [u8]>,
}

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names of the schemes.
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Any other scheme; the rest is opaque.
    Other,
}

impl<'a> Uri<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    ///
    /// The rule of RFC 3261 §25.1 that it breaks.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ViewError> {
        if !is_uri_text(raw) {
            return Err(ViewError::Syntax);
        }
        let colon = memchr::memchr(b':', raw).ok_or(ViewError::Scheme)?;
        let (scheme, rest) = raw.split_at(colon);
        let rest = &rest[1..];
        let scheme = Scheme::of(scheme)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(raw, scheme, rest),
            Scheme::Tel => Self::parse_tel(raw, rest),
            Scheme::Other => Ok(Self::opaque(raw, Scheme::Other)),
        }
    }

    fn opaque(raw: &'a [u8], scheme: Scheme) -> Self {
        Self {
            raw,
            scheme,
            user: None,
            password: None,
            host: b"",
            port: None,
            params: Params::default(),
            headers: None,
        }
    }

    /// RFC 3261 §25.1: SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]
    fn parse_sip(raw: &'a [u8], scheme: Scheme, rest: &'a [u8]) -> Result<Self, ViewError> {
        let mut uri = Self::opaque(raw, scheme);
        // A user part may hold `;` and `?`, so the userinfo is split off first.
        let rest = match memchr::memchr(b'@', rest) {
            None => rest,
            Some(at) => {
                let userinfo = &rest[..at];
                let (user, password) = match memchr::memchr(b':', userinfo) {
                    None => (userinfo, None),
                    Some(colon) => (&userinfo[..colon], Some(&userinfo[colon + 1..])),
                };
                if user.is_empty() || !escapes_are_whole(userinfo) {
                    return Err(ViewError::Syntax);
                }
                uri.user = Some(user);
                uri.password = password;
                &rest[at + 1..]
            }
        };
        if memchr::memchr(b'@', rest).is_some() {
            return Err(ViewError::Syntax);
        }
        let (rest, headers) = split_once(rest, b'?');
        uri.headers = headers;
        let (hostport, params) = split_once(rest, b';');
        uri.params = Params::new(params);
        for (name, value) in uri.params.iter().filter(|_| params.is_some()) {
            let whole = escapes_are_whole(name) && value.is_none_or(|value| !value.is_empty());
            if name.is_empty() || !whole || value.is_some_and(|value| !escapes_are_whole(value)) {
                return Err(ViewError::Param);
            }
        }
        (uri.host, uri.port) = parse_hostport(hostport)?;
        Ok(uri)
    }

    /// RFC 3966 §3: "tel:" telephone-subscriber with `;` parameters.
    fn parse_tel(raw: &'a [u8], rest: &'a [u8]) -> Result<Self, ViewError> {
        let mut uri = Self::opaque(raw, Scheme::Tel);
        let (user, params) = split_once(rest, b';');
        let dialled = |byte: &u8| {
            byte.is_ascii_hexdigit()
                || matches!(byte, b'+' | b'-' | b'.' | b'(' | b')' | b'*' | b'#')
        };
        if user.is_empty() || !user.iter().all(dialled) {
            return Err(ViewError::Syntax);
        }
        uri.user = Some(user);
        uri.params = Params::new(params);
        Ok(uri)
    }

    /// Whether the scheme is sip or sips.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The host as an address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The user part with its escapes decoded; as written where an escape is broken.
    pub fn user_decoded(&self) -> Cow<'a, [u8]> {
        decoded(self.user.unwrap_or_default())
    }

    /// The URI as written up to its headers: without `?…`, which no Request-URI may hold
    /// (RFC 3261 §19.1.1, Table 1).
    pub fn without_headers(&self) -> &'a [u8] {
        match self.headers {
            None => self.raw,
            Some(headers) => &self.raw[..self.raw.len() - headers.len() - 1],
        }
    }

    /// Name and value of each header in order, still escaped (RFC 3261 §19.1.1).
    ///
    /// A part without `=` has no value.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        self.headers
            .into_iter()
            .flat_map(|text| text.split(|&byte| byte == b'&'))
            .map(|pair| split_once(pair, b'='))
    }

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

impl Scheme {
    fn of(text: &[u8]) -> Result<Self, ViewError> {
        let head = text.first().is_some_and(u8::is_ascii_alphabetic);
        let rest = text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !head || !rest {
            return Err(ViewError::Scheme);
        }
        Ok(if text.eq_ignore_ascii_case(b"sip") {
            Self::Sip
        } else if text.eq_ignore_ascii_case(b"sips") {
            Self::Sips
        } else if text.eq_ignore_ascii_case(b"tel") {
            Self::Tel
        } else {
            Self::Other
        })
    }
}

/// Reads `host[:port]`; the host comes back without its brackets.
pub(crate) fn parse_hostport(text: &[u8]) -> Result<(&[u8], Option<u16>), ViewError> {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let end = memchr::memchr(b']', rest).ok_or(ViewError::Host)?;
            let host = &rest[..end];
            if parse_ipv6(host).is_none() {
                return Err(ViewError::Host);
            }
            match &rest[end + 1..] {
                [] => (host, None),
                [b':', port @ ..] => (host, Some(port)),
                _ => return Err(ViewError::Host),
            }
        }
        _ => {
            let (host, port) = split_once(text, b':');
            let named =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.iter().all(named) {
                return Err(ViewError::Host);
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(text) => match number(text) {
            Some(port @ 1..=65535) => Some(port as u16),
            _ => return Err(ViewError::Port),
        },
    };
    Ok((host, port))
}

/// The address that `host` (without brackets) spells, if it is one.
pub fn host_ip(host: &[u8]) -> Option<IpAddr> {
    parse_ip::<Ipv4Addr>(host)
        .map(IpAddr::V4)
        .or_else(|| parse_ipv6(host).map(IpAddr::V6))
}

/// An IPv6 address. The grammar of RFC 3261 also allows a third colon before an embedded IPv4
/// address, as in `2001:db8:::192.0.2.1`; RFC 5118 §4.10 has it accepted.
fn parse_ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    parse_ip(host).or_else(|| {
        let third = memchr::memmem::find(host, b":::")?;
        let (head, tail) = host.split_at_checked(third)?;
        let two: SmallVec<[u8; 48]> = head.iter().chain(tail.get(1..)?).copied().collect();
        parse_ip(&two).filter(|_| tail.contains(&b'.'))
    })
}

/// Whether two hosts are the same: names without case, addresses by value.
pub fn same_host(a: &[u8], b: &[u8]) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    match (host_ip(a), host_ip(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn parse_ip<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn split_once(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text) {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    }
}

fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let digits = rest.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || digits.iter().any(|&byte| hex_digit(byte).is_none()) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    percent_decode(text).map_or(Cow::Borrowed(text), Cow::Owned)
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
        let mut pairs: Vec<(Vec<u8>, Option<Vec<(u8, bool)>>)> = uri
            .header_pairs()
            .map(|(name, value)| {
                let value = value.map(|value| units(value).collect());
                (decoded(name).to_ascii_lowercase(), value)
            })
            .collect();
        pairs.sort();
        pairs
    };
    a.headers.is_none() == b.headers.is_none() && sorted(a) == sorted(b)
}

/// Appends `text` with every byte escaped that a URI header value may not hold
/// (RFC 3261 §25.1 `hvalue`).
pub fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'_'
                    | b'.'
                    | b'!'
                    | b'~'
                    | b'*'
                    | b'\''
                    | b'('
                    | b')'
                    | b'['
                    | b']'
                    | b'/'
                    | b'?'
                    | b':'
                    | b'+'
                    | b'$'
            );
        if plain {
            out.push(byte);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn origination_uri() {
        let uri =
            uri("sip:+14158675309@your.doma.in?X-customParameter=xxxxxxxx&X-customValue=true");
        assert_eq!(uri.user, Some(b"+14158675309".as_slice()));
        assert_eq!(uri.host, b"your.doma.in");
        assert_eq!(uri.without_headers(), b"sip:+14158675309@your.doma.in");
        let pairs: Vec<_> = uri.header_pairs().collect();
        assert_eq!(
            pairs[1],
            (b"X-customValue".as_slice(), Some(b"true".as_slice()))
        );
    }

    #[test]
    fn parts() {
        let full = uri("sips:al%20ice:pw@[2001:db8::1]:5061;transport=tcp;lr?a=b");
        assert_eq!(full.scheme, Scheme::Sips);
        assert_eq!(&*full.user_decoded(), b"al ice");
        assert_eq!(full.password, Some(b"pw".as_slice()));
        assert_eq!(full.port, Some(5061));
        assert!(full.params.has(b"LR"));
        assert_eq!(full.params.value(b"transport"), Some(b"tcp".as_slice()));
        assert!(full.ip().is_some_and(|ip| ip.is_ipv6()));
        assert_eq!(
            uri("tel:+1-201-555-0123;phone-context=x").user,
            Some(b"+1-201-555-0123".as_slice())
        );
        assert_eq!(
            uri("sip:user;par=u%40example.net@example.com").host,
            b"example.com"
        );
    }

    #[test]
    fn refused() {
        for bad in [
            "sip:",
            "sip:@h",
            "sip:a@b@c",
            "sip:h:0",
            "sip:h:65536",
            "sip:[::1",
            "sip:a%4@h",
            "1sip:h",
            "sip:h;",
            "sip:h;;a",
            "nocolon",
            "sip:a b@h",
            "sip:<h>",
            "tel:",
            "sip:h;a=",
        ] {
            assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
        }
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
