//! Complete calls through one [`Core`], without sockets: what a worker does with the messages of a call.
//!
//! ```text
//! caller ── INVITE ──►        ──► callee
//!        ◄─ 100
//!        ◄──────────  180, 200 ◄──
//!        ── ACK, BYE ►        ──►
//!        ◄──────────  200      ◄──
//! ```
//!
//! Six messages come in and seven go out. Sender and receiver write what SIPp writes.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookswitch::config::Loader;
use hookswitch::console::CallLog;
use hookswitch::pipeline::{Core, Output, Parts};
use hookswitch::registrar::Registrar;
use hookswitch::{Counters, Random};
use sip::{Instant, Limits, Transport};
use transport::{Flow, ListenerId};

/// The configuration of the side-by-side with Kamailio: five filters, three headers added, one removed.
pub const CONFIG: &str = r#"
[server]
workers = 1
secret = "0123456789abcdef0123456789abcdef"

[limits]
transactions = 1000000

[[listen]]
name = "udp"
socket = "udp:127.0.0.1:5060"
chain = "inbound"

[[route]]
name = "all"
to = "static"
targets = ["sip:127.0.0.1:5070"]

[[chain]]
name = "inbound"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "trunk"
  no_match = "accept"
  [[chain.filter]]
  type = "uri_headers"
  [[chain.filter]]
  type = "x_headers"
  rules = [
    { op = "remove", header = "X-Internal-*" },
    { op = "allow", header = ["X-*", "P-*"] },
    { op = "add", header = "X-Trunk-Id", value = "carrier-a" },
    { op = "add", header = "X-customParameter", value = "xxxxxxxx" },
    { op = "add", header = "X-customValue", value = "true" },
  ]
  [[chain.filter]]
  type = "record_route"
"#;

/// [`CONFIG`] with so many targets more that no call goes to, ten to a trunk; each trunk has a source and
/// a route of its own, and the route that all calls take stands behind theirs.
pub fn with_targets(count: u64) -> String {
    let mut trunks = String::new();
    for trunk in 0..count.div_ceil(10) {
        let (high, low) = (trunk / 250, trunk % 250 + 1);
        trunks.push_str(&format!(
            "[[route]]\nname = \"to-{trunk}\"\nruri_host = [\"trunk-{trunk}.test\"]\n\
             to = \"trunk\"\ntrunk = \"trunk-{trunk}\"\n\
             [[trunk]]\nname = \"trunk-{trunk}\"\ntrust = \"untrusted\"\n\
             source = [\"192.0.{high}.{low}\"]\n"
        ));
        for target in 10 * trunk..count.min(10 * (trunk + 1)) {
            trunks.push_str(&format!(
                "  [[trunk.target]]\n  uri = \"sip:target-{target}@127.0.0.1:5070\"\n"
            ));
        }
    }
    CONFIG.replacen("[[route]]", &format!("{trunks}[[route]]"), 1)
}

/// What happens in a call, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// INVITE comes in: 100 and INVITE go out.
    Invite,
    /// 180 is relayed.
    Ringing,
    /// 200 is relayed.
    Answer,
    /// ACK is forwarded.
    Ack,
    /// BYE is forwarded.
    Bye,
    /// Its 200 is relayed.
    ByeAnswer,
}

impl Step {
    /// All of them in order.
    pub const ALL: [Self; 6] = [
        Self::Invite,
        Self::Ringing,
        Self::Answer,
        Self::Ack,
        Self::Bye,
        Self::ByeAnswer,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ringing => "180",
            Self::Answer => "200",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::ByeAnswer => "200 (BYE)",
        }
    }

    /// The function that does it, as a profiler names it.
    pub const fn function(self) -> &'static str {
        match self {
            Self::Invite => "step_invite",
            Self::Ringing => "step_ringing",
            Self::Answer => "step_answer",
            Self::Ack => "step_ack",
            Self::Bye => "step_bye",
            Self::ByeAnswer => "step_end",
        }
    }

    /// The port that its message comes from.
    const fn from(self) -> u16 {
        match self {
            Self::Invite | Self::Ack | Self::Bye => CALLER,
            Self::Ringing | Self::Answer | Self::ByeAnswer => CALLEE,
        }
    }

    /// Messages that it sends.
    const fn sends(self) -> usize {
        match self {
            Self::Invite => 2,
            _ => 1,
        }
    }
}

/// One core in virtual time.
#[derive(Debug)]
pub struct Edge {
    core: Core,
    limits: Limits,
    now: Instant,
    sent: Vec<(SocketAddr, Bytes)>,
    seen: bool,
}

impl Edge {
    /// A core with the configuration `text` and nothing in progress.
    ///
    /// # Panics
    ///
    /// On a configuration that is not valid.
    pub fn new(text: &str) -> Self {
        let loader = Loader {
            registry: Arc::new(filters::Registry::builtin()),
            counters: Arc::default(),
            entropy: [7; 32],
        };
        let settings = loader
            .parse("bench.toml", text)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let core = Core::new(Parts {
            worker: 0,
            plan: settings.plan,
            workers: 1,
            random: Random::system(),
            counters: Arc::new(Counters::default()),
            registrar: Arc::new(Registrar::new(&mut Random::system())),
            log: Arc::new(CallLog::disabled()),
            local_ip: Box::new(|_| [127, 0, 0, 1].into()),
            clock: Box::new(|| 0),
        });
        Self {
            core,
            limits: Limits::default(),
            now: Instant::from_micros(1_000_000),
            sent: Vec::with_capacity(64),
            seen: true,
        }
    }

    /// Whether what follows is done in the functions that a profiler looks for, or out of its sight.
    pub fn show(&mut self, seen: bool) {
        self.seen = seen;
    }

    /// Does `step` of a call: the datagram `bytes` comes in, and everything is sent that follows.
    pub fn step(&mut self, step: Step, bytes: Bytes) {
        self.sent.clear();
        match step {
            _ if !self.seen => self.receive(step.from(), bytes),
            Step::Invite => step_invite(self, bytes),
            Step::Ringing => step_ringing(self, bytes),
            Step::Answer => step_answer(self, bytes),
            Step::Ack => step_ack(self, bytes),
            Step::Bye => step_bye(self, bytes),
            Step::ByeAnswer => step_end(self, bytes),
        }
        assert_eq!(self.sent.len(), step.sends(), "{step:?}");
    }

    /// Lets `time` pass, and does what is due.
    pub fn pass(&mut self, time: Duration) {
        self.sent.clear();
        self.now += time;
        if self.seen {
            step_tick(self);
        } else {
            self.tick();
        }
    }

    /// What the last step sent, and where to.
    pub fn sent(&self) -> &[(SocketAddr, Bytes)] {
        &self.sent
    }

    /// Calls whose sender waits for a final response.
    pub fn in_progress(&self) -> usize {
        self.core.in_progress()
    }

    #[inline(always)]
    fn receive(&mut self, from: u16, bytes: Bytes) {
        let flow = Flow {
            transport: Transport::Udp,
            local: SocketAddr::from(([127, 0, 0, 1], 5060)),
            remote: SocketAddr::from(([127, 0, 0, 1], from)),
            connection: None,
            listener: ListenerId(0),
        };
        match sip::parse(bytes, &self.limits) {
            Ok(message) => self.core.receive(flow, message, self.now),
            Err(error) => panic!("no message: {error:?}"),
        }
        self.collect();
    }

    #[inline(always)]
    fn tick(&mut self) {
        self.core.tick(self.now);
        self.collect();
    }

    #[inline(always)]
    fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send { peer, wire, .. } => {
                    self.sent.push((peer.destination.remote, wire));
                }
                other => panic!("a call asks for {other:?}"),
            }
        }
    }
}

/// One function a step, so that a profiler tells them apart.
macro_rules! steps {
    ($($name:ident = $step:expr;)*) => {$(
        #[inline(never)]
        fn $name(edge: &mut Edge, bytes: Bytes) {
            // Functions that are the same would be merged into one.
            black_box(stringify!($name));
            edge.receive($step.from(), bytes);
        }
    )*};
}

steps! {
    step_invite = Step::Invite;
    step_ringing = Step::Ringing;
    step_answer = Step::Answer;
    step_ack = Step::Ack;
    step_bye = Step::Bye;
    step_end = Step::ByeAnswer;
}

#[inline(never)]
fn step_tick(edge: &mut Edge) {
    edge.tick();
}

/// One call as its two ends see it.
#[derive(Debug)]
pub struct Call {
    number: u64,
    /// The INVITE that the callee received.
    invite: String,
    /// Record-Route of the 200, as Route lines.
    routes: String,
}

impl Call {
    /// The call with this number, which no other call of its edge has.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            invite: String::new(),
            routes: String::new(),
        }
    }

    /// The datagram that begins `step`.
    pub fn datagram(&self, step: Step) -> Bytes {
        let text = match step {
            Step::Invite => self.request("INVITE", "sip:+14158675309@127.0.0.1:5060", SDP),
            Step::Ringing => self.response("180 Ringing", "Content-Length: 0\r\n\r\n"),
            Step::Answer => self.response("200 OK", ANSWER),
            Step::Ack => self.request("ACK", NEXT_URL, ""),
            Step::Bye => self.request("BYE", NEXT_URL, ""),
            Step::ByeAnswer => self.response("200 OK", "Content-Length: 0\r\n\r\n"),
        };
        let bytes = Bytes::from(text.into_bytes());
        // A receiver's buffer is shared already: one more reference costs a count and no more.
        drop(bytes.clone());
        bytes
    }

    /// What came out of `step`.
    pub fn heard(&mut self, step: Step, sent: &[(SocketAddr, Bytes)]) {
        let Some((_, wire)) = sent.last() else {
            return;
        };
        let text = || String::from_utf8_lossy(wire).into_owned();
        match step {
            Step::Invite | Step::Bye => self.invite = text(),
            Step::Answer => {
                let routes = text();
                let lines = lines(&routes, "Record-Route:");
                self.routes = lines.map(|line| format!("{}\r\n", &line[7..])).collect();
            }
            _ => {}
        }
    }

    /// Does every step on `edge`.
    pub fn run(&mut self, edge: &mut Edge) {
        for step in Step::ALL {
            edge.step(step, self.datagram(step));
            self.heard(step, edge.sent());
        }
    }

    /// Goes as far as the 180.
    pub fn ring(&mut self, edge: &mut Edge) {
        for step in [Step::Invite, Step::Ringing] {
            edge.step(step, self.datagram(step));
            self.heard(step, edge.sent());
        }
    }

    fn request(&self, method: &str, uri: &str, rest: &str) -> String {
        let number = self.number;
        let cseq = if method == "BYE" { 2 } else { 1 };
        let to_tag = if method == "INVITE" {
            String::new()
        } else {
            format!(";tag={number}")
        };
        let rest = if rest.is_empty() {
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        } else {
            rest
        };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-20417-{number}-{method}\r\n\
             {routes}\
             From: sipp <sip:+14155550100@127.0.0.1:5080>;tag=20417SIPpTag00{number}\r\n\
             To: <sip:+14158675309@127.0.0.1:5060>{to_tag}\r\n\
             Call-ID: {number}-20417@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\n\
             {rest}",
            routes = self.routes,
        )
    }

    /// A response to the request that the callee received last.
    fn response(&self, status: &str, rest: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Record-Route:"];
        for name in names {
            for line in lines(&self.invite, name) {
                text.push_str(line);
                if name == "To:" && !line.contains(";tag=") {
                    text.push_str(&format!(";tag={}", self.number));
                }
                text.push_str("\r\n");
            }
        }
        text.push_str("Contact: <sip:127.0.0.1:5070;transport=UDP>\r\n");
        text.push_str(rest);
        text
    }
}

/// The lines of `text` that begin with `name`.
fn lines<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    text.split("\r\n")
        .filter(move |line| line.starts_with(name))
}

const CALLER: u16 = 5080;
const CALLEE: u16 = 5070;
const NEXT_URL: &str = "sip:127.0.0.1:5070;transport=UDP";
const SDP: &str = "Contact: <sip:sipp@127.0.0.1:5080>\r\n\
    Max-Forwards: 70\r\n\
    Subject: Performance Test\r\n\
    X-Internal-Secret: strip-me\r\n\
    X-Account-Id: AC0123456789\r\n\
    X-Campaign: spring-sale\r\n\
    User-Agent: carrier-sbc/1.0\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY\r\n\
    Supported: 100rel, timer, replaces\r\n\
    P-Asserted-Identity: <sip:+14155550100@carrier.example>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 194\r\n\
    \r\n\
    v=0\r\n\
    o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 6000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    \r\n";
const ANSWER: &str = "Content-Type: application/sdp\r\n\
    Content-Length: 129\r\n\
    \r\n\
    v=0\r\n\
    o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\n\
    a=rtpmap:0 PCMU/8000\r\n";
