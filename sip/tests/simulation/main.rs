//! Three elements over a faulty wire, in virtual time, from a seed.
//!
//! ```text
//!   caller ──────── wire ──────── relay ──────── wire ──────── callee
//!   asks, cancels   loses, repeats, delays   forwards, cancels   answers, repeats its 2xx
//! ```
//!
//! While the faults are on, safety must hold: no transaction hands its user two finals, nothing is
//! forwarded after a final, each request is processed once, each transaction ends once. After they
//! are switched off, everything must drain: no transaction, tombstone or timer may be left.
//!
//! `SIM_SEED=n` replays one seed; a failure prints its own. `SIM_SEEDS=n` runs that many.

#![allow(clippy::unwrap_used)] // In a test the panic is the report.

mod callee;
mod caller;
mod element;
mod relay;
mod wire;

use std::time::Duration;

use sip::{Instant, Layer, LayerLimits, Timers};

use crate::callee::Callee;
use crate::caller::Caller;
use crate::element::{Element, Node};
use crate::relay::Relay;
use crate::wire::{Random, Wire};

pub(crate) const CALLER: usize = 0;
pub(crate) const RELAY: usize = 1;
pub(crate) const CALLEE: usize = 2;

const SEEDS: u64 = 256;
const REQUESTS: u64 = 40;
/// Requests start until here.
const STARTS_END: Duration = Duration::from_secs(30);
/// The wire is faulty until here.
const FAULTS_END: Duration = Duration::from_secs(70);
/// Retransmission of the last request, Timer C of the simulated cores, the wait after CANCEL, then
/// the longest tombstone.
const DRAINED: Duration = Duration::from_secs(70 + 33 + 60 + 33 + 33);

/// Situations that the seeds together must have met, or the simulation proves little.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) success_after_cancel: u64,
    pub(crate) success_repeated: u64,
    pub(crate) timeouts: u64,
    pub(crate) acks_repeated: u64,
    pub(crate) trying_due: u64,
    pub(crate) transport_errors: u64,
    pub(crate) never_acked: u64,
    pub(crate) retransmissions: u64,
}

#[test]
fn faulty_wires() {
    if let Ok(seed) = std::env::var("SIM_SEED") {
        let seed = seed.parse().expect("SIM_SEED is a number");
        run(seed, &mut Coverage::default());
        return;
    }
    let mut coverage = Coverage::default();
    let seeds = std::env::var("SIM_SEEDS")
        .map_or(SEEDS, |seeds| seeds.parse().expect("SIM_SEEDS is a number"));
    for seed in 0..seeds {
        let before = coverage;
        let result = std::panic::catch_unwind(|| {
            let mut coverage = before;
            run(seed, &mut coverage);
            coverage
        });
        coverage = result.unwrap_or_else(|_| panic!("seed {seed} failed: SIM_SEED={seed}"));
    }
    assert!(coverage.success_after_cancel > 30, "{coverage:?}");
    assert!(coverage.success_repeated > 500, "{coverage:?}");
    assert!(coverage.timeouts > 50, "{coverage:?}");
    assert!(coverage.acks_repeated > 500, "{coverage:?}");
    assert!(coverage.trying_due > 500, "{coverage:?}");
    assert!(coverage.transport_errors > 50, "{coverage:?}");
    assert!(coverage.never_acked > 0, "{coverage:?}");
    assert!(coverage.retransmissions > 5_000, "{coverage:?}");
}

/// The same seed must do the same, or replaying it is worth nothing.
#[test]
fn a_seed_replays() {
    for seed in [1, 77] {
        let (mut one, mut two) = (Coverage::default(), Coverage::default());
        assert_eq!(run(seed, &mut one), run(seed, &mut two));
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}

/// Runs one seed; returns a digest of all that crossed the wire.
fn run(seed: u64, coverage: &mut Coverage) -> u64 {
    let mut random = Random::new(seed);
    // One seed in four speaks over something like TCP: in order, and nothing is lost.
    let reliable = seed % 4 == 3;
    let mut wire = Wire::new(random.fork(), reliable);
    let layer = |key| Layer::new(Timers::default(), LayerLimits::default(), key);
    let mut caller = Caller::new(Node::new(CALLER, layer(seed), random.fork(), reliable));
    let mut relay = Relay::new(Node::new(RELAY, layer(!seed), random.fork(), reliable));
    let mut callee = Callee::new(Node::new(CALLEE, layer(seed * 3), random.fork(), reliable));

    let starts = STARTS_END.as_micros() as u64;
    let mut script: Vec<u64> = (0..REQUESTS).map(|_| random.below(starts)).collect();
    script.sort_unstable();
    script.reverse();

    let faults_end = Instant::ZERO + FAULTS_END;
    let end = Instant::ZERO + DRAINED;
    loop {
        let elements: [&mut dyn Element; 3] = [&mut caller, &mut relay, &mut callee];
        let deadlines = elements.iter().filter_map(|element| element.deadline());
        let start = script.last().map(|&micros| Instant::from_micros(micros));
        let next = deadlines.chain(wire.deadline()).chain(start).min();
        let Some(now) = next else {
            break;
        };
        assert!(
            now <= end,
            "something is left: {:?}",
            caller.node().layer.counters()
        );
        wire.set_time(now, faults_end);
        for element in elements {
            element.tick(now, &mut wire, coverage);
        }
        while let Some(packet) = wire.take(now) {
            let element: &mut dyn Element = match packet.target {
                CALLER => &mut caller,
                RELAY => &mut relay,
                _ => &mut callee,
            };
            element.receive(&packet, now, &mut wire, coverage);
        }
        if start.is_some_and(|at| at <= now) {
            script.pop();
            caller.start(now, &mut wire, coverage);
        }
    }
    for node in [caller.node(), relay.node(), callee.node()] {
        let counters = node.layer.counters();
        coverage.retransmissions += counters.retransmissions_sent;
        assert_eq!(counters.live, 0, "{counters:?}");
        assert_eq!(counters.tombstones, 0, "{counters:?}");
        assert_eq!(counters.bytes, 0, "{counters:?}");
        assert_eq!(node.layer.next_deadline(), None);
        node.all_ended();
    }
    caller.all_answered();
    wire.digest
}
