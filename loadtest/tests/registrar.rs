//! Phones that register at the domain, call it with their passwords, and are called by `<Dial><Client>`.

use std::time::{Duration, Instant};

use loadtest::{Config, Draft, Edge, Peer, Phone, Sipp, Webhook, get};
use serde_json::Value;

const DEMO: &str = "sip:service@demo.test";
const USERS: &str = "[[domain.user]]\nusername = \"alice\"\npassword = \"wonderland\"\n\
                     [[domain.user]]\nusername = \"bob\"\npassword = \"builder\"\n";

/// A webhook, and an edge whose domain has two users; `keys` are more keys of the domain.
fn edge(scenario: &str, keys: &str) -> (Webhook, Edge) {
    let hook = Webhook::start();
    let keys = format!("{keys}\n{USERS}");
    let config = Config::new().domain_with("demo.test", &hook.url(scenario), &keys);
    (hook, Edge::start(config))
}

fn register(edge: &Edge, user: &str, password: &str) -> Sipp {
    let mut sipp = Sipp::caller("caller_registers", edge.public());
    sipp = sipp.argument("-s", user).argument("-auth_uri", "demo.test");
    sipp = sipp.argument("-au", user).argument("-ap", password);
    sipp.argument("-d", "100")
}

/// Waits until so many phones are registered.
fn registered(edge: &Edge, wanted: f64) {
    let until = Instant::now() + Duration::from_secs(30);
    while edge.metric("hookswitch_registrations ") != Some(wanted) {
        assert!(
            Instant::now() < until,
            "not {wanted} registrations but {:?}\n{}",
            edge.metric("hookswitch_registrations "),
            edge.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn registrations(edge: &Edge) -> Vec<Value> {
    let answer = get(edge.console(), "/api/registrations").expect("an answer");
    let list: Value = serde_json::from_str(&answer.body).expect("JSON");
    list["registrations"].as_array().expect("a list").clone()
}

#[test]
fn sipp_registers_with_its_password() {
    let (_hook, edge) = edge("say", "");
    let report = register(&edge, "alice", "wonderland").run();
    assert_eq!(report.statuses("REGISTER"), [401, 200]);
    let challenge = report.find("a 401", |message| message.status() == Some(401));
    let offered = challenge.need("WWW-Authenticate");
    assert!(offered.contains("realm=\"demo.test\"") && offered.contains("algorithm=MD5"));
    let answer = report.find("a 200", |message| message.status() == Some(200));
    // Less than ten minutes is not given.
    let expires: u32 = answer
        .need("Contact")
        .rsplit('=')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    assert!((595..=600).contains(&expires), "{answer:?}");
    registered(&edge, 1.0);
    let shown = registrations(&edge);
    assert_eq!(shown[0]["user"], "alice@demo.test");
    assert_eq!(shown[0]["agent"], "sipp");
    assert!(!edge.log().contains("wonderland"));
}

#[test]
fn sipp_without_the_password_does_not() {
    let (_hook, edge) = edge("say", "");
    for user in ["alice", "nobody"] {
        let report = register(&edge, user, "wrong").set("STATUS", "401").run();
        assert_eq!(report.statuses("REGISTER"), [401, 401], "{user}");
    }
    registered(&edge, 0.0);
    assert_eq!(edge.metric("hookswitch_credentials_wrong_total"), Some(2.0));
}

#[test]
fn a_registration_over_tcp_ends_with_its_connection() {
    let (_hook, edge) = edge("say", "");
    let sipp = register(&edge, "alice", "wonderland")
        .tcp()
        .argument("-d", "4000");
    let running = sipp.start();
    registered(&edge, 1.0);
    assert!(
        registrations(&edge)[0]["source"]
            .as_str()
            .is_some_and(|source| source.starts_with("tcp:127.0.0.1:"))
    );
    running.finish();
    registered(&edge, 0.0);
}

#[test]
fn a_user_that_calls_is_named_to_the_webhook() {
    let (hook, edge) = edge("gather?timeout=30", "");
    let caller = |user: &str, password: &str| {
        let sipp = Sipp::caller("caller_shows_who_it_is", edge.public()).to(DEMO);
        let sipp = sipp
            .argument("-s", user)
            .argument("-auth_uri", "service@demo.test");
        let sipp = sipp.argument("-au", user).argument("-ap", password);
        sipp.argument("-d", "300")
    };
    let report = caller("alice", "wonderland").run();
    assert_eq!(report.statuses("INVITE")[0], 407);
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipUsername"), "alice");
    assert_eq!(hit.param("SipDomain"), "demo.test");
    hook.all_signed();
    // A stranger does not get as far.
    let mallory = Peer::bind();
    let invite = Draft::new("INVITE", DEMO, &mallory);
    mallory.send(
        edge.public(),
        invite.header("X-Hookswitch-Username", "alice").text(),
    );
    mallory.response(407);
    assert_eq!(hook.hits().len(), 1);
}

#[test]
fn a_baresip_phone_calls_another_one() {
    let (hook, edge) = edge("dial?identity=bob&parameters=colour:green", "");
    let proxy = (edge.public(), "udp");
    let bob = Phone::register(("bob", "builder"), proxy, true, 90, "");
    registered(&edge, 1.0);
    let alice = Phone::register(
        ("alice", "wonderland"),
        proxy,
        true,
        12,
        &format!("d {DEMO}"),
    );
    for (name, phone) in [("bob", &bob), ("alice", &alice)] {
        assert!(
            phone.says("Call established", Duration::from_secs(30)),
            "{name}: {}\n{}",
            phone.output(),
            edge.log()
        );
    }
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipUsername"), "alice");
    assert!(hit.param("From").starts_with("sip:alice@demo.test"));
    hook.all_signed();
    // Alice leaves: the call is over for bob, and she is registered no more.
    assert!(
        bob.says("session closed", Duration::from_secs(30)),
        "{}",
        bob.output()
    );
    registered(&edge, 1.0);
}

#[test]
fn a_baresip_phone_is_called_over_its_connection() {
    let (_hook, edge) = edge(
        "dial?identity=bob&answer_on_bridge=true",
        "auth_exempt = [\"caller\"]",
    );
    let bob = Phone::register(("bob", "builder"), (edge.public(), "tcp"), true, 90, "");
    registered(&edge, 1.0);
    let source = registrations(&edge)[0]["source"].clone();
    assert!(
        source
            .as_str()
            .is_some_and(|source| source.starts_with("tcp:")),
        "{source}"
    );
    let caller = Sipp::caller("caller_hangs_up", edge.public()).to(DEMO);
    let running = caller.argument("-d", "500").start();
    assert!(
        bob.says("Call established", Duration::from_secs(30)),
        "{}\n{}",
        bob.output(),
        edge.log()
    );
    running.finish();
    assert!(
        bob.says("session closed", Duration::from_secs(30)),
        "{}\n{}",
        bob.output(),
        edge.log()
    );
}

#[test]
fn all_phones_of_a_user_ring_and_one_answers() {
    let (hook, edge) = edge(
        "dial?identity=bob&answer_on_bridge=true",
        "auth_exempt = [\"caller\"]",
    );
    let proxy = (edge.public(), "udp");
    let rings = Phone::register(("bob", "builder"), proxy, false, 90, "");
    registered(&edge, 1.0);
    let rings_too = Phone::register(("bob", "builder"), proxy, false, 90, "");
    registered(&edge, 2.0);
    assert_eq!(edge.metric("hookswitch_registered_users "), Some(1.0));
    // A caller that gives up ends the ringing of both.
    let caller = Sipp::caller("caller_cancels", edge.public()).to(DEMO);
    let running = caller.argument("-d", "2500").start();
    let both = |needle: &str| {
        for phone in [&rings, &rings_too] {
            assert!(
                phone.says(needle, Duration::from_secs(30)),
                "{}\n{}",
                phone.output(),
                edge.log()
            );
        }
    };
    both("Incoming call");
    running.finish();
    both("session closed");
    // So does the one that answers.
    let answers = Phone::register(("bob", "builder"), proxy, true, 90, "");
    registered(&edge, 3.0);
    let caller = Sipp::caller("caller_hangs_up", edge.public()).to(DEMO);
    caller.argument("-d", "1500").run();
    for (name, phone, calls) in [
        ("established", &answers, 1),
        ("session closed", &answers, 1),
        ("Incoming call", &rings, 2),
        ("session closed", &rings, 2),
        ("session closed", &rings_too, 2),
    ] {
        let until = Instant::now() + Duration::from_secs(30);
        while phone.output().matches(name).count() < calls {
            assert!(
                Instant::now() < until,
                "no {name}: {}\n{}",
                phone.output(),
                edge.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(hook.hits().len(), 2);
    hook.all_signed();
}

#[test]
fn a_user_that_is_not_there_cannot_be_reached() {
    for (identity, status) in [("bob", "480"), ("carol", "404")] {
        let scenario = format!("dial?identity={identity}&action=/after");
        let (hook, edge) = edge(&scenario, "auth_exempt = [\"caller\"]");
        Sipp::caller("caller_is_hung_up", edge.public())
            .to(DEMO)
            .run();
        let hit = hook.wait_for("/after");
        assert_eq!(hit.param("DialSipResponseCode"), status);
        assert_ne!(hit.param("DialCallStatus"), "completed");
        hook.all_signed();
    }
}

#[test]
fn a_reload_keeps_registrations() {
    let (hook, edge) = edge(
        "dial?identity=bob&answer_on_bridge=true",
        "auth_exempt = [\"caller\"]",
    );
    let bob = Phone::register(("bob", "builder"), (edge.public(), "udp"), true, 90, "");
    registered(&edge, 1.0);
    let text = edge
        .config
        .text()
        .replace("node = \"test\"", "node = \"again\"");
    edge.reload(&text);
    assert!(edge.logs("configuration reloaded"));
    let caller = Sipp::caller("caller_hangs_up", edge.public()).to(DEMO);
    caller.argument("-d", "300").run();
    assert!(
        bob.says("Call established", Duration::from_secs(30)),
        "{}",
        bob.output()
    );
    hook.all_signed();
}
