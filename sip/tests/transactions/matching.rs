//! Which message belongs to which transaction (RFC 3261 §17.1.3, §17.2.3).

use sip::{ClientKey, CreateError, Disposition, Received, ServerKey};

use crate::support::{Bench, UDP, companion, reply, request, simple};

#[test]
fn branch_sent_by_and_method_count() {
    let mut bench = Bench::new();
    let first = simple("OPTIONS", "z9hG4bKa");
    let id = bench.create_server(&first, UDP);
    assert_eq!(bench.receive(&first), Received::Retransmission(id));
    assert_eq!(bench.receive(&simple("OPTIONS", "z9hG4bKb")), Received::New);
    assert_eq!(bench.receive(&simple("INFO", "z9hG4bKa")), Received::New);
    let mut elsewhere = simple("OPTIONS", "z9hG4bKa");
    let via = b"SIP/2.0/UDP a.example:5070;branch=z9hG4bKa";
    elsewhere.headers.set(b"Via", via).unwrap();
    assert_eq!(bench.receive(&elsewhere), Received::New);
    // What RFC 3261 does not compare may differ.
    let mut changed = simple("OPTIONS", "z9hG4bKa");
    changed.headers.set(b"Call-ID", b"other").unwrap();
    changed.set_uri(b"sip:other@example.com").unwrap();
    assert_eq!(bench.receive(&changed), Received::Retransmission(id));
}

/// Length prefixes keep fields apart: branch `ab` of `c` is not branch `a` of `bc`.
#[test]
fn fields_do_not_run_together() {
    let mut bench = Bench::new();
    let key = |branch, sent_by| ServerKey {
        branch,
        sent_by,
        method: b"OPTIONS",
        legacy: None,
    };
    let (one, two) = (key(b"z9hG4bKab", b"c"), key(b"z9hG4bKa", b"bc"));
    bench
        .layer
        .create_server(&one, "peer", UDP, bench.now)
        .unwrap();
    assert_eq!(bench.layer.receive_request(&two, bench.now), Received::New);
    assert_eq!(
        bench.layer.create_server(&one, "peer", UDP, bench.now),
        Err(CreateError::Duplicate)
    );
}

#[test]
fn only_the_first_via_value_counts() {
    let mut bench = Bench::new();
    let mut first = simple("OPTIONS", "z9hG4bKa");
    let vias = b"SIP/2.0/UDP a.example:5060;branch=z9hG4bKa, SIP/2.0/UDP b.example;branch=z9hG4bKz";
    first.headers.set(b"Via", vias).unwrap();
    let id = bench.create_server(&first, UDP);
    assert_eq!(
        bench.receive(&simple("OPTIONS", "z9hG4bKa")),
        Received::Retransmission(id)
    );
}

/// An element of RFC 2543: no branch, or one that starts otherwise, or the bare cookie.
#[test]
fn legacy_requests_match_by_their_headers() {
    for branch in ["", ";branch=1", ";branch=z9hG4bK"] {
        let legacy = |method: &str, call_id: &str, to: &str, cseq: u32| {
            request(&format!(
                "{method} sip:bob@example.com SIP/2.0\n\
                 Via: SIP/2.0/UDP old.example{branch}\n\
                 From: <sip:alice@example.com>;tag=a\n\
                 To: <sip:bob@example.com>{to}\n\
                 Call-ID: {call_id}\n\
                 CSeq: {cseq} {method}\n\n"
            ))
        };
        let mut bench = Bench::new();
        let invite = legacy("INVITE", "c1", "", 1);
        let id = bench.create_server(&invite, UDP);
        assert_eq!(bench.receive(&invite), Received::Retransmission(id));
        for other in [
            legacy("INVITE", "c2", "", 1),
            legacy("INVITE", "c1", "", 2),
            legacy("INVITE", "c1", ";tag=b", 1),
            legacy("OPTIONS", "c1", "", 1),
        ] {
            assert_eq!(bench.receive(&other), Received::New);
        }
        assert_eq!(
            bench.receive(&legacy("CANCEL", "c1", "", 1)),
            Received::Cancel { invite: Some(id) }
        );
        bench.respond(id, 486);
        assert_eq!(
            bench.receive(&legacy("ACK", "c1", ";tag=b", 2)),
            Received::StrayAck
        );
        assert_eq!(
            bench.receive(&legacy("ACK", "c1", ";tag=b", 1)),
            Received::Ack(id)
        );
        // A second INVITE of the dialog, whose ACK has the same To tag.
        let second = legacy("INVITE", "c1", ";tag=b", 2);
        let id = bench.create_server(&second, UDP);
        bench.respond(id, 200);
        assert_eq!(
            bench.receive(&legacy("ACK", "c1", ";tag=b", 2)),
            Received::AckFor2xx(id)
        );
    }
}

#[test]
fn the_cookie_is_known_in_any_case() {
    let upper = simple("OPTIONS", "Z9HG4BKa");
    assert!(ServerKey::of(&upper).unwrap().legacy.is_none());
}

#[test]
fn a_request_without_key_headers_has_no_key() {
    for lines in [
        "From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: c\nCSeq: 1 OPTIONS\n",
        "Via: SIP/2.0/UDP\nCSeq: 1 OPTIONS\n",
        "Via: SIP/2.0/UDP h\nTo: <sip:c@d>\nCall-ID: c\nCSeq: 1 OPTIONS\n",
        "Via: SIP/2.0/UDP h\nFrom: <sip:a@b>\nTo: <sip:c@d>\nCall-ID: c\nCSeq: x\n",
    ] {
        let request = request(&format!("OPTIONS sip:a@b SIP/2.0\n{lines}\n"));
        assert!(ServerKey::of(&request).is_none(), "{lines}");
    }
}

#[test]
fn responses_match_by_branch_and_cseq_method() {
    let mut bench = Bench::new();
    let invite = simple("INVITE", "z9hG4bKa");
    let id = bench.create_client(&invite, UDP);
    assert_eq!(bench.answer(&simple("INVITE", "z9hG4bKb"), 200), None);
    assert_eq!(bench.answer(&simple("OPTIONS", "z9hG4bKa"), 200), None);
    assert_eq!(bench.layer.counters().stray_responses, 2);
    let response = reply(&invite, 200);
    let key = ClientKey::of(&response).unwrap();
    let found = bench
        .layer
        .receive_response(&key, 200, b"<sip:b>", bench.now);
    assert_eq!(found, Some((id, Disposition::Pass)));
}

#[test]
fn an_ack_is_never_new() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.receive(&companion("ACK", "z9hG4bKa")),
        Received::StrayAck
    );
    // It belongs to INVITE transactions only.
    bench.create_server(&simple("OPTIONS", "z9hG4bKa"), UDP);
    assert_eq!(
        bench.receive(&companion("ACK", "z9hG4bKa")),
        Received::StrayAck
    );
    // Before the final response it means nothing.
    let id = bench.create_server(&simple("INVITE", "z9hG4bKa"), UDP);
    assert_eq!(
        bench.receive(&companion("ACK", "z9hG4bKa")),
        Received::Ack(id)
    );
    assert!(bench.drain().is_empty());
}
