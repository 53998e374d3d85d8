//! What is let in when more comes than can be done (RFC 7339 and RFC 7415 say why, for hop-by-hop control).
//!
//! A worker that works through turn after turn and does not see its sockets empty is behind, and what
//! waits there will soon be too old to be worth the work. So it lets in fewer new requests: a share of all
//! Call-IDs, the same ones for as long as the share stays, so that what is retransmitted meets the same
//! decision. The share falls fast and rises slowly. What is in a dialog or a transaction always
//! passes. What is not let in is answered 503 without state, early; where even that would cost too
//! much, it is ignored as if it had been lost.

use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::RandomState;
use sip::Instant;

/// The admission of one worker.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Of [`WHOLE`] Call-IDs, how many are let in.
    share: u32,
    /// Since when something was left by every turn. A worker that was kept from running is not behind
    /// for that alone: it has to be unable to catch up.
    behind: Option<Instant>,
    /// When the share is looked at again.
    look: Instant,
    /// Refusals left until then.
    refusals: u32,
    /// No sender knows which Call-IDs are the lucky ones.
    hasher: RandomState,
}

/// What becomes of a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// It is let in.
    Yes,
    /// It is answered 503.
    Refuse,
    /// It is not answered at all.
    Ignore,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            share: WHOLE,
            behind: None,
            look: Instant::ZERO,
            refusals: REFUSALS,
            hasher: RandomState::default(),
        }
    }
}

impl Admission {
    /// The worker has taken what it takes in one turn; `drained`: nothing was left.
    pub(crate) fn turn(&mut self, drained: bool, now: Instant) {
        self.behind = (!drained).then(|| self.behind.unwrap_or(now));
        if now < self.look {
            return;
        }
        let patience = if self.is_open() { PATIENCE } else { AGAIN };
        if self.behind.is_some_and(|since| now - since >= patience) {
            self.share = (self.share - self.share / 16).max(LEAST);
        } else if self.share < WHOLE {
            let intervals = (now - self.look).as_micros() / INTERVAL.as_micros() + 1;
            let steps = u32::try_from(intervals).unwrap_or(u32::MAX);
            let gained = STEP.saturating_mul(steps);
            self.share = self.share.saturating_add(gained).min(WHOLE);
        }
        self.refusals = REFUSALS;
        self.look = now + INTERVAL;
    }

    /// Whether everything is let in.
    pub(crate) fn is_open(&self) -> bool {
        self.share == WHOLE
    }

    /// Whether a new request with this Call-ID is not even answered.
    pub(crate) fn ignores(&self, call_id: &[u8]) -> bool {
        self.refusals == 0 && !self.is_lucky(call_id)
    }

    fn is_lucky(&self, call_id: &[u8]) -> bool {
        ((self.hasher.hash_one(call_id) >> 48) as u32) < self.share
    }

    /// What becomes of a new request with this Call-ID.
    pub(crate) fn admits(&mut self, call_id: &[u8]) -> Admit {
        if self.is_lucky(call_id) {
            return Admit::Yes;
        }
        let Some(left) = self.refusals.checked_sub(1) else {
            return Admit::Ignore;
        };
        self.refusals = left;
        Admit::Refuse
    }
}

const WHOLE: u32 = 1 << 16;
/// The share that is always let in, so that an end of the overload is noticed.
const LEAST: u32 = WHOLE / 64;
/// What the share gains in one interval: 2.6 seconds from nothing to all.
const STEP: u32 = WHOLE / 256;
/// How often the share changes.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long every turn may leave something before the first request is shed: less than T1, after which
/// callers send again what was not answered; and more than it takes to work off what a pause of the machine has
/// left, which the socket's buffer bounds.
const PATIENCE: Duration = Duration::from_millis(400);
/// The same, once something is shed.
const AGAIN: Duration = Duration::from_millis(20);
/// Refusals in one interval: about a tenth of the worker's time.
const REFUSALS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker with room for `capacity` calls a second is offered `load` of them for a while; what
    /// it completes a second in the last half, and how many of those it sheds it answers.
    fn offered(load: f64, capacity: f64) -> (f64, f64) {
        let (mut admission, mut now) = (Admission::default(), Instant::ZERO);
        let turn = Duration::from_micros(500);
        // A call is seven datagrams; shedding one costs as much as one of them.
        let (work, shed_work) = (1.0, 1.0 / 7.0);
        let (mut waiting, mut done, mut refused, mut ignored) = (0.0_f64, 0.0, 0.0, 0.0);
        let mut call = 0_u64;
        for round in 0..40_000 {
            // The kernel keeps so much and drops the rest.
            waiting = (waiting + load * turn.as_secs_f64()).min(500.0);
            let mut time = capacity * turn.as_secs_f64();
            while waiting >= 1.0 && time > 0.0 {
                waiting -= 1.0;
                call += 1;
                match admission.admits(&call.to_be_bytes()) {
                    Admit::Yes => {
                        time -= work;
                        done += f64::from(u8::from(round >= 20_000));
                    }
                    Admit::Refuse => {
                        time -= shed_work;
                        refused += 1.0;
                    }
                    Admit::Ignore => {
                        time -= shed_work / 4.0;
                        ignored += 1.0;
                    }
                }
            }
            now += turn;
            admission.turn(waiting < 1.0, now);
        }
        (done / 10.0, refused / f64::max(refused + ignored, 1.0))
    }

    #[test]
    fn within_its_capacity_a_worker_sheds_nothing() {
        for load in [0.1, 0.5, 0.9] {
            let (done, _) = offered(load * 10_000.0, 10_000.0);
            assert!(
                (done / (load * 10_000.0) - 1.0).abs() < 0.01,
                "{load}: {done}"
            );
        }
    }

    /// A virtual machine that is not run for 300 ms of every 500 leaves 40 % of the time for a load of a
    /// quarter of the capacity.
    #[test]
    fn a_machine_that_pauses_sheds_nothing() {
        let (mut admission, mut now) = (Admission::default(), Instant::ZERO);
        let turn = Duration::from_millis(1);
        let mut waiting = 0.0_f64;
        for round in 0..20_000 {
            now += turn;
            waiting += 2.5;
            if round % 500 >= 300 {
                waiting = (waiting - 10.0).max(0.0);
                admission.turn(waiting < 1.0, now);
            }
            assert!(admission.is_open(), "after {round} ms");
        }
    }

    #[test]
    fn far_beyond_its_capacity_a_worker_still_does_most_of_what_it_can() {
        for load in [1.2, 2.0, 3.0, 5.0] {
            let (done, answered) = offered(load * 10_000.0, 10_000.0);
            assert!(done > 0.7 * 10_000.0, "{load}: {done} of 10000");
            assert!(
                answered > 0.1,
                "{load}: {answered} of the others hear of it"
            );
        }
    }

    #[test]
    fn after_the_overload_everything_is_let_in_again() {
        let mut admission = Admission::default();
        let mut now = Instant::ZERO;
        for _ in 0..2000 {
            now += Duration::from_millis(1);
            admission.turn(false, now);
        }
        assert!(!admission.is_open());
        assert_eq!(admission.share, LEAST, "some are always let in");
        // The worker slept: nothing came.
        now += Duration::from_secs(3);
        admission.turn(true, now);
        assert!(admission.is_open());
    }
}
