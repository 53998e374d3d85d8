//! `<Refer>`: REFER (RFC 3515), its NOTIFYs, and what its end means.

use std::time::Duration;

use crate::ErrorCode;
use crate::twiml::Refer;
use crate::webhook::{Hook, Purpose};

use super::phase::{Phase, Referring};
use super::{Action, Leg, ReferPlan, Run, TimerKind};

impl Run {
    pub(super) fn refer(&mut self, verb: Refer) {
        if self.screening {
            let failed = Hook::post(self.base.clone());
            let message = "<Refer> is not allowed in a screening document";
            return self.fail(ErrorCode::REFER_NOT_SIP, message, &failed);
        }
        self.act(Action::Refer(ReferPlan {
            refer_to: verb.refer_to.clone(),
        }));
        self.start_timer(
            TimerKind::ReferResponse,
            self.settings.limits.refer_response,
        );
        self.phase = Phase::Referring(Referring {
            verb,
            response: None,
            notified: false,
            code: None,
        });
    }

    /// RFC 3515 §2.4.2 has 202; RFC 6665 §8.3.1 permits 200: any 2xx is taken.
    pub(super) fn refer_accepted(&mut self, code: u16) {
        let Phase::Referring(referring) = &mut self.phase else {
            return;
        };
        referring.response = Some(code);
        let notified = referring.notified;
        self.stop_timer(TimerKind::ReferResponse);
        if !notified {
            self.start_timer(TimerKind::ReferNotify, self.settings.limits.refer_notify);
        }
    }

    pub(super) fn refer_refused(&mut self, code: u16) {
        let Phase::Referring(referring) = &mut self.phase else {
            return;
        };
        if referring.response.is_some() {
            return;
        }
        referring.response = Some(code);
        self.refer_ended(Some("failed"));
    }

    /// A NOTIFY (which may overtake the 202). A final code in it, or the end of the subscription,
    /// ends the verb.
    pub(super) fn refer_notified(
        &mut self,
        code: Option<u16>,
        terminated: bool,
        expires: Option<Duration>,
    ) {
        let Phase::Referring(referring) = &mut self.phase else {
            return;
        };
        let first = !referring.notified;
        referring.notified = true;
        // A body that is missing says no more than "trying".
        let code = code.unwrap_or(100);
        if !(code == 100 && referring.code.is_some()) {
            referring.code = Some(code);
        }
        if code >= 200 || terminated {
            let status = match referring.code {
                Some(200..=299) => "in-progress",
                Some(486 | 600) => "busy",
                _ => "failed",
            };
            return self.refer_ended(Some(status));
        }
        if first {
            let longest = self.settings.limits.refer_end;
            self.stop_timer(TimerKind::ReferNotify);
            self.start_timer(
                TimerKind::ReferEnd,
                expires.map_or(longest, |time| time.min(longest)),
            );
        }
    }

    /// No NOTIFY came, or not the last one.
    pub(super) fn refer_gave_up(&mut self) {
        let Phase::Referring(referring) = &self.phase else {
            return;
        };
        let status = referring.notified.then_some("failed");
        self.refer_ended(status);
    }

    /// The caller hung up during the transfer: `action` learns it, its reply is not run.
    pub(super) fn refer_lost_caller(&mut self, referring: &Referring) {
        if let Some(action) = &referring.verb.action {
            let params = refer_params(referring, Some("canceled"));
            self.follow(Purpose::ReferAction, action, params);
        }
    }

    /// The verb is over: `action`, or the next verb, or the end of the leg.
    fn refer_ended(&mut self, status: Option<&'static str>) {
        for kind in [
            TimerKind::ReferResponse,
            TimerKind::ReferNotify,
            TimerKind::ReferEnd,
        ] {
            self.stop_timer(kind);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Referring(referring) = phase else {
            return;
        };
        debug_assert_eq!(self.leg, Leg::Answered);
        self.took_time();
        self.trace("Refer", format!("ended: {}", status.unwrap_or("no answer")));
        if let Some(action) = &referring.verb.action {
            let params = refer_params(&referring, status);
            return self.follow(Purpose::ReferAction, action, params);
        }
        if self.is_last_verb() && status == Some("in-progress") {
            // The transferred caller usually sends BYE itself; it gets a moment to do so.
            let wait = self.settings.limits.refer_hang_up;
            self.start_timer(TimerKind::ReferHangUp, wait);
            self.phase = Phase::Transferred;
        } else {
            self.advance();
        }
    }
}

fn refer_params(referring: &Referring, status: Option<&str>) -> Vec<(String, String)> {
    let mut params = Vec::new();
    if let Some(status) = status {
        params.push(("ReferCallStatus".to_owned(), status.to_owned()));
    }
    if let Some(code) = referring.response {
        params.push(("ReferSipResponseCode".to_owned(), code.to_string()));
    }
    if let Some(code) = referring.code {
        params.push(("NotifySipResponseCode".to_owned(), code.to_string()));
    }
    params
}
