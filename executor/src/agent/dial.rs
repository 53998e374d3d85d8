//! `<Dial>`: whom to call next, who has won, and when all is over.

use bytes::Bytes;

use crate::observer::CallEvent;
use crate::run::{DialOutcome, DialPlan, DialReason, Event, LegStage, Trace};

use super::LegKey;
use super::call::{CALLER, Call};
use super::core::Core;
use super::leg::State;
use super::timer::Due;

/// A `<Dial>` under way.
pub(crate) struct Dial {
    pub(crate) plan: DialPlan,
    /// The target that is next; all before it have a leg.
    pub(crate) next: usize,
    /// The legs that are not over.
    pub(crate) legs: Vec<u32>,
    /// The leg that answered.
    pub(crate) winner: Option<u32>,
    /// It may be bridged: it has passed its screening.
    pub(crate) ready: bool,
    pub(crate) outcomes: Vec<DialOutcome>,
}

impl Call {
    pub(crate) fn start_dial(&mut self, core: &mut Core, plan: DialPlan) {
        debug_assert!(self.dial.is_none(), "one <Dial> at a time");
        self.cancel_dial(core);
        let all = if plan.sequential {
            1
        } else {
            plan.targets.len()
        };
        let (legs, outcomes) = (Vec::new(), Vec::new());
        self.dial = Some(Dial {
            plan,
            next: 0,
            legs,
            winner: None,
            ready: false,
            outcomes,
        });
        for _ in 0..all {
            self.call_next(core);
        }
        self.check_dial(core);
    }

    /// Calls the next target.
    fn call_next(&mut self, core: &mut Core) {
        let Some(dial) = &mut self.dial else { return };
        let Some(target) = dial.plan.targets.get(dial.next).cloned() else {
            return;
        };
        dial.next += 1;
        let caller_id = dial.plan.caller_id.clone();
        let timeout = dial.plan.timeout;
        match self.call(core, &target, caller_id.as_deref()) {
            Ok(key) => {
                let due = Due::Ring(LegKey {
                    call: self.key,
                    leg: key,
                });
                let ringing = core.start_timer(timeout, due);
                if let Some(callee) = self.callee(key) {
                    callee.ringing = Some(ringing);
                }
                self.stage(core, key, LegStage::Initiated);
                if let Some(dial) = &mut self.dial {
                    dial.legs.push(key);
                }
            }
            Err((status, why)) => {
                self.record(
                    core,
                    CALLER,
                    CallEvent::Trace(Trace {
                        topic: "Dial",
                        text: why,
                    }),
                );
                let outcome = DialOutcome {
                    sip_code: Some(status),
                    ..DialOutcome::default()
                };
                if let Some(dial) = &mut self.dial {
                    dial.outcomes.push(outcome);
                }
            }
        }
    }

    /// The early media that may be passed on: one dialog can have one answer only, so there must be
    /// one callee only (RFC 6337 §3.1.2), who was offered what the caller said.
    pub(crate) fn early_description(&self) -> Option<Bytes> {
        let dial = self.dial.as_ref()?;
        let [key] = *dial.legs.as_slice() else {
            return None;
        };
        if dial.plan.targets.len() > 1 {
            return None;
        }
        let callee = self.legs.get(&key)?.callee.as_ref()?;
        callee.offered.as_ref()?;
        callee.early.clone()
    }

    /// The callee who may be bridged.
    pub(crate) fn waiting(&self) -> Option<u32> {
        let dial = self.dial.as_ref()?;
        dial.winner.filter(|_| dial.ready)
    }

    /// What the waiting callee said, if it can be said to the caller who waits for its 200: as the
    /// answer to what the caller offered, or as an offer to one who offered nothing.
    pub(crate) fn waiting_description(&self) -> Option<Bytes> {
        let leg = self.legs.get(&self.waiting()?)?;
        let caller = self.legs.get(&CALLER)?.session.heard.as_ref();
        let offered = leg.callee.as_ref()?.offered.as_ref();
        if caller != offered {
            return None;
        }
        leg.session.heard.clone()
    }

    /// A callee has rung for the whole `timeout`.
    pub(crate) fn ring_timeout(&mut self, core: &mut Core, key: u32) {
        self.give_up(core, key, DialReason::RingTimeout);
    }

    /// Ends every leg of the `<Dial>`.
    pub(crate) fn cancel_dial(&mut self, core: &mut Core) {
        let Some(dial) = &mut self.dial else { return };
        dial.next = dial.plan.targets.len();
        for leg in dial.legs.clone() {
            self.give_up(core, leg, DialReason::Cancelled);
        }
        self.check_dial(core);
    }

    /// Ends a callee's leg. Its end is reported at once; the leg itself stays until nothing of it
    /// is under way, so that a late 2xx is answered and hung up.
    pub(crate) fn give_up(&mut self, core: &mut Core, key: u32, reason: DialReason) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let code = if leg.state == State::Confirmed {
            200
        } else {
            487
        };
        leg.hang_up(core);
        self.callee_over(core, key, reason, code);
    }

    /// Goes on with the next target, or says that all is over.
    pub(crate) fn check_dial(&mut self, core: &mut Core) {
        while let Some(dial) = &mut self.dial {
            if !dial.legs.is_empty() {
                return;
            }
            if dial.next < dial.plan.targets.len() {
                self.call_next(core);
                continue;
            }
            let outcomes = std::mem::take(&mut dial.outcomes);
            let id = dial.plan.id;
            self.dial = None;
            self.tell(CALLER, Event::DialEnded(id, outcomes));
        }
    }
}
