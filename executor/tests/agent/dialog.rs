//! Requests within the dialog of an answered call.

use std::net::UdpSocket;
use std::time::Duration;

use crate::phone::{Line, between, sdp};
use crate::world::{URI, World, offer};

/// A call that waits for keys.
fn gathering(world: &World) -> Line<'_> {
    world.web.says(
        "/voice",
        "<Gather action=\"/keys\" numDigits=\"2\" timeout=\"30\"/>",
    );
    world.web.says("/keys", "<Hangup/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    line
}

#[test]
fn keys_come_by_info() {
    let world = World::new();
    let line = gathering(&world);
    for (kind, body) in [
        ("application/dtmf-relay", "Signal=4\r\nDuration=160\r\n"),
        ("application/dtmf", "2"),
    ] {
        line.request("INFO", &format!("Content-Type: {kind}\r\n"), Some(body));
        assert_eq!(
            world.phone.expect("SIP/2.0 200").header("CSeq"),
            format!("{} INFO", line.cseq.get())
        );
    }
    assert_eq!(world.web.expect("/keys").param("Digits"), "42");
    line.expect_bye();
}

#[test]
fn keys_come_as_telephone_events() {
    let world = World::new();
    world.web.says(
        "/voice",
        "<Gather action=\"/keys\" numDigits=\"2\" timeout=\"30\"/>",
    );
    world.web.says("/keys", "<Hangup/>");
    let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let line = world.phone.invite(
        URI,
        "",
        Some(&sdp(rtp.local_addr().unwrap().port(), "0 101")),
    );
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    let port = between(&answer.body, "m=audio ", " ");
    // The ACK and the first key go different ways; nobody presses one before it is heard. What comes behind the ACK is
    // answered when that has been.
    line.request("OPTIONS", "", None);
    world.phone.expect("SIP/2.0 200");
    std::thread::sleep(Duration::from_millis(300));
    for (sequence, timestamp, event) in [(1, 1, 7), (2, 1, 7), (3, 2, 11)] {
        let packet = [
            0x80, 101, 0, sequence, 0, 0, 0, timestamp, 0, 0, 0, 1, event, 0x8a, 0, 160,
        ];
        rtp.send_to(&packet, format!("127.0.0.1:{port}")).unwrap();
    }
    // '#' ends the input.
    assert_eq!(world.web.expect("/keys").param("Digits"), "7");
    line.expect_bye();
}

#[test]
fn hold_and_back() {
    let world = World::new();
    let line = gathering(&world);
    line.reinvite(Some(&(offer() + "a=sendonly\r\n")));
    let answer = line.expect_answer();
    assert!(answer.body.contains("a=recvonly\r\n"), "{}", answer.body);
    line.request("UPDATE", "", Some(&offer()));
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(answer.body.contains("a=sendrecv\r\n"), "{}", answer.body);
    line.reinvite(None);
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(answer.body.contains("m=audio"), "{}", answer.body);
    line.ack(Some(&offer()));
    line.reinvite(Some(&sdp(40_000, "18")));
    line.expect_refusal("SIP/2.0 488");
    line.hang_up();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn what_a_dialog_refuses() {
    let world = World::new();
    let line = gathering(&world);
    for (method, extra, status) in [
        ("OPTIONS", "", "SIP/2.0 200"),
        ("SUBSCRIBE", "Event: presence\r\n", "SIP/2.0 405"),
        ("FOO", "", "SIP/2.0 501"),
        (
            "NOTIFY",
            "Event: refer\r\nSubscription-State: active\r\n",
            "SIP/2.0 481",
        ),
        ("INFO", "Info-Package: foo\r\n", "SIP/2.0 469"),
        ("UPDATE", "Require: timer\r\n", "SIP/2.0 420"),
        ("REFER", "Refer-To: <sip:x@y.example>\r\n", "SIP/2.0 603"),
    ] {
        line.request(method, extra, None);
        let reply = world.phone.expect(status);
        assert_eq!(
            reply.header("CSeq"),
            format!("{} {method}", line.cseq.get())
        );
    }
    assert!(world.log.codes().contains(&13802));
    // A number that is not higher than the last one.
    line.cseq.set(line.cseq.get() - 3);
    line.request("INFO", "", None);
    world.phone.expect("SIP/2.0 500");
    line.cseq.set(line.cseq.get() + 3);
    line.hang_up();
}

#[test]
fn a_dialog_of_nobody_is_481() {
    let world = World::new();
    let line = gathering(&world);
    let tag = line.to_tag.replace("guessed".to_owned());
    for method in ["BYE", "INFO", "INVITE"] {
        line.request(method, "", None);
        world.phone.expect("SIP/2.0 481");
    }
    line.to_tag.replace(tag);
    line.hang_up();
    line.request("BYE", "", None);
    world.phone.expect("SIP/2.0 481");
}

#[test]
fn options_outside_of_a_dialog() {
    let world = World::new();
    let line = world.phone.invite("sip:bob@nobody.example", "", None);
    line.expect_refusal("SIP/2.0 404");
    line.to_tag.replace(String::new());
    line.request("OPTIONS", "", None);
    let reply = world.phone.expect("SIP/2.0 200");
    assert!(reply.header("Allow").starts_with("INVITE, ACK"));
    assert!(reply.header("Accept").contains("application/sdp"));
    for (method, status) in [
        ("REGISTER", "SIP/2.0 405"),
        ("BAR", "SIP/2.0 501"),
        ("BYE", "SIP/2.0 481"),
    ] {
        line.request(method, "", None);
        let reply = world.phone.expect(status);
        assert_eq!(reply.find("Allow").is_some(), status != "SIP/2.0 481");
    }
}

#[test]
fn a_caller_who_hangs_up_ends_the_call() {
    let world = World::new();
    let line = gathering(&world);
    line.hang_up();
    assert_eq!(world.web.expect("/status").param("CallStatus"), "completed");
    assert!(world.web.asked().iter().all(|asked| asked.path != "/keys"));
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_call_that_never_rests_is_hung_up() {
    let world = World::with(|settings, _| settings.limits.events_per_call = 5);
    let line = gathering(&world);
    for _ in 0..5 {
        line.request("INFO", "", None);
        world.phone.expect("SIP/2.0 200");
    }
    line.expect_bye();
}
