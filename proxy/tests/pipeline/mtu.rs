//! Requests that are too long for a datagram (RFC 3261 §18.1.1).

use std::time::Duration;

use sip::Transport;

use crate::phones::{Phone, users};
use crate::support::{
    CALLER, CONFIG, EXECUTOR, GATEWAY_1, INSIDE, PBX, PUBLIC, PUBLIC_TCP, Sent, World, request,
    same_branch,
};

/// [`CONFIG`] with 1,300 bytes for all.
fn limited() -> String {
    format!("[limits]\nudp_mtu = 1300\n{CONFIG}")
}

/// A request of more than 1,300 bytes.
fn long(method: &str, user: &str, id: &str) -> String {
    let extra = format!("X-Long: {}\n", "x".repeat(1300));
    request(method, &format!("sip:{user}@demo.example"), id, &extra)
}

/// What went to `to`, by which transport its Via says that it did.
fn onward(world: &mut World, text: &str, to: &str) -> (Sent, Transport) {
    world.receive(CALLER, PUBLIC, text);
    let sent = world.take().into_iter();
    let sent = sent.filter(|sent| sent.to == crate::support::address(to));
    let mut sent: Vec<Sent> = sent.collect();
    assert_eq!(sent.len(), 1);
    let sent = sent.remove(0);
    let via = sent.header("Via");
    let name = match sent.transport {
        Transport::Tcp => "SIP/2.0/TCP 192.0.2.1:5060;branch=",
        _ => "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=",
    };
    assert!(via.starts_with(name), "{via}");
    let transport = sent.transport;
    (sent, transport)
}

#[test]
fn what_is_long_goes_by_tcp_and_all_of_its_transaction() {
    let mut world = World::with(&limited());
    let text = long("INVITE", "7", "long");
    let (invite, transport) = onward(&mut world, &text, PBX);
    assert_eq!((transport, invite.listener), (Transport::Tcp, PUBLIC_TCP));
    assert!(invite.opens && invite.transaction.is_some());
    assert_eq!(invite.all("Content-Length").len(), 1);
    let routes = invite.all("Record-Route");
    assert!(
        routes[0].starts_with("<sip:192.0.2.1:5060;transport=tcp;lr;"),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:192.0.2.1:5060;lr;"),
        "{routes:?}"
    );
    assert_eq!(routes.len(), 2);
    world.receive(PBX, PUBLIC_TCP, &invite.answer(180, ""));
    world.take();
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    let sent = world.take();
    let cancel = sent.iter().find(|sent| sent.method() == "CANCEL").unwrap();
    assert_eq!(cancel.transport, Transport::Tcp);
    assert_eq!(cancel.branch(), invite.branch());
    world.receive(PBX, PUBLIC_TCP, &invite.answer(487, ""));
    let sent = world.take();
    let ack = sent.iter().find(|sent| sent.method() == "ACK").unwrap();
    assert_eq!(ack.transport, Transport::Tcp);
    world.receive(PBX, PUBLIC_TCP, &cancel.answer(200, ""));
    assert!(sent.iter().any(|sent| sent.status() == 487));
    world.receive(CALLER, PUBLIC, &same_branch("ACK", &text, "callee"));
    world.assert_drained();
}

#[test]
fn what_is_short_goes_by_udp() {
    let mut world = World::with(&limited());
    let (_, transport) = onward(&mut world, &crate::support::invite("7", "short"), PBX);
    assert_eq!(transport, Transport::Udp);
    // Nobody has asked for anything else.
    let (_, transport) = onward(&mut World::new(), &long("INVITE", "7", "any"), PBX);
    assert_eq!(transport, Transport::Udp);
}

#[test]
fn where_tcp_is_refused_it_is_udp_after_all() {
    for method in ["INVITE", "MESSAGE"] {
        let mut world = World::with(&limited());
        let (by_tcp, transport) = onward(&mut world, &long(method, "7", "refused"), PBX);
        assert_eq!(transport, Transport::Tcp);
        world.failed(&by_tcp);
        let sent = world.only(PBX);
        assert_eq!(sent.transport, Transport::Udp);
        assert_ne!(sent.branch(), by_tcp.branch());
        assert_eq!(sent.all("Via").len(), 2);
        assert_eq!(sent.header("X-Long").len(), 1300);
        let routes = sent.all("Record-Route");
        assert!(
            routes.iter().all(|route| !route.contains("tcp")),
            "{routes:?}"
        );
        world.receive(PBX, PUBLIC, &sent.answer(200, ""));
        assert_eq!(world.statuses(CALLER).last(), Some(&200));
        world.assert_drained();
    }
    // There as well nobody listens.
    let mut world = World::with(&limited());
    let (by_tcp, _) = onward(&mut world, &long("INVITE", "7", "neither"), PBX);
    world.failed(&by_tcp);
    let by_udp = world.only(PBX);
    world.failed(&by_udp);
    assert_eq!(world.statuses(CALLER), [500]);
}

#[test]
fn whoever_was_reached_is_not_asked_twice() {
    // By an answer, even of this kind.
    for status in [503, 408] {
        let mut world = World::with(&limited());
        let (sent, _) = onward(&mut world, &long("INVITE", "7", "answer"), PBX);
        world.receive(PBX, PUBLIC_TCP, &sent.answer(status, ""));
        let sent = world.take();
        assert!(
            sent.iter().all(|sent| sent.method() != "INVITE"),
            "{sent:?}"
        );
    }
    // By a provisional one, after which the connection breaks.
    let mut world = World::with(&limited());
    let (sent, _) = onward(&mut world, &long("INVITE", "7", "rings"), PBX);
    world.receive(PBX, PUBLIC_TCP, &sent.answer(180, ""));
    world.take();
    world.failed(&sent);
    let after = world.take();
    assert!(
        after.iter().all(|sent| sent.method() != "INVITE"),
        "{after:?}"
    );
    // Nor when nothing comes.
    let mut world = World::with(&limited());
    onward(&mut world, &long("INVITE", "7", "silence"), PBX);
    world.advance(Duration::from_secs(31));
    assert!(world.take().is_empty());
    world.advance(Duration::from_secs(2));
    assert_eq!(world.statuses(CALLER).first(), Some(&408));
}

#[test]
fn a_trunk_says_it_for_itself() {
    let trunk = "name = \"gateways\"\n";
    let with = |config: &str, mtu: u32| {
        let config = config.replacen(trunk, &format!("{trunk}udp_mtu = {mtu}\n"), 1);
        let mut world = World::with(&config);
        let (sent, transport) = onward(&mut world, &long("INVITE", "9001", "trunk"), GATEWAY_1);
        world.failed(&sent);
        let next = world.take().remove(0);
        (transport, next.to == crate::support::address(GATEWAY_1))
    };
    assert_eq!(with(&limited(), 0), (Transport::Udp, false));
    assert_eq!(with(CONFIG, 1300), (Transport::Tcp, true));
    assert_eq!(with(CONFIG, 60_000), (Transport::Udp, false));
}

#[test]
fn where_there_is_no_socket_for_it_nothing_changes() {
    // None at all, and none on the inside.
    let config = limited().replace("tcp:192.0.2.1:5060", "udp:192.0.2.1:5099");
    let (_, transport) = onward(&mut World::with(&config), &long("INVITE", "7", "none"), PBX);
    assert_eq!(transport, Transport::Udp);
    let mut world = World::with(&limited());
    world.receive(CALLER, PUBLIC, &long("INVITE", "1", "inside"));
    let sent = world.take();
    let executor = crate::support::address(EXECUTOR);
    let sent = sent.iter().find(|sent| sent.to == executor).unwrap();
    assert_eq!((sent.transport, sent.listener), (Transport::Udp, INSIDE));
    // A phone is reached by its flow alone.
    let config = users().replacen("[[listen]]", "[limits]\nudp_mtu = 1300\n\n[[listen]]", 1);
    let mut world = World::with(&config);
    let mut phone = Phone::new("alice", "198.51.100.20:4711");
    assert_eq!(phone.register(&mut world).status(), 200);
    world.receive(EXECUTOR, INSIDE, &long("INVITE", "alice", "phone"));
    let sent = world.only(phone.address);
    assert_eq!(sent.transport, Transport::Udp);
}
