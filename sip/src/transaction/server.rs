//! The server side of the layer: requests in, responses out.

use bytes::Bytes;

use crate::instant::Instant;

use super::event::{CreateError, Event, Phase, Received, Responded};
use super::id::ServerId;
use super::key::ServerKey;
use super::layer::Layer;
use super::machine::{Action, Class, Report, ServerEvent, Stage};
use super::running::{Desk, Running};
use super::table::Entry;
use super::{server_invite, server_other};

/// One server transaction.
#[derive(Debug)]
pub(super) struct Server<P> {
    machine: Machine,
    pub(super) running: Running,
    /// The 100 of RFC 4320 §4.1 is allowed.
    trying_due: bool,
    peer: P,
    /// The last response, while it may have to be sent again; empty otherwise.
    response: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Invite(server_invite::State),
    Other(server_other::State),
}

impl<P: Clone> Layer<P> {
    /// Says what a request is to the transactions that exist; absorbs what belongs to one
    /// (RFC 3261 §17.2.3).
    pub fn receive_request(&mut self, key: &ServerKey<'_>, now: Instant) -> Received {
        if key.method == b"ACK" {
            return self.receive_ack(key, now);
        }
        if let Some(id) = self.find_server(key, key.method) {
            self.counters.retransmissions_received += 1;
            self.drive_server(id, ServerEvent::Request, Bytes::new(), now);
            return Received::Retransmission(id);
        }
        if key.method == b"CANCEL" {
            let invite = self.find_server(key, b"INVITE");
            return Received::Cancel { invite };
        }
        Received::New
    }

    /// Begins the transaction of a request that [`Layer::receive_request`] called new.
    ///
    /// `peer` is where its responses go; over a `reliable` transport nothing is sent twice.
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at a limit, [`CreateError::Duplicate`] where the key exists.
    pub fn create_server(
        &mut self,
        key: &ServerKey<'_>,
        peer: P,
        reliable: bool,
        now: Instant,
    ) -> Result<ServerId, CreateError> {
        debug_assert_ne!(key.method, b"ACK", "an ACK has no transaction");
        self.make_room()?;
        let server = Server {
            machine: Machine::new(key.method),
            running: Running::new(reliable),
            trying_due: false,
            peer,
            response: Bytes::new(),
        };
        key.encode(key.method, &mut self.scratch);
        let stored = self.servers.insert(&self.scratch, server);
        let id = ServerId(stored.ok_or(CreateError::Duplicate)?);
        self.counters.live += 1;
        self.counters.bytes += self.servers.entry(id.0).map_or(0, Entry::<Server<P>>::held);
        self.drive_server(id, ServerEvent::Begin, Bytes::new(), now);
        Ok(id)
    }

    /// Sends a response. A 2xx to an INVITE may be given again, as its sender must until the ACK.
    ///
    /// RFC 4320 §4 is kept here: a non-INVITE gets no provisional response but 100, gets that over
    /// an unreliable transport only when it is due, and never a 408, which ends it in silence.
    pub fn respond(&mut self, id: ServerId, status: u16, wire: Bytes, now: Instant) -> Responded {
        let Some(server) = self.servers.get(id.0) else {
            return Responded::Stale;
        };
        if matches!(server.machine, Machine::Other(_)) {
            match status {
                0..=99 | 101..=199 => return Responded::Suppressed,
                100 if !server.running.reliable && !server.trying_due => {
                    return Responded::Suppressed;
                }
                408 => {
                    self.drive_server(id, ServerEvent::Abandon, Bytes::new(), now);
                    return Responded::Suppressed;
                }
                _ => {}
            }
        }
        let event = ServerEvent::Respond(Class::of(status));
        if self.drive_server(id, event, wire, now) {
            Responded::Sent
        } else {
            Responded::Suppressed
        }
    }

    /// How far a server transaction is; `None` when it is gone.
    pub fn server_phase(&self, id: ServerId) -> Option<Phase> {
        use server_invite::State as Invite;
        use server_other::State as Other;

        let server = self.servers.get(id.0)?;
        Some(match server.machine {
            Machine::Invite(Invite::Proceeding) if server.response.is_empty() => Phase::Waiting,
            Machine::Other(Other::Trying) => Phase::Waiting,
            Machine::Invite(Invite::Proceeding) | Machine::Other(Other::Proceeding) => {
                Phase::Proceeding
            }
            _ => Phase::Finished,
        })
    }

    /// Where the responses of a server transaction go.
    pub fn server_peer(&self, id: ServerId) -> Option<&P> {
        self.servers.get(id.0).map(|server| &server.peer)
    }

    /// RFC 3261 §17.2.3: an ACK belongs to the transaction of its INVITE.
    fn receive_ack(&mut self, key: &ServerKey<'_>, now: Instant) -> Received {
        let found = self.find_server(key, b"INVITE").or_else(|| {
            let initial = key.without_to_tag()?;
            self.find_server(&initial, b"INVITE")
        });
        let Some(id) = found else {
            self.counters.stray_acks += 1;
            return Received::StrayAck;
        };
        let accepted = Machine::Invite(server_invite::State::Accepted);
        if self.servers.get(id.0).map(|server| server.machine) == Some(accepted) {
            return Received::AckFor2xx(id);
        }
        self.drive_server(id, ServerEvent::Ack, Bytes::new(), now);
        Received::Ack(id)
    }

    fn find_server(&mut self, key: &ServerKey<'_>, method: &[u8]) -> Option<ServerId> {
        key.encode(method, &mut self.scratch);
        self.servers.find(&self.scratch).map(ServerId)
    }

    /// Feeds an event and what follows from it; says whether the machine took `wire`.
    pub(super) fn drive_server(
        &mut self,
        id: ServerId,
        event: ServerEvent,
        mut wire: Bytes,
        now: Instant,
    ) -> bool {
        let mut next = Some(event);
        while let Some(event) = next {
            next = self.step_server(id, event, &mut wire, now);
        }
        wire.is_empty()
    }

    /// One step; returns the event of a timer that took no time.
    fn step_server(
        &mut self,
        id: ServerId,
        event: ServerEvent,
        wire: &mut Bytes,
        now: Instant,
    ) -> Option<ServerEvent> {
        let entry = self.servers.entry_mut(id.0)?;
        let held = entry.held();
        let server = &mut entry.value;
        let was = server.machine.stage();
        let mut desk = Desk {
            wheel: &mut self.wheel,
            timers: &self.timers,
            owner: id.into(),
            now,
        };
        let mut fired = None;
        for &action in server.machine.step(event) {
            match action {
                Action::Send => {
                    if !wire.is_empty() {
                        server.response = std::mem::take(wire);
                    }
                    if !server.response.is_empty() {
                        let repeated = matches!(event, ServerEvent::Fired(_));
                        self.counters.retransmissions_sent += u64::from(repeated);
                        self.events.push_back(server.send(id));
                    }
                }
                Action::Report(report) => {
                    server.trying_due |= report == Report::TryingDue;
                    self.events.push_back(report_of(report, id));
                }
                action => fired = server.running.apply(action, &mut desk).or(fired),
            }
        }
        if !server.machine.repeats_response() {
            server.response = Bytes::new();
        }
        let is = server.machine.stage();
        self.counters.bytes = self.counters.bytes - held + entry.held();
        self.settle(id.into(), was, is);
        fired.map(ServerEvent::Fired)
    }
}

impl<P: Clone> Server<P> {
    fn send(&self, id: ServerId) -> Event<P> {
        Event::Send {
            peer: self.peer.clone(),
            wire: self.response.clone(),
            transaction: id.into(),
        }
    }
}

impl<P> Entry<Server<P>> {
    /// Memory that this transaction holds.
    pub(super) fn held(&self) -> usize {
        self.overhead() + self.value.response.len()
    }
}

impl Machine {
    fn new(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::Invite(server_invite::State::Proceeding),
            _ => Self::Other(server_other::State::Trying),
        }
    }

    fn step(&mut self, event: ServerEvent) -> &'static [Action] {
        match self {
            Self::Invite(state) => {
                let step = server_invite::step(*state, event);
                *state = step.next;
                step.actions
            }
            Self::Other(state) => {
                let step = server_other::step(*state, event);
                *state = step.next;
                step.actions
            }
        }
    }

    const fn stage(self) -> Stage {
        match self {
            Self::Invite(state) => state.stage(),
            Self::Other(state) => state.stage(),
        }
    }

    /// Whether a repeated request still gets the last response.
    const fn repeats_response(self) -> bool {
        match self {
            Self::Invite(state) => matches!(state.stage(), Stage::Live),
            Self::Other(_) => true,
        }
    }
}

const fn report_of<P>(report: Report, id: ServerId) -> Event<P> {
    match report {
        Report::Timeout => Event::ServerTimeout(id),
        Report::TransportError => Event::ServerTransportError(id),
        Report::Acked => Event::ServerAcked(id),
        Report::TryingDue => Event::TryingDue(id),
    }
}
