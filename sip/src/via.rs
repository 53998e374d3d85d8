//! Via values (RFC 3261 §20.42) and the transports they name.

use std::net::IpAddr;

use crate::ascii::{class, is_lws, is_token, number, split_once, split_run, trim};
use crate::host::{host_ip, parse_hostport, plain_hostport};
use crate::{Params, ViewError};

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The RFC's own names.
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// The transport with this name, in any case.
    pub fn of(name: &[u8]) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| transport.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name as Via spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The name as a `transport` parameter spells it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether the transport retransmits by itself, so that transactions need not (§17).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port where none is written (RFC 3261 §19.1.2, RFC 7118 §5).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport as written.
    pub transport: &'a [u8],
    /// The sent-by host without brackets.
    pub host: &'a [u8],
    /// The sent-by port.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// `host[:port]` as written, for matching (RFC 3261 §17.2.3).
    pub sent_by: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads one value (one element of the list).
    ///
    /// # Errors
    ///
    /// The rule of RFC 3261 §25.1 `via-parm` that it breaks.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, ViewError> {
        match Self::plain(value) {
            Some(via) => Ok(via),
            None => Self::read(value),
        }
    }

    /// A value without needless white space, quotes or brackets, as nearly all are; always one
    /// element of a list.
    pub(crate) fn plain(value: &'a [u8]) -> Option<Self> {
        let rest = value.strip_prefix(b"SIP/2.0/")?;
        let (transport, rest) = split_run(rest, class::TOKEN)?;
        let ((host, port), sent_by, rest) = plain_hostport(rest.strip_prefix(b" ")?)?;
        let params = Params::new(match rest {
            [] => None,
            [b';', params @ ..] => Some(params),
            _ => return None,
        });
        params.are_plain().then_some(Self {
            transport,
            host,
            port,
            params,
            sent_by,
        })
    }

    /// Any value, by the grammar.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, ViewError> {
        // sent-protocol = "SIP" SLASH "2.0" SLASH transport, with LWS around each SLASH.
        let (name, rest) = split_slash(value)?;
        let (version, rest) = split_slash(rest)?;
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return Err(ViewError::Syntax);
        }
        let rest = trim(rest);
        let blank = rest
            .iter()
            .position(|&byte| is_lws(byte))
            .ok_or(ViewError::Syntax)?;
        let (transport, rest) = rest.split_at(blank);
        if !is_token(transport) {
            return Err(ViewError::Syntax);
        }
        let (sent_by, params) = split_once(rest, b';');
        let sent_by = trim(sent_by);
        let params = Params::new(params);
        params.check_generic()?;
        let (host, port) = parse_sent_by(sent_by)?;
        Ok(Self {
            transport,
            host,
            port,
            params,
            sent_by,
        })
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.value(b"branch")
    }

    /// The `received` parameter as an address.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value(b"received")?;
        let text = text
            .strip_prefix(b"[")
            .and_then(|t| t.strip_suffix(b"]"))
            .unwrap_or(text);
        host_ip(text)
    }

    /// The `rport` parameter (RFC 3581): `Some(None)` where it asks, `Some(Some(_))` where it is filled.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get(b"rport").map(|value| {
            value
                .and_then(number)
                .and_then(|port| u16::try_from(port).ok())
        })
    }
}

fn split_slash(text: &[u8]) -> Result<(&[u8], &[u8]), ViewError> {
    match split_once(text, b'/') {
        (before, Some(behind)) => Ok((trim(before), behind)),
        (_, None) => Err(ViewError::Syntax),
    }
}

/// sent-by = host [ COLON port ], where COLON may have LWS on both sides.
fn parse_sent_by(text: &[u8]) -> Result<(&[u8], Option<u16>), ViewError> {
    if !text.iter().any(|&byte| is_lws(byte)) {
        return parse_hostport(text);
    }
    // The colons inside brackets are not the one before the port.
    let host_end = memchr::memchr(b']', text).unwrap_or(0);
    let colon = text.iter().skip(host_end).position(|&byte| byte == b':');
    let colon = host_end + colon.ok_or(ViewError::Host)?;
    let (host, port) = text.split_at_checked(colon).ok_or(ViewError::Host)?;
    let (host, none) = parse_hostport(trim(host))?;
    match (none, number(trim(port.get(1..).unwrap_or_default()))) {
        (None, Some(port @ 1..=65535)) => Ok((host, Some(port as u16))),
        _ => Err(ViewError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let via = Via::parse(
            b"SIP / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw;rport;received=[2001:db8::1]",
        )
        .unwrap();
        assert_eq!(via.transport, b"UDP");
        assert_eq!(via.host, b"192.0.2.2");
        assert_eq!(via.rport(), Some(None));
        assert!(via.received().is_some());
        let v6 = Via::parse(b"SIP/2.0/TCP [2001:db8::9:1]:5070;branch=z9hG4bKas3").unwrap();
        assert_eq!(
            (v6.host, v6.port),
            (b"2001:db8::9:1".as_slice(), Some(5070))
        );
        let spaced = Via::parse(b"SIP/2.0/TCP host : 5070 ;branch=z9hG4bKx").unwrap();
        assert_eq!((spaced.host, spaced.port), (b"host".as_slice(), Some(5070)));
    }

    #[test]
    fn refused() {
        for bad in [
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP",
            "SIP/2.0 UDP h",
            "SIP/2.0/UDP ;branch=x",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:0",
            "",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
