//! Responses to requests of a call, and requests that got none.

use sip::{ClientId, Response};

use crate::digest::{Authorization, Challenged};
use crate::observer::{CallEvent, SipMessage};
use crate::run::Event;

use super::call::Call;
use super::core::{Core, Purpose, Sent};
use super::leg::{Leg, State};

/// How a request ended, or goes on.
pub(crate) struct Outcome<'a> {
    pub(crate) status: u16,
    /// `None` where nobody answered: then `status` is what that counts as.
    pub(crate) response: Option<&'a Response>,
}

impl Call {
    /// A response came in.
    pub(crate) fn responded(
        &mut self,
        core: &mut Core,
        client: ClientId,
        sent: Sent,
        response: &Response,
        message: SipMessage,
    ) {
        self.spend();
        self.record(core, sent.leg.leg, CallEvent::SipReceived(message));
        let outcome = Outcome {
            status: response.status(),
            response: Some(response),
        };
        self.outcome(core, client, sent, &outcome);
    }

    /// A request got no response (408), or could not be sent (503).
    pub(crate) fn failed(&mut self, core: &mut Core, client: ClientId, sent: Sent, status: u16) {
        self.outcome(
            core,
            client,
            sent,
            &Outcome {
                status,
                response: None,
            },
        );
    }

    fn outcome(&mut self, core: &mut Core, client: ClientId, sent: Sent, outcome: &Outcome<'_>) {
        let leg = sent.leg.leg;
        match sent.purpose {
            Purpose::Invite => self.invite_outcome(core, leg, client, outcome),
            _ if outcome.status < 200 => {}
            Purpose::Bye => self.bye_outcome(core, leg, client, outcome),
            Purpose::Refer => self.refer_outcome(leg, client, outcome.status),
            Purpose::Nothing => {}
        }
    }

    fn invite_outcome(
        &mut self,
        core: &mut Core,
        key: u32,
        client: ClientId,
        outcome: &Outcome<'_>,
    ) {
        let status = outcome.status;
        let leg = self.legs.get_mut(&key).and_then(|leg| {
            let inviting = leg.inviting.take_if(|inviting| inviting.client == client)?;
            Some((leg, inviting))
        });
        let Some((leg, inviting)) = leg else {
            // Only a 2xx comes again after the first final response (RFC 6026 §7.2), be it when
            // nothing is left of the leg.
            if let (200..300, Some(response)) = (status, outcome.response) {
                core.accepted_again(client, response);
            }
            return;
        };
        if status < 200 {
            // What a recording server describes before it answers is of no use to us.
            let ringing = status > 100 && leg.recorder.is_none();
            leg.inviting = Some(inviting);
            if let (true, Some(response)) = (ringing, outcome.response) {
                self.callee_rings(core, key, response);
            }
            return;
        }
        if let (200..300, Some(response)) = (status, outcome.response) {
            leg.acknowledge(core, &inviting, response);
        } else if let (401 | 407, Some(response)) = (status, outcome.response)
            // One that was given up is not called again: the challenge has crossed our CANCEL.
            && leg.callee.as_ref().is_some_and(|callee| !callee.over)
            && let Some(authorization) = leg.authorize(core, "INVITE", inviting.uri(), response)
            && self.invite_again(core, key, &inviting, authorization)
        {
            return;
        }
        if self.is_recorder(key) {
            return self.recorder_outcome(core, key, outcome);
        }
        self.callee_outcome(core, key, outcome);
    }

    fn bye_outcome(&mut self, core: &mut Core, key: u32, client: ClientId, outcome: &Outcome<'_>) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        if leg.state != State::Leaving(client) {
            return;
        }
        leg.state = State::Gone;
        let uri = String::from_utf8_lossy(&leg.dialog.request_uri()).into_owned();
        if let Some(response) = outcome.response
            && let Some(authorization) = leg.authorize(core, "BYE", &uri, response)
        {
            let headers = [authorization.header()];
            if let Some(bye) = leg.send(core, Purpose::Bye, "BYE", &headers, None) {
                leg.state = State::Leaving(bye);
            }
        }
    }

    fn refer_outcome(&mut self, key: u32, client: ClientId, status: u16) {
        let Some(leg) = self.legs.get_mut(&key) else {
            return;
        };
        if leg.referred.client != Some(client) {
            return;
        }
        leg.referred.client = None;
        self.tell(
            key,
            match status {
                200..300 => Event::ReferAccepted(status),
                _ => Event::ReferRefused(status),
            },
        );
    }
}

impl Leg {
    /// A 401 or 407: the request once more with credentials, if we have any for it.
    fn authorize(
        &mut self,
        core: &mut Core,
        method: &str,
        uri: &str,
        response: &Response,
    ) -> Option<Authorization> {
        let digest = self.callee.as_mut()?.digest.as_mut()?;
        let request = Challenged { method, uri };
        digest.answer(
            response.status(),
            &response.headers,
            request,
            &core.random.hex(),
        )
    }
}
