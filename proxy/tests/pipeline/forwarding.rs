//! What forwarding does to a request (RFC 3261 §16.6) and to its way.

use std::collections::HashSet;

use bytes::Bytes;
use sip::Transport;

use crate::support::{
    CALLER, EXECUTOR, GATEWAY_1, INSIDE, NATTED, PBX, PUBLIC, PUBLIC_TCP, PUBLIC_V6, Sent, World,
    address, invite, lines, request, tcp,
};

fn forwarded(world: &mut World, from: &str, listener: u16, text: &str) -> Sent {
    world.receive(from, listener, text);
    let sent = world.take();
    let found = sent.iter().find(|sent| !sent.method().is_empty());
    found
        .unwrap_or_else(|| panic!("nothing forwarded: {sent:?}"))
        .clone()
}

#[test]
fn an_invite_gets_its_100_at_once_and_goes_on() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "hundred"));
    let sent = world.take();
    assert_eq!((sent[0].status(), sent[0].to), (100, address(CALLER)));
    assert!(!sent[0].header("To").contains("tag="));
    assert_eq!(
        (sent[1].start().as_str(), sent[1].to),
        ("INVITE sip:7@demo.example SIP/2.0", address(PBX))
    );
    assert_eq!(sent.len(), 2);
}

#[test]
fn what_is_not_known_passes_byte_for_byte_and_in_order() {
    let odd = "Odd :  a,b ; c \nSubject: first\n  folded\nB-z: \u{fc}\u{e9}\nSubject-2: second\n";
    let mut world = World::new();
    let sent = forwarded(
        &mut world,
        CALLER,
        PUBLIC,
        &request("INVITE", "sip:7@demo.example", "odd", odd),
    );
    assert!(sent.has(&lines(odd)), "{}", sent.text());
}

#[test]
fn via_is_ours_and_unique() {
    let mut branches = HashSet::new();
    let mut world = World::new();
    for call in 0..200 {
        let sent = forwarded(
            &mut world,
            CALLER,
            PUBLIC,
            &invite("7", &format!("unique-{call}")),
        );
        assert!(
            sent.header("Via")
                .starts_with("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK")
        );
        assert_eq!(sent.all("Via").len(), 2);
        assert!(branches.insert(sent.branch()));
    }
}

#[test]
fn max_forwards_is_counted_or_added() {
    for (given, expected) in [("70", "69"), ("1", "0"), ("255", "254"), ("007", "6")] {
        let text =
            invite("7", "hops").replace("Max-Forwards: 70", &format!("Max-Forwards: {given}"));
        assert_eq!(
            forwarded(&mut World::new(), CALLER, PUBLIC, &text).all("Max-Forwards"),
            [expected]
        );
    }
    let text = invite("7", "hops").replace("Max-Forwards: 70\n", "");
    assert_eq!(
        forwarded(&mut World::new(), CALLER, PUBLIC, &text).all("Max-Forwards"),
        ["70"]
    );
}

#[test]
fn headers_of_the_request_uri_never_leave() {
    let mut world = World::new();
    let text = request(
        "INVITE",
        "sip:1@demo.example?Route=%3Csip:evil%3E&X-A=1",
        "headers",
        "",
    );
    let sent = forwarded(&mut world, CALLER, PUBLIC, &text);
    assert_eq!(sent.start(), "INVITE sip:1@demo.example SIP/2.0");
    assert!(!sent.has("evil") || sent.header("To").contains("evil"));
    assert!(sent.all("Route").is_empty() && sent.all("X-A").is_empty());
}

#[test]
fn a_message_on_a_stream_says_where_it_ends() {
    let mut world = World::new();
    let text = invite("6", "length").replace("Content-Length: 0\n", "");
    let sent = forwarded(&mut world, CALLER, PUBLIC, &text);
    assert_eq!(
        (sent.transport, sent.listener),
        (Transport::Tcp, PUBLIC_TCP)
    );
    assert!(
        sent.header("Via")
            .starts_with("SIP/2.0/TCP 192.0.2.1:5060;branch=")
    );
    assert_eq!(sent.all("Content-Length"), ["0"]);
    // And the answer to a caller on a stream.
    let mut world = World::new();
    let text = invite("7", "length-2").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.receive_on(tcp("198.51.100.7:41000", 1), Bytes::from(lines(&text)));
    let onward = world.take().remove(1);
    let answer = onward.answer(200, "").replace("Content-Length: 0\r\n", "");
    world.receive(PBX, PUBLIC, &answer);
    assert_eq!(world.take()[0].all("Content-Length"), ["0"]);
}

#[test]
fn ipv6_takes_a_socket_of_its_family() {
    let mut world = World::new();
    let sent = forwarded(&mut world, CALLER, PUBLIC, &invite("v6", "six"));
    assert_eq!(
        (sent.to, sent.listener),
        (address("[2001:db8::50]:5070"), PUBLIC_V6)
    );
    assert!(
        sent.header("Via")
            .starts_with("SIP/2.0/UDP [2001:db8::1]:5060;")
    );
    // From 4 to 6: Record-Route has a value for each side, the far one on top (RFC 5658).
    let routes = sent.all("Record-Route");
    assert!(
        routes[0].starts_with("<sip:[2001:db8::1]:5060;lr;hs="),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:192.0.2.1:5060;lr;hs="),
        "{routes:?}"
    );
    let text = invite("7", "six-2").replace(
        "SIP/2.0/UDP 198.51.100.7:5060",
        "SIP/2.0/UDP [2001:db8::7]:5062",
    );
    world.receive("[2001:db8::9]:5062", PUBLIC_V6, &text.replace(";rport", ""));
    let sent = world.take();
    assert_eq!(sent[0].to, address("[2001:db8::9]:5062"));
    assert!(sent[0].header("Via").contains("received=2001:db8::9"));
}

#[test]
fn record_route_where_a_dialog_is_formed() {
    for (method, there) in [
        ("INVITE", 1),
        ("SUBSCRIBE", 1),
        ("REFER", 1),
        ("MESSAGE", 0),
        ("BYE", 0),
        ("OPTIONS", 0),
    ] {
        let sent = forwarded(
            &mut World::new(),
            CALLER,
            PUBLIC,
            &request(method, "sip:7@demo.example", "rr", ""),
        );
        assert_eq!(sent.all("Record-Route").len(), there, "{method}");
    }
    // Crossing from one socket to another.
    let sent = forwarded(&mut World::new(), CALLER, PUBLIC, &invite("1", "rr-2"));
    assert_eq!((sent.to, sent.listener), (address(EXECUTOR), INSIDE));
    let routes = sent.all("Record-Route");
    assert!(
        routes[0].starts_with("<sip:10.0.0.1:5062;lr;hs="),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:192.0.2.1:5060;lr;hs="),
        "{routes:?}"
    );
    // From UDP to TCP.
    let routes =
        forwarded(&mut World::new(), CALLER, PUBLIC, &invite("6", "rr-3")).all("Record-Route");
    assert!(
        routes[0].starts_with("<sip:192.0.2.1:5060;transport=tcp;lr;hs="),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:192.0.2.1:5060;lr;hs="),
        "{routes:?}"
    );
    // What is advertised is told, on the side where it is.
    let routes =
        forwarded(&mut World::new(), CALLER, NATTED, &invite("7", "rr-4")).all("Record-Route");
    assert!(
        routes[0].starts_with("<sip:192.0.2.1:5060;lr;hs="),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:edge.example.com:5079;lr;hs="),
        "{routes:?}"
    );
}

#[test]
fn trunk_targets_give_their_uri_headers() {
    let mut world = World::new();
    let sent = forwarded(&mut world, CALLER, PUBLIC, &invite("914155550100", "trunk"));
    assert_eq!(sent.start(), "INVITE sip:914155550100@203.0.113.1 SIP/2.0");
    assert_eq!(sent.to, address(GATEWAY_1));
    assert_eq!(
        (
            sent.header("X-Origin").as_str(),
            sent.header("X-Both").as_str()
        ),
        ("one", "1")
    );
}

#[test]
fn a_name_is_looked_up_and_an_unknown_one_fails() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("51", "dns"));
    assert_eq!(world.statuses(CALLER), [100]);
    assert_eq!(
        (world.lookups[0].host.as_str(), world.lookups[0].port),
        ("gw.example.net", None)
    );
    world.resolved(&["203.0.113.40:5066"]);
    assert_eq!(
        world.only("203.0.113.40:5066").start(),
        "INVITE sip:51@gw.example.net SIP/2.0"
    );

    world.receive(CALLER, PUBLIC, &invite("52", "dns-2"));
    world.take();
    world.resolved(&[]);
    assert_eq!(world.statuses(CALLER), [500]);
    assert_eq!(world.count("resolve_errors"), 1);
}

#[test]
fn sips_never_leaves_in_the_clear() {
    let config = crate::support::CONFIG.replace(
        "targets = [\"sip:203.0.113.50:5070;transport=tcp\"]",
        "targets = [\"sips:203.0.113.50:5070;transport=tcp\"]",
    );
    let mut world = World::with(&config);
    world.receive(CALLER, PUBLIC, &invite("6", "sips"));
    let sent = world.take();
    assert!(
        sent.iter()
            .all(|sent| sent.method().is_empty() || sent.transport == Transport::Tls),
        "{sent:?}"
    );
}

#[test]
fn a_strict_router_gets_the_request_uri() {
    // RFC 3261 §16.6 step 6; only an internal sender may name a Route of somebody else.
    let mut world = World::new();
    let route = "Route: <sip:203.0.113.9:5069>\nRoute: <sip:203.0.113.10;lr>\n";
    let text = request("INVITE", "sip:zed@far.example", "strict", route);
    let sent = forwarded(&mut world, EXECUTOR, INSIDE, &text);
    assert_eq!(sent.start(), "INVITE sip:203.0.113.9:5069 SIP/2.0");
    assert_eq!(sent.to, address("203.0.113.9:5069"));
    assert_eq!(
        sent.all("Route"),
        ["<sip:203.0.113.10;lr>", "<sip:zed@far.example>"]
    );
    // A loose one does not.
    let text = request(
        "INVITE",
        "sip:zed@far.example",
        "loose",
        "Route: <sip:203.0.113.9:5069;lr>\n",
    );
    let sent = forwarded(&mut world, EXECUTOR, INSIDE, &text);
    assert_eq!(sent.start(), "INVITE sip:zed@far.example SIP/2.0");
    assert_eq!(sent.to, address("203.0.113.9:5069"));
    assert_eq!(sent.all("Route"), ["<sip:203.0.113.9:5069;lr>"]);
}
