//! X-Hookswitch-* and who may say it (DESIGN: trust classes; security T08).

use crate::support::{
    CALLER, CONFIG, EXECUTOR, GATEWAY_1, INSIDE, PBX, PUBLIC, Sent, World, address, invite,
    request, same_branch,
};

const SPOOF: &str =
    "X-Hookswitch-Trunk: friend\nx-hookswitch-source: 6.6.6.6:6\nX-HOOKSWITCH-Anything : 1\n";

fn onward(world: &mut World, from: &str, listener: u16, text: &str) -> Sent {
    world.receive(from, listener, text);
    world
        .take()
        .into_iter()
        .find(|sent| !sent.method().is_empty())
        .unwrap()
}

fn reserved(sent: &Sent) -> Vec<String> {
    let text = sent.text();
    text.lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("x-hookswitch"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn spoofed_headers_never_arrive() {
    for method in [
        "INVITE", "OPTIONS", "MESSAGE", "BYE", "REGISTER", "INFO", "REFER", "ACK",
    ] {
        for user in ["1", "7", "9"] {
            let mut world = World::new();
            let text = request(method, &format!("sip:{user}@demo.example"), "spoof", SPOOF);
            let sent = onward(&mut world, CALLER, PUBLIC, &text);
            let kept = reserved(&sent);
            assert!(
                !sent.has("6.6.6.6") && !sent.has("Anything") && !sent.has("friend"),
                "{method}: {kept:?}"
            );
            assert_eq!(kept.is_empty(), user != "1", "{method} {user}: {kept:?}");
        }
    }
}

#[test]
fn a_cancel_carries_nothing_over() {
    let mut world = World::new();
    let text = invite("7", "cancel-spoof");
    let sent = onward(&mut world, CALLER, PUBLIC, &text);
    world.receive(PBX, PUBLIC, &sent.answer(180, ""));
    world.take();
    let cancel = same_branch("CANCEL", &text, "")
        .replace("Max-Forwards: 70\n", &format!("Max-Forwards: 70\n{SPOOF}"));
    world.receive(CALLER, PUBLIC, &cancel);
    for sent in world.take() {
        assert!(reserved(&sent).is_empty());
    }
}

#[test]
fn the_executor_is_told_who_calls() {
    let mut world = World::new();
    let text = request("INVITE", "sip:1@Demo.Example?X-A=1", "told", SPOOF);
    let sent = onward(&mut world, CALLER, PUBLIC, &text);
    assert_eq!(sent.all("X-Hookswitch-Source"), [CALLER]);
    assert_eq!(sent.all("X-Hookswitch-Transport"), ["udp"]);
    assert_eq!(sent.all("X-Hookswitch-Domain"), ["demo.example"]);
    assert_eq!(sent.all("X-Hookswitch-Request-Uri"), ["sip:1@Demo.Example"]);
    assert!(
        sent.all("X-Hookswitch-Trunk").is_empty() && sent.all("X-Hookswitch-Username").is_empty()
    );
    // By a trunk.
    let config = CONFIG.replace(
        "name = \"inbound\"\n",
        "name = \"inbound\"\n  [[chain.filter]]\n  type = \"trunk\"\n",
    );
    let mut world = World::with(&config);
    let sent = onward(
        &mut world,
        GATEWAY_1,
        PUBLIC,
        &request("INVITE", "sip:1@demo.example", "told-2", ""),
    );
    assert_eq!(sent.all("X-Hookswitch-Trunk"), ["gateways"]);
    assert_eq!(sent.all("X-Hookswitch-Source"), [GATEWAY_1]);
}

#[test]
fn the_request_uri_is_told_as_it_was_received() {
    let config = CONFIG.replace(
        "name = \"inbound\"\n",
        "name = \"inbound\"\n  [[chain.filter]]\n  type = \"uri_headers\"\n  others = \"prefix\"\n",
    );
    let mut world = World::with(&config);
    let text = request(
        "INVITE",
        "sip:1@demo.example;user=phone?custom=1",
        "as-received",
        "",
    );
    let sent = onward(&mut world, CALLER, PUBLIC, &text);
    assert_eq!(sent.all("X-custom"), ["1"]);
    assert_eq!(
        sent.all("X-Hookswitch-Request-Uri"),
        ["sip:1@demo.example;user=phone"]
    );
}

#[test]
fn responses_are_cleaned_on_both_sides() {
    let mut world = World::new();
    // From outside to outside.
    let sent = onward(&mut world, CALLER, PUBLIC, &invite("7", "response-1"));
    for status in [180, 200] {
        world.receive(PBX, PUBLIC, &sent.answer(status, SPOOF));
        assert!(reserved(&world.only(CALLER)).is_empty());
    }
    // From the executor to outside.
    let sent = onward(&mut world, CALLER, PUBLIC, &invite("1", "response-2"));
    for status in [183, 486] {
        world.receive(EXECUTOR, INSIDE, &sent.answer(status, SPOOF));
        let sent = world.take();
        let answer = sent.iter().find(|sent| sent.status() == status).unwrap();
        assert!(reserved(answer).is_empty());
    }
    // From outside to the executor: they are not from one of ours.
    let sent = onward(&mut world, EXECUTOR, INSIDE, &invite("7", "response-3"));
    world.receive(PBX, PUBLIC, &sent.answer(200, SPOOF));
    assert!(reserved(&world.only(EXECUTOR)).is_empty() || !world.sent.is_empty());
}

#[test]
fn inside_they_stay() {
    let mut world = World::new();
    let text = request(
        "INVITE",
        "sip:x@10.0.0.77",
        "inside",
        "X-Hookswitch-Call-Sid: CA1\n",
    );
    // A Request-URI that is nobody else's is followed for internal senders, as untrusted.
    let sent = onward(&mut world, EXECUTOR, INSIDE, &text);
    assert!(reserved(&sent).is_empty());
    // A trunk that is one of ours gets them, without the name that chose it.
    let text = text
        .replace(
            "X-Hookswitch-Call-Sid: CA1\n",
            "X-Hookswitch-Call-Sid: CA1\nX-Hookswitch-Trunk: friend\n",
        )
        .replace("inside", "inside-2");
    let sent = onward(&mut world, EXECUTOR, INSIDE, &text);
    assert_eq!(reserved(&sent), ["X-Hookswitch-Call-Sid: CA1"]);
    world.receive(
        "10.0.0.77:5060",
        INSIDE,
        &sent.answer(200, "X-Hookswitch-Parent-Call-Id: p\n"),
    );
    let answer = world.take().remove(0);
    assert_eq!(reserved(&answer), ["X-Hookswitch-Parent-Call-Id: p"]);
}

#[test]
fn a_leg_leaves_by_the_trunk_that_it_names() {
    let mut world = World::new();
    let text = request(
        "INVITE",
        "sip:+14155550100@demo.example",
        "leg",
        "X-Hookswitch-Trunk: gateways\nX-Hookswitch-Call-Sid: CA1\n",
    );
    let sent = onward(&mut world, EXECUTOR, INSIDE, &text);
    assert_eq!(
        (sent.start().as_str(), sent.to),
        (
            "INVITE sip:+14155550100@203.0.113.1 SIP/2.0",
            address(GATEWAY_1)
        )
    );
    assert!(reserved(&sent).is_empty());
    assert_eq!(sent.header("X-Origin"), "one");
    world.receive(
        EXECUTOR,
        INSIDE,
        &text.replace("gateways", "nonesuch").replace("leg", "leg-2"),
    );
    assert_eq!(
        world.take().iter().map(Sent::status).collect::<Vec<_>>(),
        [404]
    );
}

/// The caller's chain marks what is trusted like an internal sender.
fn firewall(config: &str) -> String {
    config.replace(
        "  [[chain.filter]]\n  type = \"record_route\"\n\n[[chain]]\nname = \"internal\"",
        "  [[chain.filter]]\n  type = \"x_headers\"\n  [[chain.filter]]\n  type = \"record_route\"\n\n[[chain]]\nname = \"internal\"",
    )
}

#[test]
fn the_other_side_of_a_dialog_cannot_be_claimed() {
    // The caller knows the token and could write the executor's tag into From: that makes it no executor.
    let mut world = World::with(&firewall(CONFIG));
    let sent = onward(&mut world, CALLER, PUBLIC, &invite("1", "claim"));
    let routes = sent.all("Record-Route");
    world.receive(EXECUTOR, INSIDE, &sent.answer(200, ""));
    world.take();
    let within = |from: &str, id: &str| {
        format!(
            "INFO sip:alice@198.51.100.7:5060 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-{id}\n\
             Route: {}\nMax-Forwards: 70\nFrom: <sip:f@f>;tag={from}\nTo: <sip:t@t>;tag=x\nCall-ID: claim\nCSeq: 2 INFO\n\
             X-Secret: 1\nX-Hookswitch-Trunk: friend\nContent-Length: 0\n\n",
            routes[1]
        )
    };
    let sent = onward(&mut world, CALLER, PUBLIC, &within("callee", "c1"));
    assert!(
        !sent.has("X-Secret"),
        "trusted as the executor: {}",
        sent.text()
    );
    assert!(reserved(&sent).is_empty());
}

#[test]
fn the_callers_chain_guards_what_an_internal_callee_sends() {
    let mut world = World::with(&firewall(CONFIG));
    let sent = onward(&mut world, CALLER, PUBLIC, &invite("1", "guard"));
    let routes: String = sent
        .all("Record-Route")
        .iter()
        .map(|route| format!("Route: {route}\n"))
        .collect();
    world.receive(EXECUTOR, INSIDE, &sent.answer(200, ""));
    world.take();
    let bye = format!(
        "BYE sip:alice@198.51.100.7:5060?X-Injected=1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bK-guard\n{routes}\
         Max-Forwards: 70\nFrom: <sip:f@f>;tag=callee\nTo: <sip:t@t>;tag=alice\nCall-ID: guard\nCSeq: 2 BYE\n\
         X-Secret: 1\nX-Hookswitch-Call-Sid: CA1\nContent-Length: 0\n\n"
    );
    let sent = onward(&mut world, EXECUTOR, INSIDE, &bye);
    assert!(
        !sent.has("X-Secret") && !sent.has("X-Injected"),
        "{}",
        sent.text()
    );
    assert!(reserved(&sent).is_empty());
}

#[test]
fn a_trunk_filter_that_rejects_strangers_lets_the_executor_hang_up() {
    let config = CONFIG.replace(
        "name = \"inbound\"\n",
        "name = \"inbound\"\n  [[chain.filter]]\n  type = \"trunk\"\n  no_match = \"reject\"\n",
    );
    let mut world = World::with(&config);
    let from = "203.0.113.7:5060";
    let text = invite("1", "hang-up").replace(CALLER, from);
    let sent = onward(&mut world, from, PUBLIC, &text);
    let routes: String = sent
        .all("Record-Route")
        .iter()
        .map(|route| format!("Route: {route}\n"))
        .collect();
    world.receive(EXECUTOR, INSIDE, &sent.answer(200, ""));
    world.take();
    let bye = format!(
        "BYE sip:alice@203.0.113.7:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bK-h\n{routes}\
         Max-Forwards: 70\nFrom: <sip:f@f>;tag=callee\nTo: <sip:t@t>;tag=alice\nCall-ID: hang-up\nCSeq: 2 BYE\nContent-Length: 0\n\n"
    );
    assert_eq!(onward(&mut world, EXECUTOR, INSIDE, &bye).to, address(from));
    // A stranger is refused still.
    world.receive(CALLER, PUBLIC, &invite("1", "hang-up-2"));
    assert_eq!(world.statuses(CALLER), [403]);
}

#[test]
fn a_connection_that_we_opened_makes_its_peer_no_internal_one() {
    let config = CONFIG.replace(
        "socket = \"tcp:192.0.2.1:5060\"",
        "socket = \"tcp:192.0.2.1:5060\"\ntrust = \"internal\"",
    );
    let mut world = World::with(&config);
    let mut flow = crate::support::tcp("203.0.113.50:5070", 8);
    flow.listener = transport::ListenerId::OUTBOUND;
    let text = request(
        "INVITE",
        "sip:x@far.example",
        "opened",
        "X-Hookswitch-Trunk: gateways\n",
    )
    .replace("UDP", "TCP");
    world.receive_on(flow, bytes::Bytes::from(crate::support::lines(&text)));
    let sent = world.take();
    // There is only an internal TCP listener; a stranger is not let in by it.
    assert_eq!(sent.len(), 1);
    assert!(matches!(sent[0].status(), 403 | 404), "{}", sent[0].text());
}

#[test]
fn a_claim_within_a_dialog_counts_up_to_what_the_listener_grants() {
    let mut world = World::new();
    let sent = onward(&mut world, CALLER, PUBLIC, &invite("1", "grant"));
    let routes = sent.all("Record-Route");
    world.receive(EXECUTOR, INSIDE, &sent.answer(200, ""));
    world.take();
    // The executor's tag in From, by the public socket: still a stranger.
    let info = format!(
        "INFO sip:alice@198.51.100.7:5060 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-grant\n\
         Route: {}\nMax-Forwards: 70\nFrom: <sip:f@f>;tag=callee\nTo: <sip:t@t>;tag=alice\nCall-ID: grant\n\
         CSeq: 2 INFO\nX-Ask: 1\nContent-Length: 0\n\n",
        routes[1]
    );
    assert_eq!(
        onward(&mut world, CALLER, PUBLIC, &info).all("X-Trust"),
        ["untrusted"]
    );
}
