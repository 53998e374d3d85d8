//! `<Enqueue>` and `<Leave>`.

use std::time::Duration;

use crate::twiml::Enqueue;
use crate::webhook::{Hook, Purpose};
use crate::{ErrorCode, Sid};

use super::document::Then;
use super::phase::Phase;
use super::stay::{Mode, Stay, StayKind, whisper_params};
use super::{Action, EnqueuePlan, QueueEnd, QueuePlace, QueueReason, Run};

/// A stay in a queue.
#[derive(Debug)]
pub(super) struct Queued {
    verb: Box<Enqueue>,
    action: Option<Hook>,
    /// `QueueResult`, if the run itself ends the stay.
    pub(super) result: Option<&'static str>,
}

impl Run {
    pub(super) fn enqueue(&mut self, verb: Box<Enqueue>) -> Then {
        let action = verb.action.as_ref().and_then(|link| {
            let hook = self.resolve(link);
            if hook.is_none() {
                self.warn(
                    ErrorCode::ENQUEUE_ACTION,
                    "the action of <Enqueue> is no URL",
                );
            }
            hook
        });
        let wait = self.waiting(&verb.wait, ErrorCode::ENQUEUE_WAIT_URL);
        let Some(name) = verb.name.clone() else {
            let Some(hook) = action else {
                return Then::Advance;
            };
            let params = vec![("QueueResult".to_owned(), "error".to_owned())];
            self.fetch(Purpose::QueueAction, hook, params);
            return Then::Wait;
        };
        let size_max = verb.size_max;
        let queued = Queued {
            verb,
            action,
            result: None,
        };
        self.enter(StayKind::Queue(Box::new(queued)), wait);
        self.act(Action::Enqueue(Box::new(EnqueuePlan { name, size_max })));
        Then::Wait
    }

    /// `<Leave>` in the document of a queue; elsewhere there is nothing to leave.
    pub(super) fn leave(&mut self) -> Then {
        if self.stay.is_none() {
            self.trace("Leave", "the caller is in no queue");
            return Then::Advance;
        }
        self.leave_queue("leave");
        Then::Wait
    }

    pub(super) fn leave_queue(&mut self, result: &'static str) {
        let Some(Stay {
            kind: StayKind::Queue(queued),
            mode,
            ..
        }) = self.stay.as_deref_mut()
        else {
            return;
        };
        queued.result = Some(result);
        *mode = Mode::Leaving;
        self.phase = Phase::Staying;
        self.act(Action::LeaveQueue);
    }

    /// How the stay in a queue goes, if it is one.
    fn queued(&self) -> Option<Mode> {
        match self.stay.as_deref() {
            Some(Stay {
                kind: StayKind::Queue(_),
                mode,
                ..
            }) => Some(*mode),
            _ => None,
        }
    }

    /// It is in, or back at the head.
    pub(super) fn enqueued(&mut self, place: QueuePlace) {
        let Some(mode) = self.queued() else {
            return;
        };
        if mode == Mode::Leaving || mode == Mode::Waiting {
            return;
        }
        let position = place.position;
        self.trace("Enqueue", format!("waits at position {position}"));
        self.wait_begins(Some(place));
    }

    pub(super) fn queue_place(&mut self, place: QueuePlace) {
        if matches!(self.phase, Phase::AskingPlace) {
            self.wait_begins(Some(place));
        }
    }

    /// Its turn has come.
    pub(super) fn dequeued(&mut self, by: Sid, place: (Sid, Duration), whisper: Option<Hook>) {
        if self.queued().is_none_or(|mode| mode == Mode::Leaving) {
            return;
        }
        let (queue, waited) = place;
        self.interrupt_inside();
        self.trace("Enqueue", format!("dequeued by {by}"));
        let Some(hook) = whisper else {
            return self.may_be_bridged();
        };
        if let Some(stay) = &mut self.stay {
            stay.mode = Mode::Whispered;
        }
        let params = whisper_params(queue, waited, by);
        self.fetch(Purpose::QueueWhisper, hook, params);
    }

    /// It is out: `action` learns why, or the next verb.
    pub(super) fn queue_ended(&mut self, end: QueueEnd) {
        if self.queued().is_none() {
            return;
        }
        self.interrupt();
        let Some(StayKind::Queue(queued)) = self.come_back() else {
            return;
        };
        let result = match end.reason {
            QueueReason::Bridged => "bridged",
            QueueReason::Full => "queue-full",
            QueueReason::Left => queued.result.unwrap_or("leave"),
            QueueReason::Refused => "system-error",
        };
        if end.reason == QueueReason::Full {
            let name = queued.verb.name.as_deref().unwrap_or_default();
            self.warn(ErrorCode::ENQUEUE_FULL, format!("the queue {name} is full"));
        }
        self.trace("Enqueue", format!("ended: {result}"));
        let Some(hook) = queued.action else {
            return self.stay_over();
        };
        let params = queue_params(result, end.sid, end.waited);
        self.fetch(Purpose::QueueAction, hook, params);
    }
}

fn queue_params(result: &str, sid: Option<Sid>, waited: Duration) -> Vec<(String, String)> {
    let mut params = vec![("QueueResult".to_owned(), result.to_owned())];
    if let Some(sid) = sid {
        params.push(("QueueSid".to_owned(), sid.to_string()));
        params.push(("QueueTime".to_owned(), waited.as_secs().to_string()));
    }
    params
}
