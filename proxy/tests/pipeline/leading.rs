//! What a peer names as its address leads nothing into a socket of ours, and makes nobody one of ours.

use sip::Transport;
use transport::ListenerId;

use crate::dialogs::{Call, call};
use crate::phones::{Phone, users};
use crate::support::{
    CALLER, CONFIG, EXECUTOR, GATEWAY_1, INSIDE, PBX, PUBLIC, Sent, World, address, lines, request,
    tcp,
};

/// A machine of the caller's.
const LAIR: &str = "198.51.100.66:5060";
/// The internal socket.
const INTERNAL: &str = "10.0.0.1:5062";

/// [`CONFIG`] with an internal socket for TCP.
fn internal_tcp(config: &str) -> String {
    let gateways = "[[trunk]]\nname = \"gateways\"";
    let listen = "[[listen]]\nname = \"inside-tcp\"\nsocket = \"tcp:10.0.0.1:5062\"\ntrust = \"internal\"\nchain = \"internal\"\n\n";
    config.replacen(gateways, &format!("{listen}{gateways}"), 1)
}

/// Asks for a trunk, on the connection that we have opened to `remote`; says whether it was believed.
fn is_one_of_ours(world: &mut World, remote: &str, id: &str) -> bool {
    let mut flow = tcp(remote, 8);
    flow.listener = ListenerId::OUTBOUND;
    let text = request(
        "INVITE",
        "sip:+19005550100@demo.example",
        id,
        "X-Hookswitch-Trunk: gateways\n",
    );
    world.take();
    world.receive_on(flow, lines(&text.replace("UDP", "TCP")).into());
    world
        .take()
        .iter()
        .any(|sent| sent.to == address(GATEWAY_1))
}

#[test]
fn an_address_named_in_a_dialog_is_none_of_ours() {
    let mut world = World::with(&internal_tcp(CONFIG));
    let dialog = call(&mut world, "1", "named", EXECUTOR, INSIDE);
    let target = format!("sip:x@{LAIR};transport=tcp");
    world.receive(CALLER, PUBLIC, &dialog.of_caller("INFO", &target, "1"));
    assert_eq!(world.only(LAIR).transport, Transport::Tcp);
    assert!(!is_one_of_ours(&mut world, LAIR, "named-2"));
    // Nor is it where the executor sends to what the caller has named.
    let bye = dialog.of_callee("BYE", &target, "2", EXECUTOR);
    world.receive(EXECUTOR, INSIDE, &bye);
    assert_eq!(world.only(LAIR).method(), "BYE");
    assert!(!is_one_of_ours(&mut world, LAIR, "named-3"));
}

#[test]
fn a_connection_to_a_stranger_stands_for_no_internal_socket() {
    // There is no other socket for TCP.
    let config = CONFIG.replace(
        "socket = \"tcp:192.0.2.1:5060\"",
        "socket = \"tcp:192.0.2.1:5060\"\ntrust = \"internal\"",
    );
    for tcp_socket in [true, false] {
        let config = match tcp_socket {
            true => config.clone(),
            false => config.replace("tcp:192.0.2.1:5060", "udp:192.0.2.1:5099"),
        };
        let mut world = World::with(&config);
        let uri = format!("sip:x@{LAIR};transport=tcp");
        world.receive(EXECUTOR, INSIDE, &request("INVITE", &uri, "leg", ""));
        assert!(!is_one_of_ours(&mut world, LAIR, "leg-2"));
        world.receive(CALLER, PUBLIC, &crate::support::invite("6", "six"));
        assert!(!is_one_of_ours(&mut world, PBX, "six-2"));
    }
}

#[test]
fn an_executor_that_the_file_names_stays_one_of_ours() {
    let config = CONFIG.replace("10.0.0.9:5080", "10.0.0.9:5080;transport=tcp");
    let mut world = World::with(&internal_tcp(&config));
    world.receive(CALLER, PUBLIC, &crate::support::invite("1", "tcp"));
    assert!(is_one_of_ours(&mut world, EXECUTOR, "tcp-2"));
    // A stranger who names its address changes nothing.
    let dialog = call(&mut world, "7", "other", PBX, PUBLIC);
    let target = format!("sip:x@{EXECUTOR};transport=tcp");
    world.receive(CALLER, PUBLIC, &dialog.of_caller("INFO", &target, "1"));
    assert_eq!(world.only(EXECUTOR).method(), "INFO");
    assert!(is_one_of_ours(&mut world, EXECUTOR, "tcp-3"));
}

/// Sends `text`, has its name resolved to the internal socket, and asserts that it is refused.
fn assert_leads_nowhere(world: &mut World, (from, listener): (&str, u16), text: &str) {
    world.take();
    world.receive(from, listener, text);
    if !world.lookups.is_empty() {
        world.resolved(&[INTERNAL]);
    }
    let sent = world.take();
    assert!(
        sent.iter().all(|sent| sent.method().is_empty()),
        "{text} went on: {sent:#?}"
    );
    let last = sent.last().map(Sent::status);
    assert!(matches!(last, Some(403 | 404)), "{text}: {last:?}");
}

/// Every request of either side of `dialog` to each of `targets` is refused.
fn assert_all_lead_nowhere(world: &mut World, dialog: &Call, targets: &[&str]) {
    for (at, target) in targets.iter().enumerate() {
        for method in ["INFO", "INVITE"] {
            let branch = format!("{method}-{at}");
            let text = dialog.of_caller(method, target, &branch);
            assert_leads_nowhere(world, (CALLER, PUBLIC), &text);
            // The caller had named it as its Contact.
            let text = dialog.of_callee(method, target, &format!("{branch}-back"), EXECUTOR);
            assert_leads_nowhere(world, (EXECUTOR, INSIDE), &text);
        }
        let before = world.count("stray_acks");
        let ack = dialog.of_caller("ACK", target, &format!("ack-{at}"));
        world.receive(CALLER, PUBLIC, &ack);
        if !world.lookups.is_empty() {
            world.resolved(&[INTERNAL]);
        }
        let sent = world.take();
        assert!(sent.is_empty(), "{target}: {sent:?}");
        assert_eq!(world.count("stray_acks"), before + 1, "{target}");
    }
}

#[test]
fn no_target_of_a_dialog_leads_into_an_internal_socket() {
    let mut world = World::new();
    let dialog = call(&mut world, "1", "target", EXECUTOR, INSIDE);
    let targets = [
        "sip:x@evil.example:5062",
        "sip:+19005550100@demo.example;hsf=2-udp-0-10.0.0.1:5062",
        "sip:+19005550100@demo.example;hsf=0-udp-0-10.0.0.1:5062",
        "sip:+19005550100@demo.example;hsf=0-udp-0-10.0.0.1:5062-0123456789abcdef",
        "sip:x@10.0.0.1:5062",
        "sip:x@[::ffff:10.0.0.1]:5062",
        "sip:x@0.0.0.0:5062",
        "sip:x@0.0.0.0",
        "sip:x@[::]:5062",
        "sip:x@[::ffff:0.0.0.0]:5062",
        "sip:x@224.0.0.1:5062",
        "sip:x@[ff02::1]:5062",
    ];
    assert_all_lead_nowhere(&mut world, &dialog, &targets);
}

#[test]
fn no_target_leads_to_a_wildcard_socket_either() {
    let config = CONFIG.replace("udp:10.0.0.1:5062", "udp:0.0.0.0:5062");
    let mut world = World::with(&config);
    let dialog = call(&mut world, "1", "wildcard", EXECUTOR, INSIDE);
    // The last one is what the kernel calls us.
    let targets = [
        "sip:x@127.0.0.1:5062",
        "sip:x@127.9.9.9:5062",
        "sip:x@192.0.2.200:5062",
    ];
    assert_all_lead_nowhere(&mut world, &dialog, &targets);
    // Others may use that port. Our own value for the other side, which has another address than the
    // one that the request came to, leads nowhere: it is ours.
    assert!(
        dialog
            .routes()
            .iter()
            .any(|route| route.contains("192.0.2.200:5062"))
    );
    let text = dialog.of_caller("INFO", "sip:x@203.0.113.50:5062", "others");
    world.receive(CALLER, PUBLIC, &text);
    let info = world.only("203.0.113.50:5062");
    assert_eq!(
        (info.method().as_str(), info.all("Route").len()),
        ("INFO", 0)
    );
}

#[test]
fn no_target_leads_to_what_an_internal_socket_is_called_outside() {
    let config = CONFIG.replace(
        "socket = \"udp:10.0.0.1:5062\"",
        "socket = \"udp:10.0.0.1:5062\"\nadvertise = \"203.0.113.200:15062\"",
    );
    let mut world = World::with(&config);
    let dialog = call(&mut world, "1", "advertised", EXECUTOR, INSIDE);
    for (method, branch) in [("INFO", "1"), ("INVITE", "2")] {
        let text = dialog.of_caller(method, "sip:x@evil.example:15062", branch);
        world.receive(CALLER, PUBLIC, &text);
        world.resolved(&["203.0.113.200:15062"]);
        let sent = world.take();
        assert_eq!(sent.last().map(Sent::status), Some(403), "{sent:?}");
    }
}

#[test]
fn no_route_leads_into_an_internal_socket() {
    let mut world = World::new();
    let dialog = call(&mut world, "1", "routes", EXECUTOR, INSIDE);
    let ours = dialog.routes();
    let facing = ours.iter().find(|route| route.contains(INTERNAL)).unwrap();
    let mut stacks = vec![vec![facing.clone(); 5]];
    for behind in [
        "<sip:0.0.0.0:5062;lr>",
        "<sip:evil.example:5062;lr>",
        "<sip:evil.example:5062>",
    ] {
        stacks.push(vec![facing.clone(), behind.to_owned()]);
    }
    for (at, routes) in stacks.iter().enumerate() {
        // The far side's tag in From claims to be the executor.
        for (from, to) in [("alice", "callee"), ("callee", "alice")] {
            for target in ["sip:+19005550100@192.0.2.1:5060", "sip:x@far.example"] {
                let branch = format!("stack-{at}-{from}-{}", target.len());
                let text = dialog.within(
                    "INVITE",
                    target,
                    &branch,
                    routes,
                    from,
                    to,
                    "198.51.100.7:5060",
                );
                assert_leads_nowhere(&mut world, (CALLER, PUBLIC), &text);
            }
        }
    }
}

#[test]
fn a_rule_that_follows_the_request_uri_leads_to_others_only() {
    let rule = "[[route]]\nname = \"open\"\nruri_host = [\"evil.example\"]\nto = \"ruri\"\n\n[[chain]]\nname = \"inbound\"\n";
    let mut world = World::with(&CONFIG.replacen("[[chain]]\nname = \"inbound\"\n", rule, 1));
    let text = request("INVITE", "sip:x@evil.example:5062", "ruri", "");
    assert_leads_nowhere(&mut world, (CALLER, PUBLIC), &text);
    let text = request("INVITE", "sip:x@evil.example:5062", "ruri-2", "");
    world.receive(CALLER, PUBLIC, &text);
    world.resolved(&["203.0.113.9:5062"]);
    assert!(world.take().iter().any(|sent| sent.method() == "INVITE"));
}

#[test]
fn a_phone_that_registered_by_a_socket_of_ours_is_not_called() {
    // A REGISTER that was led through us comes from our own address.
    let mut world = World::with(&users());
    let mut phone = Phone::new("alice", INTERNAL);
    phone.contact = "<sip:+19005550100@demo.example>".to_owned();
    assert_eq!(phone.register(&mut world).status(), 200);
    let text = request("INVITE", "sip:alice@demo.example", "ring", "");
    assert_leads_nowhere(&mut world, (EXECUTOR, INSIDE), &text);
}

#[test]
fn who_names_us_as_its_address_is_routed_as_if_it_had_asked() {
    let rule = "[[route]]\nname = \"costly\"\nfrom_trust = [\"internal\"]\nruri_user = \"^8\"\nto = \"trunk\"\n\
                trunk = \"gateways\"\n\n[[chain]]\nname = \"inbound\"\n";
    let config = CONFIG.replacen("[[chain]]\nname = \"inbound\"\n", rule, 1);
    let mut world = World::with(&config);
    let dialog = call(&mut world, "1", "us", EXECUTOR, INSIDE);
    for extra in ["", "X-Hookswitch-Trunk: gateways\n"] {
        let branch = format!("us-{}", extra.len());
        let text = dialog.of_callee("INVITE", "sip:8@192.0.2.1:5060", &branch, EXECUTOR);
        let text = text.replace("Max-Forwards", &format!("{extra}Max-Forwards"));
        world.receive(EXECUTOR, INSIDE, &text);
        assert_eq!(world.statuses(EXECUTOR).last(), Some(&404), "{extra}");
    }
}

#[test]
fn an_empty_tag_is_no_dialog() {
    let mut world = World::new();
    let dialog = call(&mut world, "1", "empty", EXECUTOR, INSIDE);
    for tag in [";tag=", ";tag"] {
        let text = dialog.of_caller("INVITE", "sip:x@203.0.113.66", &format!("e{}", tag.len()));
        let text = text.replace(";tag=callee", tag);
        world.receive(CALLER, PUBLIC, &text);
        let sent = world.take();
        let statuses: Vec<u16> = sent.iter().map(Sent::status).collect();
        assert!(matches!(statuses[..], [400 | 404]), "{sent:?}");
    }
}
