//! What all calls share: transactions, timers, identifiers, and the tables that lead a message to
//! its call.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::{
    ClientId, ClientKey, HeaderName, Instant, Layer, NameAddr, Reply, Request, Response, ServerId,
    TransactionId,
};
use tokio::sync::mpsc;

use crate::Sid;
use crate::conference::Conferences;
use crate::dialog::Dialog;
use crate::digest::Authorization;
use crate::gauges::Gauges;
use crate::media::{Hall, Studio};
use crate::observer::{CallEvent, SipMessage};
use crate::queue::Queues;
use crate::settings::Settings;
use crate::webhook;

use super::journal::{Journal, LegTag};
use super::path::{Names, Path};
use super::random::Random;
use super::stays::Errand;
use super::timer::{Due, Timer, Timers};
use super::transcription::Transcriptions;
use super::{CallKey, LegKey, Mail};

/// The shared side of the user agent. Calls get it as an argument; it knows none of them.
pub(crate) struct Core {
    pub(crate) settings: Arc<Settings>,
    pub(crate) layer: Layer<Path>,
    pub(crate) timers: Timers,
    pub(crate) random: Random,
    pub(crate) names: Names,
    pub(crate) journal: Journal,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) studio: Studio,
    pub(crate) webhook: webhook::Client,
    pub(crate) mailbox: mpsc::Sender<Mail>,
    /// The outbound proxy, once its name is resolved.
    pub(crate) outbound: Option<Path>,
    /// INVITEs that were received, until their transactions end.
    pub(crate) servers: HashMap<ServerId, LegKey>,
    /// Requests that were sent, until their transactions end.
    pub(crate) clients: HashMap<ClientId, Sent>,
    /// INVITEs that got a 2xx, until no more of those can come.
    pub(crate) accepted: HashMap<ClientId, Accepted>,
    /// Dialogs by our tag, which nobody can guess.
    pub(crate) dialogs: HashMap<Bytes, LegKey>,
    /// INVITEs that are being worked on, to know one that came on two ways (RFC 3261 §8.2.2.2).
    pub(crate) initial: HashMap<InitialKey, CallKey>,
    /// Messages to send without a transaction: ACKs, and answers without state.
    pub(crate) outbox: Vec<(Path, Bytes)>,
    /// All conferences, and the rooms of those that have begun.
    pub(crate) conferences: Conferences<LegKey>,
    pub(crate) halls: HashMap<Sid, Hall>,
    pub(crate) queues: Queues<LegKey>,
    /// What a call leaves to be done to other calls; empty when no call is at work.
    pub(crate) errands: VecDeque<Errand>,
    pub(crate) transcriptions: Transcriptions,
    pub(crate) now: Instant,
}

/// A request of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sent {
    pub(crate) leg: LegKey,
    pub(crate) purpose: Purpose,
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// BYE.
    Bye,
    /// The INVITE of a callee's leg.
    Invite,
    /// Nobody waits for its answer: the BYE of a dialog we never wanted.
    Nothing,
    /// REFER.
    Refer,
}

/// An INVITE that got a 2xx: each further 2xx is acknowledged again, and one of another callee
/// that a proxy on the way reached is hung up (RFC 3261 §13.2.2.4).
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) tag: LegTag,
    pub(crate) dialog: Dialog,
    pub(crate) number: u32,
    pub(crate) leg: LegKey,
    pub(crate) path: Path,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) acks: Vec<(Option<Bytes>, Path, Bytes)>,
}

/// What merged requests have in common.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct InitialKey {
    call_id: Bytes,
    from_tag: Option<Bytes>,
    cseq: u32,
}

/// A request as it came in.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) wire: Bytes,
    pub(crate) flow: transport::Flow,
    /// Its transaction; an ACK has none.
    pub(crate) server: Option<ServerId>,
}

impl Core {
    pub(crate) fn start_timer(&mut self, after: Duration, due: Due) -> Timer {
        self.timers.start(&mut self.layer, self.now, after, due)
    }

    /// Sends a response, and tells who watches.
    pub(crate) fn respond(&mut self, tag: &LegTag, server: ServerId, response: &Response) {
        let wire = response.to_bytes();
        if let Some(path) = self.layer.server_peer(server) {
            let message = SipMessage::new(path.to.remote, path.to.transport, &wire);
            self.journal.record(tag, CallEvent::SipSent(message));
        }
        self.layer
            .respond(server, response.status(), wire, self.now);
    }

    /// Answers a request of a leg in one line.
    pub(crate) fn answer(&mut self, tag: &LegTag, incoming: &Incoming, status: u16, reason: &str) {
        if let Some(server) = incoming.server {
            self.respond(
                tag,
                server,
                &Reply::new(&incoming.request, status, reason).build(),
            );
        }
    }

    /// Answers a request that belongs to no call.
    pub(crate) fn refuse(&mut self, server: ServerId, reply: Reply<'_>) {
        let tag = self.random.hex();
        let response = reply.to_tag(tag.as_bytes()).build();
        self.layer
            .respond(server, response.status(), response.to_bytes(), self.now);
    }

    /// Begins a client transaction.
    pub(crate) fn send(
        &mut self,
        tag: &LegTag,
        sent: Sent,
        path: &Path,
        request: &Request,
    ) -> Option<ClientId> {
        let wire = request.to_bytes();
        let via = sip::Via::parse(request.headers.first(HeaderName::Via)?).ok()?;
        let key = ClientKey {
            branch: via.branch()?,
            method: request.method_bytes(),
        };
        let message = SipMessage::new(path.to.remote, path.to.transport, &wire);
        self.journal.record(tag, CallEvent::SipSent(message));
        let client = self
            .layer
            .create_client(&key, wire, *path, path.is_reliable(), self.now);
        let client = client.ok()?;
        self.clients.insert(client, sent);
        Some(client)
    }

    /// Sends a message that has no transaction.
    pub(crate) fn send_alone(&mut self, tag: &LegTag, path: Path, wire: Bytes) {
        let message = SipMessage::new(path.to.remote, path.to.transport, &wire);
        self.journal.record(tag, CallEvent::SipSent(message));
        self.outbox.push((path, wire));
    }

    /// A Via for a new request over `path`.
    pub(crate) fn via(&mut self, path: &Path) -> Vec<u8> {
        let branch = self.random.hex();
        self.names.via(path, &branch)
    }

    /// The way of a request to `uri`; to a host that is a name it takes the way of the dialog, as
    /// all we ever speak to are proxies, and they look names up.
    pub(crate) fn way(&self, uri: &[u8], dialog: &Path) -> Path {
        match self.names.path_to(uri) {
            // The same peer: over the connection that is there, if there is one.
            Some(path) if path.to.remote == dialog.to.remote => *dialog,
            Some(path) => path,
            None => *dialog,
        }
    }

    /// A transaction is gone, and with it what belonged to it.
    pub(crate) fn forget(&mut self, transaction: TransactionId) {
        match transaction {
            TransactionId::Server(id) => {
                self.servers.remove(&id);
            }
            TransactionId::Client(id) => {
                self.clients.remove(&id);
                self.accepted.remove(&id);
            }
        }
    }

    /// Another 2xx to an INVITE that has one: its ACK once more, or, for another callee, ACK and
    /// BYE.
    pub(crate) fn accepted_again(&mut self, id: ClientId, response: &Response) {
        let Some(accepted) = self.accepted.get_mut(&id) else {
            return;
        };
        let to = response.headers.first(HeaderName::To);
        let remote = to.and_then(|to| NameAddr::parse(to).ok()?.tag().map(Bytes::copy_from_slice));
        if let Some((_, path, ack)) = accepted.acks.iter().find(|(of, ..)| *of == remote) {
            self.outbox.push((*path, ack.clone()));
            return;
        }
        if accepted.acks.len() >= FORKS_MAX {
            return;
        }
        let mut dialog = accepted.dialog.clone();
        let (number, leg, first) = (accepted.number, accepted.leg, accepted.path);
        let (tag, credentials) = (accepted.tag.clone(), accepted.authorization.clone());
        dialog.establish(response);
        let path = self.way(&dialog.next_hop(), &first);
        let via = self.via(&path);
        let Some(ack) = acknowledgement(&dialog, number, &via, credentials.as_ref()) else {
            return;
        };
        self.send_alone(&tag, path, ack.clone());
        if let Some(accepted) = self.accepted.get_mut(&id) {
            accepted.acks.push((remote, path, ack));
        }
        let via = self.via(&path);
        if let Some(mut bye) = dialog.request("BYE", &via, crate::dialog::FORWARDS) {
            finished(&mut bye, None);
            self.send(
                &tag,
                Sent {
                    leg,
                    purpose: Purpose::Nothing,
                },
                &path,
                &bye,
            );
        }
    }
}

impl InitialKey {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        Some(Self {
            call_id: Bytes::copy_from_slice(headers.first(HeaderName::CallId)?),
            from_tag: headers
                .first(HeaderName::From)
                .and_then(crate::dialog::tag_of),
            cseq: crate::dialog::cseq(headers)?,
        })
    }
}

/// The ACK to a 2xx, with the credentials of its INVITE (RFC 3261 §13.2.2.4).
pub(crate) fn acknowledgement(
    dialog: &Dialog,
    number: u32,
    via: &[u8],
    credentials: Option<&Authorization>,
) -> Option<Bytes> {
    let mut ack = dialog.ack(number, via)?;
    if let Some((name, value)) = credentials.map(Authorization::header) {
        ack.headers.append(name.as_bytes(), value).ok()?;
    }
    Some(finished(&mut ack, None))
}

/// Gives a request of ours its body, and with it Content-Length; returns it as it is sent.
pub(crate) fn finished(request: &mut Request, body: Option<(&str, Bytes)>) -> Bytes {
    let headers = &mut request.headers;
    let body = body.and_then(|(kind, body)| {
        headers
            .append(b"Content-Type", kind.as_bytes())
            .ok()
            .map(|()| body)
    });
    // What does not fit a message was refused when it was read.
    headers.set_body(body.unwrap_or_default()).ok();
    request.to_bytes()
}

/// Callees that one INVITE may reach by forks on the way.
const FORKS_MAX: usize = 8;
