//! The load generator against programs that know better: SIPp on either side, and the real edge in the middle.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Command;
use std::thread;
use std::time::Duration;

use loadtest::generator::{Config, InDialog, Party, Report, Role, Span, Steps, mix, run};
use loadtest::{Edge, Process, Sipp, free_port};

/// Calls of each test.
const CALLS: u64 = 200;

fn free() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port())
}

/// Two seconds of calls between two free ports.
fn config(target: SocketAddr) -> Config {
    let SocketAddr::V4(target) = target else {
        panic!("the generator speaks IPv4");
    };
    Config {
        target,
        caller: free(),
        callee: free(),
        steps: Steps::constant(2.0, CALLS as f64 / 2.0),
        warmup: 0.5,
        cooldown: 0.5,
        ..Config::default()
    }
}

/// The relay between the two sides of `config`.
fn relay(config: &Config) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bare_relay"));
    let addresses = [config.target, config.caller, config.callee];
    command.args(addresses.map(|address| address.to_string()));
    let relay = Process::start("bare_relay", &mut command);
    assert!(relay.stdout.contains("listening", Duration::from_secs(30)));
    relay
}

/// An edge that sends what is for `carrier.test` to the callee of `config`, and `config` pointed at it.
fn edge(config: &mut Config) -> Edge {
    let target = format!("sip:+14158675309@{}", config.callee);
    let edge = Edge::start(
        loadtest::Config::new()
            .log("error")
            .trunk("carrier", "127.0.0.250/32", &[&target])
            .route("carrier.test", "carrier"),
    );
    let SocketAddr::V4(public) = edge.public() else {
        panic!("it listens on IPv4");
    };
    config.target = public;
    config.domain = Some("carrier.test".to_owned());
    edge
}

/// All calls have gone well. A busy machine may have made somebody repeat something.
fn all_good(report: &Report) {
    let calls = &report.calls;
    let told = serde_json::to_string(report).expect("a report is JSON");
    assert!(calls.intended > 0 && calls.good == calls.intended, "{told}");
    assert_eq!((calls.failed, calls.shed), (0, 0), "{told}");
    assert!(report.unexpected.is_empty(), "{told}");
    assert_eq!(report.malformed_received, 0, "{told}");
}

#[test]
fn every_kind_of_call_crosses_the_bare_relay() {
    for hangup in [Party::Caller, Party::Callee] {
        let mut config = config(free().into());
        config.mix = mix("call=4,cancel=1,busy=1,unavailable=1,not_found=1,register=1,options=1")
            .expect("a mix");
        config.hangup = hangup;
        config.in_dialog = InDialog::Reinvite;
        config.in_dialog_count = 2;
        config.ring = "1ms..50ms".parse::<Span>().expect("a span");
        let relay = relay(&config);
        config.watch_pid = vec![relay.id()];
        let report = run(&config).expect("it runs");
        all_good(&report);
        assert_eq!(report.calls.intended, CALLS);
        assert_eq!(report.calls.by_kind.len(), 7);
        // The relay changes nothing.
        assert_eq!(report.extensions.internal, 1.0);
        for kind in [
            "INVITE",
            "180",
            "200",
            "ACK",
            "BYE",
            "BYE 200",
            "CANCEL",
            "re-INVITE",
            "all",
        ] {
            let times = report.added[kind].as_ref().expect("some crossed");
            // The time of sending is a share of that of its sendmmsg, so the least may be nothing.
            assert!(times.count > 0 && times.p50 > 0.0, "{kind}: {times:?}");
        }
        let watched = &report.watched[0];
        assert_eq!(
            (watched.command.as_str(), watched.processes),
            ("bare_relay", 1)
        );
        assert!(watched.rss_kib_max > 100);
        assert!(
            (2..=40).contains(&report.seconds.len()),
            "{}",
            report.seconds.len()
        );
        let started: u64 = report.seconds.iter().map(|second| second.started).sum();
        assert_eq!(started, CALLS);
    }
}

#[test]
fn a_plain_call_through_the_relay_is_six_datagrams() {
    let mut config = config(free().into());
    // The schedule has twice as many.
    config.steps = Steps::constant(4.0, CALLS as f64 / 2.0);
    config.calls = Some(CALLS);
    let _relay = relay(&config);
    let report = run(&config).expect("it runs");
    all_good(&report);
    assert_eq!(report.calls.intended, CALLS);
    if report.retransmissions_total == 0 {
        assert_eq!(
            (report.datagrams.sent, report.datagrams.received),
            (6 * CALLS, 6 * CALLS)
        );
    }
    let window = &report.window;
    assert_eq!((window.seconds, window.intended), (3.0, CALLS * 3 / 4));
    let cpu = report.generator.cpu_us_per_call;
    assert!(cpu > 1.0 && cpu < 100_000.0, "{cpu}");
}

#[test]
fn sipp_is_content_with_the_caller() {
    let callee = Sipp::callee("callee_answers")
        .calls(CALLS as u32, 1000)
        .start();
    let mut config = config(callee.address());
    config.role = Role::Caller;
    let report = run(&config).expect("it runs");
    all_good(&report);
    // It ends well only if every message of every call was what its scenario waits for.
    let seen = callee.finish();
    assert_eq!(
        seen.request("INVITE").header("X-Internal-Foo"),
        Some("strip-me")
    );
    assert!(seen.request("BYE").header("Route").is_none());
}

#[test]
fn sipp_hangs_up_on_the_caller() {
    let callee = Sipp::callee("callee_hangs_up")
        .calls(CALLS as u32, 1000)
        .start();
    let mut config = config(callee.address());
    config.role = Role::Caller;
    config.hangup = Party::Callee;
    let report = run(&config).expect("it runs");
    all_good(&report);
    callee.finish();
}

#[test]
fn sipp_is_content_with_the_callee() {
    for (hangup, scenario) in [
        (Party::Caller, "caller_hangs_up"),
        (Party::Callee, "caller_is_hung_up"),
    ] {
        let mut config = config(free().into());
        config.role = Role::Callee;
        config.hangup = hangup;
        config.steps = Steps::constant(60.0, 0.0);
        config.calls = Some(CALLS);
        let address = SocketAddr::V4(config.callee);
        let running = thread::spawn(move || run(&config).expect("it runs"));
        let sipp = Sipp::caller(scenario, address)
            .to(&format!("sip:+15550100@{address}"))
            .calls(CALLS as u32, 50)
            .run();
        let report = running.join().expect("it does not panic");
        all_good(&report);
        assert_eq!(report.calls.good, CALLS);
        let statuses = sipp.statuses("INVITE");
        assert!(statuses.contains(&180) && statuses.contains(&200));
    }
}

#[test]
fn calls_cross_the_edge() {
    for hangup in [Party::Caller, Party::Callee] {
        let mut config = config(free().into());
        config.hangup = hangup;
        config.mix = mix("call=5,cancel=1,busy=1,not_found=1,unavailable=1").expect("a mix");
        config.in_dialog_count = 1;
        let mut edge = edge(&mut config);
        config.watch_pid = vec![edge.process().id()];
        let report = run(&config).expect("it runs");
        all_good(&report);
        // Its own answer to every INVITE (RFC 3261 §16.2), and the job of its chain.
        assert!(
            report.responses["INVITE"]["100"] >= CALLS,
            "{:?}",
            report.responses
        );
        assert_eq!(report.watched[0].command, "hookswitch");
        assert!(report.watched[0].threads > 1);
    }
}

#[test]
fn a_dead_proxy_is_told() {
    let mut config = config(free().into());
    config.steps = Steps::constant(1.5, 20.0);
    config.drain = 1.0;
    let report = run(&config).expect("it runs");
    assert_eq!((report.calls.good, report.calls.timed_out), (0, 30));
    assert!(
        report.retransmissions["INVITE"] >= 30,
        "{:?}",
        report.retransmissions
    );
    assert!(
        !report.clean
            && report
                .problems
                .iter()
                .any(|problem| problem == "30 calls failed")
    );
    assert!(report.kernel.no_ports >= 30);
}

#[test]
fn what_makes_no_sense_does_not_start() {
    let mut config = config(free().into());
    config.flows = 0;
    assert!(run(&config).is_err());
    let command = || Command::new(env!("CARGO_BIN_EXE_generate"));
    for wrong in [
        ["--steps", "10"],
        ["--mix", "calls=1"],
        ["--config", "/nowhere.toml"],
    ] {
        let output = command().args(wrong).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}
