//! Requests within a dialog (RFC 3261 §12.2.2).

use ::media::PlayId;
use sip::{Method, Reply};

use crate::observer::{CallEvent, SipMessage};
use crate::run::Event;

use super::body;
use super::call::{CALLER, Call};
use super::core::{Core, Incoming};
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
        if leg.inviting.is_some() {
            return self.early_request(core, key, incoming);
        }
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
            Method::Prack => self.pracked(core, key, incoming),
            Method::Refer => self.referred(core, key, incoming),
            _ => super::inbound::not_allowed(core, incoming),
        }
    }

    /// A request of a callee who has not answered, perhaps one of several whom the INVITE has
    /// reached (§12.1): nothing is kept of their dialogs, so it changes none.
    fn early_request(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        match incoming.request.method() {
            Method::Info => self.info(core, key, incoming),
            Method::Options => super::inbound::options(core, incoming),
            Method::Update => self.modified(core, key, incoming),
            // A callee ends an early dialog by refusing the INVITE, not by BYE (§15).
            _ => {
                if let Some(leg) = self.legs.get(&key) {
                    core.answer(&leg.tag, incoming, 481, "Call/Transaction Does Not Exist");
                }
            }
        }
    }

    /// BYE, also of a caller who has no answer yet, where it ends the INVITE with 487 (§15.1.2).
    fn bye(&mut self, core: &mut Core, key: u32, incoming: &Incoming) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        core.answer(&leg.tag, incoming, 200, "OK");
        match leg.state {
            State::Leaving(_) | State::Gone => leg.state = State::Gone,
            State::Early => self.tell(key, Event::CallerCancelled),
            State::Confirmed => {
                leg.gone(core);
                self.lost(core, key);
            }
        }
    }

    /// A leg is no more: its run learns it, or the `<Dial>` it belongs to.
    fn lost(&mut self, core: &mut Core, key: u32) {
        if self.is_recorder(key) {
            return self.recorder_over(key, None);
        }
        let callee = self.legs.get(&key).and_then(|leg| leg.callee.as_ref());
        if callee.is_none_or(|callee| callee.transferred) {
            self.tell(key, Event::CallerHungUp);
        }
        if key != CALLER {
            self.callee_hung_up(core, key);
        }
        self.follow(key);
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
            self.pass_key_on(key, digit);
        }
    }

    /// In a bridge the other leg gets the key as well, in the way that it knows keys.
    fn pass_key_on(&self, key: u32, digit: char) {
        let Some(other) = self.partner(key) else {
            return;
        };
        if let Some(session) = self.legs.get(&other).and_then(Leg::session) {
            session.keys(PASSED_KEY, digit.encode_utf8(&mut [0; 4]));
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
        let answer = body::description(&incoming.request.headers).ok().flatten();
        let usable = !invited.offered || answer.is_some_and(|answer| leg.answered(&answer));
        if invited.initial {
            if !usable {
                leg.hang_up(core);
            } else {
                core.journal.record(&leg.tag, CallEvent::Answered);
            }
            self.tell(key, Event::Answered(usable));
        }
        self.follow(key);
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

/// Tells who watches that a message came in.
pub(crate) fn received(core: &Core, leg: &Leg, incoming: &Incoming) {
    let flow = &incoming.flow;
    let message = SipMessage::new(flow.remote, flow.transport, &incoming.wire);
    core.journal
        .record(&leg.tag, CallEvent::SipReceived(message));
}

/// The number of a key that is passed on among what is played to a leg.
const PASSED_KEY: PlayId = PlayId(1 << 40 | 2);
