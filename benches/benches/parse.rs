//! `parse/*`: one datagram to a message. `check/*`: what routing depends on. `frame/*`: a stream.

use std::hint::black_box;

use benches::{corpus, short, torture};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sip::frame::Framer;
use sip::{Limits, Message, check_request, check_response, parse};

/// So many messages of so many bytes together.
fn messages_of(elements: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: elements as u64,
        bytes: bytes as u64,
    }
}

fn messages(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse");
    for (name, bytes) in corpus::samples() {
        // The buffer is shared as a received one is: every parse takes a reference and drops it.
        let buffer = Bytes::from(bytes);
        group.throughput(messages_of(1, buffer.len()));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| parse(black_box(&buffer).clone(), &limits));
        });
    }
    // Hard ones, most of them refused: all in one iteration.
    let hard: Vec<Bytes> = torture::messages()
        .into_iter()
        .map(|message| message.bytes.into())
        .collect();
    group.throughput(messages_of(hard.len(), hard.iter().map(Bytes::len).sum()));
    group.bench_function("torture", |bencher| {
        bencher.iter(|| {
            for buffer in &hard {
                black_box(parse(black_box(buffer).clone(), &limits)).ok();
            }
        });
    });
    group.finish();
}

fn checks(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("check");
    for (name, bytes) in corpus::samples() {
        group.throughput(messages_of(1, bytes.len()));
        let message = parse(Bytes::from(bytes), &limits).expect("the corpus is valid");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| match black_box(&message) {
                Message::Request(request) => check_request(request, &limits),
                Message::Response(response) => check_response(response, &limits),
            });
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let mut framer = Framer::new(Limits::default());
    group.throughput(messages_of(1, corpus::INVITE_1059.len()));
    group.bench_function("invite_1059", |bencher| {
        bencher.iter(|| {
            framer.push(black_box(corpus::INVITE_1059));
            framer.next_frame()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = short();
    targets = messages, checks, frames
}
criterion_main!(benches);
