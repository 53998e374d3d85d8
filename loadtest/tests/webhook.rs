//! What the customer's web server is asked, and what becomes of what it says.

use std::time::{Duration, Instant};

use loadtest::{Config, Draft, Edge, Hit, Peer, Sipp, Webhook, answering};

const DEMO: &str = "sip:bob@demo.test";

fn caller(scenario: &str, edge: &Edge) -> Sipp {
    Sipp::caller(scenario, edge.public()).to(DEMO)
}

fn busy(edge: &Edge) -> Sipp {
    caller("caller_is_refused", edge).set("STATUS", "486")
}

/// A domain whose documents are had from `voice`, and after an error from the scenario `busy`.
fn with_fallback(hook: &Webhook, voice: &str) -> Edge {
    let keys = format!("fallback_url = {:?}", hook.url("busy"));
    Edge::start(Config::new().domain_with("demo.test", voice, &keys))
}

fn is_sid(prefix: &str, sid: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    sid.len() == 34
        && sid
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.bytes().all(hex))
}

#[test]
fn the_first_request_says_who_calls_whom() {
    let (hook, edge) = answering("busy");
    let sipp = busy(&edge);
    let from = format!("sip:alice@{}", sipp.address());
    let report = sipp.run();
    let call_id = report.sent[0].need("Call-ID").to_owned();
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.method(), "POST");
    assert!(
        is_sid("CA", hit.param("CallSid")),
        "{}",
        hit.param("CallSid")
    );
    assert!(
        is_sid("AC", hit.param("AccountSid")),
        "{}",
        hit.param("AccountSid")
    );
    assert!(
        is_sid("SD", hit.param("SipDomainSid")),
        "{}",
        hit.param("SipDomainSid")
    );
    let expected = [
        ("ApiVersion", "2010-04-01"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", &from),
        ("Caller", &from),
        ("To", DEMO),
        ("Called", DEMO),
        ("SipDomain", "demo.test"),
        ("SipCallId", &call_id),
        ("SipSourceIp", "127.0.0.1"),
    ];
    for (name, value) in expected {
        assert_eq!(hit.param(name), value, "{name}");
    }
    assert!(
        hit.header("content-type")
            .unwrap()
            .starts_with("application/x-www-form-urlencoded")
    );
    assert!(
        hit.header("i-twilio-idempotency-token")
            .is_some_and(|token| !token.is_empty())
    );
    hook.all_signed();
}

#[test]
fn the_urls_own_query_stays() {
    // The first seed's example, word for word in its query.
    let (hook, edge) = answering("busy?customParameter=xxxxxxxxx&customValue=true");
    busy(&edge).run();
    let hit = &hook.wait(1)[0];
    assert!(
        hit.url()
            .ends_with("/busy?customParameter=xxxxxxxxx&customValue=true"),
        "{}",
        hit.url()
    );
    assert_eq!(
        hit.get("customParameter"),
        None,
        "the query is no part of the form"
    );
    hook.all_signed();
}

#[test]
fn get_carries_everything_in_the_query() {
    let hook = Webhook::start();
    let url = hook.url("busy?customParameter=xxxxxxxxx&customValue=true");
    let edge = Edge::start(Config::new().domain_with("demo.test", &url, "voice_method = \"GET\""));
    busy(&edge).set("HEADERS", "X-Route-Id: 42").run();
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.method(), "GET");
    assert!(
        hit.url()
            .contains("/busy?customParameter=xxxxxxxxx&customValue=true&"),
        "{}",
        hit.url()
    );
    assert_eq!(hit.param("SipHeader_X-Route-Id"), "42");
    assert_eq!(hit.param("SipDomain"), "demo.test");
    assert_eq!(hit.body(), "");
    hook.all_signed();
}

#[test]
fn x_headers_become_parameters() {
    let headers = "X-Route-Id: 42\nx-inin-cnv: lower\nX-Test: a=1;b=2\nX-Odd: 1 + 1 = 2 & more%41\nX-Empty:\n\
                   User-to-User: 56a390f3d2b7310023a2;encoding=hex\nP-Asserted-Identity: <sip:ceo@example.com>\n\
                   Diversion: <sip:other@example.com>";
    let (hook, edge) = answering("redirect?n=1&then=busy");
    busy(&edge).set("HEADERS", headers).run();
    for hit in &hook.wait(2) {
        let expected = [
            ("SipHeader_X-Route-Id", "42"),
            ("SipHeader_x-inin-cnv", "lower"),
            ("SipHeader_X-Test", "a=1;b=2"),
            ("SipHeader_X-Odd", "1 + 1 = 2 & more%41"),
            ("SipHeader_X-Empty", ""),
            (
                "SipHeader_User-to-User",
                "56a390f3d2b7310023a2;encoding=hex",
            ),
        ];
        for (name, value) in expected {
            assert_eq!(hit.param(name), value, "{name}");
        }
        let shown = hit
            .names()
            .into_iter()
            .filter(|name| name.starts_with("SipHeader_"))
            .count();
        assert_eq!(shown, expected.len(), "{:?}", hit.names());
    }
    hook.all_signed();
}

#[test]
fn repeated_headers_are_one_parameter() {
    let (hook, edge) = answering("busy");
    busy(&edge).set("HEADERS", "X-A: 1\nX-B: 2\nX-A: 3").run();
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipHeader_X-A"), "1, 3");
    assert_eq!(hit.param("SipHeader_X-B"), "2");
}

#[test]
fn no_header_can_forge_a_parameter() {
    let (hook, edge) = answering("busy");
    let headers =
        "X-A: a&CallSid=evil&From=x\nX-Forwarded-For: 9.9.9.9\nX-Twilio-Signature: forged";
    busy(&edge).set("HEADERS", headers).run();
    let hit = &hook.wait(1)[0];
    assert!(is_sid("CA", hit.param("CallSid")));
    assert_eq!(hit.param("SipHeader_X-A"), "a&CallSid=evil&From=x");
    assert_eq!(hit.header("x-forwarded-for"), None);
    hook.all_signed();
}

#[test]
fn headers_of_the_request_uri_become_parameters() {
    // The first seed: names without X- get it on the way to a SIP domain.
    let (hook, edge) = answering("busy");
    let uri =
        "sip:username@demo.test?customParameter=xxxxxxxxxx&customValue=true&X-Plus=1+1%2C%20two";
    caller("caller_is_refused", &edge)
        .to(uri)
        .set("STATUS", "486")
        .run();
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipHeader_X-customParameter"), "xxxxxxxxxx");
    assert_eq!(hit.param("SipHeader_X-customValue"), "true");
    assert_eq!(hit.param("SipHeader_X-Plus"), "1+1, two");
    assert_eq!(hit.param("SipDomain"), "demo.test");
    assert!(
        hit.param("To").starts_with("sip:username@demo.test"),
        "{}",
        hit.param("To")
    );
}

#[test]
fn headers_of_the_request_uri_cannot_smuggle() {
    let evil = [
        "Route=%3Csip:evil.example%3E",
        "Via=SIP/2.0/UDP%20evil",
        "X-A=1%0d%0aX-Evil:%20yes",
        "X-A=1%0D%0AVia:%20evil",
        "X-A=%00",
        "X-Hookswitch-Source=9.9.9.9:9",
        "Hookswitch-Source=9.9.9.9:9",
        "body=evil",
        "X-B%0aad=evil",
    ];
    let (hook, edge) = answering("busy");
    for (index, header) in evil.into_iter().enumerate() {
        caller("caller_is_refused", &edge)
            .to(&format!("sip:bob@demo.test?{header}&X-Good=yes"))
            .set("STATUS", "486")
            .run();
        let hit = &hook.wait(index + 1)[index];
        assert_eq!(hit.param("SipHeader_X-Good"), "yes", "{header}");
        assert_eq!(
            hit.names()
                .iter()
                .filter(|name| name.starts_with("SipHeader_"))
                .count(),
            1,
            "{header}: {hit:#?}"
        );
        assert_eq!(hit.param("SipSourceIp"), "127.0.0.1", "{header}");
    }
}

fn falls_back(scenario: &str, code: &str) -> Vec<Hit> {
    let hook = Webhook::start();
    let edge = with_fallback(&hook, &hook.url(scenario));
    let began = Instant::now();
    busy(&edge).run();
    // Less than the time that a server has which says nothing.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(14), "{scenario} took {took:?}");
    let hit = hook.wait_for("/busy");
    assert_eq!(hit.param("ErrorCode"), code, "{scenario}");
    assert!(
        hit.param("ErrorUrl").starts_with("http://127.0.0.1:"),
        "{}",
        hit.param("ErrorUrl")
    );
    assert_eq!(hit.param("CallStatus"), "ringing");
    hook.all_signed();
    hook.hits()
}

#[test]
fn after_an_http_error_the_fallback_decides() {
    let hits = falls_back("status?code=500", "11200");
    assert_eq!(hits.len(), 2, "a 500 is not tried again: {hits:#?}");
    assert_eq!(hits[1].param("ErrorUrl"), hits[0].url());
    falls_back("status?code=404", "11200");
}

#[test]
fn after_a_broken_document_the_fallback_decides() {
    falls_back("malformed", "12100");
    falls_back("leading", "12100");
    falls_back("nobody", "11770");
    falls_back("huge?bytes=70000", "11750");
    falls_back("picture", "12300");
    falls_back("doctype", "12100");
}

#[test]
fn too_many_http_redirects_fall_back() {
    falls_back("moved?n=12&then=say", "11215");
}

#[test]
fn http_redirects_are_followed() {
    for code in ["301", "302", "303", "307", "308"] {
        let (hook, edge) = answering(&format!("moved?n=1&then=busy&code={code}"));
        busy(&edge).run();
        let hits = hook.wait(2);
        let method = if matches!(code, "307" | "308") {
            "POST"
        } else {
            "GET"
        };
        assert_eq!(hits[1].method(), method, "{code}");
        assert!(hits[0].is_valid(), "{code}");
        assert!(
            hits[1].is_valid(),
            "{code}: the validator refuses {:#?}",
            hits[1]
        );
    }
}

#[test]
fn without_a_listener_the_fallback_decides() {
    let hook = Webhook::start();
    let nobody = format!("http://127.0.0.1:{}/say", loadtest::free_port());
    let edge = with_fallback(&hook, &nobody);
    busy(&edge).run();
    let hit = hook.wait_for("/busy");
    assert!(
        ["11200", "11202", "11205"].contains(&hit.param("ErrorCode")),
        "{}",
        hit.param("ErrorCode")
    );
}

#[test]
fn a_webhook_outside_the_allowed_networks_is_not_asked() {
    let canary = std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
    canary.set_nonblocking(true).unwrap();
    let port = canary.local_addr().unwrap().port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "127.1",
        "[::1]",
        "0.0.0.0",
    ];
    let mut config = Config::new()
        .executor_keys("fetch_failed = \"reject\"")
        .webhook_allow("");
    for (index, host) in hosts.into_iter().enumerate() {
        config = config.domain(
            &format!("d{index}.test"),
            &format!("http://{host}:{port}/say"),
        );
    }
    let edge = Edge::start(config);
    for index in 0..hosts.len() {
        let to = format!("sip:bob@d{index}.test");
        Sipp::caller("caller_is_refused", edge.public())
            .to(&to)
            .set("STATUS", "500")
            .run();
    }
    assert!(canary.accept().is_err(), "somebody asked");
}

#[test]
fn the_fragment_overrides_and_is_not_sent() {
    let hook = Webhook::start();
    let edge = with_fallback(&hook, &hook.url("status?code=503#rp=5xx&rc=2"));
    busy(&edge).run();
    let hits = hook.wait(4);
    assert_eq!(hits.iter().filter(|hit| hit.path() == "/status").count(), 3);
    assert!(hits.iter().all(|hit| !hit.url().contains('#')));
    let tokens: Vec<_> = hits[..3]
        .iter()
        .map(|hit| hit.header("i-twilio-idempotency-token"))
        .collect();
    assert!(
        tokens[0].is_some() && tokens.iter().all(|token| *token == tokens[0]),
        "{tokens:?}"
    );
    hook.all_signed();
}

#[test]
fn a_slow_webhook_is_given_up() {
    let hook = Webhook::start();
    let edge = with_fallback(&hook, &hook.url("slow?seconds=9#rt=500"));
    busy(&edge).run();
    let hit = hook.wait_for("/busy");
    assert!(
        ["11200", "11203"].contains(&hit.param("ErrorCode")),
        "{}",
        hit.param("ErrorCode")
    );
}

#[test]
fn without_a_fallback_the_caller_hears_it_or_is_refused() {
    let (_hook, edge) = answering("status?code=500");
    caller("caller_is_hung_up", &edge).run();

    let hook = Webhook::start();
    let domain = |name: &str, scenario: &str| (name.to_owned(), hook.url(scenario));
    let mut config = Config::new().executor_keys("fetch_failed = \"reject\"");
    for (name, url) in [
        domain("down.test", "status?code=500"),
        domain("broken.test", "malformed"),
    ] {
        config = config.domain(&name, &url);
    }
    let edge = Edge::start(config);
    let refused = |host: &str, status: &str| {
        let to = format!("sip:bob@{host}");
        Sipp::caller("caller_is_refused", edge.public())
            .to(&to)
            .set("STATUS", status)
            .run();
    };
    // The executor says 503, which a proxy does not pass on (RFC 3261 §16.7 step 6).
    refused("down.test", "500");
    refused("broken.test", "500");
}

#[test]
fn an_unknown_verb_is_passed_over() {
    let (_hook, edge) = answering("lowercase");
    let report = busy(&edge).run();
    assert!(!report.statuses("INVITE").contains(&200));
    assert!(edge.logs("12200"), "no warning in the log");
}

#[test]
fn the_status_callback_comes_once_and_last() {
    let hook = Webhook::start();
    let keys = format!("status_callback = {:?}", hook.url("accepted"));
    let edge =
        Edge::start(Config::new().domain_with("demo.test", &hook.url("gather?timeout=30"), &keys));
    let began = Instant::now();
    caller("caller_hangs_up", &edge)
        .argument("-d", "1200")
        .run();
    let hit = hook.wait_for("/accepted");
    assert_eq!(hit.param("CallStatus"), "completed");
    let lasted: u64 = hit.param("CallDuration").parse().expect("seconds");
    let most = began.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&lasted), "{lasted} of {most} seconds");
    assert_eq!(hit.param("CallbackSource"), "call-progress-events");
    assert_eq!(hit.param("SequenceNumber"), "0");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        hook.hits()
            .iter()
            .filter(|hit| hit.path() == "/accepted")
            .count(),
        1
    );
    hook.all_signed();
}

#[test]
fn a_gather_without_digits_goes_on() {
    let (hook, edge) = answering("gather?timeout=1&action=/after&then=say");
    caller("caller_is_hung_up", &edge).run();
    assert_eq!(
        hook.hits().len(),
        1,
        "no digits, no action: {:#?}",
        hook.hits()
    );
}

#[test]
fn digits_by_info_reach_the_action() {
    let (hook, edge) = answering("gather?timeout=5&action=/after");
    let alice = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &alice);
    alice.send(edge.public(), invite.text());
    let answer = alice.response(200);
    alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
    for (cseq, digit) in (2..).zip("4711".chars()) {
        let body = format!("Signal={digit}\r\nDuration=160\r\n");
        let info = invite
            .within("INFO", cseq, &answer)
            .header("Content-Type", "application/dtmf-relay")
            .body(&body);
        alice.send(edge.public(), info.text());
        alice.response(200);
    }
    assert_eq!(hook.wait_for("/after").param("Digits"), "4711");
    hook.all_signed();
}
