//! A call from its INVITE to its end, as the caller's SIPp sees it: the webhook decides, the executor obeys.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use loadtest::{Config, Draft, Edge, Peer, Report, Sipp, Webhook, answering};

const DEMO: &str = "sip:bob@demo.test";

fn caller(scenario: &str, edge: &Edge) -> Sipp {
    Sipp::caller(scenario, edge.public()).to(DEMO)
}

/// The statuses of the INVITE: without the 100 that may or may not come, and without repetitions.
fn statuses(report: &Report) -> Vec<u16> {
    let mut statuses = report.statuses("INVITE");
    statuses.retain(|status| *status != 100);
    statuses.dedup();
    statuses
}

#[test]
fn answered_and_ended_by_the_caller_over_udp() {
    let (hook, edge) = answering("gather?timeout=30");
    let report = caller("caller_hangs_up", &edge).argument("-d", "300").run();
    assert_eq!(statuses(&report), [180, 200]);
    assert_eq!(report.statuses("BYE"), [200]);
    hook.all_signed();
}

#[test]
fn answered_and_ended_by_the_caller_over_tcp() {
    let (hook, edge) = answering("gather?timeout=30");
    let report = caller("caller_hangs_up", &edge)
        .tcp()
        .argument("-d", "300")
        .run();
    assert_eq!(statuses(&report), [180, 200]);
    assert_eq!(report.statuses("BYE"), [200]);
    hook.all_signed();
}

#[test]
fn answered_over_ipv6() {
    let hook = Webhook::start();
    let edge = Edge::start(
        Config::new()
            .ipv6()
            .domain("demo.test", &hook.url("gather?timeout=30")),
    );
    caller("caller_hangs_up", &edge).argument("-d", "100").run();
    caller("caller_hangs_up", &edge)
        .tcp()
        .argument("-d", "100")
        .run();
    assert_eq!(hook.wait(1)[0].param("SipSourceIp"), "::1");
}

#[test]
fn the_end_of_the_document_is_the_end_of_the_call() {
    let (_hook, edge) = answering("say");
    for sipp in [
        caller("caller_is_hung_up", &edge),
        caller("caller_is_hung_up", &edge).tcp(),
    ] {
        let report = sipp.run();
        assert_eq!(statuses(&report), [180, 200]);
        assert!(
            report
                .request("BYE")
                .header("Route")
                .is_none_or(|route| !route.contains(&edge.public().to_string()))
        );
    }
}

#[test]
fn hangup_ends_an_answered_call() {
    let (_hook, edge) = answering("say?then=hangup");
    caller("caller_is_hung_up", &edge).run();
}

#[test]
fn every_answering_verb_sends_an_sdp_answer() {
    for scenario in ["say", "play", "gather?timeout=1", "record"] {
        let (_hook, edge) = answering(scenario);
        let report = caller("caller_is_hung_up", &edge).run();
        let answer = report.find("200 with SDP", |message| {
            message.status() == Some(200) && message.cseq_method() == "INVITE"
        });
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/sdp"),
            "{scenario}"
        );
        let audio = answer
            .body
            .lines()
            .find(|line| line.starts_with("m=audio "))
            .expect("an audio line");
        for payload in ["0", "8", "101"] {
            assert!(
                audio.split(' ').skip(3).any(|offered| offered == payload),
                "{scenario}: {audio}"
            );
        }
        for codec in ["PCMU/8000", "PCMA/8000", "telephone-event/8000"] {
            assert!(answer.body.contains(codec), "{scenario}: {}", answer.body);
        }
    }
}

#[test]
fn busy_is_486() {
    let (hook, edge) = answering("busy");
    let refused = |sipp: Sipp| sipp.set("STATUS", "486").run();
    assert_eq!(
        statuses(&refused(caller("caller_is_refused", &edge))),
        [180, 486]
    );
    assert_eq!(
        statuses(&refused(caller("caller_is_refused", &edge).tcp())),
        [180, 486]
    );
    assert_eq!(hook.wait(2)[0].param("CallStatus"), "ringing");
}

#[test]
fn rejected_is_404() {
    for scenario in ["reject", "rejected"] {
        let (_hook, edge) = answering(scenario);
        let report = caller("caller_is_refused", &edge)
            .set("STATUS", "404")
            .run();
        assert_eq!(statuses(&report), [180, 404], "{scenario}");
    }
}

#[test]
fn a_pause_rings_on() {
    let (_hook, edge) = answering("pause?length=2&then=say");
    let alice = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &alice);
    let began = Instant::now();
    alice.send(edge.public(), invite.text());
    alice.response(180);
    let answer = alice.outcome(Duration::from_secs(20));
    let rang = began.elapsed();
    assert_eq!(answer.status(), Some(200));
    assert!(rang >= Duration::from_secs(2), "answered after {rang:?}");
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    let bye = alice.request("BYE");
    alice.answer(&bye, edge.public(), 200, &[], "");
}

#[test]
fn reject_after_a_pause_still_refuses() {
    let (_hook, edge) = answering("pause?length=1&then=busy");
    caller("caller_is_refused", &edge)
        .set("STATUS", "486")
        .run();
}

#[test]
fn redirects_stay_ringing_until_the_last_document() {
    let (hook, edge) = answering("redirect?n=3&then=say");
    let report = caller("caller_is_hung_up", &edge).run();
    assert_eq!(statuses(&report), [180, 200]);
    let hits = hook.wait(4);
    let paths: Vec<_> = hits.iter().map(loadtest::Hit::path).collect();
    assert_eq!(paths, ["/redirect", "/redirect", "/redirect", "/say"]);
    assert!(
        hits.iter().all(|hit| hit.param("CallStatus") == "ringing"),
        "answered too early: {hits:#?}"
    );
    assert!(
        hits.iter()
            .all(|hit| hit.param("CallSid") == hits[0].param("CallSid"))
    );
    hook.all_signed();
}

#[test]
fn a_redirect_to_busy_is_486() {
    let (hook, edge) = answering("redirect?n=2&then=busy");
    let report = caller("caller_is_refused", &edge)
        .set("STATUS", "486")
        .run();
    assert_eq!(statuses(&report), [180, 486]);
    assert_eq!(hook.wait(3).len(), 3);
}

#[test]
fn redirects_that_never_end_do() {
    let (hook, edge) = answering("forever");
    let peer = Peer::bind();
    peer.send(edge.public(), Draft::new("INVITE", DEMO, &peer).text());
    let answer = peer.outcome(Duration::from_secs(20));
    assert!(answer.status() != Some(408), "{answer:?}");
    assert!(hook.hits().len() < 30, "{} documents", hook.hits().len());
}

#[test]
fn ringing_comes_before_the_document() {
    // The answer is held back: whatever rings, rings before it.
    let (hook, edge) = answering("slow?seconds=1.5");
    let peer = Peer::bind().stamping();
    let began = SystemTime::now();
    peer.send(edge.public(), Draft::new("INVITE", DEMO, &peer).text());
    let (ringing, rang) = peer.response_stamped(180);
    assert!(ringing.tag("To").is_some());
    let (_, answered) = peer.response_stamped(200);
    let hits = hook.wait(1);
    assert_eq!(hits.len(), 1);
    // The document was given a second and a half after that.
    let asked = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(hits[0].at());
    let given = asked + Duration::from_millis(1500);
    assert!(rang < given, "it rang at {rang:?}, asked {asked:?}");
    assert!(answered >= began + Duration::from_millis(1500));
}

#[test]
fn ringing_leaves_before_the_request_to_the_webhook() {
    // Without the proxy between them: when the webhook's connection is there, the 180 has to be there already.
    let webhook = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", webhook.local_addr().unwrap());
    let peer = Peer::bind().stamping();
    let proxies = format!("proxies = [\"{}\"]", peer.address());
    let edge = Edge::start(
        Config::new()
            .domain("demo.test", &url)
            .executor_keys(&proxies),
    );
    for number in 0..10 {
        let invite = Draft::new("INVITE", DEMO, &peer)
            .header("X-Hookswitch-Source", "127.0.0.1:5060")
            .header("X-Hookswitch-Domain", "demo.test");
        peer.send(edge.executor(), invite.text());
        let (connection, _) = webhook.accept().unwrap();
        let asked = SystemTime::now();
        let (_, rang) = peer.response_stamped(180);
        assert!(
            rang < asked,
            "call {number}: asked {asked:?}, rang {rang:?}"
        );
        // A request without an answer would be made again, and be taken for the one of the next call.
        rejects(connection);
        let answer = peer.response(404);
        peer.send(edge.executor(), invite.ack(&answer).text());
    }
}

/// Answers an HTTP request with `<Reject>`.
fn rejects(mut connection: TcpStream) {
    let document = "<Response><Reject/></Response>";
    let length = document.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close";
    let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{document}");
    // An answer to nothing is none.
    let begun = connection.read(&mut [0; 4096]).expect("a request");
    assert!(begun > 0, "the webhook's client left");
    connection
        .write_all(answer.as_bytes())
        .expect("somebody who waits for an answer");
    connection.shutdown(Shutdown::Write).unwrap_or_default();
    // What is left of the request has to be read, or closing resets the connection.
    connection.read_to_end(&mut Vec::new()).unwrap_or_default();
}

#[test]
fn cancel_while_the_webhook_runs_is_487_and_leaves_the_webhook() {
    for tcp in [false, true] {
        let (hook, edge) = answering("slow?seconds=8");
        let sipp = caller("caller_cancels", &edge).argument("-d", "300");
        let report = if tcp { sipp.tcp() } else { sipp }.run();
        assert_eq!(statuses(&report), [180, 487]);
        assert!(
            hook.is_left(Duration::from_secs(20)),
            "the request to the webhook goes on"
        );
        assert_eq!(hook.hits().len(), 1);
    }
}

#[test]
fn cancel_during_a_pause_is_487() {
    let (_hook, edge) = answering("pause?length=20&then=say");
    let report = caller("caller_cancels", &edge).argument("-d", "200").run();
    assert_eq!(statuses(&report), [180, 487]);
}

#[test]
fn many_calls_at_once() {
    let (hook, edge) = answering("gather?timeout=30");
    caller("caller_hangs_up", &edge)
        .calls(100, 50)
        .argument("-d", "200")
        .run();
    caller("caller_hangs_up", &edge)
        .tcp()
        .calls(100, 50)
        .argument("-d", "200")
        .run();
    let hits = hook.wait(200);
    let mut sids: Vec<_> = hits.iter().map(|hit| hit.param("CallSid")).collect();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), 200, "a CallSid was used twice");
    hook.all_signed();
}

#[test]
fn a_second_offer_is_answered_by_the_executor() {
    let (_hook, edge) = answering("gather?timeout=30");
    let report = caller("caller_reinvites", &edge)
        .argument("-d", "100")
        .run();
    // One that came again, since its ACK was late, is no other.
    let mut answers: Vec<_> = report
        .received
        .iter()
        .filter(|message| message.body.contains("m=audio"))
        .collect();
    answers.dedup_by(|one, other| one.raw == other.raw);
    assert_eq!(answers.len(), 2);
    assert!(
        answers[1].body.contains("a=recvonly") || answers[1].body.contains("a=inactive"),
        "{}",
        answers[1].body
    );
}
