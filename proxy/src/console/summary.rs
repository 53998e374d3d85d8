//! A call in one line: who, where to, how it stands.

use std::time::Duration;

use serde::{Serialize, Serializer};
use sip::HeaderName;

use super::event::{CallEvent, Level};
use super::{text, wire};

/// What the list of calls shows of one call.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The number of the call: calls count up from 1.
    pub id: u64,
    /// Its Call-ID.
    pub call_id: String,
    /// The URI in From.
    pub from: String,
    /// The Request-URI as received.
    pub to: String,
    /// What the proxy and the executor found out.
    #[serde(flatten)]
    pub about: About,
    /// How it stands.
    pub state: State,
    /// The last status that the INVITE was answered with; 0 before that.
    pub status: u16,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// From the answer until the end, in milliseconds, once it has ended.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    pub duration: Option<Duration>,
    /// How many events are kept.
    pub events: usize,
    /// How many numbered errors there were.
    pub errors: u32,
    /// How many numbered warnings there were.
    pub warnings: u32,
    /// Grows with each change, over all calls.
    pub revision: u64,
    /// From the begin to the 2xx.
    #[serde(skip)]
    pub(super) answered_after: Option<Duration>,
}

/// What the proxy and the executor found out about a call, piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The trunk that it came by.
    pub trunk: Option<String>,
    /// The SIP domain that it is for.
    pub domain: Option<String>,
    /// Its `CallSid`.
    pub call_sid: Option<String>,
    /// The `CallSid` of the call that dialled it.
    pub parent: Option<String>,
}

/// How a call stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Answered with 2xx, and not over.
    Answered,
    /// The INVITE is on its way.
    #[default]
    Calling,
    /// The caller gave up before the answer.
    Cancelled,
    /// Answered, and over.
    Completed,
    /// Refused, or never answered.
    Failed,
    /// A provisional response other than 100 was sent.
    Ringing,
}

impl Summary {
    /// The summary of a call of which there is only the INVITE.
    pub(super) fn of_invite(invite: &[u8]) -> Self {
        let from = wire::header(invite, HeaderName::From).map(wire::address_uri);
        let to = wire::request_uri(invite);
        let shown = |uri: Option<&[u8]>| text::short_line(uri.unwrap_or_default(), URI_BYTES_MAX);
        Self {
            from: shown(from),
            to: shown(to),
            ..Self::default()
        }
    }

    /// Takes note of an event that happened `offset` after the begin of the call.
    pub(super) fn observe(&mut self, event: &CallEvent, offset: Duration) {
        match event {
            CallEvent::Answered {
                status, message, ..
            } if wire::cseq_method(message) == Some(b"INVITE") => {
                self.answered(*status, offset);
            }
            CallEvent::Received { message, .. } => match wire::request_method(message) {
                Some(b"BYE") if self.state == State::Answered => self.end(offset),
                // A new attempt with the same Call-ID, for instance with credentials (§22.2).
                Some(b"INVITE") if self.state == State::Failed && wire::begins_call(message) => {
                    self.state = State::Calling;
                }
                _ => {}
            },
            CallEvent::Ended { status, duration } => {
                self.answered(*status, offset);
                self.duration = Some(*duration);
                self.state = match self.state {
                    State::Answered => State::Completed,
                    State::Calling | State::Ringing => State::Failed,
                    ended => ended,
                };
            }
            CallEvent::Error {
                level: Level::Error,
                ..
            } => self.errors += 1,
            CallEvent::Error {
                level: Level::Warning,
                ..
            } => self.warnings += 1,
            _ => {}
        }
    }

    /// The INVITE was answered. What comes after the first 2xx belongs to a later INVITE of the
    /// dialog and changes nothing (RFC 3261 §14.1).
    fn answered(&mut self, status: u16, offset: Duration) {
        if !matches!(self.state, State::Calling | State::Ringing) {
            return;
        }
        match status {
            0..=100 => return,
            101..=199 => self.state = State::Ringing,
            200..=299 => {
                self.state = State::Answered;
                self.answered_after = Some(offset);
            }
            487 => self.state = State::Cancelled,
            _ => self.state = State::Failed,
        }
        self.status = status;
    }

    fn end(&mut self, offset: Duration) {
        self.state = State::Completed;
        let answered = self.answered_after.unwrap_or(offset);
        self.duration = Some(offset.saturating_sub(answered));
    }

    /// The memory behind the strings.
    pub(super) fn weight(&self) -> usize {
        self.call_id.len() + self.from.len() + self.to.len() + self.about.weight()
    }
}

impl About {
    /// Takes over what `newer` knows, each at most [`ABOUT_BYTES_MAX`] long; tells whether that is
    /// anything new.
    pub(super) fn update(&mut self, newer: Self) -> bool {
        let before = self.clone();
        for (field, value) in [
            (&mut self.trunk, newer.trunk),
            (&mut self.domain, newer.domain),
            (&mut self.call_sid, newer.call_sid),
            (&mut self.parent, newer.parent),
        ] {
            if let Some(value) = value {
                *field = Some(text::short_line(value.as_bytes(), ABOUT_BYTES_MAX));
            }
        }
        *self != before
    }

    fn weight(&self) -> usize {
        [&self.trunk, &self.domain, &self.call_sid, &self.parent]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum()
    }
}

fn millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_millis())
        .serialize(serializer)
}

/// The most of a URI that a summary shows.
const URI_BYTES_MAX: usize = 512;
/// The most of a name that a summary shows.
const ABOUT_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::Bytes;

    use super::*;
    use crate::console::Peer;

    fn peer() -> Peer {
        Peer::new(
            sip::Transport::Udp,
            SocketAddr::from((Ipv4Addr::LOCALHOST, 5060)),
        )
    }

    fn answered(status: u16, method: &str) -> CallEvent {
        let message = format!("SIP/2.0 {status} x\r\nCSeq: 1 {method}\r\n\r\n");
        CallEvent::Answered {
            to: peer(),
            status,
            message: message.into(),
        }
    }

    fn received(method: &str) -> CallEvent {
        let message = Bytes::from(format!("{method} sip:b@c SIP/2.0\r\nTo: <sip:b@c>\r\n\r\n"));
        CallEvent::Received {
            from: peer(),
            message,
        }
    }

    fn after(events: &[CallEvent]) -> Summary {
        let mut summary = Summary::of_invite(b"INVITE sip:b@c SIP/2.0\r\nFrom: <sip:a@b>\r\n\r\n");
        for (at, event) in events.iter().enumerate() {
            summary.observe(event, Duration::from_secs(at as u64));
        }
        summary
    }

    #[test]
    fn life_of_a_call() {
        let steps = [
            (answered(100, "INVITE"), State::Calling),
            (answered(180, "INVITE"), State::Ringing),
            (answered(200, "INVITE"), State::Answered),
            (answered(488, "INVITE"), State::Answered),
            (received("BYE"), State::Completed),
            (answered(200, "BYE"), State::Completed),
        ];
        let events: Vec<_> = steps.iter().map(|(event, _)| event.clone()).collect();
        for (at, (_, state)) in steps.iter().enumerate() {
            assert_eq!(after(&events[..=at]).state, *state, "step {at}");
        }
        let summary = after(&events);
        assert_eq!(
            (summary.status, summary.duration),
            (200, Some(Duration::from_secs(2)))
        );
        assert_eq!(
            (summary.from.as_str(), summary.to.as_str()),
            ("sip:a@b", "sip:b@c")
        );
    }

    #[test]
    fn other_ends() {
        assert_eq!(after(&[answered(486, "INVITE")]).state, State::Failed);
        assert_eq!(after(&[answered(487, "INVITE")]).state, State::Cancelled);
        assert_eq!(
            after(&[answered(401, "INVITE"), received("INVITE")]).state,
            State::Calling
        );
        assert_eq!(after(&[answered(200, "CANCEL")]).state, State::Calling);
        let ended = CallEvent::Ended {
            status: 200,
            duration: Duration::from_secs(9),
        };
        let summary = after(&[answered(200, "INVITE"), ended]);
        assert_eq!(
            (summary.state, summary.duration),
            (State::Completed, Some(Duration::from_secs(9)))
        );
    }
}
