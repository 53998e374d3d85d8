//! `<Dial>`: a plan for the user agent, and what its end means.

use crate::ErrorCode;
use crate::twiml::{ClientNoun, Common, Dial, Link, Noun};
use crate::webhook::{Hook, Purpose, header_params};

use super::document::Then;
use super::phase::{Bridge, Dialling, Phase};
use super::{
    Action, Credentials, DialOutcome, DialPlan, DialReason, DialTarget, DialTo, Leg, LegCallback,
    Run, TimerKind,
};

/// The carrier of `<Parameter>`s towards a SIP client: percent-encoded pairs, joined by `&`.
const CLIENT_PARAMETERS: &str = "X-Custom-Parameters";

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
        let targets: Vec<_> = verb.nouns.iter().map(|noun| self.target(noun)).collect();
        if targets.is_empty() {
            self.trace("Dial", "there is nobody to call");
            return self.dial_result(&verb, &[DialOutcome::default()], false);
        }
        self.act(Action::Dial(Box::new(DialPlan {
            targets,
            sequential: verb.sequential,
            timeout: verb.timeout,
            caller_id: verb.caller_id.clone(),
            answer_on_bridge: verb.answer_on_bridge,
            record: verb.record,
            ring_tone: verb.ring_tone.clone(),
        })));
        self.phase = Phase::Dialling(Dialling {
            verb,
            bridge: Bridge::Calling,
        });
        Then::Wait
    }

    /// `answerOnBridge`: the unanswered caller hears what the callee's phone does.
    pub(super) fn dial_ringing(&mut self, early_media: bool) {
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
        if dialling.bridge != Bridge::Calling {
            return;
        }
        if unanswered {
            dialling.bridge = Bridge::Answering;
            self.answer();
        } else {
            self.bridge();
        }
    }

    /// Caller and callee have both answered.
    pub(super) fn bridge(&mut self) {
        let Phase::Dialling(dialling) = &mut self.phase else {
            return;
        };
        dialling.bridge = Bridge::Bridged;
        let limit = dialling.verb.time_limit;
        self.act(Action::Bridge);
        self.start_timer(TimerKind::DialLimit, limit);
    }

    /// `timeLimit` ends the callee's leg; the document goes on as after any call.
    pub(super) fn dial_limit_reached(&mut self) {
        self.cancel_dial("timeLimit is reached");
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

    /// Gives the `<Dial>` up for something else: its end no longer matters.
    pub(super) fn abandon_dial(&mut self) {
        self.abandoned_dials += 1;
        self.act(Action::CancelDial);
    }

    /// The caller is gone. An answered caller's `action` still learns the end; an unanswered
    /// one's has nothing to learn.
    pub(super) fn dial_lost_caller(&mut self, mut dialling: Dialling, answered: bool) {
        if !matches!(dialling.bridge, Bridge::Cancelled { .. }) {
            let was_bridged = dialling.bridge == Bridge::Bridged;
            dialling.bridge = Bridge::Cancelled { was_bridged };
            self.act(Action::CancelDial);
        }
        if answered {
            self.phase = Phase::Dialling(dialling);
        }
    }

    pub(super) fn dial_ended(&mut self, outcomes: &[DialOutcome]) {
        if self.abandoned_dials > 0 {
            self.abandoned_dials -= 1;
            return;
        }
        if !matches!(self.phase, Phase::Dialling(_)) {
            return;
        }
        if self.is_answering() {
            // The callee is gone before the caller's ACK: the document goes on after it.
            return self.dial_ended_while_answering(outcomes);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Dialling(dialling) = phase else {
            return;
        };
        self.stop_timer(TimerKind::DialLimit);
        let bridged = matches!(
            dialling.bridge,
            Bridge::Bridged | Bridge::Cancelled { was_bridged: true }
        );
        self.dial_over(&dialling.verb, outcomes, bridged);
    }

    fn dial_ended_while_answering(&mut self, outcomes: &[DialOutcome]) {
        let phase = std::mem::replace(&mut self.phase, Phase::Answering);
        let Phase::Dialling(dialling) = phase else {
            return;
        };
        self.early_dial_end = Some((dialling.verb, outcomes.to_vec()));
    }

    /// The end of a `<Dial>` that came before the caller's ACK.
    pub(super) fn take_early_dial_end(&mut self) -> bool {
        let Some((verb, outcomes)) = self.early_dial_end.take() else {
            return false;
        };
        self.dial_over(&verb, &outcomes, false);
        true
    }

    fn dial_over(&mut self, verb: &Dial, outcomes: &[DialOutcome], bridged: bool) {
        self.took_time();
        if let Then::Advance = self.dial_result(verb, outcomes, bridged) {
            if self.leg == Leg::Ended {
                self.finish()
            } else {
                self.advance()
            }
        }
    }

    /// `action` with the result, or the next verb.
    fn dial_result(&mut self, verb: &Dial, outcomes: &[DialOutcome], bridged: bool) -> Then {
        let nothing = DialOutcome::default();
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome.bridged)
            .or_else(|| outcomes.iter().find(|outcome| outcome.answered))
            .or_else(|| outcomes.last())
            .unwrap_or(&nothing);
        let bridged = bridged || outcome.bridged;
        let status = match (self.leg, bridged) {
            (_, true) => "completed",
            (Leg::Ended, false) => "canceled",
            (_, false) => dial_call_status(outcome),
        };
        self.trace("Dial", format!("ended: {status}"));
        let Some(action) = &verb.action else {
            return Then::Advance;
        };
        self.follow(
            Purpose::DialAction,
            action,
            dial_params(outcome, status, bridged),
        );
        Then::Wait
    }

    fn target(&mut self, noun: &Noun) -> DialTarget {
        let (to, headers, credentials, send_digits, common) = match noun {
            Noun::Client(client) => {
                let to = DialTo::Client(client.identity.clone());
                (to, client_headers(client), None, None, &client.common)
            }
            Noun::Number(number) => {
                let to = DialTo::Number(number.number.clone());
                (
                    to,
                    Vec::new(),
                    None,
                    number.send_digits.clone(),
                    &number.common,
                )
            }
            Noun::Sip(sip) => {
                let credentials = sip.username.clone().map(|username| Credentials {
                    username,
                    password: sip.password.clone().unwrap_or_default(),
                });
                let to = DialTo::Sip(sip.uri.address.clone());
                (to, sip.uri.headers.clone(), credentials, None, &sip.common)
            }
        };
        let (screening, status_callback) = self.links(common);
        DialTarget {
            to,
            headers,
            credentials,
            send_digits,
            screening,
            status_callback,
        }
    }

    fn links(&mut self, common: &Common) -> (Option<Hook>, Option<LegCallback>) {
        let screening = common
            .screening
            .as_ref()
            .and_then(|link| self.resolve_or_warn(link));
        let callback = common.status_callback.as_ref();
        let status_callback = callback.and_then(|callback| {
            let hook = self.resolve_or_warn(&callback.link)?;
            Some(LegCallback {
                hook,
                events: callback.events,
            })
        });
        (screening, status_callback)
    }

    fn resolve_or_warn(&mut self, link: &Link) -> Option<Hook> {
        let hook = self.resolve(link);
        if hook.is_none() {
            self.warn(
                ErrorCode::INVALID_URL,
                "the URL of a noun of <Dial> is invalid",
            );
        }
        hook
    }
}

/// What the end of a callee's leg is in the words of `DialCallStatus`, if it was not bridged.
///
/// 486 and 600 are busy; no answer within the time, 480, 487 and 603 are no answer; 408 is no
/// answer if it rang. Everything else failed.
pub fn dial_call_status(outcome: &DialOutcome) -> &'static str {
    match (outcome.reason, outcome.sip_code) {
        _ if outcome.bridged => "completed",
        (DialReason::RingTimeout, _) => "no-answer",
        (DialReason::Cancelled, _) => "canceled",
        (DialReason::ScreenedOut | DialReason::CalleeHungUp, _) if outcome.answered => "no-answer",
        (_, Some(486 | 600)) => "busy",
        (_, Some(480 | 487 | 603)) => "no-answer",
        (_, Some(408)) if outcome.rang => "no-answer",
        _ => "failed",
    }
}

fn dial_params(outcome: &DialOutcome, status: &str, bridged: bool) -> Vec<(String, String)> {
    let mut params = vec![("DialCallStatus".to_owned(), status.to_owned())];
    if let Some(sid) = outcome.call_sid {
        params.push(("DialCallSid".to_owned(), sid.to_string()));
    }
    if outcome.answered {
        let seconds = outcome.duration.as_secs().to_string();
        params.push(("DialCallDuration".to_owned(), seconds));
    }
    params.push(("DialBridged".to_owned(), bridged.to_string()));
    if let Some(call_id) = &outcome.sip_call_id {
        params.push(("DialSipCallId".to_owned(), call_id.clone()));
    }
    if let Some(code) = outcome.sip_code {
        params.push(("DialSipResponseCode".to_owned(), code.to_string()));
    }
    let is_extension = |name: &str| {
        name.get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
    };
    let headers = outcome
        .sip_headers
        .iter()
        .filter(|(name, _)| is_extension(name));
    params.extend(header_params("DialSipHeader_", headers));
    params
}

fn client_headers(client: &ClientNoun) -> Vec<(String, String)> {
    if client.parameters.is_empty() {
        return Vec::new();
    }
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs: Vec<_> = client
        .parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    vec![(CLIENT_PARAMETERS.to_owned(), pairs.join("&"))]
}
