//! `parse/*`: one datagram to a message. `check/*`: what routing depends on. `frame/*`: a stream.

use std::hint::black_box;

use benches::corpus;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sip::frame::Framer;
use sip::{Limits, Message, check_request, parse};

/// One message of so many bytes.
fn message_of(bytes: &[u8]) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: 1,
        bytes: bytes.len() as u64,
    }
}

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
        group.throughput(message_of(bytes));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| parse(black_box(&buffer).clone(), &limits));
        });
    }
    group.finish();
}

fn checks(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("check");
    let Ok(Message::Request(invite)) = parse(Bytes::from_static(corpus::INVITE_1K), &limits) else {
        panic!("the corpus is valid");
    };
    group.throughput(message_of(corpus::INVITE_1K));
    group.bench_function("invite_1k", |bencher| {
        bencher.iter(|| check_request(black_box(&invite), &limits));
    });
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let mut framer = Framer::new(Limits::default());
    group.throughput(message_of(corpus::INVITE_1K));
    group.bench_function("invite_1k", |bencher| {
        bencher.iter(|| {
            framer.push(black_box(corpus::INVITE_1K));
            framer.next_frame()
        });
    });
    group.finish();
}

criterion_group!(benches, messages, checks, frames);
criterion_main!(benches);
