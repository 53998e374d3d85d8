//! Client transactions: retransmission, timeouts, finals, CANCEL.

use std::time::Duration;

use sip::{Canceled, Disposition, Phase};

use crate::support::{Bench, T1, TCP, UDP, simple, times};

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0";
const ACK: &str = "ACK sip:bob@example.com SIP/2.0";
const CANCEL: &str = "CANCEL sip:bob@example.com SIP/2.0";
const OPTIONS: &str = "OPTIONS sip:bob@example.com SIP/2.0";
const MINUTES: Duration = Duration::from_secs(600);

#[test]
fn invite_doubles_until_timer_b() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    assert_eq!(bench.drain(), [INVITE]);
    assert_eq!(bench.layer.client_phase(id), Some(Phase::Waiting));
    let log = bench.pass(MINUTES);
    assert_eq!(times(&log, INVITE), [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(times(&log, "client timeout"), [32_000]);
    assert_eq!(times(&log, "ended"), [32_000]);
    assert_eq!(bench.layer.counters().retransmissions_sent, 6);
    assert_eq!(bench.layer.counters().bytes, 0);
    assert_eq!(bench.layer.client_phase(id), None);
}

#[test]
fn options_doubles_to_t2_until_timer_f() {
    let mut bench = Bench::new();
    bench.create_client(&simple("OPTIONS", "z9hG4bKa"), UDP);
    bench.drain();
    let log = bench.pass(MINUTES);
    assert_eq!(
        times(&log, OPTIONS),
        [
            500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500
        ]
    );
    assert_eq!(times(&log, "client timeout"), [32_000]);
}

#[test]
fn options_repeats_at_t2_once_a_provisional_came() {
    let mut bench = Bench::new();
    let options = simple("OPTIONS", "z9hG4bKa");
    bench.create_client(&options, UDP);
    bench.drain();
    assert_eq!(bench.answer(&options, 100), Some(Disposition::Pass));
    let log = bench.pass(MINUTES);
    assert_eq!(
        times(&log, OPTIONS),
        [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]
    );
    assert_eq!(times(&log, "client timeout"), [32_000]);
}

#[test]
fn reliable_transports_carry_each_request_once() {
    for method in ["INVITE", "OPTIONS"] {
        let mut bench = Bench::new();
        bench.create_client(&simple(method, "z9hG4bKa"), TCP);
        assert_eq!(bench.drain().len(), 1);
        let log = bench.pass(MINUTES);
        assert_eq!(
            log,
            [(32_000, "client timeout".into()), (32_000, "ended".into())]
        );
    }
}

#[test]
fn provisional_stops_the_invite() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    bench.drain();
    assert_eq!(bench.answer(&invite, 180), Some(Disposition::Pass));
    assert_eq!(bench.answer(&invite, 180), Some(Disposition::Pass));
    assert_eq!(bench.layer.client_phase(id), Some(Phase::Proceeding));
    // Nothing but Timer C, which is the user's, would end it.
    assert!(bench.pass(MINUTES).is_empty());
}

#[test]
fn a_failure_is_acknowledged_each_time_and_passed_once() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    bench.drain();
    assert_eq!(bench.answer(&invite, 486), Some(Disposition::Pass));
    assert_eq!(bench.drain(), [ACK]);
    for late in [486, 180, 200] {
        assert_eq!(bench.answer(&invite, late), Some(Disposition::Absorbed));
    }
    assert_eq!(bench.drain(), [ACK]);
    assert_eq!(bench.wires[1], bench.wires[2]);
    assert_eq!(bench.layer.client_phase(id), Some(Phase::Finished));
    assert_eq!(bench.layer.counters().tombstones, 1);
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
    assert_eq!(bench.answer(&invite, 486), None);
    assert_eq!(bench.layer.counters().stray_responses, 1);
}

#[test]
fn each_success_passes_and_the_user_acknowledges() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    bench.create_client(&invite, UDP);
    bench.drain();
    for _ in 0..3 {
        assert_eq!(bench.answer(&invite, 200), Some(Disposition::Pass));
    }
    for late in [180, 486] {
        assert_eq!(bench.answer(&invite, late), Some(Disposition::Absorbed));
    }
    assert!(bench.drain().is_empty());
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
}

#[test]
fn accepted_lasts_over_reliable_transports_too() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    bench.create_client(&invite, TCP);
    bench.drain();
    assert_eq!(bench.answer(&invite, 200), Some(Disposition::Pass));
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
}

#[test]
fn over_a_reliable_transport_a_final_ends_at_once() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    bench.create_client(&invite, TCP);
    bench.drain();
    assert_eq!(bench.answer(&invite, 503), Some(Disposition::Pass));
    assert_eq!(bench.drain(), [ACK, "ended"]);
    let options = simple("OPTIONS", "z9hG4bKb");
    bench.create_client(&options, TCP);
    bench.drain();
    assert_eq!(bench.answer(&options, 200), Some(Disposition::Pass));
    assert_eq!(bench.drain(), ["ended"]);
    assert!(bench.pass(MINUTES).is_empty());
}

#[test]
fn a_final_to_options_passes_once_and_timer_k_absorbs() {
    let mut bench = Bench::new();
    let options = simple("OPTIONS", "z9hG4bKa");
    bench.create_client(&options, UDP);
    bench.drain();
    assert_eq!(bench.answer(&options, 200), Some(Disposition::Pass));
    assert_eq!(bench.answer(&options, 200), Some(Disposition::Absorbed));
    assert_eq!(bench.answer(&options, 404), Some(Disposition::Absorbed));
    assert_eq!(bench.pass(MINUTES), [(5_000, "ended".into())]);
}

#[test]
fn transport_errors_end_a_request_that_is_out() {
    for method in ["INVITE", "OPTIONS"] {
        let mut bench = Bench::new();
        let id = bench.create_client(&simple(method, "z9hG4bKa"), UDP);
        bench.drain();
        bench.layer.transport_error(id, bench.now);
        assert_eq!(bench.drain(), ["client transport error", "ended"]);
        bench.layer.transport_error(id, bench.now);
        assert!(bench.pass(MINUTES).is_empty());
    }
}

#[test]
fn cancel_waits_for_a_provisional() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    bench.drain();
    for _ in 0..2 {
        let canceled = bench.layer.cancel(id, None, bench.now);
        assert_eq!(canceled, Canceled::Deferred);
    }
    assert!(bench.drain().is_empty());
    assert_eq!(bench.answer(&invite, 100), Some(Disposition::Pass));
    assert_eq!(bench.drain(), [CANCEL]);
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Sent);
    assert!(bench.drain().is_empty());

    // Its own transaction repeats it, and absorbs the answer.
    assert_eq!(bench.pass(T1), [(500, CANCEL.into())]);
    let cancel = simple("CANCEL", "z9hG4bKa");
    assert_eq!(bench.answer(&cancel, 200), Some(Disposition::Absorbed));
    assert_eq!(bench.answer(&invite, 487), Some(Disposition::Pass));
    assert_eq!(bench.drain(), [ACK]);
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Refused);
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
    assert_eq!(bench.ended, [id.into()]);
}

#[test]
fn a_success_may_cross_the_cancel() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    bench.answer(&invite, 180);
    bench.drain();
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Sent);
    assert_eq!(bench.answer(&invite, 200), Some(Disposition::Pass));
    assert_eq!(bench.answer(&invite, 200), Some(Disposition::Pass));
    let cancel = simple("CANCEL", "z9hG4bKa");
    assert_eq!(bench.answer(&cancel, 481), Some(Disposition::Absorbed));
    assert_eq!(bench.drain(), [CANCEL]);
    assert_eq!(bench.pass(MINUTES), [(32_000, "ended".into())]);
}

#[test]
fn no_final_after_a_cancel_is_a_timeout() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, TCP);
    bench.answer(&invite, 180);
    bench.drain();
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Sent);
    bench.drain();
    let log = bench.pass(MINUTES);
    assert_eq!(
        log,
        [(32_000, "client timeout".into()), (32_000, "ended".into())]
    );
    assert_eq!(bench.layer.counters().live, 0);
}

#[test]
fn only_an_invite_can_be_cancelled() {
    let mut bench = Bench::new();
    let options = simple("OPTIONS", "z9hG4bKa");
    let id = bench.create_client(&options, UDP);
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Refused);
    bench.layer.abandon(id, bench.now);
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Refused);
    assert_eq!(bench.layer.next_deadline(), None, "no timer outlives it");
    bench.drain();
    assert!(bench.pass(MINUTES).is_empty());
    assert_eq!(bench.answer(&options, 200), None);
}

#[test]
fn timers_of_the_user_share_the_wheel() {
    let mut bench = Bench::new();
    let second = Duration::from_secs(1);
    let late = bench.layer.schedule(bench.now + second * 181, 2);
    let early = bench.layer.schedule(bench.now + second, 1);
    let never = bench.layer.schedule(bench.now + second, 3);
    assert!(bench.layer.unschedule(never));
    assert!(!bench.layer.unschedule(never));
    let log = bench.pass(MINUTES);
    assert_eq!(
        log,
        [(1_000, "timer 1".into()), (181_000, "timer 2".into())]
    );
    assert!(!bench.layer.unschedule(early) && !bench.layer.unschedule(late));
}
