//! CANCEL (RFC 3261 §9, §16.10) against everything that may be under way.

use filters::Flow as Verdict;

use crate::support::{
    CALLER, GATEWAY_1, PBX, PUBLIC, Sent, World, done, invite, request, same_branch,
};

fn begun(world: &mut World, text: &str) -> Sent {
    world.receive(CALLER, PUBLIC, text);
    world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap()
}

#[test]
fn after_a_provisional_it_goes_on_and_487_comes_back() {
    let mut world = World::new();
    let text = invite("7", "cancel-1");
    let onward = begun(&mut world, &text);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    assert_eq!(world.statuses(CALLER), [180]);
    let cancel = same_branch("CANCEL", &text, "").replace(
        "Max-Forwards: 70\n",
        "Max-Forwards: 70\nReason: SIP;cause=600\n",
    );
    world.receive(CALLER, PUBLIC, &cancel);
    let sent = world.take();
    assert_eq!(sent[0].status(), 200);
    let cancel = &sent[1];
    assert_eq!(
        (cancel.method().as_str(), cancel.branch()),
        ("CANCEL", onward.branch())
    );
    assert_eq!(
        (
            cancel.start().replace("CANCEL", "INVITE"),
            cancel.all("Via").len()
        ),
        (onward.start(), 1)
    );
    assert_eq!(cancel.header("Reason"), "SIP;cause=600");
    assert_eq!(sent.len(), 2, "nothing final yet");
    world.receive(PBX, PUBLIC, &cancel.answer(200, ""));
    world.receive(PBX, PUBLIC, &onward.answer(487, ""));
    let sent = world.take();
    // ACK hop by hop downstream, 487 upstream.
    assert_eq!(
        (sent[0].method().as_str(), sent[0].branch()),
        ("ACK", onward.branch())
    );
    assert_eq!(sent[1].status(), 487);
    let tag = sent[1]
        .header("To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    world.receive(CALLER, PUBLIC, &same_branch("ACK", &text, &tag));
    assert!(world.take().is_empty(), "the ACK of a non-2xx ends here");
    assert_eq!(done("cancel-1"), [487]);
    world.assert_drained();
}

#[test]
fn before_a_provisional_it_waits_for_one() {
    let mut world = World::new();
    let text = invite("7", "cancel-2");
    let onward = begun(&mut world, &text);
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    assert_eq!(
        world.take().iter().map(Sent::status).collect::<Vec<_>>(),
        [200]
    );
    world.receive(PBX, PUBLIC, &onward.answer(100, ""));
    assert_eq!(world.only(PBX).method(), "CANCEL");
    world.receive(PBX, PUBLIC, &onward.answer(487, ""));
    assert_eq!(world.statuses(CALLER), [487]);
    world.assert_drained();
}

#[test]
fn a_target_that_stays_silent_costs_no_more_than_its_transaction() {
    let mut world = World::new();
    let text = invite("7", "cancel-3");
    begun(&mut world, &text);
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    world.take();
    world.advance_ms(32_100);
    assert_eq!(world.statuses(CALLER).first(), Some(&487));
    world.assert_drained();
    assert_eq!(done("cancel-3"), [487]);
}

#[test]
fn a_target_that_ignores_the_cancel_too() {
    let mut world = World::new();
    let text = invite("7", "cancel-4");
    let onward = begun(&mut world, &text);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    world.take();
    world.advance_ms(33_000);
    assert_eq!(world.statuses(CALLER).first(), Some(&487));
    world.assert_drained();
}

#[test]
fn during_a_look_up() {
    let mut world = World::new();
    let text = invite("5", "cancel-5");
    world.receive(CALLER, PUBLIC, &text);
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    assert_eq!(world.statuses(CALLER), [100, 200, 487]);
    assert_eq!(world.abandoned.len(), 1);
    world.resolved(&["203.0.113.40:5060"]);
    assert!(world.take().is_empty(), "the INVITE went out all the same");
    world.assert_drained();
}

#[test]
fn while_a_filter_waits() {
    let mut world = World::new();
    let text = request("INVITE", "sip:7@demo.example", "cancel-6", "X-Do: wait\n");
    world.receive(CALLER, PUBLIC, &text);
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    assert_eq!(world.statuses(CALLER), [100, 200, 487]);
    assert_eq!(world.abandoned.len(), 1);
    world.resume(Some(Box::new(|_, _| Verdict::Continue)));
    assert!(world.take().is_empty());
    assert_eq!(done("cancel-6"), [487]);
    world.assert_drained();
}

#[test]
fn a_200_that_crosses_it_wins() {
    let mut world = World::new();
    let text = invite("7", "cancel-7");
    let onward = begun(&mut world, &text);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    world.take();
    world.receive(PBX, PUBLIC, &onward.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    world.advance_ms(40_000);
    assert!(!world.statuses(CALLER).contains(&487));
    assert_eq!(done("cancel-7"), [200]);
    world.assert_drained();
}

#[test]
fn of_nobody_and_of_what_is_over() {
    let mut world = World::new();
    let text = invite("7", "cancel-8");
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    assert_eq!(world.statuses(CALLER), [481]);
    let onward = begun(&mut world, &text);
    world.receive(PBX, PUBLIC, &onward.answer(200, ""));
    world.take();
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    assert_eq!(
        world.take().iter().map(Sent::status).collect::<Vec<_>>(),
        [200],
        "nothing to cancel"
    );
    world.assert_drained();
}

#[test]
fn twice_is_once() {
    let mut world = World::new();
    let text = invite("7", "cancel-9");
    let onward = begun(&mut world, &text);
    world.receive(PBX, PUBLIC, &onward.answer(180, ""));
    world.take();
    let cancel = same_branch("CANCEL", &text, "");
    world.receive(CALLER, PUBLIC, &cancel);
    assert_eq!(world.take().len(), 2);
    world.receive(CALLER, PUBLIC, &cancel);
    assert_eq!(
        world.take().iter().map(Sent::status).collect::<Vec<_>>(),
        [200],
        "a retransmission"
    );
}

#[test]
fn it_ends_the_search_and_what_came_before_is_forgotten() {
    let mut world = World::new();
    let text = invite("9", "cancel-10");
    let first = begun(&mut world, &text);
    world.receive(GATEWAY_1, PUBLIC, &first.answer(503, ""));
    let second = world
        .take()
        .into_iter()
        .find(|sent| sent.method() == "INVITE")
        .unwrap();
    let gateway = second.to.to_string();
    world.receive(&gateway, PUBLIC, &second.answer(180, ""));
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    world.take();
    // The target says something odd; the 503 of the first is no answer any more.
    world.receive(&gateway, PUBLIC, &second.answer(500, ""));
    let statuses = world.statuses(CALLER);
    assert_eq!(statuses, [500]);
    world.assert_drained();
}

#[test]
fn what_earlier_attempts_came_to_is_no_answer_to_a_cancel() {
    let mut world = World::new();
    let text = invite("9", "cancel-11");
    let first = begun(&mut world, &text);
    world.receive(GATEWAY_1, PUBLIC, &first.answer(503, ""));
    world.take();
    world.receive(CALLER, PUBLIC, &same_branch("CANCEL", &text, ""));
    world.take();
    // The second never says a word.
    world.advance_ms(33_000);
    assert_eq!(world.statuses(CALLER).first(), Some(&487));
    world.assert_drained();
}

#[test]
fn of_nobody_by_somebody_who_is_not_let_in() {
    let mut world = World::new();
    for (what, statuses) in [("drop", &[][..]), ("reply", &[499]), ("", &[481])] {
        let extra = format!("X-Do: {what}\n");
        let text = request("CANCEL", "sip:7@demo.example", "cancel-12", &extra);
        world.receive(CALLER, PUBLIC, &text);
        assert_eq!(world.statuses(CALLER), statuses, "{what}");
    }
    assert_eq!(done("cancel-12"), [0, 499, 481]);
}
