//! `<Refer>`.

use std::time::Duration;

use crate::phone::{Line, Msg};
use crate::world::{URI, World, offer};

const TARGET: &str = "sip:carol@pbx.example?X-a=b%3Bc";

fn referring<'a>(world: &'a World, attributes: &str) -> (Line<'a>, Msg) {
    let target = TARGET.replace('&', "&amp;");
    world.web.says(
        "/voice",
        &format!("<Refer {attributes}><Sip>{target}</Sip></Refer>"),
    );
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    let refer = world.phone.expect("REFER ");
    (line, refer)
}

fn notify(line: &Line<'_>, state: &str, fragment: &str) {
    let extra =
        format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    line.request("NOTIFY", &extra, Some(fragment));
    let reply = line.phone.expect("SIP/2.0 200");
    assert_eq!(reply.header("CSeq"), format!("{} NOTIFY", line.cseq.get()));
}

#[test]
fn without_action_the_leg_ends_after_the_last_notify() {
    let world = World::new();
    let (line, refer) = referring(&world, "");
    assert_eq!(refer.header("Refer-To"), format!("<{TARGET}>"));
    assert_eq!(refer.header("Referred-By"), "<sip:bob@demo.example>");
    world.phone.reply(&refer, "202 Accepted", "", "", None);
    notify(&line, "active;expires=60", "SIP/2.0 100 Trying\r\n");
    notify(&line, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn the_action_learns_the_result_and_goes_on() {
    let world = World::new();
    world.web.says("/referred", "<Say>back</Say>");
    let (line, refer) = referring(&world, "action=\"/referred\"");
    world.phone.reply(&refer, "202 Accepted", "", "", None);
    notify(&line, "active", "SIP/2.0 180 Ringing\r\n");
    notify(&line, "terminated", "SIP/2.0 486 Busy Here\r\n");
    let asked = world.web.expect("/referred");
    assert_eq!(asked.param("ReferSipResponseCode"), "202");
    assert_eq!(asked.param("NotifySipResponseCode"), "486");
    assert_eq!(asked.param("ReferCallStatus"), "busy");
    // One more NOTIFY after the last one is answered and changes nothing.
    notify(&line, "terminated", "SIP/2.0 486 Busy Here\r\n");
    line.expect_bye();
}

#[test]
fn a_refused_refer() {
    let world = World::new();
    world.web.says("/referred", "<Hangup/>");
    let (line, refer) = referring(&world, "action=\"/referred\"");
    world
        .phone
        .reply(&refer, "405 Method Not Allowed", "", "", None);
    let asked = world.web.expect("/referred");
    assert_eq!(asked.param("ReferSipResponseCode"), "405");
    assert!(
        asked
            .params
            .iter()
            .all(|(name, _)| name != "NotifySipResponseCode")
    );
    line.expect_bye();
}

#[test]
fn no_notify_ever() {
    let world = World::with(|settings, _| {
        settings.run.refer_notify = Duration::from_millis(300);
    });
    world.web.says("/referred", "<Hangup/>");
    let (line, refer) = referring(&world, "action=\"/referred\"");
    world.phone.reply(&refer, "202 Accepted", "", "", None);
    assert_eq!(
        world.web.expect("/referred").param("ReferSipResponseCode"),
        "202"
    );
    line.expect_bye();
}

#[test]
fn a_refer_that_nobody_answers() {
    let world = World::with(|settings, _| settings.timers.t1 = Duration::from_millis(50));
    world.web.says("/referred", "<Hangup/>");
    let (line, _) = referring(&world, "action=\"/referred\"");
    assert_eq!(
        world.web.expect("/referred").param("ReferSipResponseCode"),
        "408"
    );
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn the_caller_hangs_up_meanwhile() {
    let world = World::new();
    world.web.says("/referred", "<Say>never</Say>");
    let (line, refer) = referring(&world, "action=\"/referred\"");
    world.phone.reply(&refer, "202 Accepted", "", "", None);
    notify(&line, "active", "SIP/2.0 180 Ringing\r\n");
    line.hang_up();
    let asked = world.web.expect("/referred");
    assert_eq!(asked.param("ReferCallStatus"), "canceled");
    assert_eq!(asked.param("NotifySipResponseCode"), "180");
    world.expect_rest(Duration::from_secs(30));
}
