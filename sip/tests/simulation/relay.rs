//! A stateful proxy in miniature (RFC 3261 §16).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use sip::{ClientId, Event, HeaderName, Instant, Received, Request, Response, ServerId, ServerKey};

use crate::element::{Element, Node};
use crate::{CALLEE, Coverage};

pub(crate) struct Relay {
    node: Node,
    upstream: HashMap<ClientId, Upstream>,
    downstream: HashMap<ServerId, ClientId>,
    /// The final status that went upstream.
    finals: HashMap<ServerId, u16>,
    timers_c: HashMap<u64, ClientId>,
}

#[derive(Clone)]
struct Upstream {
    id: ServerId,
    request: Request,
}

impl Relay {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            upstream: HashMap::new(),
            downstream: HashMap::new(),
            finals: HashMap::new(),
            timers_c: HashMap::new(),
        }
    }

    fn forward(&mut self, request: Request, source: usize, now: Instant) {
        let id = self.node.create_server(&request, source, now);
        let client = self.node.send(request.clone(), CALLEE, now);
        if self.node.clients[&client].invite {
            self.node.reply(id, &request, 100, now);
            let token = self.timers_c.len() as u64;
            self.timers_c.insert(token, client);
            let timer_c = now + Duration::from_secs(60);
            self.node.layer.schedule(timer_c, token);
        }
        self.downstream.insert(id, client);
        self.upstream.insert(client, Upstream { id, request });
    }

    /// Answers upstream by ourselves; the layer keeps a 408 from anything but an INVITE.
    fn fail(&mut self, client: ClientId, status: u16, now: Instant) {
        let Upstream { id, request } = self.upstream[&client].clone();
        // After a final response only the transaction to the callee is concerned.
        if let Entry::Vacant(entry) = self.finals.entry(id) {
            entry.insert(status);
            self.node.reply(id, &request, status, now);
        }
    }
}

impl Element for Relay {
    fn node(&self) -> &Node {
        &self.node
    }

    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    fn request(&mut self, request: Request, source: usize, now: Instant, _: &mut Coverage) {
        let key = ServerKey::of(&request).unwrap();
        match self.node.layer.receive_request(&key, now) {
            Received::New => self.forward(request, source, now),
            Received::Retransmission(_) | Received::Ack(_) => {}
            Received::AckFor2xx(_) | Received::StrayAck => {
                self.node.send_stateless(request, CALLEE);
            }
            Received::Cancel { invite } => {
                let id = self.node.create_server(&request, source, now);
                let status = if invite.is_some() { 200 } else { 481 };
                self.node.reply(id, &request, status, now);
                if let Some(client) = invite.and_then(|id| self.downstream.get(&id)) {
                    self.node.layer.cancel(*client, None, now);
                }
            }
        }
    }

    fn response(&mut self, id: ClientId, mut response: Response, now: Instant, _: &mut Coverage) {
        let status = response.status();
        let server = self.upstream[&id].id;
        if status == 100 {
            return;
        }
        let before = self.finals.get(&server).copied();
        match before {
            // RFC 3261 §16.7 step 5: only further 2xx follow a final, and only a 2xx.
            Some(200..300) => assert!((200..300).contains(&status), "{status} after a 2xx"),
            Some(first) => panic!("{status} forwarded after {first}"),
            None => {}
        }
        if status >= 200 {
            self.finals.insert(server, status);
        }
        response.headers.pop_first(HeaderName::Via).unwrap();
        let wire = response.to_bytes();
        self.node.layer.respond(server, status, wire, now);
    }

    fn event(&mut self, event: Event<usize>, now: Instant, _: &mut Coverage) {
        match event {
            Event::ClientTimeout(id) => self.fail(id, 408, now),
            Event::ClientTransportError(id) => self.fail(id, 503, now),
            Event::Timer(token) => {
                let client = self.timers_c[&token];
                self.node.layer.cancel(client, None, now);
            }
            _ => {}
        }
    }
}
