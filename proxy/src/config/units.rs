//! Values of the configuration file that carry a unit or a grammar of their own.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use sip::{Transport, Uri};

/// A length of time: `"500ms"`, `"4s"`, `"3m"`, or a whole number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes: `"4MiB"`, `"256KiB"`, or a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// `transport:address:port` of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The transport; `udp` or `tcp`.
    pub transport: Transport,
    /// The address to bind.
    pub address: SocketAddr,
}

/// `host:port` as the other side is to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

/// A SIP URI, checked, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri(pub String);

struct Text<F>(&'static str, F);

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        (self.1)(&number.to_string())
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let (number, unit) = split_number(text)?;
            let unit = match unit {
                "ms" => 1,
                "" | "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            number
                .checked_mul(unit)
                .map(|ms| Self(Duration::from_millis(ms)))
        };
        let expected = "a length of time such as \"500ms\", \"4s\" or \"3m\"";
        deserializer.deserialize_any(Text(expected, read))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let (number, unit) = split_number(text)?;
            let unit = match unit {
                "" | "B" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            usize::try_from(number.checked_mul(unit)?).ok().map(Self)
        };
        let expected = "a number of bytes such as \"4MiB\" or 65535";
        deserializer.deserialize_any(Text(expected, read))
    }
}

impl<'de> Deserialize<'de> for Socket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let (transport, address) = text.split_once(':')?;
            let transport = Transport::of(transport.as_bytes())
                .filter(|transport| matches!(transport, Transport::Udp | Transport::Tcp))?;
            let address = address.parse().ok()?;
            Some(Self { transport, address })
        };
        let expected = "\"udp:ADDRESS:PORT\" or \"tcp:ADDRESS:PORT\"";
        deserializer.deserialize_str(Text(expected, read))
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let uri = format!("sip:{text}");
            let uri = Uri::parse(uri.as_bytes()).ok()?;
            let plain = uri.user.is_none() && uri.params.is_empty() && uri.headers.is_none();
            plain.then(|| Self {
                host: String::from_utf8_lossy(uri.host).into_owned(),
                port: uri.port,
            })
        };
        let expected = "\"HOST:PORT\", for example \"203.0.113.7:5060\"";
        deserializer.deserialize_str(Text(expected, read))
    }
}

impl<'de> Deserialize<'de> for SipUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let uri = Uri::parse(text.as_bytes()).ok()?;
            uri.is_sip().then(|| Self(text.to_owned()))
        };
        let expected = "a SIP URI such as \"sip:+14158675309@gw.example.com;transport=tcp\"";
        deserializer.deserialize_str(Text(expected, read))
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}
