//! `call/*`: complete calls through a core. `call_count` has what they cost in instructions and memory.

use std::time::{Duration, Instant};

use benches::call::{CONFIG, Call, Edge};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Calls that ring while others are measured.
const IN_PROGRESS: [u64; 3] = [10, 1_000, 100_000];
/// One call a millisecond: as many finished ones are remembered as at that rate.
const BETWEEN: Duration = Duration::from_millis(1);

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for in_progress in IN_PROGRESS {
        let mut edge = Edge::new(CONFIG);
        for number in 0..in_progress {
            Call::new(number).ring(&mut edge);
        }
        let mut number = in_progress;
        group.bench_function(format!("in_progress_{in_progress}"), |bencher| {
            bencher.iter_custom(|calls| {
                let mut spent = Duration::ZERO;
                for _ in 0..calls {
                    spent += timed(&mut edge, number);
                    number += 1;
                }
                spent
            });
        });
    }
    group.finish();
}

/// How long the core worked on one call; what its two ends do is left out.
fn timed(edge: &mut Edge, number: u64) -> Duration {
    let mut call = Call::new(number);
    let mut spent = Duration::ZERO;
    for step in benches::call::Step::ALL {
        let bytes = call.datagram(step);
        let start = Instant::now();
        edge.step(step, bytes);
        spent += start.elapsed();
        call.heard(step, edge.sent());
    }
    let start = Instant::now();
    edge.pass(BETWEEN);
    spent + start.elapsed()
}

criterion_group!(benches, calls);
criterion_main!(benches);
