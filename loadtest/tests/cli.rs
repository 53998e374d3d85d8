//! The command line: `check`, `try`, `filters` and `demo`.

use std::process::{Command, Output};
use std::time::Duration;

use loadtest::{Config, Edge, Peer, Process, Scratch, Sipp, free_port, get, hookswitch, tool};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn check(config: &str) -> (Option<i32>, String) {
    let scratch = Scratch::new("check");
    let file = scratch.write("edge.toml", config);
    let output = Edge::command(&["check", "-c", &file.display().to_string()]);
    (output.status.code(), text(&output))
}

#[test]
fn check_accepts_a_good_file() {
    let config = Config::new()
        .domain("demo.test", "http://127.0.0.1:1/x")
        .trunk("carrier", "192.0.2.0/24", &["sip:192.0.2.9"]);
    let (code, said) = check(&config.text());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn check_accepts_the_annotated_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/hookswitch.toml");
    let output = Edge::command(&["check", "-c", file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn check_names_place_key_and_what_was_expected() {
    let good = Config::new()
        .domain("demo.test", "http://127.0.0.1:1/x")
        .text();
    // What is written for what, the line's part before the fault, the key, and a word of what was expected.
    let cases = [
        ("node = \"test\"", "nod = \"test\"", "nod", "node"),
        (
            "workers = 2",
            "workers = \"two\"",
            "workers",
            "whole number",
        ),
        (
            "trust = \"internal\"",
            "trust = \"mine\"",
            "trust",
            "internal",
        ),
        (
            "socket = \"tcp:",
            "socket = \"carrier-pigeon:",
            "socket",
            "tcp",
        ),
        (
            "chain = \"inside\"",
            "chain = \"nowhere\"",
            "chain",
            "inside",
        ),
        ("type = \"sanity\"", "type = \"sanitty\"", "type", "sanity"),
        (
            "no_match = \"reject\"",
            "no_match = \"maybe\"",
            "no_match",
            "silent",
        ),
        ("others = \"drop\"", "other = \"drop\"", "other", "others"),
        (
            "voice_url = \"http://127.0.0.1:1/x\"",
            "voice_url = \"not a url\"",
            "voice_url",
            "http",
        ),
        (
            "source = [\"127.0.0.0/8\"",
            "source = [\"127.0.0.0/99\"",
            "source",
            "/",
        ),
    ];
    for (right, wrong, key, expected) in cases {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right} is not in the file");
        let (code, said) = check(&bad);
        assert_eq!(code, Some(2), "{wrong}: {said}");
        let line = bad[..bad.find(wrong).unwrap()].matches('\n').count() + 1;
        assert!(
            said.contains(&format!("edge.toml:{line}:")),
            "{wrong} is in line {line}: {said}"
        );
        assert!(said.contains(key), "{wrong}: {said}");
        assert!(
            said.contains(expected),
            "{wrong}: {expected} is not named: {said}"
        );
    }
}

#[test]
fn check_lists_all_errors_at_once() {
    let bad = Config::new()
        .text()
        .replacen("others = \"drop\"", "other = \"drop\"", 1)
        .replacen("no_match = \"reject\"", "no_match = 7", 1);
    let (code, said) = check(&bad);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("no_match") && said.contains("other"),
        "{said}"
    );
}

#[test]
fn check_explains_what_is_no_toml_and_what_is_no_file() {
    let (code, said) = check("[server\nnode = 1");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("edge.toml:1:"), "{said}");
    let output = Edge::command(&["check", "-c", "/nowhere/at/all.toml"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("/nowhere/at/all.toml"));
}

#[test]
fn run_does_not_start_from_a_bad_file() {
    let scratch = Scratch::new("bad");
    let file = scratch.write("edge.toml", "nonsense = true\n");
    let output = Edge::command(&["run", "-c", &file.display().to_string()]);
    assert!(!output.status.success());
    assert!(text(&output).contains("nonsense"), "{}", text(&output));
}

#[test]
fn run_says_so_when_its_address_is_taken() {
    let config = Config::new().domain("demo.test", "http://127.0.0.1:1/x");
    let _first = Edge::start(config.clone());
    let scratch = Scratch::new("second");
    let file = scratch.write("edge.toml", config.text());
    let mut second = Process::start(
        "second",
        Command::new(hookswitch()).arg("run").arg("-c").arg(&file),
    );
    let status = second
        .wait(Duration::from_secs(30))
        .expect("the second did not give up");
    assert!(!status.success());
    assert!(
        second.output().contains(&config.sip.to_string())
            || second.output().contains(&config.console.to_string()),
        "{}",
        second.output()
    );
}

#[test]
fn try_shows_what_each_filter_does() {
    let scratch = Scratch::new("try");
    let rules = "[[chain.filter]]\ntype = \"uri_headers\"\n[[chain.filter]]\ntype = \"x_headers\"\ndefault = \"pass\"\n\
                 rules = [ { op = \"remove\", header = \"X-Internal-*\" } ]";
    let file = scratch.write(
        "edge.toml",
        Config::new()
            .domain("demo.test", "http://127.0.0.1:1/x")
            .inbound(rules)
            .text(),
    );
    let message = scratch.write(
        "invite.sip",
        "INVITE sip:bob@demo.test?customParameter=xxxxxxxxxx SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5099;branch=z9hG4bKtry\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:bob@demo.test>\r\nCall-ID: try\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:alice@127.0.0.1:5099>\r\nX-Internal-Secret: s3cret\r\nContent-Length: 0\r\n\r\n",
    );
    let run = |chain: &str| {
        Edge::command(&[
            "try",
            "-c",
            &file.display().to_string(),
            "--chain",
            chain,
            &message.display().to_string(),
        ])
    };
    let output = run("inbound");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("+ X-customParameter: xxxxxxxxxx"), "{said}");
    assert!(said.contains("- X-Internal-Secret: s3cret"), "{said}");
    assert!(said.contains("INVITE sip:bob@demo.test SIP/2.0"), "{said}");
    for filter in [
        "sanity",
        "trunk",
        "uri_headers",
        "x_headers",
        "record_route",
        "access_log",
    ] {
        assert!(said.contains(filter), "{filter}: {said}");
    }
    assert!(said.contains("ns"), "no time: {said}");
    let unknown = run("nowhere");
    assert!(!unknown.status.success());
    assert!(text(&unknown).contains("inbound"), "{}", text(&unknown));
}

#[test]
fn filters_prints_the_reference() {
    let all = Edge::command(&["filters"]);
    assert!(all.status.success());
    for filter in [
        "sanity",
        "trunk",
        "x_headers",
        "uri_headers",
        "record_route",
        "access_log",
    ] {
        assert!(text(&all).contains(filter), "{filter}");
        let one = Edge::command(&["filters", filter]);
        assert!(
            one.status.success() && text(&one).contains(filter),
            "{}",
            text(&one)
        );
    }
    assert!(
        !Edge::command(&["filters", "no_such_filter"])
            .status
            .success()
    );
}

#[test]
fn unknown_arguments_are_refused_with_usage() {
    let output = Edge::command(&["fly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("Usage"), "{}", text(&output));
}

/// The demo on ports of its own.
struct Demo {
    process: Process,
    sip: u16,
    console: u16,
}

impl Demo {
    fn start() -> Self {
        let (sip, console) = (free_port(), free_port());
        let webhook = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(hookswitch());
        command.args([
            "demo",
            "--sip-port",
            &sip.to_string(),
            "--console",
            &format!("127.0.0.1:{console}"),
        ]);
        command.args([
            "--internal-port",
            &free_port().to_string(),
            "--executor-port",
            &free_port().to_string(),
        ]);
        command.args(["--webhook", &webhook]);
        let process = Process::start("demo", &mut command);
        let demo = Self {
            process,
            sip,
            console,
        };
        assert!(
            demo.prints("Watch the calls", Duration::from_secs(40)),
            "{}",
            demo.process.output()
        );
        demo
    }

    fn prints(&self, needle: &str, within: Duration) -> bool {
        self.process.stdout.contains(needle, within)
    }

    /// The printed line that starts with this program, without what is in front of it.
    fn line(&self, program: &str) -> String {
        let output = self.process.stdout.text();
        let line = output.lines().find_map(|line| {
            line.find(&format!("{program} "))
                .map(|at| line[at..].trim().to_owned())
        });
        line.unwrap_or_else(|| panic!("no {program} line in {output}"))
    }
}

#[test]
fn the_demos_sipsak_line_works() {
    let demo = Demo::start();
    let line = demo.line("sipsak");
    let words: Vec<_> = line.split_whitespace().collect();
    let (code, said) = tool(words[0], &words[1..]);
    assert_eq!(code, Some(0), "{line}: {said}");
}

#[test]
fn the_demos_sipp_line_works() {
    let demo = Demo::start();
    let line = demo.line("sipp");
    let scratch = Scratch::new("pasted");
    let ports = format!(
        " -p {} -mp {} -cp {} -nostdin -timeout 40s -timeout_error",
        free_port(),
        free_port(),
        free_port()
    );
    let mut command = Command::new("sh");
    command
        .current_dir(scratch.path())
        .arg("-c")
        .arg(line.clone() + &ports);
    let mut sipp = Process::start("sipp", &mut command);
    let status = sipp.wait(Duration::from_secs(50));
    assert!(
        status.is_some_and(|status| status.success()),
        "{line}: {status:?}\n{}",
        sipp.output()
    );
    assert!(
        demo.prints("CallSid", Duration::from_secs(20)),
        "the demo prints what its application was sent"
    );
    let page = get(([127, 0, 0, 1], demo.console).into(), "/api/calls").expect("the page");
    assert!(page.body.contains("\"calls\":[{"), "{}", page.body);
}

#[test]
fn the_demos_phone_line_works() {
    let demo = Demo::start();
    let output = demo.process.stdout.text();
    let word = output
        .split_whitespace()
        .find(|word| word.starts_with("sip:"));
    let uri = word.unwrap_or_else(|| panic!("no address to dial in {output}"));
    let phone = loadtest::Phone::dial(uri.trim_matches(['"', '\'', '.', ',']), 60);
    assert!(
        phone.says("Call established", Duration::from_secs(30)),
        "{uri}: {}",
        phone.output()
    );
    assert!(demo.prints("CallSid", Duration::from_secs(20)));
}

#[test]
fn any_user_reaches_the_demo_over_udp_and_tcp() {
    let demo = Demo::start();
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], demo.sip));
    for user in ["demo", "+14158675309", "any.body"] {
        let uri = format!("sip:{user}@{to}");
        Sipp::caller("caller_hangs_up", to)
            .to(&uri)
            .argument("-d", "300")
            .run();
        Sipp::caller("caller_hangs_up", to)
            .tcp()
            .to(&uri)
            .argument("-d", "300")
            .run();
    }
    let peer = Peer::bind();
    peer.send(
        to,
        loadtest::Draft::new("OPTIONS", &format!("sip:{to}"), &peer).text(),
    );
    assert_eq!(peer.outcome(Duration::from_secs(20)).status(), Some(200));
}
