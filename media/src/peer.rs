//! The other end of a session.

use std::net::SocketAddr;

use crate::Packing;
use crate::codec::Codec;
use crate::srtp::SrtpKeys;

/// The other end, as the last session description has it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it receives RTP, unless it wants none.
    pub address: Option<SocketAddr>,
    /// Where it receives RTCP (RFC 3605), if that is not one port above.
    pub rtcp: Option<SocketAddr>,
    /// RTCP goes both ways over the ports of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// What we send.
    pub codec: Codec,
    /// The payload type of `codec`, both ways.
    pub payload: u8,
    /// How much sound it wants in a packet.
    pub packing: Packing,
    /// The payload type of telephone events (RFC 4733), both ways; their clock is the codec's.
    /// Without one, keys are heard and sent as tones.
    pub events: Option<u8>,
    /// Who may send, as seen from here.
    pub direction: Direction,
    /// The keys of SRTP, if the peer speaks it.
    pub srtp: Option<SrtpPair>,
    /// Send to where the peer's packets come from, rather than to `address` (RFC 4961): what peers
    /// behind NAT need.
    pub symmetric: bool,
    /// Other payload types that the peer may send (RFC 3264 §6.1).
    pub also_received: Vec<(u8, Codec)>,
}

impl Peer {
    /// A peer without SRTP and telephone events that sends and receives `codec` under its static
    /// payload type, or 96.
    pub fn new(address: SocketAddr, codec: Codec) -> Self {
        Self {
            address: Some(address),
            rtcp: None,
            rtcp_mux: false,
            codec,
            payload: codec.static_payload().unwrap_or(96),
            packing: Packing::default(),
            events: None,
            direction: Direction::Both,
            srtp: None,
            symmetric: true,
            also_received: Vec::new(),
        }
    }
}

/// Who may send (RFC 3264 §5.1), as seen from here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Both sides send: `sendrecv`.
    #[default]
    Both,
    /// Nobody sends: `inactive`.
    Neither,
    /// The peer sends and we do not: our `recvonly`, a peer that has put us on hold with
    /// `sendonly`.
    Receive,
    /// We send and the peer does not: our `sendonly`.
    Send,
}

impl Direction {
    /// We may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Both | Self::Send)
    }

    /// The peer may send.
    pub const fn receives(self) -> bool {
        matches!(self, Self::Both | Self::Receive)
    }
}

/// The keys of both directions (RFC 4568).
#[derive(Clone, Debug, PartialEq)]
pub struct SrtpPair {
    /// What we protect with: the key of our description.
    pub ours: SrtpKeys,
    /// What the peer protects with: the key of its description.
    pub theirs: SrtpKeys,
}
