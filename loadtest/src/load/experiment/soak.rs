use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::load::bench::Bench;
use crate::load::subject::own_configuration;
use crate::load::variant::with_console;
use crate::load::{Failure, Order, Profile, Subject, Tally, Verdict};
use crate::{free_port, http};

/// One rate for a long time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Soak {
    /// Calls a second.
    pub rate: f64,
    /// Seconds before memory is judged.
    pub warmup: f64,
    /// What came.
    pub tally: Tally,
    /// What was judged.
    pub verdicts: Vec<Verdict>,
    /// Memory after the warm-up, in per cent of it a minute.
    pub memory_percent_a_minute: Option<f64>,
    /// The most finished transactions that were kept at a time; none where nobody could see.
    pub tombstones_kept: u64,
    /// Seconds after the last call until no transaction was left, finished or not; none when some stayed.
    pub empty_after: Option<f64>,
}

/// Seconds in which the last tombstone has to be gone: 64·T1 and a second of the gauges.
const GONE: f64 = 38.0;

/// The profile `soak`, at the length of this bench.
///
/// # Errors
///
/// When the run did not take place.
pub(crate) fn soak(bench: &mut Bench) -> Result<Soak, Failure> {
    let profile = Profile::named("soak")?;
    let (seconds, warmup) = bench.scale.soak;
    let rate = profile.load.rate_at(0.0).min(bench.scale.held as f64);
    let order = Order {
        steps: format!("{seconds}:{rate}"),
        warmup: Some(warmup),
        drain: Some(5.0),
        ..profile.load.clone()
    };
    let port = free_port();
    let text = with_console(&own_configuration()?, port);
    let running = Subject::Hookswitch.start_with(bench.place, &text)?;
    let outcome = bench.on("soak", &running, &order)?;
    let left = || {
        let body = http::get(([127, 0, 0, 1], port).into(), "/metrics")?.body;
        Some((
            gauge(&body, "hookswitch_transactions")?,
            gauge(&body, "hookswitch_tombstones")?,
        ))
    };
    let tombstones_kept = left().map_or(0, |(_, tombstones)| tombstones);
    let began = Instant::now();
    let mut empty_after = None;
    let patience = if bench.scale.is_quick { 0.0 } else { GONE };
    while empty_after.is_none() && began.elapsed().as_secs_f64() < patience {
        thread::sleep(Duration::from_millis(250));
        empty_after = (left() == Some((0, 0))).then(|| began.elapsed().as_secs_f64());
    }
    let tally = Tally::of(&profile.name, Subject::Hookswitch, &outcome);
    let mut verdicts = tally.judge(&profile.expect, warmup);
    // A look does not wait for the end.
    if !bench.scale.is_quick {
        verdicts.push(Verdict {
            what: empty_after.map_or_else(
                || {
                    format!(
                        "transactions left {GONE} s after the last call: {:?}",
                        left()
                    )
                },
                |seconds| format!("no transaction left {seconds:.0} s after the last call"),
            ),
            held: empty_after.is_some(),
        });
    }
    Ok(Soak {
        rate,
        warmup,
        memory_percent_a_minute: tally.memory_growth(warmup),
        tally,
        verdicts,
        tombstones_kept,
        empty_after,
    })
}

fn gauge(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}
