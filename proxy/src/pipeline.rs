//! The life of a message, top to bottom: every decision of the proxy is a `match` in this file.
//!
//! ```text
//! packet ─► parse fault? ─► transaction match ─► own Route off ─► on_request chain ─► router
//!                                                                                       │
//! sender ◄─ on_response chain ◄─ best response ◄─ responses ◄─ send ◄─ on_branch ◄─ target
//! ```
//!
//! [`Core`] opens no socket and reads no clock: messages and times come in by its methods, and what
//! is to be done comes out of [`Core::poll_output`]. Helpers are pure and live beside this file.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use filters::{Branch as BranchVerdict, Chain, Context, Flow as Verdict, Relay, Resume, Trust, Wait};
use sip::{
    ClientId, ClientKey, Disposition, Event, HeaderName, Instant, Layer, LayerLimits, Message,
    Method, NameAddr, ParseError, Received, Reply, Request, Response, ServerId, ServerKey,
    TransactionId, Transport,
};
use transport::{Destination, Flow, Hop, ListenerId};

use crate::best::{self, Answer};
use crate::branch_id::{self, TimerKind};
use crate::console::{CallEvent, CallLog, Peer as LogPeer};
use crate::counters::{Counters, count};
use crate::exchange::{Branch, Exchange, Exchanges, Key, Waiting};
use crate::forward::{self, OwnRoute};
use crate::hop::{self, Wanted};
use crate::loops::hex;
use crate::observe::{self, Observer};
use crate::plan::Plan;
use crate::refusal::{self, Refusal};
use crate::random::Random;
use crate::router::{self, Aim, Decision};
use crate::token::{Side, Token, name_hash, tag_hash};

/// Where a message goes: the address, and the socket to send it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address and connection.
    pub destination: Destination,
    /// The listener whose socket sends it.
    pub listener: ListenerId,
}

/// What the core wants done.
#[derive(Debug)]
pub enum Output {
    /// Futures and look-ups of this exchange are no longer wanted.
    Abandon(Key),
    /// Find the addresses of a host, then call [`Core::resolved`].
    Resolve(Lookup),
    /// Send these bytes; where that fails, call [`Core::send_failed`] with the transaction.
    Send {
        /// Where to.
        peer: Peer,
        /// The message.
        wire: Bytes,
        /// The transaction that it belongs to.
        transaction: Option<TransactionId>,
    },
    /// Await a filter's future for at most its bound, then call [`Core::resume`].
    Wait(Key, Wait),
}

/// A host whose addresses are wanted (RFC 3263).
#[derive(Debug)]
pub struct Lookup {
    /// Who asks.
    pub subject: Subject,
    /// Name or address.
    pub host: String,
    /// The port, where the URI names one.
    pub port: Option<u16>,
    /// The transport, where the URI names one.
    pub transport: Option<Transport>,
    /// Whether the scheme is sips.
    pub secure: bool,
}

/// Who waits for addresses.
#[derive(Debug)]
pub enum Subject {
    /// An ACK to a 2xx, ready but for its Via.
    Ack(Box<Request>, Trust, Flow),
    /// A branch of an exchange.
    Branch(Key, usize),
}

/// The proxy of one worker: all that RFC 3261 §16 asks, without IO.
pub struct Core {
    worker: u8,
    plan: Arc<Plan>,
    layer: Layer<Peer>,
    exchanges: Exchanges,
    servers: HashMap<ServerId, Key>,
    clients: HashMap<ClientId, (Key, usize)>,
    random: Random,
    outputs: VecDeque<Output>,
    counters: Arc<Counters>,
    log: Arc<CallLog>,
    local_ip: LocalIp,
    clock: Clock,
}

/// The address of this host that reaches a remote address, for wildcard sockets.
pub type LocalIp = Box<dyn Fn(SocketAddr) -> IpAddr>;

/// Nanoseconds of some steady clock, to say what filters cost; never used to decide anything.
pub type Clock = Box<dyn Fn() -> u64>;

/// What a [`Core`] is made of.
pub struct Parts {
    /// Index of the worker, in every branch.
    pub worker: u8,
    /// The configuration.
    pub plan: Arc<Plan>,
    /// Workers that share the transaction limit.
    pub workers: usize,
    /// Randomness for branches.
    pub random: Random,
    /// Counters to keep.
    pub counters: Arc<Counters>,
    /// Where calls are shown.
    pub log: Arc<CallLog>,
    /// See [`LocalIp`].
    pub local_ip: LocalIp,
    /// See [`Clock`].
    pub clock: Clock,
}

/// A request that may go on, with what is known of it.
struct Admitted {
    chain: Arc<Chain>,
    cx: Context,
    own_route: OwnRoute,
}

impl Core {
    /// A core with nothing in progress.
    pub fn new(parts: Parts) -> Self {
        let mut random = parts.random;
        let transactions = (parts.plan.transactions_max / parts.workers.max(1)).max(64);
        let limits = LayerLimits {
            transactions,
            tombstones: transactions.saturating_mul(4),
            ..LayerLimits::default()
        };
        Self {
            worker: parts.worker,
            layer: Layer::new(parts.plan.timers, limits, random.next()),
            plan: parts.plan,
            exchanges: Exchanges::default(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            random,
            outputs: VecDeque::new(),
            counters: parts.counters,
            log: parts.log,
            local_ip: parts.local_ip,
            clock: parts.clock,
        }
    }

    /// Puts another configuration in force for requests that come from now on.
    pub fn set_plan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// The configuration in force.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Exchanges in progress.
    pub fn in_progress(&self) -> usize {
        self.exchanges.len()
    }

    /// When [`Core::tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.layer.next_deadline()
    }

    /// What is to be done next; call until it gives `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    // ── In: messages ────────────────────────────────────────────────────────────────────────────

    /// A message of this worker's calls has arrived.
    pub fn receive(&mut self, flow: Flow, message: Message, now: Instant) {
        match message {
            Message::Request(request) => self.receive_request(flow, request, now),
            Message::Response(response) => self.receive_response(flow, response, now),
        }
        self.settle(now);
    }

    /// Bytes that are no message: a request is answered once, anything else is dropped.
    pub fn receive_malformed(&mut self, flow: Flow, bytes: Bytes, error: ParseError) {
        count(&self.counters.parse_errors);
        tracing::debug!(remote = %flow.remote, error = error.label(), "not a SIP message");
        let Some(request) = sip::salvage(bytes, &self.plan.message_limits) else {
            return;
        };
        let (status, reason) = error.status();
        self.reply_stateless(&flow, request, Refusal::new(status, reason, error.label()));
    }

    fn receive_request(&mut self, flow: Flow, mut request: Request, now: Instant) {
        count(&self.counters.requests_received);
        if let Err(fault) = sip::check_request(&request, &self.plan.message_limits) {
            count(&self.counters.faults);
            return self.reply_stateless(&flow, request, Refusal::new(400, "Bad Request", fault.label()));
        }
        // §18.2.1: what the sender wrote of its address is put right before anything reads it.
        if forward::note_source(&mut request, flow.remote).is_err() {
            return self.reply_stateless(&flow, request, Refusal::new(513, "Message Too Large", "edit"));
        }
        self.log_received(&flow, &request);
        let Some(key) = ServerKey::of(&request) else {
            return self.reply_stateless(&flow, request, Refusal::new(400, "Bad Request", "transaction"));
        };
        match self.layer.receive_request(&key, now) {
            Received::Ack(_) | Received::Retransmission(_) => {}
            Received::AckFor2xx(_) | Received::StrayAck => self.forward_ack(flow, request),
            Received::Cancel { invite } => self.receive_cancel(flow, request, invite, now),
            Received::New => self.begin(flow, request, now),
        }
    }

    // ── Requests: validation, chain, router (§16.3 – §16.5) ─────────────────────────────────────

    fn begin(&mut self, flow: Flow, mut request: Request, now: Instant) {
        let plan = self.plan.clone();
        let loop_hash = plan.loop_hash.of(&request);
        let own = |via: &sip::Via<'_>| plan.is_own(via.host, via.port, flow.local);
        // RFC 5393 §4.2: the same request, routed the same way again.
        if plan.loop_hash.is_loop(&request, loop_hash, own) {
            count(&self.counters.loops);
            return self.reply_stateless(&flow, request, Refusal::new(482, "Loop Detected", "loop"));
        }
        let mut admitted = match self.admit(&flow, &mut request, &plan) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.reply_stateless(&flow, request, refusal),
        };
        let verdict = self.run_chain(&admitted.chain.clone(), &mut request, &mut admitted.cx);
        match verdict {
            Verdict::Continue => self.route_new(flow, request, admitted, loop_hash, now),
            Verdict::Drop(reason) => {
                count(&self.counters.filter_drops);
                self.finish_unrouted(&request, &mut admitted, 0, reason.0);
            }
            Verdict::Reply(reply) => {
                count(&self.counters.filter_refusals);
                self.finish_unrouted(&request, &mut admitted, reply.status, reply.cause.0);
                self.reply_stateless(&flow, request, refusal::of_reply(reply));
            }
            Verdict::Wait(wait) => {
                let Some(key) = self.open(flow, request, admitted, loop_hash, now) else {
                    return;
                };
                self.park(key, wait);
            }
        }
    }

    /// Trust, dialog and chain of a request; reserved headers go unless the listener is internal.
    fn admit(&self, flow: &Flow, request: &mut Request, plan: &Arc<Plan>) -> Result<Admitted, Refusal> {
        let listener = plan
            .listener(flow.listener)
            .or_else(|| plan.listeners.iter().find(|listener| listener.transport == flow.transport))
            .ok_or_else(|| Refusal::new(500, "Server Internal Error", "no_listener"))?;
        let too_large = |_| Refusal::new(513, "Message Too Large", "edit");
        let own_route = forward::pop_own_routes(request, plan, flow.local).map_err(too_large)?;
        if own_route == OwnRoute::Forged {
            count(&self.counters.forged_routes);
            return Err(Refusal::new(403, "Forbidden", "forged_route"));
        }
        if listener.trust != Trust::Internal {
            self.strip_reserved(&mut request.headers);
        }
        let mut cx = Context::new(
            filters::Source {
                address: flow.remote,
                local: flow.local,
                transport: flow.transport,
                listener: listener.name.clone(),
                trust: listener.trust,
            },
            request.method(),
            false,
        );
        let mut chain = listener.chain.clone();
        if let OwnRoute::Dialog(token) = own_route
            && has_to_tag(request)
        {
            let side = router::sender(request, &token);
            cx.facts.in_dialog = true;
            cx.facts.trust = side.trust;
            cx.facts.trunk = plan.trunk_by_hash(side.trunk).map(|trunk| filters::TrunkFact {
                name: trunk.name.clone(),
                trust: trunk.trust,
            });
            if let Some(named) = plan.chain_by_hash(token.chain) {
                chain = named.clone();
            }
        }
        Ok(Admitted {
            chain,
            cx,
            own_route,
        })
    }

    fn route_new(&mut self, flow: Flow, request: Request, mut admitted: Admitted, loop_hash: u64, now: Instant) {
        let plan = self.plan.clone();
        let decision = router::route(
            &request,
            &admitted.cx.facts,
            admitted.own_route,
            flow.local,
            &plan,
            &mut self.random,
        );
        match decision {
            Decision::Forward(aims) => {
                let Some(key) = self.open(flow, request, admitted, loop_hash, now) else {
                    return;
                };
                if let Some(exchange) = self.exchanges.get_mut(key) {
                    exchange.aim_at(aims);
                }
                self.try_next(key, now);
            }
            Decision::Own => {
                self.finish_unrouted(&request, &mut admitted, 200, "own");
                self.answer_options(&flow, request);
            }
            Decision::Refuse(status, reason, cause) => {
                count(&self.counters.route_refusals);
                self.finish_unrouted(&request, &mut admitted, status, cause);
                self.reply_stateless(&flow, request, Refusal::new(status, reason, cause));
            }
        }
    }

    /// Makes the exchange and its server transaction; an INVITE gets its 100 (§17.2.1).
    fn open(&mut self, flow: Flow, request: Request, admitted: Admitted, loop_hash: u64, now: Instant) -> Option<Key> {
        let peer = Peer {
            destination: forward::reply_destination(&flow, &request),
            listener: flow.listener,
        };
        let created = ServerKey::of(&request).map(|key| {
            self.layer.create_server(&key, peer, flow.transport.is_reliable(), now)
        });
        let Some(Ok(server)) = created else {
            count(&self.counters.overload);
            self.reply_stateless(&flow, request, refusal::overload());
            return None;
        };
        if request.method() == Method::Invite {
            let trying = Reply::new(&request, 100, "Trying").build().to_bytes();
            self.respond(server, 100, trying, &request, &flow, now);
        }
        let key = self.exchanges.insert(Exchange {
            plan: self.plan.clone(),
            chain: admitted.chain,
            cx: admitted.cx,
            method: request.method(),
            request: Some(Box::new(request)),
            server,
            ingress: flow,
            own_route: admitted.own_route,
            loop_hash,
            aims: VecDeque::new(),
            branches: Default::default(),
            answers: Vec::new(),
            started: now,
            cancelled: false,
            finished: false,
            waiting: None,
            generation: 0,
        });
        self.servers.insert(server, key);
        Some(key)
    }

    /// Parks the exchange on a filter's future.
    fn park(&mut self, key: Key, wait: Wait) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.waiting = Some(Waiting::Filter);
        }
        self.outputs.push_back(Output::Wait(key, wait));
    }

    /// A filter's future has ended; `None` where its bound was reached.
    pub fn resume(&mut self, key: Key, resume: Option<Resume>, now: Instant) {
        self.resume_chain(key, resume, now);
        self.settle(now);
    }

    fn resume_chain(&mut self, key: Key, resume: Option<Resume>, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.waiting.take() != Some(Waiting::Filter) || exchange.finished {
            return;
        }
        let Some(request) = exchange.request.as_mut() else {
            return;
        };
        let chain = exchange.chain.clone();
        let observer = Observer {
            log: &self.log,
            clock: &self.clock,
        };
        let verdict = match resume {
            Some(resume) => observer.resume(&chain, resume, request, &mut exchange.cx),
            None => chain.expire(&mut exchange.cx),
        };
        match verdict {
            Verdict::Continue => {
                if exchange.cx.facts.trust != Trust::Internal {
                    filters::reserved::strip(&mut request.headers);
                }
                self.route_parked(key, now);
            }
            Verdict::Drop(_) => {
                count(&self.counters.filter_drops);
                self.drop_exchange(key, now);
            }
            Verdict::Reply(reply) => {
                count(&self.counters.filter_refusals);
                self.answer(key, refusal::of_reply(reply), now);
            }
            Verdict::Wait(wait) => self.park(key, wait),
        }
    }

    fn route_parked(&mut self, key: Key, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let Some(request) = exchange.request.as_deref() else {
            return;
        };
        let local = exchange.ingress.local;
        let plan = exchange.plan.clone();
        let decision = router::route(
            request,
            &exchange.cx.facts,
            exchange.own_route,
            local,
            &plan,
            &mut self.random,
        );
        match decision {
            Decision::Forward(aims) => {
                exchange.aim_at(aims);
                self.try_next(key, now);
            }
            Decision::Own => self.answer(key, refusal::own_answer(), now),
            Decision::Refuse(status, reason, cause) => {
                count(&self.counters.route_refusals);
                self.answer_local(key, status, reason, cause, now);
            }
        }
    }

    // ── Forwarding: one branch at a time (§16.6) ────────────────────────────────────────────────

    /// Tries the next aim that its `on_branch` hooks let through.
    fn try_next(&mut self, key: Key, now: Instant) {
        loop {
            let Some(exchange) = self.exchanges.get_mut(key) else {
                return;
            };
            if exchange.finished || exchange.cancelled {
                return self.conclude(key, now);
            }
            let Some(aim) = exchange.aims.pop_front() else {
                return self.conclude(key, now);
            };
            match self.prepare(key, aim) {
                Prepared::Send { branch, lookup } => return self.locate(key, branch, lookup, now),
                Prepared::Skipped => {}
                Prepared::Refused(status) => {
                    if let Some(exchange) = self.exchanges.get_mut(key) {
                        exchange.answers.push(Answer::Local(status));
                    }
                }
            }
        }
    }

    /// Copies the request for `aim` and edits the copy (§16.6 steps 1, 2, 3, 5, 6).
    fn prepare(&mut self, key: Key, aim: Aim) -> Prepared {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return Prepared::Skipped;
        };
        let Some(original) = exchange.request.as_deref() else {
            return Prepared::Skipped;
        };
        let mut request = Box::new(original.clone());
        let uri = match &aim.request_uri {
            Some(uri) => Some(uri.clone()),
            None => forward::clean_uri(&request),
        };
        if let Some(uri) = uri
            && request.set_uri(&uri).is_err()
        {
            return Prepared::Refused(500);
        }
        let observer = Observer {
            log: &self.log,
            clock: &self.clock,
        };
        let mut verdict = observer.branch(&exchange.chain, &mut request, &aim.target, &mut exchange.cx);
        if let (BranchVerdict::Send, Some(chain)) = (&verdict, &aim.chain) {
            verdict = observer.branch(chain, &mut request, &aim.target, &mut exchange.cx);
        }
        if let BranchVerdict::Skip(reason) = verdict {
            tracing::debug!(reason = reason.0, "target skipped by a filter");
            return Prepared::Refused(480);
        }
        let edited = cross_boundary(&mut request, &aim, exchange, &self.counters);
        match edited.and_then(|()| forward::count_hop(&mut request)) {
            Ok(true) => {}
            Ok(false) => return Prepared::Refused(483),
            Err(_) => return Prepared::Refused(513),
        }
        let hop = match &aim.hop {
            Some(hop) => Ok(hop.clone()),
            None => forward::next_hop(&mut request),
        };
        let Some(lookup) = hop.ok().and_then(|hop| hop::wanted(&hop)) else {
            return Prepared::Refused(480);
        };
        let branch = exchange.branches.len();
        exchange.branches.push(Branch::new(aim, request));
        Prepared::Send { branch, lookup }
    }

    /// Finds the addresses of a branch: at once where the URI has one, by DNS otherwise (§16.6 step 7).
    fn locate(&mut self, key: Key, branch: usize, wanted: Wanted, now: Instant) {
        if let Some(hop) = wanted.direct() {
            if let Some(state) = self.branch_mut(key, branch) {
                state.hops.push_back(hop);
            }
            return self.send_branch(key, branch, now);
        }
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.waiting = Some(Waiting::Name(branch));
        }
        self.outputs.push_back(Output::Resolve(wanted.lookup(Subject::Branch(key, branch))));
    }

    /// Addresses that [`Output::Resolve`] asked for; empty where there are none.
    pub fn resolved(&mut self, subject: Subject, hops: Vec<Hop>, now: Instant) {
        if hops.is_empty() {
            count(&self.counters.resolve_errors);
        }
        match subject {
            Subject::Ack(request, trust, ingress) => {
                if let Some(hop) = hops.first() {
                    self.send_ack(*request, *hop, trust, &ingress);
                }
            }
            Subject::Branch(key, branch) => {
                if let Some(exchange) = self.exchanges.get_mut(key)
                    && exchange.waiting == Some(Waiting::Name(branch))
                {
                    exchange.waiting = None;
                    if let Some(state) = exchange.branches.get_mut(branch) {
                        state.hops = hops.into_iter().take(HOPS_MAX).collect();
                    }
                    self.send_branch(key, branch, now);
                }
            }
        }
        self.settle(now);
    }

    /// Sends a branch to its next address, in a transaction and with a branch of its own
    /// (§16.6 steps 4, 8 – 11; RFC 3263 §4.3).
    fn send_branch(&mut self, key: Key, index: usize, now: Instant) {
        let random = self.random.next();
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.cancelled || exchange.finished {
            return self.conclude(key, now);
        }
        let plan = exchange.plan.clone();
        let more_aims = !exchange.aims.is_empty();
        let ingress = exchange.ingress;
        let Some(branch) = exchange.branches.get_mut(index) else {
            return;
        };
        let Some(hop) = branch.hops.pop_front() else {
            return self.fail_branch(key, index, 503, now);
        };
        let more = more_aims || !branch.hops.is_empty();
        let request = if branch.hops.is_empty() {
            branch.request.take()
        } else {
            branch.request.clone()
        };
        let Some(mut request) = request else {
            return self.fail_branch(key, index, 503, now);
        };
        branch.hop = Some(hop);
        let trust = branch.aim.target.trust;
        let Some((listener_id, listener)) = hop::egress(&plan, hop, trust, &ingress) else {
            return self.fail_branch(key, index, 503, now);
        };
        let sent_by = hop::sent_by(listener, hop.addr, &self.local_ip);
        let text = branch_id::branch_text(self.worker, key, random, exchange.loop_hash);
        let record = exchange.cx.facts.record_route && !exchange.cx.facts.in_dialog && exchange.method.forms_dialog();
        let written = (|| {
            if record {
                let token = token_of(&request, exchange, index);
                let call_id = request.headers.first(HeaderName::CallId).unwrap_or_default();
                let token = plan.token_key.sign(&token, call_id);
                let inner = plan.listener(ingress.listener).filter(|_| ingress.listener != listener_id || ingress.transport != hop.transport);
                if let Some(inner) = inner {
                    let facing = hop::own_address(inner, &ingress);
                    let value = forward::record_route(ingress.transport, &facing, &token);
                    request.headers.insert_before(HeaderName::RecordRoute, b"Record-Route", &value)?;
                }
                let value = forward::record_route(hop.transport, &sent_by, &token);
                request.headers.insert_before(HeaderName::RecordRoute, b"Record-Route", &value)?;
            }
            let via = forward::via(hop.transport, &sent_by, &text);
            request.headers.insert_before(HeaderName::Via, b"Via", &via)?;
            forward::require_length(&mut request.headers, hop.transport)
        })();
        if written.is_err() {
            return self.fail_branch(key, index, 513, now);
        }
        let wire = request.to_bytes();
        self.log.record_with(call_id(&request), || CallEvent::Forwarded {
            to: log_peer(&exchange.branches[index].aim, hop),
            message: wire.clone(),
        });
        let peer = Peer {
            destination: Destination {
                transport: hop.transport,
                remote: hop.addr,
                connection: None,
                local_hint: None,
                open: true,
            },
            listener: listener_id,
        };
        let client_key = ClientKey {
            branch: &text,
            method: request.method_bytes(),
        };
        let created = self.layer.create_client(&client_key, wire, peer, hop.transport.is_reliable(), now);
        let Ok(client) = created else {
            count(&self.counters.overload);
            return self.fail_branch(key, index, 503, now);
        };
        self.clients.insert(client, (key, index));
        let invite = request.method() == Method::Invite;
        let wait = match () {
            () if more => Some((TimerKind::Silence, plan.fr_timer)),
            () if invite => Some((TimerKind::C, plan.timer_c)),
            () => None,
        };
        let timer = wait.map(|(kind, after)| self.layer.schedule(now + after, kind.token(key, index)));
        if let Some(branch) = self.branch_mut(key, index) {
            branch.client = Some(client);
            branch.timer = timer;
        }
    }

    /// A branch came to nothing without an answer (§16.8, §16.9).
    fn fail_branch(&mut self, key: Key, index: usize, status: u16, now: Instant) {
        self.end_branch(key, index, Answer::Local(status), now);
    }

    // ── Responses (§16.7) ───────────────────────────────────────────────────────────────────────

    fn receive_response(&mut self, flow: Flow, mut response: Response, now: Instant) {
        count(&self.counters.responses_received);
        if sip::check_response(&response, &self.plan.message_limits).is_err() {
            count(&self.counters.faults);
            return;
        }
        self.log.record_with(response_call_id(&response), || CallEvent::Response {
            from: LogPeer::new(flow.transport, flow.remote),
            status: response.status(),
            message: response.to_bytes(),
        });
        let Some(key) = ClientKey::of(&response) else {
            return;
        };
        let to = response.headers.first(HeaderName::To).unwrap_or_default();
        // RFC 6026 §8.9: what matches no transaction is dropped, not forwarded.
        let (client, disposition) = match self.layer.receive_response(&key, response.status(), to, now) {
            Some(matched) => matched,
            None => return count(&self.counters.stray_responses),
        };
        if disposition == Disposition::Absorbed {
            return;
        }
        let Some(&(key, index)) = self.clients.get(&client) else {
            return;
        };
        // Step 3: ours goes; a response that has no other Via was for us alone.
        if response.headers.pop_first(HeaderName::Via).is_err() || response.headers.first(HeaderName::Via).is_none() {
            return;
        }
        if let Some(branch) = self.branch_mut(key, index)
            && branch.aim.target.trust != Trust::Internal
        {
            self.strip_reserved(&mut response.headers);
        }
        match response.status() {
            100 => self.hear(key, index, now),
            101..=199 => {
                self.hear(key, index, now);
                self.relay_provisional(key, index, response, now);
            }
            200..=299 => self.relay_success(key, index, response, now),
            _ => self.end_branch(key, index, Answer::Received(Box::new(response)), now),
        }
    }

    /// The branch is alive: its silence timer gives way to Timer C, or Timer C starts anew (step 2).
    fn hear(&mut self, key: Key, index: usize, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let after = exchange.plan.timer_c;
        let invite = exchange.method == Method::Invite;
        let Some(branch) = exchange.branches.get_mut(index) else {
            return;
        };
        branch.provisional = true;
        if branch.done {
            return;
        }
        if let Some(timer) = branch.timer.take() {
            self.layer.unschedule(timer);
        }
        if invite {
            branch.timer = Some(self.layer.schedule(now + after, TimerKind::C.token(key, index)));
        }
    }

    fn relay_provisional(&mut self, key: Key, index: usize, response: Response, now: Instant) {
        let live = self.exchanges.get_mut(key).is_some_and(|exchange| {
            !exchange.finished && exchange.branches.get(index).is_some_and(|branch| !branch.done)
        });
        if live {
            self.relay(key, Some(index), response, now);
        }
    }

    /// Every 2xx to an INVITE goes to the sender at once (step 5); the other branches are cancelled.
    fn relay_success(&mut self, key: Key, index: usize, response: Response, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished && exchange.method != Method::Invite {
            return;
        }
        exchange.aims.clear();
        if let Some(branch) = exchange.branches.get_mut(index) {
            branch.done = true;
            if let Some(timer) = branch.timer.take() {
                self.layer.unschedule(timer);
            }
        }
        self.relay(key, Some(index), response, now);
        self.cancel_branches(key, Some(b"SIP;cause=200;text=\"Call completed elsewhere\""), now);
    }

    /// A branch has its final answer below the 2xx: the next address, the next aim, or the end.
    fn end_branch(&mut self, key: Key, index: usize, answer: Answer, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let Some(branch) = exchange.branches.get_mut(index) else {
            return;
        };
        if let Some(timer) = branch.timer.take() {
            self.layer.unschedule(timer);
        }
        if branch.done {
            return;
        }
        let status = answer.status();
        let local = matches!(answer, Answer::Local(_));
        // RFC 3263 §4.3: another address of the same target after a failure to reach it, or a 503.
        let unreachable = status == 503 || local && status == 408;
        let next_hop = unreachable && !branch.hops.is_empty();
        let reroute = next_hop || (local && status != 513) || branch.aim.reroute.covers(status);
        branch.done = !next_hop;
        exchange.answers.push(answer);
        if exchange.cancelled || exchange.finished {
            return self.conclude(key, now);
        }
        match () {
            () if next_hop => {
                count(&self.counters.failovers);
                self.send_branch(key, index, now);
            }
            () if reroute && !exchange.aims.is_empty() => {
                count(&self.counters.failovers);
                self.try_next(key, now);
            }
            () => {
                exchange.aims.clear();
                // §16.7 step 5: a 6xx ends the search; pending branches are cancelled.
                if status >= 600 {
                    self.cancel_branches(key, None, now);
                }
                self.conclude(key, now);
            }
        }
    }

    /// Sends the best answer once no branch can give another (steps 6 – 9).
    fn conclude(&mut self, key: Key, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished {
            return self.release(key);
        }
        if exchange.is_pending() || exchange.waiting.is_some() || !exchange.aims.is_empty() {
            return;
        }
        let mut answers = std::mem::take(&mut exchange.answers);
        let cancelled = exchange.cancelled;
        let chosen = best::best(&answers).map(|index| (index, answers.swap_remove(index)));
        match chosen {
            Some((_, Answer::Received(mut response))) => {
                best::add_challenges(&mut response, &answers);
                // Step 6: a 503 is about the next hop, not about us.
                if response.status() == 503 && response.set_status(500, b"Server Internal Error").is_err() {
                    return self.answer_local(key, 500, "Server Internal Error", "edit", now);
                }
                let index = exchange.branches.len().checked_sub(1);
                self.relay(key, index, *response, now);
            }
            _ if cancelled => self.answer_local(key, 487, "Request Terminated", "cancelled", now),
            Some((_, Answer::Local(408))) if exchange.method != Method::Invite => {
                // RFC 4320 §4.2: a late 408 helps nobody.
                self.drop_exchange(key, now);
            }
            Some((_, Answer::Local(status))) => {
                let (status, reason) = refusal::local_reason(status);
                self.answer_local(key, status, reason, "no_answer", now);
            }
            None => self.answer_local(key, 480, "Temporarily Unavailable", "no_target", now),
        }
    }

    /// Runs the response through the chains and sends it to the sender.
    fn relay(&mut self, key: Key, index: Option<usize>, mut response: Response, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let observer = Observer {
            log: &self.log,
            clock: &self.clock,
        };
        let aim = index.and_then(|index| exchange.branches.get(index)).map(|branch| &branch.aim);
        let target = aim.map(|aim| &aim.target);
        let mut verdict = Relay::Forward;
        if let Some(chain) = aim.and_then(|aim| aim.chain.as_ref()) {
            verdict = observer.response(chain, &mut response, target, &mut exchange.cx);
        }
        if let Relay::Forward = verdict {
            verdict = observer.response(&exchange.chain, &mut response, target, &mut exchange.cx);
        }
        let status = response.status();
        if let Relay::Drop(reason) = verdict {
            count(&self.counters.filter_drops);
            // A final response is never lost: the sender hears that something went wrong.
            if status >= 200 {
                self.answer_local(key, 500, "Server Internal Error", reason.0, now);
            }
            return;
        }
        if exchange.cx.facts.trust != Trust::Internal {
            let stripped = filters::reserved::strip(&mut response.headers);
            self.counters.reserved_stripped.fetch_add(stripped as u64, Relaxed);
        }
        let (server, ingress) = (exchange.server, exchange.ingress);
        if forward::require_length(&mut response.headers, ingress.transport).is_err() {
            return;
        }
        let wire = response.to_bytes();
        self.log.record_with(response_call_id(&response), || CallEvent::Answered {
            to: LogPeer::new(ingress.transport, ingress.remote),
            status,
            message: wire.clone(),
        });
        self.layer.respond(server, status, wire, now);
        if status >= 200 {
            self.finish(key, status, "", now);
        }
    }

    /// Answers the exchange ourselves.
    fn answer_local(&mut self, key: Key, status: u16, reason: &'static str, cause: &'static str, now: Instant) {
        self.answer(key, Refusal::new(status, reason, cause), now);
    }

    fn answer(&mut self, key: Key, refusal: Refusal, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let (server, ingress) = (exchange.server, exchange.ingress);
        let Some(request) = exchange.request.take() else {
            return;
        };
        let tag = hex(exchange.loop_hash);
        let mut reply = Reply::new(&request, refusal.status, &refusal.reason).to_tag(&tag);
        for (name, value) in &refusal.headers {
            reply = reply.header(name, value);
        }
        let wire = reply.build().to_bytes();
        self.respond(server, refusal.status, wire, &request, &ingress, now);
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.request = Some(request);
        }
        if refusal.status >= 200 {
            self.finish(key, refusal.status, refusal.cause, now);
        }
    }

    fn respond(&mut self, server: ServerId, status: u16, wire: Bytes, request: &Request, flow: &Flow, now: Instant) {
        self.log.record_with(call_id(request), || CallEvent::Answered {
            to: LogPeer::new(flow.transport, flow.remote),
            status,
            message: wire.clone(),
        });
        self.layer.respond(server, status, wire, now);
    }

    /// The sender has its final response: the filters are told, and what is not needed is freed.
    fn finish(&mut self, key: Key, status: u16, cause: &'static str, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished {
            return;
        }
        exchange.finished = true;
        exchange.aims.clear();
        if let Some(request) = exchange.request.take() {
            let target = exchange.branches.last().map(|branch| &branch.aim.target);
            let outcome = observe::outcome(&request, status, target, cause, now - exchange.started);
            exchange.chain.done(&outcome, &mut exchange.cx);
        }
        for branch in &mut exchange.branches {
            branch.request = None;
        }
        if exchange.waiting.take().is_some() {
            self.outputs.push_back(Output::Abandon(key));
        }
        self.release(key);
    }

    fn finish_unrouted(&self, request: &Request, admitted: &mut Admitted, status: u16, cause: &'static str) {
        let outcome = observe::outcome(request, status, None, cause, std::time::Duration::ZERO);
        admitted.chain.done(&outcome, &mut admitted.cx);
    }

    /// Ends an exchange that gets no final response from us.
    fn drop_exchange(&mut self, key: Key, now: Instant) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            self.layer.abandon(exchange.server, now);
        }
        self.finish(key, 0, "dropped", now);
    }

    /// Forgets an exchange that is finished and has no live transaction towards a target.
    fn release(&mut self, key: Key) {
        let over = self.exchanges.get_mut(key).is_some_and(|exchange| {
            exchange.finished && exchange.branches.iter().all(|branch| branch.client.is_none())
        });
        if over && let Some(exchange) = self.exchanges.remove(key) {
            self.servers.remove(&exchange.server);
        }
    }

    // ── CANCEL (§9.2, §16.10) and ACK ───────────────────────────────────────────────────────────

    fn receive_cancel(&mut self, flow: Flow, request: Request, invite: Option<ServerId>, now: Instant) {
        let Some(server) = invite else {
            let refusal = Refusal::new(481, "Call/Transaction Does Not Exist", "cancel");
            return self.reply_stateless(&flow, request, refusal);
        };
        let peer = Peer {
            destination: forward::reply_destination(&flow, &request),
            listener: flow.listener,
        };
        let created = ServerKey::of(&request)
            .map(|key| self.layer.create_server(&key, peer, flow.transport.is_reliable(), now));
        if let Some(Ok(cancel)) = created {
            let tag = hex(self.plan.loop_hash.of(&request));
            let wire = Reply::new(&request, 200, "OK").to_tag(&tag).build().to_bytes();
            self.respond(cancel, 200, wire, &request, &flow, now);
        }
        let Some(&key) = self.servers.get(&server) else {
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished || exchange.method != Method::Invite {
            return;
        }
        exchange.cancelled = true;
        exchange.aims.clear();
        if exchange.waiting.take().is_some() {
            self.outputs.push_back(Output::Abandon(key));
        }
        for branch in &mut exchange.branches {
            branch.hops.clear();
            branch.done |= branch.client.is_none();
        }
        let reason = request.headers.first(HeaderName::Reason).map(|value| sip::unfold(value).into_owned());
        self.cancel_branches(key, reason.as_deref(), now);
        self.conclude(key, now);
    }

    /// Cancels every branch that has no final answer; one without a provisional waits for it (§9.1).
    fn cancel_branches(&mut self, key: Key, reason: Option<&[u8]>, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.method != Method::Invite {
            return;
        }
        for branch in exchange.branches.iter_mut().filter(|branch| !branch.done) {
            if let Some(timer) = branch.timer.take() {
                self.layer.unschedule(timer);
            }
            if let Some(client) = branch.client {
                self.layer.cancel(client, reason, now);
            }
        }
    }

    /// The ACK to a 2xx has no transaction: it goes where its Route or its dialog leads (§16.11).
    fn forward_ack(&mut self, flow: Flow, mut request: Request) {
        let plan = self.plan.clone();
        let Ok(mut admitted) = self.admit(&flow, &mut request, &plan) else {
            return count(&self.counters.stray_acks);
        };
        let chain = admitted.chain.clone();
        let verdict = self.run_chain(&chain, &mut request, &mut admitted.cx);
        if !matches!(verdict, Verdict::Continue) {
            return count(&self.counters.filter_drops);
        }
        let facts = &admitted.cx.facts;
        let decision = router::route(&request, facts, admitted.own_route, flow.local, &plan, &mut self.random);
        let Decision::Forward(mut aims) = decision else {
            return count(&self.counters.stray_acks);
        };
        if aims.is_empty() {
            return;
        }
        let aim = aims.swap_remove(0);
        if let Some(uri) = forward::clean_uri(&request)
            && request.set_uri(&uri).is_err()
        {
            return;
        }
        let mut verdict = chain.branch(&mut request, &aim.target, &mut admitted.cx);
        if let (BranchVerdict::Send, Some(chain)) = (&verdict, &aim.chain) {
            verdict = chain.branch(&mut request, &aim.target, &mut admitted.cx);
        }
        if !matches!(verdict, BranchVerdict::Send) {
            return count(&self.counters.filter_drops);
        }
        let trust = aim.target.trust;
        if trust != Trust::Internal {
            self.strip_reserved(&mut request.headers);
        }
        if !matches!(forward::count_hop(&mut request), Ok(true)) {
            return;
        }
        let hop = match aim.hop {
            Some(hop) => Ok(hop),
            None => forward::next_hop(&mut request),
        };
        let Some(wanted) = hop.ok().and_then(|hop| hop::wanted(&hop)) else {
            return;
        };
        match wanted.direct() {
            Some(hop) => self.send_ack(request, hop, trust, &flow),
            None => {
                let subject = Subject::Ack(Box::new(request), trust, flow);
                self.outputs.push_back(Output::Resolve(wanted.lookup(subject)));
            }
        }
    }

    fn send_ack(&mut self, mut request: Request, hop: Hop, trust: Trust, ingress: &Flow) {
        let plan = self.plan.clone();
        let Some((listener_id, listener)) = hop::egress(&plan, hop, trust, ingress) else {
            return;
        };
        let sent_by = hop::sent_by(listener, hop.addr, &self.local_ip);
        let nobody = Key {
            index: 0,
            generation: 0,
        };
        let text = branch_id::branch_text(self.worker, nobody, self.random.next(), plan.loop_hash.of(&request));
        let via = forward::via(hop.transport, &sent_by, &text);
        if request.headers.insert_before(HeaderName::Via, b"Via", &via).is_err()
            || forward::require_length(&mut request.headers, hop.transport).is_err()
        {
            return;
        }
        let wire = request.to_bytes();
        self.log.record_with(call_id(&request), || CallEvent::Forwarded {
            to: LogPeer::new(hop.transport, hop.addr),
            message: wire.clone(),
        });
        let destination = Destination {
            transport: hop.transport,
            remote: hop.addr,
            connection: None,
            local_hint: None,
            open: true,
        };
        let peer = Peer {
            destination,
            listener: listener_id,
        };
        self.send(peer, wire, None);
    }

    // ── In: time and the network's complaints ───────────────────────────────────────────────────

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.layer.tick(now);
        self.settle(now);
    }

    /// What was sent for `transaction` could not be delivered.
    pub fn send_failed(&mut self, transaction: TransactionId, now: Instant) {
        self.layer.transport_error(transaction, now);
        self.settle(now);
    }

    /// The network says that `quoted`, which we sent, reached nobody (ICMP).
    pub fn unreachable(&mut self, quoted: &[u8], now: Instant) {
        let Some(key) = branch_id::quoted_key(quoted) else {
            return;
        };
        let failed = self.exchanges.get_mut(key).and_then(|exchange| {
            let pending = |branch: &&Branch| !branch.done && !branch.provisional;
            exchange.branches.iter().rev().find(pending).and_then(|branch| branch.client)
        });
        if let Some(client) = failed {
            self.send_failed(TransactionId::Client(client), now);
        }
    }

    /// Takes what the transactions have to say, until they are silent.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.layer.poll() {
            match event {
                Event::Send { peer, wire, transaction } => self.send(peer, wire, Some(transaction)),
                Event::ClientTimeout(client) => self.client_failed(client, 408, now),
                Event::ClientTransportError(client) => self.client_failed(client, 503, now),
                Event::TryingDue(server) => self.send_trying(server, now),
                Event::Timer(token) => self.timer(token, now),
                Event::Ended(TransactionId::Client(client)) => {
                    if let Some((key, index)) = self.clients.remove(&client) {
                        if let Some(branch) = self.branch_mut(key, index)
                            && branch.client == Some(client)
                        {
                            branch.client = None;
                        }
                        self.release(key);
                    }
                }
                Event::Ended(TransactionId::Server(_))
                | Event::ServerAcked(_)
                | Event::ServerTimeout(_)
                | Event::ServerTransportError(_) => {}
            }
        }
        self.read_gauges();
    }

    fn client_failed(&mut self, client: ClientId, status: u16, now: Instant) {
        if let Some(&(key, index)) = self.clients.get(&client) {
            self.fail_branch(key, index, status, now);
        }
    }

    fn timer(&mut self, token: u64, now: Instant) {
        let (kind, key, index) = TimerKind::read(token);
        let Some(branch) = self.branch_mut(key, index) else {
            return;
        };
        branch.timer = None;
        if branch.done {
            return;
        }
        let (client, provisional) = (branch.client, branch.provisional);
        match kind {
            // The target said nothing at all. It may still answer late: a 2xx then goes upstream.
            TimerKind::Silence => {
                self.cancel_client(client, now);
                self.fail_branch(key, index, 408, now);
            }
            // §16.8: with a provisional the branch is cancelled, and its final response awaited.
            TimerKind::C if provisional => {
                self.cancel_client(client, now);
                self.fail_branch(key, index, 408, now);
            }
            TimerKind::C => self.fail_branch(key, index, 408, now),
        }
    }

    fn cancel_client(&mut self, client: Option<ClientId>, now: Instant) {
        if let Some(client) = client {
            self.layer.cancel(client, None, now);
        }
    }

    fn send_trying(&mut self, server: ServerId, now: Instant) {
        let request = self.servers.get(&server).copied().and_then(|key| {
            let exchange = self.exchanges.get_mut(key)?;
            let trying = Reply::new(exchange.request.as_deref()?, 100, "Trying").build();
            Some(trying.to_bytes())
        });
        if let Some(wire) = request {
            self.layer.respond(server, 100, wire, now);
        }
    }

    // ── Out ─────────────────────────────────────────────────────────────────────────────────────

    fn send(&mut self, peer: Peer, wire: Bytes, transaction: Option<TransactionId>) {
        let counter = if wire.starts_with(b"SIP/") {
            &self.counters.responses_sent
        } else {
            &self.counters.requests_sent
        };
        count(counter);
        self.outputs.push_back(Output::Send {
            peer,
            wire,
            transaction,
        });
    }

    /// Answers once and keeps nothing. Never an ACK, and never without a Via to send it by.
    fn reply_stateless(&mut self, flow: &Flow, mut request: Request, refusal: Refusal) {
        if request.method() == Method::Ack || request.headers.first(HeaderName::Via).is_none() {
            return;
        }
        tracing::debug!(remote = %flow.remote, status = refusal.status, cause = refusal.cause, "answered without state");
        // Where Via cannot be written, the response goes to where the request came from all the same.
        let _ = forward::note_source(&mut request, flow.remote);
        let tag = hex(self.plan.loop_hash.of(&request));
        let mut reply = Reply::new(&request, refusal.status, &refusal.reason).to_tag(&tag);
        for (name, value) in &refusal.headers {
            reply = reply.header(name, value);
        }
        let wire = reply.build().to_bytes();
        self.log.record_with(call_id(&request), || CallEvent::Answered {
            to: LogPeer::new(flow.transport, flow.remote),
            status: refusal.status,
            message: wire.clone(),
        });
        let peer = Peer {
            destination: forward::reply_destination(flow, &request),
            listener: flow.listener,
        };
        self.send(peer, wire, None);
    }

    fn answer_options(&mut self, flow: &Flow, request: Request) {
        self.reply_stateless(flow, request, refusal::own_answer());
    }

    fn run_chain(&self, chain: &Chain, request: &mut Request, cx: &mut Context) -> Verdict {
        let observer = Observer {
            log: &self.log,
            clock: &self.clock,
        };
        let verdict = observer.request(chain, request, cx);
        // A trunk may be trusted less than the listener that it comes in by.
        if cx.facts.trust != Trust::Internal {
            self.strip_reserved(&mut request.headers);
        }
        verdict
    }

    fn strip_reserved(&self, headers: &mut sip::Headers) {
        let stripped = filters::reserved::strip(headers);
        if stripped > 0 {
            self.counters.reserved_stripped.fetch_add(stripped as u64, Relaxed);
        }
    }

    fn log_received(&self, flow: &Flow, request: &Request) {
        if !self.log.enabled() {
            return;
        }
        let from = LogPeer::new(flow.transport, flow.remote);
        if request.method() == Method::Invite && !has_to_tag(request) {
            self.log.open(call_id(request), from, &request.to_bytes());
        } else {
            self.log.record_with(call_id(request), || CallEvent::Received {
                from,
                message: request.to_bytes(),
            });
        }
    }

    fn branch_mut(&mut self, key: Key, index: usize) -> Option<&mut Branch> {
        self.exchanges.get_mut(key)?.branches.get_mut(index)
    }

    fn read_gauges(&self) {
        let layer = self.layer.counters();
        self.counters.exchanges.store(self.exchanges.len() as u64, Relaxed);
        self.counters.transactions.store(layer.live as u64, Relaxed);
        self.counters.tombstones.store(layer.tombstones as u64, Relaxed);
    }
}

/// What [`Core::prepare`] made of an aim.
enum Prepared {
    /// An answer of ours instead.
    Refused(u16),
    /// A branch whose address is wanted.
    Send { branch: usize, lookup: Wanted },
    /// Nothing.
    Skipped,
}

/// Takes reserved headers off towards the outside, and puts ours on towards an executor.
fn cross_boundary(request: &mut Request, aim: &Aim, exchange: &Exchange, counters: &Counters) -> Result<(), sip::EditError> {
    if aim.target.trust != Trust::Internal || aim.domain.is_some() {
        let stripped = filters::reserved::strip(&mut request.headers);
        counters.reserved_stripped.fetch_add(stripped as u64, Relaxed);
    }
    let Some(domain) = &aim.domain else {
        return Ok(());
    };
    let ingress = &exchange.ingress;
    let uri = sip::Uri::parse(request.uri_bytes()).map_or(b"".as_slice(), |uri| uri.without_headers()).to_vec();
    let source = SocketAddr::new(ingress.remote.ip().to_canonical(), ingress.remote.port()).to_string();
    let headers = &mut request.headers;
    headers.append(b"X-Hookswitch-Source", source.as_bytes())?;
    headers.append(b"X-Hookswitch-Transport", ingress.transport.param().as_bytes())?;
    headers.append(b"X-Hookswitch-Domain", domain.name.as_bytes())?;
    headers.append(b"X-Hookswitch-Request-Uri", &uri)?;
    let facts = &exchange.cx.facts;
    if let Some(trunk) = &facts.trunk {
        headers.append(b"X-Hookswitch-Trunk", trunk.name.as_bytes())?;
    }
    if let Some(user) = &facts.identity {
        headers.append(b"X-Hookswitch-Username", user.as_bytes())?;
    }
    Ok(())
}

fn token_of(request: &Request, exchange: &Exchange, index: usize) -> Token {
    let facts = &exchange.cx.facts;
    let from = request.headers.first(HeaderName::From).and_then(|value| NameAddr::parse(value).ok());
    let target = &exchange.branches[index].aim.target;
    let trunk = |name: Option<&Arc<str>>| name.map_or(0, |name| name_hash(name));
    Token {
        caller_tag: tag_hash(from.and_then(|from| from.tag()).unwrap_or_default()),
        chain: name_hash(exchange.chain.name()),
        caller: Side {
            trust: facts.trust,
            trunk: trunk(facts.trunk.as_ref().map(|trunk| &trunk.name)),
        },
        callee: Side {
            trust: target.trust,
            trunk: trunk(target.trunk.as_ref()),
        },
    }
}

fn has_to_tag(request: &Request) -> bool {
    let to = request.headers.first(HeaderName::To);
    to.and_then(|value| NameAddr::parse(value).ok()).is_some_and(|to| to.tag().is_some())
}

fn log_peer(aim: &Aim, hop: Hop) -> LogPeer {
    let peer = LogPeer::new(hop.transport, hop.addr);
    match (&aim.domain, &aim.target.trunk) {
        (Some(_), _) => peer.named("executor"),
        (None, Some(trunk)) => peer.named(trunk.clone()),
        (None, None) => peer,
    }
}

fn call_id(request: &Request) -> &[u8] {
    request.headers.first(HeaderName::CallId).unwrap_or_default()
}

fn response_call_id(response: &Response) -> &[u8] {
    response.headers.first(HeaderName::CallId).unwrap_or_default()
}

/// Addresses of one target at most.
const HOPS_MAX: usize = 8;
