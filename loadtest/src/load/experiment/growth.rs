use serde::{Deserialize, Serialize};

use crate::generator::Report;
use crate::load::bench::Bench;
use crate::load::subject::own_configuration;
use crate::load::variant::{with_rules, with_targets};
use crate::load::{Failure, Order, Rounds, Subject};

/// How the cost of a call grows with something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Growth {
    /// With what.
    pub with: String,
    /// Calls a second.
    pub rate: u64,
    /// In the order of the count.
    pub points: Vec<Point>,
}

/// The cost at one count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// So many of it.
    pub count: u64,
    /// µs of processor a call.
    pub cpu_us: Rounds,
    /// Calls that failed.
    pub failed: u64,
    /// Messages that had to be repeated.
    pub retransmissions: u64,
}

impl Growth {
    /// The cost at the last count against that at the first.
    #[must_use]
    pub fn factor(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        last.cpu_us.ratio_to(&first.cpu_us)
    }

    /// µs a call for each one more, between the first and the last.
    #[must_use]
    pub fn slope(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let rise = last.cpu_us.median()? - first.cpu_us.median()?;
        (last.count > first.count).then(|| rise / (last.count - first.count) as f64)
    }
}

/// With calls in progress, with rules, with targets. `capacity` is in calls a second.
pub(crate) fn growths(bench: &mut Bench, capacity: f64) -> Vec<Growth> {
    let fastest = bench.scale.rates.iter().copied().max().unwrap_or(RATE);
    let rate = (capacity / 2.0).clamp(1.0, fastest as f64) as u64;
    let mut all = vec![bench.attempt("growth with calls", |bench| {
        in_progress(bench, rate).map(Some)
    })];
    let rate = RATE.min(fastest);
    let counts: &[u64] = if bench.scale.is_quick {
        &[1, 100]
    } else {
        &[1, 10, 100]
    };
    all.push(bench.attempt("growth with rules", |bench| {
        configured(bench, "rules", rate, counts, with_rules).map(Some)
    }));
    let targets = bench.scale.targets as u64;
    let counts: &[u64] = if bench.scale.is_quick {
        &[1, targets]
    } else {
        &[1, 100, targets]
    };
    all.push(bench.attempt("growth with targets", |bench| {
        configured(bench, "targets", rate, counts, with_targets).map(Some)
    }));
    all.into_iter().flatten().collect()
}

/// Calls a second where the configuration grows.
const RATE: u64 = 2000;

/// Rounds, in which the counts take turns.
const ROUNDS: usize = 2;

/// Calls ring for as long as it takes until so many are in progress; each count has the same time before its window,
/// so that as many calls have gone before.
fn in_progress(bench: &mut Bench, rate: u64) -> Result<Growth, Failure> {
    let counts = bench.scale.in_progress;
    let longest = counts.iter().max().copied().unwrap_or(0) as f64 / rate as f64;
    let mut points: Vec<Point> = counts.iter().map(|&count| Point::new(count)).collect();
    for point in &mut points {
        let ring = point.count as f64 / rate as f64;
        let (warmup, window) = (longest + 2.0, bench.scale.window);
        let order = Order {
            steps: format!("{:.2}:{rate}", warmup + window + 0.5),
            ring: Some(format!("{:.0}ms", 1000.0 * ring)),
            warmup: Some(warmup),
            cooldown: Some(0.5),
            drain: Some(ring + 5.0),
            calls_max: Some(2 * counts.iter().max().copied().unwrap_or(0) + 100_000),
            ..Order::default()
        };
        let outcome = bench.fresh("growth with calls", Subject::Hookswitch, &order)?;
        point.add(&outcome);
    }
    Ok(Growth {
        with: "calls in progress".to_owned(),
        rate,
        points,
    })
}

fn configured(
    bench: &mut Bench,
    with: &str,
    rate: u64,
    counts: &[u64],
    variant: fn(&str, u64) -> String,
) -> Result<Growth, Failure> {
    let own = own_configuration()?;
    let mut points: Vec<Point> = counts.iter().map(|&count| Point::new(count)).collect();
    for _ in 0..ROUNDS.min(bench.scale.rounds) {
        for point in &mut points {
            let text = variant(&own, point.count);
            let running = Subject::Hookswitch.start_with(bench.place, &text)?;
            let order = Order::steady(rate, bench.scale.window.min(4.0));
            let outcome = bench.on(&format!("growth with {with}"), &running, &order)?;
            point.add(&outcome);
        }
    }
    Ok(Growth {
        with: with.to_owned(),
        rate,
        points,
    })
}

impl Point {
    fn new(count: u64) -> Self {
        Self {
            count,
            cpu_us: Rounds::default(),
            failed: 0,
            retransmissions: 0,
        }
    }

    fn add(&mut self, report: &Report) {
        self.cpu_us.0.push(report.subject().cpu_us_per_call);
        self.failed += report.calls.failed;
        self.retransmissions += report.retransmissions_total;
    }
}
