//! The user agent that answers, and repeats its 2xx until the ACK (RFC 3261 §13.3.1.4).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sip::{
    ClientId, Event, HeaderName, Instant, Phase, Received, Request, Response, ServerId, ServerKey,
};

use crate::Coverage;
use crate::element::{Element, Node};

pub(crate) struct Callee {
    node: Node,
    tasks: HashMap<u64, Task>,
    requests: HashMap<ServerId, Request>,
    acked: HashSet<Vec<u8>>,
    tokens: u64,
}

enum Task {
    Answer(ServerId, u16),
    Repeat(ServerId, Duration, Instant),
}

impl Callee {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            tasks: HashMap::new(),
            requests: HashMap::new(),
            acked: HashSet::new(),
            tokens: 0,
        }
    }

    fn later(&mut self, at: Instant, task: Task) {
        self.tokens += 1;
        self.tasks.insert(self.tokens, task);
        self.node.layer.schedule(at, self.tokens);
    }

    fn process(&mut self, request: Request, source: usize, now: Instant) {
        let id = self.node.create_server(&request, source, now);
        let invite = request.method_bytes() == b"INVITE";
        if invite && self.node.random.chance(60) {
            self.node.reply(id, &request, 180, now);
        }
        let status = match self.node.random.below(3) {
            0 => 486,
            _ => 200,
        };
        let delay = self.node.random.millis(6_000);
        self.requests.insert(id, request);
        self.later(now + delay, Task::Answer(id, status));
    }

    fn answer(&mut self, id: ServerId, status: u16, now: Instant) {
        if self.node.layer.server_phase(id) == Some(Phase::Finished) {
            return;
        }
        let request = self.requests[&id].clone();
        self.node.reply(id, &request, status, now);
        if status == 200 && request.method_bytes() == b"INVITE" {
            let interval = Duration::from_millis(500);
            let until = now + interval * 64;
            self.later(now + interval, Task::Repeat(id, interval, until));
        }
    }

    fn repeat(
        &mut self,
        id: ServerId,
        interval: Duration,
        until: Instant,
        now: Instant,
        coverage: &mut Coverage,
    ) {
        let request = self.requests[&id].clone();
        let call_id = request.headers.first(HeaderName::CallId).unwrap();
        if self.acked.contains(call_id) {
            return;
        }
        if now >= until {
            coverage.never_acked += 1;
            return;
        }
        self.node.reply(id, &request, 200, now);
        let interval = (interval * 2).min(Duration::from_secs(4));
        self.later(
            (now + interval).min(until),
            Task::Repeat(id, interval, until),
        );
    }
}

impl Element for Callee {
    fn node(&self) -> &Node {
        &self.node
    }

    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    fn request(&mut self, request: Request, source: usize, now: Instant, _: &mut Coverage) {
        let key = ServerKey::of(&request).unwrap();
        match self.node.layer.receive_request(&key, now) {
            Received::New => self.process(request, source, now),
            Received::Retransmission(_) | Received::Ack(_) => {}
            Received::AckFor2xx(_) | Received::StrayAck => {
                let call_id = request.headers.first(HeaderName::CallId).unwrap();
                self.acked.insert(call_id.to_vec());
            }
            Received::Cancel { invite } => {
                let id = self.node.create_server(&request, source, now);
                let status = if invite.is_some() { 200 } else { 481 };
                self.node.reply(id, &request, status, now);
                if let Some(invite) = invite {
                    self.answer(invite, 487, now);
                }
            }
        }
    }

    fn response(&mut self, _: ClientId, response: Response, _: Instant, _: &mut Coverage) {
        panic!("a response to the callee: {response:?}");
    }

    fn event(&mut self, event: Event<usize>, now: Instant, coverage: &mut Coverage) {
        match event {
            Event::Timer(token) => match self.tasks.remove(&token).expect("a timer fired twice") {
                Task::Answer(id, status) => self.answer(id, status, now),
                Task::Repeat(id, interval, until) => {
                    self.repeat(id, interval, until, now, coverage);
                }
            },
            Event::TryingDue(id) => {
                coverage.trying_due += 1;
                let request = self.requests[&id].clone();
                self.node.reply(id, &request, 100, now);
            }
            _ => {}
        }
    }
}
