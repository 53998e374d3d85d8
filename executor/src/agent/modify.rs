//! Re-INVITE and UPDATE from the other end (RFC 3261 §14.2, RFC 3311): answered by ourselves, or, in
//! a bridge, by the other leg.

use bytes::Bytes;
use sip::{Reply, Request, Response, ServerId};

use crate::dialog::FORWARDS;

use super::body;
use super::bridge::BUDGET;
use super::call::{Call, own_description};
use super::core::{Core, Incoming};
use super::leg::{InviteReason, Invited, Leg, State};
use super::session::Told;

/// A re-INVITE or UPDATE of one leg that waits for the answer of the other.
pub(crate) struct Relay {
    from: u32,
    server: ServerId,
    request: Request,
    invite: bool,
    offer: Bytes,
    /// What the other leg was told before, and still knows if it refuses.
    before: Told,
}

impl Call {
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
    fn plain_answer(&self, core: &mut Core, key: u32, incoming: &Incoming) {
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
    pub(crate) fn relay(
        &mut self,
        core: &mut Core,
        key: u32,
        other: u32,
        incoming: &Incoming,
        offer: Bytes,
    ) {
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

    pub(crate) fn refuse_relay(
        &mut self,
        core: &mut Core,
        relay: Relay,
        status: u16,
        reason: &str,
    ) {
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
