//! The process over time: what it keeps, what it reads again, what it writes, where its parts run.

use std::net::SocketAddr;
use std::time::Duration;

use loadtest::{
    AUTH_TOKEN, Config, Draft, Edge, Peer, Sipp, Stream, Webhook, answering, free_port, get, sdp,
};

const DEMO: &str = "sip:bob@demo.test";
const CALL: &str = "sip:+15550100@carrier.test";

#[test]
fn nothing_is_left_of_calls_that_end_badly() {
    let (alice, bob) = (Peer::bind(), Peer::bind());
    let uri = format!("sip:{}", bob.address());
    let config = Config::new().timers("t1 = \"20ms\"\nt2 = \"80ms\"\nt4 = \"100ms\"");
    let edge = Edge::start(
        config
            .trunk("carrier", "127.0.0.250/32", &[&uri])
            .route("carrier.test", "carrier"),
    );
    let mut most = 0.0_f64;
    // Nobody answers, nobody acknowledges, somebody cancels, a connection goes away in the middle.
    for how in ["silent", "refused", "answered", "cancelled"]
        .into_iter()
        .cycle()
        .take(80)
    {
        let invite = Draft::new("INVITE", CALL, &alice);
        alice.send(edge.public(), invite.text());
        let (at_bob, proxy) = loop {
            let (message, proxy) = bob
                .receive_from(Duration::from_secs(20))
                .expect("the INVITE");
            // Others are retransmissions of calls before this one.
            if message.method() == Some("INVITE")
                && message.need("Call-ID") == invite.value("Call-ID")
            {
                break (message, proxy);
            }
        };
        most = most.max(edge.metric("hookswitch_transactions").unwrap_or(0.0));
        match how {
            "refused" => bob.answer(&at_bob, proxy, 486, &[], ""),
            "answered" => bob.answer(&at_bob, proxy, 200, &[], &sdp(bob.address())),
            "cancelled" => {
                bob.answer(&at_bob, proxy, 180, &[], "");
                alice.send(edge.public(), invite.cancel().text());
            }
            _ => {}
        }
        while bob.receive(Duration::from_millis(1)).is_some() {}
        while alice.receive(Duration::from_millis(1)).is_some() {}
    }
    for _ in 0..20 {
        let mut stream = Stream::connect(edge.public());
        stream.send(Draft::from_address("INVITE", CALL, stream.address(), "TCP").text());
    }
    assert!(most > 0.0, "no transaction is ever counted");
    edge.drains(&["hookswitch_transactions", "hookswitch_exchanges"]);
    assert!(edge.answers_options());
}

#[test]
fn a_good_file_takes_the_place_of_the_old_one() {
    let hook = Webhook::start();
    let config = Config::new().domain("demo.test", &hook.url("busy"));
    let edge = Edge::start(config.clone());
    let refused = |status: &str| {
        Sipp::caller("caller_is_refused", edge.public())
            .to(DEMO)
            .set("STATUS", status)
            .run()
    };
    refused("486");
    edge.reload(&config.text().replace("/busy", "/reject"));
    assert!(edge.logs("configuration reloaded"));
    refused("404");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let hook = Webhook::start();
    let config = Config::new().domain("demo.test", &hook.url("busy"));
    let edge = Edge::start(config.clone());
    edge.reload(
        &config
            .text()
            .replace("/busy", "/reject")
            .replace("no_match", "no_mtach"),
    );
    assert!(edge.logs("no_mtach"), "{}", edge.log());
    Sipp::caller("caller_is_refused", edge.public())
        .to(DEMO)
        .set("STATUS", "486")
        .run();
}

#[test]
fn a_reload_disturbs_no_call() {
    let hook = Webhook::start();
    let config = Config::new().domain("demo.test", &hook.url("gather?timeout=30"));
    let edge = Edge::start(config.clone());
    let calls = Sipp::caller("caller_hangs_up", edge.public())
        .to(DEMO)
        .calls(60, 30)
        .argument("-d", "500")
        .start();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(200));
        edge.reload(&config.text());
    }
    calls.finish();
}

#[test]
fn sigterm_ends_it() {
    let (_hook, mut edge) = answering("busy");
    edge.process().signal("TERM");
    let status = edge
        .process()
        .wait(Duration::from_secs(30))
        .expect("it is still there");
    assert!(status.success(), "{status:?}");
}

#[test]
fn every_line_of_a_json_log_is_json_whatever_comes() {
    let hook = Webhook::start();
    let config = Config::new()
        .server_keys("log_format = \"json\"")
        .domain("demo.test", &hook.url("busy"));
    let mut edge = Edge::start(config);
    let peer = Peer::bind();
    let evil = "\u{1b}[2J\u{2028}\"}{\"level\":\"fake\\";
    let draft = Draft::new("INVITE", &format!("sip:{}@demo.test", "%1b%0a"), &peer)
        .header("User-Agent", evil)
        .header("X-A", evil);
    peer.send(
        edge.public(),
        draft.set("Call-ID", "a\"b\\c{}\u{e9}").text(),
    );
    assert!(peer.receive(Duration::from_secs(20)).is_some());
    peer.send(
        edge.public(),
        b"INVITE sip:\xff\x1b SIP/2.0\r\nVia: \x1b\r\n\r\n",
    );
    assert!(edge.answers_options());
    // Up to its end: a line may be on its way.
    edge.process().stop();
    let log = edge.log();
    assert!(!log.contains('\u{1b}'), "an escape character is in the log");
    assert!(!log.contains(AUTH_TOKEN), "the token is in the log");
    for line in log.lines().filter(|line| !line.is_empty()) {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}

#[test]
fn strangers_cannot_grow_the_metrics() {
    let (_hook, edge) = answering("busy");
    let lines = || {
        get(edge.console(), "/metrics")
            .expect("metrics")
            .body
            .lines()
            .count()
    };
    let before = lines();
    let peer = Peer::bind();
    for number in 0..500 {
        let draft = Draft::new(
            &format!("METHOD{number}"),
            &format!("sip:u{number}@h{number}.test"),
            &peer,
        );
        peer.send(edge.public(), draft.text());
    }
    while peer.receive(Duration::from_millis(200)).is_some() {}
    assert!(lines() <= before + 10, "{before} lines became {}", lines());
}

#[test]
fn an_unspecified_address_answers_from_the_one_that_was_asked() {
    let hook = Webhook::start();
    let config = Config::new()
        .host("0.0.0.0")
        .domain("demo.test", &hook.url("busy"));
    let port = config.sip;
    let edge = Edge::start(config);
    for ip in ["127.0.0.1", "127.0.0.44"] {
        let to = SocketAddr::new(ip.parse().unwrap(), port);
        let peer = Peer::bind();
        peer.send(to, Draft::new("INVITE", DEMO, &peer).text());
        let mut last = 0;
        while last < 200 {
            let (answer, from) = peer
                .receive_from(Duration::from_secs(20))
                .expect("an answer");
            assert_eq!(from, to, "{answer:?}");
            last = answer.status().unwrap_or(0);
        }
        assert_eq!(last, 486);
    }
    drop(edge);
}

#[test]
fn the_proxy_and_the_executor_run_apart() {
    let hook = Webhook::start();
    let front = Config::new();
    let back = Config::new();
    let url = hook.url("redirect?n=1&then=gather");
    let proxies = format!(
        "proxies = [\"127.0.0.1:{}\"]\noutbound_proxy = \"sip:127.0.0.1:{};lr\"",
        front.inside, front.inside
    );
    let back = Edge::start(back.domain("demo.test", &url).executor_keys(&proxies));
    let executor = format!("executor = [\"sip:{}\"]", back.executor());
    let front = Edge::start(front.domain_with("demo.test", "http://127.0.0.1:1/unused", &executor));
    Sipp::caller("caller_hangs_up", front.public())
        .to(DEMO)
        .set("HEADERS", "X-Route-Id: 42")
        .argument("-d", "300")
        .run();
    let hit = &hook.wait(2)[1];
    assert_eq!(hit.param("SipSourceIp"), "127.0.0.1");
    assert_eq!(hit.param("SipDomain"), "demo.test");
    assert_eq!(hit.param("SipHeader_X-Route-Id"), "42");
    hook.all_signed();
}

#[test]
fn a_buffer_that_the_system_does_not_grant_is_warned_about() {
    let port = free_port();
    let listener = format!(
        "[[listen]]\nname = \"greedy\"\nsocket = \"udp:127.0.0.1:{port}\"\nchain = \"inbound\"\nrecv_buffer = \"1GiB\"\n"
    );
    let edge = Edge::start(Config::new().section(&listener));
    let told = "receive buffer is smaller than asked";
    assert!(edge.logs(told), "{}", edge.log());
    let log = edge.log();
    let mut lines = log.lines().filter(|line| line.contains(told));
    assert!(lines.any(|line| line.contains("greedy")), "{log}");
}

#[test]
fn an_executor_that_is_not_there_is_a_quick_refusal() {
    let keys = format!("executor = [\"sip:127.0.0.1:{}\"]", free_port());
    let edge = Edge::start(Config::new().domain_with("demo.test", "http://127.0.0.1:1/", &keys));
    let peer = Peer::bind();
    peer.send(edge.public(), Draft::new("INVITE", DEMO, &peer).text());
    // Timer B, which ends it where nobody says that there is nobody, is 32 seconds.
    let status = peer.outcome(Duration::from_secs(20)).status();
    assert!(status.is_some_and(|status| status >= 500), "{status:?}");
}

#[test]
fn a_flood_of_acks_and_stray_responses_leaves_nothing() {
    let (_hook, edge) = answering("busy");
    let peer = Peer::bind();
    for _ in 0..500 {
        peer.send(edge.public(), Draft::new("ACK", DEMO, &peer).text());
        let options = Draft::new("OPTIONS", DEMO, &peer).text();
        peer.send(
            edge.public(),
            options.replacen(&format!("OPTIONS {DEMO} SIP/2.0"), "SIP/2.0 200 OK", 1),
        );
    }
    peer.silence(Duration::from_millis(500));
    assert_eq!(edge.metric("hookswitch_transactions"), Some(0.0));
    assert!(edge.answers_options());
}
