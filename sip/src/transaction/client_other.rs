//! The non-INVITE client transaction: RFC 3261 §17.1.2 Figure 6.

use super::machine::{Action, Class, ClientEvent, Input, Report, Rows, Stage, Step, rows, to};
use super::timers::Timer;
use Action::{Again, Pass, Report as Tell, Send, Slow, Start, Stop};
use State::{Completed, Proceeding, Terminated, Trying};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Sent, nothing heard.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came.
    Completed,
    Terminated,
}

impl State {
    pub(super) const ALL: [Self; 4] = [Trying, Proceeding, Completed, Terminated];

    pub(super) const fn stage(self) -> Stage {
        match self {
            Trying | Proceeding => Stage::Live,
            Completed => Stage::Tombstone,
            Terminated => Stage::Ended,
        }
    }
}

pub(super) static ROWS: Rows<State, 4> = rows!(State::ALL, ClientEvent::ALL, Input::client, step);

pub(super) const fn step(state: State, event: ClientEvent) -> Step<State> {
    use Class::{Failure, Provisional, Success};
    use ClientEvent::{Begin, Fired, Response, TransportError};

    match (state, event) {
        // RFC 3261 §17.1.2.2: the request goes out; E repeats it, F gives up on it.
        (Trying, Begin) => to(Trying, &[Send, Start(Timer::E), Start(Timer::F)]),

        // RFC 3261 §17.1.2.2: retransmit at T1, 2·T1, … T2, and at T2 once a provisional came.
        (Trying, Fired(Timer::E)) => to(Trying, &[Send, Again(Timer::E)]),
        (Proceeding, Fired(Timer::E)) => to(Proceeding, &[Send, Slow(Timer::E)]),
        (Trying | Proceeding, Fired(Timer::F)) => to(Terminated, &[Tell(Report::Timeout)]),

        // RFC 3261 §17.1.2.2: one final response reaches the user, its repetitions do not.
        (Trying | Proceeding, Response(Provisional)) => to(Proceeding, &[Pass]),
        (Trying | Proceeding, Response(Success | Failure)) => {
            to(Completed, &[Stop(Timer::E), Start(Timer::K), Pass])
        }
        (Completed, Fired(Timer::K)) => to(Terminated, &[]),

        // RFC 3261 §17.1.4.
        (Trying | Proceeding, TransportError) => to(Terminated, &[Tell(Report::TransportError)]),

        (state, _) => to(state, &[]),
    }
}
