//! What goes in and comes out of a UDP socket.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smallvec::SmallVec;

/// One received datagram.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// The payload. Dropping the last clone gives the buffer back to the socket's pool.
    pub bytes: Bytes,
    /// Who sent it.
    pub source: SocketAddr,
    /// The address of ours that it was sent to, also on a wildcard socket.
    pub local: SocketAddr,
    /// The kernel cut it: it was longer than any UDP datagram may be.
    pub truncated: bool,
}

/// One datagram to be sent, as pieces that the kernel gathers.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The payload, in order: what [`sip::Request::gather`] gives. At most 1,024 pieces.
    pub slices: &'a [&'a [u8]],
    /// Where it goes.
    pub destination: SocketAddr,
    /// The address of ours that it shall leave from. Only a wildcard socket has a choice.
    pub source: Option<IpAddr>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct SendReport {
    /// How many datagrams the kernel took.
    pub sent: usize,
    /// The others.
    pub failed: SmallVec<[FailedSend; 4]>,
}

/// A datagram that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedSend {
    /// Its index in the batch.
    pub index: usize,
    /// Why.
    pub fault: SendFault,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// A firewall or policy of this host forbids it.
    Denied,
    /// The send buffer is full. The datagram is dropped: SIP retransmits, and waiting would stall
    /// everyone else.
    Full,
    /// Longer than UDP can carry, or in too many pieces (RFC 3261 §18.1.1: use TCP).
    TooLarge,
    /// No way there, or no way from the address that was asked for.
    Unreachable,
    /// Anything else, as errno.
    Other(i32),
}

/// ICMP said that a datagram of ours did not arrive (RFC 3261 §18.4).
#[derive(Clone, Debug)]
pub struct PeerUnreachable {
    /// Where the datagram was sent.
    pub destination: SocketAddr,
    /// What ICMP said.
    pub reason: Unreachable,
    /// The beginning of our datagram as the report quotes it; it may be short or empty. A report
    /// whose quotation does not match a message that we sent may be forged.
    pub quoted: Bytes,
}

/// The ICMP reasons that RFC 3261 §18.4 wants reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The host is unreachable.
    Host,
    /// The network is unreachable.
    Network,
    /// Nobody listens on the port.
    Port,
    /// The host does not speak UDP.
    Protocol,
    /// A filter on the way refuses it.
    Prohibited,
    /// Another permanent reason.
    Other,
}
