//! The callee's side of a call.

use nix::sys::socket::SockaddrIn;

use super::call::{Callee, Caller, Mark};
use super::caller::CALLEE_TRANSACTION;
use super::config::{Kind, Party, Role};
use super::seen::{Method, Seen, uri};
use super::tally::Outcome;
use super::text::{Within, echo, has_tag, routes_of_request};
use super::wheel::{Due, Timer};
use super::world::{T1, T2, World};

impl World<'_> {
    /// Whether the callee's side is ours.
    pub(super) fn plays_callee(&self) -> bool {
        self.config.role != Role::Caller
    }

    /// A request of no call that is known: one that begins, or one that is over.
    pub(super) fn strange_request(
        &mut self,
        method: Method,
        seen: &Seen<'_>,
        source: SockaddrIn,
        at: u64,
    ) {
        let begins = method == Method::Invite && !has_tag(seen.to);
        if self.config.role == Role::Callee && begins {
            self.tally.intend(self.now);
            match self.open_foreign(seen.call_id) {
                Some(slot) => self.callee_request(slot, method, seen, source, at),
                None => self.tally.shed += 1,
            }
        } else {
            let socket = self.callee_socket();
            self.late_request(socket, method, seen, source);
        }
    }

    pub(super) fn callee_request(
        &mut self,
        slot: u32,
        method: Method,
        seen: &Seen<'_>,
        source: SockaddrIn,
        at: u64,
    ) {
        let begins = method == Method::Invite && !has_tag(seen.to);
        match method {
            Method::Invite if begins => return self.invited(slot, seen, source, at),
            Method::Ack => return self.acknowledged(slot, seen, at),
            Method::Cancel => return self.cancelled(slot, seen, source, at),
            _ => {}
        }
        let call = &mut self.calls[slot as usize];
        let again = seen.sequence <= call.callee.sequence;
        call.callee.sequence = call.callee.sequence.max(seen.sequence);
        let (mark, answer) = match (method, call.kind) {
            (Method::Bye, _) => (Mark::Bye, Mark::ByeOk),
            (_, Kind::Register) => (Mark::Register, Mark::RegisterOk),
            (_, Kind::Options) => (Mark::Options, Mark::OptionsOk),
            _ => (Mark::Inside, Mark::InsideOk),
        };
        call.callee.ended |= method == Method::Bye;
        self.arrived(slot, mark, at);
        self.accept(slot, seen, source, answer, again);
        // A call without a caller of ours is over with the answer to its BYE.
        self.end_if_done(slot);
    }

    fn cancelled(&mut self, slot: u32, seen: &Seen<'_>, source: SockaddrIn, at: u64) {
        self.arrived(slot, Mark::Cancel, at);
        self.accept(slot, seen, source, Mark::Nothing, false);
        if self.calls[slot as usize].callee.status == 180 {
            self.finally(slot, 487);
        }
    }

    /// The INVITE that begins the call.
    fn invited(&mut self, slot: u32, seen: &Seen<'_>, source: SockaddrIn, at: u64) {
        let id = self.id(slot);
        let call = &mut self.calls[slot as usize];
        let status = call.callee.status;
        if status != 0 {
            self.tally.duplicates += 1;
            return self.respond(slot, status, Mark::Nothing);
        }
        call.back = source;
        call.callee.sequence = seen.sequence;
        call.callee.first = seen.sequence;
        call.echo.clear();
        echo(&mut call.echo, seen, &id, true);
        let sums = &mut self.tally.extensions;
        let extensions = seen.extensions;
        for (sum, count) in
            sums.iter_mut()
                .zip([extensions.internal, extensions.kept, extensions.other])
        {
            *sum += u64::from(count);
        }
        self.tally.invites += 1;
        if self.config.hangup == Party::Callee {
            let dialog = &mut call.callee_dialog;
            dialog.clear();
            dialog.text.extend_from_slice(uri(seen.contact));
            dialog.end();
            routes_of_request(&mut dialog.text, &seen.record_route);
            dialog.end();
            dialog.text.extend_from_slice(seen.from);
            dialog.end();
            for piece in [seen.to, b";tag=", &id] {
                dialog.text.extend_from_slice(piece);
            }
            dialog.end();
        }
        let (measured, intended, kind) = (call.measured, call.intended, call.kind);
        self.arrived(slot, Mark::Invite, at);
        if measured {
            self.tally.invite.add(at.saturating_sub(intended));
        }
        self.respond(slot, 180, Mark::Ringing);
        match kind {
            // It rings until the CANCEL.
            Kind::Cancel => {}
            _ => match self.config.ring.draw(&mut self.random) {
                0 => self.answer(slot),
                wait => self.timer(wait, slot, Due::Answer, 0),
            },
        }
    }

    /// It has rung long enough.
    pub(super) fn answer(&mut self, slot: u32) {
        let call = &self.calls[slot as usize];
        if call.callee.status == 180 {
            self.finally(slot, call.kind.wants());
        }
    }

    /// Sends the final response to the INVITE, until it is acknowledged.
    fn finally(&mut self, slot: u32, status: u16) {
        let mark = if status < 300 {
            Mark::Answer
        } else {
            Mark::Refusal
        };
        self.respond(slot, status, mark);
        self.timer(T1, slot, Due::Final, 0);
    }

    fn respond(&mut self, slot: u32, status: u16, mark: Mark) {
        let socket = self.callee_socket();
        let stamp = self.stamp(slot, mark);
        let call = &mut self.calls[slot as usize];
        call.callee.status = status;
        if mark == Mark::Nothing {
            self.tally.response_again(status, self.now);
        }
        let (texts, echo) = (&self.callee, &call.echo);
        self.out[socket].push(call.back, stamp, |out| texts.response(out, status, echo));
    }

    /// 200 to a request that is not the first INVITE.
    fn accept(&mut self, slot: u32, seen: &Seen<'_>, source: SockaddrIn, mark: Mark, again: bool) {
        let mark = if again { Mark::Nothing } else { mark };
        if again {
            self.tally.duplicates += 1;
            self.tally.response_again(200, self.now);
        }
        let socket = self.callee_socket();
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let texts = &self.callee;
        self.out[socket].push(source, stamp, |out| texts.accept(out, seen, &id));
    }

    fn acknowledged(&mut self, slot: u32, seen: &Seen<'_>, at: u64) {
        if seen.sequence != self.calls[slot as usize].callee.first {
            return self.arrived(slot, Mark::InsideAck, at);
        }
        let callee = &mut self.calls[slot as usize].callee;
        if callee.acknowledged || callee.status < 200 {
            self.tally.duplicates += 1;
            return;
        }
        callee.acknowledged = true;
        let answered = callee.status < 300;
        self.arrived(slot, Mark::Ack, at);
        if answered && self.config.hangup == Party::Callee && self.calls[slot as usize].left == 0 {
            self.hold_callee(slot);
        }
        self.end_if_done(slot);
    }

    /// Waits for its turn to hang up, or hangs up.
    pub(super) fn hold_callee(&mut self, slot: u32) {
        match self.config.hold.draw(&mut self.random) {
            0 => self.callee_talked(slot),
            wait => self.timer(wait, slot, Due::Talked, 0),
        }
    }

    /// The callee hangs up, if that is its part and everything before is over.
    pub(super) fn callee_talked(&mut self, slot: u32) {
        let call = &mut self.calls[slot as usize];
        let Callee {
            acknowledged,
            closing,
            ended,
            ..
        } = call.callee;
        let caller_waits = matches!(call.caller, Caller::Talking | Caller::Done);
        let its_part = self.config.hangup == Party::Callee && !call.callee_dialog.is_empty();
        if its_part && acknowledged && caller_waits && !closing && !ended {
            call.callee.closing = true;
            self.send_callee_bye(slot, Mark::Bye);
            self.timer(T1, slot, Due::Request, CALLEE_TRANSACTION);
        }
    }

    fn send_callee_bye(&mut self, slot: u32, mark: Mark) {
        let socket = self.callee_socket();
        let (id, stamp) = (self.id(slot), self.stamp(slot, mark));
        let call = &self.calls[slot as usize];
        let dialog = &call.callee_dialog;
        let request = Within {
            method: Method::Bye,
            sequence: 1,
            transaction: CALLEE_TRANSACTION,
            uri: dialog.uri(),
            routes: dialog.routes(),
            to: dialog.remote(),
            call_id: &call.call_id,
        };
        let texts = &self.callee;
        self.out[socket].push(call.back, stamp, |out| {
            texts.within(out, &id, dialog.local(), &request)
        });
    }

    pub(super) fn callee_request_due(&mut self, timer: Timer) {
        let callee = self.calls[timer.slot as usize].callee;
        if !callee.closing || callee.ended {
            return;
        }
        if self.again(timer, T2) {
            self.send_callee_bye(timer.slot, Mark::Nothing);
            self.tally.request_again(Method::Bye, self.now);
        } else {
            self.end(timer.slot, Outcome::TimedOut);
        }
    }

    /// A response to the callee's BYE.
    pub(super) fn callee_response(&mut self, slot: u32, status: u16, seen: &Seen<'_>, at: u64) {
        self.tally.response(seen.method, status);
        let callee = &mut self.calls[slot as usize].callee;
        if status < 200 {
            return;
        }
        if !callee.closing || callee.ended || seen.method != Method::Bye {
            self.tally.duplicates += 1;
            return;
        }
        callee.ended = true;
        self.arrived(slot, Mark::ByeOk, at);
        if status >= 300 {
            *self
                .tally
                .unexpected
                .entry((Method::Bye, status))
                .or_default() += 1;
            self.end(slot, Outcome::Failed);
        } else {
            self.end_if_done(slot);
        }
    }

    /// RFC 3261 §13.3.1.4 and §17.2.1: the same copies for a 2xx and for a refusal.
    pub(super) fn final_due(&mut self, timer: Timer) {
        let callee = self.calls[timer.slot as usize].callee;
        if callee.acknowledged {
            return;
        }
        if self.again(timer, T2) {
            self.respond(timer.slot, callee.status, Mark::Nothing);
        } else {
            self.end(timer.slot, Outcome::TimedOut);
        }
    }
}
