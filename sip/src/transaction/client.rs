//! The client side of the layer: requests out, responses in.

use bytes::Bytes;

use crate::instant::Instant;

use super::client_invite::State;
use super::derived::{branch_of, cancel_for, reread};
use super::drive::Enclosed;
use super::essence::Essence;
use super::event::{Canceled, CreateError, Disposition, Phase};
use super::fingerprint::Fingerprint;
use super::id::ClientId;
use super::key::ClientKey;
use super::layer::Layer;
use super::machine::{Class, ClientEvent, Input};
use super::record::{Cancel, Machine, Record};

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
        let print = key.print(&self.printer);
        let record = Record::new(Machine::client(key.method), peer, reliable);
        let wire = Some(wire).filter(|wire| !wire.is_empty());
        self.begin(print, record, wire, now).map(ClientId)
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
        let Some(found) = self.table.find(key.print(&self.printer)) else {
            self.counters.stray_responses += 1;
            return None;
        };
        let record = self.table.get(found)?;
        let (internal, canceling) = (record.internal, record.cancel.is_some());
        let input = Input::client(ClientEvent::Response(Class::of(status)));
        let enclosed = Enclosed { wire: None, to };
        let passed = self.drive(found, input, enclosed, now).passed;
        if canceling {
            self.send_due_cancel(ClientId(found), now);
        }
        if !passed {
            self.counters.retransmissions_received += 1;
        }
        let disposition = match passed && !internal {
            true => Disposition::Pass,
            false => Disposition::Absorbed,
        };
        Some((ClientId(found), disposition))
    }

    /// Cancels an INVITE, at once or as soon as it may be (RFC 3261 §9.1).
    ///
    /// The CANCEL has a transaction of its own of which the user hears nothing. Where no final
    /// response to the INVITE follows within 64·T1, that ends with [`Event::ClientTimeout`].
    /// `reason` is the value of a Reason header (RFC 3326).
    pub fn cancel(&mut self, id: ClientId, reason: Option<&[u8]>, now: Instant) -> Canceled {
        let Some(record) = self.table.get_mut(id.0) else {
            return Canceled::Refused;
        };
        let calling = match record.machine {
            Machine::ClientInvite(State::Calling) => true,
            Machine::ClientInvite(State::Proceeding) => false,
            _ => return Canceled::Refused,
        };
        match record.cancel.as_deref() {
            None => {}
            Some(Cancel::Wanted { .. }) => return Canceled::Deferred,
            Some(Cancel::Sent) => return Canceled::Sent,
        }
        let Some(invite) = record.wire.as_ref().and_then(reread) else {
            return Canceled::Refused;
        };
        let wire = cancel_for(&invite, reason);
        let key = ClientKey {
            branch: branch_of(&invite),
            method: b"CANCEL",
        };
        let print = key.print(&self.printer);
        if calling {
            record.cancel = Some(Box::new(Cancel::Wanted { wire, print }));
            return Canceled::Deferred;
        }
        self.send_cancel(id, wire, print, now);
        Canceled::Sent
    }

    /// Keeps no more than its `essence` of an INVITE that a provisional response came to: it is not sent
    /// again (RFC 3261 §17.1.1.2). For who has many that ring long.
    pub fn shorten(&mut self, id: ClientId, essence: Essence) {
        let Some(record) = self.table.get_mut(id.0) else {
            return;
        };
        if record.machine == Machine::ClientInvite(State::Proceeding) {
            let held = record.held();
            record.wire = Some(essence.0);
            self.counters.bytes = self.counters.bytes - held + record.held();
        }
    }

    /// How far a client transaction is; `None` when it is gone.
    pub fn client_phase(&self, id: ClientId) -> Option<Phase> {
        let record = self.table.get(id.0)?;
        Some(record.machine.phase(true))
    }

    /// Where the request of a client transaction went.
    pub fn client_peer(&self, id: ClientId) -> Option<&P> {
        self.table.get(id.0).map(|record| &record.peer)
    }

    /// Sends the CANCEL that waited for the provisional response, if that is what has come.
    fn send_due_cancel(&mut self, id: ClientId, now: Instant) {
        let Some(record) = self.table.get_mut(id.0) else {
            return;
        };
        if record.machine != Machine::ClientInvite(State::Proceeding) {
            return;
        }
        let Some(cancel) = record.cancel.as_deref_mut() else {
            return;
        };
        if let Cancel::Wanted { wire, print } = std::mem::replace(cancel, Cancel::Sent) {
            self.send_cancel(id, wire, print, now);
        }
    }

    /// Sends the CANCEL of an INVITE. It passes the limits: there is at most one to an INVITE.
    fn send_cancel(&mut self, id: ClientId, wire: Bytes, print: Fingerprint, now: Instant) {
        let Some(invite) = self.table.get_mut(id.0) else {
            return;
        };
        invite.cancel = Some(Box::new(Cancel::Sent));
        let (peer, reliable) = (invite.peer.clone(), invite.running.reliable);
        let mut record = Record::new(Machine::client(b"CANCEL"), peer, reliable);
        record.internal = true;
        // A CANCEL that the user sent by itself has the key already, and serves as well.
        let sent = self.begin(print, record, Some(wire), now);
        debug_assert_ne!(sent, Err(CreateError::Full));
        let input = Input::client(ClientEvent::Canceled);
        self.drive(id.0, input, Enclosed::default(), now);
    }
}
