//! `parse/*`: one datagram to a message.

use std::hint::black_box;

use benches::corpus;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sip::{Limits, parse};

fn messages(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse");
    let large = corpus::invite_identity();
    let samples = corpus::SAMPLES
        .iter()
        .map(|sample| (sample.name, sample.bytes))
        .chain([("invite_identity", &*large)]);
    for (name, bytes) in samples {
        // The buffer is shared as a received one is: every parse takes a reference and drops it.
        let buffer = Bytes::copy_from_slice(bytes);
        group.throughput(Throughput::ElementsAndBytes {
            elements: 1,
            bytes: bytes.len() as u64,
        });
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| parse(black_box(&buffer).clone(), &limits));
        });
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
