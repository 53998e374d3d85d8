//! What the layer keeps of one transaction, of whichever side.

use bytes::Bytes;

use crate::arena::Key;

use super::event::{Event, Phase};
use super::fingerprint::Fingerprint;
use super::id::{ClientId, ServerId, TransactionId};
use super::machine::{Effects, Input, Report, Rows, Stage};
use super::running::Running;
use super::{client_invite, client_other, server_invite, server_other};

#[derive(Debug)]
pub(super) struct Record<P> {
    pub(super) machine: Machine,
    pub(super) running: Running,
    /// A CANCEL of the layer itself, of which the user hears nothing.
    pub(super) internal: bool,
    /// The 100 of RFC 4320 §4.1 is allowed.
    pub(super) trying_due: bool,
    /// Set while an INVITE is to be cancelled (RFC 3261 §9.1).
    pub(super) cancel: Option<Box<Cancel>>,
    pub(super) peer: P,
    /// What may have to be sent again: the request or its ACK, or the last response.
    pub(super) wire: Option<Bytes>,
}

#[derive(Debug)]
pub(super) enum Cancel {
    /// This CANCEL waits for the first provisional response.
    Wanted {
        wire: Bytes,
        print: Fingerprint,
    },
    Sent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    ClientInvite(client_invite::State),
    ClientOther(client_other::State),
    ServerInvite(server_invite::State),
    ServerOther(server_other::State),
}

impl<P> Record<P> {
    pub(super) const fn new(machine: Machine, peer: P, reliable: bool) -> Self {
        Self {
            machine,
            running: Running::new(reliable),
            internal: false,
            trying_due: false,
            cancel: None,
            peer,
            wire: None,
        }
    }

    /// Bytes of the message that it keeps.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.wire.as_ref().map_or(0, Bytes::len)
    }

    /// Reads it from both ends.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.held() as u64 ^ self.running.next().as_micros()
    }

    /// Whether what is sent now may have to be sent again.
    #[inline]
    pub(super) const fn sends_again(&self) -> bool {
        match self.machine {
            // The ACK and the CANCEL of an INVITE are made from it, over whatever transport.
            Machine::ClientInvite(state) => {
                matches!(state.stage(), Stage::Live)
                    || matches!(state, client_invite::State::Completed)
            }
            Machine::ClientOther(state) => {
                matches!(state.stage(), Stage::Live) && !self.running.reliable
            }
            Machine::ServerInvite(state) => matches!(state.stage(), Stage::Live),
            Machine::ServerOther(state) => {
                matches!(state.stage(), Stage::Live) || !self.running.reliable
            }
        }
    }
}

impl Machine {
    pub(super) const fn client(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::ClientInvite(client_invite::State::Calling),
            _ => Self::ClientOther(client_other::State::Trying),
        }
    }

    pub(super) const fn server(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::ServerInvite(server_invite::State::Proceeding),
            _ => Self::ServerOther(server_other::State::Trying),
        }
    }

    /// Moves on, and says what is to be done.
    #[inline]
    pub(super) fn step(&mut self, input: Input) -> Effects {
        match self {
            Self::ClientInvite(state) => {
                look_up(&client_invite::ROWS, *state as usize, input, state)
            }
            Self::ClientOther(state) => look_up(&client_other::ROWS, *state as usize, input, state),
            Self::ServerInvite(state) => {
                look_up(&server_invite::ROWS, *state as usize, input, state)
            }
            Self::ServerOther(state) => look_up(&server_other::ROWS, *state as usize, input, state),
        }
    }

    #[inline]
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::ClientInvite(state) => state.stage(),
            Self::ClientOther(state) => state.stage(),
            Self::ServerInvite(state) => state.stage(),
            Self::ServerOther(state) => state.stage(),
        }
    }

    pub(super) const fn id(self, key: Key) -> TransactionId {
        if self.is_client() {
            TransactionId::Client(ClientId(key))
        } else {
            TransactionId::Server(ServerId(key))
        }
    }

    const fn is_client(self) -> bool {
        matches!(self, Self::ClientInvite(_) | Self::ClientOther(_))
    }

    pub(super) const fn phase(self, answered: bool) -> Phase {
        use client_invite::State as ClientInvite;
        use client_other::State as ClientOther;
        use server_invite::State as ServerInvite;
        use server_other::State as ServerOther;

        match self {
            Self::ClientInvite(ClientInvite::Calling)
            | Self::ClientOther(ClientOther::Trying)
            | Self::ServerOther(ServerOther::Trying) => Phase::Waiting,
            Self::ServerInvite(ServerInvite::Proceeding) if !answered => Phase::Waiting,
            Self::ClientInvite(ClientInvite::Proceeding)
            | Self::ClientOther(ClientOther::Proceeding)
            | Self::ServerOther(ServerOther::Proceeding)
            | Self::ServerInvite(ServerInvite::Proceeding) => Phase::Proceeding,
            _ => Phase::Finished,
        }
    }
}

#[inline]
fn look_up<S: Copy, const STATES: usize>(
    rows: &Rows<S, STATES>,
    row: usize,
    input: Input,
    state: &mut S,
) -> Effects {
    let step = rows.get(row).and_then(|row| row.get(input.column()));
    let Some(&(next, effects)) = step else {
        return Effects::NONE;
    };
    *state = next;
    effects
}

impl Report {
    /// What the user of transaction `id` is told.
    pub(super) const fn event<P>(self, id: TransactionId) -> Option<Event<P>> {
        match (self, id) {
            (Self::Timeout, TransactionId::Client(id)) => Some(Event::ClientTimeout(id)),
            (Self::Timeout, TransactionId::Server(id)) => Some(Event::ServerTimeout(id)),
            (Self::TransportError, TransactionId::Client(id)) => {
                Some(Event::ClientTransportError(id))
            }
            (Self::TransportError, TransactionId::Server(id)) => {
                Some(Event::ServerTransportError(id))
            }
            (Self::Acked, TransactionId::Server(id)) => Some(Event::ServerAcked(id)),
            (Self::TryingDue, TransactionId::Server(id)) => Some(Event::TryingDue(id)),
            (Self::Acked | Self::TryingDue, TransactionId::Client(_)) => None,
        }
    }
}
