//! REGISTER: challenges, credentials, and what is in the location table afterwards.

use std::time::Duration;

use crate::phones::{Phone, users};
use crate::support::{CALLER, EXECUTOR, INSIDE, STRANGER, World, request};

const HOME: &str = "198.51.100.20:4711";

fn world() -> World {
    World::with(&users())
}

#[test]
fn a_phone_registers() {
    let mut world = world();
    let mut alice = Phone::new("alice", HOME);
    let text = alice.register_text("");
    alice.say(&mut world, &text);
    let challenge = world.only(HOME);
    assert_eq!(challenge.status(), 401);
    let offered = challenge.all("WWW-Authenticate");
    assert_eq!(offered.len(), 2);
    assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"));
    for offer in &offered {
        assert!(offer.starts_with("Digest realm=\"demo.example\", nonce=\""));
        assert!(offer.contains("qop=\"auth\"") && !offer.contains("stale"));
    }
    assert_eq!(
        world.count("hookswitch_transactions"),
        0,
        "no state for a stranger"
    );
    // RFC 8760: either will do.
    for offer in &offered {
        let proof = alice.proof_of(offer, "REGISTER", "sip:demo.example", 1);
        let text = alice.register_text(&format!("Authorization: {proof}\n"));
        alice.say(&mut world, &text);
        let answer = world.only(HOME);
        match offer.contains("SHA-256") {
            true => assert_eq!(answer.status(), 200, "{}", answer.text()),
            // The nonce is the same, and so would the count be.
            false => assert!(answer.header("WWW-Authenticate").contains("stale=true")),
        }
    }
    let answer = alice.register(&mut world);
    assert_eq!(
        answer.all("Contact"),
        ["<sip:alice@192.168.1.5:5060>;expires=3600"]
    );
    assert_eq!(world.registrar.size(), (1, 1));
    assert_eq!(world.count("hookswitch_registers"), 2);
    assert_eq!(world.count("hookswitch_challenges"), 3);
    world.assert_drained();
}

#[test]
fn what_is_sent_again_has_the_same_answer_and_is_good_for_nothing_else() {
    let mut world = world();
    let mut alice = Phone::new("alice", HOME);
    let text = alice.register_text("");
    alice.say(&mut world, &text);
    let challenge = world.only(HOME);
    let proof = alice.proof(&challenge, "REGISTER", "sip:demo.example", 1);
    let text = alice.register_text(&format!("Authorization: {proof}\n"));
    alice.say(&mut world, &text);
    let answer = world.only(HOME);
    alice.say(&mut world, &text);
    assert_eq!(world.only(HOME).wire, answer.wire);
    // The same in another transaction, from the same place and from another.
    for (source, branch) in [(HOME, "b"), (STRANGER, "c")] {
        world.receive(
            source,
            0,
            &text.replace("z9hG4bK", &format!("z9hG4bK{branch}")),
        );
        let refused = world.only(source);
        assert_eq!(refused.status(), 401);
        assert!(refused.header("WWW-Authenticate").contains("stale=true"));
    }
    // A higher count under the same nonce is good, for a while.
    for (after, status) in [(10, 200), (200, 401)] {
        world.advance(Duration::from_secs(after));
        world.take();
        let proof = alice.proof(&challenge, "REGISTER", "sip:demo.example", 2);
        let text = alice.register_text(&format!("Authorization: {proof}\n"));
        alice.say(&mut world, &text);
        assert_eq!(world.only(HOME).status(), status, "after {after} s");
    }
}

#[test]
fn who_does_not_know_the_password_learns_nothing() {
    let mut world = world();
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong"), ("mallory", "wrong")] {
        let mut phone = Phone::new(user, HOME);
        phone.password = password;
        let answer = phone.register(&mut world);
        assert_eq!(answer.status(), 401);
        let shown = answer.text();
        let nonce = shown.split("nonce=\"").nth(1).unwrap().get(..64).unwrap();
        let shown = shown.replace(nonce, "NONCE").replace(user, "USER");
        let without_tag: Vec<_> = shown
            .lines()
            .filter(|line| !line.starts_with("To:"))
            .map(str::to_owned)
            .collect();
        answers.push(without_tag);
    }
    assert_eq!(answers[0], answers[1], "a user can be told from nobody");
    assert_eq!(world.registrar.size(), (0, 0));
    assert_eq!(world.count("credentials_wrong"), 2);
}

#[test]
fn guessing_ends_soon() {
    let mut world = world();
    let mut mallory = Phone::new("alice", HOME);
    mallory.password = "guess";
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let text = mallory.register_text("");
        mallory.say(&mut world, &text);
        let challenge = world.only(HOME);
        let proof = mallory.proof(&challenge, "REGISTER", "sip:demo.example", 1);
        let text = mallory.register_text(&format!("Authorization: {proof}\n"));
        mallory.say(&mut world, &text);
        statuses.push(world.only(HOME).status());
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [403; 2]);
    assert_eq!(world.count("guesses_blocked"), 2);
    // The right one is not looked at either, until a while has passed; others are not concerned.
    let mut alice = Phone::new("alice", HOME);
    assert_eq!(alice.register(&mut world).status(), 403);
    let mut other = Phone::new("alice", "198.51.100.21:4711");
    assert_eq!(other.register(&mut world).status(), 200);
    world.advance(Duration::from_secs(30));
    world.take();
    assert_eq!(alice.register(&mut world).status(), 200);
}

#[test]
fn everybody_registers_itself() {
    let mut world = world();
    let alice = Phone::new("alice", HOME);
    for (from, to) in [
        ("To: <sip:alice@demo.example>", "To: <sip:bob@demo.example>"),
        (
            "To: <sip:alice@demo.example>",
            "To: <sip:alice@other.example>",
        ),
        ("To: <sip:alice@demo.example>", "To: <tel:+1>"),
    ] {
        let mut phone = alice.clone();
        phone
            .call_id
            .push_str(&to.replace([' ', ':', '<', '>', '@'], ""));
        let text = phone.register_text("");
        phone.say(&mut world, &text);
        let proof = phone.proof(&world.only(HOME), "REGISTER", "sip:demo.example", 1);
        let text = phone.register_text(&format!("Authorization: {proof}\n"));
        phone.say(&mut world, &text.replace(from, to));
        assert_eq!(world.only(HOME).status(), 403, "{to}");
    }
    assert_eq!(world.registrar.size(), (0, 0));
}

#[test]
fn a_register_to_our_address_is_for_the_domain_of_to() {
    let mut world = world();
    let mut alice = Phone::new("alice", HOME);
    let text = alice
        .register_text("")
        .replace("sip:demo.example SIP", "sip:192.0.2.1 SIP");
    alice.say(&mut world, &text);
    let proof = alice.proof(&world.only(HOME), "REGISTER", "sip:192.0.2.1:5060", 1);
    let text = alice.register_text(&format!("Authorization: {proof}\n"));
    alice.say(
        &mut world,
        &text.replace("sip:demo.example SIP", "sip:192.0.2.1 SIP"),
    );
    assert_eq!(world.only(HOME).status(), 200);
    // Credentials that were signed for elsewhere are not ours.
    let text = alice.register_text("");
    alice.say(&mut world, &text);
    let proof = alice.proof(&world.only(HOME), "REGISTER", "sip:evil.example", 1);
    let text = alice.register_text(&format!("Authorization: {proof}\n"));
    alice.say(&mut world, &text);
    assert_eq!(world.only(HOME).status(), 400);
}

#[test]
fn contacts_are_listed_renewed_and_removed() {
    let mut world = world();
    let mut desk = Phone::new("alice", HOME);
    desk.extra = "Expires: 60\n".to_owned();
    assert_eq!(
        desk.register(&mut world).all("Contact"),
        ["<sip:alice@192.168.1.5:5060>;expires=600"]
    );
    world.advance(Duration::from_secs(1));
    let mut mobile = Phone::new("alice", "198.51.100.21:4711");
    mobile.contact =
        "\"Mobile\" <sip:alice@phone.invalid;transport=udp>;q=0.25;expires=1800".to_owned();
    assert_eq!(
        mobile.register(&mut world).all("Contact"),
        [
            "<sip:alice@192.168.1.5:5060>;expires=599",
            "<sip:alice@phone.invalid;transport=udp>;expires=1800;q=0.250",
        ]
    );
    // Only asked for.
    let mut asks = desk.clone();
    asks.contact.clear();
    assert_eq!(asks.register(&mut world).all("Contact").len(), 2);
    // An older number of the same phone changes nothing.
    let mut older = mobile.clone();
    older.cseq = 0;
    older.call_id = mobile.call_id.clone();
    let text = older.register_text("");
    older.say(&mut world, &text.replace("z9hG4bK", "z9hG4bKold"));
    let proof = older.proof(
        &world.only(older.address),
        "REGISTER",
        "sip:demo.example",
        1,
    );
    let text = older.register_text(&format!("Authorization: {proof}\n"));
    older.say(&mut world, &text.replace("z9hG4bK", "z9hG4bKold"));
    assert_eq!(world.only(older.address).status(), 500);
    // One ends by itself, and the rest is removed.
    world.advance(Duration::from_secs(600));
    world.registrar.sweep(world.now);
    assert_eq!(world.registrar.size(), (1, 1));
    assert_eq!(
        world.registrar.registrations(9)[0].contact,
        b"sip:alice@phone.invalid;transport=udp"
    );
    let mut all = Phone::new("alice", HOME);
    all.call_id.push_str("-all");
    all.contact = "*".to_owned();
    all.extra = "Expires: 0\n".to_owned();
    assert_eq!(all.register(&mut world).all("Contact").len(), 0);
    assert_eq!(world.registrar.size(), (0, 0));
}

#[test]
fn a_user_is_in_ten_places_at_most() {
    let mut world = world();
    for place in 0..11 {
        let mut phone = Phone::new("bob", HOME);
        phone.call_id = format!("place-{place}");
        phone.contact = format!("<sip:bob@192.168.1.{place}>");
        let answer = phone.register(&mut world);
        if place < 10 {
            assert_eq!(answer.all("Contact").len(), place + 1);
        } else {
            assert_eq!(answer.status(), 403);
            assert!(answer.header("X-Twilio-Error").starts_with("32007 "));
        }
    }
    assert_eq!(world.registrar.size(), (1, 10));
    let full = users() + "[registrar]\nbindings = 1\n";
    let mut world = World::with(&full);
    assert_eq!(Phone::new("bob", HOME).register(&mut world).status(), 200);
    let refused = Phone::new("alice", HOME).register(&mut world);
    assert_eq!(
        (refused.status(), refused.header("Retry-After").as_str()),
        (503, "5")
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut world = world();
    for (extra, contact, status) in [
        ("Require: gruu\n", "<sip:a@b>", 420),
        ("", "<tel:+1>", 400),
        ("", "*", 400),
        ("Path: <sip:strict.example>\n", "<sip:a@b>", 400),
        ("Require: path\n", "<sip:a@b>", 200),
    ] {
        let mut alice = Phone::new("alice", HOME);
        alice.call_id = format!("odd-{status}-{}", extra.len());
        (alice.extra, alice.contact) = (extra.to_owned(), contact.to_owned());
        let text = alice.register_text("");
        alice.say(&mut world, &text);
        let mut answer = world.only(HOME);
        if answer.status() == 401 {
            let proof = alice.proof(&answer, "REGISTER", "sip:demo.example", 1);
            let text = alice.register_text(&format!("Authorization: {proof}\n"));
            alice.say(&mut world, &text);
            answer = world.only(HOME);
        }
        assert_eq!(answer.status(), status, "{extra}{contact}");
        assert_eq!(
            answer.header("Unsupported"),
            if status == 420 { "gruu" } else { "" }
        );
    }
    for header in [
        "Authorization: Digest\n",
        "Authorization: Digest username=\"alice\n",
        "Authorization: Digest username=\"alice\", username=\"bob\"\n",
    ] {
        let text = Phone::new("alice", HOME).register_text(header);
        world.receive(HOME, 0, &text);
        let status = world.only(HOME).status();
        assert!(matches!(status, 400 | 401), "{header}: {status}");
    }
}

#[test]
fn no_byte_of_a_register_makes_it_panic_or_pass() {
    let mut world = world();
    let mut alice = Phone::new("alice", HOME);
    let text = alice.register_text("");
    alice.say(&mut world, &text);
    let proof = alice.proof(&world.only(HOME), "REGISTER", "sip:demo.example", 1);
    let text = alice.register_text(&format!("Authorization: {proof}\n"));
    let start = text.find("Authorization").unwrap();
    let nonce = text.find("nonce=\"").unwrap() + 7;
    for at in start..text.len() - 22 {
        for byte in [b'"', b'\\', b',', b'=', b';', b'0', b' ', 0xff] {
            let mut bytes = crate::support::lines(&text).into_bytes();
            let at = at + bytes.iter().take(at).filter(|byte| **byte == b'\r').count();
            if bytes[at] == byte {
                continue;
            }
            bytes[at] = byte;
            let flow = crate::support::udp("203.0.113.77:9", 0);
            world.receive_on(flow, bytes.into());
            // From another source not even what is right may pass.
            let passed = world.take().iter().any(|sent| sent.status() == 200);
            assert!(!passed, "byte {byte} at {at}, the nonce is at {nonce}");
        }
    }
    world.receive(HOME, 0, &text);
    assert_eq!(world.only(HOME).status(), 200);
}

#[test]
fn a_domain_without_users_registers_nobody() {
    let mut world = World::new();
    let text = Phone::new("alice", HOME).register_text("");
    world.receive(HOME, 0, &text);
    // It goes where every request to the domain goes.
    assert_eq!(world.only(EXECUTOR).method(), "REGISTER");
    let text = request("REGISTER", "sip:10.0.0.1:5062", "inside", "");
    world.receive(EXECUTOR, INSIDE, &text);
    assert!(world.take().iter().all(|sent| sent.status() != 200));
    assert_eq!(world.statuses(CALLER), [0u16; 0]);
}

#[test]
fn a_reload_keeps_who_is_there() {
    let mut world = world();
    Phone::new("alice", HOME).register(&mut world);
    let again = world.loader.parse("again.toml", &users()).unwrap();
    world.core.set_plan(again.plan);
    world.receive(
        EXECUTOR,
        INSIDE,
        &request("INVITE", "sip:alice@demo.example", "reloaded", ""),
    );
    assert_eq!(world.only(HOME).method(), "INVITE");
    // A user that is in the file no more is nobody.
    let without = users().replace("\"alice\"", "\"carol\"");
    let again = world.loader.parse("again.toml", &without).unwrap();
    world.core.set_plan(again.plan);
    world.receive(
        EXECUTOR,
        INSIDE,
        &request("INVITE", "sip:alice@demo.example", "gone", ""),
    );
    assert_eq!(world.only(EXECUTOR).status(), 404);
}
