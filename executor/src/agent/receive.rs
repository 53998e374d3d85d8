//! Messages as they come: parsed, matched with their transaction, led to their call.

use bytes::Bytes;
use sip::{
    ClientKey, Disposition, HeaderName, Message, Method, Received, Reply, Request, Response,
    ServerId, ServerKey, Via,
};
use transport::Flow;

use crate::observer::{CallEvent, SipMessage};

use super::core::Incoming;
use super::path::{Path, stamp};
use super::{Agent, LegKey, inbound};

impl Agent {
    /// A message as it came in.
    pub(super) fn message(&mut self, flow: Flow, wire: Bytes) {
        let limits = &self.core.settings.limits.message;
        match sip::parse(wire.clone(), limits) {
            Ok(Message::Request(request)) => self.request(flow, wire, request),
            Ok(Message::Response(response)) => self.response(flow, wire, &response),
            Err(error) => tracing::debug!(peer = %flow.remote, error = error.label(), "not SIP"),
        }
        self.settle();
    }

    fn request(&mut self, flow: Flow, wire: Bytes, mut request: Request) {
        stamp(&mut request, flow.remote);
        let Some(via) = request.headers.top(HeaderName::Via) else {
            return;
        };
        let Ok(path) = Via::parse(via).map(|via| Path::reply(&flow, &via)) else {
            return;
        };
        let ack = request.method() == Method::Ack;
        let refusal = if !self.core.settings.trusts(flow.remote) {
            tracing::debug!(peer = %flow.remote, "not one of the proxies");
            Some((403, "Forbidden"))
        } else {
            let checked = sip::check_request(&request, &self.core.settings.limits.message);
            checked.err().map(|_| (400, "Bad Request"))
        };
        if let Some((status, reason)) = refusal {
            if !ack {
                self.refuse_without_state(path, &request, status, reason);
            }
            return;
        }
        // check_request has seen all that a key is made of.
        let Some(key) = ServerKey::of(&request) else {
            return;
        };
        let now = self.core.now;
        let received = self.core.layer.receive_request(&key, now);
        let created = match received {
            Received::New | Received::Cancel { .. } => {
                self.core
                    .layer
                    .create_server(&key, path, path.is_reliable(), now)
            }
            Received::AckFor2xx(_) | Received::StrayAck => {
                let incoming = Incoming {
                    request,
                    wire,
                    flow,
                    server: None,
                };
                return self.ack(&incoming);
            }
            Received::Ack(_) | Received::Retransmission(_) => return,
        };
        match (created, received) {
            (Err(_), _) => self.refuse_without_state(path, &request, 503, "Service Unavailable"),
            (Ok(server), received) => {
                let incoming = Incoming {
                    request,
                    wire,
                    flow,
                    server: Some(server),
                };
                match received {
                    Received::Cancel { invite } => self.cancel(&incoming, server, invite),
                    _ => self.dispatch(incoming),
                }
            }
        }
    }

    /// An answer for which nothing is remembered (§8.2.7).
    fn refuse_without_state(&mut self, path: Path, request: &Request, status: u16, reason: &str) {
        let tag = self.core.random.hex();
        let response = Reply::new(request, status, reason)
            .to_tag(tag.as_bytes())
            .build();
        self.core.outbox.push((path, response.to_bytes()));
    }

    /// CANCEL: always 200 if there is what it cancels, whatever becomes of that (§9.2).
    fn cancel(&mut self, incoming: &Incoming, server: ServerId, invite: Option<ServerId>) {
        let Incoming {
            request,
            wire,
            flow,
            ..
        } = incoming;
        let found = invite.and_then(|invite| Some((invite, *self.core.servers.get(&invite)?)));
        let Some((invite, leg)) = found else {
            let reply = Reply::new(request, 481, "Call/Transaction Does Not Exist");
            return self.core.refuse(server, reply);
        };
        // The To tag of this 200 is that of the responses to the INVITE (§9.2).
        match self
            .calls
            .get(&leg.call)
            .and_then(|call| call.legs.get(&leg.leg))
        {
            Some(leg) => {
                let message = SipMessage::new(flow.remote, flow.transport, wire);
                self.core
                    .journal
                    .record(&leg.tag, CallEvent::SipReceived(message));
                let reply = Reply::new(request, 200, "OK").to_tag(&leg.dialog.local_tag);
                self.core.respond(&leg.tag, server, &reply.build());
            }
            None => self.core.refuse(server, Reply::new(request, 200, "OK")),
        }
        self.with_call(leg.call, |call, core| call.cancelled(core, leg.leg, invite));
    }

    /// Finds the dialog of a request (§12.2.2).
    fn dialog_of(&self, request: &Request) -> Option<LegKey> {
        let tag = inbound::to_tag(request)?;
        let key = *self.core.dialogs.get(&tag)?;
        let leg = self.calls.get(&key.call)?.legs.get(&key.leg)?;
        let headers = &request.headers;
        let early = || leg.inviting.is_some() && leg.dialog.expects(headers);
        (leg.dialog.owns(headers) || early()).then_some(key)
    }

    fn ack(&mut self, incoming: &Incoming) {
        if let Some(key) = self.dialog_of(&incoming.request) {
            self.with_call(key.call, |call, core| call.ack(core, key.leg, incoming));
        }
    }

    fn dispatch(&mut self, incoming: Incoming) {
        let Some(key) = self.dialog_of(&incoming.request) else {
            return self.begin(incoming);
        };
        if let (Some(unsupported), Some(server)) =
            (inbound::required(&incoming.request), incoming.server)
        {
            let reply = Reply::new(&incoming.request, 420, "Bad Extension");
            return self
                .core
                .refuse(server, reply.header("Unsupported", unsupported));
        }
        if let (Method::Invite, Some(server)) = (incoming.request.method(), incoming.server) {
            self.core.servers.insert(server, key);
        }
        self.with_call(key.call, |call, core| {
            call.request(core, key.leg, &incoming)
        });
    }

    fn response(&mut self, flow: Flow, wire: Bytes, response: &Response) {
        if sip::check_response(response, &self.core.settings.limits.message).is_err() {
            return;
        }
        let Some(key) = ClientKey::of(response) else {
            return;
        };
        let to = response.headers.first(HeaderName::To).unwrap_or_default();
        let now = self.core.now;
        let found = self
            .core
            .layer
            .receive_response(&key, response.status(), to, now);
        let Some((client, Disposition::Pass)) = found else {
            return;
        };
        let Some(sent) = self.core.clients.get(&client).copied() else {
            return;
        };
        if self.calls.contains_key(&sent.leg.call) {
            let message = SipMessage::new(flow.remote, flow.transport, &wire);
            self.with_call(sent.leg.call, |call, core| {
                call.responded(core, client, sent, response, message);
            });
        } else if (200..300).contains(&response.status()) {
            self.core.accepted_again(client, response);
        }
    }
}
