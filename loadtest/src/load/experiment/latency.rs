use serde::{Deserialize, Serialize};

use super::Capacity;
use crate::load::bench::Bench;
use crate::load::{Order, Rounds, Subject};

/// How long a message is under way from one side to the other, at one rate, in µs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Through whom.
    pub subject: Subject,
    /// Calls a second.
    pub rate: u64,
    /// The middle of all messages.
    pub p50: Rounds,
    /// Nine of ten.
    pub p90: Rounds,
    /// 99 of 100.
    pub p99: Rounds,
    /// 999 of 1,000.
    pub p99_9: Rounds,
    /// From the intended time of the INVITE to its 200: the middle.
    pub answered_p50: Rounds,
    /// The same, 99 of 100.
    pub answered_p99: Rounds,
    /// Messages that had to be repeated, all rounds.
    pub retransmissions: u64,
}

/// At half of what Hookswitch can, and at half of what Kamailio can: everyone who can.
pub(crate) fn latencies(bench: &mut Bench, capacities: &[Capacity]) -> Vec<Latency> {
    let capacity = |subject: Subject| {
        let found = capacities
            .iter()
            .find(|capacity| capacity.subject == Some(subject));
        found
            .and_then(|capacity| capacity.rates.median())
            .unwrap_or(0.0)
    };
    let (own, other) = (
        capacity(Subject::Hookswitch),
        capacity(Subject::KamailioTuned),
    );
    let mut halves = vec![own / 2.0, other / 2.0];
    halves.retain(|rate| *rate >= 1.0);
    halves.dedup_by(|one, other| (*one / *other - 1.0).abs() < SAME);
    // A look has time for one.
    halves.truncate(if bench.scale.is_quick { 1 } else { 2 });
    let mut all = Vec::new();
    for rate in halves {
        let subjects = [
            Subject::BareRelay,
            Subject::Hookswitch,
            Subject::HookswitchTuned,
            Subject::KamailioTuned,
        ];
        let able = subjects
            .into_iter()
            .filter(|&subject| capacity(subject) > rate * ROOM);
        let mut row: Vec<Latency> = able
            .map(|subject| Latency::new(subject, rate as u64))
            .collect();
        for _ in 0..bench.scale.rounds.min(ROUNDS) {
            for latency in &mut row {
                latency.measure(bench);
            }
        }
        all.append(&mut row);
    }
    all
}

/// Rounds at most.
const ROUNDS: usize = 3;

/// Rates as close as this are one.
const SAME: f64 = 0.1;

/// Whoever has less room than this above a rate is not asked for its latency at it.
const ROOM: f64 = 1.2;

impl Latency {
    fn new(subject: Subject, rate: u64) -> Self {
        Self {
            subject,
            rate,
            p50: Rounds::default(),
            p90: Rounds::default(),
            p99: Rounds::default(),
            p99_9: Rounds::default(),
            answered_p50: Rounds::default(),
            answered_p99: Rounds::default(),
            retransmissions: 0,
        }
    }

    fn measure(&mut self, bench: &mut Bench) {
        let order = Order::steady(self.rate, bench.scale.window);
        let outcome = match bench.fresh("latency", self.subject, &order) {
            Ok(outcome) => outcome,
            Err(failure) => {
                return bench.trouble(&format!("latency of {}", self.subject.label()), &failure);
            }
        };
        self.retransmissions += outcome.retransmissions_total;
        if let Some(added) = outcome.added_all() {
            self.p50.0.push(added.p50);
            self.p90.0.push(added.p90);
            self.p99.0.push(added.p99);
            self.p99_9.0.push(added.p99_9);
        }
        if let Some(answered) = &outcome.latency.post_dial_200 {
            self.answered_p50.0.push(answered.p50);
            self.answered_p99.0.push(answered.p99);
        }
    }
}
