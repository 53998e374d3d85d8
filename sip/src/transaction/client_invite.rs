//! The INVITE client transaction: RFC 3261 §17.1.1 Figure 5, as corrected by RFC 6026 §7.2.

use super::machine::{Action, Class, ClientEvent, Input, Report, Rows, Stage, Step, rows, to};
use super::timers::Timer;
use Action::{Again, Pass, Report as Tell, Send, SendAck, Start, Stop};
use State::{Accepted, Calling, Completed, Proceeding, Terminated};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Sent, nothing heard.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A non-2xx final response came and was acknowledged here.
    Completed,
    /// A 2xx came; more may follow, and the user acknowledges each.
    Accepted,
    Terminated,
}

impl State {
    pub(super) const ALL: [Self; 5] = [Calling, Proceeding, Completed, Accepted, Terminated];

    pub(super) const fn stage(self) -> Stage {
        match self {
            Calling | Proceeding => Stage::Live,
            Completed | Accepted => Stage::Tombstone,
            Terminated => Stage::Ended,
        }
    }
}

pub(super) static ROWS: Rows<State, 5> = rows!(State::ALL, ClientEvent::ALL, Input::client, step);

pub(super) const fn step(state: State, event: ClientEvent) -> Step<State> {
    use Class::{Failure, Provisional, Success};
    use ClientEvent::{Begin, Canceled, Fired, Response, TransportError};

    match (state, event) {
        // RFC 3261 §17.1.1.2: the INVITE goes out; A repeats it, B gives up on it.
        (Calling, Begin) => to(Calling, &[Send, Start(Timer::A), Start(Timer::B)]),

        // RFC 3261 §17.1.1.2, Calling: retransmit until something is heard or Timer B fires.
        (Calling, Fired(Timer::A)) => to(Calling, &[Send, Again(Timer::A)]),
        (Calling, Fired(Timer::B)) => to(Terminated, &[Tell(Report::Timeout)]),
        (Calling, Response(Provisional)) => to(Proceeding, &[Stop(Timer::A), Stop(Timer::B), Pass]),
        (Calling, Response(Success)) => to(Accepted, &[Stop(Timer::A), Start(Timer::M), Pass]),
        (Calling, Response(Failure)) => {
            to(Completed, &[Stop(Timer::A), Start(Timer::D), SendAck, Pass])
        }

        // RFC 3261 §17.1.1.2, Proceeding: no timer of ours; Timer C is the proxy core's.
        (Proceeding, Response(Provisional)) => to(Proceeding, &[Pass]),
        (Proceeding, Response(Success)) => to(Accepted, &[Start(Timer::M), Pass]),
        (Proceeding, Response(Failure)) => to(Completed, &[Start(Timer::D), SendAck, Pass]),
        // RFC 3261 §9.1: no final response 64·T1 after the CANCEL ends the transaction.
        (Proceeding, Canceled) => to(Proceeding, &[Start(Timer::Canceled)]),
        (Proceeding, Fired(Timer::Canceled)) => to(Terminated, &[Tell(Report::Timeout)]),

        // RFC 3261 §17.1.1.2, Completed: every repeated final response is acknowledged again.
        (Completed, Response(Failure)) => to(Completed, &[SendAck]),
        (Completed, Fired(Timer::D)) => to(Terminated, &[]),

        // RFC 6026 §7.2, Accepted: every 2xx goes to the user, who acknowledges it; the rest is dropped.
        (Accepted, Response(Success)) => to(Accepted, &[Pass]),
        (Accepted, Fired(Timer::M)) => to(Terminated, &[]),

        // RFC 3261 §17.1.4: an error in sending the INVITE or the ACK ends the transaction.
        (Calling | Completed, TransportError) => to(Terminated, &[Tell(Report::TransportError)]),

        (state, _) => to(state, &[]),
    }
}
