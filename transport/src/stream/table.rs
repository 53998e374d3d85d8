//! Which connections there are. No guard of a map leaves this file: only copies do.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use sip::Transport;

use super::outbox::Outbox;
use crate::flow::ConnectionId;

/// A connection, as others see it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) transport: Transport,
    pub(super) remote: SocketAddr,
    pub(super) outbox: Outbox,
    /// The peer has stopped sending: answers may still go to it, requests not.
    pub(super) half_closed: AtomicBool,
}

/// All connections, by identifier and by peer.
#[derive(Debug)]
pub(super) struct Table {
    links: DashMap<ConnectionId, Arc<Link>>,
    /// The connection to use for a peer.
    peers: DashMap<(Transport, SocketAddr), Arc<Link>>,
    per_ip: DashMap<IpAddr, usize>,
    count: AtomicUsize,
    next: AtomicU64,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            links: DashMap::new(),
            peers: DashMap::new(),
            per_ip: DashMap::new(),
            count: AtomicUsize::new(0),
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId::from_u64(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn link(&self, id: ConnectionId) -> Option<Arc<Link>> {
        self.links.get(&id).map(|link| Arc::clone(&link))
    }

    /// Copies of all, to close them.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        self.links
            .iter()
            .map(|entry| Arc::clone(entry.value()))
            .collect()
    }

    /// Enters a connection that a peer has opened.
    pub(super) fn insert(&self, link: &Arc<Link>) {
        self.links.insert(link.id, Arc::clone(link));
        // RFC 3261 §18: an open connection to a peer is used again. Ours, if there is one, stays
        // the one to use.
        self.peers
            .entry((link.transport, link.remote))
            .or_insert_with(|| Arc::clone(link));
    }

    /// The connection to a peer; else what `open` makes is entered as that.
    pub(super) fn peer(
        &self,
        transport: Transport,
        remote: SocketAddr,
        open: impl FnOnce() -> Option<Arc<Link>>,
    ) -> Option<Peer> {
        match self.peers.entry((transport, remote)) {
            Entry::Occupied(entry) if !entry.get().half_closed.load(Ordering::Relaxed) => {
                Some(Peer::Known(Arc::clone(entry.get())))
            }
            entry => {
                let link = open()?;
                entry.insert(Arc::clone(&link));
                self.links.insert(link.id, Arc::clone(&link));
                Some(Peer::New(link))
            }
        }
    }

    /// Forgets `link` as the connection to its peer, so that another one may be opened.
    pub(super) fn retire(&self, link: &Link) {
        self.peers
            .remove_if(&(link.transport, link.remote), |_, known| {
                known.id == link.id
            });
    }

    pub(super) fn remove(&self, link: &Link) {
        self.retire(link);
        self.links.remove(&link.id);
    }

    /// A place for one more connection.
    pub(super) fn place(self: &Arc<Self>, max: usize) -> Option<Place> {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        // Dropping the place takes the count back.
        (before < max).then_some(place)
    }

    /// A place for one more connection from this address.
    pub(super) fn ip_place(self: &Arc<Self>, remote: IpAddr, max: usize) -> Option<IpPlace> {
        if max == 0 {
            return None;
        }
        let key = ip_key(remote);
        let mut count = self.per_ip.entry(key).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(IpPlace {
            table: Arc::clone(self),
            key,
        })
    }
}

/// What [`Table::peer`] found.
pub(super) enum Peer {
    Known(Arc<Link>),
    New(Arc<Link>),
}

/// One of the connections that may exist.
#[derive(Debug)]
pub(super) struct Place(Arc<Table>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of the connections that an address may have.
#[derive(Debug)]
pub(super) struct IpPlace {
    table: Arc<Table>,
    key: IpAddr,
}

impl Drop for IpPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.table.per_ip.entry(self.key) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One customer has one IPv4 address, or a /64 of IPv6.
fn ip_key(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let table = Arc::new(Table::new());
        let ip: IpAddr = "192.0.2.1".parse().expect("an address");
        let kept: Vec<_> = (0..2)
            .map(|_| table.ip_place(ip, 2).expect("room"))
            .collect();
        assert!(table.ip_place(ip, 2).is_none());
        assert!(
            table
                .ip_place("192.0.2.2".parse().expect("an address"), 2)
                .is_some()
        );
        drop(kept);
        assert!(table.ip_place(ip, 2).is_some());
        assert!(
            table.per_ip.is_empty(),
            "addresses without a connection are forgotten"
        );

        let first = table.place(1).expect("room");
        assert!(table.place(1).is_none());
        drop(first);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_ipv6_customer_is_a_64() {
        let key = |ip: &str| ip_key(ip.parse().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1:2:3"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}
