//! Answering and ending the leg.

use std::time::Duration;

use crate::twiml::{Document, RejectReason};
use crate::webhook::{CallStatus, Purpose, Request};

use super::callback::progress_params;
use super::phase::{Bridge, Dialling, Head, Phase};
use super::{Action, Finish, LegEnd, Run, TimerKind};

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
        let head = match &self.phase {
            Phase::Answering => None,
            Phase::Dialling(Dialling {
                bridge: Bridge::Answering(head),
                ..
            }) => Some(*head),
            _ => return,
        };
        self.leg = Leg::Answered;
        self.answered_at = Some(self.now);
        if !established {
            self.trace("call", "the answer was not acknowledged");
            return self.caller_hung_up();
        }
        self.start_timer(TimerKind::CallLength, self.settings.limits.call_length);
        match head {
            Some(Head::Ready) => self.bridge(),
            Some(head) => self.dial_queue_again(head),
            None if self.take_early_dial_end() => {}
            None => {
                self.advance();
                self.take_early_keys();
            }
        }
    }

    /// The caller may press a key as soon as it has the 200: its ACK goes another way than its
    /// sound, and may come later. A `<Gather>` that comes first gets the key.
    fn take_early_keys(&mut self) {
        for key in std::mem::take(&mut self.early_keys).chars() {
            if matches!(self.phase, Phase::Gathering(_)) {
                self.gather_digit(key);
            }
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
            Leg::Unanswered if self.is_answering() => self.hang_up_when_answered(),
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
            Phase::Dialling(dialling) => matches!(dialling.bridge, Bridge::Answering(_)),
            _ => false,
        }
    }

    /// RFC 3261 §13.3.1.4: there is no BYE before the ACK. Nothing is run after it but the end.
    fn hang_up_when_answered(&mut self) {
        debug_assert!(self.is_answering());
        let phase = std::mem::replace(&mut self.phase, Phase::Answering);
        if let Phase::Dialling(dialling) = phase {
            self.abandon_dial(dialling);
        }
        self.early_dial_end = None;
        self.document = Document::default();
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
        self.owed.status_callback = true;
        self.tell_end();
        self.settle(answered);
        self.abandon_trial();
        match self.phase {
            Phase::Finished => {}
            Phase::Idle if !self.owed.has_dials() => self.finish(),
            _ => {
                self.start_timer(TimerKind::WrapUp, self.settings.limits.wrap_up);
            }
        }
    }

    /// The callback of a leg that is over tells of its recording: it waits for one that is still
    /// to come, but not beyond the end of the run.
    pub(super) fn tell_end(&mut self) {
        let recording = match &self.phase {
            Phase::Recording { .. } => true,
            Phase::Dialling(dialling) => dialling.teller.is_some(),
            _ => false,
        };
        if !recording && !self.owed.has_dials() && !self.trial_is_recorded() {
            self.completed_callback();
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
                transcribing,
                ended_by,
            } => {
                if ended_by.is_none() {
                    self.act(Action::StopMedia(media));
                }
                self.phase = Phase::Recording {
                    media,
                    verb,
                    teller,
                    transcribing,
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
            Phase::Dialling(dialling) => self.abandon_dial(dialling),
            Phase::Playing { media, .. } | Phase::Recording { media, .. } => {
                self.act(Action::StopMedia(media));
            }
            Phase::Gathering(gathering) => {
                let media = gathering.prompt.into_iter().chain(gathering.listening);
                for media in media {
                    self.act(Action::StopMedia(media));
                }
            }
            // Streams and recording sessions end with their leg.
            Phase::Answering
            | Phase::AskingPlace
            | Phase::Connected { .. }
            | Phase::Finished
            | Phase::Idle
            | Phase::Pausing
            | Phase::Referring(_)
            | Phase::Staying
            | Phase::Transferred => {}
        }
    }

    /// The callback of the leg that is over, once.
    fn completed_callback(&mut self) {
        if !std::mem::take(&mut self.owed.status_callback) {
            return;
        }
        let (Some(finish), Some(hook)) = (self.finish, self.settings.status_callback.clone())
        else {
            return;
        };
        let Finish {
            status,
            sip_code,
            duration,
        } = finish;
        let end = LegEnd {
            status,
            duration,
            sip_code,
            recording: self.recorded.clone(),
        };
        let mut params = end.params();
        params.extend(progress_params(0));
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

    /// Nothing is left to be run: the end, unless something given up still owes its result.
    pub(super) fn conclude(&mut self) {
        self.phase = Phase::Idle;
        if !self.owed.has_dials() {
            self.finish();
        }
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
        self.completed_callback();
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
