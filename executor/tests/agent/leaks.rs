//! Whatever way calls end, nothing of them stays.

use std::time::Duration;

use executor::CallEvent;

use crate::phone::sdp;
use crate::world::{URI, World, offer, ports};

fn quick(world: impl FnOnce(&mut executor::Settings)) -> World {
    World::with(|settings, _| {
        // An ACK has 64 of these to come.
        settings.timers.t1 = Duration::from_millis(50);
        settings.timers.t2 = Duration::from_millis(80);
        settings.timers.t4 = Duration::from_millis(100);
        settings.run.wrap_up = Duration::from_secs(1);
        world(settings);
    })
}

#[test]
fn mixed_abnormal_endings_leave_nothing() {
    let world = quick(|settings| settings.run.call_length = Duration::from_secs(2));
    let dial =
        "<Dial timeout=\"5\"><Sip>sip:a@pbx.example</Sip><Sip>sip:b@pbx.example</Sip></Dial>";
    let documents = [
        "<Say>never acknowledged</Say>",
        dial,
        "<Refer><Sip>sip:nobody@answers.example</Sip></Refer>",
        "<Gather timeout=\"600\"/>",
        "<Record timeout=\"600\"/>",
        "<Redirect>/voice</Redirect>",
        "<broken",
    ];
    for document in documents {
        let slow = Duration::from_millis(50);
        world.web.answers(
            "/voice",
            200,
            &format!("<Response>{document}</Response>"),
            slow,
        );
        // One that is never acknowledged, one that is cancelled, one that hangs up by BYE, and one
        // that answers nothing any more.
        world.phone.invite(URI, "", Some(&offer()));
        let cancelled = world.phone.invite(URI, "", Some(&sdp(40_000, "0")));
        cancelled.cancel();
        let ended = world.phone.invite(URI, "", None);
        let silent = world.phone.invite(URI, "", Some(&offer()));
        let mut rest = 200;
        while let Some(msg) = world.phone.recv_within(Duration::from_millis(300)) {
            let call_id = msg.header("Call-ID");
            let answered =
                msg.start.starts_with("SIP/2.0 200") && msg.header("CSeq").ends_with("INVITE");
            if answered && call_id == ended.call_id {
                ended.learn(&msg);
                ended.ack(Some(&offer()));
                ended.request("BYE", "", None);
            } else if answered && call_id == silent.call_id {
                silent.learn(&msg);
                silent.ack(None);
            }
            rest -= 1;
            if rest == 0 {
                break;
            }
        }
    }
    world.expect_rest(Duration::from_secs(90));
}

#[test]
fn ports_that_run_out_are_503() {
    let world = quick(|settings| settings.media.ports = ports(2));
    world.web.says("/voice", "<Gather timeout=\"600\"/>");
    let first = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    first.expect_answer();
    let second = world.phone.invite(URI, "", Some(&offer()));
    let refused = second.expect_refusal("SIP/2.0 503");
    assert_eq!(refused.header("Retry-After"), "5");
    first.hang_up();
    world.expect_rest(Duration::from_secs(30));
    let third = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    third.expect_answer();
}

#[test]
fn a_callee_for_whom_no_port_is_left_has_an_end() {
    let world = quick(|settings| settings.media.ports = ports(2));
    world.web.says("/dialled", "<Hangup/>");
    let dial = "<Dial action=\"/dialled\"><Sip>sip:a@pbx.example</Sip></Dial>";
    world.web.says("/voice", dial);
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "failed");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    let records = world.log.records();
    let of = |wanted: fn(&CallEvent) -> bool| -> Vec<_> {
        let records = records.iter().filter(|record| wanted(&record.event));
        let mut legs: Vec<_> = records.map(|record| record.leg.to_string()).collect();
        legs.sort();
        legs
    };
    let begun = of(|event| matches!(event, CallEvent::Started(_)));
    assert_eq!(begun.len(), 2);
    assert_eq!(of(|event| matches!(event, CallEvent::Ended(_))), begun);
}

#[test]
fn the_shutdown_hangs_calls_up() {
    let world = quick(|settings| settings.drain = Duration::from_secs(4));
    world.web.says("/voice", "<Gather timeout=\"600\"/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    world.shut_down();
    line.request("OPTIONS", "", None);
    world.phone.expect("SIP/2.0 200");
    // It may be heard of behind a message or two.
    let tag = line.to_tag.replace(String::new());
    let drains = |_| {
        line.request("OPTIONS", "", None);
        let reply = world.phone.recv_within(Duration::from_secs(20));
        reply.is_some_and(|reply| reply.start.starts_with("SIP/2.0 503"))
    };
    assert!((0..20).any(drains));
    line.to_tag.replace(tag);
    let late = world.phone.invite(URI, "", Some(&offer()));
    late.expect_refusal("SIP/2.0 503");
    line.expect_bye();
    world.join();
}

#[test]
fn garbage_is_survived() {
    let world = quick(|_| {});
    for text in [
        "",
        "\r\n\r\n",
        "hello",
        "INVITE sip:a SIP/2.0\r\n\r\n",
        "ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n",
        "SIP/2.0 200 OK\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnone\r\nFrom: <sip:a>;tag=1\r\n\
         To: <sip:b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
        "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK2;rport\r\nFrom: <sip:a>\r\n\
         To: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n",
    ] {
        world.phone.send(text);
    }
    while world
        .phone
        .recv_within(Duration::from_millis(200))
        .is_some()
    {}
    world.web.says("/voice", "<Reject/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_refusal("SIP/2.0 404");
}
