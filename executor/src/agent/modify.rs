//! Re-INVITE and UPDATE from the other end (RFC 3261 §14.2, RFC 3311): answered by ourselves, also
//! in a bridge, since the peer's media are with us.

use sip::{Method, Reply};

use crate::sdp::Description;

use super::body;
use super::call::Call;
use super::core::{Core, Incoming};
use super::leg::{Invited, Leg};

impl Call {
    /// A re-INVITE or UPDATE in a dialog (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(crate) fn modified(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let invite = incoming.request.method() == Method::Invite;
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Ok(offer) = body::description(&incoming.request.headers) else {
            let headers = [("Accept", ACCEPT)];
            return refuse(core, leg, incoming, 415, "Unsupported Media Type", &headers);
        };
        let Ok(offer) = offer.map(|offer| Description::parse(&offer)).transpose() else {
            return refuse(core, leg, incoming, 400, "Bad Session Description", &[]);
        };
        let negotiates = invite || offer.is_some();
        // RFC 3311 §5.2: our offer has no answer yet.
        if leg.inviting.is_some() && negotiates {
            return refuse(core, leg, incoming, 491, "Request Pending", &[]);
        }
        match &leg.invited {
            Some(invited) if invited.answered.is_none() && negotiates => {
                let after = core.random.below(10).to_string();
                let headers = [("Retry-After", &*after)];
                return refuse(core, leg, incoming, 500, "Server Internal Error", &headers);
            }
            Some(_) if negotiates => {
                return refuse(core, leg, incoming, 491, "Request Pending", &[]);
            }
            _ => {}
        }
        // Before the answer the target is where the INVITE went, and goes again when challenged.
        if leg.inviting.is_none() {
            leg.dialog.refresh(&incoming.request.headers);
        }
        if invite {
            reinvited(core, leg, incoming, offer);
        } else {
            updated(core, leg, incoming, offer.as_ref());
        }
        self.follow(key);
    }
}

/// A re-INVITE: our answer, or our offer, which the ACK answers.
fn reinvited(core: &mut Core, leg: &mut Leg, incoming: &Incoming, offer: Option<Description>) {
    let Some(server) = incoming.server else {
        return;
    };
    leg.invited = Some(Invited {
        server,
        number: crate::dialog::cseq(&incoming.request.headers).unwrap_or(0),
        request: incoming.request.clone(),
        initial: false,
        offer,
        described: None,
        offered: false,
        reliable: None,
        answered: None,
    });
    match leg.described(core) {
        Ok(body) => leg.accept(core, body),
        Err(status) => leg.reject(core, status, sip::reason_phrase(status), &[]),
    }
}

/// UPDATE: without a description it refreshes the target, no more.
fn updated(core: &mut Core, leg: &mut Leg, incoming: &Incoming, offer: Option<&Description>) {
    let body = match offer.map(|offer| leg.answer(core, offer)).transpose() {
        Ok(body) => body,
        Err(status) => return refuse(core, leg, incoming, status, sip::reason_phrase(status), &[]),
    };
    let contact = leg.contact(core, &core.way(&leg.dialog.next_hop(), &leg.path));
    let mut reply = Reply::new(&incoming.request, 200, "OK").header("Contact", contact);
    if let Some(body) = body {
        reply = reply.body("application/sdp", body);
    }
    if let Some(server) = incoming.server {
        core.respond(&leg.tag, server, &reply.build());
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
