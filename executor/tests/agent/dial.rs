//! `<Dial>`: the legs of the callees.

use std::time::{Duration, Instant};

use crate::phone::{Line, sdp};
use crate::world::{URI, World, offer};

/// A call whose document is one `<Dial>`, while it rings.
pub(crate) fn dialling<'a>(world: &'a World, dial: &str) -> Line<'a> {
    world.web.says("/voice", dial);
    world.web.says("/dialled", "<Hangup/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line
}

pub(crate) fn callee_sdp() -> String {
    sdp(41_000, "0 101")
}

#[test]
fn headers_of_the_uri_become_headers_of_the_invite() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial action=\"/dialled\" callerId=\"+15550001\"><Sip>\
         sip:carol@pbx.example;transport=udp?X-One=a%3Bb&amp;X-Two=c+d</Sip></Dial>",
    );
    let answer = line.expect_answer();
    let invite = world
        .callee
        .expect("INVITE sip:carol@pbx.example;transport=udp SIP/2.0");
    assert_eq!(invite.header("X-One"), "a;b");
    assert_eq!(invite.header("X-Two"), "c+d");
    assert_eq!(
        invite.header("Route"),
        format!("<sip:{};lr>", world.callee.address)
    );
    assert_eq!(invite.header("Max-Forwards"), "68");
    assert!(
        invite
            .header("From")
            .starts_with("<sip:+15550001@demo.example>;tag=")
    );
    assert_eq!(invite.header("To"), "<sip:carol@pbx.example;transport=udp>");
    assert_eq!(invite.header("X-Hookswitch-Parent-Call-Id"), line.call_id);
    assert!(invite.header("X-Hookswitch-Call-Sid").starts_with("CA"));
    assert_eq!(invite.find("X-Hookswitch-Trunk"), None);
    assert_ne!(invite.header("Call-ID"), line.call_id);
    // Each is told a description of ours, with the codec of the caller first.
    assert!(invite.body.contains("o=hookswitch "), "{}", invite.body);
    assert!(!invite.body.contains("m=audio 40000 "), "{}", invite.body);
    assert!(invite.body.contains(" RTP/AVP 8 0 "), "{}", invite.body);
    assert!(answer.body.contains("o=hookswitch "));
    world
        .callee
        .reply(&invite, "486 Busy Here", "c1", "X-Why: lunch\r\n", None);
    world.callee.expect("ACK ");
    let asked = world.web.expect("/dialled");
    for (name, value) in [
        ("DialCallStatus", "busy"),
        ("DialSipResponseCode", "486"),
        ("DialSipHeader_X-Why", "lunch"),
        ("DialSipCallId", &invite.header("Call-ID")),
        ("DialCallSid", &invite.header("X-Hookswitch-Call-Sid")),
        ("DialBridged", "false"),
    ] {
        assert_eq!(asked.param(name), value, "{name}");
    }
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_number_goes_to_the_trunk_and_a_client_to_the_domain() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial><Number>+14158675309</Number></Dial><Dial><Client><Identity>bob smith</Identity>\
         <Parameter name=\"foo\" value=\"bar\"/><Param name=\"baz\" value=\"1 3\"/></Client></Dial>",
    );
    line.expect_answer();
    let invite = world
        .callee
        .expect("INVITE sip:+14158675309@carrier-a SIP/2.0");
    assert_eq!(invite.header("X-Hookswitch-Trunk"), "carrier-a");
    assert!(
        invite
            .header("From")
            .starts_with("<sip:alice@demo.example>;tag=")
    );
    world.callee.reply(&invite, "404 Not Found", "c1", "", None);
    world.callee.expect("ACK ");
    let invite = world
        .callee
        .expect("INVITE sip:bob%20smith@demo.example SIP/2.0");
    assert_eq!(invite.find("X-Hookswitch-Trunk"), None);
    assert!(
        invite.raw.contains(": foo=bar&baz=1%203\r\n"),
        "{}",
        invite.raw
    );
    world.callee.reply(&invite, "480 Gone", "c1", "", None);
    world.callee.expect("ACK ");
    line.expect_bye();
}

#[test]
fn the_first_answer_wins_and_the_others_are_cancelled() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial action=\"/dialled\"><Sip>sip:a@pbx.example</Sip><Sip>sip:b@pbx.example</Sip>\
         <Sip>sip:c@pbx.example</Sip></Dial>",
    );
    line.expect_answer();
    let [a, b, c] = ["a", "b", "c"].map(|user| world.callee.expect(&format!("INVITE sip:{user}@")));
    world.callee.reply(&a, "180 Ringing", "ta", "", None);
    world.callee.reply(&c, "180 Ringing", "tc", "", None);
    world
        .callee
        .reply(&b, "200 OK", "tb", "", Some(&callee_sdp()));
    assert_eq!(
        world.callee.expect("ACK ").header("Call-ID"),
        b.header("Call-ID")
    );
    for (loser, tag) in [(&a, "ta"), (&c, "tc")] {
        let cancel = world.callee.expect("CANCEL ");
        assert_eq!(cancel.header("Call-ID"), loser.header("Call-ID"));
        assert_eq!(cancel.header("Via"), loser.header("Via"));
        world.callee.reply(&cancel, "200 OK", tag, "", None);
    }
    // One loser gives up, the other has answered at the same moment.
    world
        .callee
        .reply(&a, "487 Request Terminated", "ta", "", None);
    world
        .callee
        .reply(&c, "200 OK", "tc", "", Some(&callee_sdp()));
    let acks = [world.callee.expect("ACK "), world.callee.expect("ACK ")];
    assert_eq!(acks[0].header("Call-ID"), a.header("Call-ID"));
    assert_eq!(acks[1].header("Call-ID"), c.header("Call-ID"));
    let bye = world.callee.expect("BYE ");
    assert_eq!(bye.header("Call-ID"), c.header("Call-ID"));
    world.callee.reply(&bye, "200 OK", "tc", "", None);
    // The winner hangs up.
    world.callee.request_back(&b, "tb", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "completed");
    assert_eq!(asked.param("DialSipResponseCode"), "200");
    assert_eq!(
        asked.param("DialCallSid"),
        b.header("X-Hookswitch-Call-Sid")
    );
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn one_after_the_other() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial sequential=\"true\" timeout=\"5\" action=\"/dialled\"><Sip>sip:a@pbx.example</Sip>\
         <Sip>sip:b@pbx.example</Sip></Dial>",
    );
    line.expect_answer();
    let first = world.callee.expect("INVITE sip:a@");
    world.callee.expect_nothing(Duration::from_millis(300));
    let refused = Instant::now();
    world
        .callee
        .reply(&first, "503 Service Unavailable", "ta", "", None);
    world.callee.expect("ACK ");
    let second = world.callee.expect("INVITE sip:b@");
    world.callee.reply(&second, "180 Ringing", "tb", "", None);
    let cancel = world.callee.expect("CANCEL ");
    assert!(
        cancel.at - refused >= Duration::from_secs(5),
        "it rang for the whole timeout"
    );
    world.callee.reply(&cancel, "200 OK", "tb", "", None);
    world
        .callee
        .reply(&second, "487 Request Terminated", "tb", "", None);
    world.callee.expect("ACK ");
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "no-answer");
    assert_eq!(asked.param("DialSipResponseCode"), "487");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_lost_ack_is_repeated_for_each_200() {
    let world = World::new();
    let line = dialling(&world, "<Dial><Sip>sip:a@pbx.example</Sip></Dial>");
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    for _ in 0..3 {
        world
            .callee
            .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
        let ack = world
            .callee
            .raw_within(Duration::from_secs(20))
            .expect("an ACK");
        assert!(ack.start.starts_with("ACK "), "{}", ack.raw);
    }
    // A proxy on the way has forked: the second callee is answered and hung up.
    world
        .callee
        .reply(&invite, "200 OK", "tb", "", Some(&callee_sdp()));
    let ack = world.callee.expect("ACK ");
    assert!(ack.header("To").ends_with(";tag=tb"));
    let bye = world.callee.expect("BYE ");
    assert!(bye.header("To").ends_with(";tag=tb"));
    world.callee.reply(&bye, "200 OK", "", "", None);
    line.hang_up();
    let bye = world.callee.expect("BYE ");
    assert!(bye.header("To").ends_with(";tag=ta"));
    world.callee.reply(&bye, "200 OK", "", "", None);
    world.expect_rest(Duration::from_secs(30));
}

/// What a callee asks before the answer is answered, and changes nothing.
#[test]
fn a_callee_asks_before_it_answers() {
    let world = World::new();
    let sip = "<Sip username=\"u\" password=\"p\">sip:a@pbx.example</Sip>";
    let line = dialling(&world, &format!("<Dial>{sip}</Dial>"));
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    let sdp = callee_sdp();
    world.callee.reply(&invite, "180 Ringing", "ta", "", None);
    for (method, body, status) in [
        ("OPTIONS", None, "SIP/2.0 200"),
        ("INFO", None, "SIP/2.0 200"),
        ("UPDATE", None, "SIP/2.0 200"),
        ("UPDATE", Some(&*sdp), "SIP/2.0 491"),
        ("INVITE", Some(&*sdp), "SIP/2.0 481"),
        ("NOTIFY", None, "SIP/2.0 481"),
        ("BYE", None, "SIP/2.0 481"),
    ] {
        world
            .callee
            .request_back(&invite, "ta", method, 9, "", body);
        let reply = world.callee.expect(status);
        assert_eq!(reply.header("CSeq"), format!("9 {method}"));
    }
    let challenge = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\"\r\n";
    let status = "401 Unauthorized";
    world.callee.reply(&invite, status, "ta", challenge, None);
    world.callee.expect("ACK ");
    let invite = world.callee.expect("INVITE sip:a@pbx.example SIP/2.0");
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&sdp));
    world.callee.expect("ACK ");
    // The dialog begins here: with its callee, and with any number.
    world
        .callee
        .request_back(&invite, "tb", "INFO", 1, "", None);
    world.callee.expect("SIP/2.0 481");
    world
        .callee
        .request_back(&invite, "ta", "INFO", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    line.hang_up();
}

/// A second callee whom a proxy on the way has reached answers when nothing is left of the first.
#[test]
fn a_fork_that_answers_late_is_hung_up() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial><Sip>sip:a@pbx.example</Sip></Dial><Gather timeout=\"60\"/>",
    );
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    let sdp = callee_sdp();
    world.callee.reply(&invite, "200 OK", "ta", "", Some(&sdp));
    world.callee.expect("ACK ");
    world.callee.request_back(&invite, "ta", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    let until = Instant::now() + Duration::from_secs(20);
    while world.gauges().legs != 1 {
        assert!(Instant::now() < until, "the callee's leg is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    world.callee.reply(&invite, "200 OK", "tb", "", Some(&sdp));
    let ack = world.callee.expect("ACK ");
    assert!(ack.header("To").ends_with(";tag=tb"), "{}", ack.raw);
    let bye = world.callee.expect("BYE ");
    assert!(bye.header("To").ends_with(";tag=tb"), "{}", bye.raw);
    world.callee.reply(&bye, "200 OK", "", "", None);
    line.hang_up();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_caller_who_gives_up_ends_the_callee() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial answerOnBridge=\"true\" action=\"/dialled\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "180 Ringing", "ta", "", None);
    let again = world.phone.recv_within(Duration::from_millis(500));
    assert!(again.is_none_or(|msg| msg.start.starts_with("SIP/2.0 180")));
    line.cancel();
    world.phone.expect("SIP/2.0 200");
    line.expect_refusal("SIP/2.0 487");
    let cancel = world.callee.expect("CANCEL ");
    world.callee.reply(&cancel, "200 OK", "ta", "", None);
    world
        .callee
        .reply(&invite, "487 Request Terminated", "ta", "", None);
    world.callee.expect("ACK ");
    world.expect_rest(Duration::from_secs(30));
    assert!(
        world
            .web
            .asked()
            .iter()
            .all(|asked| asked.path != "/dialled")
    );
}

#[test]
fn acceptance_25_screening_before_the_bridge() {
    let world = World::new();
    world.web.says("/screen", "<Say>A call for you</Say>");
    let sip = "<Sip url=\"/screen\">sip:a@pbx.example</Sip>";
    let line = dialling(&world, &format!("<Dial action=\"/dialled\">{sip}</Dial>"));
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(
        &invite,
        "200 OK",
        "ta",
        "X-Agent: 7\r\n",
        Some(&callee_sdp()),
    );
    world.callee.expect("ACK ");
    let asked = world.web.expect("/screen");
    assert_eq!(asked.param("SipHeader_X-Agent"), "7");
    assert_eq!(asked.param("Direction"), "outbound-dial");
    assert_eq!(
        asked.param("CallSid"),
        invite.header("X-Hookswitch-Call-Sid")
    );
    assert_eq!(
        asked.param("ParentCallSid"),
        world.web.expect("/voice").param("CallSid")
    );
    // The document is said for a second; then the two talk, of which nobody is told.
    std::thread::sleep(Duration::from_secs(3));
    world.callee.expect_nothing(Duration::from_millis(100));
    line.hang_up();
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "completed"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn screened_out() {
    let world = World::new();
    world.web.says("/screen", "<Hangup/>");
    let sip = "<Sip url=\"/screen\">sip:a@pbx.example</Sip>";
    let line = dialling(&world, &format!("<Dial action=\"/dialled\">{sip}</Dial>"));
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "no-answer"
    );
    line.expect_bye();
}

#[test]
fn status_callbacks_of_a_callee() {
    let world = World::new();
    world.web.says("/child", "");
    let sip = "<Sip statusCallback=\"/child\" statusCallbackEvent=\"initiated ringing answered \
               completed\">sip:a@pbx.example</Sip>";
    let line = dialling(&world, &format!("<Dial action=\"/dialled\">{sip}</Dial>"));
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "180 Ringing", "ta", "", None);
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee_sdp()));
    world.callee.expect("ACK ");
    world.callee.request_back(&invite, "ta", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    world.web.expect("/dialled");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    let mut told = world.web.asked_at("/child");
    told.sort_by_key(|asked| asked.param("SequenceNumber").to_owned());
    let stages: Vec<_> = told.iter().map(|asked| asked.param("CallStatus")).collect();
    assert_eq!(stages, ["initiated", "ringing", "in-progress", "completed"]);
}

#[test]
fn nobody_there_is_over_at_once() {
    let world = World::with(|settings, _| {
        settings.outbound_proxy = None;
        settings.dial_trunk = None;
    });
    let line = dialling(
        &world,
        "<Dial action=\"/dialled\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    line.expect_answer();
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "failed");
    assert_eq!(asked.param("DialSipResponseCode"), "503");
    line.expect_bye();
}

#[test]
fn declined_is_no_answer() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial action=\"/dialled\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "603 Decline", "t", "", None);
    world.callee.expect("ACK ");
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "no-answer"
    );
    line.expect_bye();
}

#[test]
fn a_callee_without_a_description_is_not_connected() {
    let world = World::new();
    let line = dialling(
        &world,
        "<Dial action=\"/dialled\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "200 OK", "t", "", None);
    world.callee.expect("ACK ");
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "failed");
    assert_eq!(asked.param("DialSipResponseCode"), "488");
    line.expect_bye();
}
