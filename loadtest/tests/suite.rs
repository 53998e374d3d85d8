//! The suite's own peers, against each other: a failure here is a failure of the harness.

use std::net::SocketAddr;
use std::time::Duration;

use loadtest::{Browser, Fate, Kamailio, Phone, Relay, Side, Sipp, Webhook, chaos};

/// A caller and a callee that have nothing between them.
fn direct(caller: &str, callee: &str, tcp: bool) {
    let over = |sipp: Sipp| if tcp { sipp.tcp() } else { sipp };
    let callee = over(Sipp::callee(callee))
        .set("STATUS", "486 Busy Here")
        .argument("-d", "100")
        .start();
    let to = callee.address();
    let caller = over(Sipp::caller(caller, to))
        .to(&format!("sip:bob@{to}"))
        .set("STATUS", "486")
        .argument("-d", "100");
    caller.run();
    callee.finish();
}

#[test]
fn scenarios_fit_each_other() {
    for tcp in [false, true] {
        direct("caller_hangs_up", "callee_answers", tcp);
        direct("caller_is_hung_up", "callee_hangs_up", tcp);
        direct("caller_is_refused", "callee_refuses", tcp);
        direct("caller_reinvites", "callee_is_reinvited", tcp);
        direct("caller_is_reinvited", "callee_reinvites", tcp);
    }
}

#[test]
fn a_relay_loses_what_it_is_told_to_lose() {
    let callee = Sipp::callee("callee_answers").linger(2000).start();
    let mut lost = false;
    let relay = Relay::start(callee.address(), move |side, bytes| {
        let drop = side == Side::Client && bytes.starts_with(b"INVITE") && !lost;
        lost |= drop;
        if drop { Fate::Drop } else { Fate::Pass }
    });
    Sipp::caller("caller_hangs_up", relay.address())
        .to("sip:bob@127.0.0.1")
        .run();
    callee.finish();
    assert!(
        relay
            .messages(Side::Client)
            .iter()
            .any(|message| message.method() == Some("BYE"))
    );
    let mut crossed = relay.crossed();
    crossed.retain(|crossed| crossed.bytes.starts_with(b"INVITE"));
    let fates: Vec<_> = crossed.iter().map(|crossed| crossed.fate).collect();
    assert!(
        fates.starts_with(&[Fate::Drop, Fate::Pass]),
        "the first was lost: {fates:?}"
    );
    assert!(crossed.iter().all(|it| it.bytes == crossed[0].bytes));
}

#[test]
fn chaos_repeats_itself() {
    let draw = |seed| {
        let mut rule = chaos(seed, 100, 50, 50);
        (0..200)
            .map(|_| rule(Side::Client, b""))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let lost = draw(7).iter().filter(|fate| **fate == Fate::Drop).count();
    assert!((8..40).contains(&lost), "{lost} of 200");
}

#[test]
fn the_validator_refuses_an_unsigned_request() {
    let hook = Webhook::start();
    let address: SocketAddr = hook
        .url("")
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let answer = loadtest::get(address, "/busy?a=1").unwrap();
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains(r#"<Reject reason="busy""#),
        "{}",
        answer.body
    );
    let hits = hook.wait(1);
    assert!(!hits[0].is_valid());
    assert_eq!(hits[0].query("a"), Some("1"));
    assert!(!hook.is_left(Duration::from_millis(10)));
}

#[test]
fn kamailio_relays() {
    let callee = Sipp::callee("callee_is_reinvited")
        .argument("-d", "50")
        .start();
    let kamailio = Kamailio::before(callee.address());
    Sipp::caller("caller_reinvites", kamailio.address())
        .to("sip:bob@demo.test")
        .argument("-d", "50")
        .run();
    let report = callee.finish();
    assert_eq!(
        report.request("INVITE").header("X-Kamailio"),
        Some("was here")
    );
    let callee = Sipp::callee("callee_reinvites")
        .argument("-d", "50")
        .start();
    let kamailio = Kamailio::before(callee.address());
    Sipp::caller("caller_is_reinvited", kamailio.address())
        .to("sip:bob@demo.test")
        .run();
    callee.finish();
}

#[test]
fn baresip_dials() {
    let callee = Sipp::callee("callee_hangs_up")
        .argument("-d", "300")
        .start();
    let phone = Phone::dial(&format!("sip:demo@{}", callee.address()), 10);
    assert!(
        phone.says("Call established", Duration::from_secs(30)),
        "{}",
        phone.output()
    );
    assert!(
        phone.says("session closed", Duration::from_secs(30)),
        "{}",
        phone.output()
    );
    callee.finish();
}

#[test]
fn the_browser_reads_a_page() {
    let browser = Browser::open();
    browser.visit("data:text/html,<p id=a>hello</p>");
    browser.sees("hello", Duration::from_secs(30));
    browser.shows("#a", "hell", Duration::from_secs(30));
    assert_eq!(browser.run("return 1 + 1"), 2);
    assert!(browser.screenshot().len() > 1000);
}
