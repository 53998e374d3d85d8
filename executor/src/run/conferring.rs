//! `<Dial>` with a `<Conference>`.

use crate::ErrorCode;
use crate::twiml::{ConferenceNoun, Dial};
use crate::webhook::Purpose;

use super::document::Then;
use super::phase::Phase;
use super::stay::{Mode, Stay, StayKind};
use super::{
    Action, ConferenceCallback, ConferenceEnd, ConferenceNotice, ConferencePlan, RecordingCallback,
    Run, TimerKind,
};

/// A stay in a conference.
#[derive(Debug)]
pub(super) struct Conferring {
    pub(super) verb: Box<Dial>,
    /// It was in, waiting or not.
    joined: bool,
}

impl Run {
    pub(super) fn confer(&mut self, verb: Box<Dial>, noun: &ConferenceNoun) -> Then {
        let plan = self.conference_plan(noun);
        let wait = self.waiting(&noun.wait, ErrorCode::CONFERENCE_WAIT_URL);
        let limit = verb.time_limit;
        let conferring = Conferring {
            verb,
            joined: false,
        };
        self.enter(StayKind::Conference(Box::new(conferring)), wait);
        self.act(Action::JoinConference(Box::new(plan)));
        self.start_timer(TimerKind::DialLimit, limit);
        Then::Wait
    }

    fn conference_plan(&mut self, noun: &ConferenceNoun) -> ConferencePlan {
        let status_callback = noun.status_callback.as_ref().and_then(|status| {
            let hook = self.resolve_or_warn(&status.link, "statusCallback")?;
            Some(ConferenceCallback {
                hook,
                events: status.events,
            })
        });
        let recording_callback = noun.recording.as_ref().and_then(|status| {
            let hook = self.resolve_or_warn(&status.link, "recordingStatusCallback")?;
            Some(RecordingCallback {
                hook,
                events: status.events,
            })
        });
        ConferencePlan {
            name: noun.name.clone(),
            muted: noun.muted,
            beep: noun.beep,
            start_on_enter: noun.start_on_enter,
            end_on_exit: noun.end_on_exit,
            label: noun.label.clone(),
            jitter_buffer: noun.jitter_buffer,
            participants_max: noun.participants_max,
            record: noun.record,
            trim_silence: noun.trim_silence,
            coach: noun.coach,
            status_callback,
            recording_callback,
        }
    }

    pub(super) fn conference(&mut self, notice: ConferenceNotice) {
        if let ConferenceNotice::Ended(end) = notice {
            return self.conference_ended(end);
        }
        let Some(Stay {
            kind: StayKind::Conference(conferring),
            mode,
            ..
        }) = self.stay.as_deref_mut()
        else {
            return;
        };
        if *mode == Mode::Leaving {
            return;
        }
        conferring.joined = true;
        if notice == ConferenceNotice::Waits {
            self.trace("Conference", "waits");
            return self.wait_begins(None);
        }
        *mode = Mode::Talking;
        self.interrupt_inside();
        self.phase = Phase::Staying;
        self.trace("Conference", "talks");
    }

    /// Takes the caller out, in time.
    pub(super) fn leave_conference(&mut self, why: &'static str) {
        let Some(Stay {
            kind: StayKind::Conference(_),
            mode,
            ..
        }) = self.stay.as_deref_mut()
        else {
            return;
        };
        if *mode == Mode::Leaving {
            return;
        }
        *mode = Mode::Leaving;
        self.interrupt_inside();
        self.phase = Phase::Staying;
        self.trace("Conference", why);
        self.act(Action::LeaveConference);
    }

    fn conference_ended(&mut self, end: ConferenceEnd) {
        let stays = matches!(
            self.stay.as_deref(),
            Some(Stay {
                kind: StayKind::Conference(_),
                ..
            })
        );
        if !stays {
            return;
        }
        self.interrupt();
        let Some(StayKind::Conference(conferring)) = self.come_back() else {
            return;
        };
        if let Some(code) = refusal(end) {
            self.warn(code, code.summary());
        }
        let status = if conferring.joined {
            "answered"
        } else {
            "failed"
        };
        self.trace("Dial", format!("ended: {status}"));
        let Some(action) = &conferring.verb.action else {
            return self.stay_over();
        };
        let params = [
            ("DialCallStatus", status.to_owned()),
            ("DialBridged", conferring.joined.to_string()),
        ];
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        self.follow(Purpose::DialAction, action, params.map(owned).into());
    }
}

/// The number for a participant who never was in.
fn refusal(end: ConferenceEnd) -> Option<ErrorCode> {
    match end {
        ConferenceEnd::Full => Some(ErrorCode::CONFERENCE_FULL),
        ConferenceEnd::LabelTaken => Some(ErrorCode::CONFERENCE_LABEL_TAKEN),
        ConferenceEnd::NobodyToCoach => Some(ErrorCode::CONFERENCE_COACH),
        ConferenceEnd::Left | ConferenceEnd::Over => None,
    }
}
