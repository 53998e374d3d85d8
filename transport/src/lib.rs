//! How SIP reaches and leaves this process: UDP in batches, TCP connections, and RFC 3263.
//!
//! This crate moves bytes. It frames streams but reads no message; it resolves names but chooses no
//! route; it knows nothing of transactions, filters or calls. Whoever uses it gives it a socket
//! address and learns what became of each message.
//!
//! - [`UdpSocket`]: one a worker, `&mut self`, batches in and out, ICMP errors as events.
//! - [`Streams`]: every connection of the process, bounded; events through [`StreamEvents`].
//! - [`Resolver`]: a host to socket addresses with their transports.
//!
//! **Invariant:** everything that waits here has a deadline, and everything that grows has a bound,
//! each a field of [`StreamLimits`], [`UdpOptions`] or [`ResolverOptions`], or a named constant.

mod flow;
mod resolve;
mod stream;
mod udp;

pub use flow::{ConnectionId, Destination, Flow, ListenerId, Transport};
pub use resolve::{
    Answer, Hop, Lookup, LookupError, Naptr, ResolveError, Resolver, ResolverOptions, Srv,
    SystemLookup, weighted_order,
};
pub use stream::{
    SendFailure, StreamApp, StreamEvents, StreamLimits, StreamListener, StreamStats, Streams,
    service,
};
pub use udp::{
    AsyncUdpSocket, Datagram, FailedSend, Granted, Outgoing, PeerUnreachable, Ready, SendFault,
    SendReport, Sleeper, UdpOptions, UdpSocket, Unreachable, Waker,
};
