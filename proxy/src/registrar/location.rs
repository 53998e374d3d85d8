//! The location table: which user is where (RFC 3261 §10.3).
//!
//! Shared by all workers. No guard of a map leaves this file: what goes in are changes, what comes
//! out are copies. Bindings end by themselves at their time ([`Location::sweep`] frees what has
//! ended), with the connection that they were made on, or by a REGISTER.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use sip::{Instant, Transport, Uri};
use smallvec::SmallVec;
use transport::{ConnectionId, Flow};

use super::Bounds;
use super::wish::{Change, Wish};

/// The name of a user: `user@domain`.
pub(crate) type Aor = Arc<str>;

/// One place where a user is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binding {
    /// The URI that the phone gave.
    pub(crate) contact: Bytes,
    /// Its preference, in thousandths.
    pub(crate) q: u16,
    /// When it ends.
    pub(crate) expires: Instant,
    /// When it was made or renewed.
    pub(crate) since: Instant,
    /// The Call-ID and the number of the REGISTER that did so.
    pub(crate) call_id: Bytes,
    pub(crate) cseq: u32,
    /// The way that it came, which is the way back.
    pub(crate) flow: Flow,
    /// The proxies in between (RFC 3327), as a Route has them; empty where there are none.
    pub(crate) path: Bytes,
    /// What the phone calls itself.
    pub(crate) agent: Arc<str>,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A REGISTER of the same phone was there before, and this one is older.
    OutOfOrder,
    /// The user would be in too many places.
    TooMany,
    /// There is no room for more.
    Full,
}

/// A binding as the console shows it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Who.
    pub(crate) aor: Aor,
    /// The URI that the phone gave.
    pub(crate) contact: Bytes,
    /// Where requests really go.
    pub(crate) source: SocketAddr,
    /// By which transport.
    pub(crate) transport: Transport,
    /// Its preference, in thousandths.
    pub(crate) q: u16,
    /// How long it still lasts.
    pub(crate) left: Duration,
    /// What the phone calls itself.
    pub(crate) agent: Arc<str>,
}

/// Who is where.
#[derive(Debug, Default)]
pub(crate) struct Location {
    bindings: DashMap<Aor, Vec<Binding>>,
    /// Who has registered on a connection; gone with it.
    by_connection: DashMap<ConnectionId, HashSet<Aor>>,
    total: AtomicUsize,
}

impl Location {
    /// Does what a REGISTER asks for, all of it or nothing, and gives what is there then.
    pub(crate) fn change(
        &self,
        aor: &Aor,
        wish: &Wish,
        bounds: &Bounds,
        now: Instant,
    ) -> Result<Vec<Binding>, Refused> {
        let mut entry = self.bindings.entry(aor.clone());
        let known: &[Binding] = match &mut entry {
            Entry::Occupied(entry) => entry.get(),
            Entry::Vacant(_) => &[],
        };
        let before = known.len();
        let mut after: Vec<Binding> = known
            .iter()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        wish.apply(&mut after, now)?;
        if after.len() > bounds.per_user && after.len() > before {
            return Err(Refused::TooMany);
        }
        // Taken first and given back where it was too much: two workers may be here at a time.
        let total = self.total.fetch_add(after.len(), Relaxed) + after.len();
        if total - before.min(total) > bounds.total && after.len() > before {
            self.total.fetch_sub(after.len(), Relaxed);
            return Err(Refused::Full);
        }
        self.total.fetch_sub(before, Relaxed);
        match entry {
            Entry::Occupied(entry) if after.is_empty() => drop(entry.remove()),
            Entry::Vacant(_) if after.is_empty() => {}
            entry => drop(entry.insert(after.clone())),
        }
        // Every guard of the other map is gone by now.
        let added = matches!(&wish.change, Change::Set(contacts) if contacts.iter().any(|contact| !contact.is_removed()));
        if let Some(connection) = wish.flow.connection.filter(|_| added) {
            self.by_connection
                .entry(connection)
                .or_default()
                .insert(aor.clone());
        }
        Ok(after)
    }

    /// Where a user is: whom to prefer first, then the newest.
    pub(crate) fn find(&self, aor: &str, now: Instant) -> SmallVec<[Binding; 1]> {
        let Some(known) = self.bindings.get(aor) else {
            return SmallVec::new();
        };
        let mut found: SmallVec<[Binding; 1]> = known
            .iter()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        drop(known);
        found.sort_by_key(|binding| std::cmp::Reverse((binding.q, binding.since)));
        found
    }

    /// Whether there is a binding that was made on `connection`, or has ended and is not swept yet.
    pub(crate) fn reaches_by(&self, connection: ConnectionId) -> bool {
        let aors: Vec<Aor> = match self.by_connection.get(&connection) {
            Some(aors) => aors.iter().cloned().collect(),
            None => return false,
        };
        aors.iter().any(|aor| self.is_reached_by(aor, connection))
    }

    /// A connection is gone, and what was registered on it: nobody can be reached by it any more.
    pub(crate) fn closed(&self, connection: ConnectionId) {
        let Some((_, aors)) = self.by_connection.remove(&connection) else {
            return;
        };
        for aor in aors {
            if let Entry::Occupied(mut entry) = self.bindings.entry(aor) {
                let list = entry.get_mut();
                let before = list.len();
                list.retain(|binding| binding.flow.connection != Some(connection));
                self.total.fetch_sub(before - list.len(), Relaxed);
                if list.is_empty() {
                    entry.remove();
                }
            }
        }
    }

    /// Frees what has ended.
    pub(crate) fn sweep(&self, now: Instant) {
        self.bindings.retain(|_, list| {
            let before = list.len();
            list.retain(|binding| binding.expires > now);
            self.total.fetch_sub(before - list.len(), Relaxed);
            !list.is_empty()
        });
        // A connection may have closed before what came by it was entered. No guard of the other map
        // is held by whoever waits for this one.
        self.by_connection.retain(|connection, aors| {
            aors.retain(|aor| self.is_reached_by(aor, *connection));
            !aors.is_empty()
        });
    }

    /// Whether a user has a binding that was made on `connection`.
    fn is_reached_by(&self, aor: &Aor, connection: ConnectionId) -> bool {
        self.bindings.get(aor).is_some_and(|list| {
            let mut flows = list.iter().map(|binding| binding.flow.connection);
            flows.any(|on| on == Some(connection))
        })
    }

    /// Bindings, among them those that have ended and are not swept yet.
    pub(crate) fn len(&self) -> usize {
        self.total.load(Relaxed)
    }

    /// Users that have a binding.
    pub(crate) fn users(&self) -> usize {
        self.bindings.len()
    }

    /// `most` bindings, in the order of the names of their users.
    pub(crate) fn shown(&self, most: usize, now: Instant) -> Vec<Shown> {
        let mut names: Vec<Aor> = self
            .bindings
            .iter()
            .map(|entry| entry.key().clone())
            .collect();
        names.sort_unstable();
        let mut shown = Vec::new();
        for aor in names {
            for binding in self.find(&aor, now) {
                if shown.len() >= most {
                    return shown;
                }
                shown.push(Shown {
                    aor: aor.clone(),
                    source: binding.flow.remote,
                    transport: binding.flow.transport,
                    q: binding.q,
                    left: binding.expires - now,
                    contact: binding.contact,
                    agent: binding.agent,
                });
            }
        }
        shown
    }
}

impl Wish {
    /// Changes `list` as RFC 3261 §10.3 step 6 and 7 say.
    fn apply(&self, list: &mut Vec<Binding>, now: Instant) -> Result<(), Refused> {
        let in_order =
            |binding: &Binding| binding.call_id != self.call_id || binding.cseq < self.cseq;
        let contacts = match &self.change {
            Change::Nothing => return Ok(()),
            Change::RemoveAll => {
                if !list.iter().all(in_order) {
                    return Err(Refused::OutOfOrder);
                }
                list.clear();
                return Ok(());
            }
            Change::Set(contacts) => contacts,
        };
        let at = |list: &[Binding], uri: &[u8]| {
            let mut bindings = list.iter();
            bindings.position(|binding| same(&binding.contact, uri))
        };
        // Asked of the list as it came: a contact that stands twice is no older than itself, and the
        // later one counts.
        let mut named = contacts.iter().filter_map(|contact| {
            let at = at(list, &contact.uri)?;
            list.get(at)
        });
        if !named.all(in_order) {
            return Err(Refused::OutOfOrder);
        }
        for contact in contacts {
            if let Some(at) = at(list, &contact.uri) {
                list.remove(at);
            }
            if !contact.is_removed() {
                list.push(Binding {
                    contact: contact.uri.clone(),
                    q: contact.q,
                    expires: now + contact.lasts,
                    since: now,
                    call_id: self.call_id.clone(),
                    cseq: self.cseq,
                    flow: self.flow,
                    path: self.path.clone(),
                    agent: self.agent.clone(),
                });
            }
        }
        Ok(())
    }
}

/// RFC 3261 §19.1.4.
fn same(a: &[u8], b: &[u8]) -> bool {
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(a), Ok(b)) => a.equivalent(&b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use transport::ListenerId;

    use super::super::wish::Contact;
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);

    fn flow(connection: Option<u64>) -> Flow {
        Flow {
            transport: match connection {
                Some(_) => Transport::Tcp,
                None => Transport::Udp,
            },
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "198.51.100.7:4711".parse().unwrap(),
            connection: connection.map(ConnectionId::from_u64),
            listener: ListenerId(0),
        }
    }

    fn contact(uri: &str, seconds: u64) -> Contact {
        Contact {
            uri: Bytes::copy_from_slice(uri.as_bytes()),
            q: 1000,
            lasts: Duration::from_secs(seconds),
        }
    }

    fn wish(call_id: &str, cseq: u32, contacts: &[(&str, u64)]) -> Wish {
        let contacts = contacts.iter().map(|(uri, seconds)| contact(uri, *seconds));
        Wish {
            change: Change::Set(contacts.collect()),
            call_id: Bytes::copy_from_slice(call_id.as_bytes()),
            cseq,
            flow: flow(None),
            path: Bytes::new(),
            agent: Arc::from(""),
        }
    }

    fn bounds() -> Bounds {
        Bounds {
            total: 12,
            per_user: 3,
            ..Bounds::default()
        }
    }

    fn uris(list: &[Binding]) -> Vec<String> {
        let uri = |binding: &Binding| String::from_utf8_lossy(&binding.contact).into_owned();
        list.iter().map(uri).collect()
    }

    #[test]
    fn bindings_come_stay_and_end() {
        let location = Location::default();
        let aor: Aor = Arc::from("alice@demo.example");
        let change = |wish: &Wish, now| location.change(&aor, wish, &bounds(), now);
        change(&wish("a", 1, &[("sip:alice@10.0.0.1", 600)]), NOW).unwrap();
        let later = NOW + Duration::from_secs(1);
        change(&wish("b", 1, &[("sip:alice@10.0.0.2", 900)]), later).unwrap();
        let found = location.find(&aor, later);
        assert_eq!(
            uris(&found),
            ["sip:alice@10.0.0.2", "sip:alice@10.0.0.1"],
            "the newest first"
        );
        // The same contact by RFC 3261 §19.1.4 is renewed.
        let again = wish("a", 2, &[("SIP:alice@10.0.0.1;x=y", 600)]);
        assert_eq!(change(&again, later).unwrap().len(), 2);
        let end = NOW + Duration::from_secs(602);
        assert_eq!(uris(&location.find(&aor, end)), ["sip:alice@10.0.0.2"]);
        assert_eq!(location.len(), 2);
        location.sweep(end);
        assert_eq!((location.len(), location.users()), (1, 1));
        change(&wish("b", 2, &[("sip:alice@10.0.0.2", 0)]), end).unwrap();
        assert_eq!((location.len(), location.users()), (0, 0));
    }

    #[test]
    fn an_older_register_changes_nothing() {
        let location = Location::default();
        let aor: Aor = Arc::from("alice@demo.example");
        let change = |wish: &Wish| location.change(&aor, wish, &bounds(), NOW);
        change(&wish("a", 5, &[("sip:x@10.0.0.1", 600)])).unwrap();
        let older = wish("a", 5, &[("sip:y@10.0.0.1", 600), ("sip:x@10.0.0.1", 0)]);
        assert_eq!(change(&older), Err(Refused::OutOfOrder));
        assert_eq!(uris(&location.find(&aor, NOW)), ["sip:x@10.0.0.1"]);
        let mut all = wish("a", 4, &[]);
        all.change = Change::RemoveAll;
        assert_eq!(change(&all), Err(Refused::OutOfOrder));
        all.cseq = 6;
        assert_eq!(change(&all), Ok(Vec::new()));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let location = Location::default();
        let many = [("sip:1@h", 600), ("sip:2@h", 600), ("sip:3@h", 600)];
        let aor = |number: u32| -> Aor { Arc::from(format!("u{number}@d").as_str()) };
        let change = |number, wish: &Wish| location.change(&aor(number), wish, &bounds(), NOW);
        let four = [&many[..], &[("sip:4@h", 600)]].concat();
        assert_eq!(change(0, &wish("a", 1, &four)), Err(Refused::TooMany));
        assert_eq!(location.len(), 0);
        for number in 0..4 {
            change(number, &wish("a", 1, &many)).unwrap();
        }
        let one = wish("a", 1, &many[..1]);
        assert_eq!(change(9, &one), Err(Refused::Full));
        assert_eq!((location.len(), location.users()), (12, 4));
        // What is there can be renewed and removed.
        change(3, &wish("a", 2, &many)).unwrap();
        change(3, &wish("a", 3, &[("sip:1@h", 0)])).unwrap();
        change(9, &one).unwrap();
        assert_eq!(location.shown(5, NOW).len(), 5);
    }

    #[test]
    fn a_contact_that_stands_twice_counts_as_the_later_one() {
        let location = Location::default();
        let aor: Aor = Arc::from("alice@demo.example");
        for cseq in [1, 2] {
            let twins = wish(
                "a",
                cseq,
                &[("sip:x@h", 600), ("sip:y@h", 600), ("SIP:x@H", 300)],
            );
            let list = location.change(&aor, &twins, &bounds(), NOW).unwrap();
            assert_eq!(uris(&list), ["sip:y@h", "SIP:x@H"]);
        }
        let gone = wish("a", 3, &[("sip:x@h", 600), ("sip:x@h", 0)]);
        let list = location.change(&aor, &gone, &bounds(), NOW).unwrap();
        assert_eq!(uris(&list), ["sip:y@h"]);
        let old = wish("a", 2, &[("sip:z@h", 600), ("sip:y@h", 600)]);
        let refused = location.change(&aor, &old, &bounds(), NOW);
        assert_eq!(refused, Err(Refused::OutOfOrder));
    }

    #[test]
    fn a_connection_that_closed_too_early_is_forgotten() {
        let location = Location::default();
        let aor: Aor = Arc::from("alice@demo.example");
        for connection in 1..=50 {
            let mut one = wish("a", connection, &[("sip:x@10.0.0.1", 600)]);
            one.flow = flow(Some(connection.into()));
            location.closed(ConnectionId::from_u64(connection.into()));
            location.change(&aor, &one, &bounds(), NOW).unwrap();
        }
        location.sweep(NOW);
        assert_eq!(location.by_connection.len(), 1, "the last is in use");
        location.sweep(NOW + Duration::from_secs(601));
        assert_eq!((location.len(), location.by_connection.len()), (0, 0));
    }

    #[test]
    fn what_came_on_a_connection_goes_with_it() {
        let location = Location::default();
        let aor: Aor = Arc::from("alice@demo.example");
        let mut one = wish("a", 1, &[("sip:x@10.0.0.1", 600)]);
        one.flow = flow(Some(7));
        location.change(&aor, &one, &bounds(), NOW).unwrap();
        let two = wish("b", 1, &[("sip:y@10.0.0.1", 600)]);
        location.change(&aor, &two, &bounds(), NOW).unwrap();
        location.closed(ConnectionId::from_u64(8));
        assert_eq!(location.len(), 2);
        assert!(location.reaches_by(ConnectionId::from_u64(7)));
        assert!(!location.reaches_by(ConnectionId::from_u64(8)));
        location.closed(ConnectionId::from_u64(7));
        assert!(!location.reaches_by(ConnectionId::from_u64(7)));
        assert_eq!(uris(&location.find(&aor, NOW)), ["sip:y@10.0.0.1"]);
        assert_eq!((location.len(), location.by_connection.len()), (1, 0));
    }
}
