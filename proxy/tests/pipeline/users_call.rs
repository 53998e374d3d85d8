//! Calls of users to their domain: who they are is asked first, and told to the executor.

use std::time::Duration;

use crate::phones::{Phone, users};
use crate::support::{
    CALLER, EXECUTOR, GATEWAY_1, INSIDE, PBX, PUBLIC, Sent, World, request, same_branch,
};

const HOME: &str = "198.51.100.20:4711";

/// An INVITE of `phone`; `attempt` tells its transactions apart.
fn invite(phone: &Phone, uri: &str, attempt: u32, headers: &str) -> String {
    let id = format!("call-{}-{attempt}", phone.address);
    let text = request("INVITE", uri, &id, headers);
    text.replace("<sip:alice@198.51.100.7:5060>", &phone.contact)
}

/// The INVITE once more, with the answer to the challenge that it got.
fn proved(world: &mut World, phone: &Phone, uri: &str, attempt: u32, headers: &str) -> String {
    phone.say(world, &invite(phone, uri, attempt, headers));
    let challenge = world.only(phone.address);
    assert_eq!(challenge.status(), 407);
    let proof = phone.proof(&challenge, "INVITE", uri, 1);
    let headers = format!("{headers}Proxy-Authorization: {proof}\n");
    invite(phone, uri, attempt + 1, &headers)
}

fn to_executor(sent: &[Sent]) -> Sent {
    let executor = crate::support::address(EXECUTOR);
    let found = sent.iter().find(|sent| sent.to == executor);
    found
        .unwrap_or_else(|| panic!("nothing to the executor: {sent:?}"))
        .clone()
}

#[test]
fn a_user_is_asked_and_then_named_to_the_executor() {
    let mut world = World::with(&users());
    let alice = Phone::new("alice", HOME);
    let uri = "sip:+1555@demo.example";
    let text = invite(&alice, uri, 1, "");
    alice.say(&mut world, &text);
    let challenge = world.only(HOME);
    assert_eq!(challenge.status(), 407);
    assert!(
        challenge
            .header("Proxy-Authenticate")
            .starts_with("Digest realm=\"demo.example\"")
    );
    assert_eq!(challenge.all("WWW-Authenticate"), [""; 0]);
    let tag = challenge
        .header("To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    alice.say(&mut world, &same_branch("ACK", &text, &tag));
    assert!(world.take().is_empty(), "the ACK of a refusal goes nowhere");
    assert_eq!(world.count("hookswitch_transactions"), 0);

    let foreign = "Proxy-Authorization: Digest username=\"x\", realm=\"elsewhere\", nonce=\"n\", uri=\"u\", response=\"r\"\n\
                   X-Hookswitch-Username: mallory\n";
    let text = proved(&mut world, &alice, uri, 3, foreign);
    alice.say(&mut world, &text);
    let invite = to_executor(&world.take());
    assert_eq!(invite.all("X-Hookswitch-Username"), ["alice"]);
    assert_eq!(invite.header("X-Hookswitch-Source"), HOME);
    let others = invite.all("Proxy-Authorization");
    assert_eq!(others.len(), 1);
    assert!(others[0].contains("realm=\"elsewhere\""));
}

#[test]
fn who_cannot_prove_anything_goes_nowhere() {
    let mut world = World::with(&users());
    let mut mallory = Phone::new("alice", HOME);
    mallory.password = "guess";
    // Neither by the domain, nor by a rule for numbers of its host, nor by another method.
    for (attempt, number) in ["bob", "9001", "7001"].into_iter().enumerate() {
        let uri = format!("sip:{number}@demo.example");
        let text = proved(&mut world, &mallory, &uri, attempt as u32 * 2, "");
        mallory.say(&mut world, &text);
        assert_eq!(world.statuses(HOME), [407], "{number}");
    }
    for method in ["MESSAGE", "SUBSCRIBE", "OPTIONS", "REFER", "PUBLISH", "BYE"] {
        let text = request(method, "sip:bob@demo.example", &format!("any-{method}"), "");
        world.receive(CALLER, PUBLIC, &text);
        assert_eq!(world.only(CALLER).status(), 407, "{method}");
    }
    // A To tag alone is no dialog.
    let text = request("INVITE", "sip:bob@demo.example", "tagged", "");
    let text = text.replace(
        "To: <sip:bob@demo.example>",
        "To: <sip:bob@demo.example>;tag=x",
    );
    world.receive(CALLER, PUBLIC, &text);
    assert_eq!(world.only(CALLER).status(), 407);
    world.assert_drained();
}

#[test]
fn credentials_for_one_number_open_no_other() {
    let mut world = World::with(&users());
    let alice = Phone::new("alice", HOME);
    let text = proved(&mut world, &alice, "sip:100@demo.example", 1, "");
    let other = text.replacen("INVITE sip:100@", "INVITE sip:+1900@", 1);
    alice.say(&mut world, &other);
    assert_eq!(world.only(HOME).status(), 400);
    alice.say(&mut world, &text.replace("z9hG4bK", "z9hG4bKagain"));
    assert_eq!(to_executor(&world.take()).method(), "INVITE");
}

#[test]
fn whom_nobody_asks() {
    let mut world = World::with(&users());
    // A trunk that is exempt, though a stranger of the same network is not.
    let uri = "sip:bob@demo.example";
    world.receive(GATEWAY_1, PUBLIC, &request("INVITE", uri, "trunk", ""));
    let invite = to_executor(&world.take());
    assert_eq!(invite.all("X-Hookswitch-Username"), [""; 0]);
    world.receive(PBX, PUBLIC, &request("INVITE", uri, "no-trunk", ""));
    assert_eq!(world.only(PBX).status(), 407);
    // An internal element, for a host that is nobody's.
    let text = request("INVITE", "sip:9001@demo.example", "internal", "");
    world.receive(EXECUTOR, INSIDE, &text);
    assert_eq!(crate::support::address(GATEWAY_1), world.take()[1].to);
}

/// Answers the INVITE of `alice` at the executor and gives that INVITE.
fn answered(world: &mut World, alice: &Phone) -> Sent {
    let text = proved(world, alice, "sip:bob@demo.example", 1, "");
    alice.say(world, &text);
    let invite = to_executor(&world.take());
    let record: String = invite
        .all("Record-Route")
        .iter()
        .map(|value| format!("Record-Route: {value}\n"))
        .collect();
    let contact = format!("Contact: <sip:bob@{EXECUTOR}>\n{record}");
    world.receive(EXECUTOR, INSIDE, &invite.answer(200, &contact));
    invite
}

#[test]
fn the_way_back_to_a_caller_behind_a_nat() {
    for connection in [None, Some(7)] {
        let mut world = World::with(&users());
        let mut alice = Phone::new("alice", HOME);
        alice.connection = connection;
        let invite = answered(&mut world, &alice);
        let ok = world
            .take()
            .into_iter()
            .find(|sent| sent.status() == 200)
            .unwrap();
        let contact = invite.header("Contact");
        assert!(
            contact.starts_with("<sip:alice@192.168.1.5:5060;hsf="),
            "{contact}"
        );
        // What alice says within the dialog needs no credentials any more.
        let routes: String = ok
            .all("Record-Route")
            .iter()
            .rev()
            .map(|value| format!("Route: {value}\n"))
            .collect();
        let tagged = |text: String| {
            text.replace(
                "To: <sip:bob@demo.example>",
                "To: <sip:bob@demo.example>;tag=callee",
            )
        };
        let id = invite.header("Call-ID");
        let text = request("INVITE", "sip:bob@demo.example", &id, &routes)
            .replace("-1;rport", "-9;rport")
            .replace("CSeq: 1", "CSeq: 3")
            .replacen(
                "INVITE sip:bob@demo.example",
                &format!("INVITE sip:bob@{EXECUTOR}"),
                1,
            )
            .replace("<sip:alice@198.51.100.7:5060>", &alice.contact);
        alice.say(&mut world, &tagged(text));
        let again = to_executor(&world.take());
        assert_eq!(
            again.header("Contact"),
            contact,
            "a new Contact is noted as well"
        );
        // The executor reaches it by its flow, with the URI that it knows.
        let target = contact.trim_matches(['<', '>']).to_owned();
        let routes: String = invite
            .all("Record-Route")
            .iter()
            .map(|value| format!("Route: {value}\n"))
            .collect();
        let bye = format!(
            "BYE {target} SIP/2.0\nVia: SIP/2.0/UDP {EXECUTOR};branch=z9hG4bK-bye;rport\nMax-Forwards: 70\n\
             From: <sip:bob@demo.example>;tag=callee\nTo: <sip:alice@caller.example>;tag=alice\nCall-ID: {id}\n\
             CSeq: 1 BYE\n{routes}Content-Length: 0\n\n"
        );
        world.receive(EXECUTOR, INSIDE, &bye);
        let bye = world.only(HOME);
        assert_eq!(bye.start(), "BYE sip:alice@192.168.1.5:5060 SIP/2.0");
        assert_eq!(bye.connection.map(|id| id.as_u64()), connection);
        assert_eq!(bye.all("Route"), [""; 0]);
        alice.answer(&mut world, &bye, 200);
        assert_eq!(world.only(EXECUTOR).status(), 200);
    }
}

#[test]
fn credentials_for_us_go_no_further() {
    let mut world = World::with(&users());
    let alice = Phone::new("alice", HOME);
    let invite = answered(&mut world, &alice);
    world.take();
    let mut routes = invite.all("Record-Route");
    routes.reverse();
    let routes: String = routes
        .iter()
        .map(|value| format!("Route: {value}\n"))
        .collect();
    // Phones show what they showed before, in requests that nobody asks about; for another realm it
    // is for whoever is there.
    let shown = ["demo.example", "elsewhere"].map(|realm| {
        format!(
            "Proxy-Authorization: Digest username=\"alice\", realm=\"{realm}\", nonce=\"n\", uri=\"u\", response=\"r\"\n"
        )
    });
    for (method, cseq) in [("ACK", 1), ("INVITE", 2), ("BYE", 3)] {
        let text = request(
            method,
            &format!("sip:bob@{EXECUTOR}"),
            &invite.header("Call-ID"),
            &format!("{routes}{}", shown.concat()),
        );
        let text = text
            .replace("-1;rport", &format!("-{method};rport"))
            .replace("CSeq: 1", &format!("CSeq: {cseq}"))
            .replace(
                &format!("To: <sip:bob@{EXECUTOR}>"),
                "To: <sip:bob@demo.example>;tag=callee",
            );
        alice.say(&mut world, &text);
        let sent = to_executor(&world.take());
        assert_eq!(sent.method(), method);
        let left = sent.all("Proxy-Authorization");
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("realm=\"elsewhere\""));
    }
    // A trunk of ours shows credentials of its own.
    let text = request("INVITE", "sip:7@demo.example", "exempt", &shown.concat());
    world.receive(GATEWAY_1, PUBLIC, &text);
    let pbx = crate::support::address(PBX);
    let sent = world
        .take()
        .into_iter()
        .find(|sent| sent.to == pbx)
        .unwrap();
    assert_eq!(sent.all("Proxy-Authorization").len(), 1);
}

#[test]
fn a_challenge_grows_old() {
    let mut world = World::with(&users());
    let alice = Phone::new("alice", HOME);
    let text = proved(&mut world, &alice, "sip:bob@demo.example", 1, "");
    world.advance(Duration::from_secs(121));
    alice.say(&mut world, &text);
    let again = world.only(HOME);
    assert_eq!(again.status(), 407);
    let challenge = again.header("Proxy-Authenticate");
    assert!(challenge.contains("stale=true"), "{challenge}");
}
