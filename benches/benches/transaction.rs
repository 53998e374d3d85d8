//! `transaction/*` and `growth/*`: calls through the transaction layer, without parsing and sockets.
//!
//! One iteration is one transaction from its first message to its very end, or the server and the
//! client transaction of one proxied request (`invite`, `other`):
//!
//! | | server | client |
//! |---|---|---|
//! | INVITE | match, create, 100, 180, 200 | create, match 100, 180, 200 |
//! | other | match, create, 200 | create, match 200 |
//!
//! with all events polled, `tick` and `next_deadline` as a worker's turn calls them, and each message
//! handed over as a reference to a shared buffer. Nothing is left for later:
//!
//! - `transaction/*` is the steady state of 1,000 a second: every iteration moves the clock by 1 ms
//!   and pays for the timers of what came before, the end of a tombstone of 32 s ago included. Up to
//!   64,000 tombstones are there;
//! - `alone/*` has nothing else in the table and ends its own tombstones by a clock that jumps;
//! - `growth/beside_N` is `alone/invite` beside N calls in progress, which stay;
//! - `growth/rolling_N` begins a call and answers the oldest of N at 1,000 a second, so that each
//!   transaction is met again after N others.

use std::time::Duration;

use benches::transaction::{Calls, Load, WORKS};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Longer than any timer of a finished transaction.
const TO_THE_END: Duration = Duration::from_secs(33);
const GROWTH: [usize; 3] = [10, 1_000, 100_000];

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transaction");
    group.throughput(Throughput::Elements(1));
    for (name, work) in WORKS {
        let mut load = Load::default();
        let ms = Duration::from_millis(1);
        // Until the first tombstones have ended.
        for _ in 0..40_000 {
            load.turn(ms, work);
        }
        group.bench_function(name, |bencher| bencher.iter(|| load.turn(ms, work)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("alone");
    for (name, work) in WORKS {
        let mut load = Load::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| load.turn(TO_THE_END, work));
        });
    }
    group.finish();
}

fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("growth");
    let [(_, invite), ..] = WORKS;
    for ringing in GROWTH {
        let mut load = Calls::new(ringing).load;
        group.bench_function(format!("beside_{ringing}"), |bencher| {
            bencher.iter(|| load.turn(TO_THE_END, invite));
        });
    }
    for ringing in GROWTH {
        let mut calls = Calls::new(ringing);
        let mut turn = || {
            calls.load.advance(Duration::from_millis(1));
            calls.begin();
            calls.answer();
        };
        for _ in 0..40_000 {
            turn();
        }
        group.bench_function(format!("rolling_{ringing}"), |bencher| {
            bencher.iter(&mut turn);
        });
    }
    group.finish();
}

criterion_group!(benches, transactions, growth);
criterion_main!(benches);
