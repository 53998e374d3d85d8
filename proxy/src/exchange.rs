//! One request on its way: what the pipeline remembers between its arrival and its last response.

use std::collections::VecDeque;
use std::sync::Arc;

use filters::{Chain, Context};
use sip::{ClientId, Instant, Method, Request, ServerId, TimerKey};
use slab::Slab;
use smallvec::SmallVec;
use transport::{Flow, Hop, ListenerId};

use crate::best::Answer;
use crate::forward::OwnRoute;
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
    /// Its loop-detection hash as received.
    pub(crate) loop_hash: u64,
    /// Its Request-URI as received.
    pub(crate) ruri: SmallVec<[u8; 96]>,
    /// When.
    pub(crate) at: Instant,
}

/// The response context of RFC 3261 §16.7: a request, its branches, and the answers so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// How the request came in.
    pub(crate) arrival: Arrival,
    /// The request as the chain left it; gone once no branch can need it any more.
    pub(crate) request: Option<Box<Request>>,
    /// Its method.
    pub(crate) method: Method,
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
    /// Tells this exchange from earlier ones in the same slot.
    generation: u32,
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
    /// The request with the edits of this branch; Via and Record-Route are added per attempt.
    pub(crate) request: Option<Box<Request>>,
    /// Addresses not yet tried.
    pub(crate) hops: VecDeque<Hop>,
    /// The transaction of the attempt at hand.
    pub(crate) client: Option<ClientId>,
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
    pub(crate) fn new(aim: Aim, request: Box<Request>) -> Self {
        Self {
            aim,
            request: Some(request),
            hops: VecDeque::new(),
            client: None,
            mark: 0,
            attempt: 0,
            provisional: false,
            expired: false,
            done: false,
            timer: None,
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
    /// An exchange that has not been sent anywhere.
    pub(crate) fn new(
        arrival: Arrival,
        request: Request,
        server: ServerId,
        reply_to: Peer,
    ) -> Self {
        Self {
            arrival,
            method: request.method(),
            request: Some(Box::new(request)),
            server,
            reply_to,
            aims: VecDeque::new(),
            branches: SmallVec::new(),
            answers: Vec::new(),
            attempts: 0,
            cancelled: false,
            finished: false,
            waiting: None,
            generation: 0,
        }
    }

    /// Whether a branch still waits for its final answer.
    pub(crate) fn is_pending(&self) -> bool {
        self.branches.iter().any(|branch| !branch.done)
    }

    /// Puts `aims` where [`Exchange::aims`] are taken from.
    pub(crate) fn aim_at(&mut self, aims: Aims) {
        self.aims = aims.into_iter().take(AIMS_MAX).collect();
    }

    /// Nothing new is tried any more.
    pub(crate) fn stop_trying(&mut self) {
        self.aims.clear();
        for branch in &mut self.branches {
            branch.hops.clear();
            branch.done |= branch.client.is_none();
        }
    }
}

/// Names one exchange; stale keys find nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
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

/// The exchanges of one worker. Their number is bounded by that of transactions: each has one
/// towards its sender, or lives for those towards its targets.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    slots: Slab<Exchange>,
    generation: u32,
}

impl Exchanges {
    /// Keeps `exchange` and names it.
    pub(crate) fn insert(&mut self, mut exchange: Exchange) -> Key {
        // 0 is left out: it is the generation of [`Key::NOBODY`].
        self.generation = (self.generation + 1) & GENERATION_MASK;
        self.generation += u32::from(self.generation == 0);
        exchange.generation = self.generation;
        Key {
            index: self.slots.insert(exchange) as u32,
            generation: self.generation,
        }
    }

    /// The exchange, while it lives.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Exchange> {
        let exchange = self.slots.get_mut(key.index as usize)?;
        (exchange.generation == key.generation).then_some(exchange)
    }

    /// Forgets the exchange.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Exchange> {
        self.get_mut(key)?;
        self.slots.try_remove(key.index as usize)
    }

    /// Exchanges whose sender waits for a final response.
    pub(crate) fn unfinished(&self) -> Vec<Key> {
        let waiting = self.slots.iter().filter(|(_, exchange)| !exchange.finished);
        let key = |(index, exchange): (usize, &Exchange)| Key {
            index: index as u32,
            generation: exchange.generation,
        };
        waiting.map(key).collect()
    }

    /// Exchanges that live.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

/// Targets tried for one request at most (branches of the peers: 12).
pub(crate) const AIMS_MAX: usize = 12;

const GENERATION_BITS: u32 = 24;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
