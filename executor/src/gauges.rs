//! How much the executor holds right now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts of what is open; all are zero when nothing goes on.
#[derive(Debug, Default)]
pub struct Gauges {
    pub(crate) calls: AtomicUsize,
    pub(crate) legs: AtomicUsize,
    pub(crate) transactions: AtomicUsize,
    pub(crate) rtp_ports: AtomicUsize,
    pub(crate) status_callbacks: AtomicUsize,
    pub(crate) tasks: AtomicUsize,
    pub(crate) timers: AtomicUsize,
    pub(crate) transcriptions: AtomicUsize,
}

/// The gauges at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Calls, each with a caller's leg.
    pub calls: usize,
    /// Legs of callers and callees.
    pub legs: usize,
    /// SIP transactions that still work.
    pub transactions: usize,
    /// UDP ports of media.
    pub rtp_ports: usize,
    /// Requests to webhooks and media that play.
    pub tasks: usize,
    /// Timers of calls.
    pub timers: usize,
}

impl Gauges {
    /// Whether something is still to be told that no call waits for.
    pub(crate) fn is_telling(&self) -> bool {
        let tells = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed) > 0;
        tells(&self.status_callbacks) || tells(&self.transcriptions)
    }

    /// What is open now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        Snapshot {
            calls: read(&self.calls),
            legs: read(&self.legs),
            transactions: read(&self.transactions),
            rtp_ports: read(&self.rtp_ports),
            tasks: read(&self.tasks),
            timers: read(&self.timers),
        }
    }
}

/// Something that is open; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Held {
    gauges: Arc<Gauges>,
    gauge: fn(&Gauges) -> &AtomicUsize,
    count: usize,
}

impl Held {
    pub(crate) fn new(
        gauges: &Arc<Gauges>,
        gauge: fn(&Gauges) -> &AtomicUsize,
        count: usize,
    ) -> Self {
        gauge(gauges).fetch_add(count, Ordering::Relaxed);
        Self {
            gauges: Arc::clone(gauges),
            gauge,
            count,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.gauge)(&self.gauges).fetch_sub(self.count, Ordering::Relaxed);
    }
}
