//! A stay: a verb that goes on while another document runs inside of it.
//!
//! `<Enqueue>` and a `<Dial>` with a `<Conference>` wait for others, and meanwhile run the
//! document of their `waitUrl` again and again. That document is the run's document for the time
//! being; the one around it is kept in the [`Stay`] and comes back when the stay is over.
//!
//! ```text
//!  document ─► <Enqueue> ┬─ waitUrl ─► verbs ─► end ─► waitUrl ─► …   (Waiting)
//!                        ├─ <Queue url> ─► verbs ─► end               (Whispered)
//!                        └─ talk with others                          (Talking)
//!           ◄─ action or next verb ─────────┘
//! ```

use std::time::Duration;

use url::Url;

use crate::twiml::{Document, Verb, Wait};
use crate::webhook::{Hook, Purpose};
use crate::{ErrorCode, Sid};

use super::conferring::Conferring;
use super::phase::Phase;
use super::queueing::Queued;
use super::{Action, Leg, MediaKind, QueuePlace, Run, TimerKind};

/// A verb that goes on while another document runs.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) kind: StayKind,
    pub(super) mode: Mode,
    /// What is heard while waiting.
    pub(super) wait: Waiting,
    /// The document around it.
    document: Document,
    base: Url,
    cursor: usize,
}

#[derive(Debug)]
pub(super) enum StayKind {
    Conference(Box<Conferring>),
    Queue(Box<Queued>),
}

/// What happens inside of a stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Nothing yet: whether there is a place is not known.
    Entering,
    /// Its end was wanted, and has not come.
    Leaving,
    /// It talks with others.
    Talking,
    /// It hears the document for waiting.
    Waiting,
    /// It hears the document of who took it from the queue; then it may be bridged.
    Whispered,
}

/// What is heard while waiting.
#[derive(Clone, Debug)]
pub(super) enum Waiting {
    Document(Hook),
    Music,
    Silence,
}

impl Run {
    /// Begins a stay: the document is put aside.
    pub(super) fn enter(&mut self, kind: StayKind, wait: Waiting) {
        self.stay = Some(Box::new(Stay {
            kind,
            mode: Mode::Entering,
            wait,
            document: std::mem::take(&mut self.document),
            base: self.base.clone(),
            cursor: self.cursor,
        }));
        self.phase = Phase::Staying;
    }

    /// Ends the stay: the document around it comes back.
    pub(super) fn come_back(&mut self) -> Option<StayKind> {
        let stay = self.stay.take()?;
        self.document = stay.document;
        self.base = stay.base;
        self.cursor = stay.cursor;
        self.took_time();
        Some(stay.kind)
    }

    /// What a `waitUrl` asks for, with its URL resolved now.
    pub(super) fn waiting(&mut self, wait: &Wait, code: ErrorCode) -> Waiting {
        match wait {
            Wait::Music => Waiting::Music,
            Wait::Silence => Waiting::Silence,
            Wait::Document(link) => match self.resolve(link) {
                Some(hook) => Waiting::Document(hook),
                None => {
                    self.warn(code, "the waitUrl is invalid: music instead");
                    Waiting::Music
                }
            },
        }
    }

    /// Begins, or begins anew, what is heard while waiting.
    pub(super) fn wait_begins(&mut self, place: Option<QueuePlace>) {
        self.interrupt_inside();
        let Some(stay) = &mut self.stay else { return };
        stay.mode = Mode::Waiting;
        let wait = stay.wait.clone();
        self.phase = Phase::Staying;
        match (wait, place) {
            (Waiting::Document(hook), Some(place)) => {
                self.fetch(Purpose::QueueWait, hook, place.params());
            }
            (Waiting::Document(hook), None) => {
                self.fetch(Purpose::ConferenceWait, hook, Vec::new());
            }
            (Waiting::Music, _) => {
                let media = self.start_media(MediaKind::HoldMusic);
                self.phase = Phase::Playing { media, next: None };
            }
            (Waiting::Silence, _) => {}
        }
    }

    /// The document for waiting is at its end, and begins anew: at once if it took its time. Music
    /// has no end; where it has one, it cannot be rendered.
    fn wait_document_ended(&mut self) {
        self.phase = Phase::Staying;
        let stay = self.stay.as_ref();
        if !stay.is_some_and(|stay| matches!(stay.wait, Waiting::Document(_))) {
            return;
        }
        if self.idle_documents > 0 {
            self.start_timer(TimerKind::WaitAgain, PACE);
        } else {
            self.wait_again();
        }
    }

    /// The next round of waiting. Where it stands in its queue has changed meanwhile.
    pub(super) fn wait_again(&mut self) {
        let Some(stay) = self.stay.as_ref() else {
            return;
        };
        if stay.mode != Mode::Waiting {
            return;
        }
        self.idle_documents = 0;
        match (&stay.kind, &stay.wait) {
            (StayKind::Queue(_), Waiting::Document(_)) => {
                self.phase = Phase::AskingPlace;
                self.act(Action::AskQueue);
            }
            _ => self.wait_begins(None),
        }
    }

    /// The end of a document inside of a stay.
    pub(super) fn stay_document_ended(&mut self) {
        match self.stay.as_ref().map(|stay| stay.mode) {
            Some(Mode::Whispered) => self.may_be_bridged(),
            _ => self.wait_document_ended(),
        }
    }

    /// What was to be heard before the bridge is over.
    pub(super) fn may_be_bridged(&mut self) {
        if let Some(stay) = &mut self.stay {
            stay.mode = Mode::Talking;
        }
        self.phase = Phase::Staying;
        self.act(Action::Connect);
    }

    /// The document for waiting, or for the bridge, failed. A queue is left for it; a conference
    /// goes on with music.
    pub(super) fn stay_failed(&mut self) {
        self.phase = Phase::Staying;
        let Some(stay) = &mut self.stay else { return };
        match (stay.mode, &stay.kind) {
            (Mode::Whispered, _) => self.may_be_bridged(),
            (Mode::Waiting, StayKind::Queue(_)) => self.leave_queue("error"),
            (Mode::Waiting, StayKind::Conference(_)) => {
                stay.wait = Waiting::Music;
                self.wait_begins(None);
            }
            _ => {}
        }
    }

    /// Whether a verb may stand in the document that runs now.
    pub(super) fn stay_allows(&self, verb: &Verb) -> bool {
        let Some(stay) = &self.stay else { return true };
        match verb {
            Verb::Pause(_) | Verb::Play(_) | Verb::Redirect(_) | Verb::Say(_) => true,
            Verb::Gather(_) | Verb::Hangup | Verb::Leave => {
                matches!(stay.kind, StayKind::Queue(_)) && stay.mode == Mode::Waiting
            }
            _ => false,
        }
    }

    /// `hangupOnStar` of a conference. `true`: the key has done its work.
    pub(super) fn stay_digit(&mut self, digit: char) -> bool {
        let Some(Stay {
            kind: StayKind::Conference(conferring),
            ..
        }) = self.stay.as_deref()
        else {
            return false;
        };
        if digit == '*' && conferring.verb.hangup_on_star {
            self.leave_conference("the caller pressed *");
        }
        true
    }

    /// The caller is gone: the stay is left, and its end is waited for.
    pub(super) fn stay_lost_caller(&mut self) {
        let Some(stay) = &mut self.stay else { return };
        let leaving = stay.mode == Mode::Leaving;
        stay.mode = Mode::Leaving;
        self.phase = Phase::Staying;
        match (&mut stay.kind, leaving) {
            (_, true) => {}
            (StayKind::Conference(_), _) => self.act(Action::LeaveConference),
            (StayKind::Queue(queued), _) => {
                queued.result.get_or_insert("hangup");
                self.act(Action::LeaveQueue);
            }
        }
    }

    /// The verb of a stay is over, with nothing to ask.
    pub(super) fn stay_over(&mut self) {
        if self.leg == Leg::Ended {
            self.conclude()
        } else {
            self.advance()
        }
    }
}

impl QueuePlace {
    /// The parameters of a request for the document to wait with.
    pub(super) fn params(&self) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        [
            ("QueueSid", self.sid.to_string()),
            ("QueuePosition", self.position.to_string()),
            ("QueueTime", self.waited.as_secs().to_string()),
            ("AvgQueueTime", self.average.as_secs().to_string()),
            ("CurrentQueueSize", self.size.to_string()),
            ("MaxQueueSize", self.size_max.to_string()),
        ]
        .map(owned)
        .into()
    }
}

/// The parameters of a request for the document that a dequeued caller hears.
pub(super) fn whisper_params(queue: Sid, waited: Duration, by: Sid) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    [
        ("QueueSid", queue.to_string()),
        ("QueueTime", waited.as_secs().to_string()),
        // The spelling is the language's own.
        ("DequeingCallSid", by.to_string()),
    ]
    .map(owned)
    .into()
}

/// Documents for waiting that take no time are asked for not more often than this.
const PACE: Duration = Duration::from_secs(1);
