//! Where a request came from.

use std::net::SocketAddr;
use std::sync::Arc;

use sip::Transport;

use crate::Trust;

/// The true source of a request, from the socket and never from a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Address and port of the sender.
    pub address: SocketAddr,
    /// Our address and port.
    pub local: SocketAddr,
    /// The transport.
    pub transport: Transport,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Trust class of the listener.
    pub trust: Trust,
}
