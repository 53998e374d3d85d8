//! The non-INVITE server transaction: RFC 3261 §17.2.2 Figure 8, with the rules of RFC 4320 §4.

use super::machine::{Action, Class, Input, Report, Rows, ServerEvent, Stage, Step, rows, to};
use super::timers::Timer;
use Action::{Report as Tell, Send, Start, Stop};
use State::{Completed, Proceeding, Terminated, Trying};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Received; the user works on it and has sent nothing.
    Trying,
    /// A 100 was sent.
    Proceeding,
    /// A final response was sent, or there will be none.
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

pub(super) static ROWS: Rows<State, 4> = rows!(State::ALL, ServerEvent::ALL, Input::server, step);

pub(super) const fn step(state: State, event: ServerEvent) -> Step<State> {
    use Class::{Failure, Provisional, Success};
    use ServerEvent::{Abandon, Begin, Fired, Request, Respond, TransportError};

    match (state, event) {
        // RFC 3261 §17.2.2: the request goes to the user.
        (Trying, Begin) => to(Trying, &[Start(Timer::Trying)]),

        // RFC 3261 §17.2.2, Trying: a repeated request vanishes while there is no response.
        (Trying, Respond(Provisional)) => to(Proceeding, &[Stop(Timer::Trying), Send]),
        // RFC 4320 §4.1: unanswered for as long as Timer E grows, it is due its 100.
        (Trying, Fired(Timer::Trying)) => to(Trying, &[Tell(Report::TryingDue)]),

        // RFC 3261 §17.2.2, Proceeding: a repeated request gets the last provisional again.
        (Proceeding, Request) => to(Proceeding, &[Send]),
        (Proceeding, Respond(Provisional)) => to(Proceeding, &[Send]),

        // RFC 3261 §17.2.2, Completed: a repeated request gets the final response again.
        (Trying | Proceeding, Respond(Success | Failure)) => {
            to(Completed, &[Start(Timer::J), Send])
        }
        (Completed, Request) => to(Completed, &[Send]),
        (Completed, Fired(Timer::J)) => to(Terminated, &[]),

        // RFC 4320 §4.2: who cannot answer in time sends nothing; repetitions vanish.
        (Trying | Proceeding, Abandon) => to(Completed, &[Start(Timer::J)]),

        // RFC 3261 §17.2.4 and Figure 8.
        (Proceeding | Completed, TransportError) => to(Terminated, &[Tell(Report::TransportError)]),

        (state, _) => to(state, &[]),
    }
}
