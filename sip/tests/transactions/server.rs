//! Server transactions: responses, retransmission, ACK, silence.

use std::time::Duration;

use bytes::Bytes;
use sip::{Phase, Received, Responded};

use crate::support::{Bench, TCP, UDP, companion, simple, times};

const MINUTES: Duration = Duration::from_secs(600);

#[test]
fn a_repeated_invite_gets_the_last_provisional() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_server(&invite, UDP);
    assert_eq!(bench.receive(&invite), Received::Retransmission(id));
    assert!(bench.drain().is_empty(), "nothing to repeat yet");
    assert_eq!(bench.layer.server_phase(id), Some(Phase::Waiting));
    for status in [100, 180] {
        assert_eq!(bench.respond(id, status), Responded::Sent);
        bench.drain();
        assert_eq!(bench.receive(&invite), Received::Retransmission(id));
        assert_eq!(bench.drain(), [format!("SIP/2.0 {status} X")]);
    }
    assert_eq!(bench.layer.server_phase(id), Some(Phase::Proceeding));
    assert_eq!(bench.layer.counters().retransmissions_received, 3);
}

#[test]
fn a_failure_is_repeated_until_its_ack() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_server(&invite, UDP);
    assert_eq!(bench.respond(id, 486), Responded::Sent);
    assert_eq!(bench.drain(), ["SIP/2.0 486 X"]);
    let log = bench.pass(Duration::from_secs(10));
    assert_eq!(times(&log, "SIP/2.0 486 X"), [500, 1500, 3500, 7500]);
    assert_eq!(bench.receive(&invite), Received::Retransmission(id));
    assert_eq!(bench.drain(), ["SIP/2.0 486 X"]);
    assert_eq!(bench.respond(id, 200), Responded::Suppressed);
    assert_eq!(bench.respond(id, 180), Responded::Suppressed);

    let ack = companion("ACK", "z9hG4bKa");
    assert_eq!(bench.receive(&ack), Received::Ack(id));
    assert_eq!(bench.drain(), ["acked"]);
    assert_eq!(bench.layer.counters().tombstones, 1);
    assert_eq!(bench.receive(&ack), Received::Ack(id));
    assert_eq!(bench.receive(&invite), Received::Retransmission(id));
    assert!(bench.drain().is_empty());
    assert_eq!(bench.pass(MINUTES), [(5_000, "ended".into())]);
    assert_eq!(bench.receive(&ack), Received::StrayAck);
    assert_eq!(bench.layer.counters().stray_acks, 1);
}

#[test]
fn a_lost_ack_ends_with_timer_h() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("INVITE", "z9hG4bKa"), UDP);
    bench.respond(id, 486);
    bench.drain();
    let log = bench.pass(MINUTES);
    assert_eq!(
        times(&log, "SIP/2.0 486 X"),
        [
            500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500
        ]
    );
    assert_eq!(times(&log, "server timeout"), [32_000]);
    assert_eq!(times(&log, "ended"), [32_000]);
    assert_eq!(bench.layer.counters().bytes, 0);
}

#[test]
fn over_a_reliable_transport_a_failure_is_sent_once() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("INVITE", "z9hG4bKa"), TCP);
    bench.respond(id, 486);
    assert_eq!(bench.drain(), ["SIP/2.0 486 X"]);
    assert!(bench.pass(Duration::from_secs(31)).is_empty());
    assert_eq!(
        bench.receive(&companion("ACK", "z9hG4bKa")),
        Received::Ack(id)
    );
    assert_eq!(bench.drain(), ["acked", "ended"]);
}

#[test]
fn after_a_success_invites_vanish_and_the_user_repeats() {
    for reliable in [UDP, TCP] {
        let mut bench = Bench::new();
        let invite = simple("INVITE", "z9hG4bKa");
        let id = bench.create_server(&invite, reliable);
        assert_eq!(bench.respond(id, 200), Responded::Sent);
        assert_eq!(bench.drain(), ["SIP/2.0 200 X"]);
        assert_eq!(bench.receive(&invite), Received::Retransmission(id));
        assert!(bench.drain().is_empty());
        assert_eq!(bench.layer.counters().tombstones, 1);
        assert_eq!(bench.respond(id, 200), Responded::Sent);
        assert_eq!(bench.drain(), ["SIP/2.0 200 X"]);
        assert_eq!(bench.respond(id, 486), Responded::Suppressed);
        let ack = companion("ACK", "z9hG4bKa");
        assert_eq!(bench.receive(&ack), Received::AckFor2xx(id));
        assert_eq!(
            bench.receive(&companion("ACK", "z9hG4bKb")),
            Received::StrayAck
        );
        assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
        assert_eq!(bench.respond(id, 200), Responded::Stale);
    }
}

#[test]
fn cancel_is_a_transaction_beside_the_invite() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let cancel = simple("CANCEL", "z9hG4bKa");
    assert_eq!(bench.receive(&cancel), Received::Cancel { invite: None });
    let id = bench.create_server(&invite, UDP);
    assert_eq!(
        bench.receive(&cancel),
        Received::Cancel { invite: Some(id) }
    );
    let own = bench.create_server(&cancel, UDP);
    assert_eq!(bench.respond(own, 200), Responded::Sent);
    assert_eq!(bench.respond(id, 487), Responded::Sent);
    assert_eq!(bench.drain(), ["SIP/2.0 200 X", "SIP/2.0 487 X"]);
    assert_eq!(bench.receive(&cancel), Received::Retransmission(own));
    assert_eq!(bench.drain(), ["SIP/2.0 200 X"]);
    assert_eq!(
        bench.receive(&companion("ACK", "z9hG4bKa")),
        Received::Ack(id)
    );
    assert_eq!(bench.drain(), ["acked"]);
}

#[test]
fn a_final_to_options_is_repeated_on_demand_until_timer_j() {
    let mut bench = Bench::new();
    let options = simple("OPTIONS", "z9hG4bKa");
    let id = bench.create_server(&options, UDP);
    assert_eq!(bench.receive(&options), Received::Retransmission(id));
    assert!(bench.drain().is_empty());
    assert_eq!(bench.respond(id, 200), Responded::Sent);
    assert_eq!(bench.respond(id, 404), Responded::Suppressed);
    assert_eq!(bench.drain(), ["SIP/2.0 200 X"]);
    let timer_j = bench.now + Duration::from_secs(32);
    assert_eq!(bench.layer.next_deadline(), Some(timer_j), "only Timer J");
    assert_eq!(bench.receive(&options), Received::Retransmission(id));
    assert_eq!(bench.drain(), ["SIP/2.0 200 X"]);
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
    assert_eq!(bench.receive(&options), Received::New);
}

#[test]
fn options_over_a_reliable_transport_ends_with_its_final() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("OPTIONS", "z9hG4bKa"), TCP);
    assert_eq!(bench.respond(id, 100), Responded::Sent);
    assert_eq!(bench.respond(id, 200), Responded::Sent);
    assert_eq!(bench.drain(), ["SIP/2.0 100 X", "SIP/2.0 200 X", "ended"]);
    assert_eq!(bench.layer.next_deadline(), None, "no timer outlives it");
    assert!(bench.pass(MINUTES).is_empty());
}

/// RFC 4320 §4.1: no 100 before Timer E has grown to T2, and no other provisional at all.
#[test]
fn options_gets_its_100_late() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("OPTIONS", "z9hG4bKa"), UDP);
    for status in [100, 180, 199] {
        assert_eq!(bench.respond(id, status), Responded::Suppressed);
    }
    assert_eq!(
        bench.pass(Duration::from_secs(4)),
        [(3_500, "trying due".into())]
    );
    assert_eq!(bench.respond(id, 180), Responded::Suppressed);
    assert_eq!(bench.respond(id, 100), Responded::Sent);
    assert_eq!(bench.layer.server_phase(id), Some(Phase::Proceeding));
    assert_eq!(bench.drain(), ["SIP/2.0 100 X"]);
}

/// RFC 4320 §4.2: who has no answer in time is silent, and stays so.
#[test]
fn options_never_gets_a_408() {
    let mut bench = Bench::new();
    let options = simple("OPTIONS", "z9hG4bKa");
    let id = bench.create_server(&options, UDP);
    assert_eq!(bench.respond(id, 408), Responded::Suppressed);
    assert_eq!(bench.respond(id, 200), Responded::Suppressed);
    assert_eq!(bench.receive(&options), Received::Retransmission(id));
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
}

#[test]
fn an_abandoned_invite_is_silent() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_server(&invite, UDP);
    bench.layer.abandon(id, bench.now);
    assert_eq!(bench.receive(&invite), Received::Retransmission(id));
    assert_eq!(bench.layer.server_phase(id), Some(Phase::Finished));
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
}

/// RFC 6026 §7.1: an INVITE survives the error; RFC 3261 Figure 8: another request does not.
#[test]
fn transport_errors() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("INVITE", "z9hG4bKa"), UDP);
    bench.respond(id, 486);
    bench.drain();
    bench.layer.transport_error(id, bench.now);
    assert_eq!(bench.drain(), ["server transport error"]);
    assert_eq!(bench.pass(Duration::from_millis(500)).len(), 1);
    bench.receive(&companion("ACK", "z9hG4bKa"));
    bench.drain();

    let id = bench.create_server(&simple("OPTIONS", "z9hG4bKb"), UDP);
    bench.respond(id, 200);
    bench.drain();
    bench.layer.transport_error(id, bench.now);
    assert_eq!(bench.drain(), ["server transport error", "ended"]);
}

#[test]
fn stale_ids_do_nothing() {
    let mut bench = Bench::new();
    let id = bench.create_server(&simple("OPTIONS", "z9hG4bKa"), TCP);
    bench.respond(id, 200);
    bench.drain();
    // The slot has another tenant now.
    let other = bench.create_server(&simple("OPTIONS", "z9hG4bKb"), TCP);
    assert_ne!(id, other);
    assert_eq!(bench.respond(id, 200), Responded::Stale);
    bench.layer.abandon(id, bench.now);
    bench.layer.transport_error(id, bench.now);
    assert_eq!(bench.layer.server_phase(id), None);
    assert_eq!(bench.layer.server_peer(id), None);
    assert!(bench.drain().is_empty());
    assert_eq!(bench.layer.server_peer(other), Some(&"peer"));
    let empty = bench.layer.respond(id, 200, Bytes::new(), bench.now);
    assert_eq!(empty, Responded::Stale);
}
