//! REFER of one of two who talk.

use std::time::{Duration, Instant};

use crate::phone::{Line, Msg, Phone};
use crate::rtp::{Sound, address_of};
use crate::world::{URI, World};

const TARGET: &str = "<sip:carol@pbx.example>";

/// A caller and a callee who talk, with their sound.
fn bridged<'a>(world: &'a World, attributes: &str, sounds: &[Sound; 2]) -> (Line<'a>, Msg) {
    let dial = format!("<Dial {attributes}><Sip>sip:a@pbx.example</Sip></Dial><Say>after</Say>");
    world.web.says("/voice", &dial);
    world.web.says("/dialled", "<Hangup/>");
    world.web.says(
        "/refer",
        "<Dial timeout=\"20\"><Sip>sip:carol@pbx.example</Sip></Dial>",
    );
    let line = world.phone.invite(URI, "", Some(&sounds[0].sdp("0 101")));
    world.phone.expect("SIP/2.0 180");
    if !attributes.contains("answerOnBridge") {
        line.expect_answer();
    }
    let invite = world.callee.expect("INVITE ");
    let body = sounds[1].sdp("0 101");
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&body));
    world.callee.expect("ACK ");
    if attributes.contains("answerOnBridge") {
        line.expect_answer();
    }
    (line, invite)
}

#[track_caller]
fn expect_notify(phone: &Phone, state: &str, status: &str) {
    assert_eq!(notified(phone, state, status), "refer");
}

/// The Event of a NOTIFY of this kind.
#[track_caller]
fn notified(phone: &Phone, state: &str, status: &str) -> String {
    let notify = phone.expect("NOTIFY ");
    assert!(
        notify.header("Subscription-State").starts_with(state),
        "{}",
        notify.raw
    );
    assert!(
        notify.body.starts_with(&format!("SIP/2.0 {status}")),
        "{}",
        notify.raw
    );
    phone.reply(&notify, "200 OK", "", "", None);
    notify.header("Event")
}

#[track_caller]
fn expect_bye(phone: &Phone) {
    let bye = phone.expect("BYE ");
    phone.reply(&bye, "200 OK", "", "", None);
}

#[test]
fn without_refer_url_it_is_declined_and_the_two_talk_on() {
    let world = World::new();
    let sounds = [Sound::new(), Sound::new()];
    let (line, invite) = bridged(&world, "", &sounds);
    let refer_to = format!("Refer-To: {TARGET}\r\n");
    world
        .callee
        .request_back(&invite, "ta", "REFER", 1, &refer_to, None);
    world.callee.expect("SIP/2.0 603");
    assert!(world.log.codes().contains(&13802));
    let began = Instant::now();
    sounds[1].say(address_of(&invite), 0, &[900.0], Duration::from_millis(600));
    sounds[0].expect_tone(&[900.0], began);
    line.request("REFER", "", None);
    world.phone.expect("SIP/2.0 400");
    line.hang_up();
    expect_bye(&world.callee);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_caller_transfers_the_callee_and_goes() {
    let world = World::new();
    let sounds = [Sound::new(), Sound::new()];
    let (line, invite) = bridged(&world, "referUrl=\"/refer\" action=\"/dialled\"", &sounds);
    line.request("REFER", &format!("Refer-To: {TARGET}\r\n"), None);
    world.phone.expect("SIP/2.0 202");
    expect_notify(&world.phone, "active", "100");
    let asked = world.web.expect("/refer");
    assert_eq!(asked.param("ReferTransferTarget"), TARGET);
    expect_notify(&world.phone, "terminated", "200");
    line.expect_bye();
    // The callee's leg calls the target, and hears it.
    let second = world.callee.expect("INVITE sip:carol@pbx.example ");
    assert_eq!(
        second.header("X-Hookswitch-Parent-Call-Id"),
        invite.header("Call-ID")
    );
    let carol = Sound::new();
    let body = carol.sdp("0 101");
    world.callee.reply(&second, "200 OK", "tc", "", Some(&body));
    world.callee.expect("ACK ");
    let began = Instant::now();
    let length = Duration::from_millis(600);
    carol.say(address_of(&second), 0, &[700.0], length);
    sounds[1].expect_tone(&[700.0], began);
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "completed");
    world.callee.request_back(&second, "tc", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    expect_bye(&world.callee);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_caller_is_told_what_the_target_answered() {
    let world = World::new();
    let sounds = [Sound::new(), Sound::new()];
    let (line, invite) = bridged(
        &world,
        "answerOnBridge=\"true\" referUrl=\"/refer\" action=\"/dialled\"",
        &sounds,
    );
    for (sent, told) in [
        ("603 No Thanks", "603 Decline\r\n"),
        ("480 Asleep", "480 Temporarily Unavailable\r\n"),
        ("699 Never", "699 Global Failure\r\n"),
    ] {
        line.request("REFER", &format!("Refer-To: {TARGET}\r\n"), None);
        world.phone.expect("SIP/2.0 202");
        let event = notified(&world.phone, "active", "100");
        let second = world.callee.expect("INVITE sip:carol@pbx.example ");
        world.callee.reply(&second, sent, "tc", "", None);
        world.callee.expect("ACK ");
        assert_eq!(notified(&world.phone, "terminated", told), event);
    }
    // The two talk again.
    let began = Instant::now();
    sounds[1].say(address_of(&invite), 0, &[900.0], Duration::from_millis(600));
    sounds[0].expect_tone(&[900.0], began);
    line.hang_up();
    expect_bye(&world.callee);
    world.expect_rest(Duration::from_secs(10));
}

#[test]
fn a_callee_transfers_the_caller_who_comes_back_if_nobody_answers() {
    let world = World::new();
    let sounds = [Sound::new(), Sound::new()];
    let (line, invite) = bridged(
        &world,
        "answerOnBridge=\"true\" referUrl=\"/refer\" action=\"/dialled\"",
        &sounds,
    );
    let refer_to = format!("Refer-To: {TARGET}\r\n");
    world
        .callee
        .request_back(&invite, "ta", "REFER", 1, &refer_to, None);
    world.callee.expect("SIP/2.0 202");
    expect_notify(&world.callee, "active", "100");
    let second = world.callee.expect("INVITE sip:carol@pbx.example ");
    // The caller hears the ring tone, and the callee nothing.
    let began = Instant::now();
    sounds[0].expect_tone(&[440.0, 480.0], began);
    world.callee.reply(&second, "486 Busy Here", "tc", "", None);
    world.callee.expect("ACK ");
    expect_notify(&world.callee, "terminated", "486");
    let began = Instant::now();
    sounds[1].say(address_of(&invite), 0, &[900.0], Duration::from_millis(600));
    sounds[0].expect_tone(&[900.0], began);
    world.callee.request_back(&invite, "ta", "BYE", 2, "", None);
    world.callee.expect("SIP/2.0 200");
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "completed");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_callee_transfers_the_caller_and_is_let_go() {
    let world = World::new();
    let sounds = [Sound::new(), Sound::new()];
    let (line, invite) = bridged(
        &world,
        "answerOnBridge=\"true\" referUrl=\"/refer\"",
        &sounds,
    );
    let refer_to = format!("Refer-To: {TARGET}\r\n");
    world
        .callee
        .request_back(&invite, "ta", "REFER", 1, &refer_to, None);
    world.callee.expect("SIP/2.0 202");
    expect_notify(&world.callee, "active", "100");
    let second = world.callee.expect("INVITE sip:carol@pbx.example ");
    let carol = Sound::new();
    let body = carol.sdp("0 101");
    world.callee.reply(&second, "200 OK", "tc", "", Some(&body));
    world.callee.expect("ACK ");
    expect_notify(&world.callee, "terminated", "200");
    expect_bye(&world.callee);
    let began = Instant::now();
    carol.say(address_of(&second), 0, &[700.0], Duration::from_millis(600));
    sounds[0].expect_tone(&[700.0], began);
    line.hang_up();
    expect_bye(&world.callee);
    world.expect_rest(Duration::from_secs(30));
}
