//! The transaction table: what both the proxy core and a user agent stand on.

use std::collections::VecDeque;

use crate::instant::Instant;
use crate::wheel::{TimerKey, Wheel};

use super::drive::Enclosed;
use super::event::{Counters, Event};
use super::fingerprint::Printer;
use super::graveyard::Graveyard;
use super::id::{ClientId, ServerId, TransactionId};
use super::machine::{Input, ServerEvent};
use super::record::Record;
use super::running::Due;
use super::table::Table;
use super::timers::{Periods, Timers};

/// What a [`Layer`] may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    /// Live transactions; one more is refused as [`CreateError::Full`](super::CreateError::Full).
    pub transactions: usize,
    /// Finished transactions that absorb retransmissions; the oldest yields to one more.
    pub tombstones: usize,
    /// Memory of both. Tombstones yield first; then a new transaction is refused.
    pub bytes: usize,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            transactions: 100_000,
            tombstones: 1_000_000,
            bytes: 512 << 20,
        }
    }
}

/// Transactions of one worker. `P` is its user's notion of a peer: where a message goes.
///
/// Every call may queue events: drain [`Layer::poll`] after it. Ids and timer keys that are stale
/// do nothing. The user keeps what belongs to a transaction in maps of its own until
/// [`Event::Ended`], which may be queued by the very call that finishes the transaction.
///
/// ```
/// use sip::{Event, Instant, Layer, LayerLimits, Message, Received, Reply, ServerKey, Timers};
///
/// let mut layer = Layer::new(Timers::default(), LayerLimits::default(), 0x5eed);
/// let now = Instant::from_micros(1);
/// let text = "OPTIONS sip:edge.example SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\r\n";
/// let Ok(Message::Request(request)) = sip::parse(text.into(), &sip::Limits::default()) else {
///     panic!("not a request");
/// };
/// let key = ServerKey::of(&request).unwrap();
/// assert_eq!(layer.receive_request(&key, now), Received::New);
/// let id = layer.create_server(&key, "192.0.2.1:5060", false, now).unwrap();
/// layer.respond(id, 200, Reply::new(&request, 200, "OK").build().to_bytes(), now);
/// assert!(matches!(layer.poll(), Some(Event::Send { peer: "192.0.2.1:5060", .. })));
///
/// // The same request again is absorbed, and its response is on its way once more.
/// assert_eq!(layer.receive_request(&key, now), Received::Retransmission(id));
/// assert!(matches!(layer.poll(), Some(Event::Send { .. })));
/// ```
#[derive(Debug)]
pub struct Layer<P> {
    pub(super) periods: Periods,
    pub(super) limits: LayerLimits,
    pub(super) printer: Printer,
    pub(super) table: Table<Record<P>>,
    pub(super) wheel: Wheel<Due>,
    pub(super) events: VecDeque<Event<P>>,
    pub(super) graveyard: Graveyard,
    pub(super) counters: Counters,
    /// Timers that fire in this tick.
    due: Vec<Due>,
}

impl<P> Layer<P> {
    /// Memory of one transaction without its messages.
    pub(super) const RECORD_BYTES: usize =
        Table::<Record<P>>::VALUE_BYTES + Wheel::<Due>::TIMER_BYTES;
}

impl<P: Clone> Layer<P> {
    /// An empty layer. Peers choose the keys it hashes, so `seed` must be random and secret.
    pub fn new(timers: Timers, limits: LayerLimits, seed: u64) -> Self {
        Self {
            periods: Periods::new(&timers),
            limits,
            printer: Printer::new(seed),
            table: Table::new(),
            wheel: Wheel::new(),
            events: VecDeque::new(),
            graveyard: Graveyard::default(),
            counters: Counters::default(),
            due: Vec::new(),
        }
    }

    /// Gives a transaction up. A client is forgotten at once, without an event. A server stays
    /// silent from now on: it absorbs retransmissions until 64·T1 have passed.
    pub fn abandon(&mut self, id: impl Into<TransactionId>, now: Instant) {
        match id.into() {
            TransactionId::Server(id) => {
                let input = Input::server(ServerEvent::Abandon);
                self.drive(id.0, input, Enclosed::default(), now);
            }
            TransactionId::Client(id) => {
                if let Some(record) = self.table.get(id.0) {
                    self.forget(id.0, record.machine.stage());
                }
            }
        }
    }

    /// Tells the layer that a message of [`Event::Send`] could not be sent (RFC 3261 §17.1.4,
    /// §17.2.4 and RFC 6026 §7.1).
    pub fn transport_error(&mut self, id: impl Into<TransactionId>, now: Instant) {
        let (TransactionId::Server(ServerId(key)) | TransactionId::Client(ClientId(key))) =
            id.into();
        self.drive(key, Input::TRANSPORT_ERROR, Enclosed::default(), now);
    }

    /// Lets [`Event::Timer`] with `token` come at `at`, at most 10 ms late.
    ///
    /// The layer does not bound these: their number must follow from something that is bounded.
    pub fn schedule(&mut self, at: Instant, token: u64) -> TimerKey {
        self.wheel.insert(at, Due::User(token))
    }

    /// Takes a timer of [`Layer::schedule`] back. False if it has fired: its event may be queued.
    pub fn unschedule(&mut self, key: TimerKey) -> bool {
        self.wheel.cancel(key).is_some()
    }

    /// Moves time on to `now` and does what is due.
    pub fn tick(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now, &mut |timer| due.push(timer));
        let touched = due.iter().fold(0, |touched, timer| match timer {
            Due::Transaction(key) => touched ^ self.table.touch(*key, Record::touch),
            Due::User(_) => touched,
        });
        std::hint::black_box(touched);
        for timer in due.drain(..) {
            match timer {
                Due::User(token) => self.events.push_back(Event::Timer(token)),
                Due::Transaction(key) => self.fire(key, now),
            }
        }
        self.due = due;
        if self.counters.live + self.counters.tombstones == 0 {
            self.release();
        }
    }

    /// When [`Layer::tick`] is due at the latest; it may then find nothing to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// The next thing to do or to know.
    pub fn poll(&mut self) -> Option<Event<P>> {
        self.events.pop_front()
    }

    /// What the layer holds and saw.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Gives the memory of a past burst back.
    fn release(&mut self) {
        self.table.release_if_empty();
        self.due.shrink_to(IDLE_CAPACITY);
        self.events.shrink_to(IDLE_CAPACITY.max(self.events.len()));
    }
}

/// Elements that an idle queue may keep room for.
const IDLE_CAPACITY: usize = 1024;
