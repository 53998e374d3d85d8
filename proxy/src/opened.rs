//! The connections that we had opened: which listener stands for each.

use std::net::SocketAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use transport::ListenerId;

/// Listeners by the peer of the connection.
#[derive(Debug, Default)]
pub(crate) struct Opened(HashMap<SocketAddr, ListenerId, RandomState>);

impl Opened {
    /// The listener that stands for the connection to `remote`.
    pub(crate) fn get(&self, remote: SocketAddr) -> Option<ListenerId> {
        self.0.get(&remote).copied()
    }

    /// Remembers which listener stands for a connection that we open. What the configuration says of
    /// an address is not changed by a message that names it.
    pub(crate) fn note(&mut self, remote: SocketAddr, listener: ListenerId, named: bool) {
        if named && self.0.contains_key(&remote) {
            return;
        }
        if self.0.len() >= OPENED_MAX {
            self.0.clear();
        }
        self.0.insert(remote, listener);
    }
}

/// Peers that are remembered at most.
const OPENED_MAX: usize = 4096;
