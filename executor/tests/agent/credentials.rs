//! `<Dial>` to callees who ask for credentials (RFC 3261 §22).

use std::time::Duration;

use crate::dial::dialling;
use crate::world::World;

#[test]
fn a_challenge_is_answered_once() {
    let world = World::new();
    let sip = "<Sip username=\"u\" password=\"p\">sip:a@pbx.example</Sip>";
    let line = dialling(&world, &format!("<Dial action=\"/dialled\">{sip}</Dial>"));
    line.expect_answer();
    let first = world.callee.expect("INVITE ");
    assert_eq!(first.find("Proxy-Authorization"), None);
    let challenge = "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\"\r\n";
    world.callee.reply(
        &first,
        "407 Proxy Authentication Required",
        "t1",
        challenge,
        None,
    );
    world.callee.expect("ACK ");
    let second = world.callee.expect("INVITE ");
    assert_eq!(second.header("CSeq"), "2 INVITE");
    assert_eq!(second.header("Call-ID"), first.header("Call-ID"));
    assert_eq!(second.header("To"), first.header("To"));
    let digest = second.header("Proxy-Authorization");
    for part in [
        "realm=\"pbx\"",
        "nonce=\"n1\"",
        "username=\"u\"",
        "qop=auth",
        "uri=\"sip:a@pbx.example\"",
    ] {
        assert!(digest.contains(part), "{digest}");
    }
    let evil = "Proxy-Authenticate: Digest realm=\"evil\", nonce=\"n2\", stale=true\r\n";
    world.callee.reply(
        &second,
        "407 Proxy Authentication Required",
        "t2",
        evil,
        None,
    );
    world.callee.expect("ACK ");
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "failed");
    assert_eq!(asked.param("DialSipResponseCode"), "407");
    line.expect_bye();
    world.callee.expect_nothing(Duration::from_millis(200));
}

/// A challenge that crosses the CANCEL begins no new call.
#[test]
fn a_challenge_after_the_cancel_is_not_answered() {
    let world = World::new();
    let sip = "<Sip username=\"u\" password=\"p\">sip:a@pbx.example</Sip>";
    let line = dialling(
        &world,
        &format!("<Dial answerOnBridge=\"true\">{sip}</Dial>"),
    );
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "180 Ringing", "t1", "", None);
    let rings = world.phone.recv_within(Duration::from_millis(500));
    assert!(rings.is_none_or(|msg| msg.start.starts_with("SIP/2.0 180")));
    line.cancel();
    world.phone.expect("SIP/2.0 200");
    line.expect_refusal("SIP/2.0 487");
    let cancel = world.callee.expect("CANCEL ");
    let challenge = "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n1\"\r\n";
    let status = "407 Proxy Authentication Required";
    world.callee.reply(&invite, status, "t1", challenge, None);
    world.callee.expect("ACK ");
    world.callee.reply(&cancel, "200 OK", "t1", "", None);
    world.callee.expect_nothing(Duration::from_millis(300));
    world.expect_rest(Duration::from_secs(10));
}
