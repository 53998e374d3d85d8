//! What it costs that a call lives on one worker: a message that arrived elsewhere goes over a ring.
//!
//! The ring and the bell are those of the proxy's workers: a bounded `tokio::sync::mpsc` and a
//! [`Sleeper`]. `docs/scaling.md` reckons with these figures.
//!
//! - `handover/none`: an INVITE is parsed and dropped where it arrived;
//! - `handover/same_thread`: and goes through a ring in between, whose owner is awake: the least that
//!   a hand-over costs, shared among both workers;
//! - `handover/busy_owner`: another thread takes it, and never sleeps;
//! - `handover/sleeping_owner`: another thread takes it, and sleeps until then: what the sender pays
//!   for the bell, and the way there and back.

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use benches::corpus;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{Limits, Message, parse};
use tokio::sync::mpsc::{self, Receiver, Sender};
use transport::{Sleeper, Waker};

/// As much as a worker's ring holds.
const RING: usize = 8192;
/// A sleep longer than any of these benches waits.
const LONG: Duration = Duration::from_secs(5);

/// A message, and as many words as say where it came from.
type Item = (Message, [u64; 9]);

fn item(wire: &Bytes) -> Item {
    let message = parse(wire.clone(), &Limits::default()).expect("an INVITE");
    (message, black_box([1; 9]))
}

/// A thread that takes what it is handed, until its ring is closed.
struct Owner {
    ring: Option<Sender<Item>>,
    bell: Waker,
    taken: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    fn new(sleeps: bool) -> Self {
        let (ring, inbox) = mpsc::channel(RING);
        let sleeper = Sleeper::new().expect("a file descriptor");
        let (bell, taken) = (sleeper.waker(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&taken);
        let thread = thread::spawn(move || take(inbox, sleeper, &count, sleeps));
        Self {
            ring: Some(ring),
            bell,
            taken,
            thread: Some(thread),
        }
    }

    /// Gives the item back where the ring is full.
    fn hand(&self, item: Item) -> Option<Item> {
        let ring = self.ring.as_ref().expect("a ring");
        let refused = ring.try_send(item).err().map(|error| error.into_inner());
        self.bell.wake();
        refused
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.ring = None;
        self.bell.wake();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the owner ends well");
        }
    }
}

fn take(mut inbox: Receiver<Item>, mut sleeper: Sleeper, taken: &AtomicU64, sleeps: bool) {
    while !(inbox.is_closed() && inbox.is_empty()) {
        while let Ok(item) = inbox.try_recv() {
            drop(black_box(item));
            taken.store(taken.load(Acquire) + 1, Release);
        }
        if sleeps {
            sleeper.sleep(std::iter::empty(), LONG, || {
                inbox.is_empty() && !inbox.is_closed()
            });
        } else {
            spin_loop();
        }
    }
}

fn handover(criterion: &mut Criterion) {
    let wire = Bytes::from_static(corpus::INVITE_1059);
    let mut group = criterion.benchmark_group("handover");
    group.throughput(Throughput::Elements(1));
    group.bench_function("none", |bencher| {
        bencher.iter(|| drop(black_box(item(&wire))));
    });
    group.bench_function("same_thread", |bencher| {
        let (ring, mut inbox) = mpsc::channel(RING);
        let bell = Sleeper::new().expect("a file descriptor").waker();
        bencher.iter(|| {
            assert!(ring.try_send(item(&wire)).is_ok());
            bell.wake();
            drop(black_box(inbox.try_recv()));
        });
    });
    group.bench_function("busy_owner", |bencher| {
        let owner = Owner::new(false);
        bencher.iter(|| {
            let mut next = Some(item(&wire));
            while let Some(item) = next {
                next = owner.hand(item);
            }
        });
    });
    group.bench_function("sleeping_owner", |bencher| {
        let owner = Owner::new(true);
        bencher.iter(|| {
            let before = owner.taken.load(Acquire);
            assert!(owner.hand(item(&wire)).is_none());
            while owner.taken.load(Acquire) == before {
                spin_loop();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, handover);
criterion_main!(benches);
