//! What the end of a `<Dial>` is called, and what its `action` is told.

use crate::twiml::Dial;
use crate::webhook::{Purpose, header_params};

use super::document::Then;
use super::recording::result_params;
use super::{DialOutcome, DialReason, Leg, Recording, Run};

/// A `<Dial>` that is over.
pub(super) struct DialEnd<'d> {
    pub(super) verb: &'d Dial,
    pub(super) outcomes: &'d [DialOutcome],
    pub(super) bridged: bool,
    /// Nobody was in the queue in time.
    pub(super) timed_out: bool,
    pub(super) recording: Option<Recording>,
}

impl<'d> DialEnd<'d> {
    /// There was nobody who could be called.
    pub(super) fn nobody(verb: &'d Dial) -> Self {
        Self {
            verb,
            outcomes: &[],
            bridged: false,
            timed_out: false,
            recording: None,
        }
    }

    /// The leg that counts: who talked, else who answered, else the last one.
    fn outcome(&self) -> DialOutcome {
        let outcomes = self.outcomes;
        outcomes
            .iter()
            .find(|outcome| outcome.bridged)
            .or_else(|| outcomes.iter().find(|outcome| outcome.answered))
            .or_else(|| outcomes.last())
            .cloned()
            .unwrap_or_default()
    }

    /// The code to tell a transferor: the final response of the target. One that did not answer in
    /// time gave none, which is 408 (RFC 3261 §16.8), though its CANCEL brings 487.
    pub(super) fn sip_code(&self) -> u16 {
        let outcome = self.outcome();
        if self.timed_out || outcome.reason == DialReason::RingTimeout {
            return 408;
        }
        outcome
            .sip_code
            .filter(|code| (300..700).contains(code))
            .unwrap_or(503)
    }
}

impl Run {
    /// `action` with the result, or the next verb.
    pub(super) fn dial_result(&mut self, end: &DialEnd<'_>) -> Then {
        let outcome = end.outcome();
        let bridged = end.bridged || outcome.bridged;
        let status = match (self.leg, bridged) {
            (_, true) => "completed",
            (Leg::Ended, false) => "canceled",
            (_, false) if end.timed_out => "no-answer",
            (_, false) => dial_call_status(&outcome),
        };
        self.trace("Dial", format!("ended: {status}"));
        let Some(action) = &end.verb.action else {
            return Then::Advance;
        };
        let mut params = dial_params(&outcome, status, bridged);
        params.extend(end.recording.iter().flat_map(result_params));
        self.follow(Purpose::DialAction, action, params);
        Then::Wait
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
        (DialReason::NoQueue, _) => "failed",
        (DialReason::ScreenedOut | DialReason::CalleeHungUp, _) if outcome.answered => "no-answer",
        (_, Some(486 | 600)) => "busy",
        (_, Some(480 | 487 | 603)) => "no-answer",
        (_, Some(408)) if outcome.rang => "no-answer",
        _ => "failed",
    }
}

fn dial_params(outcome: &DialOutcome, status: &str, bridged: bool) -> Vec<(String, String)> {
    let mut params = vec![("DialCallStatus", status.to_owned())];
    if let Some(sid) = outcome.call_sid {
        params.push(("DialCallSid", sid.to_string()));
    }
    if outcome.answered {
        params.push(("DialCallDuration", outcome.duration.as_secs().to_string()));
    }
    params.push(("DialBridged", bridged.to_string()));
    if let Some((queue, waited)) = outcome.queue {
        params.push(("DialQueueSid", queue.to_string()));
        params.push(("QueueTime", waited.as_secs().to_string()));
    }
    if let Some(call_id) = &outcome.sip_call_id {
        params.push(("DialSipCallId", call_id.clone()));
    }
    if let Some(code) = outcome.sip_code {
        params.push(("DialSipResponseCode", code.to_string()));
    }
    let is_extension = |name: &str| {
        name.get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
    };
    let headers = outcome
        .sip_headers
        .iter()
        .filter(|(name, _)| is_extension(name));
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    let mut params: Vec<_> = params.into_iter().map(owned).collect();
    params.extend(header_params("DialSipHeader_", headers));
    params
}
