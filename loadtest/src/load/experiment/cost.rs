use serde::{Deserialize, Serialize};

use crate::generator::Report;
use crate::load::bench::Bench;
use crate::load::{Order, Rounds, Subject};

/// What a complete call costs at one rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Whose.
    pub subject: Subject,
    /// Calls a second.
    pub rate: u64,
    /// µs of processor a call, user and system.
    pub cpu_us: Rounds,
    /// The user part.
    pub user_us: Rounds,
    /// The share of its core that it used.
    pub share: Rounds,
    /// Calls that failed, all rounds.
    pub failed: u64,
    /// Messages that had to be repeated, all rounds.
    pub retransmissions: u64,
    /// Whether every round showed the callee the header edits of the side-by-side.
    pub edits: bool,
    /// Why a round is not clean, if any is not.
    pub problems: Vec<String>,
}

impl Cost {
    fn new(subject: Subject, rate: u64) -> Self {
        Self {
            subject,
            rate,
            cpu_us: Rounds::default(),
            user_us: Rounds::default(),
            share: Rounds::default(),
            failed: 0,
            retransmissions: 0,
            edits: true,
            problems: Vec::new(),
        }
    }

    fn add(&mut self, report: &Report) {
        let watched = report.subject();
        self.cpu_us.0.push(watched.cpu_us_per_call);
        self.user_us.0.push(watched.user_us_per_call);
        self.share.0.push(watched.cpu_share);
        self.failed += report.calls.failed;
        self.retransmissions += report.retransmissions_total;
        self.edits &= report.is_edited();
        for problem in &report.problems {
            if !self.problems.contains(problem) {
                self.problems.push(problem.clone());
            }
        }
    }

    /// Whether calls were lost, or begged for, so that the figure is not that of the load.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.failed > 0 || self.retransmissions > 0
    }
}

/// Every subject at every rate, in turn, round after round.
pub(crate) fn costs(bench: &mut Bench, subjects: &[Subject]) -> Vec<Cost> {
    let mut costs = Vec::new();
    for &rate in bench.scale.rates {
        let mut row: Vec<Cost> = subjects
            .iter()
            .map(|&subject| Cost::new(subject, rate))
            .collect();
        for _ in 0..bench.scale.rounds {
            for cost in &mut row {
                let order = Order::steady(rate, bench.scale.window);
                match bench.fresh("cost", cost.subject, &order) {
                    Ok(outcome) => cost.add(&outcome),
                    Err(failure) => {
                        bench.trouble(&format!("cost of {}", cost.subject.label()), &failure)
                    }
                }
            }
        }
        costs.append(&mut row);
    }
    costs
}
