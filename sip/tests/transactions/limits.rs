//! What the layer holds at most, and that it gives everything back.

use std::time::Duration;

use sip::{ClientKey, CreateError, LayerLimits, Received, Responded, ServerKey};

use crate::support::{Bench, UDP, simple};

const MINUTES: Duration = Duration::from_secs(600);

fn try_server(bench: &mut Bench, branch: usize) -> Result<sip::ServerId, CreateError> {
    let request = simple("OPTIONS", &format!("z9hG4bK{branch}"));
    let key = ServerKey::of(&request).unwrap();
    bench.layer.create_server(&key, "peer", UDP, bench.now)
}

#[test]
fn live_transactions_are_capped() {
    let mut bench = Bench::with_limits(LayerLimits {
        transactions: 2,
        ..LayerLimits::default()
    });
    let first = try_server(&mut bench, 1).unwrap();
    try_server(&mut bench, 2).unwrap();
    assert_eq!(try_server(&mut bench, 3), Err(CreateError::Full));
    let key = ClientKey {
        branch: b"z9hG4bKc",
        method: b"OPTIONS",
    };
    let refused = bench
        .layer
        .create_client(&key, "x".into(), "peer", UDP, bench.now);
    assert_eq!(refused, Err(CreateError::Full));
    // A finished one is no longer live.
    assert_eq!(bench.respond(first, 200), Responded::Sent);
    try_server(&mut bench, 3).unwrap();
}

#[test]
fn the_oldest_tombstone_yields() {
    let mut bench = Bench::with_limits(LayerLimits {
        tombstones: 3,
        ..LayerLimits::default()
    });
    for n in 0..10 {
        let id = try_server(&mut bench, n).unwrap();
        bench.respond(id, 200);
    }
    let counters = bench.layer.counters();
    assert_eq!((counters.tombstones, counters.live), (3, 0));
    assert_eq!(counters.tombstones_evicted, 7);
    bench.drain();
    assert_eq!(bench.ended.len(), 7);
    let old = simple("OPTIONS", "z9hG4bK6");
    assert_eq!(bench.receive(&old), Received::New);
    let kept = simple("OPTIONS", "z9hG4bK7");
    assert!(matches!(bench.receive(&kept), Received::Retransmission(_)));
    bench.drain();
    assert_eq!(bench.pass(MINUTES).len(), 3);
}

#[test]
fn memory_is_capped_and_tombstones_yield_first() {
    let mut bench = Bench::with_limits(LayerLimits {
        bytes: 16 * 1024,
        ..LayerLimits::default()
    });
    let big = bytes::Bytes::from(vec![b'x'; 5000]);
    let mut live = 0;
    for n in 0..50 {
        let id = try_server(&mut bench, n).unwrap();
        bench.layer.respond(id, 200, big.clone(), bench.now);
    }
    assert!(bench.layer.counters().bytes < 16 * 1024 + 6000);
    while try_server(&mut bench, 100 + live).is_ok() {
        live += 1;
    }
    let counters = bench.layer.counters();
    assert_eq!((counters.tombstones, counters.live), (0, live));
    assert!(live > 50, "{live} live transactions in 16 KiB");
}

#[test]
fn after_a_flood_nothing_is_left() {
    let mut bench = Bench::new();
    for n in 0..20_000 {
        let id = try_server(&mut bench, n).unwrap();
        bench.respond(id, 200);
        let request = simple("INVITE", &format!("z9hG4bKi{n}"));
        bench.create_client(&request, UDP);
    }
    bench.drain();
    assert_eq!(bench.layer.counters().live, 20_000);
    bench.pass(MINUTES);
    let counters = bench.layer.counters();
    assert_eq!(
        (counters.live, counters.tombstones, counters.bytes),
        (0, 0, 0)
    );
    assert_eq!(bench.layer.next_deadline(), None);
}
