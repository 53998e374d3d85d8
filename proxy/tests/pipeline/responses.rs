//! The way back (RFC 3261 §16.7): which response, what of it, and which are dropped.

use crate::support::{
    CALLER, CONFIG, EXECUTOR, GATEWAY_1, GATEWAY_2, INSIDE, PBX, PUBLIC, Sent, World, address,
    done, invite, request,
};

fn onward(world: &mut World, text: &str) -> Sent {
    world.receive(CALLER, PUBLIC, text);
    world
        .take()
        .into_iter()
        .find(|sent| !sent.method().is_empty())
        .unwrap()
}

#[test]
fn provisionals_pass_but_for_100() {
    let mut world = World::new();
    let sent = onward(&mut world, &invite("7", "provisional"));
    for (status, passed) in [(100, false), (180, true), (183, true), (199, true)] {
        world.receive(PBX, PUBLIC, &sent.answer(status, ""));
        assert_eq!(world.statuses(CALLER) == [status], passed, "{status}");
    }
    // RFC 4320: none to another method.
    let sent = onward(
        &mut world,
        &request("MESSAGE", "sip:7@demo.example", "provisional-2", ""),
    );
    world.receive(PBX, PUBLIC, &sent.answer(183, ""));
    assert!(world.take().is_empty());
}

#[test]
fn every_2xx_to_an_invite_passes() {
    let mut world = World::new();
    let sent = onward(&mut world, &invite("7", "forked"));
    let first = sent.answer(200, "");
    world.receive(PBX, PUBLIC, &first);
    let answer = world.only(CALLER);
    assert_eq!(answer.all("Via").len(), 1);
    assert!(answer.header("Via").contains("198.51.100.7:5060"));
    // Again, and of another fork.
    world.receive(PBX, PUBLIC, &first);
    assert_eq!(world.statuses(CALLER), [200]);
    world.receive(PBX, PUBLIC, &first.replace("tag=callee", "tag=another"));
    assert!(world.only(CALLER).header("To").contains("tag=another"));
    // A failure behind it does not.
    world.receive(PBX, PUBLIC, &sent.answer(486, ""));
    assert!(world.statuses(CALLER).is_empty());
    assert_eq!(done("forked"), [200]);
    world.assert_drained();
    // After the transaction nothing does.
    let strays = world.count("stray_responses");
    world.receive(PBX, PUBLIC, &first);
    assert!(world.take().is_empty());
    assert_eq!(world.count("stray_responses"), strays + 1);
}

#[test]
fn a_second_final_of_another_method_is_dropped() {
    let mut world = World::new();
    let sent = onward(
        &mut world,
        &request("BYE", "sip:7@demo.example", "second", ""),
    );
    world.receive(PBX, PUBLIC, &sent.answer(200, ""));
    assert_eq!(world.statuses(CALLER), [200]);
    world.receive(PBX, PUBLIC, &sent.answer(481, ""));
    assert!(world.take().is_empty());
    // A retransmitted request is answered from memory, not sent on.
    world.receive(
        CALLER,
        PUBLIC,
        &request("BYE", "sip:7@demo.example", "second", ""),
    );
    assert_eq!(world.statuses(CALLER), [200]);
    assert_eq!(done("second"), [200]);
}

#[test]
fn strays_are_dropped_and_counted() {
    let mut world = World::new();
    let sent = onward(
        &mut world,
        &request("OPTIONS", "sip:7@demo.example", "stray", ""),
    );
    let answer = sent.answer(200, "");
    for (at, stray) in [
        answer.replace(&sent.branch(), "z9hG4bK-nobody"),
        answer.replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE"),
    ]
    .iter()
    .enumerate()
    {
        world.receive(PBX, PUBLIC, stray);
        assert!(world.take().is_empty());
        assert_eq!(world.count("stray_responses"), at as u64 + 1);
    }
    // Broken in what routing depends on: dropped, and the branch still lives.
    for header in ["From", "To", "Call-ID", "CSeq", "Via"] {
        let broken: String = answer
            .lines()
            .filter(|line| !line.starts_with(&format!("{header}:")))
            .map(|line| format!("{line}\n"))
            .collect();
        world.receive(PBX, PUBLIC, &broken);
        assert!(world.take().is_empty(), "without {header}");
    }
    world.receive(PBX, PUBLIC, &answer);
    assert_eq!(world.statuses(CALLER), [200]);
}

#[test]
fn an_answer_without_the_callers_via_ends_the_branch_all_the_same() {
    let mut world = World::new();
    for (text, acked) in [
        (invite("7", "one-via"), true),
        (
            request("INFO", "sip:7@demo.example", "one-via-2", ""),
            false,
        ),
    ] {
        let sent = onward(&mut world, &text);
        let vias = sent.all("Via");
        let short = sent
            .answer(200, "")
            .replace(&format!("Via: {}\r\n", vias[1]), "");
        let short = if acked {
            short.replace("SIP/2.0 200", "SIP/2.0 486")
        } else {
            short
        };
        world.receive(PBX, PUBLIC, &short);
        assert_eq!(world.take().last().unwrap().status(), 502);
    }
    world.assert_drained();
}

#[test]
fn a_503_goes_upstream_as_500() {
    let mut world = World::new();
    let sent = onward(&mut world, &invite("7", "503"));
    world.receive(PBX, PUBLIC, &sent.answer(503, "Retry-After: 9\n"));
    let answer = world.take().remove(1);
    assert_eq!(answer.start(), "SIP/2.0 500 Server Internal Error");
}

#[test]
fn a_503_of_an_executor_that_asks_to_wait_is_our_own() {
    for (id, headers, status) in [("wait", "Retry-After: 9\n", 503), ("broken", "", 500)] {
        let mut world = World::new();
        let sent = onward(&mut world, &invite("1", id));
        assert_eq!(sent.to, address(EXECUTOR));
        world.receive(EXECUTOR, INSIDE, &sent.answer(503, headers));
        let answer = world.take().remove(1);
        assert_eq!(answer.status(), status, "{id}");
        if status == 503 {
            assert_eq!(answer.header("Retry-After"), "9");
        }
        assert_eq!(done(id), [status]);
        world.assert_drained();
    }
}

#[test]
fn an_executor_that_cannot_be_reached_is_a_503_with_a_time_to_wait() {
    let mut world = World::new();
    let sent = onward(&mut world, &invite("1", "gone"));
    world.failed(&sent);
    let answer = world.only(CALLER);
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.header("Retry-After"), "5");
}

#[test]
fn the_best_of_several_answers_is_sent() {
    for (one, two, best) in [
        (500, 404, 404),
        (404, 486, 404),
        (500, 603, 603),
        (503, 500, 500),
        (404, 407, 407),
        (500, 302, 302),
    ] {
        let mut world = World::new();
        let first = onward(&mut world, &invite("9", &format!("best-{one}-{two}")));
        world.receive(GATEWAY_1, PUBLIC, &first.answer(one, ""));
        let second = world
            .take()
            .into_iter()
            .find(|sent| sent.to == address(GATEWAY_2))
            .unwrap();
        world.receive(GATEWAY_2, PUBLIC, &second.answer(two, ""));
        assert_eq!(
            world.take().last().unwrap().status(),
            best,
            "{one} then {two}"
        );
        world.assert_drained();
    }
}

#[test]
fn an_answer_outranks_a_verdict_of_ours() {
    let mut world = World::new();
    let first = onward(&mut world, &invite("9", "outranks"));
    world.receive(GATEWAY_1, PUBLIC, &first.answer(404, ""));
    world.take();
    world.advance_ms(33_000);
    assert_eq!(
        world.statuses(CALLER).first(),
        Some(&404),
        "the silence of the second is ours to tell"
    );
}

#[test]
fn challenges_of_all_are_merged() {
    let config = CONFIG.replace(
        "reroute_causes = [500, 503, 404]",
        "reroute_causes = [401, 407]",
    );
    let mut world = World::with(&config);
    let first = onward(&mut world, &invite("9", "challenges"));
    world.receive(
        GATEWAY_1,
        PUBLIC,
        &first.answer(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\n"),
    );
    let second = world
        .take()
        .into_iter()
        .find(|sent| sent.to == address(GATEWAY_2))
        .unwrap();
    world.receive(
        GATEWAY_2,
        PUBLIC,
        &second.answer(407, "Proxy-Authenticate: Digest realm=\"b\", nonce=\"2\"\n"),
    );
    let answer = world
        .take()
        .into_iter()
        .rfind(|sent| sent.to == address(CALLER))
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.all("WWW-Authenticate").len() + answer.all("Proxy-Authenticate").len(),
        2
    );
}

#[test]
fn a_refusal_is_acked_hop_by_hop_and_repeated_until_the_caller_does() {
    let mut world = World::new();
    let text = invite("7", "repeat");
    let sent = onward(&mut world, &text);
    world.receive(PBX, PUBLIC, &sent.answer(486, ""));
    let out = world.take();
    assert_eq!(
        (out[0].method().as_str(), out[0].to, out[0].branch()),
        ("ACK", address(PBX), sent.branch())
    );
    assert_eq!(out[1].status(), 486);
    // The caller does not ACK: 486 again; the target repeats: ACK again.
    world.advance_ms(600);
    assert_eq!(world.statuses(CALLER), [486]);
    world.receive(PBX, PUBLIC, &sent.answer(486, ""));
    assert_eq!(world.only(PBX).method(), "ACK");
    let tag = out[1].header("To").split("tag=").nth(1).unwrap().to_owned();
    world.receive(
        CALLER,
        PUBLIC,
        &crate::support::same_branch("ACK", &text, &tag),
    );
    world.advance_ms(5_000);
    assert!(world.take().is_empty());
    world.assert_drained();
}

#[test]
fn hooks_see_the_target_that_answered() {
    let mut world = World::new();
    let first = onward(&mut world, &invite("9", "who"));
    world.receive(GATEWAY_1, PUBLIC, &first.answer(404, "X-From: one\n"));
    let second = world
        .take()
        .into_iter()
        .find(|sent| sent.to == address(GATEWAY_2))
        .unwrap();
    world.receive(GATEWAY_2, PUBLIC, &second.answer(500, "X-From: two\n"));
    let answer = world
        .take()
        .into_iter()
        .rfind(|sent| sent.to == address(CALLER))
        .unwrap();
    assert_eq!(
        (answer.status(), answer.header("X-From").as_str()),
        (404, "one")
    );
    // The trunk's chain, then the listener's.
    assert_eq!(answer.all("X-Seen"), ["gateways", "gateways"]);
}

#[test]
fn a_connection_that_is_gone_ends_nothing_else() {
    let mut world = World::new();
    let flow = crate::support::tcp("198.51.100.7:41000", 4);
    let text = invite("7", "gone").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.receive_on(flow, bytes::Bytes::from(crate::support::lines(&text)));
    let sent = world.take();
    world.failed(&sent[0]);
    world.receive(PBX, PUBLIC, &sent[1].answer(486, ""));
    let out = world.take();
    let answer = out.iter().find(|sent| sent.status() == 486).unwrap();
    assert_eq!(answer.connection, flow.connection);
    world.failed(answer);
    world.assert_drained();
}
