//! Ways: which socket of ours speaks to whom, and what we call ourselves on it.

use std::net::{IpAddr, SocketAddr};

use sip::{Request, Transport, Uri, Via};
use transport::{Destination, Flow};

/// A way to a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Path {
    /// Which of our sockets.
    pub(crate) listener: u16,
    /// Its address, as the peer sees it.
    pub(crate) local: SocketAddr,
    /// The other end.
    pub(crate) to: Destination,
}

/// What Via and Contact call our sockets.
#[derive(Debug)]
pub(crate) struct Names {
    sockets: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    transport: Transport,
    address: SocketAddr,
    advertise: Option<String>,
}

impl Path {
    /// Where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4): over UDP to the address
    /// that it came from, and to the port that it came from if the sender asks for that.
    pub(crate) fn reply(flow: &Flow, via: &Via<'_>) -> Self {
        let mut to = flow.reply();
        if flow.transport == Transport::Udp && via.rport().is_none() {
            let port = via.port.unwrap_or_else(|| Transport::Udp.default_port());
            to.remote.set_port(port);
        }
        Self {
            listener: flow.listener.0,
            local: flow.local,
            to,
        }
    }

    /// The way back for requests of ours.
    pub(crate) fn back(flow: &Flow) -> Self {
        Self {
            listener: flow.listener.0,
            local: flow.local,
            to: Destination {
                open: true,
                ..flow.reply()
            },
        }
    }

    pub(crate) fn is_reliable(&self) -> bool {
        self.to.transport.is_reliable()
    }
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            sockets: Vec::new(),
        }
    }

    /// Adds a socket; the first has listener 0.
    pub(crate) fn add(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        advertise: Option<String>,
    ) {
        self.sockets.push(Named {
            transport,
            address,
            advertise,
        });
    }

    /// What the socket of a path is called: `host[:port]`.
    pub(crate) fn host(&self, path: &Path) -> String {
        let same = |named: &&Named| {
            named.transport == path.to.transport && named.address.is_ipv4() == path.local.is_ipv4()
        };
        // A connection that we opened has a port of its own, which nobody can connect to.
        let opened = || self.sockets.iter().find(same).map(|named| (named, true));
        let bound = self
            .sockets
            .get(usize::from(path.listener))
            .map(|named| (named, false));
        match bound.or_else(opened) {
            Some((
                Named {
                    advertise: Some(advertise),
                    ..
                },
                _,
            )) => advertise.clone(),
            Some((named, true)) => {
                SocketAddr::new(path.local.ip(), named.address.port()).to_string()
            }
            _ => path.local.to_string(),
        }
    }

    /// The Via of a request over this path.
    pub(crate) fn via(&self, path: &Path, branch: &str) -> Vec<u8> {
        let transport = path.to.transport.as_str();
        format!(
            "SIP/2.0/{transport} {};branch=z9hG4bK{branch};rport",
            self.host(path)
        )
        .into_bytes()
    }

    /// The Contact of a dialog over this path.
    pub(crate) fn contact(&self, path: &Path) -> String {
        match path.to.transport {
            Transport::Udp => format!("<sip:{}>", self.host(path)),
            other => format!("<sip:{};transport={}>", self.host(path), other.param()),
        }
    }

    /// The way to the host of a URI; `None` where the host is a name, or we have no socket for it.
    pub(crate) fn path_to(&self, uri: &[u8]) -> Option<Path> {
        let uri = Uri::parse(uri).ok()?;
        let transport = match uri.params.value(b"transport") {
            None => Transport::Udp,
            Some(name) => Transport::of(name)?,
        };
        let port = uri.port.unwrap_or_else(|| transport.default_port());
        self.path(transport, SocketAddr::new(uri.ip()?, port))
    }

    /// The way to an address.
    pub(crate) fn path(&self, transport: Transport, remote: SocketAddr) -> Option<Path> {
        let fits = |named: &Named| {
            named.transport == transport && named.address.is_ipv4() == remote.is_ipv4()
        };
        let at = self.sockets.iter().position(fits)?;
        let mut local = self.sockets.get(at)?.address;
        if local.ip().is_unspecified() {
            local.set_ip(source_for(remote)?);
        }
        let to = Destination {
            transport,
            remote,
            connection: None,
            local_hint: Some(local.ip()),
            open: true,
        };
        Some(Path {
            listener: u16::try_from(at).ok()?,
            local,
            to,
        })
    }
}

/// Writes into the top Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
pub(crate) fn stamp(request: &mut Request, source: SocketAddr) {
    let Some(top) = request.headers.list(sip::HeaderName::Via).next() else {
        return;
    };
    let Ok(via) = Via::parse(top) else { return };
    let mut value = Vec::with_capacity(top.len() + 40);
    value.extend_from_slice(b"SIP/2.0/");
    value.extend_from_slice(via.transport);
    value.push(b' ');
    value.extend_from_slice(via.sent_by);
    let asks = via.rport().is_some();
    for (name, param) in via.params.iter() {
        if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
            continue;
        }
        value.push(b';');
        value.extend_from_slice(name);
        if let Some(param) = param {
            value.push(b'=');
            value.extend_from_slice(param);
        }
    }
    if asks || sip::host_ip(via.host) != Some(source.ip()) {
        value.extend_from_slice(format!(";received={}", source.ip()).as_bytes());
    }
    if asks {
        value.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    // A value that cannot be written leaves Via as it came; the response still goes to `source`.
    request
        .headers
        .replace_first(sip::HeaderName::Via, &sip::unfold(&value))
        .ok();
}

/// The address that the system would send from; nothing is sent.
fn source_for(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::new();
        names.add(Transport::Udp, "127.0.0.1:5080".parse().unwrap(), None);
        names.add(
            Transport::Tcp,
            "127.0.0.1:5081".parse().unwrap(),
            Some("edge.example".into()),
        );
        names
    }

    #[test]
    fn ways_by_uri() {
        let names = names();
        let path = names.path_to(b"sip:127.0.0.1:5061;lr").unwrap();
        assert_eq!(path.to.remote, "127.0.0.1:5061".parse().unwrap());
        assert_eq!(names.contact(&path), "<sip:127.0.0.1:5080>");
        let path = names.path_to(b"sip:x@127.0.0.1;transport=tcp").unwrap();
        assert_eq!((path.listener, path.to.remote.port()), (1, 5060));
        assert_eq!(names.contact(&path), "<sip:edge.example;transport=tcp>");
        for none in [
            "sip:proxy.example",
            "sip:[::1]",
            "sip:127.0.0.1;transport=tls",
            "tel:1",
        ] {
            assert_eq!(names.path_to(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn the_top_via_says_where_a_request_came_from() {
        let text = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP pc;rport;branch=z9hG4bK1, \
                    SIP/2.0/UDP far;branch=z9hG4bK0\r\n\r\n";
        let message = sip::parse(text.as_bytes().to_vec().into(), &sip::Limits::default());
        let Ok(sip::Message::Request(mut request)) = message else {
            panic!()
        };
        stamp(&mut request, "192.0.2.9:4711".parse().unwrap());
        let vias: Vec<_> = request.headers.list(sip::HeaderName::Via).collect();
        assert_eq!(
            String::from_utf8_lossy(vias[0]),
            "SIP/2.0/UDP pc;branch=z9hG4bK1;received=192.0.2.9;rport=4711"
        );
        assert_eq!(vias.len(), 2);
    }
}
