//! Next hops: the URI that names one, the socket that reaches it, and how we are called there.

use std::net::SocketAddr;

use sip::Transport;
use transport::{Flow, Hop, ListenerId};

use crate::forward::SentBy;
use crate::pipeline::{LocalIp, Lookup, Subject};
use crate::plan::{Listener, Plan};

/// The next hop as its URI names it.
pub(crate) struct Wanted {
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
    secure: bool,
}

impl Wanted {
    /// The hop itself, where the host is an address.
    pub(crate) fn direct(&self) -> Option<Hop> {
        let ip = sip::host_ip(self.host.as_bytes())?;
        let transport = match (self.secure, self.transport) {
            (false, named) => named.unwrap_or(Transport::Udp),
            // RFC 3261 §26.2.2: sips never leaves in the clear; `transport=tcp` means TLS over it.
            (true, Some(Transport::Ws | Transport::Wss)) => Transport::Wss,
            (true, _) => Transport::Tls,
        };
        Some(Hop {
            transport,
            addr: SocketAddr::new(ip, self.port.unwrap_or_else(|| transport.default_port())),
        })
    }

    /// The question for a resolver.
    pub(crate) fn lookup(self, subject: Subject) -> Lookup {
        Lookup {
            subject,
            host: self.host,
            port: self.port,
            transport: self.transport,
            secure: self.secure,
        }
    }
}

/// What `uri` asks for; `None` where it is no SIP URI or names an unknown transport.
pub(crate) fn wanted(uri: &[u8]) -> Option<Wanted> {
    let uri = sip::Uri::parse(uri).ok().filter(sip::Uri::is_sip)?;
    let named = uri.params.value(b"transport");
    let transport = match named {
        None => None,
        Some(name) => Some(Transport::of(name)?),
    };
    Some(Wanted {
        host: String::from_utf8_lossy(uri.host).into_owned(),
        port: uri.port,
        transport,
        secure: uri.scheme == sip::Scheme::Sips,
    })
}

/// The socket that reaches `hop`; for a stream without a listener of its kind, the ingress' own.
pub(crate) fn egress(
    plan: &Plan,
    hop: Hop,
    trust: filters::Trust,
    ingress: ListenerId,
) -> Option<(ListenerId, &Listener)> {
    plan.egress(hop.transport, hop.addr.ip(), trust)
        .or_else(|| {
            let stream = hop.transport.is_reliable();
            let listener = plan.listener(ingress).filter(|_| stream)?;
            Some((ingress, listener))
        })
}

/// How `listener` is called by `remote`.
pub(crate) fn sent_by(listener: &Listener, remote: SocketAddr, local_ip: &LocalIp) -> SentBy {
    match &listener.advertise {
        Some((host, port)) => SentBy::Advertised(host.clone(), *port),
        None if listener.bind.ip().is_unspecified() => {
            SentBy::Bound(local_ip(remote), listener.bind.port())
        }
        None => SentBy::Bound(listener.bind.ip(), listener.bind.port()),
    }
}

/// How the sender knows the socket that its request came in by.
pub(crate) fn own_address(listener: &Listener, ingress: &Flow) -> SentBy {
    match &listener.advertise {
        Some((host, port)) => SentBy::Advertised(host.clone(), *port),
        None => SentBy::Bound(ingress.local.ip().to_canonical(), listener.bind.port()),
    }
}
