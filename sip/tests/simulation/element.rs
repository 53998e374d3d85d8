//! What caller, relay and callee have in common: a layer, and the books that catch it out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use sip::{
    ClientId, ClientKey, Disposition, Event, HeaderName, Instant, Layer, Message, Request,
    Response, ServerId, ServerKey, TransactionId,
};

use crate::Coverage;
use crate::wire::{Packet, Random, Wire};

pub(crate) trait Element {
    fn node(&self) -> &Node;
    fn node_mut(&mut self) -> &mut Node;

    fn request(&mut self, request: Request, source: usize, now: Instant, coverage: &mut Coverage);
    fn response(&mut self, id: ClientId, response: Response, now: Instant, coverage: &mut Coverage);
    fn event(&mut self, event: Event<usize>, now: Instant, coverage: &mut Coverage);

    fn deadline(&self) -> Option<Instant> {
        self.node().layer.next_deadline()
    }

    fn tick(&mut self, now: Instant, wire: &mut Wire, coverage: &mut Coverage) {
        self.node_mut().layer.tick(now);
        self.drain(now, wire, coverage);
    }

    fn receive(&mut self, packet: &Packet, now: Instant, wire: &mut Wire, coverage: &mut Coverage) {
        match sip::parse(packet.wire.clone(), &sip::Limits::default()).unwrap() {
            Message::Request(request) => self.request(request, packet.source, now, coverage),
            Message::Response(response) => {
                if let Some(id) = self.node_mut().match_response(&response, now, coverage) {
                    self.response(id, response, now, coverage);
                }
            }
        }
        self.drain(now, wire, coverage);
    }

    /// Sends what is to be sent, until there is nothing left to do.
    fn drain(&mut self, now: Instant, wire: &mut Wire, coverage: &mut Coverage) {
        loop {
            let node = self.node_mut();
            for (target, bytes) in std::mem::take(&mut node.stateless) {
                wire.send(node.name, target, bytes, now);
            }
            let Some(event) = node.layer.poll() else {
                return;
            };
            match event {
                Event::Send {
                    peer,
                    wire: bytes,
                    transaction,
                } => {
                    let client = matches!(transaction, TransactionId::Client(_));
                    if client && wire.refuses() {
                        coverage.transport_errors += 1;
                        node.layer.transport_error(transaction, now);
                    } else {
                        wire.send(node.name, peer, bytes, now);
                    }
                }
                event => {
                    node.book(&event);
                    self.event(event, now, coverage);
                }
            }
        }
    }
}

/// One element's layer and what has been seen of its transactions.
pub(crate) struct Node {
    pub(crate) name: usize,
    pub(crate) layer: Layer<usize>,
    pub(crate) random: Random,
    pub(crate) reliable: bool,
    /// Messages that have no transaction.
    pub(crate) stateless: Vec<(usize, Bytes)>,
    pub(crate) clients: HashMap<ClientId, Books>,
    servers: HashSet<ServerId>,
    processed: HashMap<Vec<u8>, Instant>,
    ended: HashSet<TransactionId>,
    branches: u64,
}

/// What a client transaction told its user.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Books {
    pub(crate) invite: bool,
    pub(crate) successes: u32,
    pub(crate) failures: u32,
    /// Timeout or transport error.
    pub(crate) broken: u32,
}

impl Node {
    pub(crate) fn new(name: usize, layer: Layer<usize>, random: Random, reliable: bool) -> Self {
        Self {
            name,
            layer,
            random,
            reliable,
            stateless: Vec::new(),
            clients: HashMap::new(),
            servers: HashSet::new(),
            processed: HashMap::new(),
            ended: HashSet::new(),
            branches: 0,
        }
    }

    pub(crate) fn branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bK-{}-{}", self.name, self.branches)
    }

    /// Puts our Via on top and sends the request in a transaction of its own.
    pub(crate) fn send(&mut self, mut request: Request, target: usize, now: Instant) -> ClientId {
        let branch = self.branch();
        let via = format!("SIP/2.0/UDP node{};branch={branch}", self.name);
        request.headers.prepend(b"Via", via.as_bytes()).unwrap();
        let key = ClientKey {
            branch: branch.as_bytes(),
            method: request.method_bytes(),
        };
        let wire = request.to_bytes();
        let id = self
            .layer
            .create_client(&key, wire, target, self.reliable, now)
            .unwrap();
        let invite = key.method == b"INVITE";
        let books = Books {
            invite,
            ..Books::default()
        };
        assert!(self.clients.insert(id, books).is_none(), "an id came twice");
        id
    }

    /// Sends a request without a transaction, as the ACK of a 2xx is.
    pub(crate) fn send_stateless(&mut self, mut request: Request, target: usize) {
        let branch = self.branch();
        let via = format!("SIP/2.0/UDP node{};branch={branch}", self.name);
        request.headers.prepend(b"Via", via.as_bytes()).unwrap();
        self.stateless.push((target, request.to_bytes()));
    }

    pub(crate) fn create_server(
        &mut self,
        request: &Request,
        source: usize,
        now: Instant,
    ) -> ServerId {
        let key = ServerKey::of(request).unwrap();
        let name = [key.branch, b" ", key.method].concat();
        // Later copies than this are beyond what RFC 3261 §17.2.2 remembers a request for.
        if let Some(first) = self.processed.insert(name, now) {
            assert!(now - first >= MEMORY, "a request was processed twice");
        }
        let id = self
            .layer
            .create_server(&key, source, self.reliable, now)
            .unwrap();
        assert!(self.servers.insert(id), "an id came twice");
        id
    }

    pub(crate) fn reply(&mut self, id: ServerId, request: &Request, status: u16, now: Instant) {
        let response = sip::Reply::new(request, status, "X")
            .to_tag(b"callee")
            .build();
        self.layer.respond(id, status, response.to_bytes(), now);
    }

    /// Finds the transaction of a response; returns it when the response is news.
    fn match_response(
        &mut self,
        response: &Response,
        now: Instant,
        coverage: &mut Coverage,
    ) -> Option<ClientId> {
        let key = ClientKey::of(response).unwrap();
        let status = response.status();
        let to = response.headers.first(HeaderName::To).unwrap();
        let (id, disposition) = self.layer.receive_response(&key, status, to, now)?;
        if disposition == Disposition::Absorbed {
            if key.method == b"INVITE" && status >= 300 {
                coverage.acks_repeated += 1;
            }
            return None;
        }
        assert!(!self.ended.contains(&id.into()), "a response after the end");
        let books = self.clients.get_mut(&id).expect("a response to nobody");
        let Books {
            invite,
            successes,
            failures,
            broken,
        } = *books;
        assert_eq!((failures, broken), (0, 0), "{status} after a final");
        match status {
            0..200 => assert_eq!(successes, 0, "{status} after a final"),
            200..300 => {
                assert!(invite || successes == 0, "two finals");
                books.successes += 1;
            }
            _ => {
                assert_eq!(successes, 0, "two finals");
                books.failures += 1;
            }
        }
        Some(id)
    }

    fn book(&mut self, event: &Event<usize>) {
        match event {
            Event::ClientTimeout(id) | Event::ClientTransportError(id) => {
                let books = self.clients.get_mut(id).expect("an event of nobody");
                books.broken += 1;
                assert_eq!(books.broken, 1, "broken twice");
                assert_eq!(books.successes, 0, "broken after a success");
            }
            Event::Ended(id) => assert!(self.ended.insert(*id), "ended twice"),
            _ => {}
        }
    }

    /// Every transaction has ended, and said so.
    pub(crate) fn all_ended(&self) {
        let clients = self.clients.keys().map(|id| TransactionId::from(*id));
        let servers = self.servers.iter().map(|id| TransactionId::from(*id));
        for id in clients.chain(servers) {
            assert!(self.ended.contains(&id), "{id:?} never ended");
        }
        assert_eq!(self.ended.len(), self.clients.len() + self.servers.len());
    }
}

/// 64·T1.
const MEMORY: Duration = Duration::from_secs(32);
