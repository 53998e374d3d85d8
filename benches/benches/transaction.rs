//! `transaction/*` and `growth/*`: calls through the transaction layer, without parsing and sockets.
//!
//! One iteration is one transaction from its first message to its very end, or the server and the
//! client transaction of one proxied request (`invite`, `other`):
//!
//! | | server | client |
//! |---|---|---|
//! | INVITE | match, create, 100, 180, 200 | create, match 100, 180, 200 |
//! | other | match, create, 200 | create, match 200 |
//!
//! with all events polled, `tick` and `next_deadline` as a worker's turn calls them, and each message
//! handed over as a reference to a shared buffer. Nothing is left for later:
//!
//! - `transaction/*` is the steady state of 1,000 a second: every iteration moves the clock by 1 ms
//!   and pays for the timers of what came before, the end of a tombstone of 32 s ago included. Up to
//!   64,000 tombstones are there;
//! - `alone/*` has nothing else in the table and ends its own tombstones by a clock that jumps;
//! - `growth/beside_N` is `alone/invite` beside N calls in progress, which stay;
//! - `growth/rolling_N` begins a call and answers the oldest of N at 1,000 a second, so that each
//!   transaction is met again after N others.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use benches::corpus;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{ClientKey, Instant, Layer, LayerLimits, Received, ServerId, ServerKey, Timers};

/// As large as the peers of the proxy.
type Peer = [u64; 9];

struct Load {
    layer: Layer<Peer>,
    wire: Bytes,
    now: Instant,
    number: u64,
}

/// Which transactions an iteration has, and of which method.
#[derive(Clone, Copy)]
struct Work {
    method: &'static [u8],
    server: bool,
    client: bool,
}

const WORKS: [(&str, Work); 6] = [
    ("invite", Work::new(b"INVITE", true, true)),
    ("invite_server", Work::new(b"INVITE", true, false)),
    ("invite_client", Work::new(b"INVITE", false, true)),
    ("other", Work::new(b"BYE", true, true)),
    ("other_server", Work::new(b"BYE", true, false)),
    ("other_client", Work::new(b"BYE", false, true)),
];
/// Longer than any timer of a finished transaction.
const TO_THE_END: Duration = Duration::from_secs(33);
const GROWTH: [usize; 3] = [10, 1_000, 100_000];
const PEER: Peer = [1; 9];
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

impl Load {
    fn new() -> Self {
        let wire = Bytes::copy_from_slice(corpus::INVITE_1K);
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

    /// One worker's turn: time moves on, then the work comes, then its events are taken.
    fn turn(&mut self, after: Duration, work: Work) {
        self.advance(after);
        self.run(work);
        self.drain();
        black_box(self.layer.next_deadline());
    }

    fn advance(&mut self, after: Duration) {
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
struct Calls {
    load: Load,
    ringing: VecDeque<(u64, ServerId)>,
}

impl Calls {
    fn new(ringing: usize) -> Self {
        let mut calls = Self {
            load: Load::new(),
            ringing: VecDeque::new(),
        };
        for _ in 0..ringing {
            calls.begin();
        }
        calls
    }

    fn begin(&mut self) {
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

    fn answer(&mut self) {
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

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transaction");
    group.throughput(Throughput::Elements(1));
    for (name, work) in WORKS {
        let mut load = Load::new();
        let ms = Duration::from_millis(1);
        // Until the first tombstones have ended.
        for _ in 0..40_000 {
            load.turn(ms, work);
        }
        group.bench_function(name, |bencher| bencher.iter(|| load.turn(ms, work)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("alone");
    for (name, work) in WORKS {
        let mut load = Load::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| load.turn(TO_THE_END, work));
        });
    }
    group.finish();
}

fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("growth");
    let [(_, invite), ..] = WORKS;
    for ringing in GROWTH {
        let mut load = Calls::new(ringing).load;
        group.bench_function(format!("beside_{ringing}"), |bencher| {
            bencher.iter(|| load.turn(TO_THE_END, invite));
        });
    }
    for ringing in GROWTH {
        let mut calls = Calls::new(ringing);
        let mut turn = || {
            calls.load.advance(Duration::from_millis(1));
            calls.begin();
            calls.answer();
        };
        for _ in 0..40_000 {
            turn();
        }
        group.bench_function(format!("rolling_{ringing}"), |bencher| {
            bencher.iter(&mut turn);
        });
    }
    group.finish();
}

criterion_group!(benches, transactions, growth);
criterion_main!(benches);
