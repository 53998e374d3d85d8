//! Every arc of the four machines, against the figures of RFC 3261 §17 and the text of RFC 6026 §7.
//!
//! Each table below lists the arcs that a figure draws. Every pair of state and event that a table
//! does not list must change nothing and do nothing.

use std::fmt::Debug;

use super::layer::Layer;
use super::machine::Action::{self, Again, Pass, Report, Send, SendAck, Slow, Start, Stop};
use super::machine::Class::{Failure, Provisional, Success};
use super::machine::Report::{Acked, Timeout, TransportError, TryingDue};
use super::machine::{ClientEvent, Effects, Input, Rows, ServerEvent, Stage, Step};
use super::timers::Timer;
use super::{client_invite, client_other, server_invite, server_other};

type Arc<S, E> = (S, E, S, &'static [Action]);

fn check<S, E>(states: &[S], events: &[E], arcs: &[Arc<S, E>], step: fn(S, E) -> Step<S>)
where
    S: Copy + PartialEq + Debug,
    E: Copy + PartialEq + Debug,
{
    let mut seen = 0;
    for &state in states {
        for &event in events {
            let arc = arcs.iter().find(|arc| arc.0 == state && arc.1 == event);
            seen += usize::from(arc.is_some());
            let (next, actions) = arc.map_or((state, [].as_slice()), |arc| (arc.2, arc.3));
            let step = step(state, event);
            assert_eq!(step.next, next, "{state:?} on {event:?}");
            assert_eq!(step.actions, actions, "{state:?} on {event:?}");
        }
    }
    assert_eq!(seen, arcs.len(), "an arc is listed twice or never");
}

#[test]
fn client_invite_figure_5_and_rfc_6026() {
    use ClientEvent::{Begin, Canceled, Fired, Response};
    use client_invite::State::{Accepted, Calling, Completed, Proceeding, Terminated};

    let broken = ClientEvent::TransportError;
    let arcs: &[Arc<_, _>] = &[
        (
            Calling,
            Begin,
            Calling,
            &[Send, Start(Timer::A), Start(Timer::B)],
        ),
        (Calling, Fired(Timer::A), Calling, &[Send, Again(Timer::A)]),
        (Calling, Fired(Timer::B), Terminated, &[Report(Timeout)]),
        (Calling, broken, Terminated, &[Report(TransportError)]),
        (
            Calling,
            Response(Provisional),
            Proceeding,
            &[Stop(Timer::A), Stop(Timer::B), Pass],
        ),
        (
            Calling,
            Response(Success),
            Accepted,
            &[Stop(Timer::A), Start(Timer::M), Pass],
        ),
        (
            Calling,
            Response(Failure),
            Completed,
            &[Stop(Timer::A), Start(Timer::D), SendAck, Pass],
        ),
        (Proceeding, Response(Provisional), Proceeding, &[Pass]),
        (
            Proceeding,
            Response(Success),
            Accepted,
            &[Start(Timer::M), Pass],
        ),
        (
            Proceeding,
            Response(Failure),
            Completed,
            &[Start(Timer::D), SendAck, Pass],
        ),
        (Proceeding, Canceled, Proceeding, &[Start(Timer::Canceled)]),
        (
            Proceeding,
            Fired(Timer::Canceled),
            Terminated,
            &[Report(Timeout)],
        ),
        (Completed, Response(Failure), Completed, &[SendAck]),
        (Completed, Fired(Timer::D), Terminated, &[]),
        (Completed, broken, Terminated, &[Report(TransportError)]),
        (Accepted, Response(Success), Accepted, &[Pass]),
        (Accepted, Fired(Timer::M), Terminated, &[]),
    ];
    let states = [Calling, Proceeding, Completed, Accepted, Terminated];
    check(&states, &ClientEvent::ALL, arcs, client_invite::step);
}

#[test]
fn client_other_figure_6() {
    use ClientEvent::{Begin, Fired, Response};
    use client_other::State::{Completed, Proceeding, Terminated, Trying};

    let broken = ClientEvent::TransportError;
    let done: &[Action] = &[Stop(Timer::E), Start(Timer::K), Pass];
    let arcs: &[Arc<_, _>] = &[
        (
            Trying,
            Begin,
            Trying,
            &[Send, Start(Timer::E), Start(Timer::F)],
        ),
        (Trying, Fired(Timer::E), Trying, &[Send, Again(Timer::E)]),
        (Trying, Fired(Timer::F), Terminated, &[Report(Timeout)]),
        (Trying, broken, Terminated, &[Report(TransportError)]),
        (Trying, Response(Provisional), Proceeding, &[Pass]),
        (Trying, Response(Success), Completed, done),
        (Trying, Response(Failure), Completed, done),
        (
            Proceeding,
            Fired(Timer::E),
            Proceeding,
            &[Send, Slow(Timer::E)],
        ),
        (Proceeding, Fired(Timer::F), Terminated, &[Report(Timeout)]),
        (Proceeding, broken, Terminated, &[Report(TransportError)]),
        (Proceeding, Response(Provisional), Proceeding, &[Pass]),
        (Proceeding, Response(Success), Completed, done),
        (Proceeding, Response(Failure), Completed, done),
        (Completed, Fired(Timer::K), Terminated, &[]),
    ];
    let states = [Trying, Proceeding, Completed, Terminated];
    check(&states, &ClientEvent::ALL, arcs, client_other::step);
}

#[test]
fn server_invite_figure_7_and_rfc_6026() {
    use ServerEvent::{Abandon, Ack, Fired, Request, Respond};
    use server_invite::State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

    let broken = ServerEvent::TransportError;
    let arcs: &[Arc<_, _>] = &[
        (Proceeding, Request, Proceeding, &[Send]),
        (Proceeding, Respond(Provisional), Proceeding, &[Send]),
        (
            Proceeding,
            Respond(Success),
            Accepted,
            &[Send, Start(Timer::L)],
        ),
        (
            Proceeding,
            Respond(Failure),
            Completed,
            &[Send, Start(Timer::G), Start(Timer::H)],
        ),
        (Proceeding, Abandon, Accepted, &[Start(Timer::L)]),
        (Proceeding, broken, Proceeding, &[Report(TransportError)]),
        (Completed, Request, Completed, &[Send]),
        (
            Completed,
            Fired(Timer::G),
            Completed,
            &[Send, Again(Timer::G)],
        ),
        (Completed, Fired(Timer::H), Terminated, &[Report(Timeout)]),
        (
            Completed,
            Ack,
            Confirmed,
            &[Stop(Timer::G), Start(Timer::I), Report(Acked)],
        ),
        (Completed, broken, Completed, &[Report(TransportError)]),
        (Confirmed, Fired(Timer::I), Terminated, &[]),
        (Accepted, Respond(Success), Accepted, &[Send]),
        (Accepted, Fired(Timer::L), Terminated, &[]),
        (Accepted, broken, Accepted, &[Report(TransportError)]),
    ];
    let states = [Proceeding, Completed, Confirmed, Accepted, Terminated];
    check(&states, &ServerEvent::ALL, arcs, server_invite::step);
}

#[test]
fn server_other_figure_8_and_rfc_4320() {
    use ServerEvent::{Abandon, Begin, Fired, Request, Respond};
    use server_other::State::{Completed, Proceeding, Terminated, Trying};

    let broken = ServerEvent::TransportError;
    let done: &[Action] = &[Start(Timer::J), Send];
    let arcs: &[Arc<_, _>] = &[
        (Trying, Begin, Trying, &[Start(Timer::Trying)]),
        (Trying, Fired(Timer::Trying), Trying, &[Report(TryingDue)]),
        (
            Trying,
            Respond(Provisional),
            Proceeding,
            &[Stop(Timer::Trying), Send],
        ),
        (Trying, Respond(Success), Completed, done),
        (Trying, Respond(Failure), Completed, done),
        (Trying, Abandon, Completed, &[Start(Timer::J)]),
        (Proceeding, Request, Proceeding, &[Send]),
        (Proceeding, Respond(Provisional), Proceeding, &[Send]),
        (Proceeding, Respond(Success), Completed, done),
        (Proceeding, Respond(Failure), Completed, done),
        (Proceeding, Abandon, Completed, &[Start(Timer::J)]),
        (Proceeding, broken, Terminated, &[Report(TransportError)]),
        (Completed, Request, Completed, &[Send]),
        (Completed, Fired(Timer::J), Terminated, &[]),
        (Completed, broken, Terminated, &[Report(TransportError)]),
    ];
    let states = [Trying, Proceeding, Completed, Terminated];
    check(&states, &ServerEvent::ALL, arcs, server_other::step);
}

#[test]
fn only_finished_states_are_tombstones() {
    assert_eq!(client_invite::State::Completed.stage(), Stage::Tombstone);
    assert_eq!(client_invite::State::Accepted.stage(), Stage::Tombstone);
    assert_eq!(client_other::State::Completed.stage(), Stage::Tombstone);
    assert_eq!(server_invite::State::Confirmed.stage(), Stage::Tombstone);
    assert_eq!(server_invite::State::Accepted.stage(), Stage::Tombstone);
    assert_eq!(server_other::State::Completed.stage(), Stage::Tombstone);
    // It repeats its response until the ACK comes.
    assert_eq!(server_invite::State::Completed.stage(), Stage::Live);
}

/// What the layer looks up is what the steps say: no two events share a column.
#[test]
fn rows_are_the_steps() {
    fn check<S, E, const STATES: usize>(
        rows: &Rows<S, STATES>,
        states: [S; STATES],
        events: &[E],
        column: fn(E) -> Input,
        step: fn(S, E) -> Step<S>,
    ) where
        S: Copy + PartialEq + Debug,
        E: Copy + PartialEq + Debug,
    {
        for (row, state) in rows.iter().zip(states) {
            for &event in events {
                let step = step(state, event);
                let expected = (step.next, Effects::of(step.actions));
                assert_eq!(
                    row[column(event).column()],
                    expected,
                    "{state:?} on {event:?}"
                );
            }
        }
    }
    let (client, server) = (ClientEvent::ALL, ServerEvent::ALL);
    let states = client_invite::State::ALL;
    check(
        &client_invite::ROWS,
        states,
        &client,
        Input::client,
        client_invite::step,
    );
    let states = client_other::State::ALL;
    check(
        &client_other::ROWS,
        states,
        &client,
        Input::client,
        client_other::step,
    );
    let states = server_invite::State::ALL;
    check(
        &server_invite::ROWS,
        states,
        &server,
        Input::server,
        server_invite::step,
    );
    let states = server_other::State::ALL;
    check(
        &server_other::ROWS,
        states,
        &server,
        Input::server,
        server_other::step,
    );
}

/// What an INVITE in progress costs the layer beside its messages: two of these.
#[test]
fn a_transaction_is_small() {
    type Peer = [u64; 3];
    let bytes = Layer::<Peer>::RECORD_BYTES;
    assert!(bytes <= 172, "{bytes} bytes a transaction");
}
