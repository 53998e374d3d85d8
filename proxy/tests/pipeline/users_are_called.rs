//! Calls to users: the places where they are ring all at once (RFC 3261 §16.6, §16.7).

use std::time::Duration;

use hookswitch::Random;
use sip::Transport;

use crate::phones::{Phone, users};
use crate::support::{EXECUTOR, INSIDE, PUBLIC, PUBLIC_TCP, Sent, World, request, same_branch};

const DESK: &str = "198.51.100.20:4711";
const MOBILE: &str = "198.51.100.21:4712";
const SOFT: &str = "198.51.100.22:4713";
const ALICE: &str = "sip:alice@demo.example";

/// An INVITE of the executor.
fn call(id: &str, uri: &str) -> String {
    request("INVITE", uri, id, "X-Custom-Parameters: foo=bar\n")
}

/// A world in which alice is at these places, each with a contact of its own.
fn registered(places: &[&'static str]) -> (World, Vec<Phone>) {
    let mut world = World::with(&users());
    let phones = places
        .iter()
        .map(|place| {
            let mut phone = Phone::new("alice", place);
            phone.contact = format!("<sip:alice@192.168.1.{};x>", &place[12..13]);
            assert_eq!(phone.register(&mut world).status(), 200);
            world.advance(Duration::from_secs(1));
            world.take();
            phone
        })
        .collect();
    (world, phones)
}

/// What was sent to each of `phones`, in their order.
fn each(world: &mut World, phones: &[Phone]) -> Vec<Sent> {
    let sent = world.take();
    let to = |phone: &Phone| {
        let address = crate::support::address(phone.address);
        let mut there = sent.iter().filter(|sent| sent.to == address);
        let found = there
            .next()
            .unwrap_or_else(|| panic!("nothing to {phone:?}: {sent:?}"));
        assert!(there.next().is_none(), "more than one to {phone:?}");
        found.clone()
    };
    phones.iter().map(to).collect()
}

#[test]
fn a_user_is_called_by_the_way_that_it_registered() {
    let (mut world, phones) = registered(&[DESK]);
    world.receive(EXECUTOR, INSIDE, &call("one", ALICE));
    let invite = each(&mut world, &phones).remove(0);
    assert_eq!(invite.start(), "INVITE sip:alice@192.168.1.0;x SIP/2.0");
    assert_eq!(
        (invite.listener, invite.from_ip),
        (PUBLIC, Some([192, 0, 2, 1].into()))
    );
    assert_eq!(invite.header("X-Custom-Parameters"), "foo=bar");
    assert!(!invite.has("X-Hookswitch"));
    assert_eq!(invite.all("Record-Route").len(), 2, "a socket on each side");
    assert_eq!(invite.header("Max-Breadth"), "", "one place is no fork");
    phones[0].answer(&mut world, &invite, 180);
    assert_eq!(world.only(EXECUTOR).status(), 180);
    phones[0].answer(&mut world, &invite, 200);
    let answer = world.only(EXECUTOR);
    assert_eq!(answer.status(), 200);
    // Within the dialog it is reached by the same way.
    let contact = answer.header("Contact");
    assert!(
        contact.starts_with("<sip:alice@192.168.1.0;x;hsf=0-udp-0-198.51.100.20:4711-"),
        "{contact}"
    );
    let target = contact.trim_matches(['<', '>']).to_owned();
    for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
        let routes: String = answer
            .all("Record-Route")
            .iter()
            .rev()
            .map(|value| format!("Route: {value}\n"))
            .collect();
        let text = request(method, &target, "one", &routes)
            .replace("-1;rport", &format!("-{method};rport"))
            .replace("CSeq: 1", &format!("CSeq: {cseq}"))
            .replace(
                &format!("To: <{target}>"),
                &format!("To: {}", answer.header("To")),
            );
        world.receive(EXECUTOR, INSIDE, &text);
        let sent = world.only(DESK);
        assert_eq!(
            sent.start(),
            format!("{method} sip:alice@192.168.1.0;x SIP/2.0")
        );
        if method == "BYE" {
            phones[0].answer(&mut world, &sent, 200);
            assert_eq!(world.only(EXECUTOR).status(), 200);
        }
    }
    world.assert_drained();
}

#[test]
fn over_tcp_it_is_the_connection_or_nothing() {
    let mut world = World::with(&users());
    let mut soft = Phone::new("alice", SOFT);
    soft.connection = Some(77);
    soft.contact = "<sip:alice@192.168.1.9:5060;transport=tcp>".to_owned();
    assert_eq!(soft.register(&mut world).status(), 200);
    world.receive(EXECUTOR, INSIDE, &call("tcp", ALICE));
    let invite = world.only(SOFT);
    assert_eq!(
        (invite.transport, invite.listener),
        (Transport::Tcp, PUBLIC_TCP)
    );
    assert_eq!(invite.connection.map(|id| id.as_u64()), Some(77));
    assert!(
        !invite.opens,
        "a connection would be opened to where nobody listens"
    );
    world.failed(&invite);
    // §16.7 step 6: our own 503 is a 500 upstream.
    assert_eq!(world.statuses(EXECUTOR), [500]);
    world.assert_drained();
}

#[test]
fn who_is_not_there() {
    let (mut world, _) = registered(&[DESK]);
    for (user, status) in [("bob", 480), ("carol", 404), ("%61lice", 0)] {
        let uri = format!("sip:{user}@demo.example");
        world.receive(EXECUTOR, INSIDE, &call(user, &uri));
        let statuses = world.statuses(EXECUTOR);
        assert_eq!(
            statuses.last().copied().filter(|status| *status != 100),
            Some(status).filter(|status| *status > 0),
            "{user}"
        );
    }
    world.advance(Duration::from_secs(3600));
    world.take();
    world.receive(EXECUTOR, INSIDE, &call("late", ALICE));
    assert_eq!(
        world.only(EXECUTOR).status(),
        480,
        "the registration has ended"
    );
    // Other internal destinations are what they were.
    world.receive(EXECUTOR, INSIDE, &call("other", "sip:alice@203.0.113.9"));
    assert_eq!(world.only("203.0.113.9:5060").method(), "INVITE");
}

#[test]
fn all_places_ring_and_the_first_answer_ends_it() {
    let (mut world, phones) = registered(&[DESK, MOBILE, SOFT]);
    world.receive(EXECUTOR, INSIDE, &call("all", ALICE));
    let invites = each(&mut world, &phones);
    let branches: std::collections::HashSet<_> = invites.iter().map(Sent::branch).collect();
    assert_eq!(branches.len(), 3);
    // RFC 5393 §5.3.3.
    assert!(
        invites
            .iter()
            .all(|invite| invite.header("Max-Breadth") == "20")
    );
    for at in [0, 1] {
        phones[at].answer(&mut world, &invites[at], 180);
        assert_eq!(
            world.statuses(EXECUTOR),
            [180],
            "each ringing goes upstream"
        );
    }
    phones[1].answer(&mut world, &invites[1], 200);
    let sent = world.take();
    let ok = sent.iter().find(|sent| sent.status() == 200).unwrap();
    assert!(ok.header("To").contains("198-51-100-21"));
    let cancelled: Vec<_> = sent
        .iter()
        .filter(|sent| sent.method() == "CANCEL")
        .collect();
    // The one that has not even answered 100 is cancelled when it does (§9.1).
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0].to, crate::support::address(DESK));
    assert_eq!(
        cancelled[0].header("Reason"),
        "SIP;cause=200;text=\"Call completed elsewhere\""
    );
    phones[0].answer(&mut world, cancelled[0], 200);
    phones[0].answer(&mut world, &invites[0], 487);
    phones[2].answer(&mut world, &invites[2], 180);
    let sent = world.take();
    let late: Vec<_> = sent
        .iter()
        .map(|sent| (sent.method(), sent.status()))
        .collect();
    assert!(late.contains(&("CANCEL".to_owned(), 0)), "{late:?}");
    assert!(
        sent.iter()
            .all(|sent| sent.to != crate::support::address(EXECUTOR))
    );
    // It had been answered already: every 2xx goes upstream (step 5).
    phones[2].answer(&mut world, &invites[2], 200);
    assert!(world.statuses(EXECUTOR).contains(&200));
    world.assert_drained();
}

#[test]
fn the_best_of_what_all_refuse() {
    for (first, second, third, best) in [
        (486, 480, 404, 486),
        (603, 0, 0, 603),
        (486, 603, 0, 603),
        (503, 500, 486, 486),
        (503, 503, 503, 500),
        (486, 302, 404, 302),
    ] {
        let (mut world, phones) = registered(&[DESK, MOBILE, SOFT]);
        world.receive(EXECUTOR, INSIDE, &call("refused", ALICE));
        let invites = each(&mut world, &phones);
        for (phone, invite) in phones.iter().zip(&invites) {
            phone.answer(&mut world, invite, 100);
        }
        world.take();
        let mut early = Vec::new();
        for (at, status) in [first, second, third].into_iter().enumerate() {
            if status > 0 {
                early = world.statuses(EXECUTOR);
                phones[at].answer(&mut world, &invites[at], status);
                continue;
            }
            // A 6xx has cancelled those that still ring (step 5), and waits for them.
            phones[at].answer(&mut world, &invites[at], 487);
        }
        assert!(
            early.iter().all(|status| *status < 200),
            "{early:?} before the last"
        );
        assert_eq!(world.statuses(EXECUTOR), [best], "{first} {second} {third}");
        world.assert_drained();
    }
}

#[test]
fn a_6xx_ends_the_ringing_of_the_others() {
    let (mut world, phones) = registered(&[DESK, MOBILE]);
    world.receive(EXECUTOR, INSIDE, &call("global", ALICE));
    let invites = each(&mut world, &phones);
    phones[1].answer(&mut world, &invites[1], 180);
    world.take();
    phones[0].answer(&mut world, &invites[0], 600);
    let sent = world.take();
    let mobile = crate::support::address(MOBILE);
    let cancel = sent.iter().find(|sent| sent.to == mobile).unwrap();
    assert_eq!(cancel.method(), "CANCEL");
    assert!(
        sent.iter().all(|sent| sent.status() == 0),
        "not before the others are over"
    );
    // Who answers in spite of it is connected.
    phones[1].answer(&mut world, &invites[1], 200);
    assert_eq!(world.statuses(EXECUTOR), [200]);
    world.assert_drained();
}

#[test]
fn a_caller_that_gives_up_ends_all_of_it() {
    let (mut world, phones) = registered(&[DESK, MOBILE]);
    let text = call("cancelled", ALICE);
    world.receive(EXECUTOR, INSIDE, &text);
    let invites = each(&mut world, &phones);
    for (phone, invite) in phones.iter().zip(&invites) {
        phone.answer(&mut world, invite, 180);
    }
    world.take();
    world.receive(EXECUTOR, INSIDE, &same_branch("CANCEL", &text, ""));
    let sent = world.take();
    assert_eq!(
        sent.iter().filter(|sent| sent.method() == "CANCEL").count(),
        2
    );
    for (phone, invite) in phones.iter().zip(&invites) {
        assert!(!world.statuses(EXECUTOR).contains(&487));
        phone.answer(&mut world, invite, 487);
    }
    assert_eq!(world.statuses(EXECUTOR), [487]);
    world.assert_drained();
}

#[test]
fn a_place_that_cannot_be_reached_does_not_hold_up_the_others() {
    let (mut world, phones) = registered(&[DESK, MOBILE]);
    world.receive(EXECUTOR, INSIDE, &call("dead", ALICE));
    let invites = each(&mut world, &phones);
    world.failed(&invites[0]);
    assert_eq!(world.statuses(EXECUTOR), [0u16; 0]);
    phones[1].answer(&mut world, &invites[1], 200);
    assert_eq!(world.statuses(EXECUTOR), [200]);
    world.assert_drained();
    // Silence of all is our 408, after Timer B.
    world.receive(EXECUTOR, INSIDE, &call("silent", ALICE));
    world.advance(Duration::from_secs(33));
    assert_eq!(world.statuses(EXECUTOR).last(), Some(&408));
    world.assert_drained();
}

#[test]
fn breadth_is_not_exceeded() {
    let (mut world, phones) = registered(&[DESK, MOBILE, SOFT]);
    for (breadth, reached) in [(0, 0), (1, 1), (2, 2), (4, 3)] {
        let header = format!("Max-Breadth: {breadth}\n");
        let text = request("INVITE", ALICE, &format!("breadth-{breadth}"), &header);
        world.receive(EXECUTOR, INSIDE, &text);
        let sent = world.take();
        let invites: Vec<_> = sent
            .iter()
            .filter(|sent| sent.method() == "INVITE")
            .collect();
        assert_eq!(invites.len(), reached);
        // The newest first.
        for (invite, phone) in invites.iter().zip(phones.iter().rev()) {
            assert_eq!(invite.to, crate::support::address(phone.address));
        }
        if reached == 0 {
            assert_eq!(sent.last().unwrap().status(), 440);
        }
    }
}

#[test]
fn places_beyond_the_breadth_are_tried_when_others_have_failed() {
    let (mut world, phones) = registered(&[DESK, MOBILE, SOFT]);
    let rings = |world: &mut World| -> Vec<Sent> {
        let sent = world.take().into_iter();
        sent.filter(|sent| sent.method() == "INVITE").collect()
    };
    // One at a time, whatever each of them says.
    let text = request("INVITE", ALICE, "one", "Max-Breadth: 1\n");
    world.receive(EXECUTOR, INSIDE, &text);
    for (at, status) in [(2, 486), (1, 404), (0, 480)] {
        let invites = rings(&mut world);
        assert_eq!(invites.len(), 1);
        assert_eq!(invites[0].to, crate::support::address(phones[at].address));
        assert_eq!(invites[0].header("Max-Breadth"), "1");
        phones[at].answer(&mut world, &invites[0], status);
    }
    // The lowest class, and in it the first.
    assert_eq!(world.statuses(EXECUTOR).last(), Some(&486));
    world.receive(EXECUTOR, INSIDE, &same_branch("ACK", &text, "callee"));

    // Two at a time: the third when the first of them is silent.
    let text = request("INVITE", ALICE, "two", "Max-Breadth: 2\n");
    world.receive(EXECUTOR, INSIDE, &text);
    let first = rings(&mut world);
    assert_eq!(first.len(), 2);
    phones[2].answer(&mut world, &first[0], 180);
    world.take();
    world.advance(Duration::from_secs(4));
    let to = |phone: &Phone| crate::support::address(phone.address);
    let third: Vec<_> = rings(&mut world);
    let third: Vec<_> = third
        .iter()
        .filter(|sent| sent.to == to(&phones[0]))
        .collect();
    assert_eq!(third.len(), 1);
    assert_eq!(third[0].header("Max-Breadth"), "1");
    phones[0].answer(&mut world, third[0], 200);
    let sent = world.take();
    assert!(sent.iter().any(|sent| sent.status() == 200));
    let cancel = sent.iter().find(|sent| sent.method() == "CANCEL").unwrap();
    assert_eq!(cancel.to, to(&phones[2]));

    // Who is turned down by somebody for all asks nobody else.
    let text = request("INVITE", ALICE, "all", "Max-Breadth: 1\n");
    world.receive(EXECUTOR, INSIDE, &text);
    let invite = rings(&mut world).remove(0);
    phones[2].answer(&mut world, &invite, 603);
    assert_eq!(world.statuses(EXECUTOR).last(), Some(&603));
}

#[test]
fn what_is_no_invite_goes_to_one_place_after_another() {
    let (mut world, phones) = registered(&[DESK, MOBILE]);
    let text = request("MESSAGE", ALICE, "message", "");
    world.receive(EXECUTOR, INSIDE, &text);
    let sent = world.only(MOBILE);
    phones[1].answer(&mut world, &sent, 503);
    let sent = world.only(DESK);
    phones[0].answer(&mut world, &sent, 200);
    assert_eq!(world.only(EXECUTOR).status(), 200);
    world.assert_drained();
}

#[test]
fn a_phone_behind_a_proxy_of_its_own_is_called_through_it() {
    let mut world = World::with(&users());
    let mut alice = Phone::new("alice", "203.0.113.9:5060");
    alice.extra =
        "Supported: path\nPath: <sip:edge.example;lr;ob>, <sip:inner.example;lr>\n".to_owned();
    let answer = alice.register(&mut world);
    assert_eq!(
        answer.all("Path"),
        ["<sip:edge.example;lr;ob>, <sip:inner.example;lr>"]
    );
    world.receive(EXECUTOR, INSIDE, &call("path", ALICE));
    let invite = world.only("203.0.113.9:5060");
    assert_eq!(
        invite.all("Route"),
        ["<sip:edge.example;lr;ob>, <sip:inner.example;lr>"]
    );
    assert_eq!(invite.start(), "INVITE sip:alice@192.168.1.5:5060 SIP/2.0");
    alice.answer(&mut world, &invite, 200);
    // The proxies stand in the Record-Route; the Contact is not ours to change.
    assert_eq!(world.only(EXECUTOR).header("Contact"), alice.contact);
}

#[test]
fn every_fork_has_one_end() {
    for seed in 1..=200 {
        let mut random = Random::Seeded(seed);
        let (mut world, phones) = registered(&[DESK, MOBILE, SOFT]);
        let text = call("fork", ALICE);
        world.receive(EXECUTOR, INSIDE, &text);
        let invites = each(&mut world, &phones);
        let executor = crate::support::address(EXECUTOR);
        let (mut finals, mut oks, mut answered) = (Vec::new(), 0, [false; 3]);
        let mut cancelled = false;
        let collect = |world: &mut World, finals: &mut Vec<u16>| {
            for sent in world.take() {
                let is_final = sent.to == executor && sent.status() >= 200;
                if is_final && sent.header("CSeq").contains("INVITE") {
                    finals.push(sent.status());
                }
            }
        };
        for _ in 0..12 {
            let at = random.below(3) as usize;
            let status = [100, 180, 183, 200, 404, 486, 503, 603][random.below(8) as usize];
            match random.below(12) {
                0 if !cancelled => {
                    cancelled = true;
                    world.receive(EXECUTOR, INSIDE, &same_branch("CANCEL", &text, ""));
                }
                1 => world.advance(Duration::from_secs(u64::from(random.below(40)))),
                2 if !answered[at] => {
                    answered[at] = true;
                    world.failed(&invites[at]);
                }
                _ if !answered[at] => {
                    answered[at] = status >= 200;
                    oks += u32::from(status == 200);
                    phones[at].answer(&mut world, &invites[at], status);
                }
                _ => {}
            }
            collect(&mut world, &mut finals);
        }
        // Whoever is cancelled says so, and the rest is silent.
        for at in (0..3).filter(|at| !answered[*at]) {
            phones[at].answer(&mut world, &invites[at], 487);
        }
        world.advance(Duration::from_secs(300));
        collect(&mut world, &mut finals);
        let distinct: std::collections::BTreeSet<_> = finals.iter().copied().collect();
        // RFC 3261 §16.7 step 5: every 2xx goes upstream; of other finals there is one, which is
        // repeated until its ACK, and a 2xx may only come behind it.
        let failures = distinct.iter().filter(|status| **status >= 300).count();
        assert!(failures <= 1, "seed {seed}: {finals:?}");
        assert!(!finals.is_empty(), "seed {seed}: no end");
        if oks == 0 {
            assert_eq!(failures, 1, "seed {seed}: {finals:?}");
        }
        assert_eq!(world.core.in_progress(), 0, "seed {seed}");
        world.assert_drained();
    }
}
