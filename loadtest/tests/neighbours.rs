//! Other people's SIP on either side: Kamailio, baresip, sipsak, and tshark's reading of the wire.

use std::net::SocketAddr;
use std::time::Duration;

use loadtest::{
    App, Config, Edge, Kamailio, Phone, Relay, Report, Scratch, Sipp, Verb, answering, free_port,
    tool, write_pcap,
};

const CALL: &str = "sip:+15550100@carrier.test";

fn edge(next: SocketAddr) -> Edge {
    let uri = format!("sip:+14158675309@{next}");
    Edge::start(
        Config::new()
            .trunk("carrier", "127.0.0.250/32", &[&uri])
            .route("carrier.test", "carrier"),
    )
}

/// Who a caller talks to first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    Hookswitch,
    Kamailio,
}

/// Runs a caller's and a callee's scenario through both, and gives what the callee got.
fn pair(first: First, caller: &str, callee: &str) -> Report {
    let callee = Sipp::callee(callee).argument("-d", "100").start();
    let (edge, kamailio);
    let entry = match first {
        First::Kamailio => {
            edge = self::edge(callee.address());
            kamailio = Kamailio::before(edge.public());
            kamailio.address()
        }
        First::Hookswitch => {
            kamailio = Kamailio::before(callee.address());
            edge = self::edge(kamailio.address());
            edge.public()
        }
    };
    Sipp::caller(caller, entry)
        .to(CALL)
        .argument("-d", "100")
        .run();
    let report = callee.finish();
    let invite = report.request("INVITE");
    assert_eq!(invite.header("X-Kamailio"), Some("was here"));
    assert_eq!(invite.all("Via").len(), 3);
    let routes = invite.all("Record-Route").join(",");
    for neighbour in [kamailio.address(), edge.public()] {
        assert!(
            routes.contains(&neighbour.to_string()),
            "{neighbour} did not record its route: {routes}"
        );
    }
    report
}

#[test]
fn kamailio_in_front() {
    for (caller, callee) in SCENARIOS {
        pair(First::Kamailio, caller, callee);
    }
}

#[test]
fn kamailio_behind() {
    for (caller, callee) in SCENARIOS {
        pair(First::Hookswitch, caller, callee);
    }
}

/// Requests within the dialog from either end.
const SCENARIOS: [(&str, &str); 4] = [
    ("caller_hangs_up", "callee_answers"),
    ("caller_is_hung_up", "callee_hangs_up"),
    ("caller_reinvites", "callee_is_reinvited"),
    ("caller_is_reinvited", "callee_reinvites"),
];

/// A carrier who asks who calls, and who hangs up, and checks that.
#[test]
fn kamailio_asks_for_credentials() {
    for algorithm in ["MD5", "SHA-256"] {
        let callee = Sipp::callee("callee_answers").start();
        let kamailio = Kamailio::guarding(callee.address(), "wonder", algorithm);
        let sip = Verb::of("sip", &format!("sip:carol@{}", kamailio.address()));
        let sip = sip.set("username", "alice").set("password", "wonder");
        let hook = App::new()
            .page(
                "/answer",
                [Verb::new("dial").set("answer_on_bridge", "true").with(sip)],
            )
            .start();
        let edge = Edge::start(Config::new().domain("demo.test", &hook.url("answer")));
        Sipp::caller("caller_hangs_up", edge.public())
            .to("sip:bob@demo.test")
            .argument("-d", "1500")
            .run();
        // It ends with the BYE that Kamailio has let through.
        let report = callee.finish();
        let shown = |method: &str| report.request(method).header("Proxy-Authorization");
        assert_eq!(shown("INVITE"), None, "Kamailio has taken it");
        let credentials = shown("ACK").expect("those of the INVITE");
        assert!(
            credentials.contains(&format!("algorithm={algorithm}")),
            "{credentials}"
        );
    }
}

#[test]
fn kamailio_in_front_of_the_executor() {
    let (hook, edge) = answering("say");
    let kamailio = Kamailio::before(edge.public());
    Sipp::caller("caller_is_hung_up", kamailio.address())
        .to("sip:bob@demo.test")
        .set("HEADERS", "X-Route-Id: 42")
        .run();
    let hit = &hook.wait(1)[0];
    assert_eq!(hit.param("SipHeader_X-Kamailio"), "was here");
    assert_eq!(hit.param("SipHeader_X-Route-Id"), "42");
    hook.all_signed();
}

#[test]
fn kamailio_in_front_passes_a_refusal_and_a_cancel() {
    let (_hook, edge) = answering("busy");
    let kamailio = Kamailio::before(edge.public());
    Sipp::caller("caller_is_refused", kamailio.address())
        .to("sip:bob@demo.test")
        .set("STATUS", "486")
        .run();
    let (hook, edge) = answering("slow?seconds=8");
    let kamailio = Kamailio::before(edge.public());
    Sipp::caller("caller_cancels", kamailio.address())
        .to("sip:bob@demo.test")
        .argument("-d", "300")
        .run();
    assert!(hook.is_left(Duration::from_secs(20)));
}

#[test]
fn a_baresip_phone_is_answered_and_hung_up() {
    let hook = loadtest::Webhook::start();
    let edge = Edge::start(Config::new().domain("*", &hook.url("say?text=Good+morning")));
    let phone = Phone::dial(&format!("sip:demo@{}", edge.public()), 60);
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
    assert_eq!(
        hook.wait(1)[0].param("From").split('@').next(),
        Some("sip:phone")
    );
}

#[test]
fn a_baresip_phone_hangs_up_itself() {
    let hook = loadtest::Webhook::start();
    let keys = format!("status_callback = {:?}", hook.url("accepted"));
    let edge = Edge::start(Config::new().domain_with("*", &hook.url("gather?timeout=60"), &keys));
    let phone = Phone::dial(&format!("sip:demo@{}", edge.public()), 8);
    assert!(
        phone.says("Call established", Duration::from_secs(30)),
        "{}",
        phone.output()
    );
    assert_eq!(hook.wait_for("/accepted").param("CallStatus"), "completed");
}

#[test]
fn a_baresip_phone_hears_that_it_is_busy() {
    let hook = loadtest::Webhook::start();
    let edge = Edge::start(Config::new().domain("*", &hook.url("busy")));
    let phone = Phone::dial(&format!("sip:demo@{}", edge.public()), 40);
    assert!(
        phone.says("486", Duration::from_secs(30)),
        "{}",
        phone.output()
    );
}

#[test]
fn sipsak_is_content() {
    let hook = loadtest::Webhook::start();
    let edge = Edge::start(Config::new().domain("*", &hook.url("busy")));
    // Without a user part sipsak cuts ports to four digits.
    let uri = format!("sip:ping@{}", edge.public());
    for transport in ["udp", "tcp"] {
        let local = free_port().to_string();
        let (code, said) = tool(
            "sipsak",
            &["-vv", "-E", transport, "-l", &local, "-s", &uri],
        );
        assert_eq!(code, Some(0), "{transport}: {said}");
    }
}

#[test]
fn tshark_finds_nothing_malformed() {
    let callee = Sipp::callee("callee_is_reinvited").start();
    let far = Relay::transparent(callee.address());
    let edge = edge(far.address());
    let near = Relay::transparent(edge.public());
    Sipp::caller("caller_reinvites", near.address())
        .to(CALL)
        .argument("-d", "100")
        .run();
    callee.finish();

    let scratch = Scratch::new("capture");
    let file = scratch.path().join("call.pcap");
    let mut crossed = near.crossed();
    crossed.extend(far.crossed());
    crossed.sort_by_key(|crossed| crossed.at);
    write_pcap(&file, &crossed).unwrap();
    let file = file.display().to_string();
    let mut read = vec!["-r", &file, "-2"];
    let ports: Vec<_> = crossed
        .iter()
        .map(|crossed| format!("udp.port=={},sip", crossed.destination.port()))
        .collect();
    ports.iter().for_each(|port| read.extend(["-d", port]));
    let filter = |filter: &'static str| {
        let arguments: Vec<_> = read.iter().copied().chain(["-Y", filter]).collect();
        let (code, said) = tool("tshark", &arguments);
        assert_eq!(code, Some(0), "{said}");
        said.lines()
            .filter(|line| line.contains("SIP") || line.contains("Malformed"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let all = filter("sip");
    assert!(all.len() >= 16, "{all:#?}");
    assert_eq!(all.len(), crossed.len(), "something that is no SIP crossed");
    let bad = filter("_ws.malformed || (sip && _ws.expert.severity >= Warning)");
    assert!(bad.is_empty(), "{bad:#?}");
}
