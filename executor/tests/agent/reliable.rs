//! Provisional responses that are acknowledged (RFC 3262).

use std::time::Duration;

use crate::phone::{Line, Msg, sdp};
use crate::world::{URI, World, offer};

const REQUIRE: &str = "Require: 100rel\r\n";

/// The caller of a callee who is early; what the caller is told of it.
fn early<'a>(world: &'a World, asks: &str) -> (Line<'a>, Msg, Msg) {
    world.web.says(
        "/voice",
        "<Dial answerOnBridge=\"true\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    let line = world.phone.invite(URI, asks, Some(&offer()));
    let ringing = world.phone.expect("SIP/2.0 180");
    if ringing.find("RSeq").is_some() {
        prack(&line, &ringing, "SIP/2.0 200");
    }
    let invite = world.callee.expect("INVITE ");
    assert_eq!(invite.find("Supported"), None, "what we would not do");
    let status = "183 Session Progress";
    world
        .callee
        .reply(&invite, status, "ta", "", Some(&sdp(41_000, "8 101")));
    let progress = world.phone.expect("SIP/2.0 183");
    (line, invite, progress)
}

fn number(response: &Msg) -> u32 {
    assert_eq!(response.header("Require"), "100rel");
    response.header("RSeq").parse().unwrap()
}

#[track_caller]
fn prack(line: &Line<'_>, response: &Msg, answer: &str) -> Msg {
    line.learn(response);
    let rack = format!("RAck: {} 1 INVITE\r\n", number(response));
    line.request("PRACK", &rack, None);
    line.phone.expect(answer)
}

/// The 200 to the INVITE, which has the first number.
#[track_caller]
fn through(line: &Line<'_>) {
    let number = line.cseq.replace(1);
    line.expect_answer();
    line.cseq.set(number);
}

fn cancel(line: &Line<'_>) {
    line.cseq.set(1);
    line.cancel();
}

#[test]
fn all_that_ring_where_it_is_required() {
    let world = World::new();
    let (line, invite, progress) = early(&world, REQUIRE);
    assert!(progress.body.contains("m=audio "));
    prack(&line, &progress, "SIP/2.0 200");
    // A second one acknowledges nothing.
    prack(&line, &progress, "SIP/2.0 481");
    let body = sdp(41_000, "8 101");
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&body));
    through(&line);
    line.hang_up();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn nothing_where_it_is_not_required() {
    let world = World::new();
    let (line, _, progress) = early(&world, "Supported: timer, 100rel\r\n");
    assert_eq!(
        (progress.find("RSeq"), progress.find("Require")),
        (None, None)
    );
    cancel(&line);
}

#[test]
fn the_answer_waits_for_the_acknowledgement() {
    let world = World::new();
    let (line, invite, progress) = early(&world, REQUIRE);
    let body = sdp(41_000, "8 101");
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&body));
    world.callee.expect("ACK ");
    // The same response again, and no other, until it is acknowledged.
    let again = world.phone.raw_within(Duration::from_secs(5)).unwrap();
    assert_eq!(again.raw, progress.raw);
    prack(&line, &progress, "SIP/2.0 200 OK");
    through(&line);
    line.hang_up();
}

#[test]
fn without_an_acknowledgement_the_call_ends() {
    let world = World::with(|settings, _| settings.timers.t1 = Duration::from_millis(20));
    world.web.says("/voice", "<Pause length=\"60\"/>");
    let line = world.phone.invite(URI, REQUIRE, Some(&offer()));
    let first = world.phone.expect("SIP/2.0 180");
    let mut times = vec![first.at];
    let last = loop {
        let next = world.phone.raw_within(Duration::from_secs(8)).unwrap();
        if next.raw != first.raw {
            break next;
        }
        times.push(next.at);
    };
    assert!(last.start.starts_with("SIP/2.0 504"), "{}", last.start);
    // After 1, 3, 7, 15, 31 and perhaps 63 times T1.
    assert!((5..=7).contains(&times.len()), "{}", times.len());
    line.learn(&last);
    world.expect_rest(Duration::from_secs(20));
}

#[test]
fn a_cancel_while_the_answer_waits() {
    let world = World::new();
    let (line, invite, _) = early(&world, REQUIRE);
    let body = sdp(41_000, "8 101");
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&body));
    world.callee.expect("ACK ");
    cancel(&line);
    loop {
        let next = world.phone.recv_within(Duration::from_secs(20)).unwrap();
        if next.start.starts_with("SIP/2.0 487") {
            break;
        }
        assert!(next.start.starts_with("SIP/2.0 200"), "{}", next.start);
    }
    world.callee.expect("BYE ");
}

#[test]
fn an_offer_in_the_acknowledgement_is_answered() {
    let world = World::new();
    let (line, _, progress) = early(&world, REQUIRE);
    line.learn(&progress);
    let rack = format!("RAck: {} 1 INVITE\r\n", number(&progress));
    line.request("PRACK", &rack, Some(&sdp(40_002, "0 101")));
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(answer.header("CSeq").ends_with(" PRACK"));
    assert!(
        answer.body.contains(" RTP/AVP 0 101\r\n"),
        "{}",
        answer.body
    );
    cancel(&line);
}

#[test]
fn without_an_offer_it_is_refused() {
    let world = World::new();
    let line = world.phone.invite(URI, REQUIRE, None);
    let refusal = line.expect_refusal("SIP/2.0 420");
    assert_eq!(refusal.header("Unsupported"), "100rel");
}
