//! Two legs that talk.

use std::time::Duration;

use crate::dial::answer_reinvite;
use crate::phone::{Line, Msg, sdp};
use crate::world::{URI, World, offer};

const CALLEE_PORT: &str = "m=audio 41000 ";

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
    let reinvite = answer_reinvite(&line);
    assert!(reinvite.body.contains(CALLEE_PORT), "{}", reinvite.body);
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
    world.expect_rest(Duration::from_secs(10));
}

#[test]
fn answer_on_bridge_passes_ringing_early_media_and_the_answer() {
    let world = World::new();
    let sip = "<Sip>sip:a@pbx.example</Sip>";
    world.web.says(
        "/voice",
        &format!("<Dial answerOnBridge=\"true\">{sip}</Dial>"),
    );
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(
        &invite,
        "183 Session Progress",
        "ta",
        "",
        Some(&callee_sdp()),
    );
    let early = world.phone.expect("SIP/2.0 183");
    assert!(early.body.contains(CALLEE_PORT), "{}", early.body);
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    let answer = line.expect_answer();
    assert_eq!(answer.body, early.body, "one answer to one offer");
    assert_eq!(world.gauges().rtp_ports, 0, "the media do not touch us");
    // Nobody needs to be told anything.
    world.phone.expect_nothing(Duration::from_millis(300));
    world.callee.request_back(&invite, "ta", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(10));
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
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(answer.body.contains(CALLEE_PORT), "{}", answer.body);
    line.learn(&answer);
    line.ack(Some(&offer()));
    let reinvite = world.callee.expect("INVITE ");
    assert!(
        reinvite.body.contains("m=audio 40000 "),
        "{}",
        reinvite.body
    );
    world
        .callee
        .reply(&reinvite, "200 OK", "", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    line.hang_up();
    expect_bye(&world);
}

#[test]
fn hold_is_passed_on_from_both_sides() {
    let world = World::new();
    let (line, invite) = bridged(&world, "", "");
    line.reinvite(Some(&(offer() + "a=sendonly\r\n")));
    let held = world.callee.expect("INVITE ");
    assert!(held.body.contains("a=sendonly\r\n"), "{}", held.body);
    world.callee.reply(
        &held,
        "200 OK",
        "",
        "",
        Some(&(callee_sdp() + "a=recvonly\r\n")),
    );
    world.callee.expect("ACK ");
    let answer = line.expect_answer();
    assert!(answer.body.contains(CALLEE_PORT) && answer.body.contains("a=recvonly\r\n"));
    // And from the other side; the caller refuses.
    world
        .callee
        .request_back(&invite, "ta", "INVITE", 1, "", Some(&callee_sdp()));
    let passed = world.phone.expect("INVITE ");
    world
        .phone
        .reply(&passed, "488 Not Acceptable Here", "", "", None);
    world.phone.expect("ACK ");
    let refused = world.callee.expect("SIP/2.0 488 Not Acceptable Here");
    assert_eq!(refused.header("CSeq"), "1 INVITE");
    world.phone.expect_nothing(Duration::from_millis(200));
    line.hang_up();
    expect_bye(&world);
}

#[test]
fn two_reinvites_meet() {
    let world = World::new();
    let (line, invite) = bridged(&world, "", "");
    line.reinvite(Some(&(offer() + "a=sendonly\r\n")));
    let held = world.callee.expect("INVITE ");
    world
        .callee
        .request_back(&invite, "ta", "INVITE", 1, "", Some(&callee_sdp()));
    world.callee.expect("SIP/2.0 491");
    world
        .callee
        .reply(&held, "491 Request Pending", "", "", None);
    world.callee.expect("ACK ");
    line.expect_refusal("SIP/2.0 491");
    line.hang_up();
    expect_bye(&world);
}

#[test]
fn a_moved_answer_is_told_to_the_other_leg() {
    let world = World::new();
    world
        .web
        .says("/voice", "<Dial><Sip>sip:a@pbx.example</Sip></Dial>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    let reinvite = world.phone.expect("INVITE ");
    world
        .phone
        .reply(&reinvite, "200 OK", "", "", Some(&sdp(40_002, "8 101")));
    world.phone.expect("ACK ");
    let told = world.callee.expect("INVITE ");
    assert!(told.body.contains("m=audio 40002 "), "{}", told.body);
    world
        .callee
        .reply(&told, "200 OK", "", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    world.phone.expect_nothing(Duration::from_millis(200));
    line.hang_up();
    expect_bye(&world);
}

#[test]
fn star_hangs_the_callee_up_and_the_document_goes_on() {
    let world = World::new();
    let (line, _) = bridged(&world, "hangupOnStar=\"true\"", "<Say>back</Say>");
    let star = "Content-Type: application/dtmf-relay\r\n";
    line.request("INFO", star, Some("Signal=1\r\n"));
    world.phone.expect("SIP/2.0 200");
    let info = world.callee.expect("INFO ");
    assert_eq!(info.body, "Signal=1\r\n");
    world.callee.reply(&info, "200 OK", "", "", None);
    line.request("INFO", star, Some("Signal=*\r\n"));
    world.phone.expect("SIP/2.0 200");
    let mut ended = false;
    for _ in 0..2 {
        let msg = world.callee.recv();
        ended |= msg.start.starts_with("BYE ");
        world.callee.reply(&msg, "200 OK", "", "", None);
    }
    assert!(ended, "the callee's leg ends");
    // The caller hears us again.
    let reinvite = world.phone.expect("INVITE ");
    assert!(!reinvite.body.contains(CALLEE_PORT), "{}", reinvite.body);
    world
        .phone
        .reply(&reinvite, "200 OK", "", "", Some(&offer()));
    world.phone.expect("ACK ");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(10));
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

#[test]
fn a_callee_that_lost_the_dialog_ends_the_bridge() {
    let world = World::new();
    let (line, _) = bridged(&world, "action=\"/dialled\"", "");
    line.reinvite(Some(&(offer() + "a=sendonly\r\n")));
    let held = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&held, "481 Call/Transaction Does Not Exist", "", "", None);
    world.callee.expect("ACK ");
    line.expect_refusal("SIP/2.0 481");
    world.web.expect("/dialled");
    line.expect_bye();
}
