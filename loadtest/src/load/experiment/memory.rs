use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::accounting::memory;
use crate::load::bench::Bench;
use crate::load::{Failure, Order, Subject, Trial};

/// What calls that ring cost in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Whose.
    pub subject: Subject,
    /// How many rang.
    pub calls: u64,
    /// Bytes of the process tree before the first call.
    pub before: u64,
    /// Bytes while all rang.
    pub held: u64,
}

impl Memory {
    /// Bytes for each call that rings: a server and a client transaction of an INVITE, and what connects them.
    #[must_use]
    pub fn bytes_per_call(&self) -> f64 {
        self.held.saturating_sub(self.before) as f64 / self.calls.max(1) as f64
    }
}

/// How fast the calls are begun.
const RATE: u64 = 2000;

/// Holds a count of calls ringing and looks at the memory of each subject.
pub(crate) fn memories(bench: &mut Bench, subjects: &[Subject]) -> Vec<Memory> {
    let mut all = Vec::new();
    for &subject in subjects {
        match hold(bench, subject) {
            Ok(memory) => all.push(memory),
            Err(failure) => bench.trouble(&format!("memory of {}", subject.label()), &failure),
        }
    }
    all
}

fn hold(bench: &Bench, subject: Subject) -> Result<Memory, Failure> {
    let calls = bench.scale.held;
    let running = subject.start(bench.place)?;
    let before = memory(running.process.id());
    let rate = RATE.min(calls / 2).max(1);
    let begin = calls as f64 / rate as f64;
    let order = Order {
        steps: format!("{begin}:{rate}"),
        // As long as it takes to begin all, and to look at them.
        ring: Some(format!("{}ms", (1000.0 * (begin + LOOK)) as u64)),
        warmup: Some(0.0),
        cooldown: Some(0.0),
        drain: Some(begin + LOOK + DRAIN),
        ..Order::default()
    };
    let trial = Trial::begin(&order, bench.place, &[]);
    thread::sleep(Duration::from_secs_f64(begin + LOOK / 2.0));
    let held = memory(running.process.id());
    let outcome = trial.finish()?;
    if outcome.calls.good != calls || outcome.calls.in_progress_max < calls * 99 / 100 {
        let text = format!(
            "{} of {calls} calls went well, {} at a time",
            outcome.calls.good, outcome.calls.in_progress_max
        );
        return Err(Failure(text));
    }
    let memory = Memory {
        subject,
        calls,
        before,
        held,
    };
    bench.say(&format!(
        "memory: {}: {:.0} B a call",
        subject.label(),
        memory.bytes_per_call()
    ));
    Ok(memory)
}

/// Seconds for the look, and for the last call to end.
const LOOK: f64 = 3.0;
const DRAIN: f64 = 10.0;

/// What finished transactions cost, which wait for late repetitions (RFC 3261 §17, RFC 6026).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tombstones {
    /// Calls that were made.
    pub calls: u64,
    /// Finished transactions that were kept at the time of the look.
    pub tombstones: u64,
    /// Bytes before the calls.
    pub before: u64,
    /// Bytes after them.
    pub after: u64,
}

impl Tombstones {
    /// Bytes for each, the tables that find them and the allocator's waste included.
    #[must_use]
    pub fn bytes_each(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.tombstones.max(1) as f64
    }
}

/// Makes calls that are over at once, all of them within the time that a finished transaction is kept.
///
/// # Errors
///
/// When the run did not take place, or not cleanly.
pub(crate) fn tombstones(bench: &mut Bench) -> Result<Tombstones, Failure> {
    let running = Subject::Hookswitch.start(bench.place)?;
    let before = memory(running.process.id());
    let rate = RATE.min(bench.scale.held);
    let seconds = (2.0 * bench.scale.held as f64 / rate as f64).min(LONGEST);
    let order = Order {
        steps: format!("{seconds}:{rate}"),
        warmup: Some(0.0),
        cooldown: Some(0.0),
        drain: Some(0.5),
        ..Order::default()
    };
    let outcome = bench.on("tombstones", &running, &order)?;
    if outcome.calls.failed > 0 {
        return Err(Failure(format!("{} calls failed", outcome.calls.failed)));
    }
    let calls = outcome.calls.good;
    let young = (rate as f64 * TIMER_K.min(seconds)) as u64;
    let found = Tombstones {
        calls,
        tombstones: 3 * calls + young,
        before,
        after: memory(running.process.id()),
    };
    bench.say(&format!("tombstones: {:.0} B each", found.bytes_each()));
    Ok(found)
}

/// Seconds: all tombstones of a server side (64·T1) have to be there still at the end.
const LONGEST: f64 = 20.0;

/// Of the four transactions of a call, the client side of the BYE is kept for T4 only; the client and the server side of
/// the INVITE (RFC 6026) and the server side of the BYE for 64·T1. In seconds.
const TIMER_K: f64 = 5.0;
