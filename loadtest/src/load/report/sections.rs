use super::bars::{Bar, Bars, Group};
use super::number::{bytes, count, middle, number, spread, times};
use super::plot::{Axis, Kind, Line, Plot};
use super::svg::colour;
use crate::load::experiment::{Cost, Growth, Latency};
use crate::load::{Figures, Rounds, Subject};

/// A heading with what belongs below it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What is seen here, and how it was measured.
    pub(super) lead: String,
    pub(super) charts: Vec<Chart>,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// What has to be known beside the figures.
    pub(super) notes: Vec<String>,
}

/// A drawing with a name that can be that of a file.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) svg: String,
}

/// Everything that was measured, in the order of a reader's questions.
pub(super) fn sections(figures: &Figures) -> Vec<Section> {
    let all = [
        cost(figures),
        capacity(figures),
        latency(figures),
        memory(figures),
        growth(figures),
        startup(figures),
        overload(figures),
        soak(figures),
    ];
    all.into_iter().flatten().collect()
}

fn cost(figures: &Figures) -> Option<Section> {
    let rates = figures.rates();
    let rows: Vec<Vec<String>> = figures
        .costs
        .iter()
        .map(|cost| cost_row(figures, cost))
        .collect();
    let group = |rate: u64| Group {
        head: format!("{} calls/s", count(rate)),
        bars: figures
            .costs
            .iter()
            .filter(|cost| cost.rate == rate)
            .filter_map(cost_bar)
            .collect(),
    };
    let bars = Bars {
        title: "Processor time per call".to_owned(),
        groups: rates.into_iter().map(group).collect(),
    };
    let mut notes = Vec::new();
    for cost in figures
        .costs
        .iter()
        .filter(|cost| !cost.problems.is_empty())
    {
        let problems = cost.problems.join("; ");
        notes.push(format!(
            "{} at {} calls/s: {problems}.",
            cost.subject.label(),
            count(cost.rate)
        ));
    }
    (!rows.is_empty()).then(|| Section {
        title: "Processor time per call",
        lead: "A complete call (INVITE 100 180 200, ACK, BYE 200) through one worker that has a core for itself; caller and callee are \
               on the other core. In µs of user and system time of the whole process tree, read from the kernel in mid-run. The subjects \
               take turns; each bar is a median, each dot a round, and the dark part was spent in user mode. Ratios are medians of \
               the ratios within a round."
            .to_owned(),
        charts: vec![Chart {
            name: "cost".to_owned(),
            title: bars.title.clone(),
            svg: bars.draw(),
        }],
        head: vec!["", "calls/s", "µs a call (range)", "of it user", "share of its core", "× bare relay", "× Kamailio tuned", "edits headers", "failed", "repeated"],
        rows,
        notes,
    })
}

fn cost_row(figures: &Figures, cost: &Cost) -> Vec<String> {
    let ratio = |subject| {
        times(
            figures
                .cost(subject, cost.rate)
                .and_then(|other| cost.cpu_us.ratio_to(&other.cpu_us)),
        )
    };
    let share = cost
        .share
        .median()
        .map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share));
    vec![
        cost.subject.label().to_owned(),
        count(cost.rate),
        spread(&cost.cpu_us),
        middle(&cost.user_us),
        share,
        ratio(Subject::BareRelay),
        ratio(Subject::KamailioTuned),
        if cost.edits { "yes" } else { "no" }.to_owned(),
        count(cost.failed),
        count(cost.retransmissions),
    ]
}

fn cost_bar(cost: &Cost) -> Option<Bar> {
    let value = cost.cpu_us.median()?;
    let saturated = if cost.is_saturated() {
        ", saturated"
    } else {
        ""
    };
    Some(Bar {
        name: cost.subject.label().to_owned(),
        class: colour(cost.subject),
        value,
        dark: cost.user_us.median().unwrap_or(0.0),
        rounds: cost.cpu_us.0.clone(),
        label: format!("{} µs{saturated}", number(value)),
    })
}

fn capacity(figures: &Figures) -> Option<Section> {
    let own = figures
        .capacity(Subject::KamailioTuned)
        .and_then(|it| it.rates.median());
    let bars: Vec<Bar> = figures
        .capacities
        .iter()
        .filter_map(|capacity| {
            let (subject, value) = (capacity.subject?, capacity.rates.median()?);
            let at_least = if capacity.generator_was_the_limit {
                "≥ "
            } else {
                ""
            };
            Some(Bar {
                name: subject.label().to_owned(),
                class: colour(subject),
                value,
                dark: 0.0,
                rounds: capacity.rates.0.clone(),
                label: format!("{at_least}{} calls/s", number(value)),
            })
        })
        .collect();
    let rows = figures.capacities.iter().filter_map(|capacity| {
        let subject = capacity.subject?;
        let median = capacity.rates.median()?;
        let busiest = capacity
            .steps
            .iter()
            .filter(|step| step.retransmissions == 0);
        let busiest = busiest.map(|step| step.share).fold(0.0, f64::max);
        Some(vec![
            subject.label().to_owned(),
            spread(&capacity.rates),
            times(own.map(|own| median / own)),
            format!("{:.0} %", 100.0 * busiest),
            capacity.steps.len().to_string(),
            if capacity.generator_was_the_limit {
                "the generator"
            } else {
                "the subject"
            }
            .to_owned(),
        ])
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let bars = Bars {
        title: "Calls a second on one core".to_owned(),
        groups: vec![Group {
            head: "calls/s before the first retransmission".to_owned(),
            bars,
        }],
    };
    (!rows.is_empty()).then(|| Section {
        title: "Calls a second on one core",
        lead: "The highest rate at which nothing had to be repeated, failed or was dropped by the kernel, on a freshly started \
               subject: upwards by half until it breaks, then the gap is halved until it is 6 % wide. A rate that breaks with few \
               repetitions is tried twice. Where the generator falls behind its own schedule first, the figure is a lower bound."
            .to_owned(),
        charts: vec![Chart {
            name: "capacity".to_owned(),
            title: bars.title.clone(),
            svg: bars.draw(),
        }],
        head: vec!["", "calls/s (range)", "× Kamailio tuned", "highest share of its core without repetition", "rates tried", "what ended it"],
        rows,
        notes: Vec::new(),
    })
}

fn latency(figures: &Figures) -> Option<Section> {
    let mut rates: Vec<u64> = figures
        .latencies
        .iter()
        .map(|latency| latency.rate)
        .collect();
    rates.dedup();
    let charts = rates.iter().map(|&rate| {
        let at: Vec<&Latency> = figures
            .latencies
            .iter()
            .filter(|latency| latency.rate == rate)
            .collect();
        latency_chart(rate, &at)
    });
    let rows = figures.latencies.iter().map(|latency| {
        let relay = figures
            .latencies
            .iter()
            .find(|it| it.rate == latency.rate && it.subject == Subject::BareRelay);
        let ratio = |of: fn(&Latency) -> &Rounds| {
            times(relay.and_then(|relay| of(latency).ratio_to(of(relay))))
        };
        vec![
            latency.subject.label().to_owned(),
            count(latency.rate),
            spread(&latency.p50),
            spread(&latency.p99),
            middle(&latency.p99_9),
            ratio(|it| &it.p50),
            ratio(|it| &it.p99),
            middle(&latency.answered_p50),
            middle(&latency.answered_p99),
            count(latency.retransmissions),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        title: "Latency",
        lead: "How long a message is under way from one side to the other, in µs, all messages of all calls: at half of what Hookswitch \
               can, and at half of what Kamailio can. Reception is stamped by the kernel. The call set-up time (INVITE to 200, two \
               passages and the work of both ends) counts from the moment at which the INVITE was due, whether or not the generator \
               was on time."
            .to_owned(),
        charts: charts.collect(),
        head: vec!["", "calls/s", "p50", "p99", "p99.9", "p50 × relay", "p99 × relay", "set-up p50", "set-up p99", "repeated"],
        rows,
        notes: Vec::new(),
    })
}

fn latency_chart(rate: u64, latencies: &[&Latency]) -> Chart {
    let lines = latencies.iter().map(|latency| {
        let percentiles = [&latency.p50, &latency.p90, &latency.p99, &latency.p99_9];
        let points = (0..)
            .map(f64::from)
            .zip(percentiles.into_iter().filter_map(Rounds::median));
        Line {
            name: latency.subject.label().to_owned(),
            class: colour(latency.subject),
            points: points.collect(),
            dots: true,
        }
    });
    let title = format!("Added latency at {} calls/s", count(rate));
    let names = ["p50", "p90", "p99", "p99.9"].map(str::to_owned);
    let plot = Plot {
        title: title.clone(),
        x: axis("share of all messages", Kind::Names(names.to_vec())),
        y: axis("µs from one side to the other", Kind::Logarithm),
        lines: lines.collect(),
        bound: None,
        band: None,
    };
    Chart {
        name: format!("latency-{rate}"),
        title,
        svg: plot.draw(),
    }
}

fn memory(figures: &Figures) -> Option<Section> {
    let bars: Vec<Bar> = figures
        .memories
        .iter()
        .map(|memory| Bar {
            name: memory.subject.label().to_owned(),
            class: colour(memory.subject),
            value: memory.bytes_per_call() / 1024.0,
            dark: 0.0,
            rounds: Vec::new(),
            label: bytes(memory.bytes_per_call()),
        })
        .collect();
    let mut rows: Vec<Vec<String>> = figures
        .memories
        .iter()
        .map(|memory| {
            vec![
                format!("{}: a call that rings", memory.subject.label()),
                count(memory.calls),
                bytes(memory.before as f64),
                bytes(memory.held as f64),
                bytes(memory.bytes_per_call()),
            ]
        })
        .collect();
    if let Some(tombstones) = &figures.tombstones {
        rows.push(vec![
            "Hookswitch: a finished transaction".to_owned(),
            count(tombstones.tombstones),
            bytes(tombstones.before as f64),
            bytes(tombstones.after as f64),
            bytes(tombstones.bytes_each()),
        ]);
    }
    let bars = Bars {
        title: "Memory per call that rings".to_owned(),
        groups: vec![Group {
            head: "an INVITE transaction on each side, KiB".to_owned(),
            bars,
        }],
    };
    (!rows.is_empty()).then(|| Section {
        title: "Memory",
        lead: "The proportional set size of the whole process tree before the first call and while all of them ring (or, for finished \
               transactions, which are kept for 64·T1 to answer repetitions, after calls that were over at once), divided by the count. \
               Tables that have room for more, and what the allocator wastes, are in the figure."
            .to_owned(),
        charts: vec![Chart {
            name: "memory".to_owned(),
            title: bars.title.clone(),
            svg: bars.draw(),
        }],
        head: vec!["", "count", "before", "with all of them", "each"],
        rows,
        notes: Vec::new(),
    })
}

fn growth(figures: &Figures) -> Option<Section> {
    let charts: Vec<Chart> = figures
        .growths
        .iter()
        .filter(|growth| !growth.points.is_empty())
        .map(growth_chart)
        .collect();
    let mut rows = Vec::new();
    for growth in &figures.growths {
        let first = growth.points.first();
        for point in &growth.points {
            rows.push(vec![
                growth.with.clone(),
                count(point.count),
                count(growth.rate),
                spread(&point.cpu_us),
                times(first.and_then(|first| point.cpu_us.ratio_to(&first.cpu_us))),
                count(point.failed),
                count(point.retransmissions),
            ]);
        }
    }
    (!rows.is_empty()).then(|| Section {
        title: "What makes a call dearer",
        lead: "Processor time per call of Hookswitch while one thing grows: calls that ring at the same time; rules of the header filter \
               (by turns one that removes a header which is not there, and one whose condition reads a header and does not hold); \
               targets of trunks, ten to a trunk, each trunk with a source address and a route of its own before the one that is taken."
            .to_owned(),
        charts,
        head: vec!["with", "count", "calls/s", "µs a call (range)", "× the first", "failed", "repeated"],
        rows,
        notes: Vec::new(),
    })
}

fn growth_chart(growth: &Growth) -> Chart {
    let points: Vec<(f64, f64)> = growth
        .points
        .iter()
        .filter_map(|point| Some((point.count as f64, point.cpu_us.median()?)))
        .collect();
    let title = format!("µs a call with {}", growth.with);
    let first = points.first().map(|point| point.1);
    let plot = Plot {
        title: title.clone(),
        x: axis(&growth.with, Kind::Logarithm),
        y: axis("µs a call", Kind::Linear),
        bound: first
            .filter(|_| growth.with != "rules")
            .map(|first| (1.2 * first, "+20 %".to_owned())),
        lines: vec![Line {
            name: "Hookswitch".to_owned(),
            class: colour(Subject::Hookswitch),
            points,
            dots: true,
        }],
        band: None,
    };
    Chart {
        name: format!("growth-{}", growth.with.replace(' ', "-")),
        title,
        svg: plot.draw(),
    }
}

fn startup(figures: &Figures) -> Option<Section> {
    let mut rows: Vec<Vec<String>> = figures
        .starts
        .iter()
        .map(|start| {
            let what = format!(
                "{}: start to the first answered OPTIONS",
                start.subject.label()
            );
            vec![
                what,
                start.ms.0.len().to_string(),
                spread(&start.ms),
                "–".to_owned(),
            ]
        })
        .collect();
    if let Some(reload) = &figures.reload {
        rows.push(vec![
            format!(
                "Hookswitch: SIGHUP to the first answer of a configuration with {} targets",
                count(reload.targets)
            ),
            reload.ms.0.len().to_string(),
            spread(&reload.ms),
            spread(&reload.silence_ms),
        ]);
    }
    (!rows.is_empty()).then(|| Section {
        title: "Start and reload",
        lead: "From the start of the process to its first answer over UDP, and from SIGHUP to the first answer that only the new \
               configuration gives, asked for every half a millisecond. The time of the program that sends the signal is in it."
            .to_owned(),
        charts: Vec::new(),
        head: vec!["", "times", "ms (range)", "longest silence meanwhile, ms"],
        rows,
        notes: Vec::new(),
    })
}

fn overload(figures: &Figures) -> Option<Section> {
    let overload = figures.overload.as_ref()?;
    let points = |of: fn(&crate::load::experiment::Pressure) -> f64| {
        overload
            .points
            .iter()
            .map(|point| (point.offered, of(point)))
            .collect::<Vec<_>>()
    };
    let peak = overload
        .points
        .iter()
        .map(|point| point.goodput)
        .fold(0.0, f64::max);
    let plot = Plot {
        title: "Goodput under overload".to_owned(),
        x: axis("calls/s that are begun", Kind::Linear),
        y: axis("complete calls/s", Kind::Linear),
        lines: vec![Line {
            name: "Hookswitch".to_owned(),
            class: colour(Subject::Hookswitch),
            points: points(|point| point.goodput),
            dots: true,
        }],
        bound: Some((0.8 * peak, "80 % of the peak".to_owned())),
        band: Some((overload.capacity, "up to the capacity".to_owned())),
    };
    let rows = overload.points.iter().map(|point| {
        vec![
            format!("{} ×", point.factor),
            number(point.offered),
            number(point.goodput),
            count(point.refused),
            count(point.timed_out),
            count(point.dropped),
            format!("{:.2} %", 100.0 * point.dialogs_kept()),
            count(point.retransmissions),
            point
                .answered_p99
                .map_or_else(|| "–".to_owned(), |us| number(us / 1000.0)),
            format!("{:.0} %", 100.0 * point.share),
            if point.generator_kept_up { "yes" } else { "no" }.to_owned(),
        ]
    });
    Some(Section {
        title: "Overload",
        lead: format!(
            "Multiples of the capacity found above ({} calls/s), each on a freshly started Hookswitch. A call is good when it was answered \
             and ended as it should; what is lost is repeated by both sides as RFC 3261 says.",
            number(overload.capacity)
        ),
        charts: vec![Chart {
            name: "overload".to_owned(),
            title: plot.title.clone(),
            svg: plot.draw(),
        }],
        head: vec![
            "of the capacity",
            "begun/s",
            "good/s",
            "refused with 503",
            "unanswered",
            "dropped before it",
            "answered calls that ended",
            "repeated",
            "set-up p99, ms",
            "share of its core",
            "generator kept up",
        ],
        rows: rows.collect(),
        notes: Vec::new(),
    })
}

fn soak(figures: &Figures) -> Option<Section> {
    let soak = figures.soak.as_ref()?;
    let plot = Plot {
        title: "Memory over time".to_owned(),
        x: axis("seconds", Kind::Linear),
        y: axis("resident MiB", Kind::Linear),
        lines: vec![Line {
            name: "Hookswitch".to_owned(),
            class: colour(Subject::Hookswitch),
            points: soak.tally.memory(),
            dots: false,
        }],
        bound: None,
        band: Some((soak.warmup, "warm-up".to_owned())),
    };
    let rows = soak.verdicts.iter().map(|verdict| {
        vec![
            verdict.what.clone(),
            if verdict.held { "held" } else { "broken" }.to_owned(),
        ]
    });
    Some(Section {
        title: "Soak",
        lead: format!(
            "{} calls/s without a pause. Finished transactions are kept for 32 s (64·T1), so memory has to be level after the warm-up, \
             and everything has to be gone after the last call; {} finished transactions were kept at its end.",
            number(soak.rate),
            count(soak.tombstones_kept)
        ),
        charts: vec![Chart {
            name: "soak".to_owned(),
            title: plot.title.clone(),
            svg: plot.draw(),
        }],
        head: vec!["", ""],
        rows: rows.collect(),
        notes: soak.tally.problems.clone(),
    })
}

fn axis(name: &str, kind: Kind) -> Axis {
    Axis {
        name: name.to_owned(),
        kind,
    }
}
