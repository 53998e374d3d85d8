//! Reading what the other end wrote.

use std::net::{IpAddr, SocketAddr};

use ::media::Packing;
use ::media::srtp::Crypto;

use super::Direction;
use super::format::Format;

/// A description as far as it matters to a user agent.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(super) time: String,
    pub(super) streams: Vec<Stream>,
}

/// One `m=` section.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) kind: String,
    pub(super) port: u16,
    pub(super) proto: String,
    pub(super) formats: Vec<String>,
    /// `rtpmap`: payload type and encoding, in lower case.
    maps: Vec<(String, String)>,
    address: Option<IpAddr>,
    pub(super) direction: Direction,
    /// `a=crypto` lines that we can use, in their order.
    pub(super) crypto: Vec<Crypto>,
    /// `a=rtcp` (RFC 3605): a port, and perhaps an address.
    rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761 §5.1.1).
    pub(super) rtcp_mux: bool,
    /// `a=ptime` and `a=maxptime`.
    pub(super) packing: Packing,
}

/// A body that is no session description that we can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable;

impl Description {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| Unreadable)?;
        let mut lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some("v=0") {
            return Err(Unreadable);
        }
        let mut time = None;
        let mut address = None;
        let mut direction = Direction::Both;
        let mut streams: Vec<Stream> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (kind, value) = line.split_once('=').ok_or(Unreadable)?;
            if kind == "m" {
                if streams.len() >= STREAMS_MAX {
                    return Err(Unreadable);
                }
                streams.push(Stream::parse(value, address, direction)?);
                continue;
            }
            match (kind, streams.last_mut()) {
                ("c", None) => address = connection(value)?,
                ("c", Some(stream)) => stream.address = connection(value)?,
                ("a", None) => direction = Direction::of(value).unwrap_or(direction),
                ("a", Some(stream)) => stream.attribute(value),
                ("t", None) if time.is_none() => time = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(Self {
            time: time.unwrap_or_else(|| "0 0".to_owned()),
            streams,
        })
    }
}

impl Stream {
    fn parse(
        line: &str,
        address: Option<IpAddr>,
        direction: Direction,
    ) -> Result<Self, Unreadable> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().ok_or(Unreadable)?;
        let port = words.next().ok_or(Unreadable)?;
        let proto = words.next().ok_or(Unreadable)?;
        let formats: Vec<_> = words.map(str::to_owned).collect();
        if formats.is_empty() || formats.len() > FORMATS_MAX {
            return Err(Unreadable);
        }
        // "port/number of ports": the first one counts.
        let port = port
            .split('/')
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or(Unreadable)?;
        Ok(Self {
            kind: kind.to_owned(),
            port,
            proto: proto.to_owned(),
            formats,
            maps: Vec::new(),
            address,
            direction,
            crypto: Vec::new(),
            rtcp: None,
            rtcp_mux: false,
            packing: Packing::default(),
        })
    }

    fn attribute(&mut self, value: &str) {
        if let Some(direction) = Direction::of(value) {
            self.direction = direction;
        } else if let Some(map) = value.strip_prefix("rtpmap:")
            && let Some((payload, encoding)) = map.split_once(' ')
            && self.maps.len() < FORMATS_MAX
        {
            self.maps
                .push((payload.to_owned(), encoding.trim().to_ascii_lowercase()));
        } else if let Some(line) = value.strip_prefix("crypto:")
            && self.crypto.len() < CRYPTO_MAX
        {
            self.crypto.extend(line.parse::<Crypto>());
        } else if let Some(value) = value.strip_prefix("rtcp:") {
            self.rtcp = rtcp(value);
        } else if value == "rtcp-mux" {
            self.rtcp_mux = true;
        } else if let Some(value) = value.strip_prefix("ptime:") {
            self.packing.wanted = millis(value);
        } else if let Some(value) = value.strip_prefix("maxptime:") {
            self.packing.most = millis(value);
        }
    }

    /// The payload types that mean something to us, in the writer's order.
    pub(super) fn known(&self) -> impl Iterator<Item = (u8, Format)> + '_ {
        self.formats.iter().filter_map(|format| {
            let payload = format.parse::<u8>().ok().filter(|payload| *payload < 128)?;
            let mapped = self.maps.iter().find(|(number, _)| number == format);
            let known = match mapped {
                Some((_, encoding)) => Format::of_encoding(encoding),
                None => Format::of_static(payload),
            };
            Some((payload, known?))
        })
    }

    /// Where its writer wants RTP: nowhere if it names no address, or 0.0.0.0 (RFC 3264 §8.4), or
    /// wants to receive nothing.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        let ip = self.address.filter(|ip| !ip.is_unspecified())?;
        (self.direction.receives() && self.port != 0).then(|| SocketAddr::new(ip, self.port))
    }

    /// Where its writer wants RTCP: what `a=rtcp` says, otherwise one port above (RFC 3550 §11).
    pub(super) fn remote_rtcp(&self) -> Option<SocketAddr> {
        let ip = self.address.filter(|ip| !ip.is_unspecified())?;
        Some(match self.rtcp {
            Some((port, other)) => SocketAddr::new(other.unwrap_or(ip), port),
            None => SocketAddr::new(ip, self.port.checked_add(1)?),
        })
    }
}

/// The address of a `c=` line; `None` where it is a name, which we do not look up.
fn connection(value: &str) -> Result<Option<IpAddr>, Unreadable> {
    let mut words = value.split_ascii_whitespace();
    let (Some("IN"), Some("IP4" | "IP6"), Some(address)) =
        (words.next(), words.next(), words.next())
    else {
        return Err(Unreadable);
    };
    Ok(address
        .split('/')
        .next()
        .and_then(|address| address.parse().ok()))
}

/// `20`, or `20.0` as some write it (RFC 8866 §6.4); nothing where it is no time.
fn millis(value: &str) -> Option<u32> {
    let value = value.trim();
    let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
    whole.parse().ok().filter(|millis| *millis > 0)
}

/// `53020` or `53020 IN IP4 192.0.2.4`.
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.splitn(2, ' ');
    let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
    let address = words.next().and_then(|value| connection(value).ok()?);
    Some((port, address))
}

/// Streams in one description at most.
const STREAMS_MAX: usize = 16;

/// Formats and maps in one stream at most.
const FORMATS_MAX: usize = 64;

/// Keys in one stream at most.
const CRYPTO_MAX: usize = 16;
