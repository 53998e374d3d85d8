//! The executor as a user agent, through the proxy, spoken to in raw SIP.

use std::time::Duration;

use loadtest::{Draft, Edge, Message, Peer, answering, sdp};

const DEMO: &str = "sip:bob@demo.test";

fn answered(edge: &Edge, alice: &Peer) -> (Draft, Message) {
    let invite = Draft::new("INVITE", DEMO, alice);
    alice.send(edge.public(), invite.text());
    let answer = alice.response(200);
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    (invite, answer)
}

#[test]
fn a_call_without_an_offer_is_made_one() {
    // RFC 3261 §13.2.1: the offer is in the 200, the answer in the ACK.
    let (_hook, edge) = answering("gather?timeout=30");
    let alice = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &alice).body("");
    alice.send(edge.public(), invite.text());
    let offer = alice.response(200);
    assert!(offer.body.contains("m=audio"), "{offer:?}");
    alice.send(
        edge.public(),
        invite
            .within("ACK", 1, &offer)
            .body(&sdp(alice.address()))
            .text(),
    );
    alice.send(edge.public(), invite.within("BYE", 2, &offer).text());
    alice.response(200);
}

#[test]
fn an_offer_that_nothing_can_be_made_of_is_refused() {
    let (_hook, edge) = answering("say");
    let alice = Peer::bind();
    let video = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    for body in [video, "this is no SDP"] {
        let invite = Draft::new("INVITE", DEMO, &alice).body(body);
        alice.send(edge.public(), invite.text());
        let refusal = alice.outcome(Duration::from_secs(20));
        assert!(
            matches!(refusal.status(), Some(400 | 415 | 488)),
            "{refusal:?}"
        );
        alice.send(edge.public(), invite.ack(&refusal).text());
    }
}

#[test]
fn an_extension_that_is_required_and_unknown_is_refused() {
    let (hook, edge) = answering("say");
    let alice = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &alice).header("Require", "magic");
    alice.send(edge.public(), invite.text());
    let refusal = alice.outcome(Duration::from_secs(20));
    assert_eq!(refusal.status(), Some(420));
    assert_eq!(refusal.header("Unsupported"), Some("magic"));
    alice.send(edge.public(), invite.ack(&refusal).text());
    assert!(hook.hits().is_empty());
}

#[test]
fn a_repeated_invite_is_one_call() {
    let (hook, edge) = answering("slow?seconds=1");
    let alice = Peer::bind();
    let text = Draft::new("INVITE", DEMO, &alice).text();
    for _ in 0..4 {
        alice.send(edge.public(), &text);
        std::thread::sleep(Duration::from_millis(100));
    }
    alice.response(200);
    assert_eq!(hook.hits().len(), 1);
}

#[test]
fn methods_within_the_call_are_answered() {
    let (_hook, edge) = answering("gather?timeout=30");
    let alice = Peer::bind();
    let (invite, answer) = answered(&edge, &alice);
    for (cseq, method, statuses) in [
        (2, "OPTIONS", &[200][..]),
        (3, "INFO", &[200, 415, 469]),
        (4, "UPDATE", &[200]),
        (5, "MESSAGE", &[405]),
        (6, "SUBSCRIBE", &[405, 489]),
        (7, "NOTIFY", &[405, 481, 489]),
        (8, "REFER", &[403, 405, 501, 603]),
        (9, "PUBLISH", &[405]),
    ] {
        let request = invite.within(method, cseq, &answer);
        alice.send(edge.public(), request.text());
        let status = alice.answer_to(&request).status();
        assert!(
            status.is_some_and(|status| statuses.contains(&status)),
            "{method}: {status:?}"
        );
    }
    alice.send(edge.public(), invite.within("BYE", 10, &answer).text());
    alice.response(200);
}

#[test]
fn a_request_out_of_order_is_refused() {
    // RFC 3261 §12.2.2.
    let (_hook, edge) = answering("gather?timeout=30");
    let alice = Peer::bind();
    let (invite, answer) = answered(&edge, &alice);
    alice.send(edge.public(), invite.within("OPTIONS", 20, &answer).text());
    alice.response(200);
    alice.send(edge.public(), invite.within("OPTIONS", 10, &answer).text());
    alice.response(500);
}

#[test]
fn a_request_in_a_call_that_is_over_is_481() {
    let (_hook, edge) = answering("gather?timeout=30");
    let alice = Peer::bind();
    let (invite, answer) = answered(&edge, &alice);
    alice.send(edge.public(), invite.within("BYE", 2, &answer).text());
    alice.response(200);
    for (cseq, method) in [(3, "BYE"), (4, "INVITE"), (5, "OPTIONS")] {
        let request = invite.within(method, cseq, &answer);
        alice.send(edge.public(), request.text());
        let gone = alice.answer_to(&request);
        assert_eq!(gone.status(), Some(481), "{method}");
    }
}

#[test]
fn byes_that_cross_are_both_answered() {
    let (_hook, edge) = answering("say");
    let alice = Peer::bind();
    let (invite, answer) = answered(&edge, &alice);
    let (bye, proxy) = loop {
        let (message, proxy) = alice
            .receive_from(Duration::from_secs(20))
            .expect("the BYE");
        if message.method() == Some("BYE") {
            break (message, proxy);
        }
    };
    let own = invite.within("BYE", 2, &answer);
    alice.send(edge.public(), own.text());
    let status = alice.answer_to(&own).status();
    assert!(matches!(status, Some(200 | 481)), "{status:?}");
    alice.answer(&bye, proxy, 200, &[], "");
    // Its BYE may have been repeated up to here, and not from here on.
    let barrier = invite.within("OPTIONS", 3, &answer);
    alice.send(edge.public(), barrier.text());
    assert_eq!(alice.answer_to(&barrier).status(), Some(481));
    alice.silence(Duration::from_millis(1200));
}

#[test]
fn an_answer_that_is_not_acknowledged_is_repeated() {
    let (_hook, edge) = answering("gather?timeout=30");
    let alice = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &alice);
    alice.send(edge.public(), invite.text());
    let first = alice.response(200);
    let second = alice.response(200);
    assert_eq!(first.raw, second.raw);
    alice.send(edge.public(), invite.within("ACK", 1, &second).text());
    // What was repeated until the ACK came is no fault, what is repeated after it is one.
    let barrier = invite.within("OPTIONS", 2, &second);
    alice.send(edge.public(), barrier.text());
    assert_eq!(alice.answer_to(&barrier).status(), Some(200));
    alice.silence(Duration::from_millis(1500));
}

#[test]
fn headers_are_passed_on_whatever_their_bytes() {
    let (hook, edge) = answering("busy");
    let alice = Peer::bind();
    let long = "v".repeat(4000);
    let text = Draft::new("INVITE", DEMO, &alice)
        .header("X-Utf", "caf\u{e9} \u{20ac} \u{1f600}")
        .header("X-Long", &long)
        .header("X-Bytes", "BYTES")
        .text();
    let at = text.find("BYTES").unwrap();
    let bytes = [
        &text.as_bytes()[..at],
        b"a\xff\xfeb",
        &text.as_bytes()[at + 5..],
    ]
    .concat();
    alice.send(edge.public(), bytes);
    alice.response(486);
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipHeader_X-Utf"), "caf\u{e9} \u{20ac} \u{1f600}");
    assert_eq!(hit.param("SipHeader_X-Long").len(), 4000);
    let odd = hit.param("SipHeader_X-Bytes");
    assert!(odd.starts_with('a') && odd.ends_with('b'), "{odd:?}");
    hook.all_signed();
}

#[test]
fn compact_names_and_odd_spellings_are_understood() {
    let (hook, edge) = answering("busy");
    let alice = Peer::bind();
    let text = Draft::new("INVITE", DEMO, &alice)
        .set(
            "From",
            "\"A \\\"quoted\\\" <name>\" <sip:alice@home.test;user=phone>;x=y;tag=compact",
        )
        .text()
        .replace("\r\nVia:", "\r\nv:")
        .replace("\r\nFrom:", "\r\nf:")
        .replace("\r\nTo:", "\r\nt:")
        .replace("\r\nCall-ID:", "\r\ni:")
        .replace("\r\nContact:", "\r\nm:")
        .replace("\r\nContent-Type:", "\r\nc:")
        .replace("\r\nContent-Length:", "\r\nl:")
        .replace("\r\nCSeq: 1 INVITE", "\r\ncseq:  0001   INVITE");
    alice.send(edge.public(), text);
    alice.response(486);
    let from = hook.wait(1)[0].param("From").to_owned();
    assert!(from.starts_with("sip:alice@home.test"), "{from}");
    hook.all_signed();
}

#[test]
fn a_caller_without_a_name_is_a_caller() {
    let (hook, edge) = answering("busy");
    let alice = Peer::bind();
    let froms = [
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
        "sip:plain@home.test;tag=2",
        "<tel:+15550100>;tag=3",
    ];
    for (index, from) in froms.into_iter().enumerate() {
        alice.send(
            edge.public(),
            Draft::new("INVITE", DEMO, &alice).set("From", from).text(),
        );
        alice.response(486);
        assert!(!hook.wait(index + 1)[index].param("From").is_empty());
    }
    hook.all_signed();
}
