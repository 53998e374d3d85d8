//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::events::SendFailure;

/// A message on its way out. Keep-alive answers have no token: nobody waits to hear of them.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) bytes: Bytes,
    pub(super) token: Option<u64>,
}

impl Queued {
    /// Bytes on the wire and in the queue, so that many tiny messages are not free.
    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY
    }
}

/// The bytes that wait on all connections together.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.limit;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "given back more than was taken");
    }
}

/// The queue of one connection. A message in it is either written and popped, or drained when the
/// connection ends.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// There is something to write, or the queue was closed.
    filled: Notify,
    /// Nothing more is to be written.
    killed: Notify,
    budget: Arc<Budget>,
    limit: usize,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Queued>,
    bytes: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The connection is being established: a queue that fills up is nobody's fault.
    Connecting,
    Open,
    /// What is there will be written, nothing is added.
    Closing,
    Dead,
}

/// What the writer shall do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Write these, then [`Outbox::pop`] as many.
    Write(SmallVec<[Bytes; 4]>),
    Wait,
    /// All is written and nothing will follow.
    Finish,
    /// The reader is too slow: write no more.
    GiveUp,
}

impl Outbox {
    pub(super) fn new(limit: usize, budget: Arc<Budget>) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bytes: 0,
                phase: Phase::Connecting,
            }),
            filled: Notify::new(),
            killed: Notify::new(),
            budget,
            limit,
        }
    }

    /// The connection is established.
    pub(super) fn open(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Connecting {
            state.phase = Phase::Open;
        }
    }

    /// Adds a message, or gives it back. A reader that lets its queue fill up loses the connection.
    pub(super) fn push(&self, message: Queued) -> Result<(), (Queued, SendFailure)> {
        let cost = message.cost();
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Connecting | Phase::Open) {
            return Err((message, SendFailure::Closed));
        }
        let over = state.bytes + cost > self.limit;
        if !over && self.budget.take(cost) {
            state.bytes += cost;
            state.queue.push_back(message);
            drop(state);
            self.filled.notify_one();
            return Ok(());
        }
        // With all queues together full, whoever has a backlog is one of the slow ones.
        if state.phase == Phase::Open && state.bytes > 0 {
            state.phase = Phase::Dead;
            drop(state);
            self.killed.notify_one();
            return Err((message, SendFailure::SlowReader));
        }
        Err((message, SendFailure::Full))
    }

    /// Takes no more messages; the writer finishes with what is there.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Connecting | Phase::Open) {
            state.phase = Phase::Closing;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// What to write next: messages are copied out, not removed, so that they are accounted for if
    /// writing fails.
    pub(super) fn work(&self) -> Work {
        let state = self.lock();
        let mut bytes = 0;
        let messages: SmallVec<[Bytes; 4]> = state
            .queue
            .iter()
            .take(WRITE_BATCH)
            .take_while(|message| {
                let fits = bytes < WRITE_BYTES;
                bytes += message.bytes.len();
                fits
            })
            .map(|message| message.bytes.clone())
            .collect();
        match state.phase {
            Phase::Dead => Work::GiveUp,
            _ if !messages.is_empty() => Work::Write(messages),
            Phase::Closing => Work::Finish,
            Phase::Connecting | Phase::Open => Work::Wait,
        }
    }

    /// The first `count` messages were written: their tokens.
    pub(super) fn pop(&self, count: usize) -> SmallVec<[u64; 4]> {
        let mut state = self.lock();
        let count = count.min(state.queue.len());
        let mut tokens = SmallVec::new();
        let mut freed = 0;
        for message in state.queue.drain(..count) {
            freed += message.cost();
            tokens.extend(message.token);
        }
        state.bytes -= freed;
        self.budget.give_back(freed);
        tokens
    }

    /// Ends the queue: what was not written.
    pub(super) fn drain(&self) -> VecDeque<Queued> {
        let mut state = self.lock();
        state.phase = Phase::Dead;
        self.budget.give_back(state.bytes);
        state.bytes = 0;
        std::mem::take(&mut state.queue)
    }

    /// Waits for a change after [`Work::Wait`]. Cancel safe; one waiter.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Waits until the connection has to be given up. Cancel safe; one waiter.
    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock; if it did, the state would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.drain();
    }
}

/// Messages that are written before one flush.
const WRITE_BATCH: usize = 16;

/// Bytes after which no further message joins a batch.
const WRITE_BYTES: usize = 64 << 10;

/// What a queue entry costs beside its bytes.
const ENTRY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize, token: u64) -> Queued {
        Queued {
            bytes: Bytes::from(vec![b'x'; length]),
            token: Some(token),
        }
    }

    #[test]
    fn a_reader_that_does_not_read_is_given_up() {
        let budget = Budget::new(1 << 20);
        let outbox = Outbox::new(1_000, budget.clone());
        outbox.open();
        outbox.push(message(500, 1)).expect("room");
        let (_, failure) = outbox.push(message(500, 2)).expect_err("no room");
        assert_eq!(failure, SendFailure::SlowReader);
        assert_eq!(outbox.work(), Work::GiveUp);
        assert_eq!(outbox.drain().len(), 1);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_queue_that_fills_before_the_connection_is_up_is_only_full() {
        let outbox = Outbox::new(1_000, Budget::new(1 << 20));
        outbox.push(message(500, 1)).expect("room");
        assert_eq!(
            outbox.push(message(500, 2)).expect_err("no room").1,
            SendFailure::Full
        );
        outbox.open();
        assert!(matches!(outbox.work(), Work::Write(messages) if messages.len() == 1));
    }

    #[test]
    fn the_total_is_bounded_over_all_connections() {
        let budget = Budget::new(1_000);
        let (first, second) = (
            Outbox::new(900, budget.clone()),
            Outbox::new(900, budget.clone()),
        );
        first.open();
        second.open();
        first.push(message(700, 1)).expect("room");
        assert_eq!(
            second.push(message(700, 2)).expect_err("no room").1,
            SendFailure::Full
        );
        assert_eq!(first.pop(1).as_slice(), [1]);
        second.push(message(700, 3)).expect("room again");
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn closing_writes_what_is_there_and_takes_nothing_more() {
        let outbox = Outbox::new(1_000, Budget::new(1 << 20));
        outbox.open();
        outbox.push(message(10, 1)).expect("room");
        outbox.close();
        assert_eq!(
            outbox.push(message(10, 2)).expect_err("closed").1,
            SendFailure::Closed
        );
        assert!(matches!(outbox.work(), Work::Write(_)));
        outbox.pop(1);
        assert_eq!(outbox.work(), Work::Finish);
    }
}
