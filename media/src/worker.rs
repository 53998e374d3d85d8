//! A media thread: its sessions, its rooms, its clock.
//!
//! Each turn carries out the commands that came, reads the sockets that have something, and does a
//! tick if one is due. Sockets whose packets are handed on as they come are waited for; those of all
//! other sessions are looked at every [`SWEEP`], since nothing is done with their packets before the
//! next tick anyway.

mod moves;
mod tick;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::SessionId;
use crate::clock::{Clock, Due, TICK};
use crate::desk::{Desk, PACKET_MAX};
use crate::hall::Hall;
use crate::inbox::Popped;
use crate::leg::{Leg, Tap, Tie};
use crate::link::{Links, Mail};
use crate::player::Owner;
use crate::room::RoomId;
use crate::session::Command;

/// What a worker does.
pub(crate) struct Worker {
    number: usize,
    polls: Polls,
    links: Arc<Links>,
    clock: Clock,
    desk: Desk,
    legs: Slab<Box<Leg>>,
    places: HashMap<SessionId, usize>,
    halls: Slab<Hall>,
    rooms: HashMap<RoomId, usize>,
    /// Requests for sessions that were not where they were looked for; one of each that waits.
    later: Vec<Mail>,
    buffer: Box<[u8]>,
    packet: Vec<u8>,
}

/// Where it waits for its sockets.
pub(crate) struct Polls {
    /// Sockets that are looked at as packets come, and the waker.
    urgent: Poll,
    /// All others.
    lazy: Poll,
}

/// Makes what a worker waits on, and what wakes it.
pub(crate) fn polls() -> io::Result<(Polls, Waker)> {
    let urgent = Poll::new()?;
    let waker = Waker::new(urgent.registry(), WAKER)?;
    let lazy = Poll::new()?;
    Ok((Polls { urgent, lazy }, waker))
}

impl Worker {
    pub(crate) fn new(number: usize, polls: Polls, links: Arc<Links>) -> Self {
        let phase = TICK * number as u32 / links.workers() as u32;
        Self {
            number,
            polls,
            clock: Clock::new(links.epoch + phase),
            desk: Desk::new(Arc::clone(&links)),
            links,
            legs: Slab::new(),
            places: HashMap::new(),
            halls: Slab::new(),
            rooms: HashMap::new(),
            later: Vec::new(),
            buffer: vec![0; PACKET_MAX].into_boxed_slice(),
            packet: Vec::with_capacity(PACKET_MAX),
        }
    }

    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut mail = VecDeque::new();
        let mut swept = Instant::now();
        while !self.links.is_stopped() {
            self.wait(&mut events, swept + SWEEP);
            self.desk.now = Instant::now();
            self.read_ready(&events);
            self.links.take(self.number, &mut mail);
            for mail in mail.drain(..) {
                self.carry_out(mail);
            }
            if self.desk.now >= swept + SWEEP {
                swept = self.desk.now;
                self.sweep(&mut events);
            }
            // One tick a turn: a thread that has more to do than a tick is long still hears what it
            // is told, and that it is to stop.
            if let Due::Tick { skipped } = self.clock.due(self.desk.now) {
                self.desk.tick = self.clock.count();
                self.tick(skipped);
            }
        }
        self.end();
    }

    /// Waits for packets, mail, or the next time at which something is to be done.
    fn wait(&mut self, events: &mut Events, sweep: Instant) {
        events.clear();
        let now = Instant::now();
        let idle = self.legs.is_empty()
            && self.halls.is_empty()
            && self.later.is_empty()
            && self.desk.outbox.is_empty();
        let next = || {
            let sweep = sweep.saturating_duration_since(now);
            self.clock.remaining(now).min(sweep)
        };
        let timeout = (!idle).then(next);
        let waited = match timeout {
            // The system counts milliseconds and rounds up: the last part of one is slept.
            Some(short) if short < MILLISECOND => {
                std::thread::sleep(short);
                self.polls.urgent.poll(events, Some(Duration::ZERO))
            }
            Some(time) => {
                let whole = Duration::from_millis(time.as_millis() as u64);
                self.polls.urgent.poll(events, Some(whole))
            }
            None => {
                let waited = self.polls.urgent.poll(events, None);
                self.clock.resume(Instant::now());
                self.desk.tick = self.clock.count();
                waited
            }
        };
        if let Err(error) = waited
            && error.kind() != io::ErrorKind::Interrupted
        {
            // Without its poll a worker still has its clock and its sweeps.
            tracing::error!(%error, "waiting for media sockets");
            std::thread::sleep(MILLISECOND);
        }
    }

    /// Looks at the sockets that are not waited for.
    fn sweep(&mut self, events: &mut Events) {
        // A full list means that there may be more.
        for _ in 0..SWEEPS_MAX {
            events.clear();
            if self.polls.lazy.poll(events, Some(Duration::ZERO)).is_err() {
                return;
            }
            self.read_ready(events);
            if events.iter().count() < EVENTS {
                return;
            }
        }
    }

    fn read_ready(&mut self, events: &Events) {
        for event in events {
            let token = event.token();
            if token == WAKER {
                continue;
            }
            if token.0 % 2 == 0 {
                self.read(token.0 / 2);
            } else {
                self.read_reports(token.0 / 2);
            }
        }
    }

    /// Reads what has come to the RTP port of a session.
    fn read(&mut self, place: usize) {
        for _ in 0..DATAGRAMS_MAX {
            let Some(leg) = self.legs.get_mut(place) else {
                return;
            };
            let (length, from) = match leg.rtp.recv_from(&mut self.buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // What ICMP said of a packet that we sent.
                Err(_) => continue,
            };
            self.packet.clear();
            let datagram = self.buffer.get(..length).unwrap_or_default();
            self.packet.extend_from_slice(datagram);
            let arrival = leg.receive(&mut self.packet, from, &mut self.desk);
            if let Some(arrival) = arrival {
                self.arrived(place, &arrival);
            }
        }
        // The system tells of a socket once: what is left there is read with the next packet, or
        // never, if none comes. Nobody sends that much who is not flooding us.
    }

    fn read_reports(&mut self, place: usize) {
        for _ in 0..DATAGRAMS_MAX {
            let Some(leg) = self.legs.get_mut(place) else {
                return;
            };
            let (length, from) = match leg.rtcp.recv_from(&mut self.buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            self.packet.clear();
            let datagram = self.buffer.get(..length).unwrap_or_default();
            self.packet.extend_from_slice(datagram);
            leg.receive_report(&mut self.packet, from, &self.desk);
        }
    }

    fn carry_out(&mut self, mail: Mail) {
        match mail {
            Mail::Adopt(leg, errand) => self.adopt(leg, errand),
            Mail::Give {
                session,
                partner,
                stamp,
                to,
                hops,
            } => self.give(&session, &partner, stamp, to, hops),
            Mail::Ready(id) => {
                if let Some(place) = self.places.get(&id) {
                    self.obey(*place);
                }
            }
            Mail::RoomReady(room) => self.obey_room(&room),
        }
    }

    /// Carries out the commands of a session, until there are no more, or it has gone elsewhere.
    fn obey(&mut self, place: usize) {
        while let Some(leg) = self.legs.get_mut(place) {
            let desk = &mut self.desk;
            match leg.shared.inbox.pop() {
                Popped::Nothing => return,
                Popped::Closed => return self.close(place),
                Popped::Command(command) => match command {
                    Command::Bridge(other, stamp) => self.bridge(place, other, stamp),
                    Command::Connect(peer) => leg.connect(*peer, desk),
                    Command::Join(seat, member, stamp) => self.join(place, seat, member, stamp),
                    Command::Keys { id, keys } => {
                        leg.play(id, |player| player.push_keys(Owner::Play(id), &keys));
                    }
                    Command::Leave(stamp) => self.leave(place, stamp),
                    Command::Listen(on) => leg.listen(on),
                    Command::Play { id, what, times } => {
                        leg.play(id, |player| player.push(Owner::Play(id), what, times));
                    }
                    Command::Record(id, spec) => leg.record(id, spec, desk),
                    Command::SetMember(member) => self.set_member(place, member),
                    Command::Stop(id) => leg.stop(id),
                    Command::StopRecord(id) => leg.stop_record(id, desk),
                    Command::Tap(id, tracks, sink) => leg.tap(Tap::new(id, tracks, sink)),
                    Command::Unbridge(stamp) => self.unbridge(place, stamp),
                    Command::Untap(id) => leg.untap(id),
                },
            }
            // A session that has gone to another worker is asked there.
            if self.gone(place) {
                return;
            }
        }
    }

    fn gone(&self, place: usize) -> bool {
        !self.legs.contains(place)
    }

    fn close(&mut self, place: usize) {
        if let Some(mut leg) = self.take_out(place) {
            leg.close(&mut self.desk);
        }
    }

    /// Waits for the sockets of a session in the way that its packets need.
    fn attend(&mut self, place: usize) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        let urgent = matches!(leg.tie, Tie::Partner(_));
        if urgent != leg.urgent {
            self.deregister(place);
            self.register(place, urgent);
        }
    }

    fn register(&mut self, place: usize, urgent: bool) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        leg.urgent = urgent;
        let poll = if urgent {
            &self.polls.urgent
        } else {
            &self.polls.lazy
        };
        let registered = poll
            .registry()
            .register(&mut leg.rtp, Token(place * 2), Interest::READABLE)
            .and_then(|()| {
                self.polls.lazy.registry().register(
                    &mut leg.rtcp,
                    Token(place * 2 + 1),
                    Interest::READABLE,
                )
            });
        if let Err(error) = registered {
            tracing::error!(%error, "waiting for the sockets of a session");
        }
    }

    fn deregister(&mut self, place: usize) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        let poll = if leg.urgent {
            &self.polls.urgent
        } else {
            &self.polls.lazy
        };
        let one = poll.registry().deregister(&mut leg.rtp);
        let other = self.polls.lazy.registry().deregister(&mut leg.rtcp);
        if let Err(error) = one.and(other) {
            tracing::debug!(%error, "leaving the sockets of a session");
        }
    }

    /// Closes all that there is.
    fn end(&mut self) {
        let places: Vec<usize> = self.legs.iter().map(|(place, _)| place).collect();
        for place in places {
            self.close(place);
        }
        for (_, mut hall) in std::mem::take(&mut self.halls) {
            hall.close(&mut self.desk);
        }
        self.links.counters.add(&mut self.desk.tally);
        self.desk.outbox.leave(&self.links.writer);
    }
}

/// The waker's token; sessions have lower ones.
const WAKER: Token = Token(usize::MAX);

/// How often sockets are looked at that are not waited for.
const SWEEP: Duration = Duration::from_millis(5);

/// Ready sockets that are asked for at a time.
const EVENTS: usize = 1024;

/// Times that a sweep asks again.
const SWEEPS_MAX: usize = 16;

/// Datagrams that are read from one socket in one go; a peer sends one in 20 ms.
const DATAGRAMS_MAX: usize = 64;

const MILLISECOND: Duration = Duration::from_millis(1);
