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

mod fork;
mod steps;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use filters::{Context, Flow as Verdict, Relay, Resume, Trust, Wait};
use sip::{
    ClientId, ClientKey, Disposition, Essence, Event, HeaderName, Instant, Layer, LayerLimits,
    Message, Method, ParseError, Received, Reply, Request, Responded, Response, ServerId,
    ServerKey, TransactionId, Transport,
};
use smallvec::SmallVec;
use transport::{Destination, Flow, Hop, ListenerId};

use crate::admission::{Admission, Admit};
use crate::best::{self, Answer, Given};
use crate::branch_id::{self, TimerKind, TimerToken};
use crate::console::{About, CallEvent, CallLog, Peer as LogPeer};
use crate::counters::{Counters, count};
use crate::exchange::{Arrival, Branch, Exchange, Key, Waiting};
use crate::exchanges::Exchanges;
use crate::forward::{self, OwnRoute, Sender};
use crate::hop::Wanted;
use crate::kept::Kept;
use crate::loops::hex;
use crate::observe::{self, Observer};
use crate::onward::{depart, dress, is_too_long, turn_back};
use crate::opened::Opened;
use crate::places::Places;
use crate::plan::Plan;
use crate::random::Random;
use crate::reach::Reach;
use crate::refusal::{self, Refusal};
use crate::registrar::{Desk, Exit, Registrar};
use crate::router::{self, Aim, Aims, Decision};
use steps::{
    has_to_tag, is_loop, log_peer, own_response, reply_peer, show, stands_for, strip_if_distrusted,
    tell_done, token_of,
};

pub(crate) use steps::{call_id, strip_reserved};

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
    /// An ACK to a 2xx.
    Ack(Box<WaitingAck>),
    /// A branch of an exchange.
    Branch(Key, usize),
}

/// An ACK to a 2xx, ready but for its Via.
#[derive(Debug)]
pub struct WaitingAck {
    request: Request,
    exit: Exit,
    arrival: Arrival,
}

/// What the step behind the chain works with, of fields that nothing else has borrowed.
macro_rules! desk {
    ($core:expr, $now:expr) => {
        Desk {
            registrar: &$core.registrar,
            random: &mut $core.random,
            counters: &$core.counters,
            now: $now,
        }
    };
}

/// The proxy of one worker: all that RFC 3261 §16 asks, without IO.
pub struct Core {
    worker: u8,
    plan: Arc<Plan>,
    layer: Layer<Reach>,
    transactions_max: usize,
    admission: Admission,
    exchanges: Exchanges,
    /// Exchanges without a final response.
    unfinished: usize,
    draining: bool,
    /// The exchange of each transaction towards a sender, and the exchange and the branch of each attempt.
    places: Places,
    /// The listener that stands for each connection that we had opened.
    opened: Opened,
    /// ACKs that wait for the addresses of a name.
    acks_waiting: usize,
    random: Random,
    outputs: VecDeque<Output>,
    counters: Arc<Counters>,
    registrar: Arc<Registrar>,
    observer: Observer,
    local_ip: LocalIp,
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
    /// Who is registered; shared by all workers.
    pub registrar: Arc<Registrar>,
    /// Where calls are shown.
    pub log: Arc<CallLog>,
    /// See [`LocalIp`].
    pub local_ip: LocalIp,
    /// See [`Clock`].
    pub clock: Clock,
}

impl Core {
    /// A core with nothing in progress.
    pub fn new(parts: Parts) -> Self {
        let mut random = parts.random;
        let transactions_max = (parts.plan.transactions_max / parts.workers.max(1)).max(1);
        let limits = LayerLimits {
            transactions: transactions_max,
            tombstones: transactions_max.saturating_mul(4),
            ..LayerLimits::default()
        };
        Self {
            worker: parts.worker,
            layer: Layer::new(parts.plan.timers, limits, random.number()),
            plan: parts.plan,
            transactions_max,
            admission: Admission::default(),
            exchanges: Exchanges::default(),
            unfinished: 0,
            draining: false,
            places: Places::default(),
            opened: Opened::default(),
            acks_waiting: 0,
            random,
            outputs: VecDeque::new(),
            counters: parts.counters,
            registrar: parts.registrar,
            observer: Observer {
                log: parts.log,
                clock: parts.clock,
            },
            local_ip: parts.local_ip,
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

    /// From now on what is not within a dialog is refused with 503; what has begun goes on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends what is in progress: nobody is left without an answer. Returns how many that were.
    pub fn cut(&mut self, now: Instant) -> usize {
        let unfinished = self.exchanges.unfinished();
        for key in &unfinished {
            self.answer(*key, &refusal::draining(), None, now);
            self.cancel_branches(*key, None, now);
        }
        self.settle(now);
        unfinished.len()
    }

    /// Exchanges whose sender waits for a final response.
    pub fn in_progress(&self) -> usize {
        self.unfinished
    }

    /// When [`Core::tick`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.layer.next_deadline()
    }

    /// What is to be done next; call until it gives `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The worker has taken what it takes in one turn; `drained`: nothing was left waiting.
    pub fn turn(&mut self, drained: bool, now: Instant) {
        self.admission.turn(drained, now);
    }

    /// Writes how much is in progress into the counters.
    pub fn publish_gauges(&self) {
        self.counters
            .shedding
            .store(u64::from(self.is_shedding()), Relaxed);
        let layer = self.layer.counters();
        self.counters
            .exchanges
            .store(self.exchanges.len() as u64, Relaxed);
        self.counters.transactions.store(layer.live as u64, Relaxed);
        self.counters
            .tombstones
            .store(layer.tombstones as u64, Relaxed);
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
        let Some(mut request) = sip::salvage(bytes, &self.plan.message_limits) else {
            return;
        };
        // Where Via cannot be written, the response goes to where the request came from all the same.
        drop(forward::note_source(&mut request, flow.remote));
        let (status, reason) = error.status();
        self.reply_stateless(flow, &request, &Refusal::new(status, reason, error.label()));
    }

    fn receive_request(&mut self, flow: Flow, mut request: Request, now: Instant) {
        count(&self.counters.requests_received);
        self.log_received(&flow, &request);
        let fault = sip::check_request(&request, &self.plan.message_limits).err();
        // §18.2.1: what the sender wrote of its address is put right before anything reads it.
        let sender = forward::note_source(&mut request, flow.remote);
        let refusal = match (fault, sender) {
            (Some(fault), _) => {
                count(&self.counters.faults);
                Refusal::new(400, "Bad Request", fault.label())
            }
            (None, Err(_)) => refusal::too_large(),
            (None, Ok(sender)) => match sender.key(&request) {
                None => Refusal::new(400, "Bad Request", "transaction"),
                Some(key) => {
                    return match self.layer.receive_request(&key, now) {
                        Received::Ack(_) | Received::Retransmission(_) => {}
                        Received::StrayAck if self.is_ack_of_refusal(&request) => {}
                        Received::AckFor2xx(_) | Received::StrayAck => {
                            self.forward_ack(flow, request, now)
                        }
                        Received::Cancel {
                            invite: Some(invite),
                        } => self.receive_cancel(flow, &request, invite, now),
                        Received::Cancel { invite: None } | Received::New => {
                            self.begin(flow, request, &sender, now)
                        }
                    };
                }
            },
        };
        self.reply_stateless(flow, &request, &refusal);
    }

    // ── Requests: validation, chain, router (§16.3 – §16.5) ─────────────────────────────────────

    fn begin(&mut self, flow: Flow, mut request: Request, sender: &Sender, now: Instant) {
        if self.layer.counters().live >= self.transactions_max {
            count(&self.counters.overload);
            return self.reply_stateless(flow, &request, &refusal::overload());
        }
        // Under overload, who does not even say that a dialog exists is looked at no further.
        let shedding = self.is_shedding();
        if shedding && !has_to_tag(&request) && self.sheds(&flow, &request) {
            return;
        }
        let mut arrival = match self.admit(flow, &mut request, now) {
            Ok(arrival) => arrival,
            Err(refusal) => return self.reply_stateless(flow, &request, &refusal),
        };
        // Nor who says so without our signature.
        let claims = shedding && !arrival.cx.facts.in_dialog && has_to_tag(&request);
        if claims && self.sheds(&flow, &request) {
            return;
        }
        if self.draining && !arrival.cx.facts.in_dialog {
            return self.reply_stateless(flow, &request, &refusal::draining());
        }
        let looped = is_loop(&request, &arrival);
        match self.run_chain(&mut request, &mut arrival) {
            // §9.2: there is nothing to cancel. Only who may speak to us is told so.
            Verdict::Continue | Verdict::Wait(_) if request.method() == Method::Cancel => {
                let refusal = Refusal::new(481, "Call/Transaction Does Not Exist", "cancel");
                self.refuse(&request, arrival, &refusal, now);
            }
            Verdict::Continue | Verdict::Wait(_) if looped => {
                count(&self.counters.loops);
                let refusal = Refusal::new(482, "Loop Detected", "loop");
                self.refuse(&request, arrival, &refusal, now);
            }
            Verdict::Continue => match targets(
                &mut request,
                &mut arrival,
                &mut desk!(self, now),
                &self.observer,
            ) {
                Err(refusal) if refusal.remembered => {
                    if let Some(key) = self.open(&request, arrival, sender, now) {
                        self.answer(key, &refusal, None, now);
                    }
                }
                Err(refusal) => self.refuse(&request, arrival, &refusal, now),
                Ok(aims) => {
                    if let Some(key) = self.open(&request, arrival, sender, now) {
                        self.aim(key, request, aims, now);
                    }
                }
            },
            Verdict::Drop(reason) => {
                count(&self.counters.filter_drops);
                tell_done(&request, &mut arrival, 0, reason.0, now);
            }
            Verdict::Reply(reply) => {
                count(&self.counters.filter_refusals);
                self.refuse(&request, arrival, &refusal::of_reply(reply), now);
            }
            Verdict::Wait(wait) => {
                if let Some(key) = self.open(&request, arrival, sender, now) {
                    self.park(key, request, wait);
                }
            }
        }
    }

    /// Whether an INVITE with this Call-ID, which nobody has parsed yet, begins something that is ignored:
    /// under overload, what is not worked on must cost next to nothing.
    pub fn ignores(&mut self, flow: &Flow, call_id: &[u8]) -> bool {
        let ignored = self.admission.ignores(call_id) && !self.is_from_inside(flow);
        if ignored {
            count(&self.counters.requests_received);
            count(&self.counters.overload_ignored);
        }
        ignored
    }

    /// Whether less than everything is let in.
    pub fn is_shedding(&self) -> bool {
        !self.admission.is_open()
    }

    /// Whether there is no room for a request that begins something; then it is answered, or not, as
    /// [`Admission`] says. What comes from internal elements belongs to calls that were let in.
    fn sheds(&mut self, flow: &Flow, request: &Request) -> bool {
        if request.method() == Method::Cancel || self.is_from_inside(flow) {
            return false;
        }
        match self.admission.admits(call_id(&request.headers)) {
            Admit::Yes => false,
            Admit::Refuse => {
                count(&self.counters.overload);
                self.reply_stateless(*flow, request, &refusal::overload());
                true
            }
            Admit::Ignore => {
                count(&self.counters.overload_ignored);
                true
            }
        }
    }

    fn is_from_inside(&self, flow: &Flow) -> bool {
        let known = self.opened.get(flow.remote);
        let ingress = self.plan.ingress(flow, known);
        ingress.is_some_and(|(_, _, trust)| trust == Trust::Internal)
    }

    /// Trust, dialog and chain of a request; reserved headers go unless the listener is internal.
    fn admit(&self, flow: Flow, request: &mut Request, now: Instant) -> Result<Arrival, Refusal> {
        let plan = self.plan.clone();
        let known = self.opened.get(flow.remote);
        let Some((listener_id, listener, trust)) = plan.ingress(&flow, known) else {
            return Err(Refusal::new(500, "Server Internal Error", "no_listener"));
        };
        let loop_hash = plan.loop_hash.of(request);
        let ruri = SmallVec::from_slice(request.uri_bytes());
        let own_route = match forward::pop_own_routes(request, &plan, flow.local, &self.local_ip) {
            Err(_) => return Err(refusal::too_large()),
            Ok(OwnRoute::Forged) => {
                count(&self.counters.forged_routes);
                return Err(Refusal::new(403, "Forbidden", "forged_route"));
            }
            Ok(own_route) => own_route,
        };
        if trust != Trust::Internal {
            strip_reserved(&mut request.headers, &self.counters);
        }
        let source = filters::Source {
            address: flow.remote,
            local: flow.local,
            transport: flow.transport,
            listener: listener.name.clone(),
            trust,
        };
        let mut cx = Context::new(source, request.method(), false);
        let mut chain = &listener.chain;
        let mut from_caller = false;
        // A To tag alone says nothing: what is within a dialog has our signature for its Call-ID.
        if let OwnRoute::Dialog(token) = own_route
            && has_to_tag(request)
        {
            cx.facts.in_dialog = true;
            from_caller = router::from_caller(request, &token);
            let side = if from_caller {
                token.caller
            } else {
                token.callee
            };
            // Whoever knows the dialog can claim a side of it, so a claim raises nobody: it counts
            // up to what the listener grants, and beyond that with a source of the trunk.
            cx.facts.trust = side.trust.min(trust);
            if let Some(trunk) = plan
                .trunk_by_hash(side.trunk)
                .filter(|trunk| trunk.speaks_from(&flow))
            {
                cx.facts.trust = trunk.trust;
                cx.facts.trunk = Some(filters::TrunkFact {
                    name: trunk.name.clone(),
                    trust: trunk.trust,
                });
            }
            if let Some(begun) = plan.chain_by_hash(token.chain).filter(|_| from_caller) {
                chain = begun;
            }
        }
        Ok(Arrival {
            chain: chain.clone(),
            cx,
            flow,
            listener: listener_id,
            own_route,
            from_caller,
            loop_hash,
            ruri,
            at: now,
            plan,
        })
    }

    /// Runs `on_request`. A trunk may be trusted less than the listener that it comes in by: then
    /// reserved headers go now.
    fn run_chain(&self, request: &mut Request, arrival: &mut Arrival) -> Verdict {
        let verdict = self
            .observer
            .request(&arrival.chain, request, &mut arrival.cx);
        strip_if_distrusted(request, &arrival.cx, &self.counters);
        verdict
    }

    /// Makes the exchange and its server transaction; an INVITE gets its 100 (§17.2.1).
    fn open(
        &mut self,
        request: &Request,
        arrival: Arrival,
        sender: &Sender,
        now: Instant,
    ) -> Option<Key> {
        let flow = arrival.flow;
        let reply_to = Peer {
            destination: sender.destination(&flow),
            listener: flow.listener,
        };
        let created = sender.key(request).map(|key| {
            let reach = Reach::of(&reply_to);
            self.layer
                .create_server(&key, reach, flow.transport.is_reliable(), now)
        });
        let Some(Ok(server)) = created else {
            count(&self.counters.overload);
            self.refuse(request, arrival, &refusal::overload(), now);
            return None;
        };
        let kept = Kept::of(request, &arrival.ruri);
        if request.method() == Method::Invite {
            let wire = kept.trying();
            self.observer
                .shows_answer(&flow, kept.call_id(), 100, &wire);
            self.layer.respond(server, 100, wire, now);
        }
        let mut exchange = Box::new(Exchange::new(arrival, kept, server, reply_to));
        if exchange.method.forms_dialog() {
            exchange.caller_tag = router::caller_tag(request);
        }
        let key = self.exchanges.insert(exchange);
        self.unfinished += 1;
        self.places.insert(server, key, 0);
        Some(key)
    }

    /// Parks the exchange on a filter's future.
    fn park(&mut self, key: Key, mut request: Request, wait: Wait) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.waiting = Some(Waiting::Filter);
            request.headers.compact();
            exchange.request = Some(Box::new(request));
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
        if exchange.waiting != Some(Waiting::Filter) {
            return;
        }
        exchange.waiting = None;
        let (Some(mut request), arrival) = (exchange.request.take(), &mut exchange.arrival) else {
            return;
        };
        let verdict = match resume {
            Some(resume) => {
                self.observer
                    .resume(&arrival.chain, resume, &mut request, &mut arrival.cx)
            }
            None => arrival.chain.expire(&mut arrival.cx),
        };
        strip_if_distrusted(&mut request, &arrival.cx, &self.counters);
        match verdict {
            Verdict::Continue => {
                match targets(
                    &mut request,
                    &mut exchange.arrival,
                    &mut desk!(self, now),
                    &self.observer,
                ) {
                    Ok(aims) => self.aim(key, *request, aims, now),
                    Err(refusal) => self.answer(key, &refusal, None, now),
                }
            }
            Verdict::Drop(reason) => {
                count(&self.counters.filter_drops);
                self.drop_exchange(key, reason.0, now);
            }
            Verdict::Reply(reply) => {
                count(&self.counters.filter_refusals);
                self.answer(key, &refusal::of_reply(reply), None, now);
            }
            Verdict::Wait(wait) => self.park(key, *request, wait),
        }
    }

    // ── Forwarding: one branch at a time (§16.6) ────────────────────────────────────────────────

    /// Aims the exchange, and tries the first aim. `request` is kept while another one may need it.
    fn aim(&mut self, key: Key, request: Request, aims: Aims, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if fork::is_fork(exchange, &aims) {
            return self.fork(key, request, aims, now);
        }
        let Some(first) = exchange.aim_at(aims) else {
            return self.conclude(key, now);
        };
        if !exchange.aims.is_empty() {
            exchange.request = Some(Box::new(request.clone()));
        }
        if !self.try_aim(key, request, first, now) {
            self.try_next(key, now);
        }
    }

    /// Tries the next aim that its `on_branch` hooks let through.
    fn try_next(&mut self, key: Key, now: Instant) {
        while let Some(exchange) = self.exchanges.get_mut(key) {
            let next = exchange.aims.pop_front();
            let (Some(aim), Some(request)) = (next, exchange.next_request()) else {
                return self.conclude(key, now);
            };
            if self.try_aim(key, *request, aim, now) {
                return;
            }
        }
    }

    /// Makes `request` a branch to `aim`. `false` where it cannot go there.
    fn try_aim(&mut self, key: Key, mut request: Request, aim: Aim, now: Instant) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return true;
        };
        let dressed = dress(
            &mut request,
            &aim,
            &mut exchange.arrival,
            &self.observer,
            &self.counters,
        );
        match dressed {
            Ok(wanted) => {
                let index = exchange.branches.len();
                exchange.branches.push(Branch::new(aim));
                self.locate(key, index, request, wanted, now);
                true
            }
            Err(status) => {
                exchange.answers.push(Answer {
                    branch: None,
                    given: Given::Local(status),
                });
                false
            }
        }
    }

    /// Finds the addresses of a branch: at once where the URI has one, by DNS otherwise (§16.6 step 7).
    fn locate(&mut self, key: Key, index: usize, request: Request, wanted: Wanted, now: Instant) {
        match wanted {
            Wanted::Hop(hop) => self.send_attempt(key, index, request, hop, now),
            Wanted::Name(name) => {
                if let Some(exchange) = self.exchanges.get_mut(key) {
                    exchange.waiting = Some(Waiting::Name(index));
                    exchange.branches[index].request = Some(Box::new(request));
                }
                let lookup = name.lookup(Subject::Branch(key, index));
                self.outputs.push_back(Output::Resolve(lookup));
            }
        }
    }

    /// Addresses that [`Output::Resolve`] asked for; empty where there are none.
    pub fn resolved(&mut self, subject: Subject, hops: Vec<Hop>, now: Instant) {
        if hops.is_empty() {
            count(&self.counters.resolve_errors);
        }
        match subject {
            Subject::Ack(mut ack) => {
                self.acks_waiting = self.acks_waiting.saturating_sub(1);
                if let Some(hop) = hops.first() {
                    self.send_ack(&mut ack.request, ack.exit, &ack.arrival, *hop);
                }
            }
            Subject::Branch(key, index) => {
                if let Some(exchange) = self.exchanges.get_mut(key)
                    && exchange.waiting == Some(Waiting::Name(index))
                {
                    exchange.waiting = None;
                    exchange.branches[index].hops = hops.into_iter().take(HOPS_MAX).collect();
                    self.send_next(key, index, now);
                }
            }
        }
        self.settle(now);
    }

    /// Sends a branch to its next address.
    fn send_next(&mut self, key: Key, index: usize, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let branch = &mut exchange.branches[index];
        branch.by_udp = std::mem::take(&mut branch.fallback);
        let hop = branch.hops.pop_front();
        match (hop, branch.next_request()) {
            (Some(hop), Some(request)) => self.send_attempt(key, index, *request, hop, now),
            _ => self.fail_branch(key, index, 503, now),
        }
    }

    /// Sends a branch to an address, in a transaction and with a Via branch of its own (§16.6 steps
    /// 4, 8 – 11; RFC 3263 §4.3).
    fn send_attempt(
        &mut self,
        key: Key,
        index: usize,
        mut request: Request,
        mut hop: Hop,
        now: Instant,
    ) {
        let mark = self.random.number();
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let record = token_of(exchange, index);
        let more_aims = !exchange.aims.is_empty();
        let (arrival, branch) = (&exchange.arrival, &mut exchange.branches[index]);
        let text = branch_id::branch_text(self.worker, key, mark, arrival.loop_hash);
        let exit = branch.aim.exit();
        let leave = |request: &mut Request, hop: Hop| -> Result<(Peer, Bytes), u16> {
            let (record, local_ip) = (record.as_ref(), &self.local_ip);
            let peer = depart(request, hop, exit, arrival, &text, record, local_ip)?;
            Ok((peer, request.to_bytes()))
        };
        let mut left = leave(&mut request, hop);
        // §18.1.1: too long for a datagram. The way by UDP is kept in case that TCP leads nowhere.
        if let Ok((peer, wire)) = &left
            && wire.len() > arrival.plan.udp_mtu_least
            && !branch.by_udp
            && is_too_long(wire.len(), hop, &branch.aim, &arrival.plan)
        {
            let back = turn_back(&mut request, peer.listener, arrival, record.is_some());
            if back.is_err() {
                return self.fail_branch(key, index, 513, now);
            }
            branch.request = Some(Box::new(request.clone()));
            branch.hops.push_front(hop);
            branch.fallback = true;
            hop.transport = Transport::Tcp;
            left = leave(&mut request, hop);
        }
        let (peer, wire) = match left {
            Ok(left) => left,
            Err(status) => {
                if status == 403 {
                    count(&self.counters.route_refusals);
                }
                return self.fail_branch(key, index, status, now);
            }
        };
        let essence = (exchange.method == Method::Invite).then(|| Essence::of(&request));
        show(&self.observer.log, &request.headers, || {
            CallEvent::Forwarded {
                to: log_peer(&branch.aim, hop),
                message: wire.clone(),
            }
        });
        let client_key = ClientKey {
            branch: &text,
            method: request.method_bytes(),
        };
        let reliable = hop.transport.is_reliable();
        let Ok(client) =
            self.layer
                .create_client(&client_key, wire, Reach::of(&peer), reliable, now)
        else {
            count(&self.counters.overload);
            return self.fail_branch(key, index, 503, now);
        };
        if reliable && stands_for(exit, peer.listener, arrival) {
            self.opened.note(hop.addr, peer.listener, exit.named);
        }
        self.places.insert(client, key, index);
        let more = more_aims || branch.hops.len() > usize::from(branch.fallback);
        let timer = match () {
            () if more => Some((TimerKind::Silence, arrival.plan.fr_timer)),
            () if exchange.method == Method::Invite => Some((TimerKind::C, arrival.plan.timer_c)),
            () => None,
        };
        exchange.attempts += 1;
        branch.client = Some(client);
        branch.essence = essence;
        branch.mark = mark;
        branch.attempt = branch.attempt.wrapping_add(1);
        branch.provisional = false;
        branch.timer = timer.map(|(kind, after)| {
            let token = TimerToken {
                kind,
                key,
                branch: index,
                attempt: branch.attempt,
            };
            self.layer.schedule(now + after, token.pack())
        });
    }

    /// A branch came to nothing without an answer (§16.8, §16.9).
    fn fail_branch(&mut self, key: Key, index: usize, status: u16, now: Instant) {
        self.end_branch(key, index, Given::Local(status), now);
    }

    // ── Responses (§16.7) ───────────────────────────────────────────────────────────────────────

    fn receive_response(&mut self, flow: Flow, mut response: Response, now: Instant) {
        count(&self.counters.responses_received);
        if sip::check_response(&response, &self.plan.message_limits).is_err() {
            return count(&self.counters.faults);
        }
        show(&self.observer.log, &response.headers, || {
            CallEvent::Response {
                from: LogPeer::new(flow.transport, flow.remote),
                status: response.status(),
                message: response.to_bytes(),
            }
        });
        let Some(key) = ClientKey::of(&response) else {
            return count(&self.counters.stray_responses);
        };
        let status = response.status();
        let to = response.headers.first(HeaderName::To).unwrap_or_default();
        // RFC 6026 §8.9: what matches no transaction is dropped, not forwarded.
        let client = match self.layer.receive_response(&key, status, to, now) {
            Some((client, Disposition::Pass)) => client,
            Some((_, Disposition::Absorbed)) => return,
            None => return count(&self.counters.stray_responses),
        };
        let Some((key, index)) = self.places.get(client) else {
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let branch = &mut exchange.branches[index];
        // An attempt that was given up says nothing any more, but for a 2xx.
        let current = branch.client == Some(client);
        // It may ring for long, and is not sent again.
        if current
            && (101..200).contains(&status)
            && let Some(essence) = branch.essence.take()
        {
            self.layer.shorten(client, essence);
        }
        let success = (200..300).contains(&status);
        if branch.aim.target.trust != Trust::Internal {
            strip_reserved(&mut response.headers, &self.counters);
        }
        if status >= 200 && !(success && exchange.method == Method::Invite) {
            self.forget_attempt(client);
        }
        // Step 3: our Via goes. A response without another one leads nowhere, but is an answer.
        let popped = response.headers.pop_first(HeaderName::Via).is_ok();
        let headed = popped && response.headers.first(HeaderName::Via).is_some();
        match status {
            _ if !headed && status < 200 => {}
            _ if !headed && current => self.fail_branch(key, index, 502, now),
            _ if !headed => {}
            100 if current => self.hear(key, index, false, now),
            101..=199 if current => {
                self.hear(key, index, true, now);
                self.relay_provisional(key, index, response, now);
            }
            200..=299 => self.relay_success(key, index, current, response, now),
            300.. if current => {
                self.end_branch(key, index, Given::Received(Box::new(response)), now)
            }
            _ => {}
        }
        self.release(key);
    }

    /// The branch is alive: its silence timer gives way to Timer C, which a provisional response
    /// other than 100 starts anew (step 2).
    fn hear(&mut self, key: Key, index: usize, renew: bool, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let branch = &mut exchange.branches[index];
        branch.forget_fallback();
        let first = !std::mem::replace(&mut branch.provisional, true);
        // A cancelled branch has no timer: the transaction bounds how long its end may take.
        let Some(timer) = branch.timer.take_if(|_| first || renew) else {
            return;
        };
        self.layer.unschedule(timer);
        if exchange.method == Method::Invite {
            let token = TimerToken {
                kind: TimerKind::C,
                key,
                branch: index,
                attempt: branch.attempt,
            };
            let at = now + exchange.arrival.plan.timer_c;
            branch.timer = Some(self.layer.schedule(at, token.pack()));
        }
    }

    fn relay_provisional(&mut self, key: Key, index: usize, response: Response, now: Instant) {
        let live = self
            .exchanges
            .get_mut(key)
            .is_some_and(|exchange| !exchange.finished && !exchange.branches[index].done);
        if live {
            self.relay(key, Some(index), response, now);
        }
    }

    /// Every 2xx to an INVITE goes to the sender at once (step 5); what else is under way is cancelled.
    fn relay_success(
        &mut self,
        key: Key,
        index: usize,
        current: bool,
        response: Response,
        now: Instant,
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.method != Method::Invite && (exchange.finished || !current) {
            return;
        }
        exchange.stop_trying();
        let branch = &mut exchange.branches[index];
        if current {
            branch.done = true;
            if let Some(timer) = branch.timer.take() {
                self.layer.unschedule(timer);
            }
        }
        self.relay(key, Some(index), response, now);
        self.cancel_branches(key, Some(ELSEWHERE), now);
    }

    /// A branch has its final answer below the 2xx: the next address, the next aim, or the end.
    fn end_branch(&mut self, key: Key, index: usize, given: Given, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let branch = &mut exchange.branches[index];
        if let Some(timer) = branch.timer.take() {
            self.layer.unschedule(timer);
        }
        if branch.done {
            return;
        }
        // §16.8: what Timer C has cancelled counts as a timeout.
        let given = match given {
            Given::Received(response) if branch.expired && response.status() == 487 => {
                Given::Local(408)
            }
            given => given,
        };
        let status = given.status();
        if !(given.is_local() && status == 503) {
            branch.forget_fallback();
        }
        // RFC 3263 §4.3: another address of the same target after a failure to reach it, or a 503.
        let unreached = status == 503 || given.is_local() && status == 408;
        let next_hop = unreached && !branch.hops.is_empty();
        // A phone that is busy says nothing of the others, which all would have rung at once.
        let one_of_many = exchange.method == Method::Invite && branch.aim.phone.is_some();
        let next_aim = given.is_local() && status != 513
            || branch.aim.reroute.covers(status)
            || one_of_many && status < 600;
        branch.done = !next_hop;
        exchange.answers.push(Answer {
            branch: Some(index),
            given,
        });
        match () {
            () if exchange.cancelled || exchange.finished => {
                branch.done = true;
                self.conclude(key, now);
            }
            () if next_hop => {
                count(&self.counters.failovers);
                self.send_next(key, index, now);
            }
            () if next_aim && !exchange.aims.is_empty() => {
                count(&self.counters.failovers);
                self.try_next(key, now);
            }
            () => {
                exchange.aims.clear();
                exchange.request = None;
                if status >= 600 {
                    // Step 5: nobody else is to be asked, nor to go on ringing.
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
        if exchange.finished || exchange.is_pending() || exchange.waiting.is_some() {
            return;
        }
        let mut answers = std::mem::take(&mut exchange.answers);
        let is_executor = |branch| exchange.is_executor(branch);
        match best::take_best(&mut answers) {
            Some(Answer {
                branch,
                given: Given::Received(mut response),
            }) => {
                best::add_challenges(&mut response, &answers);
                // Step 6: a 503 is about the next hop and not us, but for a full executor's.
                if response.status() == 503
                    && !(is_executor(branch) && best::asks_to_wait(&response))
                    && response.set_status(500, b"Server Internal Error").is_err()
                {
                    let refusal = Refusal::new(500, "Server Internal Error", "edit");
                    return self.answer(key, &refusal, branch, now);
                }
                self.relay(key, branch, *response, now);
            }
            _ if exchange.cancelled => {
                self.answer(
                    key,
                    &Refusal::new(487, "Request Terminated", "cancelled"),
                    None,
                    now,
                );
            }
            // RFC 4320 §4.2: a late 408 helps nobody.
            Some(Answer {
                given: Given::Local(408),
                ..
            }) if exchange.method != Method::Invite => {
                self.drop_exchange(key, "no_answer", now);
            }
            Some(Answer {
                branch,
                given: Given::Local(status),
            }) => {
                let refusal = refusal::of_verdict(status, is_executor(branch));
                self.answer(key, &refusal, branch, now);
            }
            None => self.answer(key, &refusal::of_verdict(480, false), None, now),
        }
    }

    /// Runs a response through the chains and sends it to the sender.
    fn relay(&mut self, key: Key, index: Option<usize>, mut response: Response, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let arrival = &mut exchange.arrival;
        let aim = index.map(|index| &exchange.branches[index].aim);
        let target = aim.map(|aim| &aim.target);
        if let Some(way) = aim.and_then(Aim::shown_way) {
            way.note(&mut response.headers, &arrival.plan.token_key);
        }
        let mut verdict = Relay::Forward;
        if let Some(chain) = aim.and_then(|aim| aim.chain.as_ref()) {
            verdict = self
                .observer
                .response(chain, &mut response, target, &mut arrival.cx);
        }
        if let Relay::Forward = verdict {
            verdict =
                self.observer
                    .response(&arrival.chain, &mut response, target, &mut arrival.cx);
        }
        if arrival.cx.facts.trust != Trust::Internal {
            strip_reserved(&mut response.headers, &self.counters);
        }
        let status = response.status();
        let dropped = match verdict {
            Relay::Drop(reason) => {
                count(&self.counters.filter_drops);
                Some(reason.0)
            }
            Relay::Forward => {
                let written =
                    forward::require_length(&mut response.headers, arrival.flow.transport);
                written.err().map(|_| "edit")
            }
        };
        match dropped {
            None => {}
            Some(_) if status < 200 => return,
            // A final response is never lost: the sender hears that something went wrong.
            Some(cause) => {
                let refusal = Refusal::new(500, "Server Internal Error", cause);
                return self.answer(key, &refusal, index, now);
            }
        }
        let wire = self.observer.answered(&arrival.flow, &response);
        let late = exchange.finished && (200..300).contains(&status);
        let again = late.then(|| (exchange.reply_to, wire.clone()));
        let responded = self.layer.respond(exchange.server, status, wire, now);
        if status >= 200 {
            self.finish(key, status, "", index, now);
        }
        // §16.7 step 5: a 2xx to an INVITE goes upstream whatever went there before. A transaction
        // that has had another final response does not send it.
        if let Some((reply_to, wire)) = again
            && responded != Responded::Sent
        {
            self.send(reply_to, wire, None);
        }
    }

    /// Answers the exchange ourselves.
    fn answer(&mut self, key: Key, refusal: &Refusal, index: Option<usize>, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished {
            return;
        }
        let Some(request) = exchange.kept.request() else {
            return self.drop_exchange(key, refusal.cause, now);
        };
        let arrival = &mut exchange.arrival;
        let response = own_response(&request, refusal, arrival, &self.observer, &self.counters);
        let wire = self.observer.answered(&arrival.flow, &response);
        let status = response.status();
        self.layer.respond(exchange.server, status, wire, now);
        self.finish(key, status, refusal.cause, index, now);
    }

    /// The sender has its final response: the filters are told, and what is not needed is freed.
    fn finish(
        &mut self,
        key: Key,
        status: u16,
        cause: &'static str,
        index: Option<usize>,
        now: Instant,
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut exchange.finished, true) {
            return;
        }
        self.unfinished -= 1;
        exchange.stop_trying();
        exchange.request = None;
        let Arrival { chain, cx, at, .. } = &mut exchange.arrival;
        let kept = std::mem::take(&mut exchange.kept);
        let told = (kept.method(), kept.call_id(), kept.ruri());
        let target = index.map(|index| &exchange.branches[index].aim.target);
        chain.done(
            &observe::outcome(told, status, target, cause, now - *at),
            cx,
        );
        for branch in &mut exchange.branches {
            branch.request = None;
        }
        if exchange.waiting.take().is_some() {
            self.outputs.push_back(Output::Abandon(key));
        }
        self.release(key);
    }

    /// Ends an exchange that gets no final response from us.
    fn drop_exchange(&mut self, key: Key, cause: &'static str, now: Instant) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            self.layer.abandon(exchange.server, now);
        }
        self.finish(key, 0, cause, None, now);
    }

    /// An attempt that can say nothing any more.
    fn forget_attempt(&mut self, client: ClientId) {
        if let Some((key, index)) = self.places.remove(client) {
            self.exchanges.end_attempt(key, index, client);
        }
    }

    /// Forgets an exchange that is finished and of whose attempts none can give a 2xx any more.
    fn release(&mut self, key: Key) {
        if let Some(server) = self.exchanges.remove_if_over(key) {
            self.places.remove(server);
        }
    }

    // ── CANCEL (§9.2, §16.10) and ACK ───────────────────────────────────────────────────────────

    fn receive_cancel(&mut self, flow: Flow, request: &Request, invite: ServerId, now: Instant) {
        let peer = reply_peer(&flow, request);
        let created = ServerKey::of(request).map(|key| {
            self.layer
                .create_server(&key, Reach::of(&peer), flow.transport.is_reliable(), now)
        });
        match created {
            Some(Ok(cancel)) => {
                let tag = hex(self.plan.loop_hash.tag_of(request));
                let response = Reply::new(request, 200, "OK").to_tag(&tag).build();
                let wire = self.observer.answered(&flow, &response);
                self.layer.respond(cancel, 200, wire, now);
            }
            _ => self.reply_stateless(flow, request, &Refusal::new(200, "OK", "cancel")),
        }
        let Some((key, _)) = self.places.get(invite) else {
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        if exchange.finished || exchange.cancelled || exchange.method != Method::Invite {
            return;
        }
        exchange.cancelled = true;
        // What earlier attempts came to is no answer to somebody who has given up.
        exchange.answers.clear();
        exchange.stop_trying();
        if exchange.waiting.take().is_some() {
            self.outputs.push_back(Output::Abandon(key));
        }
        // RFC 3326 §2: why, as the sender says it.
        let reason = request.headers.first(HeaderName::Reason).map(sip::unfold);
        self.cancel_branches(key, reason.as_deref(), now);
        self.conclude(key, now);
    }

    /// Cancels every branch that has no final answer; one without a provisional waits for it (§9.1).
    fn cancel_branches(&mut self, key: Key, reason: Option<&[u8]>, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        for branch in exchange.branches.iter_mut().filter(|branch| !branch.done) {
            if let Some(timer) = branch.timer.take() {
                self.layer.unschedule(timer);
            }
            match branch.client {
                Some(client) => {
                    self.layer.cancel(client, reason, now);
                }
                None => branch.done = true,
            }
        }
    }

    /// The ACK to a 2xx has no transaction: it goes where its Route or its dialog leads (§16.11).
    fn forward_ack(&mut self, flow: Flow, mut request: Request, now: Instant) {
        let Ok(mut arrival) = self.admit(flow, &mut request, now) else {
            return count(&self.counters.stray_acks);
        };
        // Under overload, an ACK that says nothing of a dialog of ours is nobody's: it is looked at no
        // further.
        let facts = &arrival.cx.facts;
        let stray = !facts.in_dialog && facts.trust != Trust::Internal;
        if stray && !self.admission.is_open() {
            return count(&self.counters.stray_acks);
        }
        if is_loop(&request, &arrival) {
            return count(&self.counters.loops);
        }
        let verdict = self.run_chain(&mut request, &mut arrival);
        let Verdict::Continue = verdict else {
            count(&self.counters.filter_drops);
            return tell_done(&request, &mut arrival, 0, "ack", now);
        };
        let aims = targets(
            &mut request,
            &mut arrival,
            &mut desk!(self, now),
            &self.observer,
        );
        let Some(aim) = aims.ok().and_then(|aims| aims.into_iter().next()) else {
            count(&self.counters.stray_acks);
            return tell_done(&request, &mut arrival, 0, "ack", now);
        };
        let dressed = dress(
            &mut request,
            &aim,
            &mut arrival,
            &self.observer,
            &self.counters,
        );
        tell_done(&request, &mut arrival, 0, "", now);
        let Ok(wanted) = dressed else {
            return count(&self.counters.stray_acks);
        };
        let exit = aim.exit();
        match wanted {
            Wanted::Hop(hop) => self.send_ack(&mut request, exit, &arrival, hop),
            Wanted::Name(_) if self.acks_waiting >= ACKS_WAITING_MAX => {
                count(&self.counters.stray_acks);
            }
            Wanted::Name(name) => {
                self.acks_waiting += 1;
                let ack = WaitingAck {
                    request,
                    exit,
                    arrival,
                };
                let lookup = name.lookup(Subject::Ack(Box::new(ack)));
                self.outputs.push_back(Output::Resolve(lookup));
            }
        }
    }

    fn send_ack(&mut self, request: &mut Request, exit: Exit, arrival: &Arrival, hop: Hop) {
        let text = branch_id::branch_text(
            self.worker,
            Key::NOBODY,
            self.random.number(),
            arrival.loop_hash,
        );
        let Ok(peer) = depart(request, hop, exit, arrival, &text, None, &self.local_ip) else {
            return count(&self.counters.stray_acks);
        };
        let wire = request.to_bytes();
        show(&self.observer.log, &request.headers, || {
            CallEvent::Forwarded {
                to: LogPeer::new(hop.transport, hop.addr),
                message: wire.clone(),
            }
        });
        self.send(peer, wire, None);
    }

    /// Whether this is the ACK of a refusal that left no transaction: its To tag is ours (§8.2.7).
    fn is_ack_of_refusal(&self, request: &Request) -> bool {
        // Made only where it can be ours: an ACK to a 2xx comes by here too.
        let is_ours = |told: &[u8]| told == hex(self.plan.loop_hash.tag_of(request));
        let told = request.headers.first(HeaderName::To).and_then(sip::tag_of);
        told.is_some_and(|told| told.len() == size_of_val(&hex(0)) && is_ours(told))
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
        let Some((key, mark)) = branch_id::quoted_attempt(quoted) else {
            return;
        };
        let failed = self.exchanges.get_mut(key).and_then(|exchange| {
            let meant =
                |branch: &&Branch| branch.mark == mark && !branch.done && !branch.provisional;
            exchange
                .branches
                .iter()
                .find(meant)
                .and_then(|branch| branch.client)
        });
        if let Some(client) = failed {
            self.send_failed(TransactionId::Client(client), now);
        }
    }

    /// Takes what the transactions have to say, until they are silent.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.layer.poll() {
            match event {
                Event::Send {
                    peer,
                    wire,
                    transaction,
                } => self.send(peer.peer(), wire, Some(transaction)),
                Event::ClientTimeout(client) => self.client_failed(client, 408, now),
                Event::ClientTransportError(client) => self.client_failed(client, 503, now),
                Event::TryingDue(server) => self.send_trying(server, now),
                Event::Timer(token) => self.timer(TimerToken::unpack(token), now),
                Event::Ended(TransactionId::Client(client)) => {
                    if let Some((key, _)) = self.places.get(client) {
                        self.forget_attempt(client);
                        self.release(key);
                    }
                }
                Event::Ended(TransactionId::Server(server)) => {
                    self.places.remove(server);
                }
                Event::ServerAcked(_)
                | Event::ServerTimeout(_)
                | Event::ServerTransportError(_) => {}
            }
        }
        self.exchanges.rest();
    }

    fn client_failed(&mut self, client: ClientId, status: u16, now: Instant) {
        let Some((key, index)) = self.places.get(client) else {
            return;
        };
        let current = self
            .branch_mut(key, index)
            .is_some_and(|branch| branch.client == Some(client));
        self.forget_attempt(client);
        if current {
            self.fail_branch(key, index, status, now);
        }
        self.release(key);
    }

    fn timer(&mut self, token: TimerToken, now: Instant) {
        let (key, index) = (token.key, token.branch);
        let Some(branch) = self.branch_mut(key, index) else {
            return;
        };
        if branch.done || branch.attempt & 0x7f != token.attempt || branch.timer.take().is_none() {
            return;
        }
        let client = branch.client;
        let cancel = match token.kind {
            // §16.8: with a provisional the branch is cancelled, and its final response awaited.
            TimerKind::C if branch.provisional => {
                branch.expired = true;
                client
            }
            TimerKind::C => None,
            // The target said nothing at all. It may still answer late: a 2xx then goes upstream,
            // and with a provisional comes the CANCEL.
            TimerKind::Silence => client,
        };
        if let Some(client) = cancel {
            self.layer.cancel(client, None, now);
        }
        if !self
            .branch_mut(key, index)
            .is_some_and(|branch| branch.expired)
        {
            self.fail_branch(key, index, 408, now);
        }
    }

    fn send_trying(&mut self, server: ServerId, now: Instant) {
        let place = self.places.get(server);
        let Some(exchange) = place.and_then(|(key, _)| self.exchanges.get_mut(key)) else {
            return;
        };
        if !exchange.finished {
            let (wire, flow) = (exchange.kept.trying(), exchange.arrival.flow);
            self.observer
                .shows_answer(&flow, exchange.kept.call_id(), 100, &wire);
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

    /// Refuses a request that its chain has seen: the chain sees the answer too, and is told the end.
    fn refuse(&mut self, request: &Request, mut arrival: Arrival, refusal: &Refusal, now: Instant) {
        let response = own_response(
            request,
            refusal,
            &mut arrival,
            &self.observer,
            &self.counters,
        );
        tell_done(request, &mut arrival, response.status(), refusal.cause, now);
        self.send_stateless(arrival.flow, request, &response, refusal.cause);
    }

    /// Answers once and keeps nothing.
    fn reply_stateless(&mut self, flow: Flow, request: &Request, refusal: &Refusal) {
        let tag = hex(self.plan.loop_hash.tag_of(request));
        let response = refusal.response(request, &tag);
        self.send_stateless(flow, request, &response, refusal.cause);
    }

    /// Never answers an ACK, and nothing without a Via to send it by.
    fn send_stateless(
        &mut self,
        flow: Flow,
        request: &Request,
        response: &Response,
        cause: &'static str,
    ) {
        if request.method() == Method::Ack || request.headers.first(HeaderName::Via).is_none() {
            return;
        }
        tracing::debug!(remote = %flow.remote, status = response.status(), cause, "answered without state");
        let wire = self.observer.answered(&flow, response);
        self.send(reply_peer(&flow, request), wire, None);
    }

    fn log_received(&self, flow: &Flow, request: &Request) {
        let log = &self.observer.log;
        if !log.enabled() {
            return;
        }
        let from = LogPeer::new(flow.transport, flow.remote);
        if request.method() == Method::Invite && !has_to_tag(request) {
            log.open_with(call_id(&request.headers), from, || request.to_bytes());
        } else {
            log.record_with(call_id(&request.headers), || CallEvent::Received {
                from,
                message: request.to_bytes(),
            });
        }
    }

    fn branch_mut(&mut self, key: Key, index: usize) -> Option<&mut Branch> {
        self.exchanges.get_mut(key)?.branches.get_mut(index)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("worker", &self.worker)
            .field("exchanges", &self.exchanges.len())
            .finish_non_exhaustive()
    }
}

// ── Steps that requests with and without an exchange have in common ─────────────────────────────

/// Asks the router; where the request goes nowhere, what is to be answered (§16.5).
fn targets(
    request: &mut Request,
    arrival: &mut Arrival,
    desk: &mut Desk<'_>,
    observer: &Observer,
) -> Result<Aims, Refusal> {
    match desk.route(request, arrival) {
        Decision::Forward(aims) => {
            desk.admit(request, arrival, &aims)?;
            if observer.log.enabled() {
                let facts = &arrival.cx.facts;
                observer.describe(call_id(&request.headers), || About {
                    trunk: facts.trunk.as_ref().map(|trunk| trunk.name.to_string()),
                    domain: aims
                        .first()
                        .and_then(|aim| Some(aim.domain.as_ref()?.name.clone())),
                    ..About::default()
                });
            }
            Ok(aims)
        }
        Decision::Own => Err(refusal::own_answer()),
        Decision::Register(domain) => Err(desk.register(&domain, request, arrival)),
        Decision::Refuse(status, reason, cause) => {
            count(&desk.counters.route_refusals);
            Err(Refusal::new(status, reason, cause))
        }
    }
}

/// Addresses of one target at most.
const HOPS_MAX: usize = 8;
/// ACKs that wait for addresses at most; what is beyond is dropped, as a datagram may be.
const ACKS_WAITING_MAX: usize = 1024;
/// Why other branches are cancelled after a 2xx (RFC 3326 §3.1).
const ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";
