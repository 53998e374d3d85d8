//! What the four state machines have in common: a step is a next state and a list of actions.
//!
//! The machines know neither time nor messages. [`Layer`](crate::Layer) feeds them events and does
//! what they say.

use super::timers::Timer;

/// What a machine wants done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Client: send the request. Server: send the last response, if there is one.
    Send,
    /// Client: build the ACK for the response at hand and send it (RFC 3261 §17.1.1.3).
    SendAck,
    /// Client: give the response to the user.
    Pass,
    /// Start a timer from its first interval; it replaces the one of its kind that runs.
    Start(Timer),
    /// Start a retransmission timer again with its next, longer interval.
    Again(Timer),
    /// Start a retransmission timer again with its longest interval (T2).
    Slow(Timer),
    /// Stop a timer.
    Stop(Timer),
    /// Tell the user.
    Report(Report),
}

/// What the user is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Timer B, F or H fired, or no final response followed a CANCEL.
    Timeout,
    /// The transport could not send.
    TransportError,
    /// The ACK of a non-2xx response came.
    Acked,
    /// A non-INVITE request is due its 100.
    TryingDue,
}

/// The outcome of one event. A machine that has ended needs no [`Action::Stop`]: its timers go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step<S> {
    pub(super) next: S,
    pub(super) actions: &'static [Action],
}

/// One row of a machine's table.
pub(super) const fn to<S>(next: S, actions: &'static [Action]) -> Step<S> {
    Step { next, actions }
}

/// What can happen to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEvent {
    /// The user starts it.
    Begin,
    Response(Class),
    Fired(Timer),
    /// A CANCEL for this INVITE has been sent.
    Canceled,
    TransportError,
}

/// What can happen to a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerEvent {
    /// The request is given to the user.
    Begin,
    /// The request came again.
    Request,
    /// An ACK came.
    Ack,
    /// The user answers.
    Respond(Class),
    /// The user will not answer, or not any more.
    Abandon,
    Fired(Timer),
    TransportError,
}

/// How much of a transaction is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It still works: for the user, or at getting a message across.
    Live,
    /// It only absorbs what comes again, until its last timer.
    Tombstone,
    Ended,
}

/// The classes of status codes that the machines tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx, and whatever a peer invents above that.
    Failure,
}

impl Class {
    pub(super) const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            _ => Self::Failure,
        }
    }
}
