//! `<Dial>`: a second leg through the proxy, and what the `action` hears of it.

use std::time::Duration;

use loadtest::{Config, Draft, Edge, Message, Peer, Running, Sipp, Webhook, decode, encode, sdp};

const DEMO: &str = "sip:bob@demo.test";

/// The caller is answered when the callee is, so that a caller who hangs up ends a call and not a ringing.
const ON_BRIDGE: &str = "&answer_on_bridge=true";

fn caller(scenario: &str, edge: &Edge) -> Sipp {
    Sipp::caller(scenario, edge.public()).to(DEMO)
}

/// An edge whose webhook dials; `options` follow `dial?`.
fn dialling(options: &str) -> (Webhook, Edge) {
    let hook = Webhook::start();
    let edge =
        Edge::start(Config::new().domain("demo.test", &hook.url(&format!("dial?{options}"))));
    (hook, edge)
}

fn to(callee: &Running, headers: &str) -> String {
    format!(
        "uri={}",
        encode(&format!("sip:carol@{}{headers}", callee.address()))
    )
}

#[test]
fn the_second_leg_carries_the_headers_of_its_uri() {
    let callee = Sipp::callee("callee_answers").start();
    let headers = "?X-Foo=a%3Bb&x-lower=1%2C2&User-To-User=hi&X-Plus=1+1";
    let (hook, edge) = dialling(&(to(&callee, headers) + ON_BRIDGE));
    let report = caller("caller_hangs_up", &edge).argument("-d", "600").run();
    assert!(report.statuses("INVITE").contains(&200));
    let callee = callee.finish();
    let invite = callee.request("INVITE");
    assert!(
        invite.uri().starts_with("sip:carol@127.0.0.1:"),
        "{}",
        invite.uri()
    );
    assert!(!invite.uri().contains('?'));
    assert_eq!(invite.all("X-Foo"), ["a;b"]);
    assert_eq!(invite.all("x-lower"), ["1,2"]);
    assert_eq!(invite.all("User-to-User"), ["hi"]);
    assert_eq!(invite.all("X-Plus"), ["1+1"]);
    assert!(invite.body.contains("m=audio"));
    hook.all_signed();
}

#[test]
fn forbidden_headers_do_not_reach_the_callee() {
    let callee = Sipp::callee("callee_answers").start();
    let evil = "?Route=%3Csip:evil%3E&Diversion=x&X-Ok=yes&X-Crlf=a%0d%0aX-Evil:%20yes&X-Hookswitch-Trunk=carrier&From=y";
    let (_hook, edge) = dialling(&(to(&callee, evil) + ON_BRIDGE));
    caller("caller_hangs_up", &edge).argument("-d", "600").run();
    let callee = callee.finish();
    let invite = callee.request("INVITE");
    assert_eq!(invite.all("X-Ok"), ["yes"]);
    assert!(
        !invite.mentions("evil") && !invite.mentions("Hookswitch-"),
        "{invite:?}"
    );
    assert_eq!(invite.header("Diversion"), None);
    assert!(edge.logs("13252"), "no warning in the log");
}

#[test]
fn the_action_hears_of_a_completed_call() {
    let callee = Sipp::callee("callee_hangs_up")
        .set("HEADERS", "X-Reply: fine")
        .argument("-d", "300")
        .start();
    let (hook, edge) = dialling(&format!("{}&action=/after", to(&callee, "")));
    caller("caller_is_hung_up", &edge).run();
    let hit = hook.wait_for("/after");
    let second = callee.finish();
    assert_eq!(hit.param("DialCallStatus"), "completed");
    assert_eq!(hit.param("DialSipResponseCode"), "200");
    assert_eq!(hit.param("DialSipHeader_X-Reply"), "fine");
    assert_eq!(
        hit.param("DialSipCallId"),
        second.request("INVITE").need("Call-ID")
    );
    assert_ne!(hit.param("DialCallSid"), hit.param("CallSid"));
    assert_eq!(hit.param("DialBridged"), "true");
    assert_eq!(hit.param("CallStatus"), "in-progress");
    hook.all_signed();
}

#[test]
fn the_action_hears_of_a_busy_callee() {
    let callee = Sipp::callee("callee_refuses")
        .set("STATUS", "486 Busy Here")
        .set("HEADERS", "X-Why: lunch")
        .start();
    let (hook, edge) = dialling(&format!("{}&action=/after", to(&callee, "")));
    caller("caller_is_hung_up", &edge).run();
    callee.finish();
    let hit = hook.wait_for("/after");
    assert_eq!(hit.param("DialCallStatus"), "busy");
    assert_eq!(hit.param("DialSipResponseCode"), "486");
    assert_eq!(hit.param("DialSipHeader_X-Why"), "lunch");
    hook.all_signed();
}

#[test]
fn the_action_hears_of_a_callee_that_is_not_there() {
    let (hook, edge) = dialling(&format!(
        "uri={}&action=/after",
        encode(&format!("sip:carol@127.0.0.1:{}", loadtest::free_port()))
    ));
    caller("caller_is_hung_up", &edge).run();
    assert_eq!(hook.wait_for("/after").param("DialCallStatus"), "failed");
}

#[test]
fn the_action_hears_of_a_callee_that_does_not_answer() {
    let bob = Peer::bind();
    let uri = encode(&format!("sip:carol@{}", bob.address()));
    let (hook, edge) = dialling(&format!("uri={uri}&action=/after&timeout=5"));
    let caller = caller("caller_is_hung_up", &edge).start();
    let (invite, proxy) = bob
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    bob.answer(&invite, proxy, 180, &[], "");
    // The INVITE comes again where the 180 was late.
    let cancel = bob.request("CANCEL");
    bob.answer(&cancel, proxy, 200, &[], "");
    bob.answer(&invite, proxy, 487, &[], "");
    bob.request("ACK");
    assert_eq!(hook.wait_for("/after").param("DialCallStatus"), "no-answer");
    caller.finish();
}

#[test]
fn answer_on_bridge_rings_until_the_callee_answers() {
    let callee = Sipp::callee("callee_answers")
        .argument("-d", "1000")
        .start();
    let (_hook, edge) = dialling(&format!("{}&answer_on_bridge=true", to(&callee, "")));
    let began = std::time::Instant::now();
    let report = caller("caller_hangs_up", &edge).argument("-d", "300").run();
    assert!(
        began.elapsed() >= Duration::from_millis(1200),
        "{:?}",
        began.elapsed()
    );
    callee.finish();
    assert!(report.statuses("INVITE").contains(&200));
}

#[test]
fn each_leg_of_a_bridge_is_told_ports_of_the_executor() {
    let (alice, carol) = (Peer::bind(), Peer::bind());
    let uri = encode(&format!("sip:carol@{}", carol.address()));
    let (_hook, edge) = dialling(&format!("uri={uri}&answer_on_bridge=true"));
    let invite = Draft::new("INVITE", DEMO, &alice);
    alice.send(edge.public(), invite.text());
    let (at_carol, proxy) = carol
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    carol.answer(&at_carol, proxy, 200, &[], &sdp(carol.address()));
    let answer = alice.response(200);
    let own = [alice.address(), carol.address()].map(|address| address.port().to_string());
    let told = [audio(&at_carol), audio(&answer)];
    assert!(told.iter().all(|port| !own.contains(port)), "{told:?}");
    assert_ne!(told[0], told[1]);
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    carol.request("ACK");
    alice.send(edge.public(), invite.within("BYE", 2, &answer).text());
    let bye = carol.request("BYE");
    carol.answer(&bye, proxy, 200, &[], "");
    alice.response(200);
}

/// The port of the audio line.
fn audio(message: &Message) -> String {
    let line = message
        .body
        .lines()
        .find(|line| line.starts_with("m=audio "))
        .unwrap_or_else(|| panic!("{message:?}"));
    line.split(' ').nth(1).unwrap_or("").to_owned()
}

#[test]
fn a_caller_that_gives_up_ends_the_ringing_of_the_callee() {
    let (alice, carol) = (Peer::bind(), Peer::bind());
    let uri = encode(&format!("sip:carol@{}", carol.address()));
    let (hook, edge) = dialling(&format!("uri={uri}&answer_on_bridge=true&action=/after"));
    let invite = Draft::new("INVITE", DEMO, &alice);
    alice.send(edge.public(), invite.text());
    let (at_carol, proxy) = carol
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    carol.answer(&at_carol, proxy, 180, &[], "");
    alice.response(180);
    std::thread::sleep(Duration::from_millis(300));
    alice.send(edge.public(), invite.cancel().text());
    let cancel = carol.request("CANCEL");
    carol.answer(&cancel, proxy, 200, &[], "");
    carol.answer(&at_carol, proxy, 487, &[], "");
    let terminated = alice.response(487);
    alice.send(edge.public(), invite.ack(&terminated).text());
    assert_eq!(hook.wait(1)[0].path(), "/dial");
}

#[test]
fn a_number_leaves_by_the_trunk() {
    let carrier = Sipp::callee("callee_answers").start();
    let hook = Webhook::start();
    let target = format!(
        "sip:{}?X-customParameter=xxxxxxxx&X-customValue=true",
        carrier.address()
    );
    let config = Config::new()
        .domain(
            "demo.test",
            &hook.url(&format!("dial?number=%2B14158675309{ON_BRIDGE}")),
        )
        .trunk("carrier-a", "127.0.0.250/32", &[&target])
        .executor_keys("dial_trunk = \"carrier-a\"");
    let edge = Edge::start(config);
    caller("caller_hangs_up", &edge).argument("-d", "600").run();
    let report = carrier.finish();
    let invite = report.request("INVITE");
    assert!(
        invite.uri().starts_with("sip:+14158675309@127.0.0.1:"),
        "{}",
        invite.uri()
    );
    assert_eq!(invite.all("X-customParameter"), ["xxxxxxxx"]);
    assert_eq!(invite.all("X-customValue"), ["true"]);
    for message in &report.received {
        assert!(
            !message.mentions("X-Hookswitch-"),
            "an internal header left: {message:?}"
        );
    }
}

#[test]
fn a_client_gets_its_parameters() {
    let client = Sipp::callee("callee_answers").start();
    let hook = Webhook::start();
    let dial = "dial?answer_on_bridge=true&identity=alice&params=foo:bar,baz:123&parameters=caller_first_name:alice,odd:a%26b%3Dc";
    let route = format!(
        "[[route]]\nname = \"clients\"\nfrom_trust = [\"internal\"]\nruri_host = [\"demo.test\"]\nruri_user = \"^alice$\"\n\
         to = \"static\"\ntargets = [\"sip:{}\"]\n",
        client.address()
    );
    let edge = Edge::start(
        Config::new()
            .section(&route)
            .domain("demo.test", &hook.url(dial)),
    );
    caller("caller_hangs_up", &edge).argument("-d", "600").run();
    let report = client.finish();
    let carried = report.request("INVITE").need("X-Custom-Parameters");
    let mut pairs: Vec<_> = carried.split('&').map(decode).collect();
    pairs.sort_unstable();
    assert_eq!(
        pairs,
        ["baz=123", "caller_first_name=alice", "foo=bar", "odd=a&b=c"]
    );
    assert!(edge.logs("12200"), "no warning about <Param>");
}

#[test]
fn a_client_with_too_much_to_carry_is_not_called() {
    let nine: Vec<_> = (0..9).map(|n| format!("p{n}:v")).collect();
    let long_name = format!("{}:v", "n".repeat(33));
    let long_value = format!("n:{}", "v".repeat(129));
    for parameters in [nine.join(","), long_name, long_value] {
        let hook = Webhook::start();
        let dial = format!("dial?identity=alice&action=/after&parameters={parameters}");
        let client = Peer::bind();
        let route = format!(
            "[[route]]\nname = \"clients\"\nfrom_trust = [\"internal\"]\nto = \"static\"\ntargets = [\"sip:{}\"]\n",
            client.address()
        );
        let edge = Edge::start(
            Config::new()
                .section(&route)
                .domain("demo.test", &hook.url(&dial)),
        );
        caller("caller_is_hung_up", &edge).run();
        assert_eq!(
            hook.wait_for("/after").param("DialCallStatus"),
            "failed",
            "{parameters}"
        );
        client.silence(Duration::from_millis(100));
    }
}

#[test]
fn the_first_of_two_that_answers_is_it() {
    let (slow, quick) = (Peer::bind(), Sipp::callee("callee_answers").start());
    let uri = encode(&format!(
        "sip:slow@{} sip:quick@{}",
        slow.address(),
        quick.address()
    ));
    let (_hook, edge) = dialling(&format!("uri={uri}"));
    let caller = caller("caller_hangs_up", &edge)
        .argument("-d", "1500")
        .start();
    let (invite, proxy) = slow
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    slow.answer(&invite, proxy, 180, &[], "");
    let cancel = slow.request("CANCEL");
    slow.answer(&cancel, proxy, 200, &[], "");
    slow.answer(&invite, proxy, 487, &[], "");
    slow.request("ACK");
    caller.finish();
    quick.finish();
}

#[test]
fn a_callee_can_be_asked_first() {
    // The noun's url is fetched for the callee's leg after its 200; the two are bridged when its document ends.
    let callee = Sipp::callee("callee_answers")
        .set("HEADERS", "X-Reply: fine")
        .start();
    let (hook, edge) = dialling(&format!(
        "{}&url={}",
        to(&callee, ""),
        encode("/say?text=Accept")
    ));
    let _caller = caller("caller_hangs_up", &edge)
        .argument("-d", "5000")
        .start();
    let hit = hook.wait_for("/say");
    assert_eq!(hit.param("SipHeader_X-Reply"), "fine");
    assert_eq!(hit.param("Direction"), "outbound-dial");
    assert_eq!(hit.param("CallStatus"), "in-progress");
    assert_eq!(hit.param("ParentCallSid"), hook.hits()[0].param("CallSid"));
    hook.all_signed();
}

#[test]
fn the_headers_of_a_uri_have_room_for_1023_characters() {
    for (length, status) in [(1023, "completed"), (1024, "failed")] {
        let callee = Sipp::callee("callee_hangs_up")
            .argument("-d", "200")
            .start();
        let name = "?X-Long=";
        let headers = format!("{name}{}", "v".repeat(length - (name.len() - 1)));
        let (hook, edge) = dialling(&format!("{}&action=/after", to(&callee, &headers)));
        caller("caller_is_hung_up", &edge).run();
        assert_eq!(
            hook.wait_for("/after").param("DialCallStatus"),
            status,
            "{length}"
        );
        if length < 1024 {
            let value = callee.finish();
            assert_eq!(value.request("INVITE").need("X-Long").len(), length - 7);
        }
    }
}
