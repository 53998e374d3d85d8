//! What the layer tells its user, and what its calls answer.

use bytes::Bytes;

use super::id::{ClientId, ServerId, TransactionId};

/// Something for the user to do or to know, from [`Layer::poll`](crate::Layer::poll).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<P> {
    /// Send these bytes; on failure call [`Layer::transport_error`](crate::Layer::transport_error).
    Send {
        /// Where to.
        peer: P,
        /// The message.
        wire: Bytes,
        /// On whose behalf.
        transaction: TransactionId,
    },
    /// No final response: Timer B or F, or 64·T1 after a CANCEL. An INVITE counts as answered with
    /// 408 (RFC 3261 §16.7); for a non-INVITE nothing goes upstream (RFC 4320 §4.2).
    ClientTimeout(ClientId),
    /// The request or the ACK could not be sent: counts as a 503 of this branch (RFC 3261 §16.9).
    ClientTransportError(ClientId),
    /// The ACK of a non-2xx response never came (Timer H).
    ServerTimeout(ServerId),
    /// A response could not be sent. INVITE transactions go on all the same (RFC 6026 §7.1).
    ServerTransportError(ServerId),
    /// The ACK of a non-2xx response came.
    ServerAcked(ServerId),
    /// A non-INVITE request has waited so long that it is due a 100, if the user still works on it
    /// (RFC 4320 §4.1).
    TryingDue(ServerId),
    /// The transaction is gone.
    Ended(TransactionId),
    /// A timer of [`Layer::schedule`](crate::Layer::schedule) fired.
    Timer(u64),
}

/// What a request is to the server transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The first of its transaction: process it, and [`create_server`](crate::Layer::create_server).
    New,
    /// Seen before; absorbed, and the last response is on its way again.
    Retransmission(ServerId),
    /// The ACK of a non-2xx response; absorbed.
    Ack(ServerId),
    /// An ACK with the branch of an INVITE that got a 2xx: for the core (RFC 6026 §7.1).
    AckFor2xx(ServerId),
    /// An ACK of no transaction, as the ACK of a 2xx should be: route it, never answer it.
    StrayAck,
    /// The first CANCEL of its own transaction: create that and answer 200, or 481 where there is
    /// no INVITE (RFC 3261 §9.2).
    Cancel {
        /// The transaction that it cancels.
        invite: Option<ServerId>,
    },
}

/// Whether a response is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// For the user.
    Pass,
    /// Handled here.
    Absorbed,
}

/// What became of a response of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responded {
    /// Queued as [`Event::Send`].
    Sent,
    /// Not sent: the state or RFC 4320 forbids it.
    Suppressed,
    /// The transaction is gone.
    Stale,
}

/// What became of a wish to cancel (RFC 3261 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceled {
    /// The CANCEL is on its way.
    Sent,
    /// It will be sent when the first provisional response comes.
    Deferred,
    /// Nothing to cancel: not an INVITE, answered already, or gone.
    Refused,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No response yet.
    Waiting,
    /// A provisional response passed.
    Proceeding,
    /// A final response passed, or none ever will.
    Finished,
}

/// Why a transaction cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// A limit is reached: answer 503 without state.
    Full,
    /// Its key is taken.
    Duplicate,
}

/// How much the layer holds, and what it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions that still work.
    pub live: usize,
    /// Finished transactions that absorb retransmissions.
    pub tombstones: usize,
    /// Memory of both: their state, keys and messages.
    pub bytes: usize,
    /// Requests and responses that came again.
    pub retransmissions_received: u64,
    /// Messages that a timer sent again.
    pub retransmissions_sent: u64,
    /// Responses that match no transaction.
    pub stray_responses: u64,
    /// ACKs that match no transaction.
    pub stray_acks: u64,
    /// Tombstones that a limit removed before their time.
    pub tombstones_evicted: u64,
}
