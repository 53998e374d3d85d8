//! The proxy between a caller and carriers: origination, failover, and what must not be tried again.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use loadtest::{
    Config, Draft, Edge, Fate, Message, Peer, Relay, Robot, Running, Side, Sipp, chaos, free_port,
};

const CALL: &str = "sip:+15550100@carrier.test";

/// Less than Timer B, which ends an INVITE that nobody answers (RFC 3261 §17.1.1.2), where nothing else does.
const TIMER_B: Duration = Duration::from_secs(25);

/// An edge whose host `carrier.test` is a trunk with these targets, each `HOST:PORT…`.
fn edge(targets: &[String]) -> Edge {
    edge_with(Config::new().timers("fr_timer = \"700ms\""), targets)
}

fn edge_with(config: Config, targets: &[String]) -> Edge {
    let uris: Vec<_> = targets
        .iter()
        .map(|target| format!("sip:+14158675309@{target}"))
        .collect();
    let uris: Vec<_> = uris.iter().map(String::as_str).collect();
    let config = config.trunk("carrier", "127.0.0.250/32", &uris);
    Edge::start(config.route("carrier.test", "carrier"))
}

fn answering() -> Running {
    Sipp::callee("callee_answers").start()
}

fn at(address: SocketAddr) -> String {
    address.to_string()
}

fn call(edge: &Edge) -> Sipp {
    Sipp::caller("caller_hangs_up", edge.public()).to(CALL)
}

fn refused(edge: &Edge, status: &str) -> loadtest::Report {
    Sipp::caller("caller_is_refused", edge.public())
        .to(CALL)
        .set("STATUS", status)
        .run()
}

#[test]
fn headers_of_the_origination_uri_are_on_the_wire() {
    // The first seed's example, word for word.
    let carrier = answering();
    let edge = edge(&[format!(
        "{}?X-customParameter=xxxxxxxx&X-customValue=true",
        carrier.address()
    )]);
    call(&edge).set("HEADERS", "X-Own: kept").run();
    let report = carrier.finish();
    let invite = report.request("INVITE");
    assert_eq!(invite.all("X-customParameter"), ["xxxxxxxx"]);
    assert_eq!(invite.all("X-customValue"), ["true"]);
    assert_eq!(invite.all("X-Own"), ["kept"]);
    assert!(!invite.uri().contains('?'), "{}", invite.uri());
    assert!(
        invite.uri().starts_with("sip:+14158675309@127.0.0.1:"),
        "{}",
        invite.uri()
    );
    assert_eq!(invite.need("Max-Forwards"), "69");
    assert_eq!(invite.all("Via").len(), 2);
}

#[test]
fn the_same_over_tcp() {
    let carrier = Sipp::callee("callee_answers").tcp().start();
    let target = format!(
        "{};transport=tcp?X-customParameter=xxxxxxxx&X-customValue=true",
        carrier.address()
    );
    let edge = edge(&[target]);
    call(&edge).tcp().run();
    let report = carrier.finish();
    assert_eq!(report.request("INVITE").all("X-customValue"), ["true"]);
    assert!(report.request("INVITE").all("Via")[0].starts_with("SIP/2.0/TCP"));
}

#[test]
fn udp_on_one_side_and_tcp_on_the_other() {
    for caller_tcp in [false, true] {
        let carrier = Sipp::callee("callee_hangs_up");
        let carrier = if caller_tcp { carrier } else { carrier.tcp() }.start();
        let transport = if caller_tcp { "" } else { ";transport=tcp" };
        let edge = edge(&[format!("{}{transport}", carrier.address())]);
        let caller = Sipp::caller("caller_is_hung_up", edge.public()).to(CALL);
        if caller_tcp { caller.tcp() } else { caller }.run();
        let report = carrier.finish();
        let routes = report.request("INVITE").all("Record-Route").join(",");
        assert_eq!(
            routes.matches("sip:").count(),
            2,
            "one for either transport: {routes}"
        );
    }
}

#[test]
fn a_silent_target_is_passed_over() {
    let (silent, carrier) = (Peer::bind(), answering());
    let edge = edge(&[at(silent.address()), at(carrier.address())]);
    let began = Instant::now();
    call(&edge).run();
    assert!(began.elapsed() < TIMER_B, "{:?}", began.elapsed());
    let (first, second) = (silent.request("INVITE"), carrier.finish());
    let branch = |message: &Message| {
        message.all("Via")[0]
            .split("branch=")
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_ne!(
        branch(&first),
        branch(second.request("INVITE")),
        "each attempt is a new transaction"
    );
}

#[test]
fn a_target_that_refuses_is_passed_over_at_once() {
    let carrier = answering();
    let edge = edge_with(
        Config::new().timers("fr_timer = \"30s\""),
        &[format!("127.0.0.1:{}", free_port()), at(carrier.address())],
    );
    let began = Instant::now();
    call(&edge).run();
    let lasted = began.elapsed();
    assert!(lasted < TIMER_B, "{lasted:?}: that was the timer");
    carrier.finish();
}

#[test]
fn a_target_that_refuses_the_connection_is_passed_over_at_once() {
    let carrier = answering();
    let edge = edge_with(
        Config::new().timers("fr_timer = \"30s\""),
        &[
            format!("127.0.0.1:{};transport=tcp", free_port()),
            at(carrier.address()),
        ],
    );
    let began = Instant::now();
    call(&edge).run();
    let lasted = began.elapsed();
    assert!(lasted < TIMER_B, "{lasted:?}: that was the timer");
    carrier.finish();
}

#[test]
fn a_target_that_is_unavailable_is_passed_over() {
    for status in [
        "503 Service Unavailable",
        "500 Server Internal Error",
        "408 Request Timeout",
    ] {
        let first = Sipp::callee("callee_refuses").set("STATUS", status).start();
        let second = answering();
        let edge = edge(&[at(first.address()), at(second.address())]);
        let report = call(&edge).run();
        assert!(
            report.statuses("INVITE").iter().all(|status| *status < 300),
            "{status}"
        );
        first.finish();
        second.finish();
    }
}

#[test]
fn a_verdict_is_not_appealed() {
    for status in [
        "486 Busy Here",
        "404 Not Found",
        "603 Decline",
        "400 Bad Request",
    ] {
        let first = Sipp::callee("callee_refuses").set("STATUS", status).start();
        let second = Peer::bind();
        let config = Config::new().timers("fr_timer = \"20s\"");
        let edge = edge_with(config, &[at(first.address()), at(second.address())]);
        refused(&edge, &status[..3]);
        first.finish();
        second.silence(Duration::from_millis(300));
    }
}

#[test]
fn a_503_of_the_last_target_does_not_travel_on() {
    let first = Sipp::callee("callee_refuses")
        .set("STATUS", "503 Service Unavailable")
        .start();
    let second = Sipp::callee("callee_refuses")
        .set("STATUS", "503 Service Unavailable")
        .start();
    let edge = edge(&[at(first.address()), at(second.address())]);
    refused(&edge, "500");
    first.finish();
    second.finish();
}

#[test]
fn with_nobody_left_the_caller_hears_so() {
    let silent = Peer::bind();
    // Timer B of the last target: 64 times T1 (RFC 3261 §17.1.1.2).
    let edge = edge_with(
        Config::new().timers("t1 = \"30ms\""),
        &[at(silent.address())],
    );
    let began = Instant::now();
    let report = refused(&edge, "408");
    assert!(began.elapsed() < TIMER_B, "{:?}", began.elapsed());
    assert_eq!(
        report
            .statuses("INVITE")
            .iter()
            .filter(|status| **status >= 200)
            .count(),
        1
    );
}

#[test]
fn a_disabled_target_is_not_used() {
    let (unused, carrier) = (Peer::bind(), answering());
    let disabled = format!(
        "[[trunk.target]]\nuri = \"sip:{}\"\npriority = 1\nenabled = false",
        unused.address()
    );
    let uri = format!("sip:{}", carrier.address());
    let config = Config::new()
        .trunk("carrier", "127.0.0.250/32", &[&uri])
        .section(&disabled);
    let edge = Edge::start(config.route("carrier.test", "carrier"));
    call(&edge).run();
    carrier.finish();
    unused.silence(Duration::from_millis(50));
}

#[test]
fn cancel_reaches_the_callee() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = edge(&[at(bob.address())]);
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    bob.answer(&at_bob, proxy, 180, &[], "");
    alice.response(180);
    alice.send(edge.public(), invite.cancel().text());
    let cancel = bob.request("CANCEL");
    assert_eq!(cancel.uri(), at_bob.uri());
    assert_eq!(
        cancel.all("Via"),
        at_bob.all("Via")[..1],
        "hop by hop (RFC 3261 §9.1)"
    );
    assert_eq!(cancel.need("CSeq"), "1 CANCEL");
    bob.answer(&cancel, proxy, 200, &[], "");
    bob.answer(&at_bob, proxy, 487, &[], "");
    let ack = bob.request("ACK");
    assert_eq!(ack.all("Via"), at_bob.all("Via")[..1]);
    let terminated = alice.outcome(Duration::from_secs(20));
    let terminated = if terminated.cseq_method() == "CANCEL" {
        alice.outcome(Duration::from_secs(20))
    } else {
        terminated
    };
    assert_eq!(terminated.status(), Some(487));
    alice.send(edge.public(), invite.ack(&terminated).text());
    alice.catches_up(edge.public(), &invite);
    bob.silence(Duration::from_millis(700));
    alice.silence(Duration::from_millis(700));
}

#[test]
fn cancel_before_any_answer_waits_for_one() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = edge_with(
        Config::new().timers("fr_timer = \"30s\""),
        &[at(bob.address())],
    );
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    alice.send(edge.public(), invite.cancel().text());
    alice.response(200);
    std::thread::sleep(Duration::from_millis(200));
    bob.answer(&at_bob, proxy, 180, &[], "");
    bob.request("CANCEL");
}

#[test]
fn a_200_that_crosses_the_cancel_arrives() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = edge(&[at(bob.address())]);
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    bob.answer(&at_bob, proxy, 180, &[], "");
    alice.response(180);
    alice.send(edge.public(), invite.cancel().text());
    let cancel = bob.request("CANCEL");
    bob.answer(&cancel, proxy, 200, &[], "");
    bob.answer(&at_bob, proxy, 200, &[], "");
    let first = alice.response(200);
    let answer = if first.cseq_method() == "CANCEL" {
        alice.response(200)
    } else {
        first
    };
    assert_eq!(answer.cseq_method(), "INVITE");
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    bob.request("ACK");
}

#[test]
fn a_refusal_is_repeated_until_it_is_acknowledged() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = edge(&[at(bob.address())]);
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    bob.answer(&at_bob, proxy, 486, &[], "");
    bob.request("ACK");
    let refusal = alice.response(486);
    alice.response(486);
    alice.send(edge.public(), invite.ack(&refusal).text());
    alice.catches_up(edge.public(), &invite);
    alice.silence(Duration::from_millis(1300));
    bob.silence(Duration::from_millis(50));
}

#[test]
fn a_carrier_that_restarts_is_called_again() {
    let carrier = Sipp::callee("callee_answers").tcp();
    let edge = edge(&[format!("{};transport=tcp", carrier.address())]);
    for _ in 0..3 {
        let running = carrier.clone().start();
        call(&edge).run();
        running.finish();
    }
}

#[test]
fn a_request_other_than_invite_is_not_answered_for_a_silent_target() {
    // RFC 4320 §4.2: a 408 would come too late to be of use to anybody.
    let (alice, silent) = (Peer::bind(), Peer::bind());
    let edge = edge_with(
        Config::new().timers("t1 = \"20ms\""),
        &[at(silent.address())],
    );
    alice.send(edge.public(), Draft::new("MESSAGE", CALL, &alice).text());
    silent.request("MESSAGE");
    alice.silence(Duration::from_secs(2));
    edge.drains(&["hookswitch_transactions"]);
    alice.silence(Duration::from_millis(100));
}

#[test]
fn a_request_of_any_name_goes_through() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let edge = edge(&[at(bob.address())]);
    for method in [
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "NEWMETHOD",
        "!odd*_+`.%'~",
    ] {
        let draft = Draft::new(method, CALL, &alice)
            .without("Max-Forwards")
            .header("X-Own", "kept")
            .body("v=0\r\n");
        alice.send(edge.public(), draft.text());
        let (request, proxy) = bob
            .receive_from(Duration::from_secs(20))
            .expect("the request");
        assert_eq!(request.method(), Some(method));
        assert_eq!(request.need("Max-Forwards"), "70", "RFC 3261 §16.6 step 3");
        assert_eq!(
            (request.header("X-Own"), request.body.as_str()),
            (Some("kept"), "v=0\r\n")
        );
        bob.answer(&request, proxy, 202, &[("X-Back", "yes")], "");
        assert_eq!(alice.response(202).header("X-Back"), Some("yes"));
    }
}

#[test]
fn a_cancel_of_nothing_is_481() {
    let alice = Peer::bind();
    let edge = edge(&[format!("127.0.0.1:{}", free_port())]);
    alice.send(
        edge.public(),
        Draft::new("INVITE", CALL, &alice).cancel().text(),
    );
    assert_eq!(alice.outcome(Duration::from_secs(20)).status(), Some(481));
}

#[test]
fn the_200_that_gets_lost_is_sent_again_and_arrives_once_more() {
    let carrier = Sipp::callee("callee_answers").linger(1500).start();
    let edge = edge(&[at(carrier.address())]);
    let mut lost = 0;
    let relay = Relay::start(edge.public(), move |side, bytes| {
        let is_it = side == Side::Server && bytes.starts_with(b"SIP/2.0 200") && lost == 0;
        lost += u32::from(is_it);
        if is_it { Fate::Drop } else { Fate::Pass }
    });
    Sipp::caller("caller_hangs_up", relay.address())
        .to(CALL)
        .run();
    let report = carrier.finish();
    // A carrier that is slow to ring gets the same transaction again, and never another one.
    let invites = report.received.iter();
    let mut branches: Vec<_> = invites
        .filter(|message| message.method() == Some("INVITE"))
        .map(|message| message.all("Via")[0])
        .collect();
    branches.dedup();
    assert_eq!(branches.len(), 1, "{branches:?}");
}

#[test]
fn the_ack_that_gets_lost_is_asked_for_again() {
    let carrier = Sipp::callee("callee_answers").linger(1500).start();
    let edge = edge(&[at(carrier.address())]);
    let mut lost = 0;
    let relay = Relay::start(edge.public(), move |side, bytes| {
        let is_it = side == Side::Client && bytes.starts_with(b"ACK") && lost == 0;
        lost += u32::from(is_it);
        if is_it { Fate::Drop } else { Fate::Pass }
    });
    Sipp::caller("caller_hangs_up", relay.address())
        .to(CALL)
        .argument("-d", "1200")
        .run();
    carrier.finish();
    let crossed = relay.crossed();
    let count = |is_it: &dyn Fn(&Message) -> bool| {
        let messages = crossed.iter().filter_map(loadtest::Crossed::message);
        messages.filter(|message| is_it(message)).count()
    };
    let acks = count(&|message| message.method() == Some("ACK"));
    let answers =
        count(&|message| message.status() == Some(200) && message.cseq_method() == "INVITE");
    assert!(
        (2..=answers).contains(&acks),
        "{acks} for {answers} answers"
    );
}

#[test]
fn every_call_gets_through_a_lossy_network_seed_1() {
    gets_through(1);
}

#[test]
fn every_call_gets_through_a_lossy_network_seed_2() {
    gets_through(2);
}

#[test]
fn every_call_gets_through_a_lossy_network_seed_3() {
    gets_through(3);
}

/// One datagram in ten is lost on either side; behind the proxy some come twice and some out of order.
fn gets_through(seed: u64) {
    let carrier = Robot::start();
    let far = Relay::start(carrier.address(), chaos(seed, 100, 50, 50));
    let config = Config::new().timers("fr_timer = \"20s\"");
    let edge = edge_with(config, &[at(far.address())]);
    // SIPp takes what comes late for what it never asked for: towards it nothing is swapped.
    let near = Relay::start(edge.public(), chaos(seed + 100, 100, 0, 0));
    let caller = Sipp::caller("caller_hangs_up", near.address()).to(CALL);
    let caller = caller.set("LENIENT", "true").calls(40, 20);
    caller
        .argument("-max_retrans", "10")
        .argument("-rtcheck", "loose")
        .argument("-d", "2500")
        .run();
    assert_eq!(carrier.ended(), 40, "seed {seed}");
    let invites = far
        .crossed()
        .into_iter()
        .filter_map(|crossed| crossed.message());
    let invites = invites.filter(|message| message.method() == Some("INVITE"));
    let mut branches: Vec<_> = invites
        .map(|message| message.all("Via")[0].to_owned())
        .collect();
    branches.sort();
    branches.dedup();
    assert_eq!(
        branches.len(),
        40,
        "seed {seed}: a retransmission became a new transaction"
    );
}

#[test]
fn what_is_too_long_for_a_datagram_goes_by_tcp_or_by_udp_where_that_is_refused() {
    for listens in [true, false] {
        let (alice, bob) = (Peer::bind(), Peer::bind());
        let listener = listens.then(|| TcpListener::bind(bob.address()).expect("a free port"));
        let uri = format!("sip:+14158675309@{}", bob.address());
        let keys = "trust = \"untrusted\"\nudp_mtu = 1300";
        let config = Config::new()
            .trunk_with("carrier", "127.0.0.250/32", &[&uri], keys)
            .route("carrier.test", "carrier");
        let edge = Edge::start(config);
        let long = "x".repeat(1300);
        let invite = Draft::new("INVITE", CALL, &alice);
        alice.send(edge.public(), invite.header("X-Long", &long).text());
        let Some(listener) = listener else {
            let (at_bob, proxy) = bob
                .receive_from(Duration::from_secs(20))
                .expect("the INVITE by UDP");
            assert_eq!(at_bob.header("X-Long"), Some(long.as_str()));
            bob.answer(&at_bob, proxy, 486, &[], "");
            alice.response(486);
            continue;
        };
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut heard = String::new();
        while !heard.contains("m=audio") {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).expect("the INVITE by TCP");
            assert_ne!(count, 0, "closed after {heard}");
            heard.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        assert!(heard.contains(&long) && heard.contains("SIP/2.0/TCP"));
        bob.silence(Duration::from_millis(300));
    }
}
