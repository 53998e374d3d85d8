//! The ACK and CANCEL that the layer writes.

use sip::{Canceled, Essence, HeaderName};

use crate::support::{Bench, UDP, reply, request, text};

const INVITE: &str = "\
INVITE sip:bob@192.0.2.4;transport=udp SIP/2.0
v: SIP/2.0/UDP edge.example;branch=z9hG4bKnew;rport, SIP/2.0/UDP pc.example;branch=z9hG4bKold
Max-Forwards: 69
Record-Route: <sip:edge.example;lr>
Route: <sip:one.example;lr>,
  <sip:two.example;lr>
Route: <sip:three.example;lr>
f: \"Alice, A.\" <sip:alice@example.com>;tag=1928
To: <sip:bob@example.com>
i: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:alice@pc.example>
Content-Type: application/sdp
Content-Length: 4

v=0
";

#[test]
fn the_ack_of_a_failure() {
    let mut bench = Bench::new();
    let invite = request(INVITE);
    bench.create_client(&invite, UDP);
    bench.answer(&invite, 486);
    bench.drain();
    let expected = "\
ACK sip:bob@192.0.2.4;transport=udp SIP/2.0
Via: SIP/2.0/UDP edge.example;branch=z9hG4bKnew;rport
Route: <sip:one.example;lr>, <sip:two.example;lr>
Route: <sip:three.example;lr>
Max-Forwards: 70
From: \"Alice, A.\" <sip:alice@example.com>;tag=1928
To: <sip:bob@example.com>;tag=b
Call-ID: a84b4c76e66710
CSeq: 314159 ACK
Content-Length: 0

";
    assert_eq!(text(&bench.wires[1]).replace(",   <", ", <"), expected);
    assert_eq!(
        sip::ack_for(&invite, &reply(&invite, 486)),
        bench.wires[1],
        "the same by hand"
    );
}

#[test]
fn the_cancel() {
    let mut bench = Bench::new();
    let invite = request(INVITE);
    let id = bench.create_client(&invite, UDP);
    bench.answer(&invite, 180);
    let reason = b"SIP;cause=200;text=\"Call completed elsewhere\"".as_slice();
    let canceled = bench.layer.cancel(id, Some(reason), bench.now);
    assert_eq!(canceled, Canceled::Sent);
    bench.drain();
    let expected = "\
CANCEL sip:bob@192.0.2.4;transport=udp SIP/2.0
Via: SIP/2.0/UDP edge.example;branch=z9hG4bKnew;rport
Route: <sip:one.example;lr>, <sip:two.example;lr>
Route: <sip:three.example;lr>
Max-Forwards: 70
From: \"Alice, A.\" <sip:alice@example.com>;tag=1928
To: <sip:bob@example.com>
Call-ID: a84b4c76e66710
CSeq: 314159 CANCEL
Reason: SIP;cause=200;text=\"Call completed elsewhere\"
Content-Length: 0

";
    assert_eq!(text(&bench.wires[1]).replace(",   <", ", <"), expected);
    assert_eq!(sip::cancel_for(&invite, Some(reason)), bench.wires[1]);
}

/// What is left of an INVITE that rings makes the same CANCEL and the same ACK.
#[test]
fn a_shortened_invite() {
    let mut bench = Bench::new();
    let mut invite = request(INVITE);
    let own = b"SIP/2.0/UDP proxy.example;branch=z9hG4bKours";
    invite
        .headers
        .insert_before(HeaderName::Via, b"Via", own)
        .unwrap();
    invite
        .headers
        .append(b"Route", b"<sip:four.example;lr>")
        .unwrap();
    let id = bench.create_client(&invite, UDP);
    let whole = bench.layer.counters().bytes;
    bench.layer.shorten(id, Essence::of(&invite));
    // It may have to be sent again.
    assert_eq!(bench.layer.counters().bytes, whole);
    bench.answer(&invite, 180);
    bench.layer.shorten(id, Essence::of(&invite));
    assert!(bench.layer.counters().bytes < whole);
    assert_eq!(bench.layer.cancel(id, None, bench.now), Canceled::Sent);
    bench.drain();
    bench.answer(&invite, 487);
    bench.drain();
    bench.layer.shorten(id, Essence::of(&invite));
    bench.answer(&invite, 487);
    bench.drain();
    let ack = sip::ack_for(&invite, &reply(&invite, 487));
    let made = [sip::cancel_for(&invite, None), ack.clone(), ack];
    assert_eq!(bench.wires[1..], made);
}

#[test]
fn a_reason_cannot_add_lines() {
    let invite = request(INVITE);
    let wire = sip::cancel_for(&invite, Some(b"SIP\r\nX-Evil: 1"));
    assert!(!text(&wire).contains("\nX-Evil"), "{}", text(&wire));
    let wire = sip::cancel_for(&invite, Some(b"SIP\x00"));
    assert!(!text(&wire).contains("Reason"));
}
