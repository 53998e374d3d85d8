//! Transactions without parsing and sockets.
//!
//! One turn is the server and the client transaction of one proxied request, from its first message
//! to the answer, with `tick`, all events and `next_deadline` as a worker's turn calls them. At one
//! turn a millisecond each pays for the timers of what came before, the end of a tombstone of 32 s
//! ago included.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use sip::{ClientKey, Instant, Layer, LayerLimits, Received, ServerId, ServerKey, Timers};

use crate::corpus;

/// As large as the peers of the proxy.
type Peer = [u64; 3];

/// A layer, and the clock that moves it.
#[derive(Debug)]
pub struct Load {
    layer: Layer<Peer>,
    wire: Bytes,
    now: Instant,
    number: u64,
}

/// Which transactions an iteration has, and of which method.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    method: &'static [u8],
    server: bool,
    client: bool,
}

/// By the last part of the bench id.
pub const WORKS: [(&str, Work); 6] = [
    ("invite", Work::new(b"INVITE", true, true)),
    ("invite_server", Work::new(b"INVITE", true, false)),
    ("invite_client", Work::new(b"INVITE", false, true)),
    ("other", Work::new(b"BYE", true, true)),
    ("other_server", Work::new(b"BYE", true, false)),
    ("other_client", Work::new(b"BYE", false, true)),
];
const PEER: Peer = [1; 3];
const TO: &[u8] = b"<sip:b@c>;tag=1";

impl Work {
    const fn new(method: &'static [u8], server: bool, client: bool) -> Self {
        Self {
            method,
            server,
            client,
        }
    }

    fn statuses(self) -> &'static [u16] {
        match self.method {
            b"INVITE" => &[100, 180, 200],
            _ => &[200],
        }
    }
}

impl Default for Load {
    /// Without any transaction yet.
    fn default() -> Self {
        let wire = Bytes::copy_from_slice(corpus::INVITE_1059);
        // From now on it is shared, and a reference costs a count.
        drop(wire.clone());
        let limits = LayerLimits {
            transactions: 1_000_000,
            bytes: 8 << 30,
            ..LayerLimits::default()
        };
        Self {
            layer: Layer::new(Timers::default(), limits, 7),
            wire,
            now: Instant::ZERO,
            number: 0,
        }
    }
}

impl Load {
    /// One worker's turn: time moves on, then the work comes, then its events are taken.
    pub fn turn(&mut self, after: Duration, work: Work) {
        self.advance(after);
        self.run(work);
        self.drain();
        black_box(self.layer.next_deadline());
    }

    /// Time moves on, and the timers that are due by then fire.
    pub fn advance(&mut self, after: Duration) {
        self.now += after;
        self.layer.tick(self.now);
    }

    fn run(&mut self, work: Work) {
        self.number += 1;
        let branch = branch(self.number);
        let server = work.server.then(|| self.begin_server(&branch, work.method));
        if work.client {
            self.begin_client(&branch, work.method);
        }
        for &status in work.statuses() {
            if work.client {
                self.receive(&branch, work.method, status);
            }
            if let Some(server) = server.filter(|_| status > 100) {
                self.respond(server, status);
            }
        }
    }

    fn begin_server(&mut self, branch: &[u8], method: &[u8]) -> ServerId {
        let key = ServerKey {
            branch,
            sent_by: b"198.51.100.17:5060",
            method,
            legacy: None,
        };
        let received = self.layer.receive_request(&key, self.now);
        assert!(matches!(received, Received::New));
        let created = self.layer.create_server(&key, PEER, false, self.now);
        let id = created.expect("a server transaction");
        if method == b"INVITE" {
            self.respond(id, 100);
        }
        id
    }

    fn respond(&mut self, id: ServerId, status: u16) {
        self.layer.respond(id, status, self.wire.clone(), self.now);
    }

    fn begin_client(&mut self, branch: &[u8], method: &[u8]) {
        let key = ClientKey { branch, method };
        self.layer
            .create_client(&key, self.wire.clone(), PEER, false, self.now)
            .expect("a client transaction");
    }

    fn receive(&mut self, branch: &[u8], method: &[u8], status: u16) {
        let key = ClientKey { branch, method };
        let passed = self.layer.receive_response(&key, status, TO, self.now);
        assert!(passed.is_some());
    }

    fn drain(&mut self) {
        while let Some(event) = self.layer.poll() {
            black_box(&event);
        }
    }
}

/// Calls that ring; the oldest is answered first.
#[derive(Debug)]
pub struct Calls {
    /// What they go through.
    pub load: Load,
    ringing: VecDeque<(u64, ServerId)>,
}

impl Calls {
    /// So many calls, all of which ring.
    pub fn new(ringing: usize) -> Self {
        let mut calls = Self {
            load: Load::default(),
            ringing: VecDeque::new(),
        };
        for _ in 0..ringing {
            calls.begin();
        }
        calls
    }

    /// One more.
    pub fn begin(&mut self) {
        let load = &mut self.load;
        load.number += 1;
        let branch = branch(load.number);
        let server = load.begin_server(&branch, b"INVITE");
        load.begin_client(&branch, b"INVITE");
        load.receive(&branch, b"INVITE", 100);
        load.receive(&branch, b"INVITE", 180);
        load.respond(server, 180);
        load.drain();
        self.ringing.push_back((load.number, server));
    }

    /// The oldest is answered.
    pub fn answer(&mut self) {
        if let Some((number, server)) = self.ringing.pop_front() {
            self.load.receive(&branch(number), b"INVITE", 200);
            self.load.respond(server, 200);
            self.load.drain();
        }
    }
}

fn branch(number: u64) -> [u8; 23] {
    let mut branch = *b"z9hG4bK0000000000000000";
    for (at, digit) in branch[7..].iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at)) as usize & 15];
    }
    branch
}
