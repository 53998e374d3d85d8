//! `transaction/*`: calls through the transaction layer, without parsing and sockets.

use std::hint::black_box;
use std::time::Duration;

use benches::corpus;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{ClientKey, Instant, Layer, LayerLimits, Received, ServerKey, Timers};

/// One proxied INVITE: a server and a client transaction, 100, 180 and 200 through both.
fn invite(layer: &mut Layer<u32>, number: u64, wire: &Bytes, now: Instant) -> usize {
    let mut branch = *b"z9hG4bK0000000000000000";
    branch[7..].copy_from_slice(&hex(number));
    let server = ServerKey {
        branch: &branch,
        sent_by: b"198.51.100.17:5060",
        method: b"INVITE",
        legacy: None,
    };
    layer.tick(now);
    assert!(matches!(layer.receive_request(&server, now), Received::New));
    let upstream = layer
        .create_server(&server, 1, false, now)
        .expect("a server transaction");
    layer.respond(upstream, 100, wire.clone(), now);
    let client = ClientKey {
        branch: &branch,
        method: b"INVITE",
    };
    layer
        .create_client(&client, wire.clone(), 2, false, now)
        .expect("a client transaction");
    for status in [100, 180, 200] {
        let passed = layer.receive_response(&client, status, b"<sip:b@c>;tag=1", now);
        assert!(passed.is_some());
        if status > 100 {
            layer.respond(upstream, status, wire.clone(), now);
        }
    }
    std::iter::from_fn(|| layer.poll()).count()
}

fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at)) as usize & 15];
    }
    digits
}

fn transactions(criterion: &mut Criterion) {
    let wire = Bytes::copy_from_slice(corpus::INVITE_1K);
    let mut group = criterion.benchmark_group("transaction");
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: wire.len() as u64,
    });
    // A thousand calls a second: the finished ones of the last 32 s stay as tombstones.
    group.bench_function("invite", |bencher| {
        let mut layer = Layer::new(Timers::default(), LayerLimits::default(), 7);
        let mut now = Instant::ZERO;
        let mut number = 0;
        bencher.iter(|| {
            number += 1;
            now += Duration::from_millis(1);
            black_box(invite(&mut layer, number, &wire, now))
        });
    });
    group.finish();
}

criterion_group!(benches, transactions);
criterion_main!(benches);
