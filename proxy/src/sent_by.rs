//! How we are called: the host and the port that our Via and Record-Route values show for a socket.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use sip::Transport;
use smallvec::SmallVec;

use crate::token;

/// Text built for one header.
pub(crate) type Text = SmallVec<[u8; 256]>;

/// Host and port of one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SentBy<'a> {
    /// The same for everybody.
    Fixed(&'a Fixed),
    /// An address that depends on who is spoken to.
    Bound(IpAddr, u16),
}

/// What is written for a socket that has one name for everybody, rendered once.
#[derive(Debug)]
pub(crate) struct Fixed {
    transport: Transport,
    /// `host:port`.
    host_port: Text,
    /// A Via value up to its branch.
    via: Text,
    /// A Record-Route value up to its token.
    record_route: Text,
}

impl Fixed {
    /// What a socket of `transport` at `bind` is called, which others are told to reach at `advertise`;
    /// `None` where that depends on who asks.
    pub(crate) fn of(
        transport: Transport,
        bind: SocketAddr,
        advertise: Option<&(String, u16)>,
    ) -> Option<Self> {
        let mut host_port = Text::new();
        match advertise {
            Some((host, port)) => {
                let (open, close) = match host.contains(':') {
                    true => ("[", "]"),
                    false => ("", ""),
                };
                // Writing to a vector cannot fail.
                drop(write!(host_port, "{open}{host}{close}:{port}"));
            }
            None if bind.ip().is_unspecified() => return None,
            None => push_bound(&mut host_port, bind.ip(), bind.port()),
        }
        let mut via = Text::new();
        push_via(&mut via, transport, |out| out.extend_from_slice(&host_port));
        let mut record_route = Text::new();
        push_record_route(&mut record_route, transport, |out| {
            out.extend_from_slice(&host_port);
        });
        Some(Self {
            transport,
            host_port,
            via,
            record_route,
        })
    }

    /// The token in `route`, where that is a Record-Route value of ours and nothing else.
    pub(crate) fn token<'a>(&self, route: &'a [u8]) -> Option<&'a [u8]> {
        route
            .strip_prefix(&self.record_route[..])?
            .strip_suffix(b">")
    }
}

impl SentBy<'_> {
    fn push(&self, out: &mut Text) {
        match *self {
            Self::Fixed(fixed) => out.extend_from_slice(&fixed.host_port),
            Self::Bound(ip, port) => push_bound(out, ip, port),
        }
    }
}

/// The text of a Via value of ours. `;rport` asks for symmetric responses (RFC 3581).
pub(crate) fn via(transport: Transport, sent_by: SentBy<'_>, branch: &[u8]) -> Text {
    let mut value = Text::new();
    match sent_by {
        SentBy::Fixed(fixed) if fixed.transport == transport => {
            value.extend_from_slice(&fixed.via);
        }
        _ => push_via(&mut value, transport, |out| sent_by.push(out)),
    }
    value.extend_from_slice(branch);
    value
}

/// The text of a Record-Route value of ours (RFC 3261 §16.6 step 4).
pub(crate) fn record_route(transport: Transport, sent_by: SentBy<'_>, token: &[u8]) -> Text {
    let mut value = Text::new();
    match sent_by {
        SentBy::Fixed(fixed) if fixed.transport == transport => {
            value.extend_from_slice(&fixed.record_route);
        }
        _ => push_record_route(&mut value, transport, |out| sent_by.push(out)),
    }
    value.extend_from_slice(token);
    value.push(b'>');
    value
}

/// Writes a Via value up to its branch.
fn push_via(out: &mut Text, transport: Transport, sent_by: impl FnOnce(&mut Text)) {
    out.extend_from_slice(b"SIP/2.0/");
    out.extend_from_slice(transport.as_str().as_bytes());
    out.push(b' ');
    sent_by(out);
    if transport == Transport::Udp {
        out.extend_from_slice(b";rport");
    }
    out.extend_from_slice(b";branch=");
}

/// Writes a Record-Route value up to its token.
fn push_record_route(out: &mut Text, transport: Transport, sent_by: impl FnOnce(&mut Text)) {
    out.extend_from_slice(b"<sip:");
    sent_by(out);
    if transport != Transport::Udp {
        out.extend_from_slice(b";transport=");
        out.extend_from_slice(transport.param().as_bytes());
    }
    out.extend_from_slice(b";lr;");
    out.extend_from_slice(token::PARAM);
    out.push(b'=');
}

fn push_bound(out: &mut Text, ip: IpAddr, port: u16) {
    match ip {
        IpAddr::V4(_) => push_ip(out, ip),
        IpAddr::V6(_) => {
            out.push(b'[');
            push_ip(out, ip);
            out.push(b']');
        }
    }
    out.push(b':');
    sip::push_number(out, port.into());
}

/// Writes `ip`; an IPv4 address without the formatter, which takes longer than the rest of a Via.
pub(crate) fn push_ip(out: &mut Text, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                sip::push_number(out, octet.into());
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_once_is_what_would_be_written_each_time() {
        let sockets = ["192.0.2.1:5060", "[2001:db8::1]:5061"];
        for bind in sockets.map(|socket| socket.parse::<SocketAddr>().unwrap()) {
            for own in [Transport::Udp, Transport::Tcp, Transport::Wss] {
                let fixed = Fixed::of(own, bind, None).unwrap();
                let bound = SentBy::Bound(bind.ip(), bind.port());
                for transport in [Transport::Udp, Transport::Tcp] {
                    assert_eq!(
                        via(transport, SentBy::Fixed(&fixed), b"z9hG4bK1"),
                        via(transport, bound, b"z9hG4bK1")
                    );
                    let route = record_route(transport, SentBy::Fixed(&fixed), b"token");
                    assert_eq!(route, record_route(transport, bound, b"token"));
                    let read = fixed.token(&route);
                    assert_eq!(read, (transport == own).then_some(&b"token"[..]));
                }
            }
        }
    }

    #[test]
    fn what_is_advertised() {
        let bind = "0.0.0.0:5060".parse().unwrap();
        assert!(Fixed::of(Transport::Udp, bind, None).is_none());
        for (host, written) in [
            ("sip.example", "sip.example"),
            ("2001:db8::1", "[2001:db8::1]"),
        ] {
            let told = (host.to_owned(), 5080);
            let fixed = Fixed::of(Transport::Udp, bind, Some(&told)).unwrap();
            let route = record_route(Transport::Udp, SentBy::Fixed(&fixed), b"t");
            let expected = format!("<sip:{written}:5080;lr;hs=t>");
            assert_eq!(&route[..], expected.as_bytes());
        }
    }
}
