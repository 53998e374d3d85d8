//! Requests within a dialog find their way by Route, from both sides, whatever the node remembers.

use std::net::SocketAddr;
use std::time::Duration;

use loadtest::{Config, Draft, Edge, Message, Peer, Sipp, sdp};

const CALL: &str = "sip:+15550100@carrier.test";

fn config(carrier: SocketAddr) -> Config {
    let uri = format!("sip:+14158675309@{carrier}");
    Config::new()
        .trunk("carrier", "127.0.0.250/32", &[&uri])
        .route("carrier.test", "carrier")
}

fn over(sipp: Sipp, tcp: bool) -> Sipp {
    if tcp { sipp.tcp() } else { sipp }
}

/// Runs a caller's and a callee's scenario through the proxy.
fn pair(caller: &str, callee: &str) {
    for tcp in [false, true] {
        let callee = over(Sipp::callee(callee), tcp)
            .argument("-d", "100")
            .start();
        let uri = format!(
            "sip:+14158675309@{}{}",
            callee.address(),
            if tcp { ";transport=tcp" } else { "" }
        );
        let config = Config::new()
            .trunk("carrier", "127.0.0.250/32", &[&uri])
            .route("carrier.test", "carrier");
        let edge = Edge::start(config);
        over(Sipp::caller(caller, edge.public()), tcp)
            .to(CALL)
            .argument("-d", "100")
            .run();
        let report = callee.finish();
        let within = report
            .received
            .iter()
            .filter(|message| message.method().is_some_and(|method| method != "INVITE"));
        for message in within {
            assert_eq!(
                message.header("Route"),
                None,
                "our own Route was not taken off: {message:?}"
            );
        }
    }
}

#[test]
fn the_caller_offers_again() {
    pair("caller_reinvites", "callee_is_reinvited");
}

#[test]
fn the_callee_offers_again() {
    pair("caller_is_reinvited", "callee_reinvites");
}

#[test]
fn the_caller_hangs_up() {
    pair("caller_hangs_up", "callee_answers");
}

#[test]
fn the_callee_hangs_up() {
    pair("caller_is_hung_up", "callee_hangs_up");
}

struct Call {
    alice: Peer,
    bob: Peer,
    invite: Draft,
    at_bob: Message,
    answer: Message,
}

/// A call between two peers that is answered and acknowledged.
fn established(edge: &Edge, alice: Peer, bob: Peer) -> Call {
    let invite = Draft::new("INVITE", CALL, &alice);
    alice.send(edge.public(), invite.text());
    let (at_bob, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    bob.answer(&at_bob, proxy, 200, &[], &sdp(bob.address()));
    let answer = alice.response(200);
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    let ack = bob.request("ACK");
    assert_eq!(ack.uri(), format!("sip:peer@{}", bob.address()));
    Call {
        alice,
        bob,
        invite,
        at_bob,
        answer,
    }
}

#[test]
fn the_route_set_is_one_signed_entry() {
    let bob = Peer::bind();
    let edge = Edge::start(config(bob.address()));
    let call = established(&edge, Peer::bind(), bob);
    let routes = call.at_bob.all("Record-Route");
    assert_eq!(
        routes,
        call.answer.all("Record-Route"),
        "it comes back as it went"
    );
    assert!(
        routes.iter().all(|route| route.contains(";lr")),
        "{routes:?}"
    );
    assert!(
        routes
            .iter()
            .any(|route| route.contains(&edge.public().to_string())),
        "{routes:?}"
    );
}

#[test]
fn a_restart_does_not_break_a_call() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let config = config(bob.address());
    let edge = Edge::start(config.clone());
    let call = established(&edge, alice, bob);
    drop(edge);
    let edge = Edge::start(config);
    let own = call.invite.within("BYE", 2, &call.answer);
    call.alice.send(edge.public(), own.text());
    let (bye, proxy) = call
        .bob
        .receive_from(Duration::from_secs(20))
        .expect("the BYE");
    assert_eq!(bye.method(), Some("BYE"));
    call.bob.answer(&bye, proxy, 200, &[], "");
    assert_eq!(call.alice.answer_to(&own).status(), Some(200));
}

#[test]
fn a_changed_route_is_refused() {
    let bob = Peer::bind();
    let edge = Edge::start(config(bob.address()));
    let call = established(&edge, Peer::bind(), bob);
    let route = call.answer.all("Record-Route").join(", ");
    let at = route
        .rfind(|letter: char| letter.is_ascii_alphanumeric())
        .expect("a token");
    for step in 0..12 {
        let mut forged = route.clone().into_bytes();
        let Some(place) = at
            .checked_sub(step * 2)
            .filter(|place| route[..*place].contains(";lr") || *place > 30)
        else {
            continue;
        };
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let bye = call
            .invite
            .within("INFO", 50 + step as u32, &call.answer)
            .without("Route")
            .header("Route", &forged);
        call.alice.send(edge.public(), bye.text());
    }
    call.bob.silence(Duration::from_millis(500));
}

#[test]
fn strangers_do_not_get_into_a_dialog_by_a_tag() {
    let bob = Peer::bind();
    let edge = Edge::start(config(bob.address()));
    let mallory = Peer::bind();
    for method in ["BYE", "INVITE", "INFO", "MESSAGE"] {
        let to = format!("sip:peer@{}", bob.address());
        let draft = Draft::new(method, &to, &mallory).set("To", &format!("<{to}>;tag=1"));
        mallory.send(edge.public(), draft.text());
        let status = mallory.answer_to(&draft).status();
        assert!(
            matches!(status, Some(403 | 404 | 481)),
            "{method}: {status:?}"
        );
    }
    bob.silence(Duration::from_millis(200));
}

#[test]
fn an_ack_for_a_200_goes_end_to_end_and_only_once() {
    let bob = Peer::bind();
    let edge = Edge::start(config(bob.address()));
    let call = established(&edge, Peer::bind(), bob);
    call.bob.silence(Duration::from_millis(600));
    call.alice.silence(Duration::from_millis(100));
}

#[test]
fn a_strict_router_before_us_is_repaired() {
    // RFC 3261 §16.4: our own URI in the Request-URI, the true target in the last Route.
    let bob = Peer::bind();
    let edge = Edge::start(config(bob.address()));
    let call = established(&edge, Peer::bind(), bob);
    let ours = call
        .answer
        .address("Record-Route")
        .expect("a route")
        .to_owned();
    let target = format!("sip:peer@{}", call.bob.address());
    let info = call
        .invite
        .within("INFO", 2, &call.answer)
        .without("Route")
        .header("Route", &format!("<{target}>"));
    call.alice.send(
        edge.public(),
        info.text()
            .replacen(&format!("INFO {target}"), &format!("INFO {ours}"), 1),
    );
    let info = call.bob.request("INFO");
    assert_eq!(info.uri(), target);
    assert_eq!(info.header("Route"), None);
}
