//! How a callee's leg goes: it rings, answers, hears its screening document, ends
//! (RFC 3261 §13.2, seen from the caller).

use std::sync::Arc;
use std::time::Duration;

use ::media::{AnsweredBy, PlayId};
use sip::{Headers, Instant, Response};

use crate::digest::Digest;
use crate::observer::{CallEvent, Ended};
use crate::run::{
    Detection, DialOutcome, DialReason, Event, LegCallbacks, LegEnd, LegStage, Recording, Run,
    dial_call_status,
};
use crate::webhook::{CallContext, CallStatus, Hook};

use super::body;
use super::call::Call;
use super::core::Core;
use super::leg::{Leg, State};
use super::responses::Outcome;
use super::script::{Script, call_back};
use super::text::header_list;
use super::timer::Timer;

/// What a callee's leg has beside a leg.
pub(crate) struct Callee {
    /// The leg whose `<Dial>` it belongs to.
    pub(crate) parent: u32,
    pub(crate) digest: Option<Digest>,
    /// Its end was reported.
    pub(crate) over: bool,
    /// What its last status callback tells, which waits for a recording.
    pub(crate) owed: Option<LegEnd>,
    /// It has a document of its own.
    pub(crate) transferred: bool,
    pub(crate) bridged: bool,
    pub(crate) rang: bool,
    /// It has described its media before the answer.
    pub(crate) early: bool,
    /// Keys that it hears first.
    pub(crate) send_digits: Option<String>,
    pub(crate) answered_at: Option<Instant>,
    pub(crate) ringing: Option<Timer>,
    pub(crate) callbacks: Option<LegCallbacks>,
    pub(crate) screening: Option<Hook>,
    pub(crate) detection: Option<Detection>,
    pub(crate) context: Arc<CallContext>,
    /// Headers of the INVITE beyond those of every INVITE.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The final response.
    pub(crate) code: Option<u16>,
    pub(crate) answer_headers: Vec<(String, Vec<u8>)>,
}

impl Call {
    /// A 18x of a callee.
    pub(crate) fn callee_rings(&mut self, core: &Core, key: u32, response: &Response) {
        let description = body::description(&response.headers).ok().flatten();
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let described = description.is_some_and(|description| leg.answered(&description));
        let Some(callee) = leg.callee.as_mut().filter(|callee| !callee.over) else {
            return;
        };
        let parent = callee.parent;
        let first = !std::mem::replace(&mut callee.rang, true);
        let early = described && !std::mem::replace(&mut callee.early, true);
        if first {
            self.stage(core, key, LegStage::Ringing);
            self.tape_ringing(core, parent);
        }
        if let (true, Some(owner)) = (first || early, self.legs.get(&parent)) {
            let early_media = self.early_callee(owner).is_some();
            self.tell(parent, Event::DialRinging { early_media });
        }
        self.follow(parent);
    }

    /// The final response to a callee's INVITE, or what counts as one.
    pub(crate) fn callee_outcome(&mut self, core: &mut Core, key: u32, outcome: &Outcome<'_>) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let over = leg.callee.as_ref().is_none_or(|callee| callee.over);
        if !(200..300).contains(&outcome.status) {
            leg.state = State::Gone;
            if let Some(response) = outcome.response {
                self.keep_headers(key, &response.headers);
            }
            return self.callee_over(core, key, DialReason::Refused, outcome.status);
        }
        leg.state = State::Confirmed;
        let Some(response) = outcome.response else {
            return;
        };
        let usable = match body::description(&response.headers).ok().flatten() {
            Some(description) => leg.answered(&description),
            None => leg.negotiation.agreed().is_some(),
        };
        if over || !usable {
            // Too late, or nothing to talk with: answered and hung up (§13.2.2.4, §9.1).
            leg.hang_up(core);
            return self.callee_over(core, key, DialReason::Refused, 488);
        }
        core.journal.record(&leg.tag, CallEvent::Answered);
        self.keep_headers(key, &response.headers);
        self.callee_answered(core, key);
    }

    fn keep_headers(&mut self, key: u32, headers: &Headers) {
        if let Some(callee) = self.callee(key) {
            callee.answer_headers = header_list(headers);
        }
    }

    /// The first 2xx wins; the others are cancelled.
    fn callee_answered(&mut self, core: &mut Core, key: u32) {
        let now = core.now;
        let Some(callee) = self.callee(key) else {
            return;
        };
        callee.answered_at = Some(now);
        callee.code = Some(200);
        callee.ringing = None;
        let parent = callee.parent;
        let Some(dial) = self.dial_with(key) else {
            return;
        };
        dial.winner = Some(key);
        dial.next = if dial.plan.sequential {
            dial.next
        } else {
            dial.plan.targets.len()
        };
        let losers: Vec<_> = dial
            .legs
            .iter()
            .copied()
            .filter(|leg| *leg != key)
            .collect();
        for loser in losers {
            self.give_up(core, loser, DialReason::Cancelled);
        }
        self.stage(core, key, LegStage::Answered);
        self.detect(key);
        let keys = self
            .callee(key)
            .and_then(|callee| callee.send_digits.take());
        match (keys, self.legs.get(&key).and_then(|leg| leg.session())) {
            (Some(keys), Some(session)) => session.keys(SEND_DIGITS, &keys),
            _ => self.callee_ready(core, key),
        }
        self.follow(parent);
    }

    /// Begins to find out who has answered; the call goes on meanwhile.
    fn detect(&self, key: u32) {
        let Some(leg) = self.legs.get(&key) else {
            return;
        };
        let detection = leg
            .callee
            .as_ref()
            .and_then(|callee| callee.detection.as_ref());
        if let (Some(detection), Some(media)) = (detection, &leg.media) {
            media.detect(&detection.asked);
        }
    }

    /// It is certain who has answered.
    pub(crate) fn callee_known(&mut self, core: &Core, key: u32, by: AnsweredBy, after: Duration) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = &mut leg.callee else {
            return;
        };
        if let Some(detection) = callee.detection.take() {
            let request = detection.told(answered_by(by), after);
            call_back(core, &leg.tag, &callee.context, request);
        }
    }

    /// Something that we played to a leg is over.
    pub(crate) fn played(&mut self, core: &Core, key: u32, id: PlayId) {
        if id == SEND_DIGITS && self.is_winner(key) {
            self.callee_ready(core, key);
        }
    }

    /// The callee has heard the keys: the screening document, if there is one, is next.
    fn callee_ready(&mut self, core: &Core, key: u32) {
        match self.callee(key).and_then(|callee| callee.screening.take()) {
            Some(hook) => self.screen(core, key, hook),
            None => self.callee_passed(key),
        }
    }

    /// The callee hears a document before it is connected.
    fn screen(&mut self, core: &Core, key: u32, hook: Hook) {
        let settings = crate::run::Settings {
            voice: hook,
            fallback: None,
            status_callback: None,
            ..core.settings.run(&self.domain)
        };
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = &mut leg.callee else {
            return;
        };
        let mut context = (*callee.context).clone();
        context.sip.headers = callee.answer_headers.clone();
        callee.context = Arc::new(context);
        let context = Arc::clone(&callee.context);
        leg.script = Some(Script::new(Run::screening(settings), context, core.now));
        self.tell(key, Event::Start);
    }

    /// The callee may be connected.
    pub(crate) fn callee_passed(&mut self, key: u32) {
        let Some(parent) = self.parent(key) else {
            return;
        };
        let Some(dial) = self.dial_with(key) else {
            return;
        };
        if dial.winner == Some(key) && !dial.ready {
            dial.ready = true;
            self.tell(parent, Event::DialAnswered);
        }
    }

    fn is_winner(&mut self, key: u32) -> bool {
        self.dial_with(key)
            .is_some_and(|dial| dial.winner == Some(key))
    }

    /// The screening document did not let the call through.
    pub(crate) fn callee_screened_out(&mut self, core: &mut Core, key: u32) {
        self.give_up(core, key, DialReason::ScreenedOut);
    }

    /// A callee hung up, or its dialog was lost.
    pub(crate) fn callee_hung_up(&mut self, core: &mut Core, key: u32) {
        self.callee_over(core, key, DialReason::CalleeHungUp, 200);
    }

    /// A callee's leg is over: said once.
    pub(crate) fn callee_over(&mut self, core: &mut Core, key: u32, reason: DialReason, code: u16) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = leg.callee.as_deref_mut().filter(|callee| !callee.over) else {
            return;
        };
        callee.over = true;
        callee.ringing = None;
        // A screening document ends with its leg; a transferee's own learns the end itself.
        if !callee.transferred {
            leg.script = None;
        }
        let outcome = leg.outcome(core, reason, code);
        let (status, duration) = (ended_status(&outcome), outcome.duration);
        let sip_code = outcome.sip_code.unwrap_or(code);
        let ended = Ended {
            status,
            sip_code,
            duration,
        };
        self.record(core, key, CallEvent::Ended(ended));
        let end = LegEnd {
            status,
            duration,
            sip_code,
            recording: None,
        };
        let taped = self.dial_with(key).is_some_and(|dial| dial.tape.is_some());
        if outcome.bridged && taped {
            // Its last callback tells of the recording, which is written when the `<Dial>` ends.
            if let Some(callee) = self.callee(key) {
                callee.owed = Some(end);
            }
        } else {
            self.stage(core, key, LegStage::Completed(end));
        }
        self.report(core, key, outcome);
    }

    /// A callee belongs to its `<Dial>` no more, which learns how it went.
    pub(crate) fn report(&mut self, core: &mut Core, key: u32, outcome: DialOutcome) {
        let Some(parent) = self.parent(key) else {
            return;
        };
        let reason = outcome.reason;
        if let Some(dial) = self.dial_with(key) {
            dial.outcomes.push(outcome);
            dial.legs.retain(|leg| *leg != key);
            if dial.winner == Some(key) {
                dial.winner = None;
                dial.ready = false;
                if reason != DialReason::ScreenedOut {
                    dial.next = dial.plan.targets.len();
                }
            }
        }
        self.check_dial(core, parent);
        self.follow(parent);
    }

    /// The recording of a leg's `<Dial>` is written: the callees' last callbacks tell of it.
    pub(crate) fn tell_recording(
        &mut self,
        core: &Core,
        owner: u32,
        recording: Option<&Recording>,
    ) {
        let owed: Vec<_> = self
            .legs
            .iter_mut()
            .filter_map(|(key, leg)| Some((*key, leg.callee.as_mut()?)))
            .filter(|(_, callee)| callee.parent == owner)
            .filter_map(|(key, callee)| Some((key, callee.owed.take()?)))
            .collect();
        for (key, mut end) in owed {
            end.recording = recording.cloned();
            self.stage(core, key, LegStage::Completed(end));
        }
    }

    /// Status callbacks of a callee's leg.
    pub(crate) fn stage(&mut self, core: &Core, key: u32, stage: LegStage) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let Some(callee) = &mut leg.callee else {
            return;
        };
        if let Some(request) = callee
            .callbacks
            .as_mut()
            .and_then(|callbacks| callbacks.on(stage))
        {
            call_back(core, &leg.tag, &callee.context, request);
        }
    }
}

/// As `AnsweredBy` of webhooks.
fn answered_by(by: AnsweredBy) -> &'static str {
    match by {
        AnsweredBy::Fax => "fax",
        AnsweredBy::Human => "human",
        AnsweredBy::MachineEndBeep => "machine_end_beep",
        AnsweredBy::MachineEndOther => "machine_end_other",
        AnsweredBy::MachineEndSilence => "machine_end_silence",
        AnsweredBy::MachineStart => "machine_start",
        AnsweredBy::Unknown => "unknown",
    }
}

/// The number of `sendDigits` among what is played to a callee.
const SEND_DIGITS: PlayId = PlayId(1 << 40 | 1);

impl Leg {
    /// How a callee's leg went until now; `code` stands for a final response that never came.
    pub(crate) fn outcome(&self, core: &Core, reason: DialReason, code: u16) -> DialOutcome {
        let Some(callee) = &self.callee else {
            return DialOutcome::default();
        };
        let answered = callee.answered_at;
        DialOutcome {
            call_sid: Some(self.sid),
            sip_call_id: Some(String::from_utf8_lossy(&self.dialog.call_id).into_owned()),
            sip_code: Some(callee.code.unwrap_or(code)),
            sip_headers: callee.answer_headers.clone(),
            rang: callee.rang,
            answered: answered.is_some(),
            bridged: callee.bridged,
            duration: answered.map_or(Duration::ZERO, |at| core.now - at),
            reason,
            recording: None,
            queue: None,
        }
    }
}

fn ended_status(outcome: &DialOutcome) -> CallStatus {
    if outcome.answered {
        return CallStatus::Completed;
    }
    match dial_call_status(outcome) {
        "busy" => CallStatus::Busy,
        "canceled" => CallStatus::Canceled,
        "no-answer" => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}
