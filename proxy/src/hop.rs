//! Next hops: the URI that names one, the socket that reaches it, and how we are called there.

use std::net::{IpAddr, SocketAddr};

use sip::{Transport, Uri};
use transport::{Flow, Hop, ListenerId};

use crate::pipeline::{LocalIp, Lookup, Subject};
use crate::plan::{Listener, Plan};
use crate::sent_by::SentBy;

/// The next hop as its URI names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An address.
    Hop(Hop),
    /// A name to look up.
    Name(Box<Name>),
}

/// A name as a URI has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
    secure: bool,
}

impl Name {
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
    let uri = Uri::parse(uri).ok()?;
    wanted_by(&uri, uri.ip())
}

/// What `uri` asks for, whose host spells `ip`.
pub(crate) fn wanted_by(uri: &Uri<'_>, ip: Option<IpAddr>) -> Option<Wanted> {
    if !uri.is_sip() {
        return None;
    }
    let named = match uri.params.value(b"transport") {
        None => None,
        Some(name) => Some(Transport::of(name)?),
    };
    let secure = uri.scheme == sip::Scheme::Sips;
    let Some(ip) = ip else {
        return Some(Wanted::Name(Box::new(Name {
            host: String::from_utf8_lossy(uri.host).into_owned(),
            port: uri.port,
            transport: named,
            secure,
        })));
    };
    let transport = match (secure, named) {
        (false, named) => named.unwrap_or(Transport::Udp),
        // RFC 3261 §26.2.2: sips never leaves in the clear; `transport=tcp` means TLS over it.
        (true, Some(Transport::Ws | Transport::Wss)) => Transport::Wss,
        (true, _) => Transport::Tls,
    };
    let port = uri.port.unwrap_or_else(|| transport.default_port());
    Some(Wanted::Hop(Hop {
        transport,
        addr: SocketAddr::new(ip, port),
    }))
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
pub(crate) fn sent_by<'a>(
    listener: &'a Listener,
    remote: SocketAddr,
    local_ip: &LocalIp,
) -> SentBy<'a> {
    match &listener.fixed {
        Some(fixed) => SentBy::Fixed(fixed),
        None => SentBy::Bound(local_ip(remote), listener.bind.port()),
    }
}

/// How the sender knows the socket that its request came in by.
pub(crate) fn own_address<'a>(listener: &'a Listener, ingress: &Flow) -> SentBy<'a> {
    match &listener.fixed {
        Some(fixed) if listener.advertise.is_some() => SentBy::Fixed(fixed),
        _ => SentBy::Bound(ingress.local.ip().to_canonical(), listener.bind.port()),
    }
}
