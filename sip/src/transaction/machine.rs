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

impl ClientEvent {
    #[expect(clippy::indexing_slicing, reason = "of the compiler's own indices")]
    pub(super) const ALL: [Self; 6 + Timer::ALL.len()] = {
        let mut all = [Self::Begin; 6 + Timer::ALL.len()];
        all[1] = Self::TransportError;
        all[2] = Self::Response(Class::Provisional);
        all[3] = Self::Response(Class::Success);
        all[4] = Self::Response(Class::Failure);
        all[5] = Self::Canceled;
        let mut timer = 0;
        while timer < Timer::ALL.len() {
            all[6 + timer] = Self::Fired(Timer::ALL[timer]);
            timer += 1;
        }
        all
    };
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

impl ServerEvent {
    #[expect(clippy::indexing_slicing, reason = "of the compiler's own indices")]
    pub(super) const ALL: [Self; 8 + Timer::ALL.len()] = {
        let mut all = [Self::Begin; 8 + Timer::ALL.len()];
        all[1] = Self::TransportError;
        all[2] = Self::Respond(Class::Provisional);
        all[3] = Self::Respond(Class::Success);
        all[4] = Self::Respond(Class::Failure);
        all[5] = Self::Request;
        all[6] = Self::Ack;
        all[7] = Self::Abandon;
        let mut timer = 0;
        while timer < Timer::ALL.len() {
            all[8 + timer] = Self::Fired(Timer::ALL[timer]);
            timer += 1;
        }
        all
    };
}

/// An event as the number of its column in the table of a machine, of whichever side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input(u8);

impl Input {
    pub(super) const BEGIN: Self = Self(0);
    pub(super) const TRANSPORT_ERROR: Self = Self(1);
    pub(super) const COUNT: usize = Self::TIMERS as usize + Timer::ALL.len();
    /// The columns of the timers come last.
    const TIMERS: u8 = 8;

    #[inline]
    pub(super) const fn client(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Begin => Self::BEGIN,
            ClientEvent::TransportError => Self::TRANSPORT_ERROR,
            ClientEvent::Response(class) => Self(2 + class as u8),
            ClientEvent::Canceled => Self(5),
            ClientEvent::Fired(timer) => Self::fired(timer),
        }
    }

    #[inline]
    pub(super) const fn server(event: ServerEvent) -> Self {
        match event {
            ServerEvent::Begin => Self::BEGIN,
            ServerEvent::TransportError => Self::TRANSPORT_ERROR,
            ServerEvent::Respond(class) => Self(2 + class as u8),
            ServerEvent::Request => Self(5),
            ServerEvent::Ack => Self(6),
            ServerEvent::Abandon => Self(7),
            ServerEvent::Fired(timer) => Self::fired(timer),
        }
    }

    #[inline]
    pub(super) const fn fired(timer: Timer) -> Self {
        Self(Self::TIMERS + timer as u8)
    }

    #[inline]
    pub(super) const fn is_timer(self) -> bool {
        self.0 >= Self::TIMERS
    }

    #[inline]
    pub(super) const fn column(self) -> usize {
        self.0 as usize
    }
}

/// What a step asks for, folded from its list of actions, which no two of one kind are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) send: bool,
    pub(super) send_ack: bool,
    pub(super) pass: bool,
    pub(super) report: Option<Report>,
    /// What becomes of the timer that repeats a message.
    pub(super) repeat: Change,
    /// What becomes of the timer that ends a state.
    pub(super) ending: Change,
}

/// What becomes of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Keep,
    Stop,
    Start(Timer),
    Again(Timer),
    Slow(Timer),
}

impl Effects {
    pub(super) const NONE: Self = Self {
        send: false,
        send_ack: false,
        pass: false,
        report: None,
        repeat: Change::Keep,
        ending: Change::Keep,
    };

    /// Whether a timer starts or stops.
    #[inline]
    pub(super) fn moves_timers(&self) -> bool {
        (self.repeat, self.ending) != (Change::Keep, Change::Keep)
    }

    pub(super) const fn of(actions: &[Action]) -> Self {
        let mut effects = Self::NONE;
        let mut rest = actions;
        while let [action, others @ ..] = rest {
            rest = others;
            match *action {
                Action::Send => effects.send = true,
                Action::SendAck => effects.send_ack = true,
                Action::Pass => effects.pass = true,
                Action::Report(report) => effects.report = Some(report),
                Action::Start(timer) => effects.change(timer, Change::Start(timer)),
                Action::Again(timer) => effects.change(timer, Change::Again(timer)),
                Action::Slow(timer) => effects.change(timer, Change::Slow(timer)),
                Action::Stop(timer) if timer.repeats() => effects.repeat = Change::Stop,
                Action::Stop(_) => effects.ending = Change::Stop,
            }
        }
        effects
    }

    const fn change(&mut self, timer: Timer, change: Change) {
        if timer.repeats() {
            self.repeat = change;
        } else {
            self.ending = change;
        }
    }
}

/// The steps of a machine by state and [`Input`].
pub(super) type Rows<S, const STATES: usize> = [[(S, Effects); Input::COUNT]; STATES];

/// Works the [`Rows`] of a machine out while the program is compiled: of its states in the order of
/// their declaration, its events, the columns of those, and its step.
macro_rules! rows {
    ($states:expr, $events:expr, $column:path, $step:path) => {{
        let (states, events) = ($states, $events);
        let none = $crate::transaction::machine::Effects::NONE;
        #[expect(clippy::indexing_slicing, reason = "of the compiler's own indices")]
        let rows = {
            let mut rows = [[(states[0], none); Input::COUNT]; _];
            let mut at = 0;
            while at < states.len() {
                rows[at] = [(states[at], none); Input::COUNT];
                let mut event = 0;
                while event < events.len() {
                    let step = $step(states[at], events[event]);
                    let column = $column(events[event]).column();
                    let effects = $crate::transaction::machine::Effects::of(step.actions);
                    rows[at][column] = (step.next, effects);
                    event += 1;
                }
                at += 1;
            }
            rows
        };
        rows
    }};
}
pub(super) use rows;

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

#[cfg(test)]
mod tests {
    use super::super::{client_invite, client_other, server_invite, server_other};
    use super::*;

    /// Of the states of a machine in order: whoever becomes a tombstone starts the timer that ends it,
    /// and nobody hears of that end.
    fn ends_silently<S, const STATES: usize>(
        rows: &Rows<S, STATES>,
        states: [S; STATES],
        stage: impl Fn(S) -> Stage,
    ) where
        S: Copy + PartialEq,
    {
        let mut tombstones = 0;
        for (state, row) in states.iter().zip(rows) {
            for (next, effects) in row {
                if stage(*next) != Stage::Tombstone || next == state {
                    continue;
                }
                let Change::Start(timer) = effects.ending else {
                    panic!("a tombstone without an end");
                };
                let at = states.iter().position(|other| other == next).unwrap();
                let (end, effects) = rows[at][Input::fired(timer).column()];
                assert_eq!((stage(end), effects), (Stage::Ended, Effects::NONE));
                tombstones += 1;
            }
        }
        assert!(tombstones > 0);
    }

    #[test]
    fn tombstones_end_silently() {
        use client_invite::State as ClientInvite;
        use client_other::State as ClientOther;
        use server_invite::State as ServerInvite;
        use server_other::State as ServerOther;

        ends_silently(&client_invite::ROWS, ClientInvite::ALL, ClientInvite::stage);
        ends_silently(&client_other::ROWS, ClientOther::ALL, ClientOther::stage);
        ends_silently(&server_invite::ROWS, ServerInvite::ALL, ServerInvite::stage);
        ends_silently(&server_other::ROWS, ServerOther::ALL, ServerOther::stage);
    }
}
