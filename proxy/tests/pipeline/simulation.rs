//! Caller, core and targets over a wire that loses, repeats and reorders, in virtual time: whatever
//! the seed, no exchange has two ends, none has none, and nothing is kept.
//!
//! `SIM_SEED=n` runs one seed, and prints what went over the wire.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use hookswitch::Random;
use sip::Instant;

use crate::support::{
    CALLER, GATEWAY_1, GATEWAY_2, PUBLIC, Sent, World, address, done, request, same_branch,
};

/// Seeds of the ordinary run.
const SEEDS: u64 = 128;
const CALLS: usize = 6;

/// A message on its way: when it arrives, an order among equals, from whom, what. `to_core` tells
/// the direction.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: std::cmp::Reverse<(Instant, u64)>,
    to_core: bool,
    from: String,
    text: String,
}

/// What the caller makes of one call.
#[derive(Default)]
struct Caller {
    text: String,
    invite: bool,
    provisional: bool,
    finals: Vec<u16>,
    sends: u32,
    cancel_at: Option<Instant>,
    cancelled: bool,
}

struct Simulation {
    world: World,
    random: Random,
    wire: BinaryHeap<Flight>,
    order: u64,
    calls: BTreeMap<String, Caller>,
    /// What a target answers to a branch, decided once.
    minds: HashMap<String, Vec<u16>>,
    retransmit: Vec<(Instant, String, u64)>,
    loud: bool,
}

impl Simulation {
    fn new(seed: u64, loud: bool) -> Self {
        Self {
            world: World::seeded(
                &crate::support::CONFIG.replace(
                    "[[listen]]\nname = \"public\"\n",
                    "[timers]\ntimer_c = \"60s\"\n\n[[listen]]\nname = \"public\"\n",
                ),
                seed,
            ),
            random: Random::Seeded(seed ^ 0xabcd),
            wire: BinaryHeap::new(),
            order: 0,
            calls: BTreeMap::new(),
            minds: HashMap::new(),
            retransmit: Vec::new(),
            loud,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.below(100) < percent
    }

    /// Puts a message on the wire: it may be lost, come twice, or be overtaken.
    fn send(&mut self, to_core: bool, from: &str, text: &str) {
        let copies = match self.random.below(100) {
            0..15 => 0,
            15..25 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            self.order += 1;
            let late = if self.chance(10) { 400 } else { 20 };
            let delay = Duration::from_millis(u64::from(1 + self.random.below(late)));
            self.wire.push(Flight {
                at: std::cmp::Reverse((self.world.now + delay, self.order)),
                to_core,
                from: from.to_owned(),
                text: text.to_owned(),
            });
        }
    }

    fn flush(&mut self) {
        for sent in self.world.take() {
            if self.chance(3) && sent.transaction.is_some() && sent.to != address(CALLER) {
                self.world.failed(&sent);
                continue;
            }
            self.send(false, &sent.to.to_string(), &sent.text());
        }
        if !self.world.sent.is_empty() {
            self.flush();
        }
    }

    fn deliver(&mut self, flight: Flight) {
        if self.loud {
            let way = if flight.to_core {
                "→ core from"
            } else {
                "← core to"
            };
            println!(
                "{:?} {way} {} {}",
                self.world.now,
                flight.from,
                flight.text.lines().next().unwrap_or_default()
            );
        }
        match (flight.to_core, flight.from.as_str()) {
            (true, from) => self.world.receive(from, PUBLIC, &flight.text),
            (false, CALLER) => self.hear(&flight.text),
            (false, target) => self.serve(target, &flight.text),
        }
    }

    /// The caller gets a response.
    fn hear(&mut self, text: &str) {
        let sent = message(text);
        let id = sent.header("Call-ID");
        if sent.header("CSeq").ends_with("CANCEL") {
            return;
        }
        let call = self.calls.get_mut(&id).unwrap();
        let status = sent.status();
        if status < 200 {
            call.provisional = true;
            return;
        }
        call.finals.push(status);
        if call.invite {
            let tag = sent
                .header("To")
                .split("tag=")
                .nth(1)
                .unwrap_or("none")
                .to_owned();
            let mut ack = same_branch("ACK", &call.text, &tag);
            if status < 300 {
                ack = ack.replace("-1;rport", "-ack;rport");
            }
            self.send(true, CALLER, &ack);
        }
    }

    /// A target gets a request.
    fn serve(&mut self, target: &str, text: &str) {
        let sent = message(text);
        let method = sent.method();
        if method == "ACK" {
            return;
        }
        if method == "CANCEL" {
            let answer = sent.answer(200, "");
            self.send(true, target, &answer);
            let invite = format!("{}INVITE", sent.branch());
            if self
                .minds
                .get(&invite)
                .is_some_and(|mind| mind.iter().all(|status| *status < 200))
            {
                self.minds.insert(invite, vec![487]);
                let invite = text
                    .replacen("CANCEL ", "INVITE ", 1)
                    .replace(" CANCEL", " INVITE");
                let answer = message(&invite).answer(487, "");
                self.send(true, target, &answer);
            }
            return;
        }
        let key = format!("{}{method}", sent.branch());
        let mind = match self.minds.get(&key) {
            Some(mind) => mind.clone(),
            None => {
                let finals = [200, 200, 200, 404, 486, 500, 503, 603];
                let answer = finals[self.random.below(finals.len() as u32) as usize];
                let mind = match self.random.below(10) {
                    0 => vec![],
                    1 => vec![100],
                    2 if method == "INVITE" => vec![180],
                    3..6 if method == "INVITE" => vec![180, answer],
                    _ => vec![answer],
                };
                self.minds.insert(key, mind.clone());
                mind
            }
        };
        for status in mind {
            let answer = sent.answer(status, "");
            self.send(true, target, &answer);
        }
    }

    fn call(&mut self, id: &str) {
        let method =
            ["INVITE", "INVITE", "INVITE", "MESSAGE", "OPTIONS"][self.random.below(5) as usize];
        let text = request(method, "sip:9@demo.example", id, "");
        let patience = Duration::from_millis(u64::from(self.random.below(9_000)));
        let cancel_at = (method == "INVITE" && self.chance(30)).then(|| self.world.now + patience);
        self.calls.insert(
            id.to_owned(),
            Caller {
                text: text.clone(),
                invite: method == "INVITE",
                cancel_at,
                ..Caller::default()
            },
        );
        self.send(true, CALLER, &text);
        self.retransmit.push((
            self.world.now + Duration::from_millis(500),
            id.to_owned(),
            500,
        ));
    }

    /// The caller's own timers: Timer A and E, and its patience.
    fn caller_timers(&mut self) {
        let now = self.world.now;
        let due: Vec<_> = self
            .retransmit
            .extract_if(.., |(at, ..)| *at <= now)
            .collect();
        for (_, id, interval) in due {
            let call = self.calls.get_mut(&id).unwrap();
            call.sends += 1;
            if !call.finals.is_empty() || call.invite && call.provisional || call.sends > 10 {
                continue;
            }
            let text = call.text.clone();
            self.send(true, CALLER, &text);
            let next = if self.calls[&id].invite {
                interval * 2
            } else {
                (interval * 2).min(4_000)
            };
            self.retransmit
                .push((now + Duration::from_millis(next), id, next));
        }
        let impatient = |call: &&mut Caller| {
            call.provisional
                && call.finals.is_empty()
                && !call.cancelled
                && call.cancel_at.is_some_and(|at| at <= now)
        };
        let cancels: Vec<String> = self
            .calls
            .values_mut()
            .filter(impatient)
            .map(|call| {
                call.cancelled = true;
                same_branch("CANCEL", &call.text, "")
            })
            .collect();
        for text in cancels {
            self.send(true, CALLER, &text);
        }
    }

    fn run(&mut self, seed: u64) {
        let end = self.world.now + Duration::from_secs(400);
        let ids: Vec<String> = (0..CALLS)
            .map(|call| format!("sim-{seed}-{call}"))
            .collect();
        for id in &ids {
            self.call(id);
        }
        while self.world.now < end {
            let arrival = self.wire.peek().map(|flight| flight.at.0.0);
            let timer = self.world.core.next_deadline();
            let own = self.retransmit.iter().map(|(at, ..)| *at).min();
            let patience = self
                .calls
                .values()
                .filter(|call| !call.cancelled)
                .filter_map(|call| call.cancel_at)
                .min();
            let step = self.world.now + Duration::from_millis(10);
            let patience = patience.map(|at| at.max(step));
            let Some(next) = [arrival, timer, own, patience].into_iter().flatten().min() else {
                break;
            };
            self.world.now = next.max(self.world.now + Duration::from_micros(1)).min(end);
            self.world.core.tick(self.world.now);
            self.world.collect();
            self.caller_timers();
            while self
                .wire
                .peek()
                .is_some_and(|flight| flight.at.0.0 <= self.world.now)
            {
                let flight = self.wire.pop().unwrap();
                self.deliver(flight);
            }
            self.flush();
        }
        self.judge(&ids, seed);
    }

    fn judge(&mut self, ids: &[String], seed: u64) {
        for id in ids {
            let call = &self.calls[id];
            let kinds: HashSet<u16> = call.finals.iter().copied().collect();
            let failures = kinds.iter().filter(|status| **status >= 300).count();
            assert!(
                failures <= 1,
                "seed {seed}: {id} has two different failures {kinds:?}"
            );
            let told = done(id);
            assert!(told.len() <= 1, "seed {seed}: {id} ended {told:?}");
            if call.invite && !call.finals.is_empty() {
                assert_eq!(
                    told.len(),
                    1,
                    "seed {seed}: {id} was answered but did not end"
                );
            }
            // The end that the filters were told is what the caller heard first of us.
            if let (Some(first), [told]) = (call.finals.first(), told.as_slice()) {
                assert!(
                    kinds.contains(told) || kinds.iter().all(|status| *status < 300),
                    "seed {seed}: {id} {first} {told}"
                );
            }
        }
        self.world.take();
        self.world.assert_drained();
    }
}

fn message(text: &str) -> Sent {
    Sent {
        to: address(CALLER),
        transport: sip::Transport::Udp,
        listener: PUBLIC,
        from_ip: None,
        connection: None,
        opens: false,
        transaction: None,
        wire: bytes::Bytes::copy_from_slice(text.as_bytes()),
    }
}

#[test]
fn whatever_the_wire_does_every_exchange_ends_once() {
    let seed = std::env::var("SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..SEEDS, |seed| seed..seed + 1);
    let (mut answered, mut calls) = (0, 0);
    for seed_at in seeds {
        let mut simulation = Simulation::new(seed_at, seed.is_some());
        simulation.run(seed_at);
        calls += simulation.calls.len();
        answered += simulation
            .calls
            .values()
            .filter(|call| !call.finals.is_empty())
            .count();
    }
    println!("{answered} of {calls} calls were answered over a bad wire");
    assert!(answered * 10 > calls * 8, "{answered} of {calls} calls");
}

#[test]
fn a_target_never_sees_one_request_as_two() {
    // F07: retransmissions and copies reach a target with one branch, or after a failover another.
    let mut world = World::new();
    let text = request("INVITE", "sip:9@demo.example", "copies", "");
    for _ in 0..5 {
        world.receive(CALLER, PUBLIC, &text);
    }
    let sent = world.take();
    let to = |target: &str| {
        sent.iter()
            .filter(|sent| sent.to == address(target))
            .count()
    };
    assert_eq!((to(GATEWAY_1), to(GATEWAY_2)), (1, 0));
}
