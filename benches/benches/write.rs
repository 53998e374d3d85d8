//! `forward/*`: datagram in, edited, ready to send. `reply/*`: an answer. `write/*`: the parts.

use std::hint::black_box;

use benches::{corpus, forward, forward_message, short};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sip::{Limits, Message, Reply, Request, Slices, parse};

fn message_of(bytes: &[u8]) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: 1,
        bytes: bytes.len() as u64,
    }
}

/// Parse, Via, Record-Route, Max-Forwards, three X- rules, and the list of pieces that `sendmmsg`
/// gets; of a response, what a proxy does to one.
fn forwards(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("forward");
    for (name, bytes) in corpus::samples() {
        let buffer = Bytes::from(bytes);
        group.throughput(message_of(&buffer));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let mut message = parse(black_box(&buffer).clone(), &limits).expect("valid");
                forward_message(&mut message).expect("the corpus can be forwarded");
                let mut slices = Slices::new();
                message.gather(&mut slices);
                black_box(slices.len())
            });
        });
    }
    group.finish();
}

/// A 404 with its own To-tag, built and written.
fn replies(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("reply");
    for (name, bytes) in corpus::samples() {
        group.throughput(message_of(&bytes));
        let Ok(Message::Request(received)) = parse(Bytes::from(bytes), &limits) else {
            continue; // Nobody answers a response.
        };
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let reply = Reply::new(black_box(&received), 404, "Not Found");
                reply.to_tag(b"1b2c3d4e").build().to_bytes()
            });
        });
    }
    group.finish();
}

/// Sending alone, both ways, and the copy for one more branch.
fn parts(criterion: &mut Criterion) {
    let limits = Limits::default();
    let buffer = Bytes::from_static(corpus::INVITE_1059);
    let mut group = criterion.benchmark_group("write");
    group.throughput(message_of(&buffer));
    // What `forward/invite_1059` does, into one buffer that is there already.
    group.bench_function("forward_copy", |bencher| {
        let mut out: Vec<u8> = Vec::with_capacity(4096);
        bencher.iter(|| {
            let mut request = request(black_box(&buffer), &limits);
            forward(&mut request).expect("the corpus can be forwarded");
            out.clear();
            request.write_to(&mut out);
            black_box(out.len())
        });
    });
    let mut edited = request(&buffer, &limits);
    forward(&mut edited).expect("the corpus can be forwarded");
    group.bench_function("gather", |bencher| {
        bencher.iter(|| {
            let mut slices = Slices::new();
            black_box(&edited).gather(&mut slices);
            black_box(slices.len())
        });
    });
    group.bench_function("copy", |bencher| {
        let mut out: Vec<u8> = Vec::with_capacity(4096);
        bencher.iter(|| {
            out.clear();
            black_box(&edited).write_to(&mut out);
            black_box(out.len())
        });
    });
    group.bench_function("branch", |bencher| {
        bencher.iter(|| black_box(&edited).clone());
    });
    group.finish();
}

fn request(buffer: &Bytes, limits: &Limits) -> Request {
    match parse(buffer.clone(), limits) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

criterion_group! {
    name = benches;
    config = short();
    targets = forwards, replies, parts
}
criterion_main!(benches);
