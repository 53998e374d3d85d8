//! What connections tell their owner.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::frame::FrameError;

use crate::flow::{ConnectionId, Flow};

/// Called by connections, on whichever thread runs them. Nothing here may block.
pub trait StreamEvents: Send + Sync + 'static {
    /// One message, framed and otherwise unread.
    fn message(&self, flow: Flow, bytes: Bytes);

    /// The stream cannot be understood from here on, and the connection will be closed. An answer
    /// may be returned.
    fn malformed(&self, flow: Flow, error: FrameError) -> Option<Bytes>;

    /// A connection is ready, ours or the peer's.
    fn opened(&self, _flow: Flow) {}

    /// A message was given to the kernel. What became of it then is known by an answer, or by
    /// [`Self::closed`].
    fn sent(&self, _token: u64, _flow: Flow) {}

    /// A connection that was [`Self::opened`] is gone.
    fn closed(&self, id: ConnectionId);

    /// A message was not sent. Every [`super::Streams::send`] ends in exactly one of this, possibly
    /// before it returns, and [`Self::sent`].
    fn send_failed(&self, token: u64, error: SendFailure);

    /// Whether a connection on which nothing has been said for [`super::StreamLimits::idle`] is to
    /// stay: somebody is reached by it. Asked again after as long.
    fn is_wanted(&self, _id: ConnectionId) -> bool {
        false
    }

    /// Whether the number of connections from this peer is not limited: a trunk is one address with
    /// many.
    fn exempt(&self, _remote: SocketAddr) -> bool {
        false
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// The peer failed a moment ago; it is too early to try again.
    Backoff,
    /// The connection was closed with the message still waiting.
    Closed,
    /// No room: too much waits to be written, or too many connections are open.
    Full,
    /// The connection does not exist any more and another one was not allowed.
    Gone,
    /// The peer refused the connection.
    Refused,
    /// The peer does not read what it is sent; its connection was closed.
    SlowReader,
    /// The connection was not established in time.
    TimedOut,
    /// There is no way to the peer.
    Unreachable,
    /// Connections over this transport cannot be opened from here.
    Unsupported,
}
