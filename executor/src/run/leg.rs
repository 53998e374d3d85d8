//! Answering and ending the leg.

use std::time::Duration;

use crate::twiml::{Document, RejectReason};
use crate::webhook::{CallStatus, Purpose, Request};

use super::phase::{Bridge, Phase};
use super::recording::result_params;
use super::{Action, Finish, Run, TimerKind};

/// The state of a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leg {
    /// 200 was sent and acknowledged.
    Answered,
    /// Over.
    Ended,
    /// Only provisional responses were sent.
    Unanswered,
}

impl Run {
    /// The `CallStatus` of a request that is made now.
    pub(super) fn call_status(&self) -> CallStatus {
        match self.leg {
            Leg::Answered => CallStatus::InProgress,
            Leg::Ended => CallStatus::Completed,
            Leg::Unanswered => CallStatus::Ringing,
        }
    }

    /// Sends 200; the verb at the cursor runs after the ACK.
    pub(super) fn answer(&mut self) {
        debug_assert_eq!(self.leg, Leg::Unanswered);
        self.stop_timer(TimerKind::Ring);
        self.stop_timer(TimerKind::PreAnswer);
        self.act(Action::Answer);
    }

    pub(super) fn answered(&mut self, established: bool) {
        if self.leg != Leg::Unanswered {
            return;
        }
        let bridging = match &self.phase {
            Phase::Answering => false,
            Phase::Dialling(dialling) if dialling.bridge == Bridge::Answering => true,
            _ => return,
        };
        self.leg = Leg::Answered;
        self.answered_at = Some(self.now);
        if !established {
            self.trace("call", "the answer was not acknowledged");
            return self.caller_hung_up();
        }
        self.start_timer(TimerKind::CallLength, self.settings.limits.call_length);
        if bridging {
            self.bridge();
        } else if !self.take_early_dial_end() {
            self.advance();
        }
    }

    /// RFC 3261 §13.3.1.1: an INVITE that rings for long is kept alive.
    pub(super) fn ring_again(&mut self) {
        if self.leg == Leg::Unanswered {
            self.act(Action::Ring { early_media: false });
            self.start_timer(TimerKind::Ring, self.settings.limits.ring_interval);
        }
    }

    /// `<Reject>`: 486 or 404 on an unanswered leg, BYE on an answered one.
    pub(super) fn reject(&mut self, reason: RejectReason) {
        match (self.leg, reason) {
            (Leg::Unanswered, RejectReason::Busy) => {
                self.reject_with(486, "Busy Here", CallStatus::Busy);
            }
            (Leg::Unanswered, RejectReason::Rejected) => {
                self.reject_with(404, "Not Found", CallStatus::NoAnswer);
            }
            _ => self.hang_up(),
        }
    }

    pub(super) fn reject_with(&mut self, status: u16, reason: &'static str, end: CallStatus) {
        debug_assert_eq!(self.leg, Leg::Unanswered);
        debug_assert!(!self.is_answering(), "there is one final response");
        self.act(Action::Reject { status, reason });
        self.end_leg(end, status);
    }

    /// The bound on an unanswered leg.
    pub(super) fn give_up_unanswered(&mut self, why: &'static str) {
        if self.leg == Leg::Unanswered && !self.is_answering() {
            self.trace("call", why);
            self.reject_with(480, "Temporarily Unavailable", CallStatus::NoAnswer);
        }
    }

    /// Sends BYE.
    pub(super) fn hang_up(&mut self) {
        if self.leg == Leg::Answered {
            self.act(Action::HangUp);
            self.end_leg(CallStatus::Completed, 200);
        }
    }

    pub(super) fn operator_hangs_up(&mut self) {
        match self.leg {
            Leg::Answered => self.hang_up(),
            Leg::Unanswered if self.is_answering() => self.answering_towards(Document::default()),
            Leg::Unanswered => {
                self.reject_with(480, "Temporarily Unavailable", CallStatus::Canceled);
            }
            Leg::Ended => {}
        }
    }

    /// 200 was sent, and its ACK is awaited.
    pub(super) fn is_answering(&self) -> bool {
        match &self.phase {
            Phase::Answering => true,
            Phase::Dialling(dialling) => dialling.bridge == Bridge::Answering,
            _ => false,
        }
    }

    /// Puts another document in place of what would run after the ACK.
    pub(super) fn answering_towards(&mut self, document: Document) {
        debug_assert!(self.is_answering());
        let phase = std::mem::replace(&mut self.phase, Phase::Answering);
        if let Phase::Dialling(dialling) = phase {
            self.abandon_dial(dialling);
        }
        self.early_dial_end = None;
        self.document = document;
        self.cursor = 0;
    }

    /// CANCEL in any state before the answer: 487, and everything is dropped.
    pub(super) fn caller_cancelled(&mut self) {
        if self.leg == Leg::Unanswered && !self.is_answering() {
            self.trace("call", "the caller cancelled");
            self.reject_with(487, "Request Terminated", self.settings.cancelled);
        }
    }

    /// A BYE before the answer is like a CANCEL: the INVITE gets 487 (RFC 3261 §15.1.2).
    pub(super) fn caller_hung_up(&mut self) {
        match self.leg {
            Leg::Unanswered if !self.is_answering() => self.caller_cancelled(),
            Leg::Unanswered | Leg::Answered => {
                self.trace("call", "the caller hung up");
                self.end_leg(CallStatus::Completed, 200);
            }
            Leg::Ended => {}
        }
    }

    /// The leg is over: what runs is stopped, except what still owes the application a result.
    fn end_leg(&mut self, status: CallStatus, sip_code: u16) {
        let answered = self.leg == Leg::Answered;
        let duration = self.answered_at.map_or(Duration::ZERO, |at| self.now - at);
        self.leg = Leg::Ended;
        self.finish = Some(Finish {
            status,
            sip_code,
            duration,
        });
        self.stop_all_timers();
        self.close_streams();
        self.completed_callback(status, sip_code, answered.then_some(duration));
        self.settle(answered);
        self.abandon_trial();
        match self.phase {
            Phase::Idle => self.finish(),
            Phase::Finished => {}
            _ => {
                self.start_timer(TimerKind::WrapUp, self.settings.limits.wrap_up);
            }
        }
    }

    /// Ends the phase of an ended leg: the matrix of what is still requested.
    fn settle(&mut self, answered: bool) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        if self.stay.is_some() {
            self.drop_phase(phase);
            return self.stay_lost_caller();
        }
        match phase {
            Phase::Fetching { id, purpose, hook } if purpose.reports_result() => {
                self.phase = Phase::Fetching { id, purpose, hook };
            }
            Phase::Recording {
                media,
                verb,
                teller,
                ended_by,
            } => {
                if ended_by.is_none() {
                    self.act(Action::StopMedia(media));
                }
                self.phase = Phase::Recording {
                    media,
                    verb,
                    teller,
                    ended_by,
                };
            }
            Phase::Dialling(dialling) => self.dial_lost_caller(dialling, answered),
            Phase::Referring(referring) => self.refer_lost_caller(&referring),
            phase => self.drop_phase(phase),
        }
    }

    /// Stops what runs, so that something else can.
    pub(super) fn interrupt(&mut self) {
        self.interrupt_inside();
        for kind in [
            TimerKind::DialLimit,
            TimerKind::QueueWait,
            TimerKind::ReferEnd,
            TimerKind::ReferHangUp,
            TimerKind::ReferNotify,
            TimerKind::ReferResponse,
        ] {
            self.stop_timer(kind);
        }
    }

    /// Stops what the document does, but not what the stay around it waits for.
    pub(super) fn interrupt_inside(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        self.drop_phase(phase);
        for kind in [
            TimerKind::GatherInput,
            TimerKind::Pause,
            TimerKind::SpeechResult,
            TimerKind::WaitAgain,
        ] {
            self.stop_timer(kind);
        }
    }

    fn drop_phase(&mut self, phase: Phase) {
        match phase {
            Phase::Fetching { id, .. } => self.act(Action::AbortFetch(id)),
            Phase::Connected { stream, .. } => self.drop_connect(stream),
            Phase::Dialling(dialling) => self.abandon_dial(dialling),
            Phase::Playing { media, .. } => self.act(Action::StopMedia(media)),
            Phase::Recording { media, teller, .. } => {
                self.act(Action::StopMedia(media));
                self.owed.recording(media, teller);
            }
            Phase::Gathering(gathering) => {
                let media = gathering.prompt.into_iter().chain(gathering.listening);
                for media in media {
                    self.act(Action::StopMedia(media));
                }
            }
            Phase::Answering
            | Phase::AskingPlace
            | Phase::Finished
            | Phase::Idle
            | Phase::Pausing
            | Phase::Referring(_)
            | Phase::Staying
            | Phase::Transferred => {}
        }
    }

    fn completed_callback(&mut self, status: CallStatus, sip_code: u16, talked: Option<Duration>) {
        let Some(hook) = self.settings.status_callback.clone() else {
            return;
        };
        let mut params = Vec::new();
        if let Some(seconds) = talked.map(|talked| talked.as_secs()) {
            params.push(("CallDuration".to_owned(), seconds.to_string()));
            params.push(("Duration".to_owned(), seconds.div_ceil(60).to_string()));
        }
        params.push(("SipResponseCode".to_owned(), sip_code.to_string()));
        params.extend(self.recorded.iter().flat_map(result_params));
        params.push((
            "CallbackSource".to_owned(),
            "call-progress-events".to_owned(),
        ));
        params.push(("SequenceNumber".to_owned(), "0".to_owned()));
        let id = self.next_fetch_id();
        self.act(Action::StatusCallback(Box::new(Request {
            id,
            url: hook.url,
            method: hook.method,
            purpose: Purpose::StatusCallback,
            call_status: status,
            params,
        })));
    }

    pub(super) fn wrap_up_timed_out(&mut self) {
        if let Phase::Fetching { id, .. } = self.phase {
            self.act(Action::AbortFetch(id));
        }
        self.finish();
    }

    /// A screening document let the call through; the leg lives on, in other hands.
    pub(super) fn connect(&mut self) {
        debug_assert!(self.screening);
        self.leg = Leg::Ended;
        self.act(Action::Connect);
        self.finish();
    }

    /// The last action.
    pub(super) fn finish(&mut self) {
        debug_assert_eq!(self.leg, Leg::Ended);
        self.stop_all_timers();
        let duration = self.answered_at.map_or(Duration::ZERO, |at| self.now - at);
        let connected = Finish {
            status: CallStatus::InProgress,
            sip_code: 200,
            duration,
        };
        self.act(Action::Finished(self.finish.unwrap_or(connected)));
        self.phase = Phase::Finished;
    }
}
