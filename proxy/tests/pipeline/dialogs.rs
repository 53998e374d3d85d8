//! Own Routes, tokens, and requests within dialogs (RFC 3261 §16.4, §16.12; RFC 5658).

use crate::support::{
    CALLER, CONFIG, EXECUTOR, INSIDE, NATTED, PBX, PUBLIC, STRANGER, Sent, World, address, invite,
    lines, request,
};

/// A call that was answered: the request as the callee got it, and the 2xx as the caller got it.
pub(super) struct Call {
    id: String,
    onward: Sent,
    answer: Sent,
}

pub(super) fn call(world: &mut World, user: &str, id: &str, callee: &str, listener: u16) -> Call {
    world.receive(CALLER, PUBLIC, &invite(user, id));
    let onward = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    let contact = format!("Contact: <sip:callee@{callee}>\n");
    let routes: String = onward
        .all("Record-Route")
        .iter()
        .map(|route| format!("Record-Route: {route}\n"))
        .collect();
    let mut answer = onward.answer(200, &contact);
    if !answer.contains("Record-Route") {
        answer = answer.replacen("\r\n\r\n", &lines(&format!("\n{routes}\n")), 1);
    }
    world.receive(callee, listener, &answer);
    let answer = world.only(CALLER);
    assert_eq!(answer.status(), 200);
    Call {
        id: id.to_owned(),
        onward,
        answer,
    }
}

impl Call {
    pub(super) fn routes(&self) -> Vec<String> {
        self.onward.all("Record-Route")
    }

    /// A request of the caller's: its route set is the Record-Route in reverse order (§12.1.2).
    pub(super) fn of_caller(&self, method: &str, target: &str, branch: &str) -> String {
        let mut routes = self.routes();
        routes.reverse();
        self.within(
            method,
            target,
            branch,
            &routes,
            "alice",
            "callee",
            "198.51.100.7:5060",
        )
    }

    pub(super) fn of_callee(
        &self,
        method: &str,
        target: &str,
        branch: &str,
        sent_by: &str,
    ) -> String {
        self.within(
            method,
            target,
            branch,
            &self.routes(),
            "callee",
            "alice",
            sent_by,
        )
    }

    #[allow(clippy::too_many_arguments)] // What a dialog consists of.
    pub(super) fn within(
        &self,
        method: &str,
        target: &str,
        branch: &str,
        routes: &[String],
        from: &str,
        to: &str,
        sent_by: &str,
    ) -> String {
        let routes: String = routes
            .iter()
            .map(|route| format!("Route: {route}\n"))
            .collect();
        format!(
            "{method} {target} SIP/2.0\nVia: SIP/2.0/UDP {sent_by};branch=z9hG4bK-{branch};rport\n{routes}\
             Max-Forwards: 70\nFrom: <sip:f@f.example>;tag={from}\nTo: <sip:t@t.example>;tag={to}\n\
             Call-ID: {}\nCSeq: 2 {method}\nContent-Length: 0\n\n",
            self.id
        )
    }
}

#[test]
fn requests_of_both_sides_follow_their_routes() {
    let mut world = World::new();
    let call = call(&mut world, "1", "both", EXECUTOR, INSIDE);
    assert_eq!(call.routes().len(), 2);
    assert_eq!(call.answer.all("Record-Route"), call.routes());
    // The caller's BYE comes by the public socket, the executor's by the internal one.
    world.receive(
        CALLER,
        PUBLIC,
        &call.of_caller("BYE", "sip:callee@10.0.0.9:5080", "1"),
    );
    let bye = world.only(EXECUTOR);
    assert_eq!(bye.start(), "BYE sip:callee@10.0.0.9:5080 SIP/2.0");
    assert!(bye.all("Route").is_empty() && bye.all("Record-Route").is_empty());
    world.receive(
        EXECUTOR,
        INSIDE,
        &call.of_callee("INFO", "sip:alice@198.51.100.7:5060", "2", "10.0.0.9:5080"),
    );
    let info = world.only(CALLER);
    assert_eq!(
        (info.start().as_str(), info.listener),
        ("INFO sip:alice@198.51.100.7:5060 SIP/2.0", PUBLIC)
    );
}

#[test]
fn any_socket_of_ours_may_get_a_request_of_a_dialog() {
    let mut world = World::new();
    let call = call(&mut world, "7", "sockets", PBX, PUBLIC);
    for (at, listener) in [PUBLIC, NATTED, crate::support::PUBLIC_V6]
        .into_iter()
        .enumerate()
    {
        world.receive(
            CALLER,
            listener,
            &call.of_caller("INFO", "sip:callee@203.0.113.50:5070", &format!("any-{at}")),
        );
        assert_eq!(world.only(PBX).all("Route").len(), 0);
    }
}

#[test]
fn a_dialog_outlives_a_restart_with_the_same_secret() {
    let mut world = World::new();
    let call = call(&mut world, "7", "restart", PBX, PUBLIC);
    let bye = call.of_caller("BYE", "sip:callee@203.0.113.50:5070", "1");
    let mut restarted = World::seeded(CONFIG, 99);
    restarted.receive(CALLER, PUBLIC, &bye);
    assert_eq!(restarted.only(PBX).method(), "BYE");
    let mut other = World::with(&CONFIG.replace("0123456789abcdef", "another-secret-of-ours"));
    other.receive(CALLER, PUBLIC, &bye);
    assert_eq!(other.statuses(CALLER), [403]);
}

#[test]
fn forged_tokens_are_refused() {
    let mut world = World::new();
    let call = call(&mut world, "7", "forged", PBX, PUBLIC);
    let bye = call.of_caller("BYE", "sip:callee@203.0.113.50:5070", "1");
    let at = bye.find("hs=").unwrap() + 3;
    for offset in [0, 5, 17, 31] {
        let mut bad = bye.clone().into_bytes();
        bad[at + offset] = if bad[at + offset] == b'A' { b'B' } else { b'A' };
        world.receive(CALLER, PUBLIC, &String::from_utf8(bad).unwrap());
        assert_eq!(world.statuses(CALLER), [403], "character {offset}");
    }
    // The token of another call, and a cut one.
    world.receive(
        CALLER,
        PUBLIC,
        &bye.replace("Call-ID: forged", "Call-ID: another"),
    );
    assert_eq!(world.statuses(CALLER), [403]);
    world.receive(CALLER, PUBLIC, &bye.replacen("hs=", "hs=;x=", 1));
    assert!(matches!(world.statuses(CALLER)[..], [400 | 403]));
    assert!(world.count("forged_routes") >= 5);
}

#[test]
fn nobody_relays_through_us() {
    let mut world = World::new();
    for (text, status) in [
        // A Route of somebody else.
        (
            request(
                "INVITE",
                "sip:7@demo.example",
                "relay-1",
                "Route: <sip:203.0.113.66;lr>\n",
            ),
            403,
        ),
        // Behind one of ours.
        (
            request(
                "INVITE",
                "sip:7@demo.example",
                "relay-2",
                "Route: <sip:192.0.2.1;lr>, <sip:203.0.113.66;lr>\n",
            ),
            403,
        ),
        // A foreign host.
        (request("INVITE", "sip:x@far.example", "relay-3", ""), 404),
        // A To tag alone is no dialog.
        (
            request("INVITE", "sip:x@far.example", "relay-4", "")
                .replace("To: <sip:x@far.example>", "To: <sip:x@far.example>;tag=x"),
            404,
        ),
        (
            request(
                "BYE",
                "sip:x@far.example",
                "relay-5",
                "Route: <sip:192.0.2.1;lr>\n",
            )
            .replace("To: <sip:x@far.example>", "To: <sip:x@far.example>;tag=x"),
            404,
        ),
    ] {
        world.receive(STRANGER, PUBLIC, &text.replace(CALLER, STRANGER));
        let sent = world.take();
        assert_eq!(
            sent.iter().map(Sent::status).collect::<Vec<_>>(),
            [status],
            "{text}"
        );
    }
    // A token opens no route without a To tag: what it comes with is a new request.
    let call = call(&mut world, "7", "relay-6", PBX, PUBLIC);
    let fresh = call
        .of_caller("INVITE", "sip:x@far.example", "1")
        .replace(";tag=callee", "");
    world.receive(CALLER, PUBLIC, &fresh);
    assert_eq!(world.statuses(CALLER), [404]);
}

#[test]
fn an_outbound_proxy_route_of_ours_comes_off() {
    let mut world = World::new();
    for (at, route) in [
        "sip:192.0.2.1;lr",
        "sip:192.0.2.1:5060;lr",
        "sip:10.0.0.1:5062;lr",
        "sip:edge.example.com:5079;lr",
        "sip:EDGE.example.com:5079;lr",
        "sip:[2001:db8::1];lr",
    ]
    .iter()
    .enumerate()
    {
        let text = request(
            "OPTIONS",
            "sip:7@demo.example",
            &format!("own-{at}"),
            &format!("Route: <{route}>\n"),
        );
        world.receive(CALLER, PUBLIC, &text);
        assert!(world.only(PBX).all("Route").is_empty(), "{route}");
    }
    let text = request(
        "OPTIONS",
        "sip:7@demo.example",
        "own-wild",
        "Route: <sip:172.16.0.4:5070;lr>\n",
    );
    world.receive(CALLER, NATTED, &text);
    assert!(world.only(PBX).all("Route").is_empty());
}

#[test]
fn a_strict_routers_request_is_put_right() {
    // §16.4: our Record-Route value is in the Request-URI, the target at the end of Route.
    let mut world = World::new();
    let call = call(&mut world, "7", "undo", PBX, PUBLIC);
    let ours = call.routes()[0].trim_matches(['<', '>']).to_owned();
    let routes = ["<sip:callee@203.0.113.50:5070>".to_owned()];
    let text = call.within(
        "BYE",
        &ours,
        "undo",
        &routes,
        "alice",
        "callee",
        "198.51.100.7:5060",
    );
    world.receive(CALLER, PUBLIC, &text);
    let bye = world.only(PBX);
    assert_eq!(bye.start(), "BYE sip:callee@203.0.113.50:5070 SIP/2.0");
    assert!(bye.all("Route").is_empty());
}

#[test]
fn a_remote_target_that_names_us_is_routed_and_no_loop() {
    let mut world = World::new();
    let call = call(&mut world, "7", "names-us", PBX, PUBLIC);
    for method in ["INFO", "ACK"] {
        world.receive(
            CALLER,
            PUBLIC,
            &call.of_caller(method, "sip:7@192.0.2.1:5060", &format!("us-{method}")),
        );
        let sent = world.take();
        assert_eq!(
            sent.iter().map(Sent::method).collect::<Vec<_>>(),
            [method],
            "{sent:?}"
        );
        assert_eq!(sent[0].to, address(PBX));
    }
}

#[test]
fn the_ack_of_a_2xx_goes_end_to_end() {
    let mut world = World::new();
    let call = call(&mut world, "1", "ack", EXECUTOR, INSIDE);
    let ack = call
        .of_caller("ACK", "sip:callee@10.0.0.9:5080", "ack")
        .replace("CSeq: 2", "CSeq: 1");
    world.receive(CALLER, PUBLIC, &ack);
    let first = world.only(EXECUTOR);
    assert_eq!(first.start(), "ACK sip:callee@10.0.0.9:5080 SIP/2.0");
    assert_eq!((first.all("Via").len(), first.transaction), (2, None));
    // A retransmitted 2xx, and its ACK: each passes again.
    world.receive(
        EXECUTOR,
        INSIDE,
        &call
            .onward
            .answer(200, "Contact: <sip:callee@10.0.0.9:5080>\n"),
    );
    assert_eq!(world.statuses(CALLER), [200]);
    world.receive(CALLER, PUBLIC, &ack);
    assert_ne!(world.only(EXECUTOR).branch(), first.branch());
    // With the branch of the INVITE, as some do it, it is still an ACK to a 2xx.
    world.receive(CALLER, PUBLIC, &ack.replace("z9hG4bK-ack", "z9hG4bK-ack-1"));
    assert_eq!(world.only(EXECUTOR).method(), "ACK");
}

#[test]
fn without_record_route_an_ack_that_comes_here_is_routed_like_a_request() {
    let config = CONFIG.replace("  [[chain.filter]]\n  type = \"record_route\"\n", "");
    let mut world = World::with(&config);
    let call = call(&mut world, "7", "no-rr", PBX, PUBLIC);
    assert!(call.routes().is_empty());
    world.receive(
        CALLER,
        PUBLIC,
        &call.of_caller("ACK", "sip:7@demo.example", "ack"),
    );
    assert_eq!(world.only(PBX).method(), "ACK");
    // To nowhere: dropped and counted, never answered.
    world.receive(
        CALLER,
        PUBLIC,
        &call.of_caller("ACK", "sip:x@far.example", "ack-2"),
    );
    assert!(world.take().is_empty());
    assert_eq!(world.count("stray_acks"), 1);
    // To a name: looked up.
    world.receive(
        EXECUTOR,
        INSIDE,
        &request("ACK", "sip:x@far.example", "named", ""),
    );
    assert!(crate::support::subject_is_ack(&world.lookups[0]));
    world.resolved(&["203.0.113.90:5060"]);
    assert_eq!(world.only("203.0.113.90:5060").method(), "ACK");
}

#[test]
fn a_reinvite_keeps_the_token_where_the_file_asks_for_record_route_in_dialogs() {
    let config = CONFIG.replace(
        "type = \"record_route\"",
        "type = \"record_route\"\n  in_dialog = true",
    );
    let mut world = World::with(&config);
    let call = call(&mut world, "7", "again", PBX, PUBLIC);
    let text = call.of_callee("INVITE", "sip:alice@198.51.100.7:5060", "re", PBX);
    world.receive(PBX, PUBLIC, &text);
    let again = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    assert_eq!(again.all("Record-Route"), call.routes());
}

#[test]
fn draining_leaves_dialogs_alone() {
    let mut world = World::new();
    let call = call(&mut world, "7", "drained", PBX, PUBLIC);
    world.core.drain();
    world.receive(
        CALLER,
        PUBLIC,
        &call.of_caller("BYE", "sip:callee@203.0.113.50:5070", "1"),
    );
    assert_eq!(world.only(PBX).method(), "BYE");
    assert_eq!(world.core.in_progress(), 1);
}

#[test]
fn a_neighbour_with_our_key_is_a_hop_of_its_own() {
    // Two nodes in a row sign alike; the second's value stays for the second.
    let mut near = World::new();
    near.receive(CALLER, PUBLIC, &invite("7", "cluster"));
    let onward = near.take().remove(1);
    let far_config = CONFIG
        .replace("192.0.2.1", "203.0.113.50")
        .replace("udp:203.0.113.50:5060", "udp:203.0.113.50:5070")
        .replace("[\"sip:203.0.113.50:5070\"]", "[\"sip:203.0.113.60:5070\"]");
    let mut far = World::with(&far_config);
    let text = onward
        .text()
        .replacen("sip:7@203.0.113.50:5070", "sip:7@demo.example", 1);
    far.receive("192.0.2.1:5060", PUBLIC, &text);
    let last = far
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    let routes = last.all("Record-Route");
    assert_eq!(routes.len(), 2, "{routes:?}");
    // In one order both may have the same sides and so the same token; then the host decides.
    let routes: String = routes
        .iter()
        .map(|route| format!("Route: {route}\n"))
        .collect();
    let bye = format!(
        "BYE sip:alice@198.51.100.7:5060 SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.60:5070;branch=z9hG4bK-c\n{routes}\
         Max-Forwards: 70\nFrom: <sip:f@f>;tag=callee\nTo: <sip:t@t>;tag=alice\nCall-ID: cluster\nCSeq: 2 BYE\nContent-Length: 0\n\n"
    );
    far.receive("203.0.113.60:5070", PUBLIC, &bye);
    let onward = far.take().remove(0);
    assert_eq!(
        (onward.method().as_str(), onward.to),
        ("BYE", address("192.0.2.1:5060"))
    );
    assert_eq!(onward.all("Route").len(), 1);
}
