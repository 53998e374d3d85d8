//! The caller's side of a call.

use nix::sys::socket::SockaddrIn;

use super::call::{Caller, Cancelling, Mark};
use super::config::{Kind, Party};
use super::seen::{Method, Seen, uri};
use super::tally::Outcome;
use super::text::{Id, Within, routes_of_response};
use super::wheel::{Due, Timer};
use super::world::{T1, T2, World, answer_mark};

/// Branches of ACKs are told from those of the requests by this bit.
const ACK_TRANSACTION: u16 = 0x8000;
/// The number of what a call begins with.
const FIRST: u16 = 0;
/// From this round of a timer on the waits are T2.
const T2_ROUND: u8 = 3;

impl World<'_> {
    pub(super) fn start_caller(&mut self, slot: u32, intended: u64) {
        let id = self.id(slot);
        let call = &mut self.calls[slot as usize];
        call.intended = intended;
        call.measured = self.tally.window.contains(&intended);
        call.caller = Caller::Calling;
        call.asked = call.kind.method();
        call.call_id.extend_from_slice(&id);
        call.call_id.push(b'@');
        let host = self.config.caller.ip();
        // Writing to a Vec does not fail.
        std::io::Write::write_fmt(&mut call.call_id, format_args!("{host}")).unwrap_or_default();
        let (mark, due) = match call.kind {
            Kind::Register => (Mark::Register, Due::Request),
            Kind::Options => (Mark::Options, Due::Request),
            _ => (Mark::Invite, Due::Invite),
        };
        self.send_first(slot, mark);
        self.timer(T1, slot, due, FIRST);
    }

    /// Sends what the call begins with, or sends it again.
    fn send_first(&mut self, slot: u32, mark: Mark) {
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let call = &self.calls[slot as usize];
        let flow = usize::from(call.flow);
        let texts = &self.callers[flow];
        let template = match call.kind {
            Kind::Register => &texts.register,
            Kind::Options => &texts.options,
            _ => &texts.invite,
        };
        self.out[flow].push(self.target, stamp, |out| template.write(out, &id, FIRST));
    }

    pub(super) fn caller_response(&mut self, slot: u32, status: u16, seen: &Seen<'_>, at: u64) {
        self.tally.response(seen.method, status);
        let call = &self.calls[slot as usize];
        match (seen.method, status) {
            (Method::Cancel, 200..) => self.cancel_answered(slot),
            (Method::Invite, 100..200) if seen.sequence == 1 => self.provisional(slot, status, at),
            (_, 100..200) => self.heard(slot, seen),
            (Method::Invite, 200..300) if seen.sequence == 1 => self.answered(slot, seen, at),
            (Method::Invite, _) if seen.sequence == 1 => self.refused(slot, status, seen, at),
            (method, _) if call.asked == method && call.sequence == seen.sequence => {
                self.request_answered(slot, status, seen, at);
            }
            // The 200 of a re-INVITE is repeated until its ACK arrives.
            (Method::Invite, 200..300) => {
                self.tally.duplicates += 1;
                self.acknowledge(slot, seen.sequence, Mark::Nothing);
            }
            _ => self.tally.duplicates += 1,
        }
    }

    fn provisional(&mut self, slot: u32, status: u16, at: u64) {
        let foreign = !self.plays_callee();
        let call = &mut self.calls[slot as usize];
        if call.caller == Caller::Calling {
            call.caller = Caller::Proceeding;
        }
        if status == 100 {
            return;
        }
        let (intended, measured, kind) = (call.intended, call.measured, call.kind);
        // Somebody else's is not under way to our knowledge. Ours may have been overtaken by the final response.
        let first = if foreign {
            call.caller == Caller::Proceeding
        } else {
            call.sent[Mark::Ringing as usize] != 0
        };
        if !first {
            self.tally.duplicates += 1;
            return;
        }
        self.arrived(slot, Mark::Ringing, at);
        if measured {
            self.tally.post_dial_180.add(at.saturating_sub(intended));
        }
        if kind == Kind::Cancel && self.calls[slot as usize].cancelling == Cancelling::No {
            let after = self.config.cancel_after.draw(&mut self.random);
            if after == 0 {
                self.give_up(slot);
            } else {
                self.timer(after, slot, Due::GiveUp, FIRST);
            }
        }
    }

    /// 2xx to the INVITE that began the call.
    fn answered(&mut self, slot: u32, seen: &Seen<'_>, at: u64) {
        let call = &mut self.calls[slot as usize];
        if !matches!(call.caller, Caller::Calling | Caller::Proceeding) {
            // Whoever repeats it has not seen our ACK.
            self.tally.duplicates += 1;
            if !self.calls[slot as usize].caller_dialog.is_empty() {
                self.acknowledge(slot, 1, Mark::Nothing);
                self.tally.request_again(Method::Ack, self.now);
            }
            return;
        }
        call.caller = Caller::Talking;
        let dialog = &mut call.caller_dialog;
        dialog.clear();
        dialog.text.extend_from_slice(uri(seen.contact));
        dialog.end();
        routes_of_response(&mut dialog.text, &seen.record_route);
        dialog.end();
        dialog.text.extend_from_slice(seen.to);
        dialog.end();
        let (measured, time) = (call.measured, at.saturating_sub(call.intended));
        self.arrived(slot, Mark::Answer, at);
        self.tally.answered(measured, time);
        self.acknowledge(slot, 1, Mark::Ack);
        let call = &mut self.calls[slot as usize];
        if call.kind != Kind::Call {
            call.spoiled = true;
            *self
                .tally
                .unexpected
                .entry((Method::Invite, 200))
                .or_default() += 1;
        }
        self.talk(slot);
    }

    /// 3xx to 6xx to the INVITE that began the call.
    fn refused(&mut self, slot: u32, status: u16, seen: &Seen<'_>, at: u64) {
        self.acknowledge_refusal(slot, seen);
        let call = &mut self.calls[slot as usize];
        if !matches!(call.caller, Caller::Calling | Caller::Proceeding) {
            self.tally.duplicates += 1;
            return;
        }
        call.caller = Caller::Done;
        let wanted = call.kind.accepts(status);
        self.arrived(slot, Mark::Refusal, at);
        if wanted {
            self.end_if_done(slot);
        } else {
            *self
                .tally
                .unexpected
                .entry((Method::Invite, status))
                .or_default() += 1;
            self.end(slot, Outcome::Failed);
        }
    }

    /// The ACK of a 2xx: a request of its own inside the dialog (RFC 3261 §13.2.2.4).
    fn acknowledge(&mut self, slot: u32, sequence: u32, mark: Mark) {
        let transaction = ACK_TRANSACTION | sequence as u16;
        self.send_within(slot, Method::Ack, sequence, transaction, mark);
    }

    /// The ACK of a refusal: of the INVITE's transaction, to the INVITE's Request-URI (§17.1.1.3).
    fn acknowledge_refusal(&mut self, slot: u32, seen: &Seen<'_>) {
        // It goes no further than the next proxy.
        let (id, stamp) = (self.id(slot), self.stamp(slot, Mark::Nothing));
        let call = &self.calls[slot as usize];
        let flow = usize::from(call.flow);
        let texts = &self.callers[flow];
        let request = Within {
            method: Method::Ack,
            sequence: 1,
            transaction: FIRST,
            uri: &texts.uri,
            routes: b"",
            to: seen.to,
            call_id: &call.call_id,
        };
        self.out[flow].push(self.target, stamp, |out| texts.within(out, &id, &request));
    }

    fn send_within(
        &mut self,
        slot: u32,
        method: Method,
        sequence: u32,
        transaction: u16,
        mark: Mark,
    ) {
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let call = &self.calls[slot as usize];
        let flow = usize::from(call.flow);
        let (texts, dialog) = (&self.callers[flow], &call.caller_dialog);
        let request = Within {
            method,
            sequence,
            transaction,
            uri: dialog.uri(),
            routes: dialog.routes(),
            to: dialog.remote(),
            call_id: &call.call_id,
        };
        self.out[flow].push(self.target, stamp, |out| texts.within(out, &id, &request));
    }

    /// Waits for what comes next inside the dialog, or does it.
    fn talk(&mut self, slot: u32) {
        let call = &self.calls[slot as usize];
        let span = if call.left > 0 {
            self.config.in_dialog_gap
        } else if self.config.hangup == Party::Caller {
            self.config.hold
        } else {
            return;
        };
        match span.draw(&mut self.random) {
            0 => self.talked(slot),
            wait => self.timer(wait, slot, Due::Talked, FIRST),
        }
    }

    /// The wait inside the dialog is over, on whichever side it was.
    pub(super) fn talked(&mut self, slot: u32) {
        let call = &mut self.calls[slot as usize];
        if call.caller != Caller::Talking || call.callee.closing {
            return self.callee_talked(slot);
        }
        if call.left > 0 {
            call.left -= 1;
            let method = self.config.in_dialog.method();
            self.ask(slot, method, Caller::Asking, Mark::Inside);
        } else if self.config.hangup == Party::Caller {
            self.ask(slot, Method::Bye, Caller::Closing, Mark::Bye);
        } else {
            self.callee_talked(slot);
        }
    }

    /// Sends the next request inside the dialog.
    fn ask(&mut self, slot: u32, method: Method, state: Caller, mark: Mark) {
        let call = &mut self.calls[slot as usize];
        call.caller = state;
        call.asked = method;
        call.heard = false;
        call.sequence += 1;
        let sequence = call.sequence;
        self.send_within(slot, method, sequence, sequence as u16, mark);
        self.timer(T1, slot, Due::Request, sequence as u16);
    }

    /// 1xx to a request that is not the first INVITE.
    fn heard(&mut self, slot: u32, seen: &Seen<'_>) {
        let call = &mut self.calls[slot as usize];
        call.heard |= call.asked == seen.method && call.sequence == seen.sequence;
    }

    /// A final response to a request that is not the first INVITE.
    fn request_answered(&mut self, slot: u32, status: u16, seen: &Seen<'_>, at: u64) {
        let call = &self.calls[slot as usize];
        let (state, kind) = (call.caller, call.kind);
        match state {
            Caller::Asking => {
                self.arrived(slot, Mark::InsideOk, at);
                if seen.method == Method::Invite && status < 300 {
                    self.acknowledge(slot, seen.sequence, Mark::InsideAck);
                }
            }
            Caller::Closing => self.arrived(slot, Mark::ByeOk, at),
            Caller::Calling => self.arrived(slot, answer_mark(kind), at),
            // It has been answered before.
            _ => {
                self.tally.duplicates += 1;
                if seen.method == Method::Invite && status < 300 {
                    self.acknowledge(slot, seen.sequence, Mark::Nothing);
                }
                return;
            }
        }
        if status >= 300 {
            *self
                .tally
                .unexpected
                .entry((seen.method, status))
                .or_default() += 1;
            return self.end(slot, Outcome::Failed);
        }
        let call = &mut self.calls[slot as usize];
        if state == Caller::Asking {
            call.caller = Caller::Talking;
            self.talk(slot);
            self.hang_up_after_requests(slot);
        } else {
            call.caller = Caller::Done;
            self.end_if_done(slot);
        }
    }

    /// The callee hangs up when the caller has said everything.
    fn hang_up_after_requests(&mut self, slot: u32) {
        let call = &self.calls[slot as usize];
        let over = call.caller == Caller::Talking && call.left == 0;
        if over && self.config.hangup == Party::Callee {
            self.hold_callee(slot);
        }
    }

    /// A request of the callee: its BYE.
    pub(super) fn caller_request(
        &mut self,
        slot: u32,
        method: Method,
        seen: &Seen<'_>,
        source: SockaddrIn,
        at: u64,
    ) {
        let call = &mut self.calls[slot as usize];
        if method != Method::Bye {
            self.tally.stray += 1;
            return;
        }
        let first = call.caller != Caller::Done;
        call.caller = Caller::Done;
        let flow = usize::from(call.flow);
        if first {
            self.arrived(slot, Mark::Bye, at);
        } else {
            self.tally.duplicates += 1;
            self.tally.response_again(200, self.now);
        }
        let mark = if first { Mark::ByeOk } else { Mark::Nothing };
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let callee = &self.callee;
        self.out[flow].push(source, stamp, |out| callee.accept(out, seen, &id));
        self.end_if_done(slot);
    }

    /// Sends the CANCEL.
    pub(super) fn give_up(&mut self, slot: u32) {
        let call = &mut self.calls[slot as usize];
        if call.caller == Caller::Proceeding && call.cancelling == Cancelling::No {
            call.cancelling = Cancelling::Sent;
            self.send_cancel(slot, Mark::Cancel);
            self.timer(T1, slot, Due::Cancelled, FIRST);
        }
    }

    fn send_cancel(&mut self, slot: u32, mark: Mark) {
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let flow = usize::from(self.calls[slot as usize].flow);
        let template = &self.callers[flow].cancel;
        self.out[flow].push(self.target, stamp, |out| template.write(out, &id, FIRST));
    }

    fn cancel_answered(&mut self, slot: u32) {
        let call = &mut self.calls[slot as usize];
        if call.cancelling == Cancelling::Sent {
            call.cancelling = Cancelling::Answered;
            self.end_if_done(slot);
        } else {
            self.tally.duplicates += 1;
        }
    }

    pub(super) fn cancel_due(&mut self, timer: Timer) {
        if self.calls[timer.slot as usize].cancelling != Cancelling::Sent {
            return;
        }
        if self.again(timer, T2) {
            self.send_cancel(timer.slot, Mark::Nothing);
            self.tally.request_again(Method::Cancel, self.now);
        } else {
            self.end(timer.slot, Outcome::TimedOut);
        }
    }

    /// RFC 3261 §17.1.1.2. Whoever rings may ring as long as the profile says, and 64·T1 more.
    pub(super) fn invite_due(&mut self, timer: Timer) {
        let slot = timer.slot;
        match self.calls[slot as usize].caller {
            Caller::Calling => {
                if self.again(timer, u64::MAX) {
                    self.send_first(slot, Mark::Nothing);
                    self.tally.request_again(Method::Invite, self.now);
                } else {
                    self.end(slot, Outcome::TimedOut);
                }
            }
            Caller::Proceeding => {
                let until = self.calls[slot as usize].intended + self.ring_patience;
                if self.now < until {
                    self.wheel.set(until, timer);
                } else {
                    self.end(slot, Outcome::TimedOut);
                }
            }
            _ => {}
        }
    }

    /// RFC 3261 §17.1.2.2; a re-INVITE that was answered with 1xx is not sent again (§17.1.1.2).
    pub(super) fn request_due(&mut self, timer: Timer) {
        let slot = timer.slot;
        let call = &self.calls[slot as usize];
        if timer.transaction == CALLEE_TRANSACTION {
            return self.callee_request_due(timer);
        }
        let is_first = timer.transaction == FIRST;
        let waiting = match call.caller {
            Caller::Asking | Caller::Closing => call.sequence as u16 == timer.transaction,
            Caller::Calling => is_first,
            _ => false,
        };
        if !waiting {
            return;
        }
        let (method, sequence) = (call.asked, call.sequence);
        let (heard, invite) = (call.heard, method == Method::Invite);
        // §17.1.2.2: what was answered with 1xx is sent again every T2.
        let timer = Timer {
            round: if heard {
                timer.round.max(T2_ROUND)
            } else {
                timer.round
            },
            ..timer
        };
        if !self.again(timer, T2) {
            return self.end(slot, Outcome::TimedOut);
        }
        if heard && invite {
            return;
        }
        if is_first {
            self.send_first(slot, Mark::Nothing);
        } else {
            self.send_within(slot, method, sequence, sequence as u16, Mark::Nothing);
        }
        self.tally.request_again(method, self.now);
    }

    pub(super) fn id(&self, slot: u32) -> [u8; 24] {
        let id = Id {
            run: self.run,
            slot,
            number: self.calls[slot as usize].number,
        };
        id.text()
    }
}

/// The number of the callee's own transaction: no CSeq of a caller gets there.
pub(super) const CALLEE_TRANSACTION: u16 = 0x7fff;
