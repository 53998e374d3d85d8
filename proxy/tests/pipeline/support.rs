//! One core with its clock, and what it sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use filters::{
    Branch, BuildContext, ConfigError, Context, Filter, Flow as Verdict, Outcome, Plugin, Reason,
    Registry, Relay, Reply, Resume, Target, Wait,
};
use hookswitch::config::Loader;
use hookswitch::console::CallLog;
use hookswitch::pipeline::{Core, Lookup, Output, Parts, Subject};
use hookswitch::registrar::Registrar;
use hookswitch::{Counters, Key, Random};
use sip::{Instant, Message, Request, Response, TransactionId, Transport};
use transport::{ConnectionId, Flow, Hop, ListenerId};

/// Listeners in the order of [`CONFIG`].
pub(crate) const PUBLIC: u16 = 0;
pub(crate) const PUBLIC_TCP: u16 = 1;
pub(crate) const INSIDE: u16 = 2;
pub(crate) const PUBLIC_V6: u16 = 3;
pub(crate) const NATTED: u16 = 4;

/// Who is who.
pub(crate) const CALLER: &str = "198.51.100.7:5060";
pub(crate) const STRANGER: &str = "198.51.100.99:5099";
pub(crate) const GATEWAY_1: &str = "203.0.113.1:5060";
pub(crate) const GATEWAY_2: &str = "203.0.113.2:5060";
pub(crate) const PBX: &str = "203.0.113.50:5070";
pub(crate) const EXECUTOR: &str = "10.0.0.9:5080";

/// Numbers that begin with 9 go to two gateways, in order; with 7 to one PBX; the rest of
/// demo.example to the executor.
pub(crate) const CONFIG: &str = r#"
[server]
secret = "0123456789abcdef"

[[listen]]
name = "public"
socket = "udp:192.0.2.1:5060"
chain = "inbound"

[[listen]]
name = "public-tcp"
socket = "tcp:192.0.2.1:5060"
chain = "inbound"

[[listen]]
name = "inside"
socket = "udp:10.0.0.1:5062"
trust = "internal"
chain = "internal"

[[listen]]
name = "public-v6"
socket = "udp:[2001:db8::1]:5060"
chain = "inbound"

[[listen]]
name = "natted"
socket = "udp:0.0.0.0:5070"
advertise = "edge.example.com:5079"
chain = "inbound"

[[trunk]]
name = "gateways"
reroute_causes = [500, 503, 404]
source = ["203.0.113.0/27"]
chain = "outbound"
  [[trunk.target]]
  uri = "sip:203.0.113.1?X-Origin=one&X-Both=1"
  priority = 1
  [[trunk.target]]
  uri = "sip:203.0.113.2"
  priority = 2
  [[trunk.target]]
  uri = "sip:203.0.113.3"
  priority = 3
  enabled = false

[[trunk]]
name = "named"
  [[trunk.target]]
  uri = "sip:gw.example.net"

[[trunk]]
name = "friend"
trust = "internal"
  [[trunk.target]]
  uri = "sip:10.0.0.77"

[[domain]]
name = "demo.example"
executor = ["sip:10.0.0.9:5080"]

[[route]]
name = "nine"
ruri_user = "^9"
to = "trunk"
trunk = "gateways"

[[route]]
name = "seven"
ruri_user = "^7"
to = "static"
targets = ["sip:203.0.113.50:5070"]

[[route]]
name = "six"
ruri_user = "^6"
to = "static"
targets = ["sip:203.0.113.50:5070;transport=tcp"]

[[route]]
name = "five"
ruri_user = "^5"
to = "trunk"
trunk = "named"

[[route]]
name = "sixteen"
ruri_user = "^v6"
to = "static"
targets = ["sip:[2001:db8::50]:5070"]

[[chain]]
name = "inbound"
  [[chain.filter]]
  type = "probe"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "record_route"

[[chain]]
name = "internal"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "record_route"

[[chain]]
name = "outbound"
  [[chain.filter]]
  type = "probe"
  [[chain.filter]]
  type = "uri_headers"
"#;

/// What the core sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) to: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) listener: u16,
    pub(crate) from_ip: Option<std::net::IpAddr>,
    pub(crate) connection: Option<ConnectionId>,
    /// Whether a connection may be opened for it.
    pub(crate) opens: bool,
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) wire: Bytes,
}

impl Sent {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.wire).into_owned()
    }

    pub(crate) fn start(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// The status, or 0 of a request.
    pub(crate) fn status(&self) -> u16 {
        let start = self.start();
        let status = start
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3));
        status.map_or(0, |status| status.parse().unwrap())
    }

    /// The method, or nothing of a response.
    pub(crate) fn method(&self) -> String {
        let start = self.start();
        if start.starts_with("SIP/") {
            String::new()
        } else {
            start.split(' ').next().unwrap().to_owned()
        }
    }

    /// The values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
        let line = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        };
        head.split("\r\n").filter_map(line).collect()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    pub(crate) fn branch(&self) -> String {
        let via = self.header("Via");
        via.split("branch=")
            .nth(1)
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn request(&self) -> Request {
        match sip::parse(self.wire.clone(), &sip::Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    /// A response to this request, as a next hop makes it. `extra` are header lines.
    pub(crate) fn answer(&self, status: u16, extra: &str) -> String {
        let response = sip::Reply::new(&self.request(), status, "Whatever")
            .to_tag(b"callee")
            .build();
        let text = String::from_utf8_lossy(&response.to_bytes()).into_owned();
        text.replacen("\r\n\r\n", &format!("\r\n{}\r\n", lines(extra)), 1)
    }
}

/// One core in virtual time.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) counters: Arc<Counters>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) waits: Vec<(Key, Wait)>,
    pub(crate) abandoned: Vec<Key>,
    pub(crate) loader: Loader,
}

pub(crate) fn loader() -> Loader {
    Loader {
        registry: Arc::new(Registry::builtin().with::<Probe>()),
        counters: Arc::default(),
        entropy: [7; 32],
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(CONFIG)
    }

    pub(crate) fn with(config: &str) -> Self {
        Self::seeded(config, 1)
    }

    pub(crate) fn seeded(config: &str, seed: u64) -> Self {
        let loader = loader();
        let settings = loader
            .parse("test.toml", config)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let counters = Arc::new(Counters::default());
        let registrar = Arc::new(Registrar::new(&mut Random::Seeded(seed)));
        let core = Core::new(Parts {
            worker: 3,
            plan: settings.plan,
            workers: 1,
            random: Random::Seeded(seed),
            counters: counters.clone(),
            registrar: registrar.clone(),
            log: Arc::new(CallLog::disabled()),
            local_ip: Box::new(|_| "192.0.2.200".parse().unwrap()),
            clock: Box::new(|| 0),
        });
        Self {
            core,
            now: Instant::from_micros(1_000_000),
            counters,
            registrar,
            sent: Vec::new(),
            lookups: Vec::new(),
            waits: Vec::new(),
            abandoned: Vec::new(),
            loader,
        }
    }

    /// A datagram from `from` comes in by a listener.
    pub(crate) fn receive(&mut self, from: &str, listener: u16, text: &str) {
        let flow = udp(from, listener);
        self.receive_on(flow, Bytes::from(lines(text)));
    }

    pub(crate) fn receive_on(&mut self, flow: Flow, bytes: Bytes) {
        match sip::parse(bytes.clone(), &sip::Limits::default()) {
            Ok(message) => self.core.receive(flow, message, self.now),
            Err(error) => self.core.receive_malformed(flow, bytes, error),
        }
        self.collect();
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Abandon(key) => self.abandoned.push(key),
                Output::Resolve(lookup) => self.lookups.push(lookup),
                Output::Send {
                    peer,
                    wire,
                    transaction,
                } => self.sent.push(Sent {
                    to: peer.destination.remote,
                    transport: peer.destination.transport,
                    listener: peer.listener.0,
                    from_ip: peer.destination.local_hint,
                    connection: peer.destination.connection,
                    opens: peer.destination.open,
                    transaction,
                    wire,
                }),
                Output::Wait(key, wait) => self.waits.push((key, wait)),
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now + Duration::from_micros(1));
            self.core.tick(self.now);
            self.collect();
        }
        self.now = end;
        self.core.tick(end);
        self.collect();
    }

    pub(crate) fn advance_ms(&mut self, ms: u64) {
        self.advance(Duration::from_millis(ms));
    }

    /// What was sent since the last call.
    pub(crate) fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent to `to` since the last call.
    pub(crate) fn only(&mut self, to: &str) -> Sent {
        let sent = self.take();
        let mut there: Vec<Sent> = sent
            .iter()
            .filter(|sent| sent.to == address(to))
            .cloned()
            .collect();
        assert_eq!(
            there.len(),
            1,
            "to {to}: {:#?}",
            sent.iter().map(Sent::text).collect::<Vec<_>>()
        );
        there.remove(0)
    }

    /// The statuses that went to `to` since the last call, in order; requests as 0.
    pub(crate) fn statuses(&mut self, to: &str) -> Vec<u16> {
        let sent = self.take();
        sent.iter()
            .filter(|sent| sent.to == address(to))
            .map(Sent::status)
            .collect()
    }

    pub(crate) fn failed(&mut self, sent: &Sent) {
        self.core.send_failed(sent.transaction.unwrap(), self.now);
        self.collect();
    }

    pub(crate) fn resolved(&mut self, addresses: &[&str]) {
        let lookup = self.lookups.remove(0);
        let hop = |text: &&str| Hop {
            transport: lookup.transport.unwrap_or(Transport::Udp),
            addr: address(text),
        };
        let hops = addresses.iter().map(hop).collect();
        self.core.resolved(lookup.subject, hops, self.now);
        self.collect();
    }

    pub(crate) fn resume(&mut self, resume: Option<Resume>) {
        let (key, _) = self.waits.remove(0);
        self.core.resume(key, resume, self.now);
        self.collect();
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.core.publish_gauges();
        let found = self
            .counters
            .read()
            .into_iter()
            .find(|(metric, ..)| metric.contains(name));
        found.unwrap_or_else(|| panic!("no counter {name}")).2
    }

    /// Everything is over, and after all timers nothing is kept.
    pub(crate) fn assert_drained(&mut self) {
        assert_eq!(self.core.in_progress(), 0, "exchanges without an end");
        self.advance(Duration::from_secs(64));
        for gauge in [
            "hookswitch_exchanges",
            "hookswitch_transactions",
            "hookswitch_tombstones",
        ] {
            assert_eq!(self.count(gauge), 0, "{gauge}");
        }
    }
}

pub(crate) fn subject_is_ack(lookup: &Lookup) -> bool {
    matches!(lookup.subject, Subject::Ack(_))
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn udp(from: &str, listener: u16) -> Flow {
    let local = match listener {
        INSIDE => "10.0.0.1:5062",
        PUBLIC_V6 => "[2001:db8::1]:5060",
        NATTED => "172.16.0.4:5070",
        _ => "192.0.2.1:5060",
    };
    Flow {
        transport: Transport::Udp,
        local: address(local),
        remote: address(from),
        connection: None,
        listener: ListenerId(listener),
    }
}

pub(crate) fn tcp(from: &str, connection: u64) -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: address("192.0.2.1:5060"),
        remote: address(from),
        connection: Some(ConnectionId::from_u64(connection)),
        listener: ListenerId(PUBLIC_TCP),
    }
}

/// LF to CRLF.
pub(crate) fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// A request as [`CALLER`] writes it. `extra` are header lines, each with its LF.
pub(crate) fn request(method: &str, uri: &str, call_id: &str, extra: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-{call_id}-1;rport\n\
         Max-Forwards: 70\n\
         From: <sip:alice@caller.example>;tag=alice\n\
         To: <{uri}>\n\
         Call-ID: {call_id}\n\
         CSeq: 1 {method}\n\
         Contact: <sip:alice@198.51.100.7:5060>\n\
         {extra}Content-Length: 0\n\n"
    )
}

pub(crate) fn invite(user: &str, call_id: &str) -> String {
    request("INVITE", &format!("sip:{user}@demo.example"), call_id, "")
}

/// The CANCEL, or the ACK to a non-2xx final, of a request made by [`request`].
pub(crate) fn same_branch(method: &str, of: &str, to_tag: &str) -> String {
    let of = of
        .replacen("INVITE ", &format!("{method} "), 1)
        .replace("1 INVITE", &format!("1 {method}"));
    if to_tag.is_empty() {
        return of;
    }
    let to = of
        .lines()
        .find(|line| line.starts_with("To:"))
        .unwrap()
        .to_owned();
    of.replace(&to, &format!("{to};tag={to_tag}"))
}

/// How each request's chain was told its end, by Call-ID.
pub(crate) static DONE: LazyLock<Mutex<HashMap<String, Vec<u16>>>> = LazyLock::new(Mutex::default);

/// The statuses that `on_done` was told of a Call-ID.
pub(crate) fn done(call_id: &str) -> Vec<u16> {
    DONE.lock()
        .unwrap()
        .get(call_id)
        .cloned()
        .unwrap_or_default()
}

filters::settings! {
    /// Keys of `probe`.
    pub(crate) struct ProbeKeys {
        /// A mark for requests that pass.
        mark: Option<String> = filters::Kind::Text, absent, r#""a""#;
    }
}

/// Does what the header `X-Do` of a message says.
#[derive(Debug)]
pub(crate) struct Probe(Option<String>);

impl Filter for Probe {
    fn on_request(&self, request: &mut Request, cx: &mut Context) -> Verdict {
        if request.headers.named(b"X-Ask").next().is_some() {
            let trust = cx.facts.trust.as_str().as_bytes();
            request.headers.append(b"X-Trust", trust).unwrap();
        }
        if let Some(mark) = &self.0 {
            request.headers.append(b"X-Mark", mark.as_bytes()).unwrap();
        }
        match x_do(request.headers.named(b"X-Do").next()) {
            "drop" => Verdict::Drop(Reason("probe")),
            "reply" => {
                Verdict::Reply(Reply::new(499, "Probed", Reason("probe")).header("X-Why", "asked"))
            }
            "panic" => panic!("as asked"),
            "wait" => Verdict::Wait(Wait {
                future: Box::pin(std::future::pending()),
                timeout: Duration::from_secs(5),
            }),
            _ => Verdict::Continue,
        }
    }

    fn on_branch(&self, request: &mut Request, target: &Target, _: &mut Context) -> Branch {
        match x_do(request.headers.named(b"X-Do").next()) {
            "skip" => Branch::Skip(Reason("probe")),
            "skip-first" if target.uri.starts_with(b"sip:203.0.113.1") => {
                Branch::Skip(Reason("probe"))
            }
            "branch-panic" => panic!("as asked"),
            _ => Branch::Send,
        }
    }

    fn on_response(&self, response: &mut Response, cx: &mut Context) -> Relay {
        let seen = cx.target.as_ref().map_or_else(
            || "us".to_owned(),
            |target| match &target.trunk {
                Some(trunk) => trunk.to_string(),
                None => "them".to_owned(),
            },
        );
        response.headers.append(b"X-Seen", seen.as_bytes()).unwrap();
        match x_do(response.headers.named(b"X-Do").next()) {
            "drop" => Relay::Drop(Reason("probe")),
            "panic" => panic!("as asked"),
            _ => Relay::Forward,
        }
    }

    fn on_done(&self, outcome: &Outcome<'_>, _: &mut Context) {
        let mut call_id = String::from_utf8_lossy(outcome.call_id).into_owned();
        if outcome.method == b"ACK" {
            call_id.push_str(" ACK");
        }
        DONE.lock()
            .unwrap()
            .entry(call_id)
            .or_default()
            .push(outcome.status);
    }
}

fn x_do(value: Option<&[u8]>) -> &str {
    value
        .and_then(|value| std::str::from_utf8(value).ok())
        .unwrap_or_default()
}

impl Plugin for Probe {
    const NAME: &'static str = "probe";
    const SUMMARY: &'static str = "Does what a test asks for.";
    const EXAMPLE: &'static str = "mark = \"a\"\n";
    const REASONS: &'static [Reason] = &[Reason("probe")];
    type Config = ProbeKeys;

    fn build(config: ProbeKeys, _: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        Ok(Self(config.mark))
    }
}
