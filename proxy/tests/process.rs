//! The process: how it starts, how it ends, and what its commands say.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_hookswitch");

/// How long the end may take of what waits for nobody; who waits does so for forty seconds.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A port that is free for UDP and TCP.
fn free_port() -> u16 {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

fn config(port: u16, console: u16, target: u16) -> String {
    format!(
        r#"
[server]
workers = 2
secret = "0123456789abcdef"
console = "127.0.0.1:{console}"

[[listen]]
name = "udp"
socket = "udp:127.0.0.1:{port}"
chain = "all"

[[listen]]
name = "tcp"
socket = "tcp:127.0.0.1:{port}"
chain = "all"

[[route]]
name = "everything"
to = "static"
targets = ["sip:127.0.0.1:{target}"]

[[chain]]
name = "all"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "record_route"
"#
    )
}

/// A running proxy; killed where a test forgets it.
struct Proxy {
    child: Child,
    port: u16,
    console: u16,
    target: UdpSocket,
}

impl Proxy {
    fn start(name: &str) -> Self {
        let (port, console) = (free_port(), free_port());
        let target = socket();
        let config = file(
            name,
            &config(port, console, target.local_addr().unwrap().port()),
        );
        let child = Command::new(BINARY)
            .args(["run", "-c"])
            .arg(config)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self {
            child,
            port,
            console,
            target,
        };
        let deadline = Instant::now() + Duration::from_secs(40);
        while get(proxy.console, "/healthz") != Some(200) {
            assert!(Instant::now() < deadline, "not up in time");
            std::thread::sleep(Duration::from_millis(1));
        }
        proxy
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits until a signal is heard: the load balancer is told that nothing new is let in.
    fn drains(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while get(self.console, "/healthz") != Some(503) {
            assert!(Instant::now() < deadline, "the signal is not heard");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end.
    fn ended(&mut self, at_most: Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(start.elapsed() < at_most, "still running after {at_most:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0u8; 4096];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (
        String::from_utf8_lossy(&buffer[..length]).into_owned(),
        from,
    )
}

fn request(method: &str, caller: &UdpSocket, call_id: &str) -> String {
    format!(
        "{method} sip:x@demo.example SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{call_id}{method}\r\nMax-Forwards: 9\r\n\
         From: <sip:a@a>;tag=a\r\nTo: <sip:x@demo.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@{}>\r\nContent-Length: 0\r\n\r\n",
        caller.local_addr().unwrap(),
        caller.local_addr().unwrap(),
    )
}

/// The answer of a callee to what it received.
fn answer(request: &str, status: u16) -> String {
    let headers = request.split("\r\n").skip(1).filter(|line| {
        ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    let headers: String = headers.map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 {status} X\r\n{headers}To: <sip:x@demo.example>;tag=b\r\nContent-Length: 0\r\n\r\n"
    )
}

fn get(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.get(9..12)?.parse().ok()
}

#[test]
fn sigterm_refuses_what_is_new_and_ends_what_has_begun() {
    let mut proxy = Proxy::start("drain");
    let caller = socket();
    caller
        .send_to(
            request("INVITE", &caller, "old").as_bytes(),
            proxy.address(),
        )
        .unwrap();
    assert!(receive(&caller).0.starts_with("SIP/2.0 100 "));
    let (invite, upstream) = receive(&proxy.target);
    proxy.signal("-TERM");
    proxy.drains();
    // New calls and OPTIONS are refused, and say when to come again; the load balancer is told.
    for method in ["INVITE", "OPTIONS"] {
        let other = socket();
        other
            .send_to(request(method, &other, "new").as_bytes(), proxy.address())
            .unwrap();
        let (refusal, _) = receive(&other);
        assert!(
            refusal.starts_with("SIP/2.0 503 ") && refusal.contains("Retry-After: "),
            "{refusal}"
        );
    }
    assert_eq!(get(proxy.console, "/healthz"), Some(503));
    // The call in setup is answered, and then the process ends.
    proxy
        .target
        .send_to(answer(&invite, 486).as_bytes(), upstream)
        .unwrap();
    assert!(receive(&caller).0.starts_with("SIP/2.0 486 "));
    proxy.ended(Duration::from_secs(20));
}

#[test]
fn sigint_does_not_wait_but_leaves_nobody_without_an_answer() {
    let mut proxy = Proxy::start("interrupt");
    let caller = socket();
    caller
        .send_to(
            request("INVITE", &caller, "cut").as_bytes(),
            proxy.address(),
        )
        .unwrap();
    assert!(receive(&caller).0.starts_with("SIP/2.0 100 "));
    receive(&proxy.target);
    proxy.signal("-INT");
    assert!(receive(&caller).0.starts_with("SIP/2.0 503 "));
    proxy.ended(AT_ONCE);
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let mut proxy = Proxy::start("twice");
    let caller = socket();
    caller
        .send_to(
            request("INVITE", &caller, "hung").as_bytes(),
            proxy.address(),
        )
        .unwrap();
    receive(&proxy.target);
    proxy.signal("-TERM");
    proxy.drains();
    proxy.signal("-TERM");
    proxy.ended(Duration::from_secs(20));
}

#[test]
fn an_idle_process_ends_at_once() {
    let mut proxy = Proxy::start("idle");
    proxy.signal("-TERM");
    proxy.ended(AT_ONCE);
}

#[test]
fn a_call_over_tcp_goes_on_while_draining() {
    let mut proxy = Proxy::start("tcp");
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let text = request("INVITE", &proxy.target, "stream").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    stream.write_all(text.as_bytes()).unwrap();
    let (invite, upstream) = receive(&proxy.target);
    proxy.signal("-TERM");
    proxy.drains();
    proxy
        .target
        .send_to(answer(&invite, 404).as_bytes(), upstream)
        .unwrap();
    let mut text = String::new();
    let mut buffer = [0u8; 1024];
    while !text.contains("SIP/2.0 404 ") {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    proxy.ended(Duration::from_secs(20));
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

#[test]
fn a_socket_that_is_taken_is_named_and_nothing_is_started() {
    for (at, transport) in ["udp", "tcp"].into_iter().enumerate() {
        let (port, console) = (free_port(), free_port());
        let udp = (at == 0).then(|| UdpSocket::bind(("127.0.0.1", port)).unwrap());
        let tcp = (at == 1).then(|| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let config = file(&format!("taken-{at}"), &config(port, console, 9));
        let output = run(&["run", "-c", config.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("cannot listen on {transport}:127.0.0.1:{port}")),
            "{said}"
        );
        drop((udp, tcp));
    }
    // A second process of ours, too, though workers share their ports.
    let proxy = Proxy::start("second");
    let config = file("second-2", &config(proxy.port, free_port(), 9));
    let output = run(&["run", "-c", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn commands_say_what_is_wrong_and_with_which_code() {
    let good = file("good", &config(5060, 8080, 9));
    let good = good.to_str().unwrap();
    let bad = file(
        "bad",
        &config(5060, 8080, 9).replace("workers = 2", "workers = \"two\""),
    );
    let message = file(
        "message",
        "OPTIONS sip:x@demo.example SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@a>;tag=1\nTo: <sip:x@demo.example>\nCall-ID: 1\nCSeq: 1 OPTIONS\nX-Hookswitch-Trunk: x\n",
    );
    let message = message.to_str().unwrap();
    let spent = std::fs::read_to_string(message)
        .unwrap()
        .replace("X-Hook", "Max-Forwards: 0\nX-Hook");
    let spent = file("spent", &spent);
    let response = file(
        "response",
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@a>;tag=1\nTo: <sip:x@x>;tag=2\nCall-ID: 1\nCSeq: 1 OPTIONS\nX-Hookswitch-A: 1\n",
    );
    let garbage = file("garbage", "hello\n");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (
            &["check", "-c", good],
            0,
            &["valid: 2 listeners, 0 trunks, 0 domains, 1 route, 1 chain"],
        ),
        (
            &["check", "-c", bad.to_str().unwrap()],
            2,
            &[":3:11: server.workers: ", "1 error"],
        ),
        (
            &["check", "-c", "/nonexistent.toml"],
            2,
            &["/nonexistent.toml: cannot be read"],
        ),
        (
            &["run", "-c", "/nonexistent.toml"],
            2,
            &["/nonexistent.toml: cannot be read"],
        ),
        (&["filters"], 0, &["sanity", "x_headers"]),
        (&["filters", "sanity"], 0, &["sanity", "proxy_require"]),
        (
            &["filters", "nope"],
            2,
            &["no filter `nope`; expected one of access_log"],
        ),
        (
            &["try", "-c", good, "--chain", "all", message],
            0,
            &[
                "sanity",
                " ns  continue",
                "decision: continue",
                "- X-Hookswitch-Trunk: x",
                "OPTIONS sip:x@demo.example SIP/2.0",
            ],
        ),
        (
            &["try", "-c", good, "--chain", "all", spent.to_str().unwrap()],
            1,
            &["decision: reply 483 Too Many Hops"],
        ),
        (
            &[
                "try",
                "-c",
                good,
                "--chain",
                "all",
                response.to_str().unwrap(),
            ],
            0,
            &["decision: forward", "- X-Hookswitch-A: 1"],
        ),
        (
            &[
                "try",
                "-c",
                good,
                "--chain",
                "all",
                garbage.to_str().unwrap(),
            ],
            2,
            &["no SIP message"],
        ),
        (
            &["try", "-c", good, "--chain", "none", message],
            2,
            &["no chain `none`; expected one of all"],
        ),
        (
            &[
                "try",
                "-c",
                good,
                "--chain",
                "all",
                "--listener",
                "x",
                message,
            ],
            2,
            &["no listener `x`"],
        ),
        (
            &["try", "-c", good, "--chain", "all", "/nonexistent.sip"],
            2,
            &["/nonexistent.sip: cannot be read"],
        ),
        (&["frobnicate"], 2, &["unrecognized subcommand"]),
        (&["--version"], 0, &["hookswitch "]),
    ];
    for (arguments, code, words) in cases {
        let output = run(arguments);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{arguments:?}: no `{word}` in {said}");
        }
    }
}
