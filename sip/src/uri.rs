//! URIs: sip, sips and tel, with the comparison rules of RFC 3261 §19.1.4.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::ascii::{
    class, hex_digit, is_uri_text, percent_decode, split_long_run, split_once, split_run,
};
use crate::host::{host_ip, parse_hostport, plain_hostport};
use crate::{Params, ViewError};

/// A URI that borrows its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, ViewError> {
        match Self::plain(raw) {
            Some(uri) => Ok(uri),
            None => Self::read(raw),
        }
    }

    /// A SIP URI without password, escapes, IPv6 address and headers, as nearly all are.
    pub(crate) fn plain(raw: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = match raw {
            [b's', b'i', b'p', b':', rest @ ..] => (Scheme::Sip, rest),
            [b's', b'i', b'p', b's', b':', rest @ ..] => (Scheme::Sips, rest),
            _ => return None,
        };
        // No byte of what follows a user may be an `@`, so one behind no user is refused there.
        let (user, rest) = match split_long_run(rest, class::USER) {
            Some((user, [b'@', rest @ ..])) => (Some(user), rest),
            _ => (None, rest),
        };
        let ((host, port), _, rest) = plain_hostport(rest)?;
        let params = match rest {
            [] => None,
            [b';', params @ ..] => Some(params),
            _ => return None,
        };
        let mut unread = params;
        while let Some(text) = unread {
            let (_, mut rest) = split_run(text, class::URI_NAME)?;
            if let [b'=', value @ ..] = rest {
                (_, rest) = split_long_run(value, class::URI_VALUE)?;
            }
            unread = match rest {
                [] => None,
                [b';', after @ ..] => Some(after),
                _ => return None,
            };
        }
        Some(Self {
            user,
            host,
            port,
            params: Params::new(params),
            ..Self::opaque(raw, scheme)
        })
    }

    /// Any URI, by the grammar.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, ViewError> {
        if !is_uri_text(raw) {
            return Err(ViewError::Syntax);
        }
        let (scheme, rest) = split_once(raw, b':');
        let rest = rest.ok_or(ViewError::Scheme)?;
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
        let rest = match split_once(rest, b'@') {
            (rest, None) => rest,
            (userinfo, Some(rest)) => {
                let (user, password) = split_once(userinfo, b':');
                if user.is_empty() || !escapes_are_whole(userinfo) {
                    return Err(ViewError::Syntax);
                }
                uri.user = Some(user);
                uri.password = password;
                rest
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
        let headers = self.headers.map_or(0, |headers| headers.len() + 1);
        let end = self.raw.len().saturating_sub(headers);
        self.raw.get(..end).unwrap_or(self.raw)
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

fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let (_, Some(behind)) = split_once(rest, b'%') {
        let [high, low, behind @ ..] = behind else {
            return false;
        };
        if hex_digit(*high).is_none() || hex_digit(*low).is_none() {
            return false;
        }
        rest = behind;
    }
    true
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    percent_decode(text).map_or(Cow::Borrowed(text), Cow::Owned)
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
            let digit = |four: u8| match four {
                0..=9 => b'0' + four,
                _ => b'A' + four - 10,
            };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
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
}
