//! How a callee's leg goes: it rings, answers, hears its screening document, ends
//! (RFC 3261 §13.2, seen from the caller).

use std::sync::Arc;

use bytes::Bytes;
use sip::{Headers, Instant, Response};

use crate::digest::Digest;
use crate::observer::{CallEvent, Ended};
use crate::run::{
    DialOutcome, DialReason, Event, LegCallbacks, LegEnd, LegStage, Run, dial_call_status,
};
use crate::sdp::Description;
use crate::webhook::{CallContext, CallStatus, Hook};

use super::body;
use super::call::{CALLER, Call};
use super::core::Core;
use super::leg::State;
use super::responses::Outcome;
use super::script::{Script, call_back};
use super::text::header_list;
use super::timer::Timer;

/// What a callee's leg has beside a leg.
pub(crate) struct Callee {
    pub(crate) digest: Option<Digest>,
    /// Its end was reported.
    pub(crate) over: bool,
    pub(crate) bridged: bool,
    pub(crate) rang: bool,
    /// A description from before the answer.
    pub(crate) early: Option<Bytes>,
    /// What the caller described when this leg was offered it.
    pub(crate) offered: Option<Bytes>,
    pub(crate) answered_at: Option<Instant>,
    pub(crate) ringing: Option<Timer>,
    pub(crate) callbacks: Option<LegCallbacks>,
    pub(crate) screening: Option<Hook>,
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
        let Some(callee) = self.callee(key).filter(|callee| !callee.over) else {
            return;
        };
        let first = !std::mem::replace(&mut callee.rang, true);
        let early = description.is_some() && callee.early.is_none();
        callee.early = callee.early.take().or(description);
        if first {
            self.stage(core, key, LegStage::Ringing);
        }
        if first || early {
            let early_media = self.early_description().is_some();
            self.tell(CALLER, Event::DialRinging { early_media });
        }
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
        let heard = body::description(&response.headers).ok().flatten();
        leg.session.heard = heard.or_else(|| leg.callee.as_mut()?.early.take());
        let readable = leg
            .session
            .heard
            .as_ref()
            .is_some_and(|heard| Description::parse(heard).is_ok());
        if over || !readable {
            // Too late, or nothing to talk with: answered and hung up (§13.2.2.4, §9.1).
            leg.hang_up(core);
            return self.callee_over(core, key, DialReason::Refused, 488);
        }
        leg.connect_media();
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
        if let Some(callee) = self.callee(key) {
            callee.answered_at = Some(now);
            callee.code = Some(200);
            callee.ringing = None;
        }
        let Some(dial) = &mut self.dial else { return };
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
        let Some(dial) = &mut self.dial else { return };
        if dial.winner == Some(key) && !dial.ready {
            dial.ready = true;
            self.tell(CALLER, Event::DialAnswered);
        }
    }

    /// The screening document did not let the call through.
    pub(crate) fn callee_screened_out(&mut self, core: &mut Core, key: u32) {
        self.give_up(core, key, DialReason::ScreenedOut);
    }

    /// A callee hung up, or its dialog was lost.
    pub(crate) fn callee_hung_up(&mut self, core: &mut Core, key: u32) {
        self.callee_over(core, key, DialReason::CalleeHungUp, 200);
    }

    /// Reports the end of a callee's leg, once.
    pub(crate) fn callee_over(&mut self, core: &mut Core, key: u32, reason: DialReason, code: u16) {
        let now = core.now;
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        let sid = leg.sid;
        let call_id = String::from_utf8_lossy(&leg.dialog.call_id).into_owned();
        let Some(callee) = leg.callee.as_deref_mut().filter(|callee| !callee.over) else {
            return;
        };
        callee.over = true;
        callee.ringing = None;
        leg.script = None;
        let duration = callee
            .answered_at
            .map_or(std::time::Duration::ZERO, |at| now - at);
        let outcome = DialOutcome {
            call_sid: Some(sid),
            sip_call_id: Some(call_id),
            sip_code: Some(callee.code.unwrap_or(code)),
            sip_headers: x_headers(&callee.answer_headers),
            rang: callee.rang,
            answered: callee.answered_at.is_some(),
            bridged: callee.bridged,
            duration,
            reason,
            recording: None,
            queue: None,
        };
        let status = if outcome.answered {
            CallStatus::Completed
        } else {
            ended_status(&outcome)
        };
        let sip_code = callee.code.unwrap_or(code);
        self.record(
            core,
            key,
            CallEvent::Ended(Ended {
                status,
                sip_code,
                duration,
            }),
        );
        let end = LegEnd {
            status,
            duration,
            sip_code,
            recording: None,
        };
        self.stage(core, key, LegStage::Completed(end));
        if self
            .bridge
            .as_ref()
            .is_some_and(|bridge| bridge.callee == key)
        {
            self.disconnect(core);
        }
        if let Some(dial) = &mut self.dial {
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
        self.check_dial(core);
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

fn x_headers(headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let is_x = |name: &str| {
        name.get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
    };
    headers
        .iter()
        .filter(|(name, _)| is_x(name))
        .cloned()
        .collect()
}

fn ended_status(outcome: &DialOutcome) -> CallStatus {
    match dial_call_status(outcome) {
        "busy" => CallStatus::Busy,
        "canceled" => CallStatus::Canceled,
        "no-answer" => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}
