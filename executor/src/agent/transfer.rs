//! Transfers that the other end asks for: REFER in a dialog of ours (RFC 3515, RFC 4488).
//!
//! The run decides; here the REFER is answered, its subscription is served, and callees change
//! hands: a callee can be set aside with its whole `<Dial>`, and can get a document of its own.

use std::sync::Arc;

use bytes::Bytes;
use sip::{HeaderName, Reply, Request, ServerId};

use crate::ErrorCode;
use crate::run::{DialReason, Event, Party, Run, TransferPlan};

use super::call::Call;
use super::core::{Core, Incoming, Purpose};
use super::leg::{Leg, PRODUCT, State};
use super::script::Script;

/// A REFER that is being worked off.
pub(crate) struct Referral {
    server: ServerId,
    request: Request,
    /// The value of Event in its NOTIFYs.
    event: String,
    /// The peer wants no NOTIFYs (RFC 4488 §4.1).
    silent: bool,
    answered: bool,
}

impl Call {
    /// REFER of the other end of a leg. Only of two who talk one can transfer the other.
    pub(crate) fn referred(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let owner = self.owner_of_bridge(key);
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(owner) = owner.filter(|_| leg.referral.is_none()) else {
            core.answer(&leg.tag, incoming, 603, "Decline");
            let text = "REFER declined: there is nobody to transfer, or a transfer is under way";
            return core
                .journal
                .notice(&leg.tag, ErrorCode::INBOUND_REFER, text);
        };
        let headers = &incoming.request.headers;
        let mut targets = headers.all(HeaderName::ReferTo);
        let (Some(target), None, Some(server)) = (targets.next(), targets.next(), incoming.server)
        else {
            // RFC 3515 §2.4.2: exactly one Refer-To.
            return core.answer(&leg.tag, incoming, 400, "Bad Request");
        };
        let refer_to = String::from_utf8_lossy(&sip::unfold(target)).into_owned();
        let number = crate::dialog::cseq(headers).unwrap_or(0);
        let silent = headers
            .first(HeaderName::ReferSub)
            .is_some_and(|value| sip::trim(value).eq_ignore_ascii_case(b"false"));
        // §2.4.6: the first subscription of a dialog needs no `id`.
        let event = match std::mem::replace(&mut leg.was_referred, true) {
            false => "refer".to_owned(),
            true => format!("refer;id={number}"),
        };
        leg.referral = Some(Referral {
            server,
            request: incoming.request.clone(),
            event,
            silent,
            answered: false,
        });
        let by = if key == owner {
            Party::Caller
        } else {
            Party::Callee
        };
        self.tell(owner, Event::ReferRequested { by, refer_to });
    }

    /// The leg whose `<Dial>` holds the bridge that a leg is in.
    fn owner_of_bridge(&self, key: u32) -> Option<u32> {
        let other = self.partner(key)?;
        let owner = if self.parent(other) == Some(key) {
            key
        } else {
            other
        };
        let leg = self.legs.get(&owner)?;
        (leg.state == State::Confirmed).then_some(owner)
    }

    /// The leg of a party of a `<Dial>`, also while that is set aside.
    fn party(&self, owner: u32, party: Party) -> Option<u32> {
        match party {
            Party::Caller => Some(owner),
            Party::Callee => {
                let leg = self.legs.get(&owner)?;
                let referring = |key: &u32| {
                    let leg = self.legs.get(key);
                    leg.is_some_and(|leg| leg.referral.is_some())
                };
                let dials = leg.aside.iter().chain(&leg.dial);
                dials.filter_map(|dial| dial.winner).find(referring)
            }
        }
    }

    /// Answers the REFER of a party; 202 begins its subscription with `100 Trying`.
    pub(crate) fn answer_refer(&mut self, core: &mut Core, owner: u32, by: Party, status: u16) {
        let Some(leg) = self
            .party(owner, by)
            .and_then(|key| self.legs.get_mut(&key))
        else {
            return;
        };
        let contact = core
            .names
            .contact(&core.way(&leg.dialog.next_hop(), &leg.path));
        let Some(referral) = leg.referral.as_mut().filter(|referral| !referral.answered) else {
            return;
        };
        referral.answered = true;
        let mut reply = Reply::new(&referral.request, status, sip::reason_phrase(status))
            .header("Contact", contact)
            .header("Server", PRODUCT);
        if referral.silent && status < 300 {
            reply = reply.header("Refer-Sub", "false");
        }
        core.respond(&leg.tag, referral.server, &reply.build());
        if status < 300 {
            leg.notify(core, 100, "active;expires=120");
        } else {
            leg.referral = None;
        }
    }

    /// The last NOTIFY of a party's REFER.
    pub(crate) fn notify_refer(&mut self, core: &mut Core, owner: u32, by: Party, status: u16) {
        if let Some(leg) = self
            .party(owner, by)
            .and_then(|key| self.legs.get_mut(&key))
        {
            leg.notify(core, status, "terminated;reason=noresource");
            leg.referral = None;
        }
    }

    /// Sets the `<Dial>` of a leg aside, with its callee.
    pub(crate) fn park_callee(&mut self, owner: u32) {
        if let Some(leg) = self.legs.get_mut(&owner) {
            leg.aside.extend(leg.dial.take());
        }
        self.follow(owner);
    }

    /// The callee who was set aside.
    fn parked(&self, owner: u32) -> Option<u32> {
        let leg = self.legs.get(&owner)?;
        leg.aside.iter().find_map(|dial| dial.winner)
    }

    /// Puts the callee who was set aside back in its place. If it is gone meanwhile, that was told.
    pub(crate) fn restore_callee(&mut self, core: &mut Core, owner: u32) {
        if let Some(leg) = self.legs.get_mut(&owner)
            && leg.dial.is_none()
            && let Some(at) = leg.aside.iter().position(|dial| dial.winner.is_some())
        {
            leg.dial = Some(leg.aside.swap_remove(at));
        }
        self.check_dial(core, owner);
        self.follow(owner);
    }

    /// Ends the leg of the callee who was set aside.
    pub(crate) fn release_callee(&mut self, core: &mut Core, owner: u32) {
        if let Some(key) = self.parked(owner) {
            self.give_up(core, key, DialReason::CalleeHungUp);
        }
    }

    /// The callee who was set aside has a document of its own: for its `<Dial>` it is gone.
    pub(crate) fn let_callee_go(&mut self, core: &mut Core, owner: u32) {
        let Some(key) = self.parked(owner) else {
            return;
        };
        if let Some(leg) = self.legs.get(&key) {
            let outcome = leg.outcome(core, DialReason::CalleeHungUp, 200);
            self.report(core, key, outcome);
        }
    }

    /// Gives the bridged callee a document of its own.
    pub(crate) fn transfer_callee(&mut self, core: &mut Core, owner: u32, plan: TransferPlan) {
        let Some(key) = self.legs.get(&owner).and_then(Leg::waiting) else {
            return;
        };
        self.park_callee(owner);
        if !plan.kept {
            self.let_callee_go(core, owner);
        }
        let run = Run::transferee(core.settings.run(&self.domain), plan);
        let context = Arc::clone(self.context_of(key));
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        leg.script = Some(Script::new(run, context, core.now));
        if let Some(callee) = &mut leg.callee {
            callee.transferred = true;
        }
        self.tell(key, Event::Start);
    }

    /// The run of a callee is over. That of a screened one has said before what becomes of it; that
    /// of a transferee ends its leg.
    pub(crate) fn transferee_finished(&mut self, core: &mut Core, key: u32) {
        let transferred = self.callee(key).is_some_and(|callee| callee.transferred);
        if transferred {
            self.drop_dials(core, key);
            self.give_up(core, key, DialReason::CalleeHungUp);
        }
    }

    /// A transferee knows how its transfer went: so does the run that it may come back to.
    pub(crate) fn transfer_done(&mut self, core: &mut Core, key: u32, status: u16) {
        let Some(owner) = self.parent(key) else {
            return;
        };
        if self.parked(owner) != Some(key) {
            return;
        }
        if status >= 300 {
            // The leg is the caller's again, whatever its own run has come to.
            if let Some(callee) = self.callee(key) {
                callee.transferred = false;
            }
            self.drop_dials(core, key);
            self.restore_callee(core, owner);
        }
        self.tell(owner, Event::TransferEnded(status));
    }
}

impl Leg {
    /// NOTIFY of the REFER that is worked off (RFC 3515 §2.4.4).
    fn notify(&mut self, core: &mut Core, status: u16, state: &str) {
        let Some(referral) = self.referral.as_ref().filter(|referral| !referral.silent) else {
            return;
        };
        if self.is_over() {
            return;
        }
        let event = referral.event.clone();
        let contact = core
            .names
            .contact(&core.way(&self.dialog.next_hop(), &self.path));
        let headers: [(&str, &[u8]); 4] = [
            ("Contact", contact.as_bytes()),
            ("Event", event.as_bytes()),
            ("Subscription-State", state.as_bytes()),
            ("User-Agent", PRODUCT),
        ];
        let fragment = format!("SIP/2.0 {status} {}\r\n", sip::reason_phrase(status));
        let body = ("message/sipfrag;version=2.0", Bytes::from(fragment));
        self.send(core, Purpose::Nothing, "NOTIFY", &headers, Some(body));
    }
}
