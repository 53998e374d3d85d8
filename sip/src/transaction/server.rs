//! The server side of the layer: requests in, responses out.

use bytes::Bytes;

use crate::instant::Instant;

use super::drive::Enclosed;
use super::event::{CreateError, Phase, Received, Responded};
use super::id::ServerId;
use super::key::ServerKey;
use super::layer::Layer;
use super::machine::{Class, Input, ServerEvent};
use super::record::{Machine, Record};
use super::server_invite::State;

impl<P: Clone> Layer<P> {
    /// Says what a request is to the transactions that exist; absorbs what belongs to one
    /// (RFC 3261 §17.2.3).
    pub fn receive_request(&mut self, key: &ServerKey<'_>, now: Instant) -> Received {
        if key.method == b"ACK" {
            return self.receive_ack(key, now);
        }
        if let Some(id) = self.find_server(key, key.method) {
            self.counters.retransmissions_received += 1;
            self.tell(id, ServerEvent::Request, now);
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
        let print = key.print(key.method, &self.printer);
        let record = Record::new(Machine::server(key.method), peer, reliable);
        let begun = self.begin(print, record, None, now);
        begun.map(ServerId)
    }

    /// Sends a response. A 2xx to an INVITE may be given again, as its sender must until the ACK.
    ///
    /// RFC 4320 §4 is kept here: a non-INVITE gets no provisional response but 100, gets that over
    /// an unreliable transport only when it is due, and never a 408, which ends it in silence.
    pub fn respond(&mut self, id: ServerId, status: u16, wire: Bytes, now: Instant) -> Responded {
        let Some(record) = self.table.get(id.0) else {
            return Responded::Stale;
        };
        if matches!(record.machine, Machine::ServerOther(_)) {
            match status {
                0..=99 | 101..=199 => return Responded::Suppressed,
                100 if !record.running.reliable && !record.trying_due => {
                    return Responded::Suppressed;
                }
                408 => {
                    self.tell(id, ServerEvent::Abandon, now);
                    return Responded::Suppressed;
                }
                _ => {}
            }
        }
        let input = Input::server(ServerEvent::Respond(Class::of(status)));
        let enclosed = Enclosed {
            wire: Some(wire).filter(|wire| !wire.is_empty()),
            to: b"",
        };
        match self.drive(id.0, input, enclosed, now).sent {
            true => Responded::Sent,
            false => Responded::Suppressed,
        }
    }

    /// How far a server transaction is; `None` when it is gone.
    pub fn server_phase(&self, id: ServerId) -> Option<Phase> {
        let record = self.table.get(id.0)?;
        Some(record.machine.phase(record.wire.is_some()))
    }

    /// Where the responses of a server transaction go.
    pub fn server_peer(&self, id: ServerId) -> Option<&P> {
        self.table.get(id.0).map(|record| &record.peer)
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
        let machine = self.table.get(id.0).map(|record| record.machine);
        if machine == Some(Machine::ServerInvite(State::Accepted)) {
            return Received::AckFor2xx(id);
        }
        self.tell(id, ServerEvent::Ack, now);
        Received::Ack(id)
    }

    /// Feeds an event that brings no message.
    fn tell(&mut self, id: ServerId, event: ServerEvent, now: Instant) {
        self.drive(id.0, Input::server(event), Enclosed::default(), now);
    }

    fn find_server(&self, key: &ServerKey<'_>, method: &[u8]) -> Option<ServerId> {
        let print = key.print(method, &self.printer);
        self.table.find(print).map(ServerId)
    }
}
