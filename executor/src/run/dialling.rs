//! `<Dial>`: a plan for the user agent, the bridge, and its end.

use crate::ErrorCode;
use crate::twiml::{Dial, DialRecord, Link, Noun, QueueNoun};
use crate::webhook::Hook;

use super::dial_result::DialEnd;
use super::document::Then;
use super::phase::{Bridge, Dialling, Head, Phase};
use super::recording::{About, State, Teller};
use super::{
    Action, DialOutcome, DialPlan, DialQueuePlan, DialRecording, Leg, Party, Recording, Run,
    TimerKind,
};

impl Run {
    pub(super) fn dial(&mut self, verb: Box<Dial>) -> Then {
        let fault = if self.screening {
            Some(ErrorCode::DIAL_WHILE_SCREENING)
        } else {
            verb.fault
        };
        if let Some(fault) = fault {
            let failed = Hook::post(self.base.clone());
            self.fail(fault, fault.summary(), &failed);
            return Then::Wait;
        }
        match verb.nouns.first() {
            Some(Noun::Conference(noun)) => {
                let noun = noun.clone();
                self.confer(verb, &noun)
            }
            Some(Noun::Queue(noun)) => {
                let noun = noun.clone();
                self.dial_queue(verb, &noun)
            }
            _ => self.dial_targets(verb),
        }
    }

    fn dial_targets(&mut self, verb: Box<Dial>) -> Then {
        let nouns = verb.nouns.iter();
        let targets: Vec<_> = nouns.filter_map(|noun| self.target(noun)).collect();
        if targets.is_empty() {
            self.trace("Dial", "there is nobody to call");
            return self.dial_result(&DialEnd::nobody(&verb));
        }
        let id = self.next_dial_id();
        self.act(Action::Dial(Box::new(DialPlan {
            id,
            targets,
            sequential: verb.sequential,
            timeout: verb.timeout,
            caller_id: verb.caller_id.clone(),
            answer_on_bridge: verb.answer_on_bridge,
            record: dial_recording(&verb),
            ring_tone: verb.ring_tone.clone(),
        })));
        let teller = (verb.record != DialRecord::Nothing).then(|| {
            let about = About {
                source: "DialVerb",
                track: verb.recording_track,
            };
            self.teller(verb.recording.as_ref(), about)
        });
        self.phase = Phase::Dialling(Dialling {
            id,
            verb,
            bridge: Bridge::Calling,
            teller,
            recording: None,
            timed_out: false,
            bridged_at: None,
            refer: None,
        });
        Then::Wait
    }

    /// The head of a queue; if it is empty, whoever comes within `timeout`.
    fn dial_queue(&mut self, verb: Box<Dial>, noun: &QueueNoun) -> Then {
        let id = self.next_dial_id();
        let whisper = noun.whisper.as_ref().and_then(|link| {
            let hook = self.resolve(link);
            if hook.is_none() {
                self.warn(ErrorCode::QUEUE_URL, "the url of <Queue> is no URL");
            }
            hook
        });
        let timeout = verb.timeout;
        self.act(Action::DialQueue(Box::new(DialQueuePlan {
            id,
            name: noun.name.clone(),
            whisper,
        })));
        self.phase = Phase::Dialling(Dialling {
            id,
            verb,
            bridge: Bridge::Calling,
            teller: None,
            recording: None,
            timed_out: false,
            bridged_at: None,
            refer: None,
        });
        self.start_timer(TimerKind::QueueWait, timeout);
        Then::Wait
    }

    /// Nobody was in the queue in time.
    pub(super) fn dial_queue_timed_out(&mut self) {
        if let Phase::Dialling(dialling) = &mut self.phase
            && dialling.bridge == Bridge::Calling
        {
            dialling.timed_out = true;
            self.cancel_dial("nobody was in the queue");
        }
    }

    /// Who was taken from the queue did not wait for the bridge.
    pub(super) fn dial_queue_waits(&mut self) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        match &mut dialling.bridge {
            Bridge::Answering(head) => *head = Head::Gone,
            Bridge::Calling => self.dial_queue_again(Head::Gone),
            _ => {}
        }
    }

    /// The caller takes whoever is next in the queue. The wait for that one begins anew, unless it
    /// was found already.
    pub(super) fn dial_queue_again(&mut self, head: Head) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        dialling.bridge = Bridge::Calling;
        if head == Head::Gone {
            let timeout = dialling.verb.timeout;
            self.start_timer(TimerKind::QueueWait, timeout);
        }
    }

    /// `answerOnBridge`: the unanswered caller hears what the callee's phone does. Of a queue: its
    /// head was found, and hears something first.
    pub(super) fn dial_ringing(&mut self, early_media: bool) {
        self.stop_timer(TimerKind::QueueWait);
        if let Phase::Dialling(Dialling {
            bridge: Bridge::Answering(head @ Head::Gone),
            ..
        }) = &mut self.phase
        {
            *head = Head::Hears;
        }
        if self.leg == Leg::Unanswered
            && matches!(&self.phase, Phase::Dialling(dialling) if dialling.bridge == Bridge::Calling)
        {
            self.act(Action::Ring { early_media });
        }
    }

    pub(super) fn dial_answered(&mut self) {
        let unanswered = self.leg == Leg::Unanswered;
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        if let Bridge::Answering(head) = &mut dialling.bridge {
            *head = Head::Ready;
            return;
        }
        if dialling.bridge != Bridge::Calling {
            return;
        }
        if unanswered {
            dialling.bridge = Bridge::Answering(Head::Ready);
            self.stop_timer(TimerKind::QueueWait);
            self.answer();
        } else {
            self.bridge();
        }
    }

    /// Caller and callee have both answered.
    pub(super) fn bridge(&mut self) {
        let now = self.now;
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        dialling.bridge = Bridge::Bridged;
        dialling.bridged_at = Some(now);
        let limit = dialling.verb.time_limit;
        self.stop_timer(TimerKind::QueueWait);
        self.trial_succeeded();
        self.act(Action::Bridge);
        self.start_timer(TimerKind::DialLimit, limit);
    }

    /// The recording has begun.
    pub(super) fn dial_recording(&mut self, recording: &Recording) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        dialling.recording = Some(recording.clone());
        if let Some(teller) = dialling.teller.clone() {
            self.tell_recording(&teller, State::InProgress, recording);
        }
    }

    /// `timeLimit` ends the callee's leg; the document goes on as after any call.
    pub(super) fn dial_limit_reached(&mut self) {
        if self.stay.is_some() {
            self.leave_conference("timeLimit is reached");
        } else {
            self.cancel_dial("timeLimit is reached");
        }
    }

    /// `hangupOnStar`.
    pub(super) fn dial_digit(&mut self, digit: char) {
        let Phase::Dialling(dialling) = &self.phase else {
            return;
        };
        if digit == '*' && dialling.verb.hangup_on_star && dialling.bridge == Bridge::Bridged {
            self.cancel_dial("the caller pressed *");
        }
    }

    fn cancel_dial(&mut self, why: &'static str) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        if let Bridge::Cancelled { .. } = dialling.bridge {
            return;
        }
        dialling.bridge = Bridge::Cancelled {
            was_bridged: dialling.bridge == Bridge::Bridged,
        };
        self.trace("Dial", why);
        self.act(Action::CancelDial);
    }

    /// Gives a `<Dial>` that was answered up for something else.
    pub(super) fn abandon_dial(&mut self, dialling: Dialling) {
        self.act(Action::CancelDial);
        self.owed.dial(dialling.id, dialling.teller);
    }

    /// The caller is gone. An answered caller's `action` still learns the end; an unanswered
    /// one's has nothing to learn.
    pub(super) fn dial_lost_caller(&mut self, mut dialling: Dialling, answered: bool) {
        self.drop_refer(&mut dialling, Party::Callee);
        if dialling.bridge == Bridge::Away {
            dialling.bridge = Bridge::Cancelled { was_bridged: true };
            self.act(Action::LetCalleeGo);
        }
        if !matches!(dialling.bridge, Bridge::Cancelled { .. }) {
            let was_bridged = dialling.bridge == Bridge::Bridged;
            dialling.bridge = Bridge::Cancelled { was_bridged };
            self.act(Action::CancelDial);
        }
        if answered {
            self.phase = Phase::Dialling(dialling);
        } else {
            self.owed.dial(dialling.id, dialling.teller);
        }
    }

    /// There is no time left for a transfer. Who asked for it is told, if it is there: the
    /// `other` party.
    fn drop_refer(&mut self, dialling: &mut Dialling, other: Party) {
        if let Some(request) = dialling.refer.take() {
            self.act(Action::AbortFetch(request.fetch));
            if request.by == other {
                let (by, status) = (other, 487);
                self.act(Action::NotifyRefer { by, status });
            }
        }
    }

    pub(super) fn dial_ended(&mut self, id: super::DialId, outcomes: &[DialOutcome]) {
        if self.parked_ended(id, outcomes) {
            return;
        }
        if !matches!(&self.phase, Phase::Dialling(dialling) if dialling.id == id) {
            return self.owed_dial(id, outcomes);
        }
        if self.is_answering() {
            // The callee is gone before the caller's ACK: the document goes on after it.
            return self.dial_ended_while_answering(outcomes);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        if let Phase::Dialling(dialling) = phase {
            self.dialling_over(dialling, outcomes);
        }
    }

    fn dial_ended_while_answering(&mut self, outcomes: &[DialOutcome]) {
        let phase = std::mem::replace(&mut self.phase, Phase::Answering);
        let Phase::Dialling(dialling) = phase else {
            return;
        };
        if let Some(teller) = &dialling.teller {
            self.tell_dial_recording(teller, outcomes);
        }
        self.early_dial_end = Some((dialling.verb, outcomes.to_vec()));
    }

    /// The end of a `<Dial>` that came before the caller's ACK.
    pub(super) fn take_early_dial_end(&mut self) -> bool {
        let Some((verb, outcomes)) = self.early_dial_end.take() else {
            return false;
        };
        self.dial_over(&DialEnd {
            verb: &verb,
            outcomes: &outcomes,
            bridged: false,
            timed_out: false,
            recording: None,
        });
        true
    }

    pub(super) fn dialling_over(&mut self, mut dialling: Dialling, outcomes: &[DialOutcome]) {
        self.stop_timer(TimerKind::DialLimit);
        self.stop_timer(TimerKind::QueueWait);
        self.drop_refer(&mut dialling, Party::Caller);
        if dialling.bridge == Bridge::Away {
            let (by, status) = (Party::Caller, 487);
            self.act(Action::NotifyRefer { by, status });
        }
        if let Some(teller) = &dialling.teller {
            self.tell_dial_recording(teller, outcomes);
        }
        self.tell_end();
        let bridged = matches!(
            dialling.bridge,
            Bridge::Away | Bridge::Bridged | Bridge::Cancelled { was_bridged: true }
        );
        let ended = outcomes
            .iter()
            .find_map(|outcome| outcome.recording.clone());
        let end = DialEnd {
            verb: &dialling.verb,
            outcomes,
            bridged,
            timed_out: dialling.timed_out,
            recording: ended.or(dialling.recording),
        };
        if !bridged && self.trial_failed(end.sip_code()) {
            return;
        }
        self.dial_over(&end);
    }

    fn dial_over(&mut self, end: &DialEnd<'_>) {
        self.took_time();
        if let Then::Advance = self.dial_result(end) {
            if self.leg == Leg::Ended {
                self.conclude()
            } else {
                self.advance()
            }
        }
    }

    /// The callback of the recording, whether there is one or not.
    pub(super) fn tell_dial_recording(&mut self, teller: &Teller, outcomes: &[DialOutcome]) {
        match outcomes
            .iter()
            .find_map(|outcome| outcome.recording.as_ref())
        {
            Some(recording) => self.tell_recording(teller, State::Completed, recording),
            None => self.tell_recording(teller, State::Absent, &Recording::default()),
        }
    }

    /// The URL of an attribute, or a warning.
    pub(super) fn resolve_or_warn(&mut self, link: &Link, attribute: &'static str) -> Option<Hook> {
        let hook = self.resolve(link);
        if hook.is_none() {
            self.warn(ErrorCode::CALLBACK_URL, format!("{attribute} is no URL"));
        }
        hook
    }
}

impl Dialling {
    /// Whether somebody from a queue is called.
    pub(super) fn is_queue(&self) -> bool {
        matches!(self.verb.nouns.first(), Some(Noun::Queue(_)))
    }
}

fn dial_recording(verb: &Dial) -> Option<DialRecording> {
    let (from_ringing, dual) = match verb.record {
        DialRecord::Answer => (false, false),
        DialRecord::AnswerDual => (false, true),
        DialRecord::Nothing => return None,
        DialRecord::Ringing => (true, false),
        DialRecord::RingingDual => (true, true),
    };
    Some(DialRecording {
        from_ringing,
        dual,
        track: verb.recording_track,
        trim_silence: verb.trim_silence,
    })
}
