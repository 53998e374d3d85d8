//! More comes than can be done: what is let in, and what is not.

use std::time::Duration;

use crate::dialogs::call;
use crate::support::{CALLER, INSIDE, PBX, PUBLIC, Sent, World, invite, lines, request, udp};

/// For two seconds the worker never sees its sockets empty.
fn fall_behind(world: &mut World) {
    for _ in 0..2000 {
        world.advance(Duration::from_millis(1));
        world.core.turn(false, world.now);
    }
    world.take();
}

/// How many of a hundred new calls go on, and how many are answered 503.
fn hundred(world: &mut World, name: &str) -> (usize, usize) {
    for number in 0..100 {
        world.receive(CALLER, PUBLIC, &invite("7", &format!("{name}-{number}")));
    }
    let sent = world.take();
    let (requests, answers): (Vec<&Sent>, Vec<&Sent>) =
        sent.iter().partition(|sent| sent.method() == "INVITE");
    let refused: Vec<_> = answers.iter().filter(|sent| sent.status() == 503).collect();
    assert!(
        refused
            .iter()
            .all(|sent| !sent.header("Retry-After").is_empty())
    );
    (requests.len(), refused.len())
}

#[test]
fn new_calls_are_shed_early_and_established_ones_are_not() {
    let mut world = World::new();
    let before = call(&mut world, "7", "before", PBX, PUBLIC);
    assert_eq!(hundred(&mut world, "quiet"), (100, 0));
    fall_behind(&mut world);
    assert_eq!(world.count("shedding_workers"), 1);

    let (on, refused) = hundred(&mut world, "busy");
    assert!(on < 10, "{on} went on");
    assert!(refused >= 50, "{refused} were refused");
    assert_eq!(
        hundred(&mut world, "busy"),
        (0, 0),
        "what was let in is a retransmission; refusals are rationed"
    );
    assert!(world.count("overload_ignored") > 0);

    world.receive(
        CALLER,
        PUBLIC,
        &before.of_caller("ACK", &format!("sip:callee@{PBX}"), "z9hG4bK-ack"),
    );
    assert_eq!(world.only(PBX).method(), "ACK");
    // One of nobody's is not even looked at.
    let stray = request("ACK", "sip:7@demo.example", "stray", "");
    world.receive(CALLER, PUBLIC, &stray);
    assert!(world.take().is_empty());
    assert_eq!(world.count("stray_acks"), 1);

    world.receive(
        CALLER,
        PUBLIC,
        &before.of_caller("BYE", &format!("sip:callee@{PBX}"), "z9hG4bK-bye"),
    );
    assert_eq!(world.only(PBX).method(), "BYE");
    for number in 0..20 {
        let text = invite("7", &format!("inside-{number}"));
        world.receive("10.0.0.5:5060", INSIDE, &text);
        let sent = world.take();
        assert!(
            sent.iter().any(|sent| sent.method() == "INVITE"),
            "the executor's legs belong to calls that were let in"
        );
    }
}

#[test]
fn what_would_be_ignored_is_so_before_it_is_parsed() {
    let mut world = World::new();
    let (outside, inside) = (udp(CALLER, PUBLIC), udp("10.0.0.5:5060", INSIDE));
    assert!(!world.core.ignores(&outside, b"while all is well"));
    fall_behind(&mut world);
    assert!(world.core.is_shedding());
    assert!(!world.core.ignores(&outside, b"while refusals are left"));
    hundred(&mut world, "busy");

    let mut ignored = 0;
    for number in 0..100 {
        let name = format!("later-{number}");
        let text = invite("7", &name);
        let wire = lines(&text);
        let call_id = sip::opening_call_id(wire.as_bytes()).expect("an INVITE");
        let is_ignored = world.core.ignores(&outside, call_id);
        assert!(!world.core.ignores(&inside, call_id));
        world.receive(CALLER, PUBLIC, &text);
        assert_eq!(is_ignored, world.take().is_empty(), "{name}");
        ignored += usize::from(is_ignored);
    }
    assert!(ignored > 90, "{ignored} of 100");
}

#[test]
fn acks_that_wait_for_a_name_are_bounded() {
    let mut world = World::new();
    let ack = |world: &mut World, number: usize| {
        let text = request("ACK", "sip:x@far.example", &format!("ack-{number}"), "");
        world.receive("10.0.0.5:5060", INSIDE, &text);
    };
    for number in 0..1030 {
        ack(&mut world, number);
    }
    assert_eq!((world.lookups.len(), world.count("stray_acks")), (1024, 6));
    world.resolved(&[PBX]);
    assert_eq!(world.only(PBX).method(), "ACK");
    world.resolved(&[]);
    for number in 2000..2003 {
        ack(&mut world, number);
    }
    assert_eq!((world.lookups.len(), world.count("stray_acks")), (1024, 7));
}

#[test]
fn after_the_flood_everything_is_let_in_again() {
    let mut world = World::new();
    fall_behind(&mut world);
    world.advance(Duration::from_secs(3));
    world.core.turn(true, world.now);
    assert_eq!(world.count("shedding_workers"), 0);
    assert_eq!(hundred(&mut world, "later"), (100, 0));
}
