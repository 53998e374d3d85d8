//! `<Dial>` to callees who ask for credentials (RFC 3261 §22).

use std::time::Duration;

use crate::dial::{callee_sdp, dialling};
use crate::phone::{Line, Msg};
use crate::world::World;

/// A call that dials with credentials.
fn dials<'w>(world: &'w World, attributes: &str) -> Line<'w> {
    let sip = "<Sip username=\"u\" password=\"p\">sip:a@pbx.example</Sip>";
    dialling(world, &format!("<Dial {attributes}>{sip}</Dial>"))
}

/// The callee's proxy asks for credentials with a Digest of these parameters.
fn challenge(world: &World, request: &Msg, tag: &str, digest: &str) {
    let status = "407 Proxy Authentication Required";
    let header = format!("Proxy-Authenticate: {digest}\r\n");
    world.callee.reply(request, status, tag, &header, None);
}

#[test]
fn a_challenge_is_answered_once() {
    let world = World::new();
    let line = dials(&world, "action=\"/dialled\"");
    line.expect_answer();
    let first = world.callee.expect("INVITE ");
    assert_eq!(first.find("Proxy-Authorization"), None);
    let asks = "Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\"";
    challenge(&world, &first, "t1", asks);
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
    let evil = "Digest realm=\"evil\", nonce=\"n2\", stale=true";
    challenge(&world, &second, "t2", evil);
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
    let line = dials(&world, "answerOnBridge=\"true\"");
    let invite = world.callee.expect("INVITE ");
    world.callee.reply(&invite, "180 Ringing", "t1", "", None);
    let rings = world.phone.recv_within(Duration::from_millis(500));
    assert!(rings.is_none_or(|msg| msg.start.starts_with("SIP/2.0 180")));
    line.cancel();
    world.phone.expect("SIP/2.0 200");
    line.expect_refusal("SIP/2.0 487");
    let cancel = world.callee.expect("CANCEL ");
    challenge(&world, &invite, "t1", "Digest realm=\"pbx\", nonce=\"n1\"");
    world.callee.expect("ACK ");
    world.callee.reply(&cancel, "200 OK", "t1", "", None);
    world.callee.expect_nothing(Duration::from_millis(300));
    world.expect_rest(Duration::from_secs(30));
}

/// The ACK has the credentials of the INVITE; the BYE is challenged as that was.
#[test]
fn an_ack_and_a_bye_have_credentials() {
    let world = World::new();
    let line = dials(&world, "");
    line.expect_answer();
    let asks = |nonce: &str| format!("digest\trealm=\"pbx\", nonce=\"{nonce}\"");
    let first = world.callee.expect("INVITE ");
    challenge(&world, &first, "t1", &asks("n1"));
    world.callee.expect("ACK ");
    let second = world.callee.expect("INVITE ");
    let sdp = callee_sdp();
    world.callee.reply(&second, "200 OK", "t2", "", Some(&sdp));
    let ack = world.callee.expect("ACK ");
    let shown = second.header("Proxy-Authorization");
    assert_eq!(ack.header("Proxy-Authorization"), shown);
    // A second callee whom a proxy on the way has reached is acknowledged likewise.
    world.callee.reply(&second, "200 OK", "t3", "", Some(&sdp));
    let ack = world.callee.expect("ACK ");
    assert_eq!(ack.header("Proxy-Authorization"), shown);
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    line.hang_up();
    let bye = world.callee.expect("BYE ");
    challenge(&world, &bye, "", &asks("n2"));
    let again = world.callee.expect("BYE ");
    assert_eq!(again.header("CSeq"), "4 BYE");
    assert_eq!(again.header("To"), bye.header("To"));
    let digest = again.header("Proxy-Authorization");
    let uri = format!("uri=\"sip:{}\"", world.callee.address);
    for part in ["realm=\"pbx\"", "nonce=\"n2\"", &uri] {
        assert!(digest.contains(part), "{digest}");
    }
    // Wrong credentials are not tried again.
    challenge(&world, &again, "", &asks("n3"));
    world.callee.expect_nothing(Duration::from_millis(200));
    world.expect_rest(Duration::from_secs(30));
}
