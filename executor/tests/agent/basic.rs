//! What each sentence of the customer's guide promises about an incoming call.

use std::time::{Duration, Instant};

use executor::CallEvent;
use executor::webhook::{CallStatus, Hook};

use crate::phone::sdp;
use crate::world::{URI, World, offer};

const SLOW: Duration = Duration::from_millis(600);

#[test]
fn ringing_comes_before_the_webhook_is_asked() {
    let world = World::new();
    world
        .web
        .answers("/voice", 200, "<Response><Reject/></Response>", SLOW);
    let line = world.phone.invite(URI, "", Some(&offer()));
    let ringing = world.phone.expect("SIP/2.0 180");
    let asked = world.web.expect("/voice");
    assert!(ringing.at < asked.at, "180 first");
    assert!(ringing.header("To").contains(";tag="));
    assert!(
        ringing
            .header("Contact")
            .contains(&world.phone.peer.to_string())
    );
    let refused = line.expect_refusal("SIP/2.0 404");
    assert!(
        refused.at - ringing.at >= SLOW,
        "180 did not wait for the webhook"
    );
}

#[test]
fn the_webhook_learns_all_about_the_call() {
    let world = World::new();
    world.web.says("/voice", "<Reject/>");
    let extra = "X-Hookswitch-Source: 198.51.100.7:5060\r\nX-Hookswitch-Domain: demo.example\r\n\
                 X-Hookswitch-Username: alice\r\n\
                 X-Hookswitch-Request-Uri: sip:bob@demo.example;user=phone\r\n\
                 X-Route-Id: 42\r\nx-lower: a=1;b=2\r\nUser-to-User: 56a390;encoding=hex\r\n\
                 Subject: secret\r\n";
    let line = world
        .phone
        .invite("sip:bob@127.0.0.1:5080", extra, Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_refusal("SIP/2.0 404");
    let asked = world.web.expect("/voice");
    assert_eq!(asked.method, "POST");
    for (name, value) in [
        ("customParameter", "xxxxxxxxx"),
        ("customValue", "true"),
        ("From", "sip:alice@atlanta.example"),
        ("To", "sip:bob@demo.example;user=phone"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("SipDomain", "demo.example"),
        ("SipUsername", "alice"),
        ("SipCallId", &line.call_id),
        ("SipSourceIp", "198.51.100.7"),
        ("SipHeader_X-Route-Id", "42"),
        ("SipHeader_x-lower", "a=1;b=2"),
        ("SipHeader_User-to-User", "56a390;encoding=hex"),
    ] {
        assert_eq!(asked.param(name), value, "{name}");
    }
    let sip_headers = asked
        .params
        .iter()
        .filter(|(name, _)| name.starts_with("SipHeader_"));
    assert_eq!(sip_headers.count(), 3, "no reserved header and no Subject");
    assert!(asked.signature.is_some());
}

#[test]
fn say_is_answered_and_ends_with_bye() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let route = "Record-Route: <sip:127.0.0.1:1;lr;ftag=x>\r\n";
    let line = world.phone.invite(URI, route, Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let answer = world.phone.expect("SIP/2.0 200");
    assert_eq!(answer.header("Record-Route"), "<sip:127.0.0.1:1;lr;ftag=x>");
    assert!(
        answer.body.contains(" RTP/AVP 8 0 101\r\n"),
        "the offer's order: {}",
        answer.body
    );
    assert!(
        answer.body.contains("c=IN IP4 127.0.0.1\r\n"),
        "{}",
        answer.body
    );
    assert!(answer.header("Allow").contains("NOTIFY"));
    assert_eq!(world.gauges().rtp_ports, 2);
    drop(line);
}

#[test]
fn the_end_of_the_document_hangs_up() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    line.expect_bye();
    let status = world.web.expect("/status");
    assert_eq!(status.param("CallStatus"), "completed");
    assert_eq!(status.param("SipResponseCode"), "200");
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn redirect_stays_ringing() {
    let world = World::new();
    world.web.says("/voice", "<Redirect>/two</Redirect>");
    world
        .web
        .says("/two", "<Redirect method=\"GET\">/three</Redirect>");
    world.web.answers(
        "/three",
        200,
        "<Response><Reject reason=\"busy\"/></Response>",
        SLOW,
    );
    let line = world
        .phone
        .invite(URI, "X-Route-Id: 42\r\n", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    assert_eq!(world.web.expect("/three").method, "GET");
    let refused = line.expect_refusal("SIP/2.0 486");
    assert!(refused.start.starts_with("SIP/2.0 486 Busy Here"));
    assert_eq!(
        world.web.expect("/three").param("SipHeader_X-Route-Id"),
        "42"
    );
    assert_eq!(world.web.expect("/status").param("CallStatus"), "busy");
}

#[test]
fn rejected_is_404_and_get_keeps_the_query() {
    let world = World::with(|settings, web| {
        let url = web.url("/voice?customParameter=x&customValue=true");
        let mut domain = settings.domains.all()[0].clone();
        domain.voice = Hook {
            url,
            method: executor::webhook::Method::Get,
        };
        settings.domains.replace(vec![domain]);
    });
    world.web.says("/voice", "<Reject reason=\"rejected\"/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_refusal("SIP/2.0 404 Not Found");
    let asked = world.web.expect("/voice");
    assert_eq!(
        (asked.method.as_str(), asked.param("customParameter")),
        ("GET", "x")
    );
    assert_eq!(asked.param("CallStatus"), "ringing");
    assert_eq!(world.web.expect("/status").param("CallStatus"), "no-answer");
}

#[test]
fn long_ringing_is_repeated_and_ends() {
    let world = World::with(|settings, _| {
        settings.run.ring_interval = Duration::from_millis(300);
        settings.run.pre_answer = Duration::from_secs(3);
    });
    world
        .web
        .answers("/voice", 200, "<Response/>", Duration::from_secs(30));
    let begun = Instant::now();
    let line = world.phone.invite(URI, "", Some(&offer()));
    let first = world.phone.expect("SIP/2.0 180");
    let again = world
        .phone
        .raw_within(Duration::from_secs(20))
        .expect("another 180");
    assert_eq!(again.raw, first.raw);
    assert!(again.at - begun >= Duration::from_millis(250));
    line.expect_refusal("SIP/2.0 480");
    assert!(world.web.expect("/voice").param("CallStatus") == "ringing");
}

#[test]
fn a_cancel_ends_the_webhook_request() {
    let world = World::new();
    world.web.answers(
        "/voice",
        200,
        "<Response><Say>x</Say></Response>",
        Duration::from_secs(5),
    );
    let line = world.phone.invite(URI, "", Some(&offer()));
    let ringing = world.phone.expect("SIP/2.0 180");
    world.web.expect("/voice");
    line.cancel();
    let cancelled = world.phone.expect("SIP/2.0 200");
    assert_eq!(cancelled.header("CSeq"), "1 CANCEL");
    assert_eq!(cancelled.header("To"), ringing.header("To"));
    line.expect_refusal("SIP/2.0 487");
    assert_eq!(world.web.expect("/status").param("CallStatus"), "no-answer");
    world.expect_rest(Duration::from_secs(30));
    assert!(
        world.web.expect("/voice").abandoned,
        "the request was dropped"
    );
    world.phone.expect_nothing(Duration::from_millis(100));
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let answer = world.phone.expect("SIP/2.0 200");
    line.cancel();
    let cancelled = world.phone.expect("SIP/2.0 200");
    assert_eq!(cancelled.header("CSeq"), "1 CANCEL");
    line.learn(&answer);
    line.ack(None);
    line.expect_bye();
}

#[test]
fn the_answer_is_repeated_until_its_ack() {
    let world = World::new();
    world
        .web
        .says("/voice", "<Pause length=\"1\"/><Say>Hello</Say>");
    let begun = Instant::now();
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let answer = world.phone.expect("SIP/2.0 200");
    let first = world
        .phone
        .raw_within(Duration::from_secs(20))
        .expect("a retransmission");
    let second = world
        .phone
        .raw_within(Duration::from_secs(20))
        .expect("another one");
    assert_eq!((&first.raw, &second.raw), (&answer.raw, &answer.raw));
    assert!(
        second.at - begun >= Duration::from_millis(100 + 200),
        "the interval doubles"
    );
    line.learn(&answer);
    line.ack(None);
    line.expect_bye();
}

#[test]
fn without_an_ack_the_call_ends() {
    let world = World::with(|settings, _| settings.timers.t1 = Duration::from_millis(20));
    world.web.says("/voice", "<Say>Hello</Say>");
    let begun = Instant::now();
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let answer = world.phone.expect("SIP/2.0 200");
    line.learn(&answer);
    let bye = line.expect_bye();
    assert!(
        bye.at - begun >= Duration::from_millis(64 * 20),
        "not before 64 T1"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn an_invite_without_offer_gets_ours() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let line = world.phone.invite(URI, "", None);
    world.phone.expect("SIP/2.0 180");
    let answer = world.phone.expect("SIP/2.0 200");
    assert!(
        answer.body.contains(" RTP/AVP 0 8 9 111 101 110\r\n"),
        "{}",
        answer.body
    );
    line.learn(&answer);
    line.ack(Some(&offer()));
    line.expect_bye();
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let line = world.phone.invite(URI, "", None);
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn no_common_codec_is_488() {
    let world = World::new();
    let line = world.phone.invite(URI, "", Some(&sdp(40_000, "18 4")));
    line.expect_refusal("SIP/2.0 488");
    let line = world.phone.invite(URI, "", Some("v=0\r\nnonsense"));
    line.expect_refusal("SIP/2.0 400");
    let line = world
        .phone
        .invite(URI, "Content-Type: text/plain\r\n", Some("hello"));
    line.expect_refusal("SIP/2.0 415");
    assert!(world.web.asked().is_empty());
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn refused_requests() {
    let world = World::with(|settings, _| settings.limits.calls = 1);
    world
        .web
        .answers("/voice", 200, "<Response/>", Duration::from_secs(2));
    let line = world
        .phone
        .invite("sip:bob@nobody.example", "", Some(&offer()));
    line.expect_refusal("SIP/2.0 404");
    let line = world
        .phone
        .invite(URI, "Require: 100rel, foo\r\n", Some(&offer()));
    assert_eq!(
        line.expect_refusal("SIP/2.0 420").header("Unsupported"),
        "foo"
    );
    let line = world.phone.invite("foo:bar", "", Some(&offer()));
    line.expect_refusal("SIP/2.0 416");
    let _first = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    let second = world.phone.invite(URI, "", Some(&offer()));
    assert_eq!(
        second.expect_refusal("SIP/2.0 503").header("Retry-After"),
        "5"
    );
}

#[test]
fn the_same_invite_on_another_way_is_482() {
    let world = World::new();
    world
        .web
        .answers("/voice", 200, "<Response/>", Duration::from_secs(2));
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.send_invite("", Some(&offer()));
    line.expect_refusal("SIP/2.0 482");
}

#[test]
fn strangers_are_refused() {
    let world = World::new();
    let mut stranger = crate::phone::Phone::new();
    stranger.peer = world.phone.peer;
    let line = stranger.invite(URI, "X-Hookswitch-Domain: demo.example\r\n", Some(&offer()));
    line.expect_refusal("SIP/2.0 403");
    stranger.expect_nothing(Duration::from_millis(200));
    assert!(world.web.asked().is_empty());
}

#[test]
fn an_error_goes_to_the_fallback_and_to_the_log() {
    let world = World::with(|settings, web| {
        let mut domain = settings.domains.all()[0].clone();
        domain.fallback = Some(Hook::post(web.url("/fallback")));
        settings.domains.replace(vec![domain]);
    });
    world.web.answers("/voice", 500, "", Duration::ZERO);
    world.web.says("/fallback", "<Reject reason=\"busy\"/>");
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_refusal("SIP/2.0 486");
    let asked = world.web.expect("/fallback");
    assert_eq!(asked.param("ErrorCode"), "11200");
    assert!(
        asked.param("ErrorUrl").contains("/voice?customParameter"),
        "{asked:?}"
    );
    assert!(world.log.codes().contains(&11200));
}

#[test]
fn the_observer_sees_the_whole_call() {
    let world = World::new();
    world
        .web
        .says("/voice", "<say>wrong</say><Reject reason=\"busy\"/>");
    let line = world
        .phone
        .invite(URI, "Authorization: Digest secret\r\n", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line.expect_refusal("SIP/2.0 486");
    world.web.expect("/status");
    world.expect_rest(Duration::from_secs(30));
    let records = world.log.records();
    assert!(
        records
            .iter()
            .all(|record| *record.sip_call_id == *line.call_id)
    );
    let mut story = Vec::new();
    for record in &records {
        match &record.event {
            CallEvent::Started(started) => story.push(format!("started {}", started.to)),
            CallEvent::SipReceived(message) => {
                assert!(!String::from_utf8_lossy(&message.wire).contains("secret"));
                story.push(format!(
                    "in {}",
                    String::from_utf8_lossy(&message.wire[..6])
                ));
            }
            CallEvent::SipSent(message) => {
                story.push(format!(
                    "out {}",
                    String::from_utf8_lossy(&message.wire[8..11])
                ));
            }
            CallEvent::WebhookRequested(request) => {
                story.push(format!("ask {:?}", request.purpose))
            }
            CallEvent::WebhookReplied(reply) => {
                assert!(
                    reply
                        .exchange
                        .params
                        .iter()
                        .any(|(name, _)| name == "SipCallId")
                );
                assert!(reply.body.starts_with(b"<Response>"));
                story.push("answer".to_owned());
            }
            CallEvent::Notice(warning) => {
                assert_eq!(warning.location.map(|at| at.line), Some(1));
                story.push(format!("notice {}", warning.code));
            }
            CallEvent::Ended(ended) => {
                assert_eq!(ended.status, CallStatus::Busy);
                story.push(format!("ended {}", ended.sip_code));
            }
            CallEvent::Trace(_) | CallEvent::Answered => {}
        }
    }
    let told = [
        "started sip:bob@demo.example",
        "in INVITE",
        "out 180",
        "ask Voice",
        "answer",
        "notice 12200",
        "out 486",
        "ask StatusCallback",
        "ended 486",
    ];
    assert_eq!(story, told);
}
