//! How far the end of the process is, for whoever has to know.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::worker::Owners;

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
    owners: Owners,
}

impl Lifecycle {
    /// A process that runs.
    pub(crate) fn new(owners: Owners) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Running as u8),
            owners,
        }
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
