//! Source addresses as trunks list them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// `192.0.2.0/24`, `192.0.2.1`, `192.0.2.1:5070`, `2001:db8::/32` or `[2001:db8::1]:5070`.
///
/// IPv4 and IPv6 are told apart, and an IPv4 address mapped into IPv6 is the IPv4 address, on both
/// sides of every comparison: the form of an address decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    pub(crate) key: NetworkKey,
    pub(crate) port: Option<u16>,
}

/// A network of either family, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NetworkKey {
    pub(crate) v6: bool,
    pub(crate) prefix: u8,
    pub(crate) bits: u128,
}

impl Network {
    /// Whether `address` lies in the network and has its port, if it names one.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let own = NetworkKey::of(address.ip(), self.key.prefix);
        own == self.key && self.port.is_none_or(|port| port == address.port())
    }
}

impl NetworkKey {
    /// The network with `prefix` bits that `ip` lies in.
    pub(crate) fn of(ip: IpAddr, prefix: u8) -> Self {
        // Left-aligned, so that one mask serves both families.
        let (v6, bits) = match ip.to_canonical() {
            IpAddr::V4(ip) => (false, u128::from(u32::from(ip)) << 96),
            IpAddr::V6(ip) => (true, u128::from(ip)),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        Self {
            v6,
            prefix,
            bits: bits & mask,
        }
    }

    fn ip(self) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from(self.bits))
        } else {
            IpAddr::from(((self.bits >> 96) as u32).to_be_bytes())
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                key: NetworkKey::of(address.ip(), width(address.ip())),
                port: Some(address.port()),
            });
        }
        let (ip, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((ip, prefix)) => (ip, Some(prefix)),
        };
        let ip: IpAddr = ip.parse().map_err(|_| NetworkError::Syntax)?;
        let prefix = match prefix {
            None => width(ip),
            Some(prefix) => {
                let plain = prefix.bytes().all(|byte| byte.is_ascii_digit());
                let prefix: u8 = prefix.parse().map_err(|_| NetworkError::Syntax)?;
                // A mapped address counts its prefix from the start of the IPv6 address.
                let mapped = ip.is_ipv6() && ip.to_canonical().is_ipv4();
                let prefix = if mapped {
                    prefix.wrapping_sub(96)
                } else {
                    prefix
                };
                if !plain || prefix > width(ip) {
                    return Err(NetworkError::Prefix);
                }
                prefix
            }
        };
        let key = NetworkKey::of(ip, prefix);
        if key.bits != NetworkKey::of(ip, width(ip)).bits {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { key, port: None })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.key.ip();
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(ip, port)),
            None => write!(f, "{ip}/{}", self.key.prefix),
        }
    }
}

/// Why a text is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Bits are set behind the prefix, so that it is doubtful what is meant.
    #[error("the address has bits set behind the prefix")]
    HostBits,
    /// The prefix is longer than the address.
    #[error("the prefix is longer than the address")]
    Prefix,
    /// Not of the form.
    #[error("expected an address, ADDRESS:PORT or ADDRESS/PREFIX")]
    Syntax,
}

/// Bits of an address, a mapped one counted as IPv4.
fn width(ip: IpAddr) -> u8 {
    match ip.to_canonical() {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn contains() {
        let yes = [
            ("192.0.2.0/24", "192.0.2.9:5060"),
            ("192.0.2.9", "[::ffff:192.0.2.9]:1"),
            ("::ffff:192.0.2.9", "192.0.2.9:1"),
            ("::ffff:192.0.2.0/120", "192.0.2.9:1"),
            ("192.0.2.9:5070", "192.0.2.9:5070"),
            ("[2001:db8::1]:5070", "[2001:db8::1]:5070"),
            ("2001:db8::/32", "[2001:db8::9]:1"),
            ("0.0.0.0/0", "192.0.2.9:1"),
            ("::/0", "[2001:db8::9]:1"),
        ];
        for (net, address) in yes {
            assert!(
                network(net).contains(address.parse().unwrap()),
                "{net} {address}"
            );
        }
        let no = [
            ("192.0.2.0/25", "192.0.2.129:1"),
            ("192.0.2.9:5070", "192.0.2.9:5071"),
            ("::/0", "192.0.2.9:1"),
            ("0.0.0.0/0", "[::1]:1"),
            ("2001:db8::/32", "[2001:db9::9]:1"),
        ];
        for (net, address) in no {
            assert!(
                !network(net).contains(address.parse().unwrap()),
                "{net} {address}"
            );
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("192.0.2.0/33", NetworkError::Prefix),
            ("2001:db8::/129", NetworkError::Prefix),
            ("::ffff:192.0.2.0/24", NetworkError::Prefix),
            ("192.0.2.1/24", NetworkError::HostBits),
            ("192.0.2", NetworkError::Syntax),
            ("192.0.2.0/", NetworkError::Syntax),
            ("192.0.2.0/+8", NetworkError::Prefix),
            ("carrier.example", NetworkError::Syntax),
            ("", NetworkError::Syntax),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
        assert_eq!(network("192.0.2.0/24").to_string(), "192.0.2.0/24");
        assert_eq!(network("[::1]:5").to_string(), "[::1]:5");
    }
}
