//! Requests within a dialog (RFC 3261 §12.2.2).

use bytes::Bytes;
use sip::{HeaderName, Method, Reply, Request};

use crate::ErrorCode;
use crate::observer::{CallEvent, SipMessage};
use crate::run::Event;
use crate::sdp::Description;

use super::body;
use super::call::{CALLER, Call};
use super::core::{Core, Incoming, Purpose};
use super::leg::{AckWait, Leg, State};
use super::refer;

impl Call {
    /// A request in the dialog of a leg, other than ACK and CANCEL.
    pub(crate) fn request(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        self.spend();
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        received(core, leg, incoming);
        if leg.dialog.advance(&incoming.request.headers).is_err() {
            return core.answer(&leg.tag, incoming, 500, "Server Internal Error");
        }
        let method = incoming.request.method();
        if leg.is_over() && method != Method::Bye {
            return core.answer(&leg.tag, incoming, 481, "Call/Transaction Does Not Exist");
        }
        match method {
            Method::Bye => self.bye(core, key, incoming),
            Method::Info => self.info(core, key, incoming),
            Method::Invite | Method::Update => self.modified(core, key, incoming),
            Method::Notify => self.notify(core, key, incoming),
            Method::Options => super::inbound::options(core, incoming),
            Method::Refer => self.refuse_refer(core, key, incoming),
            _ => super::inbound::not_allowed(core, incoming),
        }
    }

    /// BYE, also in a dialog that has no answer yet, where it ends the INVITE with 487 (§15.1.2).
    fn bye(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        core.answer(&leg.tag, incoming, 200, "OK");
        match leg.state {
            State::Leaving(_) | State::Gone => leg.state = State::Gone,
            State::Early if key == CALLER => self.tell(CALLER, Event::CallerCancelled),
            State::Early => {}
            State::Confirmed => {
                leg.gone(core);
                self.lost(core, key);
            }
        }
    }

    /// INFO carries keys (application/dtmf-relay and application/dtmf), or nothing.
    fn info(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let headers = &incoming.request.headers;
        let Some(server) = incoming.server else {
            return;
        };
        if headers.named(b"Info-Package").next().is_some() {
            // RFC 6086 §4.2.2: we are willing to receive none.
            let reply = Reply::new(&incoming.request, 469, "Bad Info Package");
            return core.respond(&leg.tag, server, &reply.header("Recv-Info", "").build());
        }
        let Ok(digit) = body::key(headers) else {
            let reply = Reply::new(&incoming.request, 415, "Unsupported Media Type")
                .header("Accept", "application/dtmf-relay, application/dtmf");
            return core.respond(&leg.tag, server, &reply.build());
        };
        core.answer(&leg.tag, incoming, 200, "OK");
        if let Some(digit) = digit {
            self.tell(key, Event::Digit(digit));
            self.pass_key_on(core, key, &incoming.request);
        }
    }

    /// In a bridge the other leg gets the key as well.
    fn pass_key_on(&mut self, core: &mut Core, key: u32, request: &Request) {
        let Some(bridge) = &self.bridge else { return };
        let other = if key == CALLER { bridge.callee } else { CALLER };
        let kind = request
            .headers
            .first(HeaderName::ContentType)
            .unwrap_or_default();
        let (Ok(kind), Some(leg)) = (std::str::from_utf8(kind), self.legs.get_mut(&other)) else {
            return;
        };
        if leg.state == State::Confirmed {
            let body: Bytes = request.headers.body_bytes();
            leg.send(core, Purpose::Nothing, "INFO", &[], Some((kind, body)));
        }
    }

    /// NOTIFY of a REFER (RFC 3515 §2.4): answered before anything follows from it.
    fn notify(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        match refer::read_notify(&incoming.request.headers, &leg.referred.numbers) {
            Err(status) => {
                let reason = match status {
                    489 => "Bad Event",
                    _ => "Subscription Does Not Exist",
                };
                core.answer(&leg.tag, incoming, status, reason);
            }
            Ok(notify) => {
                core.answer(&leg.tag, incoming, 200, "OK");
                let refer::Notify {
                    code,
                    terminated,
                    expires,
                } = notify;
                self.tell(
                    key,
                    Event::ReferNotified {
                        code,
                        terminated,
                        expires,
                    },
                );
            }
        }
    }

    /// A transfer by the other side is not supported: the call goes on as it is.
    fn refuse_refer(&self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get(&key) else {
            return;
        };
        core.answer(&leg.tag, incoming, 603, "Decline");
        let text = "REFER declined: no referUrl is in force";
        core.journal
            .notice(&leg.tag, ErrorCode::INBOUND_REFER, text);
    }

    /// ACK of a 2xx.
    pub(crate) fn ack(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let number = crate::dialog::cseq(&incoming.request.headers);
        let matches = |invited: &super::leg::Invited| {
            invited.answered.is_some() && Some(invited.number) == number
        };
        if !leg.invited.as_ref().is_some_and(matches) {
            return;
        }
        received(core, leg, incoming);
        let Some(invited) = leg.invited.take() else {
            return;
        };
        let offered = invited.answered.is_some_and(|answered| answered.offered);
        let usable = !offered || take_answer(leg, &incoming.request);
        if invited.initial {
            if !usable {
                leg.hang_up(core);
            } else {
                core.journal.record(&leg.tag, CallEvent::Answered);
            }
            self.tell(key, Event::Answered(usable));
        }
        self.settle(core);
    }

    /// The 200 was not acknowledged in time: again, or the call is over (§13.3.1.4).
    pub(crate) fn ack_overdue(&mut self, core: &mut Core, key: u32) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        if leg.ack_overdue(core) != Some(AckWait::GivenUp) {
            return;
        }
        let initial = leg.invited.take().is_some_and(|invited| invited.initial);
        leg.hang_up(core);
        if initial {
            self.tell(key, Event::Answered(false));
        } else {
            self.lost(core, key);
        }
    }
}

/// Takes the answer to our offer from an ACK.
fn take_answer(leg: &mut Leg, ack: &Request) -> bool {
    let Ok(Some(answer)) = body::description(&ack.headers) else {
        return false;
    };
    if Description::parse(&answer).is_err() {
        return false;
    }
    leg.session.heard = Some(answer);
    leg.connect_media();
    true
}

/// Tells who watches that a message came in.
pub(crate) fn received(core: &Core, leg: &Leg, incoming: &Incoming) {
    let flow = &incoming.flow;
    let message = SipMessage::new(flow.remote, flow.transport, &incoming.wire);
    core.journal
        .record(&leg.tag, CallEvent::SipReceived(message));
}
