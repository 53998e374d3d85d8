//! Which worker owns a call, and the rings by which others hand it what belongs to that call.

use std::hash::BuildHasher;
use std::sync::Arc;

use bytes::Bytes;
use filters::Resume;
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use sip::{HeaderName, Message, ParseError};
use tokio::sync::mpsc;
use transport::{Flow, Hop, Waker};

use crate::exchange::Key;
use crate::pipeline::Subject;
use crate::plan::Plan;

/// What reaches a worker from outside its own sockets.
// A message is moved into the ring once and out of it once; a box would be an allocation a message.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub(crate) enum Inbound {
    /// The connection could not be used for the message with this token.
    Failed(u64),
    /// A stream held something that is no message.
    Malformed(Flow, Bytes, ParseError),
    /// A message of a call that this worker owns.
    Message(Flow, Message),
    /// Another configuration.
    Plan(Arc<Plan>),
    /// Addresses that the core asked for.
    Resolved(Subject, Vec<Hop>),
    /// A filter's future has ended, or was too slow.
    Resumed(Key, Resumed),
    /// The message with this token is with the kernel.
    Sent(u64),
    /// A datagram of ours reached nobody; its first bytes.
    Unreachable(Bytes),
}

/// How a filter's future ended.
pub(crate) struct Resumed(pub Option<Resume>);

impl std::fmt::Debug for Resumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "ready" } else { "expired" })
    }
}

/// The way to one worker from any other thread.
#[derive(Clone)]
pub(crate) struct Ring {
    /// What it has to take.
    pub sender: mpsc::Sender<Inbound>,
    /// Wakes it to take it.
    pub waker: Waker,
}

/// Who owns which call, and the rings to the owners.
#[derive(Clone)]
pub(crate) struct Owners {
    rings: Arc<[Ring]>,
    hasher: SeedableRandomState,
}

impl Owners {
    /// Rings in the order of the workers, and a seed that no sender knows.
    pub(crate) fn new(rings: Vec<Ring>, seed: u64) -> Self {
        Self {
            rings: rings.into(),
            hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_random()),
        }
    }

    /// The worker that owns the call of `message`.
    pub(crate) fn owner(&self, message: &Message) -> usize {
        let call_id = message.headers().first(HeaderName::CallId);
        self.owner_of(call_id.unwrap_or_default())
    }

    /// The worker that owns the call with this Call-ID.
    pub(crate) fn owner_of(&self, call_id: &[u8]) -> usize {
        if self.rings.len() <= 1 {
            return 0;
        }
        (self.hasher.hash_one(call_id) % self.rings.len() as u64) as usize
    }

    /// Hands `inbound` to a worker. `false` where its ring is full: it is lost, as a datagram may be.
    pub(crate) fn hand(&self, worker: usize, inbound: Inbound) -> bool {
        let Some(ring) = self.rings.get(worker) else {
            return false;
        };
        let handed = ring.sender.try_send(inbound).is_ok();
        ring.waker.wake();
        handed
    }

    /// Hands `inbound` to a worker, and waits for room: what is told here must not be lost.
    pub(crate) async fn deliver(&self, worker: usize, inbound: Inbound) {
        let Some(ring) = self.rings.get(worker) else {
            return;
        };
        if ring.sender.send(inbound).await.is_err() {
            tracing::trace!("the worker has ended");
        }
        ring.waker.wake();
    }

    /// [`Owners::deliver`] to every worker.
    pub(crate) async fn tell_all(&self, inbound: impl Fn() -> Inbound) {
        for worker in 0..self.rings.len() {
            self.deliver(worker, inbound()).await;
        }
    }

    /// Has every worker look at what has changed.
    pub(crate) fn wake_all(&self) {
        for ring in self.rings.iter() {
            ring.waker.wake();
        }
    }
}

/// Messages that wait for a worker at most.
pub(crate) const RING: usize = 8192;
