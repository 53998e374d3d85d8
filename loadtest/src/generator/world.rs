//! All calls of a run and what they share: no sockets and no clock, so that tests drive it.

use std::collections::HashMap;
use std::ops::Range;

use nix::sys::socket::SockaddrIn;

use super::call::{Call, Caller, Cancelling, Mark};
use super::config::{Config, Kind, Role};
use super::random::Random;
use super::seen::{Method, Seen, Start};
use super::socket::Outbox;
use super::tally::{Outcome, Tally};
use super::text::{CalleeTexts, CallerTexts, Id};
use super::wheel::{Due, Timer, Wheel};

/// RFC 3261 §17.1.1.1, in nanoseconds.
pub(super) const T1: u64 = 500_000_000;
/// The longest wait between two copies of what is not an INVITE.
pub(super) const T2: u64 = 4_000_000_000;
/// When a transaction is given up: 64·T1.
pub(super) const PATIENCE: u64 = 64 * T1;

/// What a message in an outbox belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    slot: u32,
    number: u32,
    mark: Mark,
}

pub(super) struct World<'a> {
    pub(super) config: &'a Config,
    pub(super) run: u32,
    pub(super) calls: Vec<Call>,
    free: Vec<u32>,
    /// Counts calls.
    number: u32,
    /// Calls whose Call-ID is somebody else's.
    foreign: HashMap<Vec<u8>, u32>,
    pub(super) wheel: Wheel,
    pub(super) random: Random,
    kinds: Vec<(u32, Kind)>,
    pub(super) callers: Vec<CallerTexts>,
    pub(super) callee: CalleeTexts,
    /// One for each caller socket, then the callee's.
    pub(super) out: Vec<Outbox<Stamp>>,
    pub(super) target: SockaddrIn,
    pub(super) tally: Tally,
    /// The time of this turn.
    pub(super) now: u64,
    /// How long after its intended time a call may still ring.
    pub(super) ring_patience: u64,
    due: Vec<Timer>,
}

impl<'a> World<'a> {
    pub(super) fn new(config: &'a Config, run: u32, begin: u64, window: Range<u64>) -> Self {
        let uri = config.uri();
        let address = |flow| {
            let (ip, port) = (*config.caller.ip(), config.caller.port() + flow);
            std::net::SocketAddrV4::new(ip, port)
        };
        let mut sum = 0;
        let kinds = config.mix.iter().map(|(kind, weight)| {
            sum += weight;
            (sum, *kind)
        });
        Self {
            config,
            run,
            calls: Vec::new(),
            free: Vec::new(),
            number: 0,
            foreign: HashMap::new(),
            wheel: Wheel::new(begin),
            // Not the schedule's stream.
            random: Random::new(config.seed ^ 0x5eed),
            kinds: kinds.collect(),
            callers: (0..config.flows)
                .map(|flow| CallerTexts::new(address(flow), &uri))
                .collect(),
            callee: CalleeTexts::new(config.callee),
            out: (0..=config.flows).map(|_| Outbox::new()).collect(),
            target: config.target.into(),
            tally: Tally::new(begin, window),
            now: begin,
            ring_patience: PATIENCE + config.ring.longest() + config.cancel_after.longest(),
            due: Vec::new(),
        }
    }

    /// The index of the callee's socket.
    pub(super) fn callee_socket(&self) -> usize {
        usize::from(self.config.flows)
    }

    /// Begins a call that the schedule wants at `intended`.
    pub(super) fn arrive(&mut self, intended: u64) {
        self.tally.intend(intended);
        let last = self.kinds.last().map_or(1, |(sum, _)| *sum);
        let draw = (self.random.next() % u64::from(last)) as u32;
        let kind = self.kinds.iter().find(|(sum, _)| draw < *sum);
        let kind = kind.map_or(Kind::Call, |(_, kind)| *kind);
        let Some(slot) = self.open(kind) else {
            self.tally.shed += 1;
            return;
        };
        self.start_caller(slot, intended);
    }

    /// A place for a new call; `None`: too many are in progress.
    fn open(&mut self, kind: Kind) -> Option<u32> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.calls.len() < self.config.calls_max as usize => {
                self.calls.push(Call::new());
                self.calls.len() as u32 - 1
            }
            None => return None,
        };
        let number = self.number;
        self.number = number.wrapping_add(1);
        let call = &mut self.calls[slot as usize];
        call.renew(number, kind);
        call.flow = (number % u32::from(self.config.flows)) as u16;
        call.left = self.config.in_dialog_count;
        self.tally.start(kind, self.now);
        Some(slot)
    }

    /// A place for a call that somebody else begins.
    pub(super) fn open_foreign(&mut self, call_id: &[u8]) -> Option<u32> {
        let slot = self.open(Kind::Call)?;
        let call = &mut self.calls[slot as usize];
        // There is no caller here who could miss anything.
        call.caller = Caller::Done;
        call.left = 0;
        call.call_id.extend_from_slice(call_id);
        self.foreign.insert(call_id.to_vec(), slot);
        Some(slot)
    }

    /// The end of a call.
    pub(super) fn end(&mut self, slot: u32, outcome: Outcome) {
        let call = &mut self.calls[slot as usize];
        if !std::mem::replace(&mut call.live, false) {
            return;
        }
        if self.config.role == Role::Callee {
            self.foreign.remove(&call.call_id);
        }
        if outcome == Outcome::Good && call.measured {
            self.tally.call.add(self.now.saturating_sub(call.intended));
        }
        self.tally.end(call.kind, outcome, self.now);
        self.free.push(slot);
    }

    /// Ends the call well if both sides have nothing left to do.
    pub(super) fn end_if_done(&mut self, slot: u32) {
        let call = &self.calls[slot as usize];
        let caller = call.caller == Caller::Done && call.cancelling != Cancelling::Sent;
        let alone = self.config.role == Role::Caller || call.kind.method() != Method::Invite;
        if caller && (alone || call.callee.is_done()) {
            let outcome = if call.spoiled {
                Outcome::Failed
            } else {
                Outcome::Good
            };
            self.end(slot, outcome);
        }
    }

    /// A datagram that came in by this socket at this time.
    pub(super) fn receive(
        &mut self,
        socket: usize,
        datagram: Option<&[u8]>,
        source: SockaddrIn,
        at: u64,
    ) {
        self.tally.received += 1;
        let Some(seen) = datagram.and_then(Seen::read) else {
            self.tally.malformed += 1;
            return;
        };
        let found = self.find(&seen);
        match seen.start {
            // A proxy has taken its own Via off.
            Start::Response(_) if seen.via.as_slice().len() != 1 => self.tally.malformed += 1,
            Start::Request(method) => {
                let is_callee = socket == self.callee_socket();
                match found {
                    Some(slot) if is_callee => self.callee_request(slot, method, &seen, source, at),
                    Some(slot) => self.caller_request(slot, method, &seen, source, at),
                    None if is_callee => self.strange_request(method, &seen, source, at),
                    None => self.late_request(socket, method, &seen, source),
                }
            }
            Start::Response(status) => {
                let Some(slot) = found else {
                    self.tally.stray += 1;
                    return;
                };
                if socket == self.callee_socket() {
                    self.callee_response(slot, status, &seen, at);
                } else {
                    self.caller_response(slot, status, &seen, at);
                }
            }
        }
    }

    fn find(&self, seen: &Seen<'_>) -> Option<u32> {
        if self.config.role == Role::Callee {
            return self.foreign.get(seen.call_id).copied();
        }
        let id = Id::read(seen.call_id)?;
        let call = self.calls.get(id.slot as usize)?;
        (id.run == self.run && call.number == id.number && call.live).then_some(id.slot)
    }

    /// Answers a request of a call that is over: a BYE whose 200 was lost is sent again.
    pub(super) fn late_request(
        &mut self,
        socket: usize,
        method: Method,
        seen: &Seen<'_>,
        source: SockaddrIn,
    ) {
        self.tally.stray += 1;
        if matches!(
            method,
            Method::Bye | Method::Info | Method::Options | Method::Register | Method::Cancel
        ) {
            let callee = &self.callee;
            let stamp = Stamp {
                slot: u32::MAX,
                number: 0,
                mark: Mark::Nothing,
            };
            self.out[socket].push(source, stamp, |out| {
                callee.accept(out, seen, b"000000000000000000000000")
            });
        }
    }

    /// Fires what is due.
    pub(super) fn expire(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(self.now, &mut due);
        for timer in due.drain(..) {
            let call = &self.calls[timer.slot as usize];
            if !call.live || call.number != timer.number {
                continue;
            }
            match timer.due {
                Due::Invite => self.invite_due(timer),
                Due::Request => self.request_due(timer),
                Due::Cancelled => self.cancel_due(timer),
                Due::GiveUp => self.give_up(timer.slot),
                Due::Talked => self.talked(timer.slot),
                Due::Answer => self.answer(timer.slot),
                Due::Final => self.final_due(timer),
            }
        }
        self.due = due;
    }

    /// Sets a timer of a call.
    pub(super) fn timer(&mut self, after: u64, slot: u32, due: Due, transaction: u16) {
        let timer = Timer {
            slot,
            number: self.calls[slot as usize].number,
            due,
            round: 0,
            transaction,
        };
        self.wheel.set(self.now + after, timer);
    }

    /// Sets a timer that has fired for its next round. `false`: it has fired for 64·T1, and that was enough.
    ///
    /// The waits are T1, 2·T1, 4·T1 …, at most `longest`.
    pub(super) fn again(&mut self, timer: Timer, longest: u64) -> bool {
        let waited: u64 = (0..=timer.round).map(|round| wait(round, longest)).sum();
        if waited >= PATIENCE {
            return false;
        }
        let next = wait(timer.round + 1, longest).min(PATIENCE - waited);
        let timer = Timer {
            round: timer.round + 1,
            ..timer
        };
        self.wheel.set(self.now + next, timer);
        true
    }

    /// The stamp of a message of a call.
    pub(super) fn stamp(&self, slot: u32, mark: Mark) -> Stamp {
        Stamp {
            slot,
            number: self.calls[slot as usize].number,
            mark,
        }
    }

    /// A message has left.
    pub(super) fn left(&mut self, stamp: Stamp, at: u64) {
        if stamp.mark == Mark::Nothing {
            return;
        }
        let call = &mut self.calls[stamp.slot as usize];
        if call.number != stamp.number {
            return;
        }
        call.sent[stamp.mark as usize] = at;
        if matches!(stamp.mark, Mark::Invite | Mark::Register | Mark::Options) && call.measured {
            self.tally.lag.add(at.saturating_sub(call.intended));
        }
    }

    /// A message has arrived; the time counts once.
    pub(super) fn arrived(&mut self, slot: u32, mark: Mark, at: u64) {
        let call = &mut self.calls[slot as usize];
        let sent = std::mem::take(&mut call.sent[mark as usize]);
        if sent != 0 && call.measured {
            self.tally.added[mark as usize].add(at.saturating_sub(sent));
        }
    }
}

/// The wait before the copy after this round.
fn wait(round: u8, longest: u64) -> u64 {
    (T1 << round.min(7)).min(longest)
}

/// The mark of the answer to a request that is not a BYE.
pub(super) const fn answer_mark(kind: Kind) -> Mark {
    match kind {
        Kind::Register => Mark::RegisterOk,
        Kind::Options => Mark::OptionsOk,
        _ => Mark::InsideOk,
    }
}
