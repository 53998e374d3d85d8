//! One request on its way: what the pipeline remembers between its arrival and its last response.

use std::collections::VecDeque;
use std::sync::Arc;

use filters::{Chain, Context};
use sip::{ClientId, Instant, Method, Request, ServerId, TimerKey};
use slab::Slab;
use smallvec::SmallVec;
use transport::{Flow, Hop};

use crate::best::Answer;
use crate::plan::Plan;
use crate::router::{Aim, Aims};

/// The response context of RFC 3261 §16.7: a request, its branches, and the answers so far.
#[derive(Debug)]
pub struct Exchange {
    /// The snapshot that the request began with.
    pub plan: Arc<Plan>,
    /// The chain that it runs through.
    pub chain: Arc<Chain>,
    /// What its filters know.
    pub cx: Context,
    /// The request as the chain left it; gone once no branch can need it any more.
    pub request: Option<Box<Request>>,
    /// Its method.
    pub method: Method,
    /// The transaction towards the sender.
    pub server: ServerId,
    /// Where it came from.
    pub ingress: Flow,
    /// What its Route headers said about us.
    pub own_route: crate::forward::OwnRoute,
    /// Its loop-detection hash as received.
    pub loop_hash: u64,
    /// Aims not yet tried.
    pub aims: VecDeque<Aim>,
    /// Branches, tried in this order.
    pub branches: SmallVec<[Branch; 1]>,
    /// Final answers below 200s of branches that ended, in order.
    pub answers: Vec<Answer>,
    /// When it arrived.
    pub started: Instant,
    /// Whether the sender cancelled it.
    pub cancelled: bool,
    /// Whether a final response went to the sender.
    pub finished: bool,
    /// Whether a filter's future or a name look-up is under way.
    pub waiting: Option<Waiting>,
    /// Tells this exchange from earlier ones in the same slot.
    pub generation: u32,
}

/// What an exchange waits for outside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The future of a filter.
    Filter,
    /// The addresses of the branch with this index.
    Name(usize),
}

/// One attempt to deliver the request to one aim.
#[derive(Debug)]
pub struct Branch {
    /// Where it goes.
    pub aim: Aim,
    /// The request with the edits of this branch; Via and Record-Route are added per hop.
    pub request: Option<Box<Request>>,
    /// Addresses not yet tried.
    pub hops: VecDeque<Hop>,
    /// The address tried last.
    pub hop: Option<Hop>,
    /// The transaction towards it, while it lives.
    pub client: Option<ClientId>,
    /// Whether a provisional response came.
    pub provisional: bool,
    /// Whether it has its final answer, or will have none.
    pub done: bool,
    /// Silence timer or Timer C.
    pub timer: Option<TimerKey>,
}

impl Branch {
    /// A branch to `aim` that has not been sent.
    pub fn new(aim: Aim, request: Box<Request>) -> Self {
        Self {
            aim,
            request: Some(request),
            hops: VecDeque::new(),
            hop: None,
            client: None,
            provisional: false,
            done: false,
            timer: None,
        }
    }
}

impl Exchange {
    /// Whether a branch still waits for its final answer.
    pub fn is_pending(&self) -> bool {
        self.branches.iter().any(|branch| !branch.done)
    }

    /// Puts `aims` where [`Exchange::aims`] are taken from.
    pub fn aim_at(&mut self, aims: Aims) {
        self.aims = aims.into_iter().take(AIMS_MAX).collect();
    }
}

/// Names one exchange; stale keys find nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The slot.
    pub index: u32,
    /// The exchange in the slot.
    pub generation: u32,
}

impl Key {
    /// The key as one number of 48 bits, for branches and timers.
    pub fn pack(self) -> u64 {
        u64::from(self.index) << GENERATION_BITS | u64::from(self.generation)
    }

    /// Reads [`Key::pack`].
    pub fn unpack(number: u64) -> Self {
        Self {
            index: (number >> GENERATION_BITS) as u32,
            generation: number as u32 & GENERATION_MASK,
        }
    }
}

/// The exchanges of one worker.
#[derive(Debug, Default)]
pub struct Exchanges {
    slots: Slab<Exchange>,
    generation: u32,
}

impl Exchanges {
    /// Keeps `exchange` and names it.
    pub fn insert(&mut self, mut exchange: Exchange) -> Key {
        self.generation = self.generation.wrapping_add(1) & GENERATION_MASK;
        exchange.generation = self.generation;
        Key {
            index: self.slots.insert(exchange) as u32,
            generation: self.generation,
        }
    }

    /// The exchange, while it lives.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Exchange> {
        let exchange = self.slots.get_mut(key.index as usize)?;
        (exchange.generation == key.generation).then_some(exchange)
    }

    /// Forgets the exchange.
    pub fn remove(&mut self, key: Key) -> Option<Exchange> {
        self.get_mut(key)?;
        self.slots.try_remove(key.index as usize)
    }

    /// Exchanges that live.
    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

/// Targets tried for one request at most (branches of the peers: 12).
pub const AIMS_MAX: usize = 12;

const GENERATION_BITS: u32 = 24;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
