//! Bad input: answered once or dropped, never fatal, never passed on.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use loadtest::{Config, Draft, Edge, Peer, Stream, answering, free_port};

const DEMO: &str = "sip:bob@demo.test";
const CALL: &str = "sip:+15550100@carrier.test";

/// How long nothing may come where nothing is to come.
const SOON: Duration = Duration::from_millis(400);

/// How long may take what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn edge() -> Edge {
    answering("busy").1
}

fn carrier_edge(carrier: SocketAddr) -> Edge {
    let uri = format!("sip:+14158675309@{carrier}");
    Edge::start(
        Config::new()
            .trunk("carrier", "127.0.0.250/32", &[&uri])
            .route("carrier.test", "carrier"),
    )
}

/// Sends a request and gives the status of the first answer.
fn status(edge: &Edge, peer: &Peer, text: impl AsRef<[u8]>) -> Option<u16> {
    peer.send(edge.public(), text);
    peer.receive(PATIENCE).and_then(|message| message.status())
}

#[test]
fn what_the_rfc_says_about_bad_requests() {
    let edge = edge();
    let peer = Peer::bind();
    let draft = || Draft::new("OPTIONS", DEMO, &peer);
    let cases = [
        (
            "Max-Forwards: 0",
            draft().set("Max-Forwards", "0").text(),
            483,
        ),
        (
            "Proxy-Require",
            draft().header("Proxy-Require", "magic").text(),
            420,
        ),
        (
            "an unknown scheme",
            Draft::new("OPTIONS", "nobodyKnows:this", &peer).text(),
            416,
        ),
        (
            "SIP/7.0",
            draft().text().replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1),
            505,
        ),
        (
            "two To",
            draft().header("To", "<sip:other@demo.test>").text(),
            400,
        ),
        (
            "two Call-ID",
            draft().header("Call-ID", "other").text(),
            400,
        ),
        (
            "CSeq of another method",
            draft().set("CSeq", "1 INVITE").text(),
            400,
        ),
        (
            "CSeq too large",
            draft().set("CSeq", "36893488147419103232 OPTIONS").text(),
            400,
        ),
        (
            "negative Content-Length",
            draft().header("Content-Length", "-1").text(),
            400,
        ),
        (
            "Content-Length beyond the end",
            draft().header("Content-Length", "9999").text(),
            400,
        ),
        (
            "a name with a control",
            draft().header("X-A\u{1}", "b").text(),
            400,
        ),
        (
            "an unfinished quote",
            draft().set("To", "\"Bob <sip:bob@demo.test>").text(),
            400,
        ),
        (
            "space in the Request-URI",
            draft().text().replacen(DEMO, "sip:bob@demo.test; lr", 1),
            400,
        ),
    ];
    for (what, text, expected) in cases {
        peer.send(edge.public(), &text);
        let answer = peer
            .receive(PATIENCE)
            .unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(answer.status(), Some(expected), "{what}: {answer:?}");
        if expected == 420 {
            assert_eq!(answer.header("Unsupported"), Some("magic"));
        }
    }
    assert!(edge.answers_options());
}

#[test]
fn a_request_that_lacks_a_header_is_answered_or_dropped() {
    let edge = edge();
    let peer = Peer::bind();
    for method in ["INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER"] {
        for name in [
            "To",
            "From",
            "Call-ID",
            "CSeq",
            "Via",
            "Max-Forwards",
            "Contact",
        ] {
            let text = Draft::new(method, DEMO, &peer).without(name).text();
            peer.send(edge.public(), text);
        }
        let bare = format!("{method} {DEMO} SIP/2.0\r\n\r\n");
        peer.send(edge.public(), bare);
    }
    let peer = Peer::bind();
    for name in ["To", "From", "Call-ID", "CSeq"] {
        assert_eq!(
            status(
                &edge,
                &peer,
                Draft::new("OPTIONS", DEMO, &peer).without(name).text()
            ),
            Some(400),
            "without {name}"
        );
    }
    assert!(edge.answers_options());
}

#[test]
fn an_ack_is_never_answered() {
    let edge = edge();
    let peer = Peer::bind();
    for text in [
        Draft::new("ACK", DEMO, &peer).text(),
        Draft::new("ACK", DEMO, &peer).without("To").text(),
        Draft::new("ACK", DEMO, &peer)
            .set("Max-Forwards", "0")
            .text(),
        Draft::new("ACK", "nobodyKnows:this", &peer).text(),
        Draft::new("ACK", DEMO, &peer)
            .header("Proxy-Require", "magic")
            .text(),
    ] {
        peer.send(edge.public(), text);
    }
    peer.silence(SOON);
}

#[test]
fn garbage_is_not_answered() {
    let edge = edge();
    let peer = Peer::bind();
    let long = "A".repeat(60_000);
    let pieces: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"INVITE",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 999999 No\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n",
        b"\xff\xfe\xfd\xfc\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        long.as_bytes(),
    ];
    for piece in pieces {
        peer.send(edge.public(), piece);
    }
    let mut heard = Vec::new();
    while let Some(message) = peer.receive(SOON) {
        heard.push(message.start);
    }
    assert!(
        heard.iter().all(|start| start.starts_with("SIP/2.0 4")) && heard.len() <= 1,
        "{heard:?}"
    );
    assert!(edge.answers_options());
}

#[test]
fn stray_responses_are_dropped() {
    let victim = Peer::bind();
    let edge = edge();
    let mallory = Peer::bind();
    for status in ["100 Trying", "180 Ringing", "200 OK", "486 Busy", "699 No"] {
        let text = format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKguess\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKx\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: stray\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
            edge.public(),
            victim.address()
        );
        mallory.send(edge.public(), text);
    }
    victim.silence(SOON);
    mallory.silence(Duration::from_millis(50));
}

#[test]
fn what_follows_a_datagrams_body_is_not_passed_on() {
    let bob = Peer::bind();
    let edge = carrier_edge(bob.address());
    let alice = Peer::bind();
    let inner = Draft::new("INVITE", CALL, &alice)
        .header("X-Smuggled", "evil")
        .text();
    let text = Draft::new("INVITE", CALL, &alice).body("").text() + &inner;
    alice.send(edge.public(), text);
    let (message, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    assert!(!message.mentions("evil"), "{message:?}");
    bob.answer(&message, proxy, 486, &[], "");
    while let Some(message) = bob.receive(SOON) {
        assert!(!message.mentions("evil"), "{message:?}");
    }
}

#[test]
fn a_stream_split_anywhere_is_the_same_message() {
    let edge = edge();
    let mut stream = Stream::connect(edge.public());
    for size in [1, 2, 3, 7, 64] {
        let draft = Draft::from_address(
            "OPTIONS",
            &format!("sip:{}", edge.public()),
            stream.address(),
            "TCP",
        );
        stream.send_in_pieces(draft.text().as_bytes(), size);
        stream.response(200);
    }
}

#[test]
fn two_messages_in_one_segment_are_two() {
    let edge = edge();
    let mut stream = Stream::connect(edge.public());
    let options = || {
        Draft::from_address(
            "OPTIONS",
            &format!("sip:{}", edge.public()),
            stream.address(),
            "TCP",
        )
        .text()
    };
    let (first, second) = (options(), options());
    stream.send(format!("\r\n\r\n{first}\r\n{second}"));
    stream.response(200);
    stream.response(200);
}

#[test]
fn a_ping_is_answered_with_a_pong() {
    let edge = edge();
    let mut stream = std::net::TcpStream::connect(edge.public()).unwrap();
    std::io::Write::write_all(&mut stream, b"\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut pong = [0; 2];
    std::io::Read::read_exact(&mut stream, &mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn a_stream_whose_framing_is_in_doubt_is_closed() {
    let bob = Peer::bind();
    let edge = carrier_edge(bob.address());
    let lengths = [
        "-1",
        "+10",
        "10, 10",
        "10\r\nl: 0",
        "10\r\nContent-Length: 11",
        "1e1",
        "0x10",
        "five",
        "4294967328",
        "18446744073709551648",
        "10\u{b}",
    ];
    for length in lengths {
        let mut stream = Stream::connect(edge.public());
        let address = stream.address();
        let first = Draft::from_address("INVITE", CALL, address, "TCP")
            .body("")
            .header("Content-Length", length)
            .text();
        let second = Draft::from_address("INVITE", CALL, address, "TCP")
            .header("X-Smuggled", "evil")
            .text();
        stream.send(first + &second);
        assert!(
            stream.is_closed(PATIENCE),
            "Content-Length: {length:?} keeps the connection open"
        );
    }
    while let Some(message) = bob.receive(SOON) {
        assert!(!message.mentions("evil"), "{message:?}");
    }
    assert!(edge.answers_options());
}

#[test]
fn a_declared_length_costs_nothing() {
    let mut edge = edge();
    let before = resident(edge.process().id());
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = Stream::connect(edge.public());
        let draft = Draft::from_address("INVITE", DEMO, stream.address(), "TCP")
            .body("")
            .header("Content-Length", "4294967295");
        stream.send(draft.text());
        streams.push(stream);
    }
    std::thread::sleep(SOON);
    let growth = resident(edge.process().id()).saturating_sub(before);
    assert!(growth < 40_000, "{growth} kB more for 40 connections");
    assert!(edge.answers_options());
}

/// Resident memory of a process in kB.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let value = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    value.expect("every process has a resident size")
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let edge = edge();
    let mut stream = Stream::connect(edge.public());
    let draft =
        Draft::from_address("MESSAGE", DEMO, stream.address(), "TCP").body(&"a".repeat(100_000));
    stream.send(draft.text());
    stream.response(513);
    assert!(stream.is_closed(PATIENCE));
    let peer = Peer::bind();
    let many = (0..300).fold(Draft::new("OPTIONS", DEMO, &peer), |draft, n| {
        draft.header(&format!("X-H{n}"), "1")
    });
    let answer = status(&edge, &peer, many.text());
    assert!(matches!(answer, Some(400 | 513)), "{answer:?}");
    let long = format!("sip:{}@demo.test", "u".repeat(5000));
    let answer = status(&edge, &peer, Draft::new("OPTIONS", &long, &peer).text());
    assert!(matches!(answer, Some(400 | 414)), "{answer:?}");
}

#[test]
fn a_message_larger_than_a_datagram_likes_is_carried_whole() {
    let bob = Peer::bind();
    let edge = carrier_edge(bob.address());
    let alice = Peer::bind();
    let body = "v=0\r\n".repeat(4000);
    alice.send(
        edge.public(),
        Draft::new("INVITE", CALL, &alice).body(&body).text(),
    );
    let message = bob.request("INVITE");
    assert_eq!(message.body.len(), body.len());
}

#[test]
fn a_circle_ends() {
    // A trunk whose target is the proxy itself.
    let port = free_port();
    let mut config = Config::new();
    config.sip = port;
    let uri = format!("sip:loop@carrier.test:{port};maddr=127.0.0.1");
    let config = config
        .trunk("carrier", "127.0.0.250/32", &[&uri])
        .route("carrier.test", "carrier");
    let edge = Edge::start(config.section(&format!(
        "[[route]]\nname = \"self\"\nruri_user = \"^loop$\"\nto = \"static\"\ntargets = [\"sip:loop@127.0.0.1:{port}\"]\n"
    )));
    let peer = Peer::bind();
    peer.send(
        edge.public(),
        Draft::new("INVITE", "sip:loop@any.test", &peer).text(),
    );
    let status = peer.outcome(Duration::from_secs(20)).status();
    assert!(matches!(status, Some(482 | 483)), "{status:?}");
}

#[test]
fn a_retransmission_is_not_a_second_call() {
    let bob = Peer::bind();
    let edge = carrier_edge(bob.address());
    let alice = Peer::bind();
    let text = Draft::new("INVITE", CALL, &alice).text();
    let (message, proxy) = {
        alice.send(edge.public(), &text);
        bob.receive_from(Duration::from_secs(20))
            .expect("the INVITE")
    };
    bob.answer(&message, proxy, 180, &[], "");
    alice.response(180);
    // It is sent again as long as nobody rings.
    bob.passes_over(&message);
    for _ in 0..5 {
        alice.send(edge.public(), &text);
    }
    bob.silence(Duration::from_millis(450));
    alice.response(180);
}
