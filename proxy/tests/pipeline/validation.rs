//! RFC 3261 §16.3 in its order, §18.2.1, RFC 3581, RFC 5393.

use bytes::Bytes;

use crate::support::{
    CALLER, CONFIG, INSIDE, PBX, PUBLIC, World, done, invite, lines, request, tcp, udp,
};

fn only_status(text: &str) -> u16 {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, text);
    let statuses = world.statuses(CALLER);
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    world.assert_drained();
    statuses[0]
}

#[test]
fn faults_are_told_in_the_order_of_the_standard() {
    let all = "Max-Forwards: 0\nProxy-Require: x\n";
    let edit = |uri: &str, extra: &str| {
        request("OPTIONS", uri, "order", extra).replace("Max-Forwards: 70\n", "")
    };
    let broken = edit("foo:bar", all).replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
    assert_eq!(only_status(&broken), 400);
    assert_eq!(only_status(&edit("foo:bar", all)), 416);
    assert_eq!(only_status(&edit("sip:7@demo.example", all)), 483);
    assert_eq!(
        only_status(&edit(
            "sip:7@demo.example",
            "Max-Forwards: 1\nProxy-Require: x\n"
        )),
        420
    );
}

#[test]
fn a_request_that_lacks_what_an_answer_needs_breaks_nothing() {
    for header in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text: String = invite("7", "lacking")
            .lines()
            .filter(|line| !line.starts_with(&format!("{header}:")))
            .map(|line| format!("{line}\n"))
            .collect();
        let mut world = World::new();
        world.receive(CALLER, PUBLIC, &text);
        let expected: &[u16] = if header == "Via" { &[] } else { &[400] };
        assert_eq!(world.statuses(CALLER), expected, "without {header}");
        world.assert_drained();
    }
}

#[test]
fn a_loop_is_482_and_a_spiral_goes_on() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "loop"));
    let forwarded = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    // The same request comes back: a loop.
    let mut again = World::new();
    again.receive(PBX, PUBLIC, &forwarded.text());
    assert_eq!(again.statuses(PBX), [482]);
    assert_eq!(again.count("loops"), 1);
    assert_eq!(done("loop").last(), Some(&482));
    // Its ACK ends here: it is not sent around.
    let ack = forwarded
        .text()
        .replacen("INVITE ", "ACK ", 1)
        .replace("1 INVITE", "1 ACK");
    again.receive(PBX, PUBLIC, &ack);
    assert!(again.statuses(PBX).is_empty());
    // With another Request-URI: a spiral, which is forwarded.
    let spiral = forwarded.text().replacen("sip:7@", "sip:78@", 1);
    again.receive(PBX, PUBLIC, &spiral);
    assert_eq!(
        again
            .take()
            .iter()
            .filter(|sent| sent.method() == "INVITE")
            .count(),
        1
    );
}

#[test]
fn somebody_elses_via_with_our_hash_is_no_loop() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "borrowed"));
    let forwarded = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    let elsewhere = forwarded
        .text()
        .replace("SIP/2.0/UDP 192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.77:5060");
    world.receive(PBX, PUBLIC, &elsewhere);
    assert_eq!(world.statuses(PBX), [100, 0]);
}

#[test]
fn the_acks_of_refusals_without_state_are_swallowed() {
    let mut world = World::new();
    let invite = request("INVITE", "sip:7@demo.example", "refused", "X-Do: reply\n");
    world.receive(CALLER, PUBLIC, &invite);
    let refusal = world.only(CALLER);
    assert_eq!(refusal.status(), 499);
    let tag = refusal
        .header("To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    let ack = crate::support::same_branch("ACK", &invite, &tag).replace("X-Do: reply\n", "");
    world.receive(CALLER, PUBLIC, &ack);
    assert!(world.take().is_empty(), "the ACK went on");
    // Another tag is not ours: an ACK to somebody's 2xx.
    world.receive(CALLER, PUBLIC, &ack.replace(&tag, "somebody"));
    assert_eq!(world.take().len(), 1);
}

fn sent_via(via: &str, from: &str) -> (String, String) {
    let mut world = World::new();
    let text = request("OPTIONS", "sip:7@demo.example", "via", "").replace(
        "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-via-1;rport",
        &format!("Via: {via}"),
    );
    world.receive(from, PUBLIC, &text);
    let sent = world.take();
    let forwarded = sent.iter().find(|sent| sent.method() == "OPTIONS").unwrap();
    let received = forwarded.all("Via")[1].clone();
    world.receive(PBX, PUBLIC, &forwarded.answer(200, ""));
    let answer = world.take().remove(0);
    assert_eq!(answer.all("Via"), std::slice::from_ref(&received));
    (received, answer.to.to_string())
}

#[test]
fn received_and_rport() {
    let cases = [
        // The sender's own address: nothing to add, and the answer goes to the port of sent-by.
        (
            "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa",
            "198.51.100.7:9999",
            "",
            "198.51.100.7:5060",
        ),
        (
            "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa",
            "198.51.100.7:9999",
            "",
            "198.51.100.7:5060",
        ),
        // Another address, or a name.
        (
            "SIP/2.0/UDP 10.9.9.9:5062;branch=z9hG4bKa",
            "198.51.100.7:9999",
            ";received=198.51.100.7",
            "198.51.100.7:5062",
        ),
        (
            "SIP/2.0/UDP host.example;branch=z9hG4bKa",
            "198.51.100.7:9999",
            ";received=198.51.100.7",
            "198.51.100.7:5060",
        ),
        // RFC 3581: filled, received even where it is the same.
        (
            "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa;rport",
            "198.51.100.7:9999",
            ";received=198.51.100.7;rport=9999",
            "198.51.100.7:9999",
        ),
        // Forged values are replaced.
        (
            "SIP/2.0/UDP 10.9.9.9;received=192.0.2.66;branch=z9hG4bKa;rport=7",
            "198.51.100.7:9999",
            ";received=198.51.100.7;rport=9999",
            "198.51.100.7:9999",
        ),
        (
            "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa;received=192.0.2.66",
            "198.51.100.7:9999",
            ";received=198.51.100.7",
            "198.51.100.7:5060",
        ),
        // maddr leads nowhere.
        (
            "SIP/2.0/UDP 198.51.100.7:5060;maddr=239.1.1.1;branch=z9hG4bKa",
            "198.51.100.7:9999",
            "",
            "198.51.100.7:5060",
        ),
    ];
    for (via, from, noted, to) in cases {
        let (received, answered) = sent_via(via, from);
        assert_eq!(answered, to, "{via}");
        assert!(received.ends_with(noted), "{via}: {received}");
        assert_eq!(
            received.matches("received=").count(),
            usize::from(!noted.is_empty()),
            "{received}"
        );
        assert!(!received.contains("192.0.2.66"), "{received}");
    }
}

#[test]
fn an_answer_leaves_by_the_socket_and_address_that_were_asked() {
    let mut world = World::new();
    world.receive(CALLER, crate::support::NATTED, &invite("1", "asked"));
    let answer = world.take().remove(0);
    assert_eq!(answer.listener, crate::support::NATTED);
    assert_eq!(answer.from_ip, Some("172.16.0.4".parse().unwrap()));
}

#[test]
fn on_a_stream_the_answer_goes_back_by_the_connection() {
    let mut world = World::new();
    let flow = tcp("198.51.100.7:41000", 9);
    let text = invite("7", "stream").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.receive_on(flow, Bytes::from(lines(&text)));
    let sent = world.take();
    assert_eq!(sent[0].status(), 100);
    assert_eq!(
        (sent[0].to, sent[0].connection),
        (flow.remote, flow.connection)
    );
    assert!(sent[0].has("Content-Length: 0\r\n"));
}

#[test]
fn options_for_the_proxy_itself() {
    let mut world = World::new();
    for (listener, uri, status) in [
        (PUBLIC, "sip:192.0.2.1", 200),
        (PUBLIC, "sip:192.0.2.1:5060", 200),
        (PUBLIC, "sip:10.0.0.1:5062", 200),
        (PUBLIC, "sip:edge.example.com:5079", 200),
        (crate::support::NATTED, "sip:172.16.0.4:5070", 200),
        (INSIDE, "sip:10.0.0.1:5062", 200),
        (PUBLIC, "sip:192.0.2.1:5999", 404),
    ] {
        world.receive(CALLER, listener, &request("OPTIONS", uri, "self", ""));
        let answer = world.take().remove(0);
        assert_eq!(answer.status(), status, "{uri}");
        assert_eq!(answer.has("Allow: "), status == 200);
    }
}

#[test]
fn no_room_is_503_with_a_time_to_wait() {
    let config = CONFIG.replace(
        "[[listen]]\nname = \"public\"\n",
        "[limits]\ntransactions = 4\n\n[[listen]]\nname = \"public\"\n",
    );
    let mut world = World::with(&config);
    let mut statuses = Vec::new();
    for call in 0..6 {
        let text = invite("7", &format!("full-{call}"));
        world.receive(CALLER, PUBLIC, &text);
        let sent = world.take();
        let last = sent
            .iter()
            .rfind(|sent| sent.to.to_string() == CALLER)
            .unwrap();
        if last.status() == 503 {
            assert_eq!(last.header("Retry-After"), "5");
        }
        statuses.push(last.status());
    }
    assert_eq!(statuses, [100, 100, 503, 503, 503, 503]);
    assert_eq!(world.count("overload"), 4);
    world.advance(std::time::Duration::from_secs(40));
    world.assert_drained();
    world.take();
    // Room again.
    world.receive(CALLER, PUBLIC, &invite("7", "full-again"));
    assert_eq!(world.take()[0].status(), 100);
}

#[test]
fn draining_refuses_what_is_new() {
    let mut world = World::new();
    world.core.drain();
    world.receive(CALLER, PUBLIC, &invite("7", "late"));
    let refusal = world.only(CALLER);
    assert_eq!(
        (refusal.status(), refusal.header("Retry-After").as_str()),
        (503, "5")
    );
    world.receive(
        CALLER,
        PUBLIC,
        &request("OPTIONS", "sip:192.0.2.1", "late-2", ""),
    );
    assert_eq!(world.statuses(CALLER), [503]);
}

#[test]
fn what_is_cut_is_answered() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "cut"));
    let forwarded = world.take().remove(1);
    world.receive(PBX, PUBLIC, &forwarded.answer(180, ""));
    world.take();
    assert_eq!(world.core.cut(world.now), 1);
    world.collect();
    let sent = world.take();
    assert_eq!(sent[0].status(), 503);
    assert_eq!(sent[1].method(), "CANCEL");
}

#[test]
fn garbage_is_dropped_or_answered_once() {
    let mut world = World::new();
    for bytes in [
        &b"\r\n\r\n"[..],
        b"hello",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"\x00\x01\x02",
        b"INVITE sip:a@b SIP/2.0\r\n",
    ] {
        world.receive_on(udp(CALLER, PUBLIC), Bytes::from_static(bytes));
    }
    assert!(world.take().is_empty());
    world.receive(CALLER, PUBLIC, &request("INVITE", "sip:a b@c", "bad", ""));
    assert_eq!(world.statuses(CALLER), [400]);
}
