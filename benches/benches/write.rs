//! `write/*`: edits and sending.

use std::hint::black_box;

use benches::{corpus, forward};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{Limits, Message, Reply, Request, Slices, parse};

fn request(buffer: &Bytes, limits: &Limits) -> Request {
    match parse(buffer.clone(), limits) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn writes(criterion: &mut Criterion) {
    let limits = Limits::default();
    let buffer = Bytes::copy_from_slice(corpus::INVITE_1K);
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: buffer.len() as u64,
    });
    // Datagram in, list of pieces out: what `sendmmsg` gets.
    group.bench_function("forward", |bencher| {
        bencher.iter(|| {
            let mut request = request(black_box(&buffer), &limits);
            forward(&mut request).expect("the corpus can be forwarded");
            let mut slices = Slices::new();
            request.gather(&mut slices);
            black_box(slices.len())
        });
    });
    // The same into one buffer that is there already.
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
    // The parts of the above: sending alone, both ways, and the copy for one more branch.
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
    let received = request(&buffer, &limits);
    group.bench_function("reply", |bencher| {
        bencher.iter(|| {
            let reply = Reply::new(black_box(&received), 404, "Not Found");
            reply.to_tag(b"1b2c3d4e").build().to_bytes()
        });
    });
    group.finish();
}

criterion_group!(benches, writes);
criterion_main!(benches);
