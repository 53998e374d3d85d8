//! Timers that stop when they are dropped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use sip::{Instant, Layer, TimerKey};

use crate::run::TimerId;

use super::LegKey;
use super::path::Path;

/// What a timer is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// A 2xx has not been acknowledged: send it again, or give up (RFC 3261 §13.3.1.4).
    Answer(LegKey),
    /// A provisional response has not been acknowledged (RFC 3262 §3).
    Provisional(LegKey),
    /// A callee, or a recording server, has rung long enough.
    Ring(LegKey),
    /// A timer of the run.
    Run(LegKey, TimerId),
    /// The executor stops now.
    Stop,
}

/// A running timer; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Timer {
    token: u64,
    stopped: Rc<RefCell<Vec<u64>>>,
}

/// All running timers, on the wheel of the transaction layer.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    running: HashMap<u64, (Due, TimerKey)>,
    last: u64,
    stopped: Rc<RefCell<Vec<u64>>>,
}

impl Timers {
    pub(crate) fn start(
        &mut self,
        layer: &mut Layer<Path>,
        now: Instant,
        after: Duration,
        due: Due,
    ) -> Timer {
        self.last += 1;
        let key = layer.schedule(now + after, self.last);
        self.running.insert(self.last, (due, key));
        Timer {
            token: self.last,
            stopped: Rc::clone(&self.stopped),
        }
    }

    /// The timer with this token fired; `None` if it was stopped.
    pub(crate) fn fire(&mut self, layer: &mut Layer<Path>, token: u64) -> Option<Due> {
        self.sweep(layer);
        self.running.remove(&token).map(|(due, _)| due)
    }

    /// Takes the timers back that were dropped.
    pub(crate) fn sweep(&mut self, layer: &mut Layer<Path>) {
        for token in self.stopped.borrow_mut().drain(..) {
            if let Some((_, key)) = self.running.remove(&token) {
                layer.unschedule(key);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stopped.borrow_mut().push(self.token);
    }
}
