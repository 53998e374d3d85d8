//! Whether the process has begun, and how far its end is, for whoever has to know.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::owners::Owners;

/// How far the end of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It is not near.
    Running,
    /// Nothing new is let in.
    Draining,
    /// A worker ends once nothing is in progress.
    Ending,
    /// What is in progress is cut.
    Now,
}

/// The phase that the process is in; workers are woken where it changes.
pub(crate) struct Lifecycle {
    phase: AtomicU8,
    /// Who has yet to say that it has begun.
    awaited: AtomicU8,
    owners: Owners,
}

impl Lifecycle {
    /// A process that runs.
    pub(crate) fn new(owners: Owners) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Running as u8),
            awaited: AtomicU8::new(AWAITED),
            owners,
        }
    }

    /// One of those that the process begins with has begun: its sockets, or its signals.
    pub(crate) fn begun(&self) {
        self.awaited.fetch_sub(1, Release);
    }

    /// Whether it takes new calls: everything listens, signals are heard, and the end is not near.
    pub(crate) fn is_up(&self) -> bool {
        self.awaited.load(Acquire) == 0 && self.phase() == Phase::Running
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Ending,
            _ => Phase::Now,
        }
    }

    /// Goes on to `phase`; no way leads back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Release);
        self.owners.wake_all();
    }
}

/// The sockets of the workers, for which all other services are ready by then, and the signals.
const AWAITED: u8 = 2;
