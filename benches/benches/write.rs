//! `write/*`: edits and sending.

use std::hint::black_box;

use benches::corpus;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{HeaderName, Limits, Message, Request, Slices, parse};

fn request(buffer: &Bytes, limits: &Limits) -> Request {
    match parse(buffer.clone(), limits) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

/// What a proxy does to every INVITE that it forwards, with three X- rules.
fn forward_edits(request: &mut Request) -> Result<(), sip::EditError> {
    let headers = &mut request.headers;
    headers.prepend(
        b"Record-Route",
        b"<sip:203.0.113.7;lr;t=q1JKLC4pKk1OtUpLTEvMTVWyUjI0MjYxNTO3sFSqBQA>",
    )?;
    headers.prepend(
        b"Via",
        b"SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK0f1e2d3c4b5a69788796a5b4;rport",
    )?;
    headers.set(b"Max-Forwards", b"65")?;
    headers.remove(b"X-Carrier-Trunk");
    headers.append(b"X-Trunk", b"carrier-a")?;
    headers.append(b"X-Tenant", b"acme-0017")?;
    Ok(())
}

fn forward(criterion: &mut Criterion) {
    let limits = Limits::default();
    let buffer = Bytes::from_static(corpus::INVITE_1K);
    let buffer = Bytes::copy_from_slice(&buffer);
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: buffer.len() as u64,
    });
    group.bench_function("forward", |bencher| {
        bencher.iter(|| {
            let mut request = request(black_box(&buffer), &limits);
            forward_edits(&mut request).unwrap();
            let mut slices = Slices::new();
            request.gather(&mut slices);
            black_box(slices.len())
        });
    });
    group.bench_function("forward_copy", |bencher| {
        let mut out: Vec<u8> = Vec::with_capacity(4096);
        bencher.iter(|| {
            let mut request = request(black_box(&buffer), &limits);
            forward_edits(&mut request).unwrap();
            let mut slices = Slices::new();
            request.gather(&mut slices);
            out.clear();
            for slice in &slices {
                out.extend_from_slice(slice);
            }
            black_box(out.len())
        });
    });
    let parsed = request(&buffer, &limits);
    group.bench_function("branch_copy", |bencher| {
        bencher.iter(|| black_box(&parsed).clone());
    });
    group.bench_function("first_max_forwards", |bencher| {
        bencher.iter(|| black_box(&parsed).headers.first(HeaderName::MaxForwards));
    });
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
