//! Work in progress.
mod flow;
mod udp;
pub use flow::{ConnectionId, Destination, Flow, ListenerId, Transport};
pub use udp::{
    Datagram, FailedSend, Granted, Outgoing, PeerUnreachable, SendFault, SendReport, UdpOptions,
    UdpSocket, Unreachable,
};
