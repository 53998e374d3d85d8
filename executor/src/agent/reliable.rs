//! Provisional responses that are repeated until they are acknowledged (RFC 3262): those to a caller
//! who requires it. One that only supports it is not made to: without reliability it loses nothing, and with it, where it
//! does not keep its word, the call.

use std::time::Duration;

use bytes::Bytes;
use sip::{HeaderName, Headers, Instant, Reply, Request};

use crate::run::Event;
use crate::sdp::Description;

use super::body;
use super::call::Call;
use super::core::{Core, Incoming};
use super::leg::Leg;
use super::timer::{Due, Timer};

/// The responses to one INVITE, and which of them waits for its PRACK.
pub(crate) struct Reliable {
    /// The last RSeq.
    number: u32,
    waiting: Option<Waiting>,
    /// What was to be said meanwhile, with its description: one goes after the other (§3).
    next: Option<Option<Bytes>>,
    /// The call is answered when nothing waits any more.
    answers: bool,
}

/// A response that has no PRACK yet.
struct Waiting {
    status: u16,
    wire: Bytes,
    described: bool,
    interval: Duration,
    deadline: Instant,
    timer: Timer,
}

impl Reliable {
    /// What the caller requires. `random` is where the numbers begin.
    pub(crate) fn of(invite: &Request, random: u64) -> Option<Self> {
        let mut required = invite.headers.list(HeaderName::Require);
        let required = required.any(|tag| tag.eq_ignore_ascii_case(TAG.as_bytes()));
        required.then(|| Self {
            // §3: the first one is of the lower half of all numbers.
            number: random as u32 >> 1,
            waiting: None,
            next: None,
            answers: false,
        })
    }

    /// Whether a 200 has to wait, since a description would not be known to have come (§3). It is
    /// sent then when it may be.
    pub(crate) fn delays_answer(&mut self) -> bool {
        let waits = self.waiting.as_ref().is_some_and(|it| it.described);
        self.answers |= waits;
        waits
    }

    /// Whether a 200 waits.
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// Whether RAck names what waits; then it waits no more.
    fn acknowledged(&mut self, headers: &Headers, invite: u32) -> bool {
        let wanted = (self.number, invite);
        if self.waiting.is_none() || rack(headers) != Some(wanted) {
            return false;
        }
        self.waiting = None;
        true
    }
}

impl Leg {
    /// Tells the caller that it rings, or with a description lets it hear what there is: 180 or 183.
    pub(crate) fn ring(&mut self, core: &mut Core, body: Option<Bytes>) {
        let next_hop = self.dialog.next_hop();
        let contact = core.names.contact(&core.way(&next_hop, &self.path));
        let Some(invited) = &mut self.invited else {
            return;
        };
        let answers = invited.reliable.as_ref().is_some_and(Reliable::answers);
        if invited.answered.is_some() || answers {
            return;
        }
        let mut reliable = invited.reliable.as_mut();
        if let Some(reliable) = &mut reliable
            && reliable.waiting.is_some()
        {
            // Of several only the last counts, and what is described more than what is not.
            if body.is_some() || reliable.next.is_none() {
                reliable.next = Some(body);
            }
            return;
        }
        let (status, reason) = match body {
            Some(_) => (183, "Session Progress"),
            None => (180, "Ringing"),
        };
        let mut reply = Reply::new(&invited.request, status, reason)
            .to_tag(&self.dialog.local_tag)
            .record_route()
            .header("Contact", contact);
        if let Some(reliable) = &mut reliable {
            reliable.number += 1;
            reply = reply
                .header("Require", TAG)
                .header("RSeq", reliable.number.to_string());
        }
        let described = body.is_some();
        if let Some(body) = body {
            reply = reply.body("application/sdp", body);
        }
        let response = reply.build();
        core.respond(&self.tag, invited.server, &response);
        if let Some(reliable) = reliable {
            let t1 = core.settings.timers.t1;
            reliable.waiting = Some(Waiting {
                status,
                wire: response.to_bytes(),
                described,
                interval: t1,
                deadline: core.now + t1 * 64,
                timer: core.start_timer(t1, Due::Provisional(self.key)),
            });
        }
    }

    /// No PRACK yet: the response once more, at doubled intervals. `false`: it is given up (§3).
    fn ring_overdue(&mut self, core: &mut Core) -> bool {
        let Some(invited) = &mut self.invited else {
            return true;
        };
        let waiting = invited.reliable.as_mut().and_then(|it| it.waiting.as_mut());
        let Some(waiting) = waiting else {
            return true;
        };
        if core.now >= waiting.deadline {
            return false;
        }
        let (server, status, wire) = (invited.server, waiting.status, waiting.wire.clone());
        core.layer.respond(server, status, wire, core.now);
        waiting.interval *= 2;
        let left = waiting.deadline - core.now;
        waiting.timer = core.start_timer(waiting.interval.min(left), Due::Provisional(self.key));
        true
    }
}

impl Call {
    /// PRACK: the caller has our response, and may have an offer (§5).
    pub(crate) fn pracked(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let (Some(leg), Some(server)) = (self.legs.get_mut(&key), incoming.server) else {
            return;
        };
        let headers = &incoming.request.headers;
        let reliable = leg.invited.as_mut().and_then(|invited| {
            let number = invited.number;
            let reliable = invited.reliable.as_mut()?;
            reliable.acknowledged(headers, number).then_some(reliable)
        });
        let Some(reliable) = reliable else {
            return core.answer(&leg.tag, incoming, 481, "Call/Transaction Does Not Exist");
        };
        let (next, answers) = (reliable.next.take(), std::mem::take(&mut reliable.answers));
        let offer = body::description(headers).ok().flatten();
        let offer = offer.and_then(|offer| Description::parse(&offer).ok());
        let reply = match offer.map(|offer| leg.answer(core, &offer)) {
            None => Reply::new(&incoming.request, 200, "OK"),
            Some(Ok(body)) => {
                Reply::new(&incoming.request, 200, "OK").body("application/sdp", body)
            }
            Some(Err(status)) => Reply::new(&incoming.request, status, sip::reason_phrase(status)),
        };
        core.respond(&leg.tag, server, &reply.build());
        if answers {
            self.answer(core);
        } else if let Some(body) = next {
            leg.ring(core, body);
        }
        self.follow(key);
    }

    /// A response has had no PRACK for some time: again, or the call is over.
    pub(crate) fn ring_overdue(&mut self, core: &mut Core, key: u32) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        if !leg.ring_overdue(core) {
            leg.reject(core, 504, "Server Time-out", &[]);
            self.tell(key, Event::CallerHungUp);
        }
    }
}

/// RAck: RSeq and CSeq of the response to an INVITE (§7.2).
fn rack(headers: &Headers) -> Option<(u32, u32)> {
    let value = headers.named(b"RAck").next()?;
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let numbers = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next() == Some("INVITE") && words.next().is_none()).then_some(numbers)
}

/// The option of RFC 3262.
pub(crate) const TAG: &str = "100rel";
