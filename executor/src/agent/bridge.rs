//! Two legs that talk: each is told what the other one says, so that their media meet without us.
//!
//! The rule is one: *each leg knows the description that the other leg sent last*. Whatever changes
//! a description (an answer, a re-INVITE, an ACK) is followed by [`Call::settle`], which sends a
//! re-INVITE to the leg that does not know it yet (RFC 3725 in spirit). A re-INVITE of a leg itself,
//! such as hold, is passed on, and answered with what the other leg answers.

use bytes::Bytes;
use sip::{Reply, Request, Response, ServerId};

use crate::dialog::FORWARDS;
use crate::run::Event;

use super::body;
use super::call::{CALLER, Call, own_description};
use super::core::{Core, Incoming};
use super::leg::{InviteReason, Invited, Inviting, Leg, State, Told};
use super::timer::Due;

/// The caller and one callee.
pub(crate) struct Bridge {
    pub(crate) callee: u32,
    /// Re-INVITEs of our own that may follow before one of the legs asks for something new.
    budget: u32,
    relay: Option<Relay>,
}

/// A re-INVITE or UPDATE of one leg that waits for the answer of the other.
struct Relay {
    from: u32,
    server: ServerId,
    request: Request,
    invite: bool,
    offer: Bytes,
    /// What the other leg was told before, and still knows if it refuses.
    before: Told,
}

impl Bridge {
    /// The other one.
    fn other(&self, leg: u32) -> Option<u32> {
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

    /// A re-INVITE or UPDATE in a dialog (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(crate) fn modified(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let invite = incoming.request.method() == sip::Method::Invite;
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Ok(offer) = body::description(&incoming.request.headers) else {
            return refuse(
                core,
                leg,
                incoming,
                415,
                "Unsupported Media Type",
                &[("Accept", ACCEPT)],
            );
        };
        if leg.inviting.is_some() && (invite || offer.is_some()) {
            return refuse(core, leg, incoming, 491, "Request Pending", &[]);
        }
        match &leg.invited {
            Some(invited) if invited.answered.is_none() && (invite || offer.is_some()) => {
                let after = core.random.below(10).to_string();
                let headers = [("Retry-After", &*after)];
                return refuse(core, leg, incoming, 500, "Server Internal Error", &headers);
            }
            Some(_) if invite || offer.is_some() => {
                return refuse(core, leg, incoming, 491, "Request Pending", &[]);
            }
            _ => {}
        }
        leg.dialog.refresh(&incoming.request.headers);
        let Some(server) = incoming.server else {
            return;
        };
        if invite {
            leg.invited = Some(Invited {
                server,
                number: crate::dialog::cseq(&incoming.request.headers).unwrap_or(0),
                request: incoming.request.clone(),
                initial: false,
                answered: None,
            });
        }
        match (
            offer,
            self.bridge.as_ref().and_then(|bridge| bridge.other(key)),
        ) {
            (None, _) if !invite => self.plain_answer(core, key, incoming),
            (Some(offer), Some(other)) => self.relay(core, key, other, incoming, offer),
            (None, Some(other)) => self.offer_of_other(core, key, other, incoming),
            (offer, None) => self.modified_alone(core, key, incoming, offer),
        }
    }

    /// UPDATE without a description refreshes the target, no more.
    fn plain_answer(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get(&key) else {
            return;
        };
        let contact = core
            .names
            .contact(&core.way(&leg.dialog.next_hop(), &leg.path));
        if let Some(server) = incoming.server {
            let reply = Reply::new(&incoming.request, 200, "OK").header("Contact", contact);
            core.respond(&leg.tag, server, &reply.build());
        }
    }

    /// Passes an offer on to the other leg; its answer is ours.
    fn relay(&mut self, core: &mut Core, key: u32, other: u32, incoming: &Incoming, offer: Bytes) {
        let free = self.legs.get(&other).is_some_and(|leg| {
            leg.state == State::Confirmed && !leg.is_busy() && leg.retry.is_none()
        });
        let (Some(server), true) = (incoming.server, free) else {
            return self.refuse_modified(core, key, incoming, 491, "Request Pending");
        };
        let Some(leg) = self.legs.get_mut(&other) else {
            return;
        };
        let before = leg.session.last_told();
        let body = leg.session.pass_on(&offer);
        if !leg.invite(core, InviteReason::Relay, FORWARDS, &[], Some(body)) {
            return self.refuse_modified(core, key, incoming, 503, "Service Unavailable");
        }
        if let Some(bridge) = &mut self.bridge {
            bridge.budget = BUDGET;
            bridge.relay = Some(Relay {
                from: key,
                server,
                request: incoming.request.clone(),
                invite: incoming.request.method() == sip::Method::Invite,
                offer,
                before,
            });
        }
    }

    /// The other leg has answered what was passed on to it.
    pub(crate) fn relay_done(
        &mut self,
        core: &mut Core,
        key: u32,
        status: u16,
        response: Option<&Response>,
    ) {
        let Some(relay) = self.bridge.as_mut().and_then(|bridge| bridge.relay.take()) else {
            return self.settle(core);
        };
        let answer = response.and_then(|response| body::description(&response.headers).ok()?);
        match answer.filter(|_| (200..300).contains(&status)) {
            Some(answer) => {
                if let Some(leg) = self.legs.get_mut(&key) {
                    leg.session.heard = Some(answer.clone());
                }
                self.answer_relay(core, relay, &answer);
            }
            None => {
                if let Some(leg) = self.legs.get_mut(&key) {
                    leg.session.told_again(relay.before.clone());
                }
                let status = if status < 300 { 500 } else { status };
                let reason = response.filter(|_| status != 500).map(Response::reason);
                let reason = String::from_utf8_lossy(reason.unwrap_or(b"Failed")).into_owned();
                self.refuse_relay(core, relay, status, &reason);
            }
        }
        self.lost_with(core, key, status);
        self.settle(core);
    }

    fn answer_relay(&mut self, core: &mut Core, relay: Relay, answer: &Bytes) {
        let Some(leg) = self.legs.get_mut(&relay.from) else {
            return;
        };
        leg.session.heard = Some(relay.offer);
        let body = leg.session.pass_on(answer);
        if relay.invite {
            leg.accept(core, &body, false);
            return;
        }
        let contact = core
            .names
            .contact(&core.way(&leg.dialog.next_hop(), &leg.path));
        let reply = Reply::new(&relay.request, 200, "OK").header("Contact", contact);
        core.respond(
            &leg.tag,
            relay.server,
            &reply.body("application/sdp", body).build(),
        );
    }

    fn refuse_relay(&mut self, core: &mut Core, relay: Relay, status: u16, reason: &str) {
        let Some(leg) = self.legs.get_mut(&relay.from) else {
            return;
        };
        if relay.invite {
            leg.reject(core, status, reason, &[]);
        } else {
            let response = Reply::new(&relay.request, status, reason).build();
            core.respond(&leg.tag, relay.server, &response);
        }
    }

    /// CANCEL of a re-INVITE that was passed on.
    pub(crate) fn relay_cancelled(&mut self, core: &mut Core, key: u32) {
        let Some(bridge) = &mut self.bridge else {
            return;
        };
        let Some(relay) = bridge.relay.take_if(|relay| relay.from == key) else {
            return;
        };
        let other = bridge.other(relay.from);
        let inviting = other.and_then(|other| self.legs.get(&other)?.inviting.as_ref());
        if let Some(inviting) = inviting {
            core.layer.cancel(inviting.client, None, core.now);
        }
    }

    /// A re-INVITE without an offer: the other leg's description is ours, and the ACK answers it.
    fn offer_of_other(&mut self, core: &mut Core, key: u32, other: u32, incoming: &Incoming) {
        let heard = self
            .legs
            .get(&other)
            .and_then(|other| other.session.heard.clone());
        let (Some(heard), Some(leg)) = (heard, self.legs.get_mut(&key)) else {
            return self.refuse_modified(core, key, incoming, 500, "Server Internal Error");
        };
        if let Some(bridge) = &mut self.bridge {
            bridge.budget = BUDGET;
        }
        let body = leg.session.pass_on(&heard);
        leg.accept(core, &body, true);
    }

    /// A re-INVITE or UPDATE of a leg that talks to nobody but us.
    fn modified_alone(
        &mut self,
        core: &mut Core,
        key: u32,
        incoming: &Incoming,
        offer: Option<Bytes>,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let offered = offer.is_none();
        let before = std::mem::replace(&mut leg.session.heard, offer);
        let body = match own_description(leg, core) {
            Ok(body) => body,
            Err(status) => {
                leg.session.heard = before;
                leg.connect_media();
                let reason = if status == 488 {
                    "Not Acceptable Here"
                } else {
                    "Service Unavailable"
                };
                return self.refuse_modified(core, key, incoming, status, reason);
            }
        };
        if offered {
            leg.session.heard = before;
        }
        if incoming.request.method() == sip::Method::Invite {
            return leg.accept(core, &body, offered);
        }
        let contact = core
            .names
            .contact(&core.way(&leg.dialog.next_hop(), &leg.path));
        if let Some(server) = incoming.server {
            let reply = Reply::new(&incoming.request, 200, "OK").header("Contact", contact);
            core.respond(
                &leg.tag,
                server,
                &reply.body("application/sdp", body).build(),
            );
        }
    }

    fn refuse_modified(
        &mut self,
        core: &mut Core,
        key: u32,
        incoming: &Incoming,
        status: u16,
        reason: &str,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        if incoming.request.method() == sip::Method::Invite {
            leg.reject(core, status, reason, &[]);
        } else {
            core.answer(&leg.tag, incoming, status, reason);
        }
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
    fn lost_with(&mut self, core: &mut Core, key: u32, status: u16) {
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

fn refuse(
    core: &mut Core,
    leg: &Leg,
    incoming: &Incoming,
    status: u16,
    reason: &str,
    headers: &[(&str, &str)],
) {
    let Some(server) = incoming.server else {
        return;
    };
    let mut reply = Reply::new(&incoming.request, status, reason);
    for (name, value) in headers {
        reply = reply.header(name, value);
    }
    core.respond(&leg.tag, server, &reply.build());
}

/// What we accept in INVITE and UPDATE.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// Re-INVITEs of our own in a row. Two descriptions settle in two or three.
const BUDGET: u32 = 8;
