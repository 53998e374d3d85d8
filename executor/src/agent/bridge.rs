//! Two legs that talk: each is told what the other one says, so that their media meet without us.
//!
//! The rule is one: *each leg knows the description that the other leg sent last*. Whatever changes
//! a description (an answer, a re-INVITE, an ACK) is followed by [`Call::settle`], which sends a
//! re-INVITE to the leg that does not know it yet (RFC 3725 in spirit). A re-INVITE of a leg itself,
//! such as hold, is passed on, and answered with what the other leg answers.

use sip::Response;

use crate::dialog::FORWARDS;
use crate::run::Event;

use super::body;
use super::call::{CALLER, Call, own_description};
use super::core::Core;
use super::leg::{InviteReason, Inviting, Leg, State};
use super::modify::Relay;
use super::timer::Due;

/// The caller and one callee.
pub(crate) struct Bridge {
    pub(crate) callee: u32,
    /// Re-INVITEs of our own that may follow before one of the legs asks for something new.
    pub(crate) budget: u32,
    pub(crate) relay: Option<Relay>,
}

impl Bridge {
    /// The other one.
    pub(crate) fn other(&self, leg: u32) -> Option<u32> {
        match leg {
            CALLER => Some(self.callee),
            leg if leg == self.callee => Some(CALLER),
            _ => None,
        }
    }
}

impl Call {
    /// Connects the answered caller and the callee who waits.
    pub(crate) fn connect(&mut self, core: &mut Core) {
        let Some(callee) = self.waiting() else { return };
        if let Some(leg) = self.legs.get_mut(&callee) {
            leg.script = None;
            leg.media = None;
            if let Some(callee) = &mut leg.callee {
                callee.bridged = true;
            }
        }
        self.restore_owed = false;
        self.restore_wanted = false;
        self.bridge = Some(Bridge {
            callee,
            budget: BUDGET,
            relay: None,
        });
        self.settle(core);
    }

    /// The bridge is no more; the caller may be left with the description of nobody.
    pub(crate) fn disconnect(&mut self, core: &mut Core) {
        let Some(bridge) = self.bridge.take() else {
            return;
        };
        if let Some(relay) = bridge.relay {
            self.refuse_relay(core, relay, 487, "Request Terminated");
        }
        self.restore_owed = true;
    }

    /// Tells a leg of the bridge what it does not know of the other, one leg at a time.
    pub(crate) fn settle(&mut self, core: &mut Core) {
        let Some(bridge) = &mut self.bridge else {
            return self.settle_alone(core);
        };
        let quiet = |leg: Option<&Leg>| {
            leg.is_some_and(|leg| {
                leg.state == State::Confirmed && !leg.is_busy() && leg.retry.is_none()
            })
        };
        let callee = bridge.callee;
        if bridge.budget == 0 || !quiet(self.legs.get(&CALLER)) || !quiet(self.legs.get(&callee)) {
            return;
        }
        for (leg, other) in [(CALLER, callee), (callee, CALLER)] {
            let heard = self
                .legs
                .get(&other)
                .and_then(|other| other.session.heard.clone());
            let (Some(heard), Some(leg)) = (heard, self.legs.get_mut(&leg)) else {
                continue;
            };
            if !leg.session.knows(&heard) {
                bridge.budget -= 1;
                let body = leg.session.pass_on(&heard);
                leg.invite(core, InviteReason::Tell, FORWARDS, &[], Some(body));
                return;
            }
        }
    }

    /// The caller waits for its own description while a re-INVITE was under way.
    fn settle_alone(&mut self, core: &mut Core) {
        if self.restore_wanted {
            self.restore(core);
        }
    }

    /// Gives the caller our own description again, before it is to hear something of ours.
    pub(crate) fn restore(&mut self, core: &mut Core) {
        let Some(leg) = self.legs.get_mut(&CALLER) else {
            return;
        };
        if !self.restore_owed || leg.state != State::Confirmed {
            return;
        }
        if leg.session.is_ours() {
            self.restore_owed = false;
            self.restore_wanted = false;
            return;
        }
        if let Err(error) = leg.open_media(core) {
            tracing::error!(%error, "no media port");
            return;
        }
        self.restore_wanted = leg.is_busy() || leg.retry.is_some();
        if self.restore_wanted {
            return;
        }
        self.restore_owed = false;
        // An offer, not an answer: what the caller said last stays what it can do.
        let heard = leg.session.heard.take();
        let body = own_description(leg, core).ok();
        leg.session.heard = heard;
        leg.invite(core, InviteReason::Own, FORWARDS, &[], body);
    }

    /// The answer to a re-INVITE of our own.
    pub(crate) fn told(
        &mut self,
        core: &mut Core,
        key: u32,
        inviting: &Inviting,
        status: u16,
        response: Option<&Response>,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let answer = response.and_then(|response| body::description(&response.headers).ok()?);
        match (status, answer) {
            (200..300, Some(answer)) => {
                leg.session.heard = Some(answer);
                leg.connect_media();
            }
            // RFC 3261 §14.1: who made the Call-ID waits 2.1 to 4 seconds, the other one up to 2.
            (491, _) => {
                let millis = match leg.callee {
                    Some(_) => 2_100 + core.random.below(1_900),
                    None => core.random.below(2_000),
                };
                leg.session.forget_told();
                if inviting.reason == InviteReason::Own {
                    self.restore_owed = true;
                    self.restore_wanted = true;
                }
                let due = Due::Retry(leg.key);
                leg.retry = Some(core.start_timer(std::time::Duration::from_millis(millis), due));
                return;
            }
            // The session stays as it was (§14.1); asking again would get the same answer.
            _ => {}
        }
        self.lost_with(core, key, status);
        self.settle(core);
    }

    /// RFC 3261 §12.2.1.2: these two end the dialog.
    pub(crate) fn lost_with(&mut self, core: &mut Core, key: u32, status: u16) {
        if matches!(status, 408 | 481) {
            if let Some(leg) = self.legs.get_mut(&key) {
                leg.hang_up(core);
            }
            self.lost(core, key);
        }
    }

    /// A leg is no more: its run learns it, or the `<Dial>` it belongs to.
    pub(crate) fn lost(&mut self, core: &mut Core, key: u32) {
        if key == CALLER {
            self.tell(CALLER, Event::CallerHungUp);
        } else {
            self.callee_hung_up(core, key);
        }
    }
}

/// Re-INVITEs of our own in a row. Two descriptions settle in two or three.
pub(crate) const BUDGET: u32 = 8;
