use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the generator says of a run: the part of its JSON that is read here. Times are in µs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Counts of the whole run.
    pub calls: Calls,
    /// Counts of the measured window.
    pub window: Window,
    /// Responses that the caller received, by method and status.
    pub responses: BTreeMap<String, BTreeMap<String, u64>>,
    /// Responses that were not what the kind of call wants.
    pub unexpected: BTreeMap<String, u64>,
    /// What the generator itself had to repeat.
    pub retransmissions_total: u64,
    /// From the intended time of the INVITE.
    pub latency: BTreeMap<String, Option<Histogram>>,
    /// From one side to the other, by message; `all` is all of them.
    pub added: BTreeMap<String, Option<Histogram>>,
    /// What the generator itself used.
    pub generator: Generator,
    /// Whether the generator kept its schedule.
    pub generator_saturated: bool,
    /// What the kernel dropped.
    pub kernel: Kernel,
    /// What became of the headers that the subject has to edit.
    pub extensions: Extensions,
    /// The process trees that were watched.
    pub watched: Vec<Watched>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Whether nothing failed, was repeated, dropped or left out.
    pub clean: bool,
    /// Why it is not clean.
    pub problems: Vec<String>,
}

/// Counts of calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// That the schedule asked for.
    pub intended: u64,
    /// That were begun.
    pub started: u64,
    /// That were left out, for too many were in progress.
    pub shed: u64,
    /// That went as their kind should.
    pub good: u64,
    /// That did not, timeouts among them.
    pub failed: u64,
    /// That nobody answered in time.
    pub timed_out: u64,
    /// Those of the failed that had been answered.
    pub established_failed: u64,
    /// The most in progress at a time.
    pub in_progress_max: u64,
}

/// Counts of the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// Calls that the schedule asked for.
    pub intended: u64,
    /// Calls begun.
    pub started: u64,
    /// Calls that went as they should.
    pub good: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Repeated messages.
    pub retransmissions: u64,
    /// Good calls a second.
    pub goodput_per_s: f64,
    /// Begun calls a second.
    pub rate_per_s: f64,
}

/// A distribution, in µs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The lowest.
    pub min: f64,
    /// The middle one.
    pub p50: f64,
    /// Below this are nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
    /// The highest.
    pub max: f64,
}

/// The generator's own use of its core.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Generator {
    /// Of one core.
    pub cpu_share: f64,
    /// µs a call.
    pub cpu_us_per_call: f64,
}

/// Drops.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Datagrams dropped at full receive buffers, whole machine.
    pub rcvbuf_errors: u64,
    /// Of these, at the caller's socket.
    pub caller_drops: u64,
    /// Of these, at the callee's socket.
    pub callee_drops: u64,
    /// Of these, at the subject's.
    pub target_drops: u64,
}

/// X- headers of the INVITEs that the callee received, on average; the caller sends one of each kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    /// `X-Internal-…`, which has to go.
    pub internal: f64,
    /// `X-Keep`, which has to stay.
    pub kept: f64,
    /// All others; three are to be added.
    pub other: f64,
}

/// A process tree in the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// How many processes it has.
    pub processes: u64,
    /// How many threads.
    pub threads: u64,
    /// Of one core.
    pub cpu_share: f64,
    /// µs a call in user mode.
    pub user_us_per_call: f64,
    /// µs a call in the kernel.
    pub system_us_per_call: f64,
    /// Both.
    pub cpu_us_per_call: f64,
    /// Resident KiB at the end of the window.
    pub rss_kib_last: u64,
}

/// One second of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Second {
    /// Since the begin.
    pub t: f64,
    /// Calls a second that were asked for.
    pub rate: f64,
    /// Calls that were begun.
    pub started: u64,
    /// That ended well.
    pub good: u64,
    /// That did not.
    pub failed: u64,
    /// Repeated messages.
    pub retransmissions: u64,
    /// Calls in progress.
    pub in_progress: u64,
    /// From the intended INVITE to the 200: the middle.
    pub p50: Option<f64>,
    /// The same, 99 of 100.
    pub p99: Option<f64>,
    /// Resident memory of the watched.
    pub watched_rss_kib: Vec<u64>,
    /// Their share of a core.
    pub watched_cpu_share: Vec<f64>,
}

impl Outcome {
    /// The subject, where it was watched.
    #[must_use]
    pub fn subject(&self) -> Watched {
        self.watched.first().cloned().unwrap_or_default()
    }

    /// How long any message took from one side to the other.
    #[must_use]
    pub fn added_all(&self) -> Option<&Histogram> {
        self.added.get("all")?.as_ref()
    }

    /// Whether the callee saw what the proxies of the side-by-side have to make of an INVITE.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        let Extensions {
            internal,
            kept,
            other,
        } = &self.extensions;
        [(internal, 0.0), (kept, 1.0), (other, 4.0)]
            .into_iter()
            .all(|(seen, wanted)| (seen - wanted).abs() < 0.01)
    }

    /// How many responses of this kind the callers received.
    #[must_use]
    pub fn received(&self, method: &str, status: u16) -> u64 {
        let statuses = self.responses.get(method);
        let count = statuses.and_then(|statuses| statuses.get(&status.to_string()));
        count.copied().unwrap_or(0)
    }

    /// Nothing was lost or repeated, whatever the generator's own state.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        self.calls.failed == 0 && self.retransmissions_total == 0 && self.calls.shed == 0
    }
}
