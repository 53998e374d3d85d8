use super::number::{bytes, count, number, spread, times};
use crate::load::experiment::{Growth, Latency};
use crate::load::{Figures, Rounds, Subject};

/// A figure that was to be reached.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) what: String,
    pub(super) goal: String,
    pub(super) measured: String,
    /// Whether it was; `None` when that is not known.
    pub(super) held: Option<bool>,
}

impl Goal {
    fn at_most(what: &str, bound: f64, unit: &str, value: Option<f64>, measured: String) -> Self {
        Self {
            what: what.to_owned(),
            goal: format!("≤ {bound} {unit}"),
            measured,
            held: value.map(|value| value <= bound),
        }
    }
}

/// All of them.
pub(super) fn goals(figures: &Figures) -> Vec<Goal> {
    let mut goals = Vec::new();
    for rate in figures.rates() {
        for own in builds(figures) {
            cost(figures, own, rate, &mut goals);
        }
    }
    for own in builds(figures) {
        capacity(figures, own, &mut goals);
    }
    for own in builds(figures) {
        latency(&figures.latencies, own, &mut goals);
    }
    memory(figures, &mut goals);
    for growth in &figures.growths {
        goals.push(growing(growth));
    }
    startup(figures, &mut goals);
    endurance(figures, &mut goals);
    goals
}

/// The plain build, and the tuned one where it was there.
fn builds(figures: &Figures) -> impl Iterator<Item = Subject> {
    let was_there = |own| {
        figures.costs.iter().any(|cost| cost.subject == own) || figures.capacity(own).is_some()
    };
    Subject::OWN
        .into_iter()
        .filter(move |own| *own == Subject::Hookswitch || was_there(*own))
}

/// What is said behind a figure of this build.
fn build(own: Subject) -> &'static str {
    match own {
        Subject::HookswitchTuned => " (the tuned build)",
        _ => "",
    }
}

fn cost(figures: &Figures, own: Subject, rate: u64, goals: &mut Vec<Goal>) {
    let build = build(own);
    let Some(own) = figures.cost(own, rate) else {
        return;
    };
    let ratio = |subject| own.cpu_us.ratio_to(&figures.cost(subject, rate)?.cpu_us);
    let what = format!("CPU per call at {} calls/s{build}", count(rate));
    let relay = ratio(Subject::BareRelay);
    goals.push(Goal::at_most(
        &format!("{what}, against the bare relay"),
        1.5,
        "×",
        relay,
        times(relay),
    ));
    let kamailio = ratio(Subject::KamailioTuned);
    let measured = match kamailio {
        Some(ratio) => format!(
            "{ratio:.2} × (Kamailio takes {:.1} times as much)",
            1.0 / ratio
        ),
        None => times(None),
    };
    goals.push(Goal {
        what: format!("{what}, against Kamailio tuned"),
        goal: "≤ 0.33 ×".to_owned(),
        measured,
        held: kamailio.map(|ratio| ratio <= 1.0 / 3.0),
    });
}

fn capacity(figures: &Figures, own: Subject, goals: &mut Vec<Goal>) {
    let what = format!(
        "Calls/s on one core before the first retransmission{}, against Kamailio tuned",
        build(own)
    );
    let found = |subject| {
        let capacity = figures.capacity(subject)?;
        let median = capacity.rates.median().filter(|median| *median > 0.0)?;
        Some((median, capacity.generator_was_the_limit))
    };
    let (measured, held) = match (found(own), found(Subject::KamailioTuned)) {
        // A lower bound against a lower bound is none.
        (Some((own, limited)), Some((other, true))) => (
            format!(
                "{}{} calls/s against at least {}, where the generator gave up",
                if limited { "at least " } else { "" },
                number(own),
                number(other)
            ),
            None,
        ),
        (Some((own, limited)), Some((other, false))) => {
            let ratio = own / other;
            let held = (ratio >= 3.0 || !limited).then_some(ratio >= 3.0);
            let at_least = if limited { "at least " } else { "" };
            (format!("{at_least}{}", times(Some(ratio))), held)
        }
        _ => (times(None), None),
    };
    goals.push(Goal {
        what,
        goal: "≥ 3 ×".to_owned(),
        measured,
        held,
    });
}

/// At the highest rate, which is half of what Hookswitch can.
fn latency(latencies: &[Latency], own: Subject, goals: &mut Vec<Goal>) {
    let highest = latencies.iter().map(|latency| latency.rate).max();
    let of = |subject| {
        latencies
            .iter()
            .find(|one| one.subject == subject && Some(one.rate) == highest)
    };
    let pair = of(own).zip(of(Subject::BareRelay));
    let both =
        |of: fn(&Latency) -> &Rounds| pair.and_then(|(own, relay)| of(own).ratio_to(of(relay)));
    for (name, ratio) in [("p50", both(|it| &it.p50)), ("p99", both(|it| &it.p99))] {
        let what = format!(
            "Added latency {name} at half of that load{}, against the bare relay",
            build(own)
        );
        goals.push(Goal::at_most(&what, 2.0, "×", ratio, times(ratio)));
    }
}

fn memory(figures: &Figures, goals: &mut Vec<Goal>) {
    let own = figures
        .memories
        .iter()
        .find(|memory| memory.subject == Subject::Hookswitch);
    let each = own.map(|memory| memory.bytes_per_call());
    let show = |each: Option<f64>| each.map_or_else(|| "–".to_owned(), bytes);
    goals.push(Goal {
        what: "Memory of a call that rings (an INVITE transaction on each side)".to_owned(),
        goal: "≤ 4 KiB".to_owned(),
        measured: show(each),
        held: each.map(|each| each <= 4096.0),
    });
    let each = figures
        .tombstones
        .as_ref()
        .map(|tombstones| tombstones.bytes_each());
    goals.push(Goal {
        what: "Memory of a finished transaction that waits for repetitions".to_owned(),
        goal: "≤ 512 B".to_owned(),
        measured: show(each),
        held: each.map(|each| each <= 512.0),
    });
}

fn growing(growth: &Growth) -> Goal {
    let ends = growth.points.first().zip(growth.points.last());
    let range = ends.map_or_else(String::new, |(first, last)| {
        format!("{} → {}", count(first.count), count(last.count))
    });
    let what = format!("Growth of CPU per call, {} {range}", growth.with);
    let factor = growth.factor();
    if growth.with == "rules" {
        let slope = growth.slope().map_or_else(
            || "–".to_owned(),
            |slope| format!("{:.0} ns a rule", 1000.0 * slope),
        );
        return Goal {
            what,
            goal: "linear".to_owned(),
            measured: format!("{slope}; {}", times(factor)),
            held: growth.slope().map(|_| is_linear(growth)),
        };
    }
    Goal::at_most(&what, 1.2, "×", factor, times(factor))
}

/// Whether no middle point lies above the straight line between the ends by more than a fifth.
fn is_linear(growth: &Growth) -> bool {
    let first = growth
        .points
        .first()
        .and_then(|first| Some((first.count as f64, first.cpu_us.median()?)));
    let slope = growth.slope().unwrap_or(0.0);
    first.is_some_and(|(count, cost)| {
        let below = |point: &crate::load::experiment::Point| {
            let straight = cost + slope * (point.count as f64 - count);
            point
                .cpu_us
                .median()
                .is_some_and(|cost| cost <= 1.2 * straight)
        };
        growth.points.iter().all(below)
    })
}

fn startup(figures: &Figures, goals: &mut Vec<Goal>) {
    let own = figures
        .starts
        .iter()
        .find(|start| start.subject == Subject::Hookswitch);
    if let Some(own) = own {
        let what = "Start to the first answered OPTIONS";
        goals.push(Goal::at_most(
            what,
            100.0,
            "ms",
            own.ms.median(),
            format!("{} ms", spread(&own.ms)),
        ));
    }
    if let Some(reload) = &figures.reload {
        let what = format!(
            "Reload of {} targets, until the new configuration answers",
            count(reload.targets)
        );
        let measured = format!("{} ms", spread(&reload.ms));
        goals.push(Goal::at_most(
            &what,
            200.0,
            "ms",
            reload.ms.median(),
            measured,
        ));
    }
}

fn endurance(figures: &Figures, goals: &mut Vec<Goal>) {
    if let Some(overload) = &figures.overload {
        let kept = overload.kept();
        goals.push(Goal {
            what: "Goodput at 2, 3 and 5 times the capacity, of the peak".to_owned(),
            goal: "≥ 80 %".to_owned(),
            measured: kept.map_or_else(
                || "–".to_owned(),
                |kept| format!("{:.0} % at the worst", 100.0 * kept),
            ),
            held: kept.map(|kept| kept >= 0.8),
        });
        let kept = overload.dialogs_kept();
        goals.push(Goal {
            what: "Answered calls that could be ended, under overload".to_owned(),
            goal: "≥ 99 %".to_owned(),
            measured: kept.map_or_else(
                || "–".to_owned(),
                |kept| format!("{:.1} % at the worst", 100.0 * kept),
            ),
            held: kept.map(|kept| kept >= 0.99),
        });
    }
    if let Some(soak) = &figures.soak {
        let growth = soak.memory_percent_a_minute;
        goals.push(Goal {
            what: format!(
                "Soak, {:.0} s at {} calls/s: every bound of the profile",
                soak_seconds(soak),
                number(soak.rate)
            ),
            goal: "all hold".to_owned(),
            measured: growth.map_or_else(
                || "memory was not seen".to_owned(),
                |growth| format!("memory {growth:+.2} % a minute"),
            ),
            held: Some(soak.verdicts.iter().all(|verdict| verdict.held)),
        });
    }
}

/// How long calls were begun.
pub(super) fn soak_seconds(soak: &crate::load::experiment::Soak) -> f64 {
    let begun = soak
        .tally
        .seconds
        .iter()
        .filter(|second| second.started > 0);
    begun.map(|second| second.t).fold(0.0, f64::max).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::experiment::Capacity;

    /// The goal of these capacities, each with whether the generator was its limit.
    fn goal(own: (f64, bool), other: (f64, bool)) -> Goal {
        let capacity = |subject, (rate, limited): (f64, bool)| Capacity {
            subject: Some(subject),
            rates: Rounds(vec![rate]),
            generator_was_the_limit: limited,
            steps: Vec::new(),
        };
        let figures = Figures {
            capacities: vec![
                capacity(Subject::Hookswitch, own),
                capacity(Subject::KamailioTuned, other),
            ],
            ..Figures::default()
        };
        let mut goals = Vec::new();
        super::capacity(&figures, Subject::Hookswitch, &mut goals);
        goals.remove(0)
    }

    #[test]
    fn the_tuned_build_has_goals_where_it_was_there() {
        let of = |subjects: &[Subject]| {
            let capacity = |subject: &Subject| Capacity {
                subject: Some(*subject),
                ..Capacity::default()
            };
            let figures = Figures {
                capacities: subjects.iter().map(capacity).collect(),
                ..Figures::default()
            };
            let goals = goals(&figures).into_iter();
            goals
                .filter(|goal| goal.what.contains("tuned build"))
                .count()
        };
        assert_eq!(of(&[Subject::Hookswitch]), 0);
        assert_eq!(of(&Subject::OWN), 3);
    }

    #[test]
    fn a_capacity_that_the_generator_ended_is_a_lower_bound() {
        let both = |own, other| {
            let goal = goal(own, other);
            (goal.measured, goal.held)
        };
        let known = both((15_000.0, false), (5000.0, false));
        assert_eq!(known, ("3.00 ×".to_owned(), Some(true)));
        let less = both((10_000.0, false), (5000.0, false));
        assert_eq!(less, ("2.00 ×".to_owned(), Some(false)));
        let above = both((20_000.0, true), (5000.0, false));
        assert_eq!(above, ("at least 4.00 ×".to_owned(), Some(true)));
        let below = both((10_000.0, true), (5000.0, false));
        assert_eq!(below, ("at least 2.00 ×".to_owned(), None));
        let (measured, held) = both((12_700.0, true), (4900.0, true));
        assert_eq!(held, None);
        assert_eq!(
            measured,
            "at least 12,700 calls/s against at least 4,900, where the generator gave up"
        );
        assert_eq!(both((12_700.0, true), (0.0, true)), ("–".to_owned(), None));
    }
}
