//! Pairs of UDP ports for RTP and RTCP (RFC 3550 §11).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The range that media ports come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RtpPorts {
    /// The first port; an odd one is skipped.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

/// A bound pair.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
}

impl RtpPorts {
    /// How many pairs there are.
    pub fn pairs(&self) -> u16 {
        let first = u32::from(self.first).next_multiple_of(2);
        let ports = (u32::from(self.last) + 1).saturating_sub(first);
        u16::try_from(ports / 2).unwrap_or(0)
    }

    /// Binds a free pair; the search begins at a place that `random` decides, so that a port that
    /// was just given back is not the next to be used.
    pub(crate) fn bind(&self, address: IpAddr, random: u32) -> io::Result<Pair> {
        let pairs = u32::from(self.pairs());
        if pairs == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the port range is empty",
            ));
        }
        let first = u32::from(self.first).next_multiple_of(2);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for turn in 0..pairs.min(TRIES_MAX) {
            let port = first + (random.wrapping_add(turn) % pairs) * 2;
            match bind_pair(address, u16::try_from(port).unwrap_or(u16::MAX - 1)) {
                Ok(pair) => return Ok(pair),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl Default for RtpPorts {
    fn default() -> Self {
        Self {
            first: 20_000,
            last: 29_999,
        }
    }
}

impl std::str::FromStr for RtpPorts {
    type Err = &'static str;

    /// Reads `20000-29999`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (first, last) = text.split_once('-')?;
            Some(Self {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
            })
        };
        parse()
            .filter(|ports| ports.first > 0 && ports.pairs() > 0)
            .ok_or("two ports such as 20000-29999, with at least one even port and its neighbour")
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<Pair> {
    let bind = |port| {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    };
    Ok(Pair {
        rtp: bind(port)?,
        rtcp: bind(port + 1)?,
    })
}

/// Pairs that one search tries.
const TRIES_MAX: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!("20000-29999".parse::<RtpPorts>().unwrap().pairs(), 5000);
        assert_eq!("20001-20003".parse::<RtpPorts>().unwrap().pairs(), 1);
        assert_eq!("1-65535".parse::<RtpPorts>().unwrap().pairs(), 32767);
        for bad in ["", "20000", "20001-20002", "30000-20000", "0-1", "a-b"] {
            assert!(bad.parse::<RtpPorts>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_are_even_and_neighbours_and_run_out() {
        let localhost = "127.0.0.1".parse().unwrap();
        // Below the ports that the kernel gives; others may have some of them.
        let two_pairs = |first| {
            let ports = RtpPorts {
                first,
                last: first + 3,
            };
            let one = ports.bind(localhost, 9).ok()?;
            Some((ports, one, ports.bind(localhost, 9).ok()?))
        };
        let found = (32_000..32_700).step_by(4).find_map(two_pairs);
        let (ports, one, two) = found.unwrap();
        for pair in [&one, &two] {
            let (rtp, rtcp) = (
                pair.rtp.local_addr().unwrap(),
                pair.rtcp.local_addr().unwrap(),
            );
            assert_eq!(rtp.port() % 2, 0);
            assert_eq!(rtp.port() + 1, rtcp.port());
        }
        assert_eq!(
            ports.bind(localhost, 9).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
