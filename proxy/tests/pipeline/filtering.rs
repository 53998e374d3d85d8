//! The chain as the pipeline drives it: verdicts, waits, panics, and the end of every exchange.

use filters::Flow as Verdict;
use filters::{Reason, Reply};

use crate::support::{
    CALLER, CONFIG, GATEWAY_1, GATEWAY_2, PBX, PUBLIC, Sent, World, address, done, invite, request,
};

fn asking(user: &str, id: &str, what: &str) -> String {
    request(
        "INVITE",
        &format!("sip:{user}@demo.example"),
        id,
        &format!("X-Do: {what}\n"),
    )
}

#[test]
fn drop_says_nothing() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &asking("7", "drop", "drop"));
    assert!(world.take().is_empty());
    assert_eq!((done("drop"), world.count("filter_drops")), (vec![0], 1));
    world.assert_drained();
}

#[test]
fn reply_is_the_answer_and_goes_by_the_filters_that_ran() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &asking("7", "reply", "reply"));
    let answer = world.only(CALLER);
    assert_eq!(answer.start(), "SIP/2.0 499 Probed");
    assert_eq!(
        (
            answer.header("X-Why").as_str(),
            answer.header("X-Seen").as_str()
        ),
        ("asked", "us")
    );
    assert_eq!(done("reply"), [499]);
    world.assert_drained();
}

#[test]
fn a_panic_costs_its_own_request_500_and_nothing_else() {
    let mut world = World::new();
    let onward = {
        world.receive(CALLER, PUBLIC, &invite("7", "beside"));
        world.take().remove(1)
    };
    world.receive(CALLER, PUBLIC, &asking("7", "panic", "panic"));
    assert_eq!(world.statuses(CALLER), [500]);
    assert_eq!(done("panic"), [500]);
    world.receive(CALLER, PUBLIC, &asking("7", "branch-panic", "branch-panic"));
    assert_eq!(world.statuses(CALLER), [100, 500]);
    assert_eq!(done("branch-panic"), [500]);
    world.receive(PBX, PUBLIC, &onward.answer(200, "X-Do: panic\n"));
    assert_eq!(world.statuses(CALLER), [500]);
    assert_eq!(done("beside"), [500]);
    world.assert_drained();
}

#[test]
fn a_wait_that_ends_goes_on() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &asking("7", "wait-1", "wait"));
    assert_eq!(world.statuses(CALLER), [100]);
    // A retransmission meanwhile is absorbed.
    world.receive(CALLER, PUBLIC, &asking("7", "wait-1", "wait"));
    assert_eq!((world.statuses(CALLER), world.waits.len()), (vec![100], 1));
    world.resume(Some(Box::new(|request, _| {
        request.headers.append(b"X-Found", b"1").unwrap();
        Verdict::Continue
    })));
    let onward = world.only(PBX);
    assert_eq!(onward.header("X-Found"), "1");
    assert_eq!(
        onward.all("Record-Route").len(),
        1,
        "the filters behind it ran"
    );
    world.receive(PBX, PUBLIC, &onward.answer(486, ""));
    assert_eq!(done("wait-1"), [486]);
    world.assert_drained();
}

#[test]
fn a_wait_may_refuse_drop_expire_or_panic() {
    type End = fn() -> Option<filters::Resume>;
    let ends: [(&str, End, &[u16], u16); 4] = [
        (
            "wait-refuse",
            || {
                Some(Box::new(|_, _| {
                    Verdict::Reply(Reply::new(402, "Payment Required", Reason("probe")))
                }))
            },
            &[402],
            402,
        ),
        (
            "wait-drop",
            || Some(Box::new(|_, _| Verdict::Drop(Reason("probe")))),
            &[],
            0,
        ),
        ("wait-expire", || None, &[504], 504),
        (
            "wait-panic",
            || Some(Box::new(|_, _| panic!("as asked"))),
            &[500],
            500,
        ),
    ];
    for (id, end, statuses, told) in ends {
        let mut world = World::new();
        world.receive(CALLER, PUBLIC, &asking("7", id, "wait"));
        world.take();
        world.resume(end());
        assert_eq!(world.statuses(CALLER), statuses, "{id}");
        assert_eq!(done(id), [told], "{id}");
        world.assert_drained();
    }
}

#[test]
fn a_wait_of_another_method_too() {
    let mut world = World::new();
    let text = request(
        "MESSAGE",
        "sip:7@demo.example",
        "wait-message",
        "X-Do: wait\n",
    );
    world.receive(CALLER, PUBLIC, &text);
    world.advance_ms(3_600);
    assert_eq!(world.statuses(CALLER), [100]);
    world.resume(Some(Box::new(|_, _| Verdict::Continue)));
    let onward = world.only(PBX);
    world.receive(PBX, PUBLIC, &onward.answer(202, ""));
    assert_eq!(world.statuses(CALLER), [202]);
    assert_eq!(done("wait-message"), [202]);
    world.assert_drained();
}

#[test]
fn a_target_that_a_filter_skips() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &asking("9", "skip-first", "skip-first"));
    let sent = world.take();
    assert!(sent.iter().any(|sent| sent.to == address(GATEWAY_2)));
    assert!(sent.iter().all(|sent| sent.to != address(GATEWAY_1)));
    world.receive(CALLER, PUBLIC, &asking("9", "skip", "skip"));
    assert_eq!(world.statuses(CALLER), [100, 480]);
    assert_eq!(done("skip"), [480]);
}

#[test]
fn a_dropped_final_becomes_500_and_a_dropped_provisional_nothing() {
    let mut world = World::new();
    for (id, status) in [("drop-200", 200), ("drop-404", 404)] {
        world.receive(CALLER, PUBLIC, &invite("7", id));
        let onward = world.take().remove(1);
        world.receive(PBX, PUBLIC, &onward.answer(180, "X-Do: drop\n"));
        assert!(world.take().is_empty());
        world.receive(PBX, PUBLIC, &onward.answer(status, "X-Do: drop\n"));
        assert_eq!(world.take().last().unwrap().status(), 500);
        assert_eq!(done(id), [500]);
    }
    world.assert_drained();
}

#[test]
fn the_chain_of_a_trunk_sees_branches_and_responses() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("9", "trunk-chain"));
    let onward = world.take().remove(1);
    assert_eq!(onward.header("X-Both"), "1");
    world.receive(GATEWAY_1, PUBLIC, &onward.answer(180, ""));
    assert_eq!(world.only(CALLER).all("X-Seen"), ["gateways", "gateways"]);
    // A static target has no trunk, so only the listener's chain.
    world.receive(CALLER, PUBLIC, &invite("7", "no-trunk-chain"));
    let onward = world.take().remove(1);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    assert_eq!(world.only(CALLER).all("X-Seen"), ["them"]);
}

#[test]
fn every_ending_is_told_once() {
    let endings: [(&str, &str, u16); 5] = [
        ("no-route", "sip:x@far.example", 404),
        ("own", "sip:192.0.2.1", 200),
        ("no-scheme", "tel:+1", 404),
        ("unknown", "sip:7@demo.example;x", 499),
        ("ack", "sip:7@demo.example", 0),
    ];
    for (id, uri, status) in endings {
        let mut world = World::new();
        let method = if id == "ack" { "ACK" } else { "OPTIONS" };
        let extra = if id == "unknown" { "X-Do: reply\n" } else { "" };
        world.receive(
            CALLER,
            PUBLIC,
            &request(method, uri, &format!("once-{id}"), extra),
        );
        let told = done(&format!(
            "once-{id}{}",
            if id == "ack" { " ACK" } else { "" }
        ));
        assert_eq!(told.len(), 1, "{id}: {told:?}");
        if id != "no-scheme" {
            assert_eq!(told, [status], "{id}");
        }
    }
}

#[test]
fn no_room_after_the_chain_is_told_too() {
    let config = CONFIG.replace(
        "[[listen]]\nname = \"public\"\n",
        "[limits]\ntransactions = 2\n\n[[listen]]\nname = \"public\"\n",
    );
    let mut world = World::with(&config);
    for call in 0..4 {
        world.receive(CALLER, PUBLIC, &invite("7", &format!("crowd-{call}")));
    }
    world.advance_ms(40_000);
    for call in 0..4 {
        assert!(done(&format!("crowd-{call}")).len() <= 1);
    }
    world.assert_drained();
}

#[test]
fn an_exchange_keeps_the_configuration_that_it_began_with() {
    let marked = |mark: &str| {
        CONFIG.replacen(
            "type = \"probe\"",
            &format!("type = \"probe\"\n  mark = \"{mark}\""),
            1,
        )
    };
    let mut world = World::with(&marked("old"));
    world.receive(CALLER, PUBLIC, &asking("7", "old-wait", "wait"));
    world.receive(CALLER, PUBLIC, &invite("9", "old"));
    let first = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    let changed = marked("new")
        .replace("sip:203.0.113.2\"", "sip:203.0.113.22\"")
        .replace("203.0.113.50", "203.0.113.55");
    let new = world.loader.parse("new.toml", &changed).unwrap();
    world.core.set_plan(new.plan);
    // Failover and a resumed wait go by the old one, all of it.
    world.receive(GATEWAY_1, PUBLIC, &first.answer(500, ""));
    let second = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    assert_eq!(
        (second.to, second.header("X-Mark").as_str()),
        (address(GATEWAY_2), "old")
    );
    world.resume(Some(Box::new(|_, _| Verdict::Continue)));
    assert_eq!(world.only(PBX).header("X-Mark"), "old");
    // What comes now goes by the new one.
    world.receive(CALLER, PUBLIC, &invite("7", "new"));
    let sent: Vec<Sent> = world.take();
    assert_eq!(
        (sent[1].to, sent[1].header("X-Mark").as_str()),
        (address("203.0.113.55:5070"), "new")
    );
}
