//! One request on its way: what the pipeline remembers between its arrival and its last response.

use std::collections::VecDeque;
use std::sync::Arc;

use filters::{Chain, Context};
use sip::{ClientId, Essence, Instant, Method, Request, ServerId, TimerKey};
use smallvec::SmallVec;
use transport::{Flow, Hop, ListenerId};

use crate::best::Answer;
use crate::forward::OwnRoute;
use crate::kept::Kept;
use crate::pipeline::Peer;
use crate::plan::Plan;
use crate::router::{Aim, Aims};

/// What is known of a request that was let in (RFC 3261 §16.3, §16.4).
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The snapshot that it began with.
    pub(crate) plan: Arc<Plan>,
    /// The chain that it runs through.
    pub(crate) chain: Arc<Chain>,
    /// What its filters know.
    pub(crate) cx: Context,
    /// Where it came from.
    pub(crate) flow: Flow,
    /// The listener that stands for that; never [`ListenerId::OUTBOUND`].
    pub(crate) listener: ListenerId,
    /// What its Route headers said about us.
    pub(crate) own_route: OwnRoute,
    /// Whether the side that formed the dialog sent it, where it is in one.
    pub(crate) from_caller: bool,
    /// Its loop-detection hash as received.
    pub(crate) loop_hash: u64,
    /// Its Request-URI as received; an exchange has it in [`Kept`] too.
    pub(crate) ruri: SmallVec<[u8; 96]>,
    /// When.
    pub(crate) at: Instant,
}

impl Arrival {
    /// Whether its sender is a side of a dialog that is reached by its flow.
    pub(crate) fn by_way_back(&self) -> bool {
        let OwnRoute::Dialog(token) = self.own_route else {
            return false;
        };
        let side = match self.from_caller {
            true => token.caller,
            false => token.callee,
        };
        self.cx.facts.in_dialog && side.by_flow
    }
}

/// The response context of RFC 3261 §16.7: a request, its branches, and the answers so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// How the request came in.
    pub(crate) arrival: Arrival,
    /// The request as the chain left it, while another branch may be made of it.
    pub(crate) request: Option<Box<Request>>,
    /// What our own answers are made of; empty once there is none to make any more.
    pub(crate) kept: Kept,
    /// Its method.
    pub(crate) method: Method,
    /// The hash of its From tag, where it may form a dialog.
    pub(crate) caller_tag: u32,
    /// The transaction towards the sender.
    pub(crate) server: ServerId,
    /// Where its responses go.
    pub(crate) reply_to: Peer,
    /// Aims not yet tried.
    pub(crate) aims: VecDeque<Aim>,
    /// Branches, tried in this order.
    pub(crate) branches: SmallVec<[Branch; 1]>,
    /// Final answers below 200s, in order.
    pub(crate) answers: Vec<Answer>,
    /// Client transactions that may still have something to say.
    pub(crate) attempts: u32,
    /// Whether the sender cancelled it.
    pub(crate) cancelled: bool,
    /// Whether a final response went to the sender, or none ever will.
    pub(crate) finished: bool,
    /// Whether a filter's future or a name look-up is under way.
    pub(crate) waiting: Option<Waiting>,
}

/// What an exchange waits for outside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The future of a filter.
    Filter,
    /// The addresses of the branch with this index.
    Name(usize),
}

/// The delivery of the request to one aim: at most one attempt at a time, each to one address.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Where it goes.
    pub(crate) aim: Aim,
    /// Whether that is an executor.
    pub(crate) executor: bool,
    /// The request with the edits of this branch, while another address may need it; Via and
    /// Record-Route are added per attempt.
    pub(crate) request: Option<Box<Request>>,
    /// Addresses not yet tried.
    pub(crate) hops: VecDeque<Hop>,
    /// Whether the first of these is that of the attempt at hand, which is too long for UDP: it goes by
    /// UDP all the same where TCP does not reach it (RFC 3261 §18.1.1).
    pub(crate) fallback: bool,
    /// Whether the attempt at hand is such a second one.
    pub(crate) by_udp: bool,
    /// The transaction of the attempt at hand.
    pub(crate) client: Option<ClientId>,
    /// What that needs of its INVITE once it rings; taken by then.
    pub(crate) essence: Option<Essence>,
    /// The random part of that attempt's Via branch.
    pub(crate) mark: u64,
    /// Attempts made, to tell the timers of one from those of another.
    pub(crate) attempt: u8,
    /// Whether that attempt had a provisional response.
    pub(crate) provisional: bool,
    /// Whether Timer C ended it: its final response is awaited, and counts as 408 (§16.8).
    pub(crate) expired: bool,
    /// Whether it has its final answer, or will have none.
    pub(crate) done: bool,
    /// Silence timer or Timer C.
    pub(crate) timer: Option<TimerKey>,
}

impl Branch {
    /// A branch to `aim` that has not been sent.
    pub(crate) fn new(aim: Aim) -> Self {
        Self {
            executor: aim.domain.is_some(),
            aim,
            request: None,
            hops: VecDeque::new(),
            fallback: false,
            by_udp: false,
            client: None,
            essence: None,
            mark: 0,
            attempt: 0,
            provisional: false,
            expired: false,
            done: false,
            timer: None,
        }
    }

    /// The peer was reached by TCP: it is not asked by UDP as well.
    pub(crate) fn forget_fallback(&mut self) {
        if std::mem::take(&mut self.fallback) {
            self.hops.pop_front();
            if self.hops.is_empty() {
                self.request = None;
            }
        }
    }

    /// The request for the next attempt: a copy while further addresses may need it again.
    pub(crate) fn next_request(&mut self) -> Option<Box<Request>> {
        if self.hops.is_empty() {
            self.request.take()
        } else {
            self.request.clone()
        }
    }
}

impl Exchange {
    /// Whether a branch goes to an executor.
    pub(crate) fn is_executor(&self, branch: Option<usize>) -> bool {
        let branch = branch.and_then(|index| self.branches.get(index));
        branch.is_some_and(|branch| branch.executor)
    }

    /// An exchange that has not been sent anywhere.
    pub(crate) fn new(arrival: Arrival, kept: Kept, server: ServerId, reply_to: Peer) -> Self {
        Self {
            method: arrival.cx.facts.method,
            arrival,
            request: None,
            kept,
            caller_tag: 0,
            server,
            reply_to,
            aims: VecDeque::new(),
            branches: SmallVec::new(),
            answers: Vec::new(),
            attempts: 0,
            cancelled: false,
            finished: false,
            waiting: None,
        }
    }

    /// Whether a branch still waits for its final answer.
    pub(crate) fn is_pending(&self) -> bool {
        self.branches.iter().any(|branch| !branch.done)
    }

    /// Whether at most the last branch waits for anything, as it is where they are tried in order.
    fn is_in_order(&self) -> bool {
        let mut earlier = self.branches.iter().rev().skip(1);
        earlier.all(|branch| branch.done)
    }

    /// Whether nothing is left to be tried: what comes now are responses, timers and the end.
    pub(crate) fn is_settled(&self) -> bool {
        let sent = |branch: &Branch| branch.request.is_none() && branch.hops.is_empty();
        let waits = self.waiting.is_some() || self.request.is_some();
        let tried = self.aims.is_empty() && self.answers.is_empty();
        !waits
            && tried
            && !self.branches.is_empty()
            && self.branches.iter().all(sent)
            && !(self.finished && self.is_pending())
            && self.is_in_order()
    }

    /// Takes the first of `aims`, and keeps the rest for [`Exchange::aims`].
    pub(crate) fn aim_at(&mut self, aims: Aims) -> Option<Aim> {
        let mut aims = aims.into_iter().take(AIMS_MAX);
        let first = aims.next();
        self.aims = aims.collect();
        first
    }

    /// The request for the next branch: a copy while yet another one may be made of it.
    pub(crate) fn next_request(&mut self) -> Option<Box<Request>> {
        if self.aims.is_empty() {
            self.request.take()
        } else {
            self.request.clone()
        }
    }

    /// Nothing new is tried any more.
    pub(crate) fn stop_trying(&mut self) {
        self.aims.clear();
        for branch in &mut self.branches {
            branch.hops.clear();
            branch.fallback = false;
            branch.done |= branch.client.is_none();
        }
    }
}

/// Names one exchange; stale keys find nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(crate) index: u32,
    /// 24 bits.
    pub(crate) generation: u32,
}

impl Key {
    /// The key of no exchange.
    pub(crate) const NOBODY: Self = Self {
        index: 0,
        generation: 0,
    };

    /// The key as one number of 48 bits, for branches and timers.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.index) << GENERATION_BITS | u64::from(self.generation)
    }

    /// Reads [`Key::pack`].
    pub(crate) fn unpack(number: u64) -> Self {
        Self {
            index: (number >> GENERATION_BITS) as u32,
            generation: number as u32 & GENERATION_MASK,
        }
    }
}

/// Targets tried for one request at most (branches of the peers: 12).
pub(crate) const AIMS_MAX: usize = 12;

const GENERATION_BITS: u32 = 24;
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
