//! Hosts and ports of URIs and Via (RFC 3261 §25.1 `hostport`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use crate::ViewError;
use crate::ascii::{class, number, split_long_run, split_once, split_run};

/// A host, and a port where one is written.
type HostPort<'a> = (&'a [u8], Option<u16>);

/// Splits `host[:port]` off, where the host is a name or an IPv4 address: what it means, how it is
/// written, and what follows it.
#[inline]
pub(crate) fn plain_hostport(text: &[u8]) -> Option<(HostPort<'_>, &[u8], &[u8])> {
    let (host, rest) = split_long_run(text, class::HOST)?;
    let [b':', digits @ ..] = rest else {
        return Some(((host, None), host, rest));
    };
    let (digits, rest) = split_run(digits, class::DIGIT)?;
    let written = text.get(..text.len() - rest.len())?;
    match number(digits) {
        Some(port @ 1..=65535) => Some(((host, Some(port as u16)), written, rest)),
        _ => None,
    }
}

/// Reads `host[:port]`; the host comes back without its brackets.
pub(crate) fn parse_hostport(text: &[u8]) -> Result<HostPort<'_>, ViewError> {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let (host, rest) = split_once(rest, b']');
            if parse_ipv6(host).is_none() {
                return Err(ViewError::Host);
            }
            match rest {
                Some([]) => (host, None),
                Some([b':', port @ ..]) => (host, Some(port)),
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
    match parse_ipv4(host) {
        Some(ip) => Some(ip.into()),
        // A name has no colon.
        None if memchr::memchr(b':', host).is_some() => parse_ipv6(host).map(IpAddr::V6),
        None => None,
    }
}

/// An IPv4 address: four numbers without leading zeros, as [`std::net`] reads them.
fn parse_ipv4(host: &[u8]) -> Option<Ipv4Addr> {
    let mut address = 0_u32;
    let mut octet: Option<u32> = None;
    let mut dots = 0;
    for &byte in host {
        match (byte, octet) {
            (b'0'..=b'9', None) => octet = Some(u32::from(byte - b'0')),
            (b'0'..=b'9', Some(before @ 1..)) => octet = Some(before * 10 + u32::from(byte - b'0')),
            (b'.', Some(_)) if dots < 3 => {
                address = address << 8 | octet.take()?;
                dots += 1;
            }
            _ => return None,
        }
        if octet > Some(255) {
            return None;
        }
    }
    let last = octet.filter(|_| dots == 3)?;
    Some(Ipv4Addr::from_bits(address << 8 | last))
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
