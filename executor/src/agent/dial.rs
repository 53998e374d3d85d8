//! `<Dial>`: whom to call next, who has won, and when all is over.

use ::media::RecordId;

use crate::media::LegMedia;
use crate::observer::CallEvent;
use crate::run::{DialOutcome, DialPlan, DialReason, Event, LegStage, Recording, Trace};

use super::LegKey;
use super::call::Call;
use super::core::Core;
use super::leg::{Leg, State};
use super::timer::Due;

/// A `<Dial>` under way. It belongs to the leg whose document has it.
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
    /// Its recording in the session of its leg, once that has begun.
    pub(crate) tape: Option<RecordId>,
    /// What was recorded of it.
    pub(crate) recording: Option<Recording>,
}

impl Dial {
    /// Whether nobody is called any more, nor will be.
    pub(crate) fn is_over(&self) -> bool {
        self.legs.is_empty() && self.next >= self.plan.targets.len()
    }
}

impl Dial {
    /// Ends its recording; whether the file is complete, if there is one.
    fn is_written(&self, media: &mut Option<LegMedia>) -> bool {
        let (Some(tape), Some(media)) = (self.tape, media) else {
            return true;
        };
        media.stop_record(tape);
        !media.is_recording(tape)
    }
}

impl Leg {
    /// The callee of its `<Dial>` who may be bridged.
    pub(crate) fn waiting(&self) -> Option<u32> {
        let dial = self.dial.as_ref()?;
        dial.winner.filter(|_| dial.ready)
    }
}

impl Call {
    pub(crate) fn start_dial(&mut self, core: &mut Core, owner: u32, plan: DialPlan) {
        self.cancel_dial(core, owner);
        let Some(leg) = self.legs.get_mut(&owner) else {
            return;
        };
        debug_assert!(leg.dial.is_none(), "one <Dial> at a time");
        let at_once = if plan.sequential {
            1
        } else {
            plan.targets.len()
        };
        leg.dial = Some(Dial {
            plan,
            next: 0,
            legs: Vec::new(),
            winner: None,
            ready: false,
            outcomes: Vec::new(),
            tape: None,
            recording: None,
        });
        for _ in 0..at_once {
            self.call_next(core, owner);
        }
        self.check_dial(core, owner);
        self.follow(owner);
    }

    /// The `<Dial>` of a leg.
    pub(crate) fn dial(&mut self, owner: u32) -> Option<&mut Dial> {
        self.legs.get_mut(&owner)?.dial.as_mut()
    }

    /// The `<Dial>` that a callee is being called by, or was set aside with.
    pub(crate) fn dial_with(&mut self, key: u32) -> Option<&mut Dial> {
        let owner = self.parent(key)?;
        let leg = self.legs.get_mut(&owner)?;
        let mut dials = leg.dial.iter_mut().chain(&mut leg.aside);
        dials.find(|dial| dial.legs.contains(&key))
    }

    /// The leg whose `<Dial>` a callee belongs to.
    pub(crate) fn parent(&self, key: u32) -> Option<u32> {
        let callee = self.legs.get(&key)?.callee.as_ref()?;
        Some(callee.parent)
    }

    /// Calls the next target.
    fn call_next(&mut self, core: &mut Core, owner: u32) {
        let Some(dial) = self.dial(owner) else { return };
        let Some(target) = dial.plan.targets.get(dial.next).cloned() else {
            return;
        };
        dial.next += 1;
        let caller_id = dial.plan.caller_id.clone();
        let timeout = dial.plan.timeout;
        match self.call(core, owner, &target, caller_id.as_deref()) {
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
                if let Some(dial) = self.dial(owner) {
                    dial.legs.push(key);
                }
            }
            Err((status, text)) => {
                let topic = "Dial";
                self.record(core, owner, CallEvent::Trace(Trace { topic, text }));
                let outcome = DialOutcome {
                    sip_code: Some(status),
                    ..DialOutcome::default()
                };
                if let Some(dial) = self.dial(owner) {
                    dial.outcomes.push(outcome);
                }
            }
        }
    }

    /// A callee has rung for the whole `timeout`, or a recording server for as long as it may.
    pub(crate) fn ring_timeout(&mut self, core: &mut Core, key: u32) {
        if self.is_recorder(key) {
            return self.recorder_overdue(core, key);
        }
        self.give_up(core, key, DialReason::RingTimeout);
    }

    /// Ends every leg of the `<Dial>`.
    pub(crate) fn cancel_dial(&mut self, core: &mut Core, owner: u32) {
        let Some(dial) = self.dial(owner) else { return };
        dial.next = dial.plan.targets.len();
        for leg in dial.legs.clone() {
            self.give_up(core, leg, DialReason::Cancelled);
        }
        self.check_dial(core, owner);
    }

    /// Ends every leg of a leg's `<Dial>`s, whose run is over. A transferee lives on.
    pub(crate) fn drop_dials(&mut self, core: &mut Core, owner: u32) {
        self.cancel_dial(core, owner);
        let Some(leg) = self.legs.get_mut(&owner) else {
            return;
        };
        let aside = std::mem::take(&mut leg.aside);
        leg.dial = None;
        for key in aside.into_iter().flat_map(|dial| dial.legs) {
            if self.callee(key).is_some_and(|callee| !callee.transferred) {
                self.give_up(core, key, DialReason::Cancelled);
            }
        }
        self.tell_recording(core, owner, None);
        self.follow(owner);
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

    /// Goes on with the next target of a leg's `<Dial>`, and says what is over.
    pub(crate) fn check_dial(&mut self, core: &mut Core, owner: u32) {
        while let Some(dial) = self.dial(owner)
            && dial.legs.is_empty()
            && dial.next < dial.plan.targets.len()
        {
            self.call_next(core, owner);
        }
        let Some(Leg {
            dial, aside, media, ..
        }) = self.legs.get_mut(&owner)
        else {
            return;
        };
        aside.extend(dial.take_if(|dial| dial.is_over()));
        let ended = |dial: &mut Dial| dial.is_over() && dial.is_written(media);
        let ended: Vec<_> = aside.extract_if(.., ended).collect();
        for mut dial in ended {
            for outcome in &mut dial.outcomes {
                outcome.recording.clone_from(&dial.recording);
            }
            self.tell_recording(core, owner, dial.recording.as_ref());
            self.tell(owner, Event::DialEnded(dial.plan.id, dial.outcomes));
        }
    }
}
