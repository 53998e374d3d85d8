//! Names of things that messages travel over.

use std::net::{IpAddr, SocketAddr};

pub use sip::Transport;

use crate::udp::Datagram;

/// Which of the configured listeners a message came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

impl ListenerId {
    /// No listener: a connection that we opened.
    pub const OUTBOUND: Self = Self(u16::MAX);
}

/// One connection of this process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The number, to be carried in a flow token.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The identifier back from [`Self::as_u64`]. A number that names no connection is harmless:
    /// sending to it fails.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

/// Where a message came from and by which way: all that an answer needs (RFC 3261 §18.2.2), and the
/// identity that trust is decided on. Nothing in it was said by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The transport that it really arrived over, whatever Via claims.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection, for everything but UDP.
    pub connection: Option<ConnectionId>,
    /// The listener, or [`ListenerId::OUTBOUND`].
    pub listener: ListenerId,
}

impl Flow {
    /// The flow of a datagram.
    #[must_use]
    pub const fn udp(listener: ListenerId, datagram: &Datagram) -> Self {
        Self {
            transport: Transport::Udp,
            local: datagram.local,
            remote: datagram.source,
            connection: None,
            listener,
        }
    }

    /// Back the way it came, and only that way: no new connection is opened for it.
    #[must_use]
    pub const fn reply(&self) -> Destination {
        Destination {
            transport: self.transport,
            remote: self.remote,
            connection: self.connection,
            local_hint: Some(self.local.ip()),
            open: false,
        }
    }
}

/// Where a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The transport to use.
    pub transport: Transport,
    /// The peer.
    pub remote: SocketAddr,
    /// The connection to prefer while it lives.
    pub connection: Option<ConnectionId>,
    /// The address of ours to send from.
    pub local_hint: Option<IpAddr>,
    /// Whether another connection to `remote` may be used or opened when `connection` is gone.
    /// `false` for responses, whose `remote` may be what a Via claimed.
    pub open: bool,
}
