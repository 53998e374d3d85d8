//! The user agent that calls, and sometimes changes its mind.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use sip::{Canceled, ClientId, Event, HeaderName, Instant, Message, Request, Response};

use crate::element::{Element, Node};
use crate::wire::Wire;
use crate::{Coverage, RELAY};

pub(crate) struct Caller {
    node: Node,
    /// When to cancel what, by token.
    cancels: HashMap<u64, ClientId>,
    canceled: HashSet<ClientId>,
    calls: u64,
}

impl Caller {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            cancels: HashMap::new(),
            canceled: HashSet::new(),
            calls: 0,
        }
    }

    /// Starts one request: INVITE or OPTIONS.
    pub(crate) fn start(&mut self, now: Instant, wire: &mut Wire, coverage: &mut Coverage) {
        self.calls += 1;
        let invite = self.node.random.chance(70);
        let method = if invite { "INVITE" } else { "OPTIONS" };
        let request = request(method, self.calls, "");
        let id = self.node.send(request, RELAY, now);
        if invite {
            // Timer C, unless the caller has lost patience before.
            let patience = match self.node.random.chance(40) {
                true => self.node.random.millis(6_000),
                false => Duration::from_secs(60),
            };
            let at = now + patience;
            self.cancels.insert(self.calls, id);
            self.node.layer.schedule(at, self.calls);
        }
        self.drain(now, wire, coverage);
    }

    /// Every request has had its outcome; two only where a 2xx met the loss of its own ACK.
    pub(crate) fn all_answered(&self) {
        assert_eq!(self.node.clients.len() as u64, self.calls);
        for (id, books) in &self.node.clients {
            let outcomes = books.successes.min(1) + books.failures + books.broken;
            let failed_ack = books.failures == 1 && books.broken == 1;
            assert!(outcomes == 1 || failed_ack, "{id:?}: {books:?}");
        }
    }
}

impl Element for Caller {
    fn node(&self) -> &Node {
        &self.node
    }

    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    fn request(&mut self, request: Request, _: usize, _: Instant, _: &mut Coverage) {
        panic!("a request to the caller: {request:?}");
    }

    fn response(&mut self, id: ClientId, response: Response, _: Instant, coverage: &mut Coverage) {
        let books = self.node.clients[&id];
        if !books.invite || !(200..300).contains(&response.status()) {
            return;
        }
        coverage.success_after_cancel += u64::from(self.canceled.contains(&id));
        coverage.success_repeated += u64::from(books.successes > 1);
        let call_id = response.headers.first(HeaderName::CallId).unwrap();
        let number = std::str::from_utf8(call_id).unwrap().parse().unwrap();
        let ack = request("ACK", number, ";tag=callee");
        self.node.send_stateless(ack, RELAY);
    }

    fn event(&mut self, event: Event<usize>, now: Instant, coverage: &mut Coverage) {
        match event {
            Event::Timer(token) => {
                let id = self.cancels[&token];
                if self.node.layer.cancel(id, None, now) != Canceled::Refused {
                    self.canceled.insert(id);
                }
            }
            Event::ClientTimeout(_) => coverage.timeouts += 1,
            _ => {}
        }
    }
}

fn request(method: &str, call: u64, to_tag: &str) -> Request {
    let text = format!(
        "{method} sip:callee@node2 SIP/2.0\r\n\
         From: <sip:caller@node0>;tag=caller\r\n\
         To: <sip:callee@node2>{to_tag}\r\n\
         Call-ID: {call}\r\n\
         CSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    match sip::parse(Bytes::from(text), &sip::Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}
