//! Many calls that play and record, and what they cost: each has a telephone's worth of packets both ways.
//!
//! Half of the calls hear a file and are recorded afterwards, the other half the other way round, so that at any time as
//! many are played to as are recorded. All telephones share one socket for SIP and one for sound; a call's packets are
//! known by where they come from. Packets are timed by the kernel when they arrive, so that a busy receiver delays none.
//!
//! **Bounds.** The calls of the order, two minutes beyond their planned end and what the order says after it, and a
//! histogram of fixed size a run.

mod order;
mod outcome;
mod rtpengine;
mod signalling;
mod stream;

pub use order::Order;
pub use outcome::{Outcome, Packets};
pub use rtpengine::{Relayed, run_rtpengine};

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::hear::Sound;
use crate::{App, Config, Edge, Verb, Webhook, sound_keys};
use signalling::Caller;
use stream::Streams;

/// How long after its planned end a run is given up.
const GRACE: Duration = Duration::from_secs(120);

/// What the telephones say, and what they are played.
const SAID: u32 = 500;
const PLAYED: u32 = 900;

/// Makes the calls and tells what came.
///
/// # Panics
///
/// When the binary, the web server or the sockets do not start.
#[must_use]
pub fn run(order: &Order) -> Outcome {
    let hook = application(order).start();
    let config = Config::new()
        .log("warn")
        .executor_keys(&sound_keys(&hook))
        .executor_keys("rtp_ports = \"20000-29999\"")
        .domain_with("plays.test", &hook.url("plays"), &told(&hook))
        .domain_with("records.test", &hook.url("records"), &told(&hook));
    let mut edge = Edge::start(config);
    let pid = edge.process().id();
    let mut outcome = Outcome::new(order);
    let streams = Streams::start(&Sound::tone(8000, SAID, 1.0).ulaw());
    let mut caller = Caller::new(edge.public(), streams.address());
    // One call before the others: what is made once is no call's memory.
    warm_up(&mut caller, &streams, order);
    outcome.kib_before = resident(pid);
    streams.forget();

    let began = Instant::now();
    let until = began + order.planned() + GRACE;
    let mut window = None;
    let mut made = 0;
    while caller.ended() < order.calls + 1 && Instant::now() < until {
        let due = (began.elapsed().as_secs_f64() * order.rate) as usize;
        while made < due.min(order.calls) {
            caller.call(domain(made));
            made += 1;
        }
        for begun in caller.turn() {
            streams.add(begun);
        }
        for ended in caller.take_ended() {
            streams.remove(ended);
        }
        outcome.most = outcome.most.max(caller.talking());
        let is_full = made == order.calls && caller.ended() == 1;
        window = match window {
            None if is_full => Some((Instant::now(), used(pid), caller.talking())),
            Some((from, before, calls)) if !is_full && outcome.cpu_percent_per_call == 0.0 => {
                let seconds = from.elapsed().as_secs_f64();
                outcome.window_seconds = seconds;
                outcome.cpu_percent_per_call =
                    100.0 * (used(pid) - before) / seconds / calls.max(1) as f64;
                outcome.kib_during = outcome.kib_during.max(resident(pid));
                Some((from, before, calls))
            }
            window => window,
        };
        outcome.kib_during = outcome.kib_during.max(resident(pid));
    }
    outcome.answered = caller.answered() - 1;
    outcome.ended = caller.ended() - 1;
    outcome.refused = caller.refused();
    outcome.packets = streams.stop().into();
    callbacks(&hook, order, &mut outcome);
    thread::sleep(Duration::from_secs(order.after));
    outcome.kib_after = resident(pid);
    outcome.sessions_after = edge
        .metric("hookswitch_executor_media_sessions")
        .map(|left| left as u64);
    outcome
}

fn domain(number: usize) -> &'static str {
    if number.is_multiple_of(2) {
        "plays.test"
    } else {
        "records.test"
    }
}

fn told(hook: &Webhook) -> String {
    format!("status_callback = {:?}", hook.url("over"))
}

fn application(order: &Order) -> App {
    let play = || Verb::of("play", "/files/played.wav");
    let record = |action: &str| {
        Verb::new("record")
            .set("max_length", &order.half().as_secs().to_string())
            .set("timeout", "60")
            .set("action", action)
            .set("recording_status_callback", "/tape")
    };
    App::new()
        .wav(
            "played.wav",
            &Sound::tone(8000, PLAYED, order.half().as_secs_f64()),
        )
        .page("/plays", [play(), record("/done")])
        .page("/records", [record("/then")])
        .page("/then", [play()])
        .page("/done", [Verb::new("hangup")])
        .page("/over", [])
        .page("/tape", [])
}

fn warm_up(caller: &mut Caller, streams: &Streams, order: &Order) {
    let until = Instant::now() + order.half() * 2 + Duration::from_secs(20);
    caller.call(domain(0));
    while caller.ended() == 0 && Instant::now() < until {
        for begun in caller.turn() {
            streams.add(begun);
        }
        for ended in caller.take_ended() {
            streams.remove(ended);
        }
    }
    assert_eq!(caller.ended(), 1, "a single call does not work");
}

/// Each call has three: the end of its recording, the action of the verb, and its own end.
fn callbacks(hook: &Webhook, order: &Order, outcome: &mut Outcome) {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let hits = hook.hits();
        let count = |paths: &[&str]| {
            hits.iter()
                .filter(|hit| paths.contains(&hit.path()))
                .count()
        };
        outcome.callbacks = [
            count(&["/tape"]),
            count(&["/then", "/done"]),
            count(&["/over"]),
        ]
        .map(|came| came.saturating_sub(1));
        if outcome.callbacks.iter().all(|came| *came >= order.calls) || Instant::now() > until {
            return;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Seconds of processor time that a process has used.
fn used(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or("");
    let fields: Vec<f64> = after
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // The state is no number; user and system time are the 14th and 15th field of the line, in hundredths.
    fields
        .get(10..12)
        .map_or(0.0, |ticks| (ticks[0] + ticks[1]) / 100.0)
}

/// KiB of memory that a process has.
fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
