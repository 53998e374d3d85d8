//! What a run says of itself, as JSON. Times are in microseconds unless a name says otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Config, Timestamps};
use super::tally::Outcome;

/// Everything about a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// What was asked for.
    pub config: Config,
    /// Where reception times come from.
    pub timestamps: Timestamps,
    /// Calls of the whole run.
    pub calls: Calls,
    /// The measured window.
    pub window: Window,
    /// What the callers received (and a callee that hung up): method, status, count.
    pub responses: BTreeMap<String, BTreeMap<String, u64>>,
    /// Final responses that calls of that kind do not want, like `INVITE 503`.
    pub unexpected: BTreeMap<String, u64>,
    /// What was sent again, by method or status.
    pub retransmissions: BTreeMap<String, u64>,
    /// The sum of them.
    pub retransmissions_total: u64,
    /// Messages of calls in progress that came again.
    pub duplicates_received: u64,
    /// Messages of no call in progress: what comes again after the end of a call is among them.
    pub stray_received: u64,
    /// Datagrams that are not whole SIP messages, and responses that still carry another Via.
    pub malformed_received: u64,
    /// Datagrams and system calls.
    pub datagrams: Datagrams,
    /// The headers that the INVITEs had when they reached the callee.
    pub extensions: Extensions,
    /// From the intended time of the INVITE, of calls in the window.
    pub latency: Latency,
    /// From the sending on one side to the reception on the other, of calls in the window.
    pub added: BTreeMap<String, Option<Quantiles>>,
    /// How late INVITEs left against the schedule, in the window.
    pub lag: Option<Quantiles>,
    /// The generator's own thread, in the window.
    pub generator: Generator,
    /// The generator was too late to be believed.
    pub generator_saturated: bool,
    /// Datagrams that kernels lost.
    pub kernel: Kernel,
    /// Other processes, in the window.
    pub watched: Vec<Watched>,
    /// The run second by second.
    pub seconds: Vec<Second>,
    /// Nothing went wrong at all.
    pub clean: bool,
    /// What did.
    pub problems: Vec<String>,
}

impl Report {
    /// The process tree that was watched first; all of nothing where none was.
    #[must_use]
    pub fn subject(&self) -> Watched {
        self.watched.first().cloned().unwrap_or_default()
    }

    /// How long any message took from one side to the other.
    #[must_use]
    pub fn added_all(&self) -> Option<&Quantiles> {
        self.added.get("all")?.as_ref()
    }

    /// Whether the callee saw what the proxies of the side-by-side have to make of an INVITE: `X-Internal-` has gone,
    /// `X-Keep` has stayed, and three others were added.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        let Extensions {
            internal,
            kept,
            other,
            ..
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

/// Calls of the whole run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Calls {
    /// On the schedule.
    pub intended: u64,
    /// Begun.
    pub started: u64,
    /// Not begun, since too many were in progress.
    pub shed: u64,
    /// From beginning to end as they should.
    pub good: u64,
    /// All others.
    pub failed: u64,
    /// Those of them in which an answer did not come.
    pub timed_out: u64,
    /// Those of the failed ones that had been answered: what an overloaded proxy should keep.
    pub established_failed: u64,
    /// At once, at most.
    pub in_progress_max: u64,
    /// The same by kind.
    pub by_kind: BTreeMap<String, Counts>,
}

/// Calls.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Begun.
    pub started: u64,
    /// Ended as they should.
    pub good: u64,
    /// Ended otherwise.
    pub failed: u64,
    /// Those of them in which an answer did not come.
    pub timed_out: u64,
    /// Those of the failed ones that had been answered: what an overloaded proxy should keep.
    pub established_failed: u64,
}

impl Counts {
    /// `established`: it had been answered.
    pub(super) fn count(&mut self, outcome: Outcome, established: bool) {
        self.established_failed += u64::from(established && outcome != Outcome::Good);
        match outcome {
            Outcome::Good => self.good += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::TimedOut => {
                self.failed += 1;
                self.timed_out += 1;
            }
        }
    }
}

/// What happened in the measured window, by the time at which it happened.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// Calls on the schedule.
    pub intended: u64,
    /// Calls begun.
    pub started: u64,
    /// Calls that ended well.
    pub good: u64,
    /// Calls that ended otherwise.
    pub failed: u64,
    /// Those of them that had been answered.
    pub established_failed: u64,
    /// Messages sent again.
    pub retransmissions: u64,
    /// Calls on the schedule, a second.
    pub rate_per_s: f64,
    /// Calls that ended well, a second.
    pub goodput_per_s: f64,
}

impl Window {
    /// Calls begun, a second: fewer than on the schedule where the generator was late or had to shed.
    #[must_use]
    pub fn started_per_s(&self) -> f64 {
        self.started as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Datagrams and system calls of the whole run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Datagrams {
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams received.
    pub received: u64,
    /// Calls of sendmmsg.
    pub send_calls: u64,
    /// Calls of recvmmsg.
    pub recv_calls: u64,
    /// Datagrams that the kernel refused.
    pub send_errors: u64,
    /// Datagrams received in the window.
    pub received_in_window: u64,
}

/// X- headers of the INVITEs that reached the callee, a mean of each.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Extensions {
    /// INVITEs, first copies.
    pub invites: u64,
    /// `X-Internal-`: 1 was sent.
    pub internal: f64,
    /// `X-Keep`: 1 was sent.
    pub kept: f64,
    /// All others: 1 was sent.
    pub other: f64,
}

/// From the intended time of the INVITE.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Latency {
    /// To its arrival at the callee.
    pub invite: Option<Quantiles>,
    /// To the 180.
    pub post_dial_180: Option<Quantiles>,
    /// To the 200.
    pub post_dial_200: Option<Quantiles>,
    /// To the end of a good call, ringing and talking included.
    pub call: Option<Quantiles>,
}

/// A histogram, in microseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names say all")]
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// The generator's own thread, in the window.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Generator {
    /// Of one processor.
    pub cpu_share: f64,
    /// A finished call.
    pub user_us_per_call: f64,
    /// A finished call.
    pub system_us_per_call: f64,
    /// A finished call.
    pub cpu_us_per_call: f64,
    /// A datagram that it received: for windows whose calls end after them.
    pub cpu_us_per_datagram: f64,
    /// The share of the window in which it did not wait.
    pub busy_share: f64,
}

/// Datagrams that were lost in the kernel, over the whole run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Kernel {
    /// Of the whole machine: a receive buffer was full.
    pub rcvbuf_errors: u64,
    /// Of the whole machine: a send buffer was full.
    pub sndbuf_errors: u64,
    /// Of the whole machine: all errors of reception.
    pub in_errors: u64,
    /// Of the whole machine: nobody listened.
    pub no_ports: u64,
    /// At the caller's sockets.
    pub caller_drops: u64,
    /// At the callee's socket.
    pub callee_drops: u64,
    /// At the sockets with the target's port: the proxy's.
    pub target_drops: u64,
    /// Bytes that the kernel grants the caller's first socket, by its own counting.
    pub rcvbuf_bytes: u64,
}

/// A process tree, in the window.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Watched {
    /// Of its first process.
    pub pid: u32,
    /// Of its first process.
    pub command: String,
    /// In the tree, at the end.
    pub processes: usize,
    /// In all of them, at the end.
    pub threads: usize,
    /// Of one processor.
    pub cpu_share: f64,
    /// A finished call.
    pub user_us_per_call: f64,
    /// A finished call.
    pub system_us_per_call: f64,
    /// A finished call.
    pub cpu_us_per_call: f64,
    /// A datagram that the generator received: for windows whose calls end after them.
    pub cpu_us_per_datagram: f64,
    /// Resident memory at the beginning of the run.
    pub rss_kib_first: u64,
    /// At its end.
    pub rss_kib_last: u64,
    /// At most.
    pub rss_kib_max: u64,
}

/// A second of the run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Second {
    /// Seconds from the begin of the run to its own.
    pub t: f64,
    /// Calls a second that the schedule asks for in its middle.
    pub rate: f64,
    /// Calls begun.
    pub started: u64,
    /// Calls that ended well.
    pub good: u64,
    /// Calls that ended otherwise.
    pub failed: u64,
    /// Messages sent again.
    pub retransmissions: u64,
    /// Calls at its end.
    pub in_progress: u64,
    /// From the intended time to a 200 that came in this second, if one came.
    pub p50: Option<f64>,
    /// The same.
    pub p99: Option<f64>,
    /// The same.
    pub max: Option<f64>,
    /// Resident memory of each watched tree.
    pub watched_rss_kib: Vec<u64>,
    /// Of one processor, of each watched tree.
    pub watched_cpu_share: Vec<f64>,
}

#[cfg(test)]
impl Report {
    /// Of a run in which nothing happened.
    pub(crate) fn of_nothing() -> Self {
        Self {
            config: Config::default(),
            timestamps: Timestamps::Kernel,
            calls: Calls::default(),
            window: Window::default(),
            responses: BTreeMap::new(),
            unexpected: BTreeMap::new(),
            retransmissions: BTreeMap::new(),
            retransmissions_total: 0,
            duplicates_received: 0,
            stray_received: 0,
            malformed_received: 0,
            datagrams: Datagrams::default(),
            extensions: Extensions::default(),
            latency: Latency::default(),
            added: BTreeMap::new(),
            lag: None,
            generator: Generator::default(),
            generator_saturated: false,
            kernel: Kernel::default(),
            watched: vec![Watched::default()],
            seconds: vec![Second::default()],
            clean: true,
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The places of all objects' fields, those without a value left out.
    fn fields(value: &Value, place: &str, all: &mut Vec<(String, String)>) {
        match value {
            Value::Object(object) => {
                for (name, inner) in object.iter().filter(|(_, inner)| !inner.is_null()) {
                    all.push((place.to_owned(), name.clone()));
                    fields(inner, &format!("{place}/{name}"), all);
                }
            }
            Value::Array(array) => {
                for (index, inner) in array.iter().enumerate() {
                    fields(inner, &format!("{place}/{index}"), all);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn a_figure_that_is_missing_is_never_read_as_none() {
        let written = serde_json::to_value(Report::of_nothing()).unwrap();
        let read: Report = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        let mut all = Vec::new();
        fields(&written, "", &mut all);
        // The keys of a profile have defaults.
        all.retain(|(place, _)| !place.starts_with("/config"));
        assert!(all.len() > 70, "{}", all.len());
        for (place, name) in all {
            let mut without = written.clone();
            let object = without.pointer_mut(&place).unwrap();
            object.as_object_mut().unwrap().remove(&name);
            let read = serde_json::from_value::<Report>(without);
            assert!(read.is_err(), "a report without {place}/{name} is read");
        }
    }
}
