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
        // Only a 2xx makes a dialog, on either side.
        let established =
            !call.caller_dialog.is_empty() || call.callee.acknowledged && call.callee.status < 300;
        self.tally.end(call.kind, outcome, established, self.now);
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
        self.tally.receive(self.now);
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
            since: self.now,
            transaction,
        };
        self.wheel.set(self.now + after, timer);
    }

    /// Sets a timer that has fired for its next round. `false`: 64·T1 are over, and that was enough.
    ///
    /// The waits are T1, 2·T1, 4·T1 …, at most `longest`.
    pub(super) fn again(&mut self, timer: Timer, longest: u64) -> bool {
        let round = timer.round.saturating_add(1);
        let waited = self.now.saturating_sub(timer.since);
        let left = PATIENCE.saturating_sub(waited);
        if left > 0 {
            let wait = (T1 << round.min(7)).min(longest).min(left);
            self.wheel.set(self.now + wait, Timer { round, ..timer });
        }
        left > 0
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

/// The mark of the answer to a request that is not a BYE.
pub(super) const fn answer_mark(kind: Kind) -> Mark {
    match kind {
        Kind::Register => Mark::RegisterOk,
        Kind::Options => Mark::OptionsOk,
        _ => Mark::InsideOk,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::config::{InDialog, Party, mix};
    use super::super::text::has_tag;
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// A network without a proxy, on a clock of its own.
    struct Network<'a> {
        world: World<'a>,
        random: Random,
        /// Of a thousand datagrams, so many are lost.
        loss: u64,
        /// How often a message crossed, by method or status.
        crossed: BTreeMap<String, u64>,
        on_the_way: Vec<(u64, usize, SockaddrIn, Vec<u8>)>,
    }

    impl<'a> Network<'a> {
        fn new(config: &'a Config, loss: u64) -> Self {
            let begin = 1_000_000_000_000;
            Self {
                world: World::new(config, 0xabcd, begin, begin..u64::MAX),
                random: Random::new(config.seed),
                loss,
                crossed: BTreeMap::new(),
                on_the_way: Vec::new(),
            }
        }

        /// So many calls, a millisecond between two, and time until all are over.
        fn run(&mut self, calls: u32) {
            let mut left = calls;
            let end = self.world.now + 400_000 * MILLISECOND;
            while left > 0 || self.world.tally.in_progress > 0 {
                assert!(
                    self.world.now < end,
                    "calls never end: {:?}",
                    self.world.tally
                );
                self.world.now += MILLISECOND;
                if left > 0 {
                    left -= 1;
                    self.world.arrive(self.world.now);
                }
                self.world.expire();
                self.send();
                let now = self.world.now;
                let arrived = self.on_the_way.extract_if(.., |(at, ..)| *at <= now);
                for (at, socket, source, message) in arrived.collect::<Vec<_>>() {
                    self.world.receive(socket, Some(&message), source, at);
                }
                self.send();
            }
        }

        fn send(&mut self) {
            let config = self.world.config;
            let callee = self.world.callee_socket();
            for socket in 0..=callee {
                for (stamp, to, message) in self.world.out[socket].take() {
                    self.world.left(stamp, self.world.now);
                    let seen = Seen::read(&message).expect("what is sent is a message");
                    let kind = match seen.start {
                        Start::Request(method) => method.name().to_owned(),
                        Start::Response(status) => status.to_string(),
                    };
                    *self.crossed.entry(kind).or_default() += 1;
                    if self.random.next() % 1000 < self.loss {
                        continue;
                    }
                    let port = config.caller.port();
                    let (destination, source) = if socket == callee {
                        (usize::from(to.port() - port), config.callee)
                    } else {
                        assert!(
                            [config.target, config.callee]
                                .map(SockaddrIn::from)
                                .contains(&to)
                        );
                        let source = config.caller;
                        (
                            callee,
                            std::net::SocketAddrV4::new(*source.ip(), port + socket as u16),
                        )
                    };
                    // 2 to 6 ms, so they overtake each other.
                    let at = self.world.now + (2 + self.random.next() % 5) * MILLISECOND;
                    self.on_the_way
                        .push((at, destination, source.into(), message));
                }
            }
        }
    }

    fn profile(text: &str) -> Config {
        let config: Config = toml::from_str(text).unwrap();
        config.check().unwrap();
        config
    }

    #[test]
    fn a_plain_call_is_six_messages() {
        let config = Config::default();
        let mut network = Network::new(&config, 0);
        network.run(100);
        let expected = [
            ("180", 100),
            ("200", 200),
            ("ACK", 100),
            ("BYE", 100),
            ("INVITE", 100),
        ];
        let crossed: Vec<(&str, u64)> = network
            .crossed
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
            .collect();
        assert_eq!(crossed, expected);
        let tally = &network.world.tally;
        assert_eq!(tally.kinds[Kind::Call as usize].good, 100);
        let all = tally
            .added
            .iter()
            .map(|times| times.quantiles().map_or(0, |all| all.count));
        assert_eq!(all.sum::<u64>(), 600);
        let shortest = tally
            .added
            .iter()
            .filter_map(super::super::tally::Times::quantiles);
        assert!(
            shortest
                .into_iter()
                .all(|all| all.min >= 1990.0 && all.max < 7010.0)
        );
        assert_eq!(
            (tally.retransmissions, tally.duplicates, tally.stray),
            (0, 0, 0)
        );
    }

    #[test]
    fn every_kind_of_call_ends_well() {
        let text = "ring = \"100ms\"\nflows = 3\nin_dialog_count = 2\nhold = \"~1s\"\n\
            mix = { call = 1, cancel = 1, busy = 1, unavailable = 1, not_found = 1, register = 1, options = 1 }";
        for (in_dialog, hangup) in [
            (InDialog::Info, Party::Caller),
            (InDialog::Options, Party::Callee),
            (InDialog::Reinvite, Party::Callee),
        ] {
            let config = Config {
                in_dialog,
                hangup,
                ..profile(text)
            };
            let mut network = Network::new(&config, 0);
            network.run(700);
            let tally = &network.world.tally;
            assert_eq!(tally.retransmissions, 0, "{tally:?}");
            for kind in Kind::ALL {
                let counts = tally.kinds[kind as usize];
                assert!(
                    counts.started > 50 && counts.good == counts.started,
                    "{kind:?} {counts:?}"
                );
            }
            let calls = tally.kinds[Kind::Call as usize].started;
            let inside = tally.added[Mark::InsideOk as usize].quantiles().unwrap();
            assert_eq!(inside.count, 2 * calls);
            assert!(tally.unexpected.is_empty());
        }
    }

    #[test]
    fn losses_are_made_good_and_told() {
        let text = "ring = \"50ms..2s\"\nhold = \"10ms\"\nin_dialog_count = 1\nin_dialog_gap = \"20ms\"\nflows = 2";
        let all = mix("call=4,cancel=2,busy=1,register=1,options=1").unwrap();
        for (hangup, in_dialog) in [
            (Party::Caller, InDialog::Info),
            (Party::Callee, InDialog::Reinvite),
        ] {
            let config = Config {
                hangup,
                in_dialog,
                mix: all.clone(),
                ..profile(text)
            };
            let mut network = Network::new(&config, 150);
            network.run(500);
            let tally = &network.world.tally;
            let good: u64 = tally.kinds.iter().map(|kind| kind.good).sum();
            // Eleven copies of a message are hardly ever lost together; a CANCEL that overtakes is.
            assert!(good >= 495, "{:?} {:?}", tally.kinds, tally.unexpected);
            assert!(
                tally.retransmissions > 300 && tally.duplicates > 100,
                "{tally:?}"
            );
            let known: BTreeSet<Method> = tally.requests_again.keys().copied().collect();
            assert!(known.contains(&Method::Invite) && known.contains(&Method::Bye));
            // A loss is seen as a wait.
            assert!(tally.post_dial_200.quantiles().unwrap().max > 500_000.0);
        }
    }

    #[test]
    fn without_an_answer_a_call_times_out_after_64_t1() {
        let config = Config {
            mix: mix("call=1,options=1").unwrap(),
            ..Config::default()
        };
        let mut network = Network::new(&config, 1000);
        let begin = network.world.now;
        network.run(10);
        let tally = &network.world.tally;
        let sum =
            |of: fn(&super::super::report::Counts) -> u64| tally.kinds.iter().map(of).sum::<u64>();
        assert_eq!((sum(|kind| kind.timed_out), sum(|kind| kind.good)), (10, 0));
        let seconds = (network.world.now - begin) / 1_000_000_000;
        assert_eq!(seconds, 32);
        let (calls, options) = (
            tally.kinds[Kind::Call as usize].started,
            tally.kinds[Kind::Options as usize].started,
        );
        // RFC 3261 §17.1.1.2 has seven copies of an INVITE, §17.1.2.2 eleven of anything else.
        assert_eq!(network.crossed["INVITE"], 7 * calls);
        assert_eq!(network.crossed["OPTIONS"], 11 * options);
    }

    #[test]
    fn a_provisional_response_slows_the_copies_down() {
        // An INVITE is not sent again at all, anything else every 4 s: after 0.5, 4.5, … 28.5.
        for (kind, copies) in [("call", 0), ("options", 8)] {
            let config = Config {
                mix: mix(&format!("{kind}=1")).unwrap(),
                ..Config::default()
            };
            let begin = 1_000_000_000_000;
            let mut world = World::new(&config, 1, begin, begin..u64::MAX);
            world.arrive(begin);
            let sent = world.out[0].take();
            let request = Seen::read(&sent[0].2).unwrap();
            let mut trying = b"SIP/2.0 100 Trying\r\n".to_vec();
            super::super::text::echo(&mut trying, &request, &[b'0'; 24], false);
            trying.extend_from_slice(b"Content-Length: 0\r\n\r\n");
            world.receive(0, Some(&trying), config.target.into(), begin);
            for tenths in 1..=321 {
                world.now = begin + tenths * 100 * MILLISECOND;
                world.expire();
            }
            assert_eq!(world.out[0].take().len(), copies, "{kind}");
        }
    }

    #[test]
    fn arrivals_above_the_bound_are_shed() {
        let config = Config {
            calls_max: 5,
            hold: "2s".parse().unwrap(),
            ..Config::default()
        };
        let mut network = Network::new(&config, 0);
        network.run(20);
        let tally = &network.world.tally;
        assert_eq!(
            (tally.intended, tally.shed, tally.in_progress_max),
            (20, 15, 5)
        );
        assert_eq!(network.world.calls.len(), 5);
    }

    #[test]
    fn a_foreign_caller_is_answered() {
        let config = Config {
            role: Role::Callee,
            ..Config::default()
        };
        let begin = 1_000_000_000_000;
        let mut world = World::new(&config, 1, begin, begin..u64::MAX);
        let source: SockaddrIn = config.caller.into();
        let request = |method: &str, sequence: u32, tag: &str| {
            format!(
                "{method} sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK{sequence}\r\n\
                 From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>{tag}\r\nCall-ID: strange\r\nCSeq: {sequence} {method}\r\n\
                 Contact: <sip:a@127.0.0.1:5080>\r\nContent-Length: 0\r\n\r\n"
            )
        };
        world.receive(
            1,
            Some(request("INVITE", 700, "").as_bytes()),
            source,
            begin,
        );
        let answers = world.out[1].take();
        let answer = Seen::read(&answers[1].2).unwrap();
        assert_eq!((answers.len(), answer.start), (2, Start::Response(200)));
        assert!(has_tag(answer.to));
        let tag = std::str::from_utf8(answer.to)
            .unwrap()
            .split_once(';')
            .unwrap()
            .1;
        let tag = format!(";{tag}");
        for (method, sequence) in [("ACK", 700), ("INFO", 701), ("BYE", 702), ("BYE", 702)] {
            world.receive(
                1,
                Some(request(method, sequence, &tag).as_bytes()),
                source,
                begin,
            );
        }
        assert_eq!(world.out[1].take().len(), 3);
        assert_eq!(world.tally.kinds[Kind::Call as usize].good, 1);
        assert!(world.foreign.is_empty());
    }

    #[test]
    fn what_is_nobodys_or_broken_is_counted() {
        let config = Config::default();
        let mut network = Network::new(&config, 0);
        let world = &mut network.world;
        let source: SockaddrIn = config.target.into();
        let text = "SIP/2.0 200 OK\r\nVia: x\r\nVia: y\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
            Call-ID: abc\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
        world.receive(0, Some(text.as_bytes()), source, 0);
        world.receive(0, Some(b"\r\n\r\n"), source, 0);
        world.receive(0, None, source, 0);
        assert_eq!((world.tally.malformed, world.tally.stray), (3, 0));
        let text = text.replace("Via: y\r\n", "");
        world.receive(0, Some(text.as_bytes()), source, 0);
        assert_eq!((world.tally.malformed, world.tally.stray), (3, 1));
    }
}
