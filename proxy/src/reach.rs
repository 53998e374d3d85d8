//! Ways to a peer in little room, for what is kept of a transaction while nothing happens.
//!
//! Nearly all of them are IPv4; those take a third of the bytes that the types of `transport` have. Any
//! other way is kept as it is, behind a pointer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use sip::Transport;
use transport::{ConnectionId, Destination, Flow, ListenerId};

use crate::pipeline::Peer;

/// A [`Peer`] that transactions keep.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// Any other.
    Far(Arc<Peer>),
    /// By IPv4.
    V4 {
        connection: u64,
        remote: SocketAddrV4,
        hint: Ipv4Addr,
        listener: ListenerId,
        transport: Transport,
        /// Which of the former there are, and whether a connection may be opened.
        has: u8,
    },
}

impl Reach {
    /// What is kept of `peer`: all of it.
    #[inline]
    pub(crate) fn of(peer: &Peer) -> Self {
        let to = &peer.destination;
        let (remote, hint) = match (to.remote, to.local_hint) {
            (SocketAddr::V4(remote), None) => (remote, None),
            (SocketAddr::V4(remote), Some(IpAddr::V4(hint))) => (remote, Some(hint)),
            _ => return Self::Far(Arc::new(*peer)),
        };
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        Self::V4 {
            connection: to.connection.map_or(0, ConnectionId::as_u64),
            remote,
            hint: hint.unwrap_or(Ipv4Addr::UNSPECIFIED),
            listener: peer.listener,
            transport: to.transport,
            has: bit(to.connection.is_some(), CONNECTION)
                | bit(hint.is_some(), HINT)
                | bit(to.open, OPEN),
        }
    }

    /// The peer.
    #[inline]
    pub(crate) fn peer(&self) -> Peer {
        match self {
            Self::Far(peer) => **peer,
            &Self::V4 {
                connection,
                remote,
                hint,
                listener,
                transport,
                has,
            } => Peer {
                destination: Destination {
                    transport,
                    remote: remote.into(),
                    connection: (has & CONNECTION != 0).then(|| ConnectionId::from_u64(connection)),
                    local_hint: (has & HINT != 0).then_some(IpAddr::V4(hint)),
                    open: has & OPEN != 0,
                },
                listener,
            },
        }
    }
}

const CONNECTION: u8 = 1;
const HINT: u8 = 2;
const OPEN: u8 = 4;

/// A [`Flow`] that an exchange keeps.
#[derive(Debug)]
pub(crate) enum Ends {
    /// Any other.
    Far(Box<Flow>),
    /// Of a datagram by IPv4.
    V4 {
        local: SocketAddrV4,
        remote: SocketAddrV4,
        listener: ListenerId,
        transport: Transport,
    },
}

impl Ends {
    /// What is kept of `flow`: all of it.
    pub(crate) fn of(flow: &Flow) -> Self {
        match (flow.local, flow.remote, flow.connection) {
            (SocketAddr::V4(local), SocketAddr::V4(remote), None) => Self::V4 {
                local,
                remote,
                listener: flow.listener,
                transport: flow.transport,
            },
            _ => Self::Far(Box::new(*flow)),
        }
    }

    /// The flow.
    pub(crate) fn flow(&self) -> Flow {
        match self {
            Self::Far(flow) => **flow,
            &Self::V4 {
                local,
                remote,
                listener,
                transport,
            } => Flow {
                transport,
                local: local.into(),
                remote: remote.into(),
                connection: None,
                listener,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [&str; 3] = [
        "192.0.2.1:5060",
        "[2001:db8::1]:5060",
        "[::ffff:192.0.2.1]:0",
    ];

    #[test]
    fn what_is_kept_is_all() {
        let addresses = ADDRESSES.map(|text| text.parse::<SocketAddr>().unwrap());
        let connections = [None, Some(0), Some(u64::MAX)];
        for remote in addresses {
            for connection in connections.map(|number| number.map(ConnectionId::from_u64)) {
                for local in addresses {
                    let flow = Flow {
                        transport: Transport::Tcp,
                        local,
                        remote,
                        connection,
                        listener: ListenerId(7),
                    };
                    assert_eq!(Ends::of(&flow).flow(), flow);
                    let open = Destination {
                        local_hint: None,
                        open: true,
                        ..flow.reply()
                    };
                    for destination in [flow.reply(), open] {
                        let peer = Peer {
                            destination,
                            listener: ListenerId::OUTBOUND,
                        };
                        assert_eq!(Reach::of(&peer).peer(), peer);
                    }
                }
            }
        }
    }

    #[test]
    fn it_is_small() {
        assert_eq!((size_of::<Reach>(), size_of::<Ends>()), (24, 16));
    }
}
