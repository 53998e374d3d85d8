//! What must not cross a boundary: spoofed internal headers inwards, our own outwards, strangers, smuggled names.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use loadtest::{Config, Draft, Edge, Message, Peer, Sipp, Webhook, answering, sdp};

const DEMO: &str = "sip:bob@demo.test";
const CALL: &str = "sip:+15550100@carrier.test";
const SPOOFED: [(&str, &str); 9] = [
    ("X-Hookswitch-Source", "9.9.9.9:9999"),
    ("X-Hookswitch-Trunk", "evil"),
    ("X-Hookswitch-Domain", "evil.test"),
    ("X-Hookswitch-Username", "evil"),
    ("X-Hookswitch-Request-Uri", "sip:evil@evil.test"),
    ("x-hookswitch-call-sid", "evil"),
    ("X-HOOKSWITCH-Parent-Call-Id", "evil"),
    ("X-Hookswitch-Transport", "evil"),
    ("X-Hookswitch-Evil", "evil"),
];

fn spoofed(draft: Draft) -> Draft {
    SPOOFED
        .iter()
        .fold(draft, |draft, (name, value)| draft.header(name, value))
}

fn carrier_edge(carrier: SocketAddr, config: Config) -> Edge {
    let uri = format!("sip:+14158675309@{carrier}");
    Edge::start(
        config
            .trunk("carrier", "127.0.0.250/32", &[&uri])
            .route("carrier.test", "carrier"),
    )
}

#[test]
fn spoofed_internal_headers_do_not_reach_the_webhook() {
    let (hook, edge) = answering("busy");
    let headers: Vec<_> = SPOOFED
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    for tcp in [false, true] {
        let sipp = Sipp::caller("caller_is_refused", edge.public())
            .to(DEMO)
            .set("STATUS", "486");
        let sipp = sipp.set("HEADERS", &headers.join("\n"));
        if tcp { sipp.tcp() } else { sipp }.run();
    }
    for hit in &hook.wait(2) {
        assert_eq!(hit.param("SipSourceIp"), "127.0.0.1");
        assert_eq!(hit.param("SipDomain"), "demo.test");
        assert_eq!(hit.param("To"), DEMO);
        assert_eq!(hit.get("SipUsername"), None);
        let text = format!("{} {}", hit.url(), hit.body()).to_lowercase();
        assert!(
            !text.contains("evil") && !text.contains("hookswitch") && !text.contains("9.9.9.9"),
            "{text}"
        );
    }
}

#[test]
fn spoofed_internal_headers_do_not_cross_in_any_request() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = carrier_edge(bob.address(), Config::new());
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), spoofed(invite.clone()).text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    assert!(!at_bob.mentions("hookswitch-"), "{at_bob:?}");
    // And back: nothing of ours in a response, nothing of theirs either.
    let theirs = [
        ("X-Hookswitch-Trunk", "evil"),
        ("X-Hookswitch-Call-Sid", "evil"),
        ("X-Fine", "yes"),
    ];
    bob.answer(&at_bob, proxy, 183, &theirs, "");
    let progress = alice.response(183);
    assert!(
        !progress.mentions("hookswitch-") && progress.header("X-Fine") == Some("yes"),
        "{progress:?}"
    );
    bob.answer(&at_bob, proxy, 200, &theirs, &sdp(bob.address()));
    let answer = alice.response(200);
    assert!(!answer.mentions("hookswitch-"), "{answer:?}");
    for (method, cseq) in [
        ("ACK", 1),
        ("INFO", 2),
        ("UPDATE", 3),
        ("MESSAGE", 4),
        ("BYE", 5),
    ] {
        alice.send(
            edge.public(),
            spoofed(invite.within(method, cseq, &answer)).text(),
        );
        let request = bob.request(method);
        assert!(!request.mentions("hookswitch-"), "{request:?}");
        if method != "ACK" {
            bob.answer(&request, proxy, 200, &theirs, "");
            let answer = alice.response(200);
            assert!(!answer.mentions("hookswitch-"), "{answer:?}");
        }
    }
}

#[test]
fn internal_headers_do_not_leave_with_a_leg_of_the_executor() {
    let carol = Peer::bind();
    let hook = Webhook::start();
    let uri = loadtest::encode(&format!("sip:carol@{}", carol.address()));
    let edge = Edge::start(Config::new().domain(
        "demo.test",
        &hook.url(&format!("dial?uri={uri}&answer_on_bridge=true")),
    ));
    let relay = loadtest::Relay::transparent(edge.public());
    let caller = Sipp::caller("caller_hangs_up", relay.address())
        .to(DEMO)
        .argument("-d", "800")
        .start();
    let (invite, proxy) = carol
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    carol.answer(&invite, proxy, 200, &[], &sdp(carol.address()));
    let ack = carol.request("ACK");
    let bye = carol.request("BYE");
    carol.answer(&bye, proxy, 200, &[], "");
    caller.finish();
    for message in [invite, ack, bye]
        .iter()
        .chain(&relay.messages(loadtest::Side::Server))
    {
        assert!(
            !message.mentions("hookswitch-"),
            "an internal header left: {message:?}"
        );
    }
}

#[test]
fn the_source_is_the_true_one() {
    let (hook, edge) = answering("busy");
    for ip in ["127.0.0.1", "127.0.0.9"] {
        let sipp = Sipp::caller("caller_is_refused", edge.public())
            .to(DEMO)
            .set("STATUS", "486");
        sipp.from_ip(ip.parse().unwrap())
            .set("HEADERS", "X-Forwarded-For: 8.8.8.8")
            .run();
    }
    let hits = hook.wait(2);
    assert_eq!(hits[0].param("SipSourceIp"), "127.0.0.1");
    assert_eq!(hits[1].param("SipSourceIp"), "127.0.0.9");
}

#[test]
fn strangers_are_refused() {
    let hook = Webhook::start();
    let config = Config::new()
        .callers("reject", Some(r#"source = ["127.0.0.9/32"]"#))
        .domain("demo.test", &hook.url("busy"));
    let edge = Edge::start(config);
    let call = |ip: &str, status: &str| {
        let sipp = Sipp::caller("caller_is_refused", edge.public())
            .to(DEMO)
            .set("STATUS", status);
        sipp.from_ip(ip.parse().unwrap())
    };
    call("127.0.0.1", "403").run();
    call("127.0.0.1", "403").tcp().run();
    call("127.0.0.9", "486").run();
    assert_eq!(hook.hits().len(), 1);
}

#[test]
fn a_stranger_costs_one_answer_and_no_memory() {
    // No retransmissions to a source that nobody knows, and none of its requests is worth more than its own size.
    let config = Config::new().callers("reject", Some(r#"source = ["127.0.0.9/32"]"#));
    let edge = Edge::start(config.domain("demo.test", "http://127.0.0.1:1/"));
    let stranger = Peer::bind();
    let (mut sent, mut heard, mut answers) = (0, 0, 0);
    let mut listen = |within, wanted| {
        while answers < wanted
            && let Some(answer) = stranger.receive(within)
        {
            assert_eq!(answer.status(), Some(403));
            heard += answer.raw.len();
            answers += 1;
        }
        answers
    };
    for method in ["INVITE", "OPTIONS", "REGISTER", "MESSAGE"]
        .into_iter()
        .cycle()
        .take(200)
    {
        let text = Draft::new(method, DEMO, &stranger).text();
        sent += text.len();
        stranger.send(edge.public(), text);
        listen(Duration::from_millis(5), 200);
    }
    // On a busy machine the last answers are late.
    let answers = listen(Duration::from_secs(5), 200);
    assert!(
        heard <= 3 * sent,
        "{answers} answers, {heard} bytes for {sent}"
    );
    stranger.silence(Duration::from_millis(1300));
    assert_eq!(edge.metric("hookswitch_transactions"), Some(0.0));
}

#[test]
fn strangers_hear_nothing_where_silence_is_configured() {
    let hook = Webhook::start();
    let known = Peer::bind();
    let source = format!("source = [\"{}\"]", known.address());
    let config = Config::new()
        .callers("silent", Some(&source))
        .domain("demo.test", &hook.url("busy"));
    let edge = Edge::start_silent(config);
    let stranger = Peer::bind();
    for method in ["INVITE", "OPTIONS", "REGISTER", "ACK", "BYE", "CANCEL"] {
        stranger.send(edge.public(), Draft::new(method, DEMO, &stranger).text());
    }
    stranger.send(edge.public(), "INVITE garbage");
    stranger.silence(Duration::from_millis(700));
    known.send(edge.public(), Draft::new("INVITE", DEMO, &known).text());
    known.response(180);
}

#[test]
fn the_executor_listens_to_its_proxies_only() {
    let (hook, edge) = answering("busy");
    let stranger = Peer::bind();
    stranger.send(
        edge.executor(),
        spoofed(Draft::new("INVITE", DEMO, &stranger)).text(),
    );
    let answer = stranger.receive(Duration::from_millis(700));
    assert!(
        answer
            .as_ref()
            .is_none_or(|answer| answer.status().is_some_and(|status| status >= 400)),
        "{answer:?}"
    );
    assert!(hook.hits().is_empty());
}

#[test]
fn no_trick_with_a_name_gets_a_header_past_its_removal() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let rules = "[[chain.filter]]\ntype = \"x_headers\"\ndefault = \"pass\"\n\
                 rules = [ { op = \"remove\", header = \"X-Internal-*\" } ]";
    let edge = carrier_edge(bob.address(), Config::new().inbound(rules));
    let tricks: [&[u8]; 8] = [
        b"X-Internal-Id: evil",
        b"X-Fold: a\r\n X-Internal-Id: evil",
        b"X-Internal-Id : evil",
        b"x-iNTERNAL-iD\t: evil",
        b"X-Internal-Id\x01: evil",
        b"X-Internal-Id\xc2\xa0: evil",
        b"X-Internal-Id\x00: evil",
        b"X-Internal-Id\r\n : evil",
    ];
    for trick in tricks {
        let draft = Draft::new("INVITE", CALL, &alice)
            .header("X-Marker", "here")
            .text();
        let (before, after) = draft.split_once("X-Marker: here\r\n").unwrap();
        let bytes = [before.as_bytes(), trick, b"\r\n", after.as_bytes()].concat();
        alice.send(edge.public(), &bytes);
        if let Some((message, proxy)) = bob.receive_from(Duration::from_millis(400)) {
            assert!(
                !message.mentions("evil"),
                "{} let through {message:?}",
                String::from_utf8_lossy(trick)
            );
            bob.answer(&message, proxy, 486, &[], "");
        }
        while alice.receive(Duration::from_millis(50)).is_some() {}
    }
}

#[test]
fn headers_are_edited_both_ways() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let rules = r#"[[chain.filter]]
type = "x_headers"
rules = [
    { op = "allow", header = ["X-Account-*", "X-Reply"], direction = "both" },
    { op = "remove", header = "X-Account-Secret" },
    { op = "add", header = "X-Trunk", value = "${trunk.name}", on = ["branch"] },
]"#;
    let edge = carrier_edge(bob.address(), Config::new().inbound(rules));
    let invite = Draft::new("INVITE", CALL, &alice)
        .header("X-Account-Id", "42")
        .header("X-Account-Secret", "evil")
        .header("X-Other", "evil")
        .header("P-Asserted-Identity", "<sip:evil@x>");
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    assert_eq!(at_bob.all("X-Account-Id"), ["42"]);
    assert_eq!(at_bob.all("X-Trunk"), ["caller"]);
    assert!(!at_bob.mentions("evil"), "{at_bob:?}");
    bob.answer(
        &at_bob,
        proxy,
        486,
        &[("X-Reply", "yes"), ("X-Leak", "evil")],
        "",
    );
    let answer = alice.response(486);
    assert_eq!(answer.header("X-Reply"), Some("yes"));
    assert!(!answer.mentions("evil"), "{answer:?}");
}

#[test]
fn a_route_to_elsewhere_is_not_followed() {
    let (mallory, victim) = (Peer::bind(), Peer::bind());
    let (_hook, edge) = answering("busy");
    let there = victim.address();
    for (uri, route) in [
        (DEMO.to_owned(), Some(format!("<sip:{there};lr>"))),
        (format!("sip:victim@{there}"), None),
        (
            format!("sip:victim@{there}"),
            Some(format!("<sip:{};lr>", edge.public())),
        ),
        (
            format!("sip:{}", edge.public()),
            Some(format!("<sip:{};lr>, <sip:{there};lr>", edge.public())),
        ),
    ] {
        let draft = Draft::new("MESSAGE", &uri, &mallory);
        let draft = route
            .into_iter()
            .fold(draft, |draft, route| draft.header("Route", &route));
        mallory.send(edge.public(), draft.text());
        let status = mallory.answer_to(&draft).status();
        assert!(
            status.is_some_and(|status| status >= 400),
            "{uri}: {status:?}"
        );
    }
    victim.silence(Duration::from_millis(200));
}

#[test]
fn answers_go_to_where_the_request_came_from() {
    let (alice, victim) = (Peer::bind(), Peer::bind());
    let (_hook, edge) = answering("busy");
    let via = format!(
        "SIP/2.0/UDP {there};branch=z9hG4bKsteer;received=127.0.0.4;maddr=127.0.0.5;rport",
        there = victim.address()
    );
    alice.send(
        edge.public(),
        Draft::new("INVITE", DEMO, &alice).set("Via", &via).text(),
    );
    let answer = alice.response(180);
    let via = answer.need("Via");
    assert!(
        via.contains(&format!("rport={}", alice.address().port())),
        "{via}"
    );
    assert!(via.contains("received=127.0.0.1"), "{via}");
    victim.silence(Duration::from_millis(200));
}

/// The answer to an INVITE of `alice` that somebody picks up.
fn picked_up(edge: &Edge, alice: &Peer, invite: &Draft) -> Message {
    alice.send(edge.public(), invite.text());
    let answer = alice.response(200);
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    answer
}

/// A request within the dialog of `answer`, to a target that its sender makes up.
fn led(invite: &Draft, method: &str, cseq: u32, answer: &Message, target: &str) -> String {
    let text = invite.within(method, cseq, answer).text();
    let (start, rest) = text.split_once(" SIP/2.0").expect("a request");
    let (method, _) = start.split_once(' ').expect("a method");
    format!("{method} {target} SIP/2.0{rest}")
}

#[test]
fn a_target_in_a_dialog_does_not_lead_into_the_internal_socket() {
    let alice = Peer::bind();
    let hook = Webhook::start();
    let url = hook.url("say?then=pause&length=20");
    let edge = Edge::start(Config::new().domain("demo.test", &url));
    let invite = Draft::new("INVITE", DEMO, &alice);
    let answer = picked_up(&edge, &alice, &invite);
    let port = edge.inside().port();
    for (host, cseq) in [("0.0.0.0", 2), ("localhost", 3)] {
        let target = format!("sip:+19005550100@{host}:{port}");
        let info = led(&invite, "INFO", cseq, &answer, &target);
        alice.send(edge.public(), info);
        let status = alice.outcome(Duration::from_secs(20)).status();
        assert_eq!(status, Some(403), "{target}");
    }
    let bye = invite.within("BYE", 4, &answer);
    alice.send(edge.public(), bye.text());
    alice.response(200);
}

#[test]
fn whoever_has_us_open_a_connection_is_none_of_ours() {
    let (alice, carrier) = (Peer::bind(), Peer::bind());
    let hook = Webhook::start();
    let config = Config::new().domain("demo.test", &hook.url("say?then=pause&length=20"));
    let inside = config.inside;
    let uri = format!("sip:+14158675309@{}", carrier.address());
    let config = config
        .trunk("carrier", "127.0.0.250/32", &[&uri])
        .section(&format!(
            "[[listen]]\nname = \"inside-tcp\"\nsocket = \"tcp:127.0.0.1:{inside}\"\ntrust = \"internal\"\nchain = \"inside\""
        ));
    let edge = Edge::start(config);
    let invite = Draft::new("INVITE", DEMO, &alice);
    let answer = picked_up(&edge, &alice, &invite);

    // Within the dialog with the executor, the proxy is told to connect to the caller.
    let lair = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = lair.local_addr().expect("it is bound");
    let target = format!("sip:alice@{address};transport=tcp");
    alice.send(edge.public(), led(&invite, "INFO", 2, &answer, &target));
    let (mut opened, _) = lair.accept().expect("a connection");
    let call = Draft::from_address("INVITE", DEMO, address, "TCP")
        .set("Call-ID", &invite.value("Call-ID"))
        .header("X-Hookswitch-Trunk", "carrier");
    opened
        .write_all(call.text().as_bytes())
        .expect("the connection is open");
    // It goes the way of a stranger's call, and not out by the trunk that it names.
    let patience = Some(Duration::from_secs(5));
    opened.set_read_timeout(patience).expect("not zero");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("SIP/2.0 100 ") {
        let mut chunk = [0; 4096];
        let count = opened.read(&mut chunk).expect("an answer to the INVITE");
        assert_ne!(count, 0, "closed before an answer");
        heard.extend_from_slice(&chunk[..count]);
    }
    carrier.silence(Duration::from_millis(500));
}
