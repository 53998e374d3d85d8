//! Two legs that talk: each of them with us, as far as SIP goes.

use std::time::Duration;

use crate::phone::{Line, Msg, sdp};
use crate::world::{URI, World, offer};

fn callee_sdp() -> String {
    sdp(41_000, "8 101")
}

/// An answered caller and an answered callee.
fn bridged<'a>(world: &'a World, attributes: &str, after: &str) -> (Line<'a>, Msg) {
    let dial = format!("<Dial {attributes}><Sip>sip:a@pbx.example</Sip></Dial>{after}");
    world.web.says("/voice", &dial);
    world.web.says("/dialled", "<Hangup/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    (line, invite)
}

fn expect_bye(world: &World) {
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
}

#[test]
fn a_caller_who_hangs_up_ends_both_legs() {
    let world = World::new();
    let (line, _) = bridged(&world, "action=\"/dialled\"", "");
    line.hang_up();
    expect_bye(&world);
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "completed"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn answer_on_bridge_without_an_offer() {
    let world = World::new();
    let sip = "<Sip>sip:a@pbx.example</Sip>";
    world.web.says(
        "/voice",
        &format!("<Dial answerOnBridge=\"true\">{sip}</Dial>"),
    );
    let line = world.phone.invite(URI, "", None);
    world.phone.expect("SIP/2.0 180");
    let invite = world.callee.expect("INVITE ");
    // An early description is of no use to a caller whose own is not known.
    world.callee.reply(
        &invite,
        "183 Session Progress",
        "ta",
        "",
        Some(&callee_sdp()),
    );
    world.phone.expect_nothing(Duration::from_millis(300));
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(answer.body.contains("o=hookswitch "), "{}", answer.body);
    line.learn(&answer);
    line.ack(Some(&offer()));
    world.callee.expect_nothing(Duration::from_millis(200));
    line.hang_up();
    expect_bye(&world);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn hold_is_answered_by_us_on_both_sides() {
    let world = World::new();
    let (line, invite) = bridged(&world, "", "");
    line.reinvite(Some(&(offer() + "a=sendonly\r\n")));
    let answer = line.expect_answer();
    assert!(answer.body.contains("a=recvonly\r\n"), "{}", answer.body);
    let held = callee_sdp() + "a=inactive\r\n";
    world
        .callee
        .request_back(&invite, "ta", "INVITE", 1, "", Some(&held));
    let answer = world.callee.expect("SIP/2.0 200");
    assert!(answer.body.contains("a=inactive\r\n"), "{}", answer.body);
    world.callee.request_back(&invite, "ta", "ACK", 1, "", None);
    // A description that we cannot answer leaves the bridge as it was.
    let other = sdp(41_000, "18");
    world
        .callee
        .request_back(&invite, "ta", "UPDATE", 2, "", Some(&other));
    let refused = world.callee.expect("SIP/2.0 488");
    assert_eq!(refused.header("CSeq"), "2 UPDATE");
    world.phone.expect_nothing(Duration::from_millis(200));
    line.hang_up();
    expect_bye(&world);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn star_hangs_the_callee_up_and_the_document_goes_on() {
    let world = World::new();
    let (line, _) = bridged(&world, "hangupOnStar=\"true\"", "<Say>back</Say>");
    let star = "Content-Type: application/dtmf-relay\r\n";
    line.request("INFO", star, Some("Signal=1\r\n"));
    world.phone.expect("SIP/2.0 200");
    world.callee.expect_nothing(Duration::from_millis(200));
    line.request("INFO", star, Some("Signal=*\r\n"));
    world.phone.expect("SIP/2.0 200");
    expect_bye(&world);
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn the_time_limit_ends_the_bridge() {
    let world = World::new();
    let (line, _) = bridged(&world, "timeLimit=\"1\" action=\"/dialled\"", "");
    expect_bye(&world);
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "completed");
    assert_eq!(asked.param("DialBridged"), "true");
    line.expect_bye();
}
