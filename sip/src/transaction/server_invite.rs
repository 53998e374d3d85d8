//! The INVITE server transaction: RFC 3261 §17.2.1 Figure 7, as corrected by RFC 6026 §7.1.

use super::machine::{Action, Class, Input, Report, Rows, ServerEvent, Stage, Step, rows, to};
use super::timers::Timer;
use Action::{Again, Report as Tell, Send, Start, Stop};
use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Received; the user works on it.
    Proceeding,
    /// A non-2xx final response was sent and waits for its ACK.
    Completed,
    /// The ACK came; its repetitions are absorbed.
    Confirmed,
    /// A 2xx was sent; the user repeats it until it sees the ACK (§13.3.1.4).
    Accepted,
    Terminated,
}

impl State {
    pub(super) const ALL: [Self; 5] = [Proceeding, Completed, Confirmed, Accepted, Terminated];

    pub(super) const fn stage(self) -> Stage {
        match self {
            Proceeding | Completed => Stage::Live,
            Confirmed | Accepted => Stage::Tombstone,
            Terminated => Stage::Ended,
        }
    }
}

pub(super) static ROWS: Rows<State, 5> = rows!(State::ALL, ServerEvent::ALL, Input::server, step);

pub(super) const fn step(state: State, event: ServerEvent) -> Step<State> {
    use Class::{Failure, Provisional, Success};
    use ServerEvent::{Abandon, Ack, Fired, Request, Respond, TransportError};

    match (state, event) {
        // RFC 3261 §17.2.1, Proceeding: a repeated INVITE gets the last provisional response again.
        (Proceeding, Request) => to(Proceeding, &[Send]),
        (Proceeding, Respond(Provisional)) => to(Proceeding, &[Send]),
        (Proceeding, Respond(Success)) => to(Accepted, &[Send, Start(Timer::L)]),
        (Proceeding, Respond(Failure)) => to(Completed, &[Send, Start(Timer::G), Start(Timer::H)]),
        // No answer by policy: repeated INVITEs vanish as they do in Accepted.
        (Proceeding, Abandon) => to(Accepted, &[Start(Timer::L)]),

        // RFC 3261 §17.2.1, Completed: repeat the final response until it is acknowledged.
        (Completed, Request) => to(Completed, &[Send]),
        (Completed, Fired(Timer::G)) => to(Completed, &[Send, Again(Timer::G)]),
        (Completed, Fired(Timer::H)) => to(Terminated, &[Tell(Report::Timeout)]),
        (Completed, Ack) => to(
            Confirmed,
            &[Stop(Timer::G), Start(Timer::I), Tell(Report::Acked)],
        ),

        // RFC 3261 §17.2.1, Confirmed: absorb.
        (Confirmed, Fired(Timer::I)) => to(Terminated, &[]),

        // RFC 6026 §7.1, Accepted: repeated INVITEs vanish; each 2xx of the user is sent.
        (Accepted, Respond(Success)) => to(Accepted, &[Send]),
        (Accepted, Fired(Timer::L)) => to(Terminated, &[]),

        // RFC 6026 §7.1: a transport error is reported, and never discards the state.
        (Proceeding | Completed | Accepted, TransportError) => {
            to(state, &[Tell(Report::TransportError)])
        }

        (state, _) => to(state, &[]),
    }
}
