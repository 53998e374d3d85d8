//! The client side of the layer: requests out, responses in.

use bytes::Bytes;

use crate::instant::Instant;

use super::derived::{ack_for_wire, cancel_for_wire};
use super::event::{Canceled, CreateError, Disposition, Event, Phase};
use super::id::ClientId;
use super::key::ClientKey;
use super::layer::Layer;
use super::machine::{Action, Class, ClientEvent, Report, Stage};
use super::running::{Desk, Running};
use super::table::Entry;
use super::{client_invite, client_other};

/// One client transaction.
#[derive(Debug)]
pub(super) struct Client<P> {
    machine: Machine,
    pub(super) running: Running,
    /// A CANCEL of the layer itself, of which the user hears nothing.
    pub(super) internal: bool,
    cancel: Cancel,
    peer: P,
    /// What may have to be sent again: the request, then the ACK; empty otherwise.
    wire: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Invite(client_invite::State),
    Other(client_other::State),
}

/// Whether an INVITE is to be cancelled (RFC 3261 §9.1).
#[derive(Debug)]
enum Cancel {
    No,
    /// This CANCEL waits for the first provisional response.
    Wanted(Box<Bytes>),
    Sent,
}

impl<P: Clone> Layer<P> {
    /// Begins a transaction and sends its request `wire`, whose top Via has the branch of `key`.
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at a limit, [`CreateError::Duplicate`] where the key exists.
    pub fn create_client(
        &mut self,
        key: &ClientKey<'_>,
        wire: Bytes,
        peer: P,
        reliable: bool,
        now: Instant,
    ) -> Result<ClientId, CreateError> {
        debug_assert_ne!(key.method, b"ACK", "an ACK has no transaction");
        self.make_room()?;
        let client = Client::new(key.method, wire, peer, reliable);
        key.encode(&mut self.scratch);
        self.start_client(client, now)
    }

    /// Gives a response to its transaction; `None` where there is none, and then it is dropped
    /// (RFC 6026 §7.2).
    ///
    /// `to` is the value of the response's To, which the ACK of a non-2xx response copies.
    pub fn receive_response(
        &mut self,
        key: &ClientKey<'_>,
        status: u16,
        to: &[u8],
        now: Instant,
    ) -> Option<(ClientId, Disposition)> {
        key.encode(&mut self.scratch);
        let Some(found) = self.clients.find(&self.scratch) else {
            self.counters.stray_responses += 1;
            return None;
        };
        let id = ClientId(found);
        let internal = self.clients.get(found)?.internal;
        let event = ClientEvent::Response(Class::of(status));
        let disposition = self.drive_client(id, event, to, now);
        if let Some(cancel) = self.take_due_cancel(id) {
            self.send_cancel(id, cancel, now);
        }
        if disposition == Disposition::Absorbed {
            self.counters.retransmissions_received += 1;
        }
        Some(match internal {
            true => (id, Disposition::Absorbed),
            false => (id, disposition),
        })
    }

    /// Cancels an INVITE, at once or as soon as it may be (RFC 3261 §9.1).
    ///
    /// The CANCEL has a transaction of its own of which the user hears nothing. Where no final
    /// response to the INVITE follows within 64·T1, that ends with [`Event::ClientTimeout`].
    /// `reason` is the value of a Reason header (RFC 3326).
    pub fn cancel(&mut self, id: ClientId, reason: Option<&[u8]>, now: Instant) -> Canceled {
        use client_invite::State::{Calling, Proceeding};

        let Some(entry) = self.clients.entry_mut(id.0) else {
            return Canceled::Refused;
        };
        let client = &mut entry.value;
        let calling = match client.machine {
            Machine::Invite(Calling) => true,
            Machine::Invite(Proceeding) => false,
            _ => return Canceled::Refused,
        };
        match client.cancel {
            Cancel::No => {}
            Cancel::Wanted(_) => return Canceled::Deferred,
            Cancel::Sent => return Canceled::Sent,
        }
        let Some(wire) = cancel_for_wire(&client.wire, reason) else {
            return Canceled::Refused;
        };
        if calling {
            client.cancel = Cancel::Wanted(Box::new(wire));
            return Canceled::Deferred;
        }
        self.send_cancel(id, wire, now);
        Canceled::Sent
    }

    /// How far a client transaction is; `None` when it is gone.
    pub fn client_phase(&self, id: ClientId) -> Option<Phase> {
        use client_invite::State as Invite;
        use client_other::State as Other;

        let client = self.clients.get(id.0)?;
        Some(match client.machine {
            Machine::Invite(Invite::Calling) | Machine::Other(Other::Trying) => Phase::Waiting,
            Machine::Invite(Invite::Proceeding) | Machine::Other(Other::Proceeding) => {
                Phase::Proceeding
            }
            _ => Phase::Finished,
        })
    }

    /// Where the request of a client transaction went.
    pub fn client_peer(&self, id: ClientId) -> Option<&P> {
        self.clients.get(id.0).map(|client| &client.peer)
    }

    /// Stores `client` under the key in `scratch` and sends its request.
    fn start_client(&mut self, client: Client<P>, now: Instant) -> Result<ClientId, CreateError> {
        let stored = self.clients.insert(&self.scratch, client);
        let id = ClientId(stored.ok_or(CreateError::Duplicate)?);
        self.counters.live += 1;
        self.counters.bytes += self.clients.entry(id.0).map_or(0, Entry::<Client<P>>::held);
        self.drive_client(id, ClientEvent::Begin, b"", now);
        Ok(id)
    }

    /// The CANCEL that waited for the provisional response that has now come.
    fn take_due_cancel(&mut self, id: ClientId) -> Option<Bytes> {
        let client = &mut self.clients.entry_mut(id.0)?.value;
        if client.machine != Machine::Invite(client_invite::State::Proceeding) {
            return None;
        }
        match std::mem::replace(&mut client.cancel, Cancel::No) {
            Cancel::Wanted(wire) => Some(*wire),
            other => {
                client.cancel = other;
                None
            }
        }
    }

    /// Sends the CANCEL of an INVITE. It passes the limits: there is at most one to an INVITE.
    fn send_cancel(&mut self, id: ClientId, wire: Bytes, now: Instant) {
        let Some(entry) = self.clients.entry_mut(id.0) else {
            return;
        };
        ClientKey::encode_cancel(entry.key(), &mut self.scratch);
        let invite = &mut entry.value;
        invite.cancel = Cancel::Sent;
        let mut client = Client::new(
            b"CANCEL",
            wire,
            invite.peer.clone(),
            invite.running.reliable,
        );
        client.internal = true;
        // A CANCEL that the user sent by itself has the key already, and serves as well.
        let sent = self.start_client(client, now);
        debug_assert_ne!(sent, Err(CreateError::Full));
        self.drive_client(id, ClientEvent::Canceled, b"", now);
    }

    /// Feeds an event and what follows from it; says whether a response is for the user.
    pub(super) fn drive_client(
        &mut self,
        id: ClientId,
        event: ClientEvent,
        to: &[u8],
        now: Instant,
    ) -> Disposition {
        let mut disposition = Disposition::Absorbed;
        let mut next = Some(event);
        while let Some(event) = next {
            next = self.step_client(id, event, to, now, &mut disposition);
        }
        disposition
    }

    /// One step; returns the event of a timer that took no time.
    fn step_client(
        &mut self,
        id: ClientId,
        event: ClientEvent,
        to: &[u8],
        now: Instant,
        disposition: &mut Disposition,
    ) -> Option<ClientEvent> {
        let entry = self.clients.entry_mut(id.0)?;
        let held = entry.held();
        let client = &mut entry.value;
        let was = client.machine.stage();
        let mut desk = Desk {
            wheel: &mut self.wheel,
            timers: &self.timers,
            owner: id.into(),
            now,
        };
        let mut fired = None;
        for &action in client.machine.step(event) {
            match action {
                Action::Send => {
                    let repeated = matches!(event, ClientEvent::Fired(_));
                    self.counters.retransmissions_sent += u64::from(repeated);
                    self.events.extend(client.send(id));
                }
                Action::SendAck => {
                    if was == Stage::Live {
                        client.wire = ack_for_wire(&client.wire, to).unwrap_or_default();
                    }
                    self.events.extend(client.send(id));
                }
                Action::Pass => *disposition = Disposition::Pass,
                Action::Report(report) if !client.internal => {
                    self.events.extend(report_of(report, id));
                }
                action => fired = client.running.apply(action, &mut desk).or(fired),
            }
        }
        if !client.machine.sends_again() {
            client.wire = Bytes::new();
        }
        let is = client.machine.stage();
        if is != Stage::Live {
            client.cancel = Cancel::No;
        }
        self.counters.bytes = self.counters.bytes - held + entry.held();
        self.settle(id.into(), was, is);
        fired.map(ClientEvent::Fired)
    }
}

impl<P> Client<P> {
    fn new(method: &[u8], wire: Bytes, peer: P, reliable: bool) -> Self {
        Self {
            machine: Machine::new(method),
            running: Running::new(reliable),
            internal: false,
            cancel: Cancel::No,
            peer,
            wire,
        }
    }

    pub(super) const fn stage(&self) -> Stage {
        self.machine.stage()
    }
}

impl<P: Clone> Client<P> {
    fn send(&self, id: ClientId) -> Option<Event<P>> {
        (!self.wire.is_empty()).then(|| Event::Send {
            peer: self.peer.clone(),
            wire: self.wire.clone(),
            transaction: id.into(),
        })
    }
}

impl<P> Entry<Client<P>> {
    /// Memory that this transaction holds.
    pub(super) fn held(&self) -> usize {
        self.overhead() + self.value.wire.len()
    }
}

impl Machine {
    fn new(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::Invite(client_invite::State::Calling),
            _ => Self::Other(client_other::State::Trying),
        }
    }

    fn step(&mut self, event: ClientEvent) -> &'static [Action] {
        match self {
            Self::Invite(state) => {
                let step = client_invite::step(*state, event);
                *state = step.next;
                step.actions
            }
            Self::Other(state) => {
                let step = client_other::step(*state, event);
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

    /// Whether the request or the ACK may have to be sent again.
    fn sends_again(self) -> bool {
        self.stage() == Stage::Live || self == Self::Invite(client_invite::State::Completed)
    }
}

const fn report_of<P>(report: Report, id: ClientId) -> Option<Event<P>> {
    match report {
        Report::Timeout => Some(Event::ClientTimeout(id)),
        Report::TransportError => Some(Event::ClientTransportError(id)),
        Report::Acked | Report::TryingDue => None,
    }
}
