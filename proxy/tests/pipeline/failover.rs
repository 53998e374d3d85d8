//! Serial forking: silence, transport errors, codes; late answers of what was given up.

use crate::support::{
    CALLER, CONFIG, EXECUTOR, GATEWAY_1, GATEWAY_2, INSIDE, PBX, PUBLIC, Sent, World, address,
    done, invite, request,
};

fn invite_of(sent: &[Sent], to: &str) -> Sent {
    let found = sent
        .iter()
        .find(|sent| sent.method() == "INVITE" && sent.to == address(to));
    found
        .unwrap_or_else(|| panic!("no INVITE to {to}: {sent:?}"))
        .clone()
}

fn first(world: &mut World, id: &str) -> Sent {
    world.receive(CALLER, PUBLIC, &invite("9", id));
    invite_of(&world.take(), GATEWAY_1)
}

#[test]
fn after_silence_the_next_target_is_tried_with_another_branch() {
    let mut world = World::new();
    let one = first(&mut world, "silence");
    world.advance_ms(3_900);
    assert!(
        world
            .take()
            .iter()
            .all(|sent| sent.to == address(GATEWAY_1)),
        "too early"
    );
    world.advance_ms(200);
    let two = invite_of(&world.take(), GATEWAY_2);
    assert_ne!(one.branch(), two.branch());
    assert_eq!(
        two.header("X-Origin"),
        "",
        "the headers of one target are not those of another"
    );
    assert_eq!(two.all("Via").len(), 2);
    assert_eq!(world.count("failovers"), 1);
    world.receive(GATEWAY_2, PUBLIC, &two.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    assert_eq!(done("silence"), [200]);
    world.assert_drained();
}

#[test]
fn a_late_200_of_what_was_given_up_reaches_the_caller() {
    let mut world = World::new();
    let one = first(&mut world, "late");
    world.advance_ms(4_100);
    let two = invite_of(&world.take(), GATEWAY_2);
    world.receive(GATEWAY_2, PUBLIC, &two.answer(180, ""));
    world.take();
    world.receive(GATEWAY_1, PUBLIC, &one.answer(200, ""));
    let sent = world.take();
    assert_eq!(sent[0].status(), 200);
    // The target that rings is cancelled, with the reason.
    assert_eq!(
        (sent[1].method().as_str(), sent[1].to),
        ("CANCEL", address(GATEWAY_2))
    );
    assert!(sent[1].header("Reason").contains("cause=200"));
    world.receive(GATEWAY_2, PUBLIC, &two.answer(487, ""));
    assert!(!world.statuses(CALLER).contains(&487));
    assert_eq!(done("late"), [200]);
    world.assert_drained();
}

#[test]
fn a_late_failure_of_what_was_given_up_changes_nothing() {
    let mut world = World::new();
    let one = first(&mut world, "late-486");
    world.advance_ms(4_100);
    let two = invite_of(&world.take(), GATEWAY_2);
    world.receive(GATEWAY_1, PUBLIC, &one.answer(180, ""));
    let sent = world.take();
    assert_eq!(
        sent.iter().map(Sent::method).collect::<Vec<_>>(),
        ["CANCEL"],
        "a late ringing is cancelled, not relayed"
    );
    world.receive(GATEWAY_1, PUBLIC, &one.answer(486, ""));
    assert_eq!(
        world.take().iter().map(Sent::method).collect::<Vec<_>>(),
        ["ACK"]
    );
    world.receive(GATEWAY_2, PUBLIC, &two.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    world.assert_drained();
}

#[test]
fn an_address_that_fails_gives_way_to_the_next_of_its_name() {
    // RFC 3263 §4.3, each attempt with a branch of its own; answers of the first are not the second's.
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("5", "addresses"));
    world.take();
    let hosts = [
        "203.0.113.41:5060",
        "203.0.113.42:5060",
        "203.0.113.43:5060",
    ];
    world.resolved(&hosts);
    let one = world.only(hosts[0]);
    world.advance_ms(4_100);
    let two = invite_of(&world.take(), hosts[1]);
    world.receive(hosts[0], PUBLIC, &one.answer(404, ""));
    world.advance_ms(100);
    assert!(
        !world.statuses(CALLER).contains(&404),
        "the answer of an address that was given up"
    );
    world.receive(hosts[1], PUBLIC, &two.answer(503, ""));
    let three = invite_of(&world.take(), hosts[2]);
    assert_eq!(
        [one.branch(), two.branch(), three.branch()]
            .iter()
            .collect::<std::collections::HashSet<_>>()
            .len(),
        3
    );
    // A timer of the first attempts means nothing to the last.
    world.receive(hosts[2], PUBLIC, &three.answer(180, ""));
    world.advance_ms(20_000);
    world.take();
    world.receive(hosts[2], PUBLIC, &three.answer(486, ""));
    assert_eq!(world.statuses(CALLER), [486]);
    world.advance_ms(40_000);
    world.assert_drained();
}

#[test]
fn a_transport_error_is_a_503_of_that_branch() {
    let mut world = World::new();
    let one = first(&mut world, "transport");
    world.failed(&one);
    let two = invite_of(&world.take(), GATEWAY_2);
    world.failed(&two);
    // §16.7 step 6: it says nothing about us.
    assert_eq!(world.statuses(CALLER), [500]);
    world.assert_drained();
}

#[test]
fn an_icmp_error_counts_where_it_quotes_our_branch() {
    let mut world = World::new();
    let one = first(&mut world, "icmp");
    let guess = one
        .text()
        .replace(&one.branch()[22..38], "0123456789abcdef");
    world.core.unreachable(guess.as_bytes(), world.now);
    world.core.unreachable(b"", world.now);
    world.collect();
    assert!(world.take().is_empty(), "a made-up quotation was believed");
    world
        .core
        .unreachable(&one.wire[..300.min(one.wire.len())], world.now);
    world.collect();
    let two = invite_of(&world.take(), GATEWAY_2);
    // A second report of the same attempt is old news.
    world.core.unreachable(&one.wire, world.now);
    world.collect();
    assert!(world.take().is_empty());
    // Who has answered is there, whatever is said.
    world.receive(GATEWAY_2, PUBLIC, &two.answer(180, ""));
    world.take();
    world.core.unreachable(&two.wire, world.now);
    world.collect();
    assert!(world.take().is_empty());
}

#[test]
fn codes_that_lead_on_and_codes_that_end_it() {
    // reroute_causes = [500, 503, 404]
    for (status, onward) in [
        (500, true),
        (503, true),
        (404, true),
        (486, false),
        (480, false),
        (603, false),
        (302, false),
        (401, false),
    ] {
        let mut world = World::new();
        let one = first(&mut world, &format!("code-{status}"));
        world.receive(GATEWAY_1, PUBLIC, &one.answer(status, ""));
        let sent = world.take();
        let went_on = sent.iter().any(|sent| sent.to == address(GATEWAY_2));
        assert_eq!(went_on, onward, "{status}");
        if !onward {
            assert_eq!(sent.last().unwrap().status(), status);
        }
    }
}

#[test]
fn by_default_every_failure_leads_on_but_verdicts_on_the_call() {
    let config = CONFIG.replace("reroute_causes = [500, 503, 404]\n", "");
    for (status, onward) in [
        (403, true),
        (408, true),
        (480, true),
        (488, true),
        (500, true),
        (503, true),
        (504, true),
        (400, false),
        (404, false),
        (405, false),
        (410, false),
        (416, false),
        (482, false),
        (484, false),
        (486, false),
        (600, false),
        (603, false),
    ] {
        let mut world = World::with(&config);
        let one = first(&mut world, &format!("default-{status}"));
        world.receive(GATEWAY_1, PUBLIC, &one.answer(status, ""));
        assert_eq!(
            world
                .take()
                .iter()
                .any(|sent| sent.to == address(GATEWAY_2)),
            onward,
            "{status}"
        );
    }
}

#[test]
fn a_disabled_target_is_never_tried() {
    let mut world = World::new();
    let one = first(&mut world, "disabled");
    world.receive(GATEWAY_1, PUBLIC, &one.answer(500, ""));
    let two = invite_of(&world.take(), GATEWAY_2);
    world.receive(GATEWAY_2, PUBLIC, &two.answer(500, ""));
    assert_eq!(world.take().last().unwrap().status(), 500);
    world.assert_drained();
}

#[test]
fn targets_share_by_weight_among_equals() {
    let config = CONFIG.replace("priority = 2", "priority = 1\n  weight = 30");
    let mut world = World::with(&config);
    let mut second = 0;
    for call in 0..400 {
        world.receive(CALLER, PUBLIC, &invite("9", &format!("weight-{call}")));
        second += usize::from(world.take()[1].to == address(GATEWAY_2));
    }
    assert!(
        (250..350).contains(&second),
        "{second} of 400, expected about 300"
    );
}

#[test]
fn a_broken_executor_gives_way_to_another() {
    let config = CONFIG.replace(
        "[\"sip:10.0.0.9:5080\"]",
        "[\"sip:10.0.0.9:5080\", \"sip:10.0.0.10:5080\"]",
    );
    let mut world = World::with(&config);
    world.receive(CALLER, PUBLIC, &invite("1", "executors"));
    let one = invite_of(&world.take(), EXECUTOR);
    world.receive(EXECUTOR, INSIDE, &one.answer(503, ""));
    let two = invite_of(&world.take(), "10.0.0.10:5080");
    // But what it says about the call is final.
    world.receive("10.0.0.10:5080", INSIDE, &two.answer(486, ""));
    assert_eq!(world.take().last().unwrap().status(), 486);
}

#[test]
fn all_silent_is_408_for_an_invite_and_nothing_for_others() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "408"));
    world.take();
    world.advance_ms(31_000);
    assert!(world.statuses(CALLER).is_empty());
    world.advance_ms(1_500);
    assert_eq!(world.statuses(CALLER)[0], 408);
    assert_eq!(done("408"), [408]);
    // RFC 4320 §4.
    world.receive(
        CALLER,
        PUBLIC,
        &request("MESSAGE", "sip:7@demo.example", "no-408", ""),
    );
    assert_eq!(world.take().len(), 1, "no 100 at once over UDP");
    world.advance_ms(3_600);
    let statuses = world.statuses(CALLER);
    assert_eq!(statuses.last(), Some(&100), "but after 3.5 s");
    world.advance_ms(40_000);
    assert!(
        world.statuses(CALLER).iter().all(|status| *status == 408),
        "of the INVITE"
    );
    assert_eq!(done("no-408"), [0]);
    world.assert_drained();
}

#[test]
fn a_target_that_rings_is_bounded_by_timer_c() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("7", "timer-c"));
    let onward = invite_of(&world.take(), PBX);
    world.receive(PBX, PUBLIC, &onward.answer(100, ""));
    world.advance_ms(100_000);
    // A 180 starts it anew, a 100 does not.
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    world.take();
    world.advance_ms(180_900);
    assert!(world.take().is_empty());
    world.advance_ms(200);
    let cancel = world.only(PBX);
    assert_eq!(cancel.method(), "CANCEL");
    world.receive(PBX, PUBLIC, &cancel.answer(200, ""));
    world.receive(PBX, PUBLIC, &onward.answer(487, ""));
    assert_eq!(world.statuses(CALLER), [408]);
    world.assert_drained();

    // 100 and then nothing, not even to the CANCEL.
    world.receive(CALLER, PUBLIC, &invite("7", "timer-c-2"));
    let onward = invite_of(&world.take(), PBX);
    world.receive(PBX, PUBLIC, &onward.answer(100, ""));
    world.advance_ms(170_000);
    world.receive(PBX, PUBLIC, &onward.answer(100, ""));
    world.advance_ms(11_500);
    assert!(world.take().iter().any(|sent| sent.method() == "CANCEL"));
    world.advance_ms(33_000);
    assert_eq!(world.statuses(CALLER).first(), Some(&408));
    world.assert_drained();

    // A 200 that crosses the CANCEL is a call.
    world.receive(CALLER, PUBLIC, &invite("7", "timer-c-3"));
    let onward = invite_of(&world.take(), PBX);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    world.advance_ms(181_100);
    world.take();
    world.receive(PBX, PUBLIC, &onward.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    world.assert_drained();
}

#[test]
fn a_late_200_after_a_final_response_is_not_lost() {
    let mut world = World::new();
    world.receive(CALLER, PUBLIC, &invite("9", "after-486"));
    let one = invite_of(&world.take(), GATEWAY_1);
    world.advance_ms(4_100);
    let two = invite_of(&world.take(), GATEWAY_2);
    world.receive(GATEWAY_2, PUBLIC, &two.answer(486, ""));
    assert_eq!(world.take().last().unwrap().status(), 486);
    world.receive(GATEWAY_1, PUBLIC, &one.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    assert_eq!(done("after-486"), [486]);
    world.assert_drained();
}

#[test]
fn a_timer_that_fires_with_the_transactions_own_ends_one_attempt_and_not_two() {
    let config = CONFIG.replace(
        "[[listen]]\nname = \"public\"\n",
        "[timers]\nfr_timer = \"32s\"\n\n[[listen]]\nname = \"public\"\n",
    );
    let mut world = World::with(&config);
    world.receive(CALLER, PUBLIC, &invite("5", "same-tick"));
    let hosts = [
        "203.0.113.41:5060",
        "203.0.113.42:5060",
        "203.0.113.43:5060",
    ];
    world.resolved(&hosts);
    world.take();
    // One late tick, in which both are due.
    world.now += std::time::Duration::from_millis(32_500);
    world.core.tick(world.now);
    world.collect();
    let tried: Vec<Sent> = world.take();
    let to = |host: &str| tried.iter().filter(|sent| sent.to == address(host)).count();
    assert_eq!((to(hosts[1]), to(hosts[2])), (1, 0));
}
