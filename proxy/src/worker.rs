//! One worker: a thread with its own UDP sockets and its own [`Core`], and nothing else on it.
//!
//! The thread waits in the kernel for its sockets and its ring, without a runtime in between; what
//! has to be awaited (names, the futures of filters) is awaited by tasks of the process's runtime,
//! whose results come by the ring.
//!
//! All messages of a call meet on one worker, the owner of its Call-ID. Whoever receives a message
//! parses it and, where another worker owns the call, hands it over by a bounded ring.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use filters::Wait;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sip::{Instant, Limits, ParseError, TransactionId, Transport};
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use transport::{
    Datagram, Flow, ListenerId, Outgoing, PeerUnreachable, Ready, Resolver, SendFault, Sleeper,
    Streams, UdpSocket,
};

use crate::branch_id;
use crate::caught::caught;
use crate::counters::{Counters, count};
use crate::exchange::Key;
use crate::lifecycle::{Lifecycle, Phase};
use crate::owners::{Inbound, Owners, Resumed};
use crate::pipeline::{Core, Lookup, Output, Subject};

/// A UDP socket of this worker.
pub(crate) struct Bound {
    /// The listener that it serves.
    pub listener: ListenerId,
    /// The socket.
    pub socket: UdpSocket,
}

/// A worker, ready to run.
pub(crate) struct Worker {
    /// Its index.
    pub index: usize,
    /// The proxy itself.
    pub core: Core,
    /// Its sockets.
    pub sockets: Vec<Bound>,
    /// Its ring.
    pub inbox: mpsc::Receiver<Inbound>,
    /// Where it waits for both.
    pub sleeper: Sleeper,
    /// How far the end of the process is.
    pub lifecycle: Arc<Lifecycle>,
    /// Where futures are awaited.
    pub runtime: Handle,
    /// Everyone's rings.
    pub owners: Owners,
    /// TCP connections of the process.
    pub streams: Arc<Streams>,
    /// Name look-ups.
    pub resolver: Resolver,
    /// When the process started: the zero of [`Instant`].
    pub epoch: Clock,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// A worker in its loop.
struct Running {
    worker: Worker,
    limits: Limits,
    /// Transactions of messages that a stream has not confirmed.
    unconfirmed: HashMap<u64, TransactionId, RandomState>,
    next_token: u64,
    /// Futures of exchanges.
    tasks: HashMap<Key, AbortHandle, RandomState>,
    datagrams: Vec<Datagram>,
    errors: Vec<PeerUnreachable>,
    outbox: Vec<Queued>,
}

/// A datagram to be sent.
struct Queued {
    socket: usize,
    destination: SocketAddr,
    /// The address that was asked, for sockets that have several.
    source: Option<IpAddr>,
    wire: Bytes,
    transaction: Option<TransactionId>,
}

impl Worker {
    /// Runs until the phase says that it is over.
    pub(crate) fn run(self) {
        let limits = self.core.plan().message_limits.clone();
        let mut running = Running {
            worker: self,
            limits,
            unconfirmed: HashMap::default(),
            next_token: 1,
            tasks: HashMap::default(),
            datagrams: Vec::with_capacity(DATAGRAMS),
            errors: Vec::new(),
            outbox: Vec::with_capacity(DATAGRAMS),
        };
        let mut idle_since: Option<Clock> = None;
        let mut busy = false;
        loop {
            // Where much has come there is more: the sockets are asked, not the kernel's poll.
            if !busy {
                running.worker.sleep();
            }
            let phase = running.worker.lifecycle.phase();
            match phase {
                Phase::Running => {}
                Phase::Draining | Phase::Ending => running.worker.core.drain(),
                Phase::Now => return running.cut(),
            }
            busy = running.turn(busy);
            let idle = phase == Phase::Ending && running.worker.core.in_progress() == 0;
            idle_since = idle.then(|| idle_since.unwrap_or_else(Clock::now));
            // The last ACKs may still be on their way.
            if idle_since.is_some_and(|since| since.elapsed() >= LINGER) {
                return;
            }
        }
    }

    fn sleep(&mut self) {
        let deadline = self.core.next_deadline();
        let timeout = deadline.map_or(IDLE, |at| IDLE.min(at - self.now()));
        let sockets = self.sockets.iter().map(|bound| bound.socket.as_fd());
        self.sleeper
            .sleep(sockets, timeout, || self.inbox.is_empty());
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.epoch.elapsed().as_micros() as u64)
    }
}

impl Running {
    /// Everything that is there now: datagrams, the ring, timers; then what came of it is sent.
    /// Without `ask_all`, only the sockets that the sleep saw ready are asked. Says whether so much
    /// came that there will be more.
    fn turn(&mut self, ask_all: bool) -> bool {
        let (received, all) = self.receive_datagrams(ask_all);
        for _ in 0..INBOX_BATCH {
            match self.worker.inbox.try_recv() {
                Ok(inbound) => self.take(inbound),
                Err(_) => break,
            }
        }
        let now = self.worker.now();
        let waiting = !all || !self.worker.inbox.is_empty();
        self.worker.core.turn(!waiting, now);
        self.worker.core.tick(now);
        self.worker.core.publish_gauges();
        // What could not be sent may lead to another attempt, which is sent in the next round.
        for _ in 0..SEND_ROUNDS {
            self.perform();
            if !self.flush() {
                break;
            }
        }
        received >= BUSY || waiting
    }

    /// Answers what is in progress, for want of time.
    fn cut(mut self) {
        let now = self.worker.now();
        let cut = self.worker.core.cut(now);
        if cut > 0 {
            tracing::warn!(
                worker = self.worker.index,
                cut,
                "requests in progress were answered 503"
            );
        }
        self.perform();
        self.flush();
    }

    /// Takes what the sockets have; says how many datagrams that were, and whether it was all.
    fn receive_datagrams(&mut self, ask_all: bool) -> (usize, bool) {
        let (mut received, mut all) = (0, true);
        let mut drops = 0;
        for at in 0..self.worker.sockets.len() {
            let mut ready = self.worker.sleeper.ready(at);
            let Some(bound) = self.worker.sockets.get_mut(at) else {
                break;
            };
            if ask_all {
                ready = Ready {
                    read: true,
                    error: false,
                };
            }
            let listener = bound.listener;
            if ready.read
                && let Err(error) = bound.socket.recv_batch(&mut self.datagrams)
            {
                tracing::warn!(%error, "a UDP socket does not receive");
            }
            if ready.error || bound.socket.is_faulted() {
                bound.socket.recv_errors(&mut self.errors);
            }
            drops += bound.socket.drops();
            received += self.datagrams.len();
            all &= self.datagrams.len() < UdpSocket::RECV_MAX;
            let mut datagrams = std::mem::take(&mut self.datagrams);
            let now = self.worker.now();
            for datagram in datagrams.drain(..) {
                let flow = Flow::udp(listener, &datagram);
                self.sort(flow, datagram.bytes, now);
            }
            self.datagrams = datagrams;
        }
        self.worker.counters.receive_drops.store(drops, Relaxed);
        let mut errors = std::mem::take(&mut self.errors);
        for error in errors.drain(..) {
            self.sort_unreachable(error.quoted);
        }
        self.errors = errors;
        (received, all)
    }

    /// Parses a datagram and gives it to the owner of its call.
    fn sort(&mut self, flow: Flow, bytes: Bytes, now: Instant) {
        if self.worker.core.is_shedding() && self.is_ignored(&flow, &bytes) {
            return;
        }
        match sip::parse(bytes.clone(), &self.limits) {
            // A keep-alive (RFC 5626 §4.4.1).
            Err(ParseError::Empty) => {}
            Err(error) => self.worker.core.receive_malformed(flow, bytes, error),
            Ok(message) => {
                let owner = self.worker.owners.owner(&message);
                if owner == self.worker.index {
                    self.worker.core.receive(flow, message, now);
                } else {
                    self.hand(owner, Inbound::Message(flow, message));
                }
            }
        }
    }

    /// Whether it begins a call of this worker that is not let in, and not answered either.
    fn is_ignored(&mut self, flow: &Flow, bytes: &[u8]) -> bool {
        let Worker {
            core,
            owners,
            index,
            ..
        } = &mut self.worker;
        sip::opening_call_id(bytes).is_some_and(|call_id| {
            owners.owner_of(call_id) == *index && core.ignores(flow, call_id)
        })
    }

    fn sort_unreachable(&mut self, quoted: Bytes) {
        match branch_id::quoted_worker(&quoted).map(usize::from) {
            Some(owner) if owner == self.worker.index => {
                let now = self.worker.now();
                self.worker.core.unreachable(&quoted, now);
            }
            Some(owner) => self.hand(owner, Inbound::Unreachable(quoted)),
            None => {}
        }
    }

    fn hand(&self, owner: usize, inbound: Inbound) {
        count(&self.worker.counters.handovers);
        if !self.worker.owners.hand(owner, inbound) {
            count(&self.worker.counters.handovers_lost);
        }
    }

    fn take(&mut self, inbound: Inbound) {
        let now = self.worker.now();
        let core = &mut self.worker.core;
        match inbound {
            Inbound::Failed(token) => {
                if let Some(transaction) = self.unconfirmed.remove(&token) {
                    core.send_failed(transaction, now);
                }
            }
            Inbound::Malformed(flow, bytes, error) => core.receive_malformed(flow, bytes, error),
            Inbound::Message(flow, message) => core.receive(flow, message, now),
            Inbound::Plan(plan) => {
                self.limits = plan.message_limits.clone();
                core.set_plan(plan);
            }
            Inbound::Resolved(subject, hops) => {
                if let Subject::Branch(key, _) = &subject {
                    self.tasks.remove(key);
                }
                core.resolved(subject, hops, now);
            }
            Inbound::Resumed(key, Resumed(resume)) => {
                self.tasks.remove(&key);
                core.resume(key, resume, now);
            }
            Inbound::Sent(token) => {
                self.unconfirmed.remove(&token);
            }
            Inbound::Unreachable(quoted) => core.unreachable(&quoted, now),
        }
    }

    /// Does what the core asks for; datagrams are queued for one batch.
    fn perform(&mut self) {
        while let Some(output) = self.worker.core.poll_output() {
            match output {
                Output::Abandon(key) => {
                    if let Some(task) = self.tasks.remove(&key) {
                        task.abort();
                    }
                }
                Output::Resolve(lookup) => self.resolve(lookup),
                Output::Send {
                    peer,
                    wire,
                    transaction,
                } if peer.destination.transport == Transport::Udp => {
                    let socket = self.socket_for(peer.listener, peer.destination.remote);
                    match socket {
                        Some(socket) => self.outbox.push(Queued {
                            socket,
                            destination: peer.destination.remote,
                            source: peer.destination.local_hint,
                            wire,
                            transaction,
                        }),
                        None => self.not_sent(transaction),
                    }
                }
                Output::Send {
                    peer,
                    wire,
                    transaction,
                } => {
                    let token = self.token(transaction);
                    self.worker.streams.send(peer.destination, wire, token);
                }
                Output::Wait(key, wait) => self.wait(key, wait),
            }
        }
    }

    /// The socket of `listener`, or any of the right family.
    fn socket_for(&self, listener: ListenerId, remote: SocketAddr) -> Option<usize> {
        let family = |bound: &Bound| bound.socket.local_addr().is_ipv4() == remote.is_ipv4();
        let sockets = &self.worker.sockets;
        sockets
            .iter()
            .position(|bound| bound.listener == listener)
            .or_else(|| sockets.iter().position(family))
    }

    fn token(&mut self, transaction: Option<TransactionId>) -> u64 {
        let Some(transaction) = transaction else {
            return 0;
        };
        let token = (self.worker.index as u64) << WORKER_SHIFT | self.next_token;
        self.next_token = (self.next_token + 1) & ((1 << WORKER_SHIFT) - 1);
        // Reports are lost where the ring is full. Timers end what is not reported.
        if self.unconfirmed.len() >= UNCONFIRMED_MAX {
            self.unconfirmed.clear();
        }
        self.unconfirmed.insert(token, transaction);
        token
    }

    /// Sends the queued datagrams, a batch a socket. `true` where the core may have more to say.
    fn flush(&mut self) -> bool {
        if self.outbox.is_empty() {
            return false;
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        let mut failed: SmallVec<[TransactionId; 4]> = SmallVec::new();
        let wires: SmallVec<[[&[u8]; 1]; 64]> =
            outbox.iter().map(|queued| [&queued.wire[..]]).collect();
        for (at, bound) in self.worker.sockets.iter_mut().enumerate() {
            let own = || {
                let all = outbox.iter().zip(&wires);
                all.filter(|(queued, _)| queued.socket == at)
            };
            let batch: SmallVec<[Outgoing<'_>; 64]> = own()
                .map(|(queued, slices)| Outgoing {
                    slices,
                    destination: queued.destination,
                    source: queued.source,
                })
                .collect();
            if batch.is_empty() {
                continue;
            }
            let report = bound.socket.send_batch(&batch);
            for fault in &report.failed {
                count(&self.worker.counters.send_errors);
                // A full buffer says nothing of the peer: the datagram is lost, and sent again as lost
                // ones are.
                if fault.fault == SendFault::Full {
                    continue;
                }
                let queued = own().nth(fault.index);
                failed.extend(queued.and_then(|(queued, _)| queued.transaction));
            }
        }
        drop(wires);
        outbox.clear();
        self.outbox = outbox;
        let now = self.worker.now();
        for transaction in &failed {
            self.worker.core.send_failed(*transaction, now);
        }
        !failed.is_empty()
    }

    fn not_sent(&mut self, transaction: Option<TransactionId>) {
        count(&self.worker.counters.send_errors);
        if let Some(transaction) = transaction {
            let now = self.worker.now();
            self.worker.core.send_failed(transaction, now);
        }
    }

    fn resolve(&mut self, lookup: Lookup) {
        let resolver = self.worker.resolver.clone();
        let owners = self.worker.owners.clone();
        let index = self.worker.index;
        let key = match &lookup.subject {
            Subject::Branch(key, _) => Some(*key),
            Subject::Ack(..) => None,
        };
        let task = self.worker.runtime.spawn(async move {
            let found = resolver
                .resolve(&lookup.host, lookup.port, lookup.transport, lookup.secure)
                .await;
            let hops = found.unwrap_or_else(|error| {
                tracing::debug!(host = %lookup.host, ?error, "no address");
                Vec::new()
            });
            owners
                .deliver(index, Inbound::Resolved(lookup.subject, hops))
                .await;
        });
        if let Some(key) = key {
            self.tasks.insert(key, task.abort_handle());
        }
    }

    fn wait(&mut self, key: Key, wait: Wait) {
        let owners = self.worker.owners.clone();
        let index = self.worker.index;
        let task = self.worker.runtime.spawn(async move {
            let awaited = tokio::time::timeout(wait.timeout, caught(wait.future)).await;
            // One that panicked says as little as one that was too slow.
            let resume = awaited.ok().flatten();
            owners
                .deliver(index, Inbound::Resumed(key, Resumed(resume)))
                .await;
        });
        self.tasks.insert(key, task.abort_handle());
    }
}

/// The worker that a stream token belongs to.
pub(crate) fn token_worker(token: u64) -> usize {
    (token >> WORKER_SHIFT) as usize
}

/// The longest sleep: a safety net, not a timer.
const IDLE: Duration = Duration::from_millis(500);
/// Messages on streams whose fate is not known, at most.
const UNCONFIRMED_MAX: usize = 1 << 16;
/// How long a worker that has nothing in progress waits for more at the end.
const LINGER: Duration = Duration::from_millis(500);
/// Datagrams of one turn after which the next one does not wait for the kernel to say that there are
/// more.
const BUSY: usize = 4;
/// Datagrams kept from one read to the next.
const DATAGRAMS: usize = 128;
/// Messages taken from the ring in one turn.
const INBOX_BATCH: usize = 256;
/// Rounds of sending in one turn.
const SEND_ROUNDS: usize = 4;
const WORKER_SHIFT: u32 = 48;
