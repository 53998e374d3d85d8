use serde::{Deserialize, Serialize};

use crate::generator::Report;
use crate::load::bench::Bench;
use crate::load::{Failure, Order, Rounds, Subject};

/// How many calls a second go through one core before anything has to be repeated.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Capacity {
    /// Whose.
    pub subject: Option<Subject>,
    /// The highest rate without a repeated message, of each search.
    pub rates: Rounds,
    /// Whether a search ended because the generator could not keep up: the capacity is at least this.
    pub generator_was_the_limit: bool,
    /// Everything that was tried.
    pub steps: Vec<Step>,
}

/// One rate that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Calls a second.
    pub rate: u64,
    /// Calls a second that went well.
    pub goodput: f64,
    /// Repeated messages.
    pub retransmissions: u64,
    /// Failed calls.
    pub failed: u64,
    /// The share of its core that the subject used.
    pub share: f64,
    /// Whether the generator kept up.
    pub generator_kept_up: bool,
}

/// What a rate has shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Clean,
    GeneratorLate,
    Repeated,
}

/// The first rate that is tried.
const FIRST: f64 = 2000.0;

/// Upwards by this factor until it breaks.
const UP: f64 = 1.5;
const UP_QUICK: f64 = 2.0;

/// Then the gap is halved until it is as narrow as this.
const NARROW: f64 = 1.06;
const NARROW_QUICK: f64 = 1.25;

/// Rates that a search tries at most.
const TRIES: usize = 14;

/// Nobody reaches this.
const HIGHEST: f64 = 200_000.0;

/// Seconds of the window of a step.
const WINDOW: f64 = 3.0;

/// Searches, in turn, for each subject.
pub(crate) fn capacities(bench: &mut Bench, subjects: &[Subject]) -> Vec<Capacity> {
    let new = |&subject: &Subject| Capacity {
        subject: Some(subject),
        ..Capacity::default()
    };
    let mut capacities: Vec<Capacity> = subjects.iter().map(new).collect();
    for search_number in 0..bench.scale.searches {
        for (&subject, capacity) in subjects.iter().zip(&mut capacities) {
            // One is enough for a set-up that nobody would run, and none where time is short.
            let searches = usize::from(!bench.scale.is_quick);
            if subject == Subject::KamailioPackaged && search_number >= searches {
                continue;
            }
            if let Err(failure) = search(bench, subject, capacity) {
                bench.trouble(&format!("capacity of {}", subject.label()), &failure);
            }
        }
    }
    capacities
}

fn search(bench: &mut Bench, subject: Subject, capacity: &mut Capacity) -> Result<(), Failure> {
    // Later searches begin near what the first has found; a tiny bench never leaves its only rate.
    let tiny = bench.scale.rates.iter().all(|rate| *rate < 1000);
    let known = capacity.rates.median().map(|rate| rate / UP.sqrt());
    let mut rate = if tiny { 50.0 } else { known.unwrap_or(FIRST) };
    let (mut good, mut bad) = (0.0_f64, HIGHEST);
    // Whether the lowest rate that broke broke because of the generator.
    let mut limited = false;
    let (up, narrow) = if bench.scale.is_quick {
        (UP_QUICK, NARROW_QUICK)
    } else {
        (UP, NARROW)
    };
    for _ in 0..TRIES {
        if bad / good.max(1.0) <= narrow {
            break;
        }
        match attempt(bench, subject, rate, capacity)? {
            Verdict::Clean => good = good.max(rate),
            Verdict::Repeated => {
                limited = false;
                bad = bad.min(rate);
            }
            Verdict::GeneratorLate => {
                limited = true;
                bad = bad.min(rate);
            }
        }
        if tiny {
            break;
        }
        rate = if bad == HIGHEST {
            rate * up
        } else if good == 0.0 {
            rate / up
        } else {
            (good * bad).sqrt()
        };
        if rate < LOWEST {
            break;
        }
    }
    capacity.generator_was_the_limit |= limited;
    capacity.rates.0.push(good);
    bench.say(&format!("capacity: {}: {good:.0} calls/s", subject.label()));
    Ok(())
}

/// Below this it is not worth looking.
const LOWEST: f64 = 100.0;

/// A rate that breaks gets a second try: the machine hiccups too.
fn attempt(
    bench: &mut Bench,
    subject: Subject,
    rate: f64,
    capacity: &mut Capacity,
) -> Result<Verdict, Failure> {
    let rate = rate.round() as u64;
    let mut verdict = Verdict::Repeated;
    for _ in 0..2 {
        let order = Order::steady(rate, WINDOW.min(bench.scale.window));
        let outcome = bench.fresh("capacity", subject, &order)?;
        verdict = judge(&outcome);
        capacity.steps.push(Step {
            rate,
            goodput: outcome.window.goodput_per_s,
            retransmissions: outcome.retransmissions_total,
            failed: outcome.calls.failed,
            share: outcome.subject().cpu_share,
            generator_kept_up: !outcome.generator_saturated,
        });
        // Thousands of repetitions are no hiccup.
        if verdict == Verdict::Clean || outcome.retransmissions_total > HICCUP {
            break;
        }
    }
    Ok(verdict)
}

/// Repeated messages that one pause of the machine can explain.
const HICCUP: u64 = 200;

/// A generator that is late here and there does no harm where nothing was lost and as many calls went through as were
/// asked for. Where something was lost, it is to blame unless the subject had no time left either.
fn judge(report: &Report) -> Verdict {
    let window = &report.window;
    let is_full_rate = window.started as f64 >= FULL_RATE * window.intended as f64;
    if report.is_undisturbed() && is_full_rate {
        Verdict::Clean
    } else if report.generator_saturated && report.subject().cpu_share < FULL {
        Verdict::GeneratorLate
    } else {
        Verdict::Repeated
    }
}

/// The share of the calls asked for that have to be begun.
const FULL_RATE: f64 = 0.98;

/// A core of which this share is used has nothing left.
const FULL: f64 = 0.93;
